"""How two results are held against each other, for every check that reads the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .case import Array, numpy_dtype

# Relative and absolute differences allowed, by dtype: a few units in the last place of one operation,
# with room for sums done in another order.
VALUES: Mapping[str, tuple[float, float]] = {
    "float16": (2e-3, 1e-4),
    "bfloat16": (1.6e-2, 1e-4),
    "float32": (5e-6, 2e-6),
    "float64": (1e-10, 1e-12),
    "complex64": (1e-5, 4e-6),
    "complex128": (1e-10, 1e-12),
}
GRADIENTS: Mapping[str, tuple[float, float]] = {
    "float16": (4e-3, 1e-3),
    "bfloat16": (3e-2, 1e-3),
    "float32": (4e-5, 1e-5),
    "float64": (1e-9, 1e-11),
    "complex64": (8e-5, 2e-5),
    "complex128": (1e-9, 1e-11),
}


def dtype_name(tensor: Any) -> str:
    """`float32` for a tensor whose dtype prints as `torch.float32`."""
    return str(tensor.dtype).rpartition(".")[2]


def as_array(xp: Any, tensor: Any) -> Array:
    """The tensor's values as a dense NumPy array; bfloat16 comes back widened to float32."""
    plain = tensor.detach()
    if dtype_name(plain) == "bfloat16":
        plain = plain.to(xp.float32)
    return np.array(plain.numpy(force=True))


def widened(array: Array) -> Array:
    """bfloat16 as float32; anything else as it is."""
    return array.astype(np.float32) if array.dtype == numpy_dtype("bfloat16") else array


def assert_close(
    actual: Array, expected: Array, dtype: str, what: str, limits: Mapping[str, tuple[float, float]] = VALUES
) -> None:
    """Equal for integers and booleans, close for the rest; nan equals nan, infinities equal in sign."""
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    relative, absolute = limits.get(dtype, (0.0, 0.0))
    actual, expected = widened(actual), widened(expected)
    if np.array_equal(actual, expected):
        return
    close = np.isclose(actual, expected, rtol=relative, atol=absolute, equal_nan=actual.dtype.kind in "fc")
    if not close.all():
        where = tuple(int(i) for i in np.argwhere(~close)[0])
        raise AssertionError(
            f"{what}: {int((~close).sum())} of {close.size} differ; at {where} {actual[where]!r}, "
            f"expected {expected[where]!r}"
        )
