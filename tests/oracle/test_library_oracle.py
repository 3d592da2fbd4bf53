"""torch.library: operators of one's own in both libraries, defined, differentiated, batched and refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from programs.found import outcome

import cotangent

oracle = pytest.importorskip("torch")

_DEFINED = """
import numpy as np
from collections.abc import Sequence
from typing import Optional, List, Tuple, Union

lib = torch.library

@lib.custom_op("mine::sine", mutates_args=())
def sine(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.sin(x.numpy(force=True)))

def keep(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])

sine.register_autograd(lambda ctx, g: g * ctx.saved_tensors[0].cos(), setup_context=keep)

@lib.custom_op("mine::plain", mutates_args=())
def plain(x: torch.Tensor, by: float = 2.0) -> torch.Tensor:
    return x * by

@lib.custom_op("mine::doubled", mutates_args={"x"})
def doubled(x: torch.Tensor) -> None:
    x.mul_(2)

@lib.custom_op("mine::all_scaled", mutates_args=())
def all_scaled(xs: list[torch.Tensor], by: int) -> list[torch.Tensor]:
    return [x * by for x in xs]

def keep_by(ctx, inputs, output):
    ctx.by = inputs[1]

def scaled_back(ctx, gs):
    ctx.seen = ctx.needs_input_grad
    return [g * ctx.by for g in gs], None

all_scaled.register_autograd(scaled_back, setup_context=keep_by)

@lib.custom_op("mine::named", mutates_args=())
def named(
    x: torch.Tensor, y: Optional[torch.Tensor] = None, *, by: float = 2.0
) -> Tuple[torch.Tensor, torch.Tensor]:
    return x * by, x + (0 if y is None else y)

def keep_named(ctx, inputs, keyword_only_inputs, output):
    ctx.by = keyword_only_inputs["by"]

named.register_autograd(lambda ctx, g, h: (g * ctx.by + h, h), setup_context=keep_named)

@lib.custom_op("mine::returned", mutates_args=())
def returned(x: torch.Tensor) -> torch.Tensor:
    return x.view(-1)

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = torch.tensor([3.0, 4.0], requires_grad=True)

def gradients(*outputs):
    return torch.autograd.grad([o.sum() for o in outputs], [x, y], allow_unused=True)
"""
CALLS = """
sine(x), sine(x).grad_fn.name(), gradients(sine(x))
torch.ops.mine.sine(x), gradients(torch.ops.mine.sine(x))
torch.ops.mine.sine.default, torch.ops.mine.sine, torch.ops.mine, sine, sine._qualname
plain(x), plain(x, 3.0), plain(x=x, by=4.0)
gradients(plain(x))
plain(x.detach()).requires_grad
[(doubled(t), t, t._version) for t in [torch.ones(2)]]
all_scaled([x, torch.ones(2)], 3)
gradients(*all_scaled([x, y], 3))
gradients(all_scaled([x, y], 3)[1])
named(x, by=3.0)
gradients(*named(x, y))
gradients(named(x)[0])
named(x, by='a')
named(x, None, 3.0)
named()
named(x, other=1)
plain('a')
plain(x, [1])
plain()
lib.register_autograd('mine::doubled', None)
lib.register_fake('mine::absent', lambda x: x)
torch.func.vmap(sine)(torch.ones(2, 3))
torch.func.vmap(plain, in_dims=1)(torch.ones(2, 3)).shape
str(torch.ops.mine.named.default._schema)
[str(op._schema) for op in (plain, doubled, all_scaled, named)]
torch.ops.mine.absent
""".strip().split("\n")


def told(torch: Any, source: str, shown: str) -> str:
    text = outcome(torch, source, shown).replace("cotangent", "torch")
    text = re.sub(r"\(with implementation in .*?\):", "(...):", text)
    text = re.sub(r"Cast error details: .*", "", text.replace("\\n", "\n"))
    return re.sub(r" Duplicate registration: .*", "", text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_operators_of_annotated_functions(call: str) -> None:
    assert told(cotangent, _DEFINED, call) == told(oracle, _DEFINED, call)


def test_transforms_differentiate_operators() -> None:
    """PyTorch refuses this: its generated functions have no `setup_context` of their own."""
    source = _DEFINED + "t = torch.tensor([[0.5, 1.0], [2.0, 0.25]])"
    slope = "torch.func.grad(lambda t: sine(t).sum())"
    shown = f"torch.allclose({slope}(t), t.cos()), torch.allclose(torch.func.vmap({slope})(t), t.cos())"
    assert outcome(cotangent, source, shown) == "(True, True)"


def test_results_that_are_operands() -> None:
    assert told(cotangent, _DEFINED, "returned(x)") == told(oracle, _DEFINED, "returned(x)")


@pytest.mark.filterwarnings("ignore")
def test_other_kernels_and_batches() -> None:
    source = _DEFINED + """
