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


_KINDS = {
    "int": ("1", "True", "torch.tensor(3)", "torch.tensor(2.0)", "1.0", "torch.ones(2)"),
    "float": ("1", "True", "torch.tensor(2.5)", "1j"),
    "bool": ("1", "None", "torch.tensor(True)"),
    "Scalar": ("1", "1j", "torch.tensor(3)"),
    "str": ("'a'", "1"),
    "ScalarType": ("torch.float32", "'float32'"),
    "Device": ("'cpu'", "torch.device('cpu')", "1"),
    "int[]": ("(1, 2)", "torch.Size([1])", "1", "[1.5]"),
    "int[2]": ("1", "[1, 2]"),
    "float[]": ("(1, 2.5)", "1.5"),
    "bool[]": ("[1]",),
    "Tensor[]": ("(torch.ones(1),)", "[1]", "torch.ones(2)"),
    "Tensor?[]": ("(None, torch.ones(1))",),
    "int[]?": ("None", "(1,)"),
}
_RETURNED = {
    "Tensor": ("torch.ones(1)", "1", "[torch.ones(1)]", "None"),
    "(Tensor, Tensor)": ("[torch.ones(1), torch.zeros(1)]", "torch.ones(2)", "(torch.ones(1), 1)"),
    "()": ("None", "1"),
    "Tensor[]": ("(torch.ones(1),)", "[]"),
    "float": ("1",),
    "bool": ("1",),
    "(Tensor out, int k)": ("(torch.ones(1), True)",),
}


def _first_line(found: Any) -> Any:
    """What was found; of an error the kind and first line: the rest names what C++ calls types."""
    return str(found).partition("\\n")[0].partition("Cast error")[0]


def _called(schema: str, kernel: str, call: str) -> Any:
    """What an operator gives in each library."""
    told = []
    for library in (cotangent, oracle):
        lib = library.library.Library("oneoff", "FRAGMENT")
        scope = {"torch": library}
        name = lib.define(f"one{schema}")
        lib.impl(name, eval(kernel, scope), "CompositeExplicitAutograd")
        scope["op"] = library.ops.oneoff.one
        try:
            told.append(str(eval(call, scope)).replace("cotangent", "torch"))
        except (RuntimeError, TypeError) as error:
            told.append(_first_line((type(error).__name__, str(error))))
        lib._destroy()
        if hasattr(library.ops.oneoff, "one"):
            delattr(library.ops.oneoff, "one")
    return told


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, vs in _KINDS.items() for v in vs])
def test_kernels_get_what_the_schema_says(kind: str, value: str) -> None:
    mine, other = _called(f"({kind} a) -> str", "lambda a: f'{type(a).__name__} {a}'", f"op({value})")
    assert mine == other


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, vs in _RETURNED.items() for v in vs])
def test_results_are_what_the_schema_says(kind: str, value: str) -> None:
    mine, other = _called(f"(Tensor x) -> {kind}", f"lambda x: {value}", "op(torch.ones(1))")
    assert mine == other


_ON_META = """
lib = torch.library
@lib.custom_op("empty::fake", mutates_args=())
def fake(x: torch.Tensor, k: int) -> torch.Tensor:
    return x.new_ones(k)
@fake.register_fake
def _(x, k):
    return x.new_empty(k)
@lib.custom_op("empty::none", mutates_args=())
def none(x: torch.Tensor) -> torch.Tensor:
    return x + 1
own = lib.Library("empty", "FRAGMENT")
for name, key in (("cpu", "CPU"), ("composite", "CompositeExplicitAutograd"), ("meta", "Meta")):
    own.define(f"{name}(Tensor x) -> Tensor")
    own.impl(name, lambda x: x.new_empty(7), key)
"""


@pytest.mark.parametrize("call", ["fake(x, 3)", "none(x)", "ops.cpu(x)", "ops.composite(x)", "ops.meta(x)"])
def test_operators_on_meta(call: str) -> None:
    def told(library: Any) -> Any:
        scope = {"torch": library}
        exec(_ON_META, scope)
        scope |= {"x": library.ones(2, device="meta"), "ops": library.ops.empty}
        try:
            return str(eval(call, scope))
        except (RuntimeError, NotImplementedError) as error:
            return type(error).__name__, str(error)
        finally:
            scope["own"]._destroy()

    assert told(cotangent) == told(oracle)


_REFUSED = [
    "lib.Library('refused', 'X')", "lib.Library('prim', 'DEF')", "lib.define('refused::a', 'Tensor x')",
    "lib.define('refused', '(Tensor x) -> Tensor')", "lib.define(3, '(Tensor x) -> Tensor')",
    "lib.define('refused::b', '(Foo x) -> Tensor')", "lib.define('refused::c', '(Tensor x) -> Foo')",
    "lib.Library('refused', 'FRAGMENT').define('d(Tensor x) -> Tensor', 'FOO')",
    "lib.Library('refused', 'FRAGMENT').impl(3, print)",
    "lib.Library('aten', 'IMPL', 'CPU').__repr__()",
    "torch.ops.refused.known.other", "lib.register_kernel('refused::known', 'nodev', print)",
    "lib.register_kernel('refused::known', 'cuda:1', print)",
    "lib.Library('refused', 'FRAGMENT').impl('known', print, 'FOO')",
    "str(torch.ops.refused.known.default._schema)", "repr(torch.ops.refused.known.default._schema)",
]  # fmt: skip


@pytest.mark.parametrize("call", _REFUSED)
def test_what_libraries_refuse(call: str) -> None:
    def told(library: Any) -> Any:
        own = library.library.Library("refused", "FRAGMENT")
        own.define("known(Tensor x, int[2] k=1, float e=1e-05, float f=2, Device d='cpu') -> Tensor")
        try:
            return str(eval(call, {"torch": library, "lib": library.library}))
        except Exception as error:
            return type(error).__name__, str(error).strip()
        finally:
            own._destroy()

    assert told(cotangent) == told(oracle)
