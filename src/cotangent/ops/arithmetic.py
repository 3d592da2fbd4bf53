"""Sums, products, quotients and their relatives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..config import settings
from ..dtypes import BOOL, COMPLEX, FLOATING, INTEGRAL
from ..errors import unfit
from ..kernels import elementwise as k
from .arguments import IN_PLACE, NUMBER, REQUIRED, no_match, too_many, warn_of_old_order
from .copies import zeros_like
from .describe import of_one, of_two
from .refusals import (
    NO_BOOL_OPERAND,
    NO_NEGATION,
    NUMBER_OR_TENSOR,
    TENSOR_OR_NUMBER,
    exact_out,
    refuse,
    refuse_with,
)
from .table import FLOAT, deliver, elementwise, is_tensor


def weighted(b: Any, alpha: Any) -> Any:
    """`alpha * b`, where PyTorch lets such a number scale such an array."""
    kind = b.dtype.kind
    if not isinstance(alpha, NUMBER):
        raise unfit(f"add(): argument 'alpha' must be Number, not {type(alpha).__name__}")
    if isinstance(alpha, bool) and kind != "b":
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and kind in "biu":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if isinstance(alpha, complex) and kind != "c":
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
    if alpha == 1 and (kind != "c" or np.isfinite(b).all()):
        return b  # PyTorch multiplies, which shows in complex infinities
    # Integers wrap around, as in C.
    factor = np.asarray(alpha).astype(b.dtype) if kind in "iu" else bool(alpha) if kind == "b" else alpha
    return np.multiply(b, factor, dtype=b.dtype)


def _add(a: Any, b: Any, alpha: Any = 1, out: Any = None) -> Any:
    return np.add(a, weighted(b, alpha), out=out)


def _sub(a: Any, b: Any, alpha: Any = 1, out: Any = None) -> Any:
    return np.subtract(a, weighted(b, alpha), out=out)


def _rsub(a: Any, b: Any, alpha: Any = 1, out: Any = None) -> Any:
    return np.subtract(b, weighted(a, alpha), out=out)


def scaled(g: Any, alpha: Any) -> Any:
    """`g * alpha` without work when alpha is one."""
    return g if alpha == 1 else g * alpha


_NO_INTEGER_ADDCDIV: Final = (
    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
    "true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + "
    "value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * "
    "tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: "
    "(input + value * tensor1 / tensor2), for all dtypes."
)


def _no_bools(tensors: tuple[Any, ...]) -> None:
    """Refuse to subtract bools."""
    bools = [
        value.dtype.category == BOOL if is_tensor(value) else isinstance(value, bool) for value in tensors
    ]
    if all(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if any(bools):
        raise RuntimeError(NO_BOOL_OPERAND)


add = elementwise(
    "add(input, other | alpha=1)",
    _add,
    fast=np.add,
    old_order="alpha",
    signatures=("(Tensor input, Tensor other, *, Number alpha = 1, Tensor out = None)",),
    input=lambda g: g,
    other=lambda g, alpha: scaled(g, alpha),
    doc=of_two(
        "Sums of elements: input + alpha * other.", "add", "torch.tensor([1, 2])", "10", "tensor([11, 12])"
    ),
)
sub = elementwise(
    "sub(input, other | alpha=1)",
    _sub,
    fast=np.subtract,
    old_order="alpha",
    signatures=("(Tensor input, Tensor other, *, Number alpha = 1, Tensor out = None)",),
    guard=_no_bools,
    input=lambda g: g,
    other=lambda g, alpha: -scaled(g, alpha),
    doc=of_two(
        "Differences: input - alpha * other.", "sub", "torch.tensor([1, 2])", "10", "tensor([-9, -8])"
    ),
)
# `1 - x`: PyTorch's node for a number on the left has a name of its own.
rsub_number = elementwise(
    "rsub_number(input, other | alpha=1)",
    _rsub,
    fast=np.subtract,
    reverse=True,
    node="RsubBackward1",
    public="rsub",
    number="other",
    guard=_no_bools,
    input=lambda g, alpha: -scaled(g, alpha),
    other=lambda g: g,  # as `Tensor.__rsub__` takes tensors, too
)
rsub_tensor = elementwise(
    "rsub_tensor(input, other | alpha=1)",
    _rsub,
    fast=np.subtract,
    reverse=True,
    node="RsubBackward0",
    public="rsub",
    guard=_no_bools,
    input=lambda g, alpha: -scaled(g, alpha),
    other=lambda g: g,
)
mul = elementwise(
    "mul(input, other)",
    np.multiply,
    keeps_scalar="other",
    input=lambda g, other: g * other,
    other=lambda g, input: g * input,
    doc=of_two("Products of elements.", "mul", "torch.tensor([1, 2])", "10", "tensor([10, 20])"),
)
div_true = elementwise(
    "div_true(input, other)",
    np.true_divide,
    node="DivBackward0",
    public="div",
    signatures=(
        "Tensor input, Tensor other, *, Tensor out = None",
        "Tensor input, Tensor other, *, str rounding_mode, Tensor out = None",
        "Tensor input, Number other, *, str rounding_mode",
    ),
    result=FLOAT,
    keeps_scalar="other",
    input=lambda g, other: g / other,
    other=lambda g, other, input: -g * (input / other / other),
)
div_floor = elementwise(
    "div_floor(input, other)",
    k.floor_div,
    wide=False,
    keeps_scalar="other",
    node="DivBackward2",
    public="div",
    check=refuse("div_floor_cpu", BOOL, COMPLEX),
    input=lambda g, other: zeros_like(g),
    other=lambda g, other, input: zeros_like(g),
)
div_trunc = elementwise(
    "div_trunc(input, other)",
    k.trunc_div,
    wide=False,
    node="DivBackward2",
    public="div",
    check=refuse("div_trunc_cpu", BOOL, COMPLEX),
    input=lambda g, other: zeros_like(g),
    other=lambda g, other, input: zeros_like(g),
)


def _no_derivative(name: str) -> Any:
    """A rule for an operation that PyTorch does not differentiate."""

    def rule(g: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return rule


def _floor_divide_op(name: str, **rules: Any) -> Any:
    return elementwise(
        f"{name}(input, other)", k.floor_div, wide=False, keeps_scalar="other", node="NotImplemented",
        public="floor_divide",
        check=refuse("div_floor_cpu", BOOL, COMPLEX), **rules,
    )  # fmt: skip


floor_divide_tensor = _floor_divide_op(
    "floor_divide_tensor", input=_no_derivative("floor_divide"), other=_no_derivative("floor_divide")
)
floor_divide_number = _floor_divide_op("floor_divide_number", input=_no_derivative("floor_divide"))
floor_divide_of_number = _floor_divide_op("floor_divide_of_number", other=_no_derivative("floor_divide"))
remainder_of_number = elementwise(
    "remainder_of_number(input, other)",
    k.remainder,
    node="NotImplemented",
    public="remainder",
    signatures=NUMBER_OR_TENSOR,
    check=refuse("remainder_cpu", BOOL, COMPLEX),
    other=_no_derivative("remainder"),
)
remainder_tensor = elementwise(
    "remainder_tensor(input, other)",
    k.remainder,
    node="RemainderBackward1",
    public="remainder",
    signatures=NUMBER_OR_TENSOR,
    check=refuse("remainder_cpu", BOOL, COMPLEX),
    input=lambda g: g,
    other=lambda g, input, other: -g * div_floor(input, other),
)
remainder_number = elementwise(
    "remainder_number(input, other)",
    k.remainder,
    node="RemainderBackward0",
    public="remainder",
    signatures=NUMBER_OR_TENSOR,
    check=refuse("remainder_cpu", BOOL, COMPLEX),
    input=lambda g: g,
)
fmod_tensor = elementwise(
    "fmod_tensor(input, other)",
    k.fmod,
    node="FmodBackward1",
    public="fmod",
    strict=("input",),
    signatures=TENSOR_OR_NUMBER,
    check=refuse("fmod_cpu", BOOL, COMPLEX),
    input=lambda g: g,
    other=lambda g, input, other: -g * div_trunc(input, other),
)
fmod_number = elementwise(
    "fmod_number(input, other)",
    k.fmod,
    node="FmodBackward0",
    public="fmod",
    strict=("input",),
    signatures=TENSOR_OR_NUMBER,
    check=refuse("fmod_cpu", BOOL, COMPLEX),
    input=lambda g: g,
)
neg = elementwise(
    "neg(input)",
    np.negative,
    out_check=exact_out,
    check=refuse_with(RuntimeError(NO_NEGATION), BOOL),
    input=lambda g: -g,
    doc=of_one("The negative of each element.", "neg", "1.0, -2.0", "tensor([-1.,  2.])"),
)
reciprocal = elementwise(
    "reciprocal(input)",
    k.reciprocal,
    result=FLOAT,
    input=lambda g, out: -g * (out * out),
    doc=of_one("One over each element.", "reciprocal", "2.0, -4.0", "tensor([ 0.5000, -0.2500])"),
)
addcmul_of = elementwise(
    "addcmul_of(input, tensor1, tensor2 | value=1)",
    k.addcmul,
    node="AddcmulBackward0",
    public="addcmul",
    strict=("input", "tensor1", "tensor2"),
    fast=k.addcmul,
    check=refuse("addcmul_cpu_out", BOOL),
    signatures=("(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value = 1, Tensor out = None)",),
    input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * scaled(tensor2, value),
    tensor2=lambda g, tensor1, value: g * scaled(tensor1, value),
)


def _no_whole_quotients(tensors: Any) -> None:
    if all(is_tensor(t) and t.dtype.category <= INTEGRAL for t in tensors[1:]):
        raise RuntimeError(_NO_INTEGER_ADDCDIV)


def _no_integers(divisor: Any, kind: Any) -> Any:
    """The divisor of `addcdiv`, whose inverse PyTorch writes into a tensor of its dtype."""
    d = dtypes.FROM_NUMPY[kind]
    if d.category <= INTEGRAL:
        raise RuntimeError(
            f"result type {dtypes.SCALAR_NAME[settings.default_dtype]} can't be cast to the desired output "
            f"type {dtypes.SCALAR_NAME[d]}"
        )
    return divisor


addcdiv_of = elementwise(
    "addcdiv_of(input, tensor1, tensor2 | value=1)",
    k.addcdiv,
    node="AddcdivBackward0",
    public="addcdiv",
    strict=("input", "tensor1", "tensor2"),
    fast=k.addcdiv,
    guard=_no_whole_quotients,
    signatures=("(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value = 1, Tensor out = None)",),
    check=refuse_with(
        RuntimeError(_NO_INTEGER_ADDCDIV), INTEGRAL, refuse_with(RuntimeError(_NO_INTEGER_ADDCDIV), BOOL)
    ),
    input=lambda g: g,
    tensor1=lambda g, tensor2, tensor2_dtype, value: g * (value / _no_integers(tensor2, tensor2_dtype)),
    tensor2=lambda g, tensor1, tensor2, value: -g * (scaled(tensor1, value) / (tensor2 * tensor2)),
)
gcd = elementwise(
    "gcd(input, other)",
    np.gcd,
    strict=("input", "other"),
    check=refuse("gcd_cpu", BOOL, FLOATING, COMPLEX),
    doc=of_two(
        "Greatest common divisors of integers.",
        "gcd",
        "torch.tensor([12, 9])",
        "torch.tensor([8, 6])",
        "tensor([4, 3])",
    ),
)
lcm = elementwise(
    "lcm(input, other)",
    np.lcm,
    strict=("input", "other"),
    check=refuse("lcm_cpu", BOOL, FLOATING, COMPLEX),
    doc=of_two(
        "Least common multiples of integers.",
        "lcm",
        "torch.tensor([12, 9])",
        "torch.tensor([8, 6])",
        "tensor([24, 18])",
    ),
)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input.

    Args:
        input: tensor.
        other: tensor or number.
        alpha: number that scales `input`.

    Returns:
        a tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.rsub(torch.tensor([1, 2]), 10)
        tensor([9, 8])
    """
    if not is_tensor(input):
        no_match(
            "rsub", (input, other), "Tensor input, Tensor other, *, Number alpha = 1",
            "Tensor input, Number other, Number alpha = 1",
        )  # fmt: skip
    return (rsub_tensor if is_tensor(other) else rsub_number)(input, other, alpha)


