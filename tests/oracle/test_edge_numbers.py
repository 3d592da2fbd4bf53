"""Numbers that are none, 16-bit floats, and dtypes that functions refuse: what comes of them is PyTorch's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from opdb.catalogue import OPERATORS
from opdb.judge import Differs, outcome, same, samples, tensors, translated
from samples.compare import dtype_name
from samples.gradients import random_array
from samples.library import xp

nan, inf = np.nan, np.inf


def of(t: Any, call: Any, numbers: Any, dtype: str = "float32") -> Any:
    """The gradient of a function of these numbers."""
    x = t.tensor(numbers, dtype=getattr(t, dtype), requires_grad=True)
    y = call(x)
    return t.autograd.grad(y, x, t.ones_like(y))[0]


def reduced(t: Any, function: str, reduce: str, include: bool) -> Any:
    """Extremes of what meets at a place: equal ones, some that are none, some that have no part in it."""
    x = t.tensor([nan, 1.0, 1.0, inf, 0.0, 0.0], requires_grad=True)
    s = t.tensor([1.0, nan, 1.0, 2.0, 0.0, 3.0], requires_grad=True)
    found = getattr(x, function)(0, t.tensor([0, 1, 2, 2, 4, 5]), s, reduce, include_self=include)
    return found, t.autograd.grad(found, (x, s), t.ones_like(found))


def halves(t: Any, dtype: str) -> tuple[Any, Any]:
    return t.arange(-40, 40, 1.7).to(getattr(t, dtype)), t.linspace(-3, 3, 48).to(getattr(t, dtype))


CALLS = {
    "prelu": lambda t: t.prelu(t.tensor([nan, inf, -inf, 0.0, -0.0]), t.tensor(-0.5)),
    "prelu_input": lambda t: of(t, lambda x: t.prelu(x, t.tensor(-0.5)), [nan, inf, -inf, 0.0, -0.0, 2.0]),
    "prelu_weight": lambda t: of(t, lambda w: t.prelu(t.tensor([inf, 0.0, 2.0, -1.0]), w), [0.5]),
    "prelu_nan": lambda t: of(t, lambda w: t.prelu(t.tensor([nan, 2.0]), w), [0.5]),
    "prelu_dtypes": lambda t: t.prelu(t.ones(2, dtype=t.bfloat16), t.ones(1)),
    "norms_inf": lambda t: [
        of(t, lambda x, p=p: t.linalg.vector_norm(x, p), [inf, 1.0, -2.0]) for p in (-2, -1.0, 0.5, 1.0, 1.5)
    ],
    "norms_zero": lambda t: [
        of(t, lambda x, p=p: t.linalg.vector_norm(x, p), [0.0, 1.0, -2.0]) for p in (-2, -1.0, 0.5, 1.5, 2.5)
    ],
    "norms_nan": lambda t: [of(t, lambda x, p=p: x.norm(p), [nan, 1.0, -2.0], "bfloat16") for p in (1, inf)],
    "sign": lambda t: t.sign(t.tensor([nan, -2.0, 0.0, 3.0], dtype=t.bfloat16)),
    **{
        f"weights_are_constants_{name}": lambda t, c=call: c(
            t, t.nn.functional, t.full((2, 3), 0.5), t.ones(3, requires_grad=True)
        )
        for name, call in {
            "bce": lambda t, f, x, w: f.binary_cross_entropy(x, x, weight=w.expand(2, 3)),
            "logits": lambda t, f, x, w: f.binary_cross_entropy_with_logits(x, x, weight=w),
            "pos_weight": lambda t, f, x, w: f.binary_cross_entropy_with_logits(x, x, pos_weight=w),
            "nll": lambda t, f, x, w: f.nll_loss(x, t.tensor([0, 1]), weight=w),
            "nll2d": lambda t, f, x, w: f.cross_entropy(x[..., None], t.tensor([[0], [1]]), weight=w),
            "margin": lambda t, f, x, w: f.multi_margin_loss(x, t.tensor([0, 1]), weight=w),
            "probabilities": lambda t, f, x, w: f.cross_entropy(x, x, weight=w),
        }.items()
    },
    "norm_of_nothing": lambda t: t.linalg.vector_norm(t.ones(3, 0, 2), inf, dim=-2),
    "norm_of_nothing_along_some": lambda t: t.linalg.vector_norm(t.ones(3, 0, 2), -1.0, dim=(0, 1)),
    "products_of_one": lambda t: [
        of(t, lambda x, i=i: x.scatter_reduce(0, t.tensor(0), t.tensor(3.0), "prod", include_self=i), 2.0)
        for i in (True, False)
    ],
    "sorted_stretched": lambda t: t.arange(6.0).reshape(2, 3)[:1].expand(4, 3).sort(0)[1].stride(),
    "topk": lambda t: [t.tensor(3).topk(k) for k in (0, 1)],
    "unique": lambda t: t.unique(
        t.tensor([nan, 1.0, nan, 0.0, -0.0, 1.0], dtype=t.bfloat16), return_inverse=True, return_counts=True
    ),
    "unique_rows": lambda t: t.unique(
        t.tensor([[3.0, 1.0], [0.0, 2.0], [0.0, 2.0]], dtype=t.bfloat16), dim=0, return_counts=True
    ),
    "rounded_twice": lambda t: t.tensor([1.00048828125 + 1e-12, 65519.9999999], dtype=t.float64).half(),
    **{
        f"{function}_{reduce}_{include}": lambda t, f=function, r=reduce, i=include: reduced(t, f, r, i)
        for function in ("scatter_reduce", "index_reduce")
        for reduce in ("amax", "amin")
        for include in (True, False)
    },
    **{
        f"{name}_{dtype}": lambda t, d=dtype, c=call: c(t, *halves(t, d))
        for dtype in ("float16", "bfloat16")
        for name, call in {
            "quotients": lambda t, a, b: a // b,
            "rounded_down": lambda t, a, b: t.div(a, b, rounding_mode="floor"),
            "written": lambda t, a, b: a.floor_divide_(b),
            "by_a_number": lambda t, a, b: (a // 2.3, t.div(a, 0.3, rounding_mode="floor")),
            "cut_off": lambda t, a, b: t.div(a, b, rounding_mode="trunc"),
            "by_one_element": lambda t, a, b: (a // b[:1], a // b[0]),
            "of_a_number": lambda t, a, b: 7.1 // b,
            "by_zero": lambda t, a, b: (a // 0, a // (b * 0)),
        }.items()
    },
}  # fmt: skip


def told(library: Any, call: Any) -> str:
    """What a call gives or raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(call(library))
        except Exception as error:
            return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", CALLS)
