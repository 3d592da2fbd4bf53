"""Choosing between values: where, clamp, extrema of two tensors, interpolation, replacing nan."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..config import warn_caller
from ..dtypes import BOOL, COMPLEX, FLOATING, INTEGRAL, SCALAR_NAME, dtype, finfo, promote_types, uint8
from ..errors import bad_argument
from ..kernels import elementwise as k
from .arguments import NUMBER, REQUIRED, as_number, compiler_name, no_match, plain
from .copies import zeros_like
from .describe import of_two
from .refusals import TENSOR_OR_NUMBER, exact_out, out_must_be, refuse, refuse_with
from .table import FLOAT, deliver, elementwise, is_tensor
from .unmapped import refuse_shape


def _is_condition(tensors: tuple[Any, ...]) -> None:
    """Refuse conditions that are not bool; warn of bytes."""
    d = tensors[0].dtype
    if d.category != BOOL:
        if d is not uint8:
            raise RuntimeError(
                f"where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{SCALAR_NAME[d]}"
            )
        warn_caller(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a "
            "future version of PyTorch. Use a boolean condition instead."
        )


choose: Any = elementwise(
    "where(condition, input, other)",
    k.where,
    fast=k.where,
    fixed=("condition",),
    strict=("condition",),
    takes_real_part=False,
    guard=_is_condition,
    signatures=(
        "Tensor condition",
        "Tensor condition, Tensor input, Tensor other, *, Tensor out = None",
        "Tensor condition, Number self, Tensor other",
        "Tensor condition, Tensor input, Number other",
        "Tensor condition, Number self, Number other",
    ),
    input=lambda g, condition: choose(condition, g, 0.0),
    other=lambda g, condition: choose(condition, 0.0, g),
)


def _no_complex(name: str) -> Any:
    return refuse_with(RuntimeError(f"{name} not implemented for complex tensors."), COMPLEX)


def _maximum_left(g: Any, input: Any, other: Any) -> Any:
    return choose(input < other, 0.0, choose(input == other, g / 2.0, g))


def _maximum_right(g: Any, input: Any, other: Any) -> Any:
    return choose(input > other, 0.0, choose(input == other, g / 2.0, g))


maximum = elementwise(
    "maximum(input, other)",
    np.maximum,
    strict=("input", "other"),
    check=_no_complex("maximum"),
    input=_maximum_left,
    other=_maximum_right,
    doc=of_two(
        "The larger of two elements; nan if either is.", "maximum", "torch.tensor([1, 5])",
        "torch.tensor([3, 2])",
        "tensor([3, 5])",
    ),
)  # fmt: skip
minimum = elementwise(
    "minimum(input, other)",
    np.minimum,
    strict=("input", "other"),
    check=_no_complex("minimum"),
    input=_maximum_right,
    other=_maximum_left,
    doc=of_two(
        "The smaller of two elements; nan if either is.", "minimum", "torch.tensor([1, 5])",
        "torch.tensor([3, 2])",
        "tensor([1, 2])",
    ),
)  # fmt: skip
# At ties, and where `other` is nan, the whole gradient goes to the left.
fmax = elementwise(
    "fmax(input, other)",
    np.fmax,
    strict=("input", "other"),
    check=_no_complex("fmax"),
    input=lambda g, input, other: choose((input >= other) | (other != other), g, 0.0),
    other=lambda g, input, other: choose((input >= other) | (other != other), 0.0, g),
    doc=of_two(
        "The larger of two elements; of a nan and a number, the number.", "fmax", "torch.tensor([1.0, 5.0])",
        "torch.tensor([3.0, float('nan')])", "tensor([3., 5.])",
    ),
)  # fmt: skip
fmin = elementwise(
    "fmin(input, other)",
    np.fmin,
    strict=("input", "other"),
    check=_no_complex("fmin"),
    input=lambda g, input, other: choose((input <= other) | (other != other), g, 0.0),
    other=lambda g, input, other: choose((input <= other) | (other != other), 0.0, g),
    doc=of_two(
        "The smaller of two elements; of a nan and a number, the number.", "fmin", "torch.tensor([1.0, 5.0])",
        "torch.tensor([3.0, float('nan')])", "tensor([1., 5.])",
    ),
)  # fmt: skip

_CLAMP_COMPLEX: Final = refuse_with(NotImplementedError("clamp is not supported for complex types"), COMPLEX)


def _one_complex_bound(tensors: tuple[Any, ...]) -> None:
    """Refuse one complex bound of real numbers: PyTorch computes a maximum or a minimum then."""
    input, low, high = tensors
    if not is_tensor(input) or input.dtype.is_complex:
        return
    kernel = "maximum_cpu" if high is None else "minimum_cpu" if low is None else "clamp_cpu"
    for bound in (low, high):
        if is_tensor(bound) and bound.dtype.is_complex:
            refuse(kernel, COMPLEX)(None, promote_types(input.dtype, bound.dtype))


def _clamp_back(g: Any, input: Any, min: Any, max: Any) -> Any:
    if min is None:
        return choose(input <= max, g, 0.0)
    if max is None:
        return choose(input >= min, g, 0.0)
    return choose((input >= min) & (input <= max), g, 0.0)


def _clamp_low_back(g: Any, input: Any, min: Any, max: Any) -> Any:
    if max is None:
        return choose(input < min, g, 0.0)
    return choose((min < max) & (input < min), g, 0.0)


def _clamp_high_back(g: Any, input: Any, min: Any, max: Any) -> Any:
    if min is None:
        return choose(input > max, g, 0.0)
    return choose((input > max) | (max < min), g, 0.0)


def _clamp_cast_error(result: dtype, target: dtype) -> Exception:
    return RuntimeError(
        f"result type {SCALAR_NAME[result]} can't be cast to the desired output type {compiler_name(target)}"
    )


def _clamp_numbers_op(name: str, public: str, node: str) -> Any:
    return elementwise(
        f"{name}(input | min, max)", k.clamp_numbers, cast_error=_clamp_cast_error, fast=k.clamp_numbers,
        node=node, public=public,
        weighs=("min", "max"), strict=("input",), check=_CLAMP_COMPLEX, input=_clamp_back,
    )  # fmt: skip


clamp_numbers = _clamp_numbers_op("clamp_numbers", "clamp", "ClampBackward1")
clamp_min_number = _clamp_numbers_op("clamp_min_number", "clamp_min", "ClampMinBackward0")
clamp_max_number = _clamp_numbers_op("clamp_max_number", "clamp_max", "ClampMaxBackward0")
clamp_tensors = elementwise(
    "clamp_tensors(input, min?, max?)",
    k.clamp,
    node="ClampBackward0",
    public="clamp",
    strict=("input", "min", "max"),
    check=_CLAMP_COMPLEX,
    guard=_one_complex_bound,
    input=_clamp_back,
    min=_clamp_low_back,
    max=_clamp_high_back,
)
clamp_min_tensor = elementwise(
    "clamp_min_tensor(input, min)",
    np.maximum,
    node="ClampMinBackward1",
    public="clamp_min",
    strict=("input", "min"),
    check=refuse("maximum_cpu", COMPLEX),
    input=lambda g, input, min: choose(input >= min, g, 0.0),
    min=lambda g, input, min: choose(input < min, g, 0.0),
)
clamp_max_tensor = elementwise(
    "clamp_max_tensor(input, max)",
    np.minimum,
    node="ClampMaxBackward1",
    public="clamp_max",
    strict=("input", "max"),
    check=refuse("minimum_cpu", COMPLEX),
    input=lambda g, input, max: choose(input <= max, g, 0.0),
    max=lambda g, input, max: choose(input > max, g, 0.0),
)


def _one_dtype(tensors: tuple[Any, ...]) -> None:
    """`lerp` does not promote, but for a weight that is a single number."""
    first = tensors[0]
    for name, value in zip(("end", "weight"), tensors[1:], strict=False):
        if is_tensor(first) and is_tensor(value) and value.dtype is not first.dtype:
            if name == "weight" and not value.ndim:
                continue
            raise RuntimeError(
                f"expected dtype {compiler_name(first.dtype)} for `{name}` but got dtype "
                f"{compiler_name(value.dtype)}"
            )


lerp_number = elementwise(
    "lerp_number(input, end | weight)",
    k.lerp,
    fast=k.lerp,
    node="LerpBackward0",
    public="lerp",
    strict=("input", "end"),
    guard=_one_dtype,
    check=refuse("lerp_kernel_scalar", BOOL, INTEGRAL),
    input=lambda g, weight: g * (1.0 - weight),
    end=lambda g, weight: g * weight,
)
lerp_tensor = elementwise(
    "lerp_tensor(input, end, weight)",
    k.lerp,
    node="LerpBackward1",
    public="lerp",
    strict=("input", "end", "weight"),
    guard=_one_dtype,
    check=refuse("lerp_kernel_tensor", BOOL, INTEGRAL),
    input=lambda g, weight: g * (1.0 - weight),
    end=lambda g, weight: g * weight,
    weight=lambda g, input, end: g * (end - input),
    out_check=exact_out,
)
nan_to_num_of = elementwise(
    "nan_to_num_of(input | nan, posinf, neginf)",
    k.nan_to_num,
    node="NanToNumBackward0",
    public="nan_to_num",
    # Finite numbers are those whose difference with themselves is zero.
    input=lambda g, input: choose(input - input == 0.0, g, 0.0),
)


_same_as_input: Final = out_must_be("nan_to_num: dtype of out: {out} should be same as input: {result}")


def _copysign_back(g: Any, input: Any, out: Any) -> Any:
    return g * choose(input == 0.0, 0.0, out / input)


def _copysign_op(name: str, node: str, **rules: Any) -> Any:
    return elementwise(
        f"{name}(input, other)", np.copysign, result=FLOAT, node=node, public="copysign", strict=("input",),
        signatures=TENSOR_OR_NUMBER,
        check=refuse("copysign_cpu", COMPLEX), input=_copysign_back, **rules,
    )  # fmt: skip


copysign_tensor = _copysign_op("copysign_tensor", "CopysignBackward0", other=lambda g: zeros_like(g))
copysign_number = _copysign_op("copysign_number", "CopysignBackward1")


def _heaviside_guard(tensors: tuple[Any, ...]) -> None:
    kinds = [t.dtype for t in tensors if is_tensor(t)]
    if any(d.is_complex for d in kinds):
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if len(set(kinds)) > 1:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


def _heaviside_out(result: Any, out: Any, _input: Any) -> None:
    _heaviside_guard((result, out))


def _heaviside_back(g: Any) -> Any:
    raise RuntimeError("derivative for aten::heaviside is not implemented")


heaviside = elementwise(
    "heaviside(input, values)",
    k.heaviside,
    node="NotImplemented",
    strict=("input", "values"),
    guard=_heaviside_guard,
    out_check=_heaviside_out,
    input=_heaviside_back,
    values=_heaviside_back,
    doc=of_two(
        "0 for negative elements, 1 for positive ones, `values` at zero.", "heaviside",
        "torch.tensor([-2.0, 0.0, 3.0])",
        "torch.tensor(0.5)", "tensor([0.0000, 0.5000, 1.0000])", "values",
    ),
)  # fmt: skip


def _beside(x: Any, other: Any) -> Any:
    """`x` as PyTorch's where takes it: beside a complex number a real tensor is converted, by a node."""
    if isinstance(other, complex) and is_tensor(x) and x.dtype.category == FLOATING:
        return x.to(x.dtype.to_complex())
    return x