@sine.register_kernel("cpu")
def _(x):
    return torch.from_numpy(np.cos(x.numpy(force=True)))

@sine.register_vmap
def _(info, in_dims, x):
    return sine(x) + info.batch_size, in_dims[0]

@sine.register_fake
def _(x):
    return torch.empty_like(x)

first = sine(x)
with sine.set_kernel_enabled("cpu", enabled=False):
    second = sine(x)
third = torch.func.vmap(sine, in_dims=1)(torch.ones(3, 2))
"""
    assert told(cotangent, source, "first, second, third") == told(oracle, source, "first, second, third")


_NAMED = """
made = torch.library.Library({ns!r}, "DEF")
made.define("scaled(Tensor x, float by=2.0) -> Tensor")
made.define("added_(Tensor(a!) x, Tensor[] ys, *, int[] n=[1, 2]) -> Tensor(a!)")
made.impl("scaled", lambda x, by=2.0: x * by, "CompositeImplicitAutograd")
ops = getattr(torch.ops, {ns!r})
torch.library.define({ns!r} + "::square", "(Tensor x) -> Tensor")
torch.library.impl({ns!r} + "::square", "cpu", lambda x: x * x)
x = torch.tensor([1.0, 2.0], requires_grad=True)
"""
NAMED = (
    "ops.scaled(x), ops.scaled(x, by=3.0)", "ops.square(x).sum().backward(), x.grad", "ops.scaled()",
    "ops.absent",
    "made.define('scaled(Tensor x) -> Tensor')", "str(ops.added_.default._schema)", "ops.scaled(x, 2.0, 3)",
    "torch.library.register_autograd(ns + '::added_', None)",
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(NAMED)))
def test_operators_of_schemas(number: int) -> None:
    ns = f"mine{number}"
    source = f"ns = {ns!r}\n" + _NAMED.format(ns=ns)
    assert told(cotangent, source, NAMED[number]) == told(oracle, source, NAMED[number])


def test_operators_go_with_their_library() -> None:
    source = """
kept = torch.library.Library("going", "DEF")
kept.define("one(Tensor x) -> Tensor")
kept.impl("one", lambda x: x + 1, "CompositeImplicitAutograd")
seen = [torch.ops.going.one(torch.ones(1)).item()]
del kept
with torch.library._scoped_library("going", "FRAGMENT") as other:
    other.define("one(Tensor x) -> Tensor")
    other.impl("one", lambda x: x + 2, "CPU")
    seen.append(torch.ops.going.one(torch.ones(1)).item())
    try:
        other.define("one(Tensor x) -> Tensor")
    except RuntimeError:
        seen.append("twice")
"""
    assert outcome(cotangent, source, "seen") == outcome(oracle, source, "seen") == "[2.0, 3.0, 'twice']"


SIGNATURES = (
    "(x: torch.Tensor, n: int, f: float = 1.5, b: bool = True, s: str = 'a') -> torch.Tensor",
    "(xs: Sequence[torch.Tensor], d: Optional[torch.dtype] = None, *, k: Optional[List[int]] = None) -> None",
    "(x: Optional[torch.Tensor], s: Union[int, float, bool] = 1) -> Tuple[torch.Tensor, int]",
    "(x) -> torch.Tensor", "(x: torch.Tensor)", "(x: torch.Tensor, *y) -> torch.Tensor",
    "(x: torch.Tensor, n: list = ()) -> torch.Tensor".replace("list", "Sequence[int]"),
    "(x: List[Optional[torch.Tensor]], d: torch.device) -> List[torch.Tensor]",
)  # fmt: skip


@pytest.mark.parametrize("written", ["()", "('x',)", "'unknown'", "('absent',)"])
@pytest.mark.parametrize("signature", SIGNATURES)
def test_schemas_of_annotations(signature: str, written: str) -> None:
    source = "from typing import *\nnamespace = {**globals()}\n"
    source += f"def f{signature}: ...\n"
    shown = f"torch.library.infer_schema(f, mutates_args={written}, op_name='f')"
    assert told(cotangent, source, shown) == told(oracle, source, shown)