def div(input: Any, other: Any = REQUIRED, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """Quotients of elements, exact or rounded to whole numbers.

    Args:
        input: tensor.
        other: tensor or number that broadcasts with it.
        rounding_mode: None for true division, "trunc" towards zero, "floor" downwards.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape; true quotients of integers are floating-point.

    Raises:
        RuntimeError: for another mode, or an integer divisor of zero when rounding.

    Example:
        >>> import cotangent as torch
        >>> torch.div(torch.tensor([-7, 7]), 2), torch.div(torch.tensor([-7, 7]), 2, rounding_mode="floor")
        (tensor([-3.5000,  3.5000]), tensor([-4,  3]))
    """
    if rounding_mode is None:
        return deliver("div", div_true(input, other), out, input, other)
    if rounding_mode == "floor":
        return deliver("div", div_floor(input, other), out, input, other)
    if rounding_mode == "trunc":
        return deliver("div", div_trunc(input, other), out, input, other)
    raise RuntimeError(
        f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
    )


def floor_divide(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Quotients rounded down.

    Args:
        input, other: tensors (one of them may be a number) that broadcast together.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: for an integer divisor of zero.

    Example:
        >>> import cotangent as torch
        >>> torch.floor_divide(torch.tensor([-7, 7]), 2)
        tensor([-4,  3])
    """
    if is_tensor(other):
        return deliver("floor_divide", floor_divide_tensor(input, other), out, input, other)
    return deliver("floor_divide", floor_divide_number(input, other), out, input, other)


def remainder(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Remainders of division with the sign of the divisor, as Python's `%`.

    Args:
        input: tensor (or number, if `other` is a tensor).
        other: tensor or number.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: for an integer divisor of zero.

    Example:
        >>> import cotangent as torch
        >>> torch.remainder(torch.tensor([-7, 7]), 4)
        tensor([1, 3])
    """
    if not is_tensor(input):
        return deliver("remainder", remainder_of_number(input, other), out, input, other)
    if is_tensor(other):
        return deliver("remainder", remainder_tensor(input, other), out, input, other)
    return deliver("remainder", remainder_number(input, other), out, input, other)


def fmod(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Remainders of division with the sign of the dividend, as C's `%`.

    Args:
        input: tensor.
        other: tensor or number.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: for an integer divisor of zero.

    Example:
        >>> import cotangent as torch
        >>> torch.fmod(torch.tensor([-7, 7]), 4)
        tensor([-3,  3])
    """
    if is_tensor(other):
        return deliver("fmod", fmod_tensor(input, other), out, input, other)
    return deliver("fmod", fmod_number(input, other), out, input, other)


def positive(input: Any) -> Any:
    """The tensor itself.

    Args:
        input: tensor of numbers.

    Raises:
        RuntimeError: for bool tensors.

    Example:
        >>> import cotangent as torch
        >>> +torch.tensor([1.0, -2.0])
        tensor([ 1., -2.])
    """
    if input.dtype.category == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def _factor_first(name: str, tensor1: Any, tensor2: Any, more: Any, value: Any) -> tuple[Any, Any, Any]:
    """(one tensor, the other, the number) of a call whose number is a tensor or stands first."""
    if len(more) == 1 and not is_tensor(tensor1):
        warn_of_old_order(name, "value", "tensor1", "tensor2")
        return tensor2, more[0], tensor1
    if more:
        too_many(name, 3, more)
    if value.ndim or value.requires_grad:
        raise unfit(f"{name}(): argument 'value' must be Number, not Tensor")
    return tensor1, tensor2, value.item()


def addcmul(
    input: Any, tensor1: Any = REQUIRED, tensor2: Any = REQUIRED, *more: Any, value: Any = 1, out: Any = None
) -> Any:
    """input + value * tensor1 * tensor2.

    Args:
        input, tensor1, tensor2: tensors that broadcast together.
        more: in PyTorch's old order the number stands before the last two tensors.
        value: number that scales the product.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.addcmul(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), value=0.5)
        tensor([2.5000, 5.0000])
    """
    if more or is_tensor(value):
        tensor1, tensor2, value = _factor_first("addcmul" + IN_PLACE, tensor1, tensor2, more, value)
    if out is not None:
        return addcmul_of(input, tensor1, tensor2, value, out=out)
    return addcmul_of(input, tensor1, tensor2, value)


def addcdiv(
    input: Any, tensor1: Any = REQUIRED, tensor2: Any = REQUIRED, *more: Any, value: Any = 1, out: Any = None
) -> Any:
    """input + value * tensor1 / tensor2.

    Args:
        input, tensor1, tensor2: floating-point tensors that broadcast together.
        more: in PyTorch's old order the number stands before the last two tensors.
        value: number that scales the quotient.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: for integers.

    Example:
        >>> import cotangent as torch
        >>> torch.addcdiv(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0]), value=0.5)
        tensor([1.2500, 1.2500])
    """
    if more or is_tensor(value):
        tensor1, tensor2, value = _factor_first("addcdiv" + IN_PLACE, tensor1, tensor2, more, value)
    if out is not None:
        return addcdiv_of(input, tensor1, tensor2, value, out=out)
    return addcdiv_of(input, tensor1, tensor2, value)


def over(input: Any, other: Any) -> Any:
    """`other / input` for Python's operator: PyTorch multiplies the reciprocal."""
    return input.reciprocal() * other