def test_edges(name: str) -> None:
    assert told(xp, CALLS[name]) == told(torch, CALLS[name])


# Calls that PyTorch refuses, or not, in the dtype of x (2 elements), y (2, 3) and i (positions).
REFUSED = """
t.median(x), t.median(x[:0])
t.nanmedian(x)
y.median(0)
y.nanmedian(0)
x.kthvalue(1), x[0].kthvalue(1)
x.topk(1)
x.mode(), x[0].mode()
y[:0].mode(0)
x.cummax(0), y[:0].cummin(0), x[0].cummax(0)
x.logcumsumexp(0)
x[0].logcumsumexp(0)
t.unique(x)
t.unique(y, dim=0)
t.unique_consecutive(x)
t.unique_consecutive(y, dim=0)
x.aminmax()
y[:0].aminmax(dim=1)
t.bincount(x)
t.searchsorted(x, x)
t.searchsorted(x, t.ones(2)), t.bucketize(1.0, x)
t.arange(3, dtype=x.dtype)
t.range(0, 3, dtype=x.dtype)
t.linspace(0, 1, 3, dtype=x.dtype)
t.linspace(0, 1, 1, dtype=x.dtype), t.logspace(0, 1, 0, dtype=x.dtype)
t.logspace(0, 1, 3, dtype=x.dtype)
t.linalg.cross(y, y)
F.binary_cross_entropy(x, x)
F.hardtanh(x), F.hardtanh(x, 0.0)
F.hardtanh_(x)
F.conv1d(y[None], y[None])
y[:0].softmax(0)
[x.scatter_reduce(0, i[:0], x, r, include_self=s) for r in ("amax", "sum") for s in (True, False)]
x.scatter_reduce(0, i, x, "amax")
x.scatter_reduce(0, i, x, "amin", include_self=False)
x.scatter_reduce(0, i, x, "mean")
x.scatter_reduce(0, i[:0], x, "mean")
x.index_reduce(0, i, x, "amax")
x.index_reduce(0, i, x, "prod", include_self=False)
y.index_reduce(0, i, y, "amin")
y.index_reduce(0, i, y, "mean")
""".strip().split("\n")


@pytest.mark.parametrize("dtype", ["complex64", "bool", "int64", "uint8", "float16"])
@pytest.mark.parametrize("call", REFUSED)
def test_which_dtypes_are_refused(call: str, dtype: str) -> None:
    def made(t: Any) -> Any:
        x, y = t.ones(2).to(getattr(t, dtype)), t.ones(2, 3).to(getattr(t, dtype))
        return eval(call, {"t": t, "F": t.nn.functional, "x": x, "y": y, "i": t.tensor([0, 1])})

    assert told(xp, made) == told(torch, made)


def gradients(library: Any, function: Any, sample: Any) -> Any:
    """`judge.gradient` with cotangents of 16 bits."""
    result, inputs = sample.call(library, function, grad=True)
    found = [t for t in tensors(library, sample.processed(library, result)) if t.requires_grad]
    wanted = [t for t in inputs if t.requires_grad]
    if not found or not wanted:
        return []
    given = [
        library.from_numpy(
            random_array(7 + k, tuple(t.shape), "float32" if t.dtype.itemsize == 2 else dtype_name(t))
        ).to(t.dtype)
        for k, t in enumerate(found)
    ]
    return list(library.autograd.grad(found, wanted, given, allow_unused=True))


def test_gradients_of_bfloat16_are_bfloat16() -> None:
    dtype = torch.bfloat16
    wrong = []
    compared = 0
    for name, op in OPERATORS.items():
        if dtype not in op.supported_backward_dtypes("cpu") or not op.supports_autograd:
            continue
        try:
            function = translated(op.op)
        except Exception:  # what is missing, another test tells
            continue
        for sample in samples(op, dtype, 2, grad=True):
            expected = outcome(lambda op=op, s=sample: gradients(torch, op.op, s))
            if expected[1]:
                continue
            actual = outcome(lambda f=function, s=sample: gradients(xp, f, s))
            compared += 1
            try:
                if actual[1]:
                    raise Differs(actual[1])
                same(actual[0], expected[0], "gradient", values=False)
            except Differs as reason:
                wrong.append(f"{name}: {reason}")
                break
    assert compared > 400
    assert not wrong, "\n".join(wrong)
