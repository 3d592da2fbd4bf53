"""Comparisons, tests of single values, and tests of whole tensors."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..config import settings
from ..dtypes import COMPLEX, FLOATING, SCALAR_NAME
from ..errors import bad_argument
from ..kernels import elementwise as k
from .complex import abs, imag_part
from .copies import cast
from .describe import of_one, of_two
from .refusals import TENSOR_OR_NUMBER, out_must_be, refuse, refuse_with
from .table import BOOL_RESULT, elementwise, is_array, is_tensor
from .unmapped import refuse_number


def _comparison(name: str, ufunc: Any, sign: str, shown: str, **options: Any) -> Any:
    return elementwise(
        f"{name}(input, other)",
        ufunc,
        result=BOOL_RESULT,
        strict=("input",),
        signatures=TENSOR_OR_NUMBER,
        doc=of_two(
            f"Whether input {sign} other, element by element.", name, "torch.tensor([1, 2, 3])", "2", shown
        ),
        **options,
    )


eq = _comparison("eq", np.equal, "==", "tensor([False,  True, False])")
ne = _comparison("ne", np.not_equal, "!=", "tensor([ True, False,  True])")
lt = _comparison("lt", np.less, "<", "tensor([ True, False, False])", check=refuse("lt_cpu", COMPLEX))
le = _comparison("le", np.less_equal, "<=", "tensor([ True,  True, False])", check=refuse("le_cpu", COMPLEX))
gt = _comparison("gt", np.greater, ">", "tensor([False, False,  True])", check=refuse("gt_cpu", COMPLEX))
ge = _comparison(
    "ge", np.greater_equal, ">=", "tensor([False,  True,  True])", check=refuse("ge_cpu", COMPLEX)
)

isnan = elementwise(
    "isnan(input)",
    np.isnan,
    result=BOOL_RESULT,
    doc=of_one("Whether elements are nan.", "isnan", "1.0, float('nan')", "tensor([False,  True])"),
)
isinf = elementwise(
    "isinf(input)",
    np.isinf,
    result=BOOL_RESULT,
    doc=of_one("Whether elements are infinite.", "isinf", "1.0, float('-inf')", "tensor([False,  True])"),
)
isfinite = elementwise(
    "isfinite(input)",
    np.isfinite,
    result=BOOL_RESULT,
    doc=of_one("Whether elements are finite.", "isfinite", "1.0, float('inf')", "tensor([ True, False])"),
)


def _infinite(name: str, value: float, shown: str) -> Any:
    return elementwise(
        f"{name}(input)",
        lambda a, out=None: np.equal(a, value, out=out),
        result=BOOL_RESULT,
        check=refuse_with(RuntimeError(f"{name} does not support complex inputs."), COMPLEX),
        out_check=out_must_be(f"{name} does not support non-boolean outputs."),
        doc=of_one(f"Whether elements are {value}.", name, "float('inf'), float('-inf')", shown),
    )


isposinf = _infinite("isposinf", np.inf, "tensor([ True, False])")
isneginf = _infinite("isneginf", -np.inf, "tensor([False,  True])")
signbit = elementwise(
    "signbit(input)",
    k.signbit,
    result=BOOL_RESULT,
    check=refuse_with(NotImplementedError("signbit is not implemented for complex tensors."), COMPLEX),
    out_check=out_must_be("signbit does not support non-boolean outputs."),
    doc=of_one(
        "Whether the sign is negative, also of zeros.", "signbit", "-0.0, 2.0", "tensor([ True, False])"
    ),
)


def isreal(input: Any) -> Any:
    """Whether elements have no imaginary part.

    Args:
        input: tensor of any shape.

    Returns:
        a bool tensor of the same shape.

    Example:
        >>> import cotangent as torch
        >>> torch.isreal(torch.tensor([1 + 2j, 3 + 0j]))
        tensor([False,  True])
    """
    return eq(imag_part(input), 0) if input.dtype.is_complex else isfinite(input) | True


def isclose(input: Any, other: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether |input - other| <= atol + rtol * |other|, element by element.

    Args:
        input, other: tensors of one dtype that broadcast together.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether nan equals nan.

    Returns:
        a bool tensor of the broadcast shape.

    Raises:
        RuntimeError: for different dtypes or negative tolerances.

    Example:
        >>> import cotangent as torch
        >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.000001, 3.0]))
        tensor([ True, False])
    """
    for position, (name, value) in enumerate((("input", input), ("other", other)), 1):
        if not is_tensor(value):
            bad_argument("isclose", name, position, "Tensor", value)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{SCALAR_NAME[input.dtype]} did not match {SCALAR_NAME[other.dtype]}")
    for position, (name, value) in enumerate((("rtol", rtol), ("atol", atol)), 3):
        if is_tensor(value) and (value.requires_grad or value.ndim):
            bad_argument("isclose", name, position, "float", value)
        if not value >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    close = eq(input, other)
    inexact = input.dtype.category >= FLOATING
    if equal_nan and inexact:
        close |= isnan(input) & isnan(other)
    if rtol == 0 and atol == 0:
        return close
    if not inexact:
        input, other = (cast(t, settings.default_dtype.np) for t in (input, other))
    gap = abs(input - other)
    close |= isfinite(gap) & (gap <= atol + abs(rtol * other))
    return close


def _all(truths: Any) -> bool:
    data = truths._data
    return bool(data.all() if is_array(data) else truths.all().item())


def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`).

    Args:
        input, other: tensors of one dtype that broadcast together.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether nan equals nan.

    Returns:
        a bool.

    Example:
        >>> import cotangent as torch
        >>> torch.allclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0000001]))
        True
    """
    for position, (name, value) in enumerate((("input", input), ("other", other)), 1):
        if not is_tensor(value):
            bad_argument("allclose", name, position, "Tensor", value)
    return _all(isclose(input, other, rtol, atol, equal_nan))


def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same elements.

    Args:
        input, other: tensors.

    Returns:
        a bool.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([1, 2])
        >>> torch.equal(x, x.clone()), torch.equal(x, torch.tensor([1, 1, 1]))
        (True, False)
    """
    for position, (name, value) in enumerate((("input", input), ("other", other)), 1):
        if not is_tensor(value):
            bad_argument("equal", name, position, "Tensor", value)
    if input._owner is not None or other._owner is not None:
        refuse_number("equal", input, other)
    if tuple(input.shape) != tuple(other.shape):
        return False
    return _all(eq(input, other))


FUNCTIONS: Final = (
    "eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit",
    "isreal",
    "isclose", "allclose", "equal",
)  # fmt: skip
METHODS: Final = FUNCTIONS
INPLACE: Final = ("eq", "ne", "lt", "le", "gt", "ge")
ALIASES: Final = {
    "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
}  # fmt: skip
DUNDERS: Final = {f"__{name}__": name for name in ("eq", "ne", "lt", "le", "gt", "ge")}