def floor_over(input: Any, other: Any) -> Any:
    """`other // input` for Python's operator."""
    return floor_divide_of_number(other, input)


def remainder_of(input: Any, other: Any) -> Any:
    """`other % input` for Python's operator."""
    return remainder_tensor(other, input) if is_tensor(other) else remainder_of_number(other, input)


FUNCTIONS: Final = (
    "add", "sub", "rsub", "mul", "div", "floor_divide", "remainder", "fmod", "neg", "positive", "reciprocal",
    "addcmul",
    "addcdiv", "gcd", "lcm",
)  # fmt: skip
METHODS: Final = tuple(name for name in FUNCTIONS if name != "rsub")
INPLACE: Final = tuple(name for name in METHODS if name != "positive")
INPLACE_FUNCTIONS: Final = ("neg", "reciprocal", "gcd", "lcm")
ALIASES: Final = {
    "multiply": "mul", "subtract": "sub", "divide": "div", "true_divide": "div", "negative": "neg",
}  # fmt: skip
DUNDERS: Final = {
    "__add__": "add", "__radd__": "add", "__iadd__": "add_", "__sub__": "sub", "__rsub__": "rsub_number",
    "__isub__": "sub_", "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul_", "__truediv__": "div_true",
    "__rtruediv__": "over", "__rdiv__": "over", "__div__": "div_true", "__idiv__": "div_", "__itruediv__":
    "div_", "__floordiv__": "floor_divide",
    "__rfloordiv__": "floor_over",
    "__ifloordiv__": "floor_divide_", "__mod__": "remainder", "__rmod__": "remainder_of",
    "__imod__": "remainder_",
    "__neg__": "neg", "__pos__": "positive",
}  # fmt: skip
