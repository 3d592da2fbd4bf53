"""Logic on truth values, and on the bits of integers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..dtypes import BOOL, COMPLEX, FLOATING
from .describe import of_one, of_two
from .refusals import NUMBER_OR_TENSOR, exact_out, refuse
from .table import BOOL_RESULT, elementwise


def _logical(name: str, ufunc: Any, what: str, shown: str) -> Any:
    return elementwise(
        f"{name}(input, other)",
        ufunc,
        result=BOOL_RESULT,
        strict=("input", "other"),
        doc=of_two(what, name, "torch.tensor([0, 1, 2])", "torch.tensor([0, 0, 2])", shown),
    )


logical_and = _logical(
    "logical_and", np.logical_and, "Whether both elements are non-zero.", "tensor([False, False,  True])"
)
logical_or = _logical(
    "logical_or", np.logical_or, "Whether either element is non-zero.", "tensor([False,  True,  True])"
)
logical_xor = _logical(
    "logical_xor", np.logical_xor, "Whether just one element is non-zero.", "tensor([False,  True, False])"
)
logical_not = elementwise(
    "logical_not(input)",
    np.logical_not,
    result=BOOL_RESULT,
    doc=of_one("Whether elements are zero.", "logical_not", "0, 1, 2", "tensor([ True, False, False])"),
)


def _bitwise(name: str, ufunc: Any, kernel: str, what: str, shown: str, *refused: int) -> Any:
    return elementwise(
        f"{name}(input, other)",
        ufunc,
        signatures=NUMBER_OR_TENSOR,
        check=refuse(kernel, FLOATING, COMPLEX, *refused),
        doc=of_two(what, name, "torch.tensor([5, 6])", "torch.tensor([3, 1])", shown),
    )


bitwise_and = _bitwise(
    "bitwise_and", np.bitwise_and, "bitwise_and_cpu", "Bits set in both elements.", "tensor([1, 0])"
)
bitwise_or = _bitwise(
    "bitwise_or", np.bitwise_or, "bitwise_or_cpu", "Bits set in either element.", "tensor([7, 7])"
)
bitwise_xor = _bitwise(
    "bitwise_xor", np.bitwise_xor, "bitwise_xor_cpu", "Bits set in just one element.", "tensor([6, 7])"
)
bitwise_left_shift = _bitwise(
    "bitwise_left_shift", np.left_shift, "lshift_cpu", "Bits moved up.", "tensor([40, 12])", BOOL
)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift", np.right_shift, "rshift_cpu", "Bits moved down.", "tensor([0, 3])", BOOL
)
bitwise_not = elementwise(
    "bitwise_not(input)",
    np.invert,
    check=refuse("bitwise_not_cpu", FLOATING, COMPLEX),
    out_check=exact_out,
    doc=of_one("All bits turned over; the negation of bools.", "bitwise_not", "5, 6", "tensor([-6, -7])"),
)


def invert(input: Any) -> Any:
    """`~input` for Python's operator."""
    if input.dtype.category >= FLOATING:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(input)


def left_shift_of(input: Any, other: Any) -> Any:
    """`other << input` for Python's operator."""
    return bitwise_left_shift(other, input)


def right_shift_of(input: Any, other: Any) -> Any:
    """`other >> input` for Python's operator."""
    return bitwise_right_shift(other, input)


FUNCTIONS: Final = (
    "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor",
    "bitwise_left_shift", "bitwise_right_shift", "bitwise_not",
)  # fmt: skip
METHODS: Final = FUNCTIONS
INPLACE: Final = FUNCTIONS
DUNDERS: Final = {
    "__and__": "bitwise_and", "__rand__": "bitwise_and", "__iand__": "bitwise_and_", "__or__": "bitwise_or",
    "__ror__": "bitwise_or", "__ior__": "bitwise_or_", "__xor__": "bitwise_xor", "__rxor__": "bitwise_xor",
    "__ixor__": "bitwise_xor_", "__lshift__": "bitwise_left_shift", "__rlshift__": "left_shift_of",
    "__ilshift__": "bitwise_left_shift_", "__rshift__": "bitwise_right_shift",
    "__rrshift__": "right_shift_of",
    "__irshift__": "bitwise_right_shift_", "__invert__": "invert",
}  # fmt: skip
