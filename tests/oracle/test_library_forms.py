"""Operators of several forms, and `opcheck`, in both libraries."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import cotangent

LIBRARIES = {"torch": torch, "cotangent": cotangent}
FORMS = """
lib = torch.library.Library("forms", "DEF")
lib.impl("early", lambda x: x + 7, "CPU")
lib.define("early(Tensor x) -> Tensor")
named = [lib.define("f.Tensor(Tensor x, Tensor y) -> Tensor"),
         lib.define("f.Scalar(Tensor x, Scalar y, *, int n=1) -> Tensor"),
         lib.define("f.two(Tensor x) -> (Tensor, Tensor)")]
lib.impl("f.Tensor", lambda x, y: x + y, "CPU")
lib.impl("f.Scalar", lambda x, y, n=1: x * y * n, "CompositeExplicitAutograd")
lib.impl(torch.ops.forms.f.two, lambda x: (x, x + 1), "CPU")
torch.library.register_fake("forms::f.Tensor", lambda x, y: torch.empty_like(x))
torch.library.register_autograd("forms::f.Tensor", lambda ctx, g: (g * 5, None))
lib.define("g.out(Tensor x, *, Tensor(a!) out) -> Tensor(a!)")
lib.define("g(Tensor x) -> Tensor")
lib.impl("g.out", lambda x, out: out.copy_(x), "CPU")
lib.impl("g", lambda x: x * 2, "CPU")
f, g, x, y = torch.ops.forms.f, torch.ops.forms.g, torch.ones(2), torch.zeros(2)
leaf, without = torch.ones(2, requires_grad=True), torch.empty(2, device="meta")
cast = torch.library.custom_op("forms::cast", lambda x, y: x * y.to(x.dtype), mutates_args=(),
                               schema="(Tensor x, Tensor y) -> Tensor")
cast.register_autograd(lambda ctx, g: (g * 3, None))
asked = [type(torch.library.register_autocast("forms::cast", "cpu", torch.bfloat16)).__name__,
         torch.library.register_autocast("forms::g", "cpu", torch.float16)]
lib.impl("early", lambda x: x + 100, "AutocastCPU")
lib.impl("f.Tensor", torch.library.fallthrough_kernel, "AutocastCPU")
double = torch.ones(2, dtype=torch.float64)

def under(call, *args):
    with torch.autocast("cpu", torch.float16):
        return call(*args)

def enabled():
    seen = []

    def look(x):
        seen.append(torch.is_autocast_enabled("cpu"))
        return x + 1

    op = torch.library.custom_op("forms::enabled", look, mutates_args=(), schema="(Tensor x) -> Tensor")
    op.register_autocast("cpu", torch.float16)
    return under(op, x).dtype, op(x).dtype, seen
"""
CALLS = """
named, f, str(f), f.__name__, sorted(f.overloads()), sorted(g.overloads())
f(x, x), f(x, 3), f(x), f(x, 2.5, n=2), f(x, y=x)
f(x, 'a')
f()
f(x, x, n=2)
f(x, torch.tensor(2.0), n=3)
str(f.Tensor), f.Tensor.name(), str(f.Tensor._schema), f.Tensor.__name__, f.Tensor._overloadname
f.Tensor.namespace, f.Tensor.overloadpacket is f
f.default
f.none
f.Tensor(x, 3)
f.Scalar(x, 3, n=4)
f.Scalar(x)
f.Scalar(x, x)
f(without, without).shape, f(without, 2).shape
f(without)
f(leaf, x).grad_fn.name(), torch.autograd.grad(f(leaf, x).sum(), leaf)
g(x), g(x, out=y), y
g(x, out=3)
g(x, 1)
str(g.default), str(g.out._schema)
torch.library.register_autograd('forms::f', lambda ctx, g: (g, None))
lib.define('f.a.b(Tensor x) -> Tensor')
lib.define('f.default(Tensor x) -> Tensor')
lib.define('f.two(Tensor x) -> Tensor')
torch.ops.forms.early(x), under(torch.ops.forms.early, x)
asked, under(f, x, x).dtype, under(g, x).dtype
under(cast, x, x).dtype, under(cast, double, x).dtype, cast(x, x).dtype, under(cast, x, double).dtype
torch.autograd.grad(under(cast, leaf, x).sum(), leaf), under(cast, leaf, x).dtype
enabled()
torch.library.register_autocast('forms::cast', 'meta', torch.float16)
torch.library.register_autocast(3, 'cpu', torch.float16)
torch.library.fallthrough_kernel()
""".strip().split("\n")
CHECKED = """
def new(name, kernel, fake=None, back=None, schema="(Tensor x) -> Tensor", writes=()):
    made = torch.library.custom_op(f"checked::{name}", kernel, mutates_args=writes, schema=schema)
    if fake is not None:
        made.register_fake(fake)
    if back is not None:
        made.register_autograd(back)
    return made

