"""Quantised numbers: the payload of a tensor whose integers stand for (integer - zero point) * scale."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import dtypes

Array = Any
# Operations that move integers about and leave their meaning: kernels run on the integers.
_MOVES: Final = frozenset(
    (
        "clone_of", "dense_clone", "ordered_clone", "alias", "reshaped", "reshape_any", "view_as_shape",
        "t_matrix", "transpose_dims", "permute_dims", "select_at", "slice_of", "unsqueeze_at", "squeeze_dim",
        "squeeze_all", "squeeze_dims", "expand_to", "unbind_dim", "flip_dims", "select_rows",
    )
)  # fmt: skip


class Quantized:
    """Integers with a scale and a zero point: one for all, or one for each slice of a dimension.

    Args:
        values: the integers.
        kind: the quantised dtype.
        scale: a number, or an array of one for each slice.
        zero_point: likewise.
        axis: the dimension of the slices; None where there is one scale.
    """

    __slots__ = ("values", "dtype", "scale", "zero_point", "axis")

    def __init__(
        self, values: Array, kind: dtypes.dtype, scale: Any, zero_point: Any, axis: int | None = None
    ) -> None:
        self.values, self.dtype = values, kind
        self.scale, self.zero_point, self.axis = scale, zero_point, axis

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return self.values.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.values.itemsize)

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes to step over in memory."""
        return self.values.strides  # type: ignore[no-any-return]

    def copy(self, order: str = "K") -> Quantized:
        """The same in memory of its own."""
        return self.with_values(self.values.copy(order))

    def with_values(self, values: Array) -> Quantized:
        """Other integers of the same meaning."""
        return Quantized(values, self.dtype, self.scale, self.zero_point, self.axis)

    def _spread(self, numbers: Any) -> Any:
        if self.axis is None:
            return numbers
        return np.asarray(numbers).reshape([-1 if d == self.axis else 1 for d in range(self.ndim)])

    def dequantized(self) -> Array:
        """The numbers that the integers stand for, in float32."""
        shifted = self.values.astype(np.float32) - np.asarray(self._spread(self.zero_point), np.float32)
        return np.asarray(shifted * np.asarray(self._spread(self.scale), np.float32))

    def item(self) -> float:
        """The only number."""
        return float(self.dequantized().item())

    def tolist(self) -> Any:
        """The numbers as nested lists."""
        return self.dequantized().tolist()

    def apply_op(self, op: Any, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Run an operation of the table that moves integers about.

        Raises:
            NotImplementedError: for an operation that computes.
        """
        if op.name not in _MOVES and not op.is_view:
            raise NotImplementedError(
                f"Could not run 'aten::{op.public}' with arguments from the 'QuantizedCPU' backend: cotangent"
                " computes with the numbers themselves. Call .dequantize() on the tensor first."
            )
        if self.axis is not None and not op.name.endswith("clone") and op.name not in ("clone_of", "alias"):
            raise RuntimeError("Setting strides is possible only on uniformly quantized tensor")
        found = op.kernel(self.values, *payloads[1:], *statics)
        if isinstance(found, tuple):
            return tuple(self.with_values(part) for part in found)
        return self.with_values(found)


def quantize(
    x: Array, kind: dtypes.dtype, numbers: Any, scale: Any, zero_point: Any, axis: int | None
) -> Any:
    """Numbers as integers of a dtype: rounded to the nearest multiple of the scale, half to even.

    Args:
        x: float32 numbers.
        kind: the quantised dtype.
        numbers: NumPy's dtype of the integers.
        scale, zero_point, axis: as for `Quantized`.
    """
    limits = np.iinfo(numbers)
    made = Quantized(x, kind, scale, zero_point, axis)
    inverse = np.asarray(1.0 / np.asarray(made._spread(scale), np.float64), np.float32)
    steps = np.rint(x * inverse).astype(np.float64) + np.asarray(made._spread(zero_point), np.float64)
    return made.with_values(np.clip(steps, limits.min, limits.max).astype(numbers))