def where(condition: Any, input: Any = REQUIRED, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Elements of `input` where the condition holds, of `other` elsewhere.

    Args:
        condition: bool tensor.
        input, other: tensors or numbers that broadcast with it; without them, the indices of the elements of
            `condition` that are not zero are returned, as by `nonzero(as_tuple=True)`.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape, of the promoted dtype of `input` and `other`.

    Raises:
        RuntimeError: if the condition is no bool tensor.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([-1.0, 2.0])
        >>> torch.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    if other is REQUIRED and input is REQUIRED and is_tensor(condition):
        if condition._owner is not None:
            refuse_shape("where", condition)
        return condition.nonzero(as_tuple=True)
    value = choose(condition, _beside(input, other), _beside(other, input))
    return value if out is None else deliver("where", value, out)


def where_method(input: Any, condition: Any, other: Any) -> Any:
    """`torch.where(condition, input, other)` as a method.

    Args:
        input: tensor.
        condition: bool tensor.
        other: tensor or number.

    Returns:
        a tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([-1.0, 2.0])
        >>> x.where(x > 0, 0.0)
        tensor([0., 2.])
    """
    return where(condition, input, other)


_QUICK_BOUNDS: Final = frozenset((int, float, type(None)))


def _bounds(name: str, *bounds: Any) -> bool:
    """Whether bounds are numbers (else they are tensors), after PyTorch's checks."""
    given = [b for b in bounds if b is not None]
    if not given:
        raise RuntimeError(f"torch.{name}: At least one of 'min' or 'max' must not be None")
    if all(isinstance(b, NUMBER) for b in given):
        return True
    if not all(is_tensor(b) for b in given):
        no_match(
            name,
            tuple(bounds) if len(given) > 1 else tuple(given),
            "Tensor min = None, Tensor max = None",
            "Number min = None, Number max = None",
        )
    return False


def clamp(input: Any, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """Elements kept within bounds.

    Args:
        input: tensor.
        min: lower bound, a number or a tensor that broadcasts with `input`, or None.
        max: upper bound likewise; it wins over the lower one.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Raises:
        RuntimeError: if both bounds are None.

    Example:
        >>> import cotangent as torch
        >>> torch.clamp(torch.tensor([-3.0, 0.5, 3.0]), -1, 1)
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if out is None and min.__class__ in _QUICK_BOUNDS and max.__class__ in _QUICK_BOUNDS and min is not max:
        return clamp_numbers(input, min, max)
    if is_tensor(min) is not is_tensor(max) and min is not None and max is not None:
        # Beside a number, a 0-d tensor is one.
        min, max = as_number("clamp", "min", 2, min), as_number("clamp", "max", 3, max)
    if _bounds("clamp", min, max):
        value = clamp_numbers(input, plain(min), plain(max))
        exact_out(value, out)
        return deliver("clamp", value, out)
    return deliver("clamp", clamp_tensors(input, min, max), out)


def _one_bound(name: str) -> tuple[str, str]:
    return (
        f"Tensor input, Tensor {name}, *, Tensor out = None",
        f"Tensor input, Number {name}, *, Tensor out = None",
    )


def clamp_min(input: Any, min: Any = REQUIRED, *, out: Any = None) -> Any:
    """Elements raised to a lower bound.

    Args:
        input: tensor.
        min: number or tensor.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.clamp_min(torch.tensor([-3.0, 3.0]), 0)
        tensor([0., 3.])
    """
    if min is REQUIRED:
        no_match("clamp_min", (input,), *_one_bound("min"))
    if not is_tensor(input):
        no_match("clamp_min", (input, min), *_one_bound("min"))
    if is_tensor(min):
        return deliver("clamp_min", clamp_min_tensor(input, min), out, input, min)
    value = clamp_min_number(input, plain(min), None)
    exact_out(value, out)
    return deliver("clamp_min", value, out, input, min)


def clamp_max(input: Any, max: Any = REQUIRED, *, out: Any = None) -> Any:
    """Elements lowered to an upper bound.

    Args:
        input: tensor.
        max: number or tensor.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.clamp_max(torch.tensor([-3.0, 3.0]), 0)
        tensor([-3.,  0.])
    """
    if max is REQUIRED:
        no_match("clamp_max", (input,), *_one_bound("max"))
    if not is_tensor(input):
        no_match("clamp_max", (input, max), *_one_bound("max"))
    if is_tensor(max):
        return deliver("clamp_max", clamp_max_tensor(input, max), out, input, max)
    value = clamp_max_number(input, None, plain(max))
    exact_out(value, out)
    return deliver("clamp_max", value, out, input, max)


def lerp(input: Any, end: Any = REQUIRED, weight: Any = REQUIRED, *, out: Any = None) -> Any:
    """Linear interpolation: input + weight * (end - input).

    Args:
        input, end: tensors of one floating-point dtype that broadcast together.
        weight: number, or tensor of that dtype.
        out: tensor to store the result in.

    Returns:
        a tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.lerp(torch.zeros(2), torch.tensor([1.0, 10.0]), 0.3)
        tensor([0.3000, 3.0000])
    """
    if out is None and weight.__class__ is float:
        return lerp_number(input, end, weight)
    if is_tensor(weight):
        if out is None:
            return lerp_tensor(input, end, weight)
        return lerp_tensor(input, end, weight, out=out)
    if not isinstance(weight, NUMBER):
        no_match(
            "lerp",
            tuple(value for value in (input, end, weight) if value is not REQUIRED),
            "Tensor input, Tensor end, Tensor weight, *, Tensor out = None",
            "Tensor input, Tensor end, Number weight, *, Tensor out = None",
        )
    if out is None:
        return lerp_number(input, end, plain(weight))
    return lerp_number(input, end, plain(weight), out=out)


def nan_to_num(
    input: Any,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Any = None,
) -> Any:
    """Elements with nan and the infinities replaced by numbers.

    Args:
        input: tensor.
        nan: replaces nan (default 0).
        posinf: replaces infinity (default: the dtype's largest number).
        neginf: replaces minus infinity (default: the dtype's smallest number).
        out: tensor to store the result in.

    Returns:
        a tensor of the shape of `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.nan_to_num(torch.tensor([float("nan"), float("inf"), 1.0]), posinf=9.0)
        tensor([0., 9., 1.])
    """
    if not is_tensor(input):
        bad_argument("nan_to_num", "input", 1, "Tensor", input)
    if input.dtype.category >= FLOATING:
        limits = finfo(input.dtype)
        posinf = limits.max if posinf is None else posinf
        neginf = limits.min if neginf is None else neginf
    value = nan_to_num_of(input, 0.0 if nan is None else nan, posinf, neginf)
    if out is not None:
        _same_as_input(value, out, input)
    return deliver("nan_to_num", value, out)


def copysign(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Magnitudes of `input` with the signs of `other`.

    Args:
        input: tensor.
        other: tensor or number.
        out: tensor to store the result in.

    Returns:
        a floating-point tensor of the broadcast shape.

    Example:
        >>> import cotangent as torch
        >>> torch.copysign(torch.tensor([1.0, 2.0]), -1)
        tensor([-1., -2.])
    """
    if is_tensor(other):
        return deliver("copysign", copysign_tensor(input, other), out, input, other)
    return deliver("copysign", copysign_number(input, other), out, input, other)


FUNCTIONS: Final = (
    "where", "maximum", "minimum", "fmax", "fmin", "clamp", "clamp_min", "clamp_max", "lerp", "nan_to_num",
    "copysign",
    "heaviside",
)  # fmt: skip
METHODS: Final = FUNCTIONS[1:]
DUNDERS: Final = {"where": "where_method"}
INPLACE: Final = ("clamp", "clamp_min", "clamp_max", "lerp", "nan_to_num", "copysign", "heaviside")
INPLACE_FUNCTIONS: Final = ("clamp", "clamp_min", "clamp_max", "nan_to_num")
ALIASES: Final = {"clip": "clamp"}
