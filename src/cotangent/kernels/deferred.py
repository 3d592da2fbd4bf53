"""Arrays whose conjugation or negation is yet to be done: how `conj()` and its `.imag` look at a memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]


class _Flags:
    """The flags of an array that nobody should write into directly."""

    __slots__ = ("_flags",)
    forc = False
    writeable = False

    def __init__(self, flags: Any) -> None:
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        return getattr(self._flags, name)


class Deferred(np.lib.mixins.NDArrayOperatorsMixin):
    """Looks like the array that `change` (its own inverse) makes of `array`, and shares its memory.

    NumPy reads it like any array. Writes go through `put`.

    Args:
        array: the memory as it is.
        change: np.conjugate, np.negative or `negated_conjugate`.
    """

    __slots__ = ("array", "change")

    def __init__(self, array: Array, change: Callable[..., Any]) -> None:
        self.array = array
        self.change = change

    def resolved(self) -> Array:
        """The values, in memory of their own."""
        made: Array = self.change(self.array, out=...)
        return made

    def put(self, values: Array) -> None:
        """Write these values."""
        self.change(values, out=self.array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = self.resolved()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = (value.resolved() if value.__class__ is Deferred else value for value in inputs)
        if method == "__call__" and "out" not in options:
            options["out"] = ...  # an array, also where NumPy would give a scalar
        return getattr(ufunc, method)(*plain, **options)

    def __reduce__(self) -> Any:
        return self.resolved().__reduce__()

    def __getitem__(self, index: Any) -> Any:
        return self.resolved()[index]

    def __len__(self) -> int:
        return len(self.array)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.resolved(), name)

    # -- how the elements lie, which the change leaves as it is ------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes."""
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides in bytes."""
        return self.array.strides

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.array.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.array.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def base(self) -> Array:
        """The memory."""
        return self.array

    @property
    def flags(self) -> Any:
        """Flags of the memory."""
        return _Flags(self.array.flags)


def layout(data: Any) -> Any:
    """The array that says how the elements of a payload lie in memory; of a dual one, those of its primal."""
    while hasattr(data, "primal"):
        data = data.primal._data
    return data.array if data.__class__ is Deferred else data


def negated_conjugate(a: Array, out: Any = None) -> Array:
    """-conj(a)."""
    found: Array = np.conjugate(a, out=out)
    return np.negative(found, out=found)


# What becomes of a change (none, None) when the conjugate, or the negative, of its array is looked at.
_CONJUGATED: Final[dict[Any, Any]] = {
    np.conjugate: None, np.negative: negated_conjugate, negated_conjugate: np.negative,
}  # fmt: skip
_NEGATED: Final[dict[Any, Any]] = {
    np.negative: None, np.conjugate: negated_conjugate, negated_conjugate: np.conjugate,
}  # fmt: skip


def _changed(array: Array, change: Any) -> Any:
    return array if change is None else Deferred(array, change)


def conjugated(a: Any) -> Any:
    """The conjugate of an array, done when needed; of such a conjugate, the array itself."""
    if a.__class__ is Deferred:
        return _changed(a.array, _CONJUGATED[a.change])
    return Deferred(a, np.conjugate)


def negated(a: Any) -> Any:
    """The negative of an array, done when needed; of such a negative, the array itself."""
    if a.__class__ is Deferred:
        return _changed(a.array, _NEGATED[a.change])
    return Deferred(a, np.negative)


def resolved(data: Any) -> Any:
    """A payload, the values of what is put off."""
    return data.resolved() if data.__class__ is Deferred else data
