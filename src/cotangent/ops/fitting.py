"""Operands of which nothing is left to check: what lets a function skip its checks in the ordinary case.

The predicates answer False whenever anything is unusual; the function then checks step by step and says
what is wrong, if anything is. That operands of products are tensors at all says `tensor_operands`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import bad_argument
from .arguments import REQUIRED, missing, no_match
from .table import is_array, is_tensor


def product_fits(a: Any, b: Any, rank: int) -> bool:
    """Whether these are arrays of that rank and one dtype that fit for a product."""
    if not (is_tensor(a) and is_tensor(b)):
        return False
    x, y = a._data, b._data
    if not (is_array(x) and is_array(y)) or x.dtype is not y.dtype:
        return False
    left, right = x.shape, y.shape
    if len(left) != rank or len(right) != rank or left[-1] != right[-2 if rank > 1 else -1]:
        return False
    return rank < 3 or left[0] == right[0]


def gather_fits(input: Any, dim: int, index: Any) -> bool:
    """Whether these are an array and positions within it: nothing is left to check for `gather`."""
    if not (is_tensor(input) and is_tensor(index)):
        return False
    a, b = input._data, index._data
    if not (is_array(a) and is_array(b)) or b.dtype.char != "l" or not b.size:
        return False
    have, wanted = a.shape, b.shape
    rank = len(have)
    if len(wanted) != rank or not -rank <= dim < rank:
        return False
    for d, (n, m) in enumerate(zip(have, wanted, strict=True)):
        if m > n and d != dim % rank:
            return False
    return within(b, have[dim])


def within(index: Any, n: int) -> bool:
    """Whether all positions of an array that is not empty, of int64 or int32, are from 0 up to `n`."""
    if 0 in index.strides:
        index = index[tuple([slice(1 if not s else None) for s in index.strides])]
    # Negative positions are large ones to the unsigned type: one pass sees to both bounds.
    return bool(np.maximum.reduce(index.view(_UNSIGNED[index.itemsize]), None) < n)


_UNSIGNED: Final = {8: np.uint64, 4: np.uint32}


def rows_fit(input: Any, rows: Any, weight: Any, bias: Any) -> bool:
    """Whether these are arrays of one dtype that fit: nothing is left to check for `layer_norm`."""
    if not is_tensor(input) or not isinstance(rows, tuple) or not rows:
        return False
    data = input._data
    if not is_array(data) or data.dtype.char not in "fd" or data.shape[-len(rows) :] != rows:
        return False
    for value in (weight, bias):
        if value is None:
            continue
        if not is_tensor(value) or value._data.shape != rows or value._data.dtype is not data.dtype:
            return False
    return True


_WITH_OUT_DTYPE: Final = {"mm": "Tensor mat2", "bmm": "Tensor mat2", "addmm": "Tensor mat1, Tensor mat2"}


def tensor_operands(function: str, **given: Any) -> None:
    """Refuse operands of a product that are missing or no tensors."""
    absent = [name for name, value in given.items() if value is REQUIRED]
    if absent and function in _WITH_OUT_DTYPE:
        factors = ", Number beta = 1, Number alpha = 1" if function == "addmm" else ""
        needed = f"Tensor input, {_WITH_OUT_DTYPE[function]}"
        no_match(
            function, tuple(v for v in given.values() if v is not REQUIRED),
            f"{needed}, *{factors}, Tensor out = None",
            f"{needed}, torch.dtype out_dtype, *{factors}, Tensor out = None",
        )  # fmt: skip
    if absent:
        missing(function, *absent)
    for position, (name, value) in enumerate(given.items(), 1):
        if not is_tensor(value):
            bad_argument(function, name, position, "Tensor", value)


def check_vectors(function: str, a: Any, b: Any) -> None:
    """Complain unless two tensors are vectors of one length and dtype."""
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"{function} : expected both vectors to have same dtype, but found {dtypes.SCALAR_NAME[a.dtype]} "
            f"and {dtypes.SCALAR_NAME[b.dtype]}"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{a.shape[0]}] and src [{b.shape[0]}] to have the "
            f"same number of elements, but got {a.shape[0]} and {b.shape[0]} elements respectively"
        )
