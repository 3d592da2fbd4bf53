"""Exponentials and logarithms."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..dtypes import BOOL, COMPLEX, INTEGRAL
from ..kernels import elementwise as k
from .arguments import no_match
from .arithmetic import reciprocal
from .describe import of_one, of_two
from .refusals import NO_BOOL_OPERAND, refuse
from .select import choose
from .table import FLOAT, deliver, elementwise, is_tensor

_LN2: Final = math.log(2.0)
_LN10: Final = math.log(10.0)

exp = elementwise(
    "exp(input)",
    np.exp,
    result=FLOAT,
    input=lambda g, out: g * out,
    doc=of_one("e to the power of each element.", "exp", "0.0, 1.0", "tensor([1.0000, 2.7183])"),
)
exp2 = elementwise(
    "exp2(input)",
    k.exp2,
    result=FLOAT,
    input=lambda g, out: g * out * _LN2,
    doc=of_one("2 to the power of each element.", "exp2", "0.0, 3.0", "tensor([1., 8.])"),
)
expm1 = elementwise(
    "expm1(input)",
    np.expm1,
    result=FLOAT,
    input=lambda g, out: g * (out + 1.0),
    doc=of_one("exp(input) - 1, accurate near zero.", "expm1", "0.0, 1.0", "tensor([0.0000, 1.7183])"),
)
log = elementwise(
    "log(input)",
    np.log,
    result=FLOAT,
    input=lambda g, input: g / input,
    doc=of_one("Natural logarithms.", "log", "1.0, 10.0", "tensor([0.0000, 2.3026])"),
)
log2 = elementwise(
    "log2(input)",
    np.log2,
    result=FLOAT,
    input=lambda g, input: g / (input * _LN2),
    doc=of_one("Logarithms to base 2.", "log2", "1.0, 8.0", "tensor([0., 3.])"),
)
log10 = elementwise(
    "log10(input)",
    np.log10,
    result=FLOAT,
    input=lambda g, input: g / (input * _LN10),
    doc=of_one("Logarithms to base 10.", "log10", "1.0, 100.0", "tensor([0., 2.])"),
)
log1p = elementwise(
    "log1p(input)",
    k.log1p,
    fast=np.log1p,
    result=FLOAT,
    node="Log1PBackward0",
    input=lambda g, input: g / (input + 1.0),
    doc=of_one("log(1 + input), accurate near zero.", "log1p", "0.0, 1.0", "tensor([0.0000, 0.6931])"),
)


def _difference(a: Any, b: Any, *given: Any) -> Any:
    """`a - b`, which PyTorch refuses of bool tensors only in the derivative."""
    if np.bool_ in given:
        raise RuntimeError(NO_BOOL_OPERAND)
    return a - b


logaddexp = elementwise(
    "logaddexp(input, other)",
    k.logaddexp,
    strict=("input", "other"),
    takes_real_part=False,
    check=refuse("logaddexp_cpu", BOOL, INTEGRAL),
    input=lambda g, input, other, input_dtype, other_dtype: (
        g / (1.0 + exp(_difference(other, input, input_dtype, other_dtype)))
    ),
    other=lambda g, input, other, input_dtype, other_dtype: (
        g / (1.0 + exp(_difference(input, other, input_dtype, other_dtype)))
    ),
    doc=of_two(
        "log(exp(input) + exp(other)) without overflow.", "logaddexp", "torch.tensor([0.0, 1000.0])",
        "torch.tensor([0.0, 0.0])", "tensor([6.9315e-01, 1.0000e+03])",
    ),
)  # fmt: skip
logaddexp2 = elementwise(
    "logaddexp2(input, other)",
    np.logaddexp2,
    strict=("input", "other"),
    check=refuse("logaddexp2_cpu", BOOL, INTEGRAL, COMPLEX),
    input=lambda g, input, other: g / (1.0 + exp2(other - input)),
    other=lambda g, input, other: g / (1.0 + exp2(input - other)),
    doc=of_two(
        "log2(2 ** input + 2 ** other) without overflow.", "logaddexp2", "torch.tensor([0.0, 1.0])",
        "torch.tensor([0.0, 1.0])", "tensor([1., 2.])",
    ),
)  # fmt: skip


def _xlogy_left(g: Any, input: Any, other: Any) -> Any:
    return choose((input == 0.0) & (other <= 0.0), 0.0, xlogy_tensor(g, other))


def _xlogy_op(name: str, node: str, **rules: Any) -> Any:
    return elementwise(
        f"{name}(input, other)", k.xlogy, result=FLOAT, wide=False, node=node, public="xlogy",
        check=refuse("xlogy_cpu", COMPLEX), **rules,
    )  # fmt: skip


xlogy_tensor = _xlogy_op(
    "xlogy_tensor", "XlogyBackward0", input=_xlogy_left, other=lambda g, input, other: g * input / other
)
xlogy_number_left = _xlogy_op(
    "xlogy_number_left", "XlogyBackward1", other=lambda g, input, other: g * input / other
)
xlogy_number_right = _xlogy_op("xlogy_number_right", "XlogyBackward2", input=_xlogy_left)


def _logit_back(g: Any, input: Any, eps: Any) -> Any:
    slope = g * reciprocal(input * (1.0 - input))
    if eps is None:
        return choose((input < 0.0) | (input > 1.0), math.nan, slope)
    return choose((input < eps) | (input > 1.0 - eps), 0.0, slope)


logit_of = elementwise(
    "logit_of(input | eps)",
    k.logit,
    fast=k.logit,
    wide=False,
    result=FLOAT,
    node="LogitBackward0",
    public="logit",
    check=refuse("logit_cpu", COMPLEX),
    input=_logit_back,
)


_LOGY: Final = (
    "Tensor input, Tensor other, *, Tensor out = None",
    "Number self, Tensor other, *, Tensor out = None",
    "Tensor input, Number other, *, Tensor out = None",
)


def xlogy(input: Any, other: Any, *, out: Any = None) -> Any:
    """input * log(other), which is 0 wherever `input` is 0.

    Args:
        input, other: tensors (one of them may be a number) that broadcast together.
        out: tensor to store the result in.

    Returns:
        a floating-point tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.xlogy(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    if not is_tensor(input) and not is_tensor(other):
        no_match("xlogy", (input, other), *_LOGY)
    if not is_tensor(input):
        return deliver("xlogy", xlogy_number_left(input, other), out, input, other)
    if not is_tensor(other):
        return deliver("xlogy", xlogy_number_right(input, other), out, input, other)
    return deliver("xlogy", xlogy_tensor(input, other), out, input, other)


def logit(input: Any, eps: float | None = None, *, out: Any = None) -> Any:
    """log(input / (1 - input)), the inverse of the sigmoid.

    Args:
        input: tensor of probabilities.
        eps: if given, `input` is first clamped to [eps, 1 - eps].
        out: tensor to store the result in.

    Returns:
        a tensor of the shape of `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.logit(torch.tensor([0.5, 0.9]))
        tensor([0.0000, 2.1972])
    """
    return deliver("logit", logit_of(input, eps), out)


FUNCTIONS: Final = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2", "xlogy", "logit",
)  # fmt: skip
METHODS: Final = FUNCTIONS
INPLACE: Final = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "xlogy", "logit")
INPLACE_FUNCTIONS: Final = INPLACE