def add_one(x):
    x.add_(1)
    return x * 2

good = new("good", lambda x: x * 2, torch.empty_like, lambda ctx, g: g * 2)
no_fake = new("no_fake", lambda x: x * 2)
no_gradient = new("no_gradient", lambda x: x * 2, torch.empty_like)
long = new("long", lambda x: x * 2, lambda x: x.new_empty(x.shape[0] + 1))
double = new("double", lambda x: x * 2, lambda x: torch.empty_like(x, dtype=torch.float64))
turned = new("turned", lambda x: x.clone(), lambda x: torch.empty_like(x).t())
writes = new("writes", add_one, torch.empty_like)
told = new("told", lambda x: x.add_(1) and None, schema="(Tensor(a!) x) -> ()", writes={"x"})
lib = torch.library.Library("checked2", "DEF")
for name, kernel, key in (
    ("cpu", lambda x: x * 2, "CPU"), ("composite", lambda x: x * 2, "CompositeImplicitAutograd"),
    ("alias", lambda x: x.view(-1), "CompositeExplicitAutograd"),
    ("random", torch.rand_like, "CompositeExplicitAutograd"),
    ("writes", lambda x: x.add_(1).clone(), "CompositeExplicitAutograd"),
):
    lib.define(f"{name}(Tensor x) -> Tensor")
    lib.impl(name, kernel, key)
lib.impl("cpu", torch.empty_like, "Meta")
own = torch.ops.checked2
cpu, composite, alias, random = own.cpu, own.composite, own.alias, own.random
writes2, sine = torch.ops.checked2.writes, torch.ops.aten.sin.default
x, leaf = torch.ones(3), torch.ones(3, requires_grad=True)
square = torch.ones(2, 2)
"""
OPERATORS = (
    "good", "no_fake", "no_gradient", "long", "double", "writes", "told", "cpu", "composite", "alias",
    "random", "sine", "composite.default",
)  # fmt: skip
CHECKS = [
    *(f"opcheck({name}, ({given},), raise_exception=False)" for name in OPERATORS for given in ("x", "leaf")),
    "opcheck(writes2, (x,), raise_exception=False)",
    "opcheck(turned, (torch.ones(2, 2),), raise_exception=False)",
    "opcheck(long, (x,))",
    "opcheck(no_gradient, (leaf,), test_utils='test_autograd_registration')",
    "opcheck(good, (), {'x': x}, test_utils=['test_schema'])",
    "opcheck(good, (x,), test_utils='nothing')",
    "opcheck(print, (x,))",
    "opcheck('checked::good', (x,))",
    "opcheck(good, ('a',))",
    "opcheck(good, x)",
]


def scope(name: str, source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"torch": LIBRARIES[name], "opcheck": LIBRARIES[name].library.opcheck}
    exec(source, found)
    return found


def scopes(source: str) -> Iterator[dict[str, dict[str, Any]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: scope(name, source) for name in LIBRARIES}
    yield found
    for each in found.values():
        each["lib"]._destroy()


@pytest.fixture(scope="module")
def forms() -> Iterator[Any]:
    yield from scopes(FORMS)


@pytest.fixture(scope="module")
def checked() -> Iterator[Any]:
    # PyTorch's default is not to raise, unless the variable CI is set: then it is stricter with itself.
    with LIBRARIES["torch"]._functorch.config.patch(error_on_custom_op_aliasing=False):
        yield from scopes(CHECKED)


def told(call: str, found: dict[str, Any]) -> str:
    try:
        result = eval(call, found)
        if isinstance(result, dict):
            result = {k: (v if isinstance(v, str) else (type(v).__name__, str(v))) for k, v in result.items()}
        text = str(result)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    text = re.sub(r" Duplicate registration: .*", "", text.replace("cotangent", "torch"))
    return text.strip()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_forms(call: str, forms: Any) -> None:
    assert told(call, forms["cotangent"]) == told(call, forms["torch"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CHECKS)
def test_checks(call: str, checked: Any) -> None:
    assert told(call, checked["cotangent"]) == told(call, checked["torch"])


def test_compiled_gradients_are_compared() -> None:
    """PyTorch cannot trace such a derivative and says so; here it is run, and found to be another."""
    torch = cotangent
    calls = []

    def unsteady(ctx: Any, g: Any) -> Any:
        calls.append(1)
        return g * len(calls)

    schema = "(Tensor x) -> Tensor"
    op = torch.library.custom_op("unsteady::op", lambda x: x * 2, mutates_args=(), schema=schema)
    op.register_fake(torch.empty_like)
    op.register_autograd(unsteady)
    with pytest.raises(Exception, match="Gradients of the operator are different") as caught:
        torch.library.opcheck(op, (torch.ones(2, requires_grad=True),))
    assert type(caught.value).__name__ == "OpCheckError"
