"""Nested tensors of the layout `torch.jagged`: one tensor of values, and where each example begins in it.

The dimension whose size differs from example to example (the ragged one) is that of all examples behind each
other in `_values`; `_offsets` says where each begins, `_lengths`, if there are holes, how long it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from ..dtypes import int64
from ..functions import cat, tensor, zeros
from ..size import Size, jagged
from .base import Nested, contained
from .sizes import NestedInt, symbol_of

# Name of a function or method -> what does it: called with the function, then its arguments.
HANDLERS: Final[dict[str, Callable[..., Any]]] = {}


class NestedTensor(Nested):
    """A nested tensor of the layout `torch.jagged`; `torch.nested.nested_tensor` and others make it."""

    handlers = HANDLERS
    _offsets: Any
    _lengths: Any
    _ragged_idx: int
    _extremes: dict[str, int]

    def _like(self, values: Any) -> NestedTensor:
        """Other values of the same raggedness."""
        return like(self, values)

    @property
    def _size(self) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._data.shape
        return found

    @property
    def shape(self) -> Size:
        """The size of every dimension; that of the ragged one is a symbol."""
        return tuple.__new__(Size, self._data.shape)

    @property
    def layout(self) -> Any:
        """`torch.jagged`."""
        return jagged

    def _contiguous(self) -> bool:
        found: bool = self._lengths is None and self._values.is_contiguous()
        return found

    def __repr__(self) -> str:  # type: ignore[override]
        history = ""
        if self.grad_fn is not None:
            history = f", grad_fn={self.grad_fn}"
        elif self.requires_grad:
            history = ", requires_grad=True"
        return (
            f"NestedTensor(size={self._size}, offsets={self._offsets}{history}, "
            f"contiguous={self._contiguous()})"
        )

    def __reduce_ex__(self, protocol: Any) -> Any:
        leaf = self._values.detach().requires_grad_(self.requires_grad)
        return make, (leaf, self._offsets, self._lengths, self._ragged_idx, self._extremes)

    def offsets(self) -> Any:
        """Where each example begins in the values, and the end: (B + 1,)."""
        return self._offsets

    def lengths(self) -> Any:
        """How long each example is, if there are holes; else None."""
        return self._lengths

    # -- lengths --------------------------------------------------------------------------------------

    def _all_lengths(self) -> Any:
        return self._offsets.diff() if self._lengths is None else self._lengths

    def _extreme(self, which: str) -> int:
        if which not in self._extremes:
            self._extremes[which] = int(getattr(self._all_lengths(), which)().item())
        return self._extremes[which]

    def _get_max_seqlen(self) -> int:
        return self._extreme("max")

    def _get_min_seqlen(self) -> int:
        return self._extreme("min")

    _max_seqlen = property(_get_max_seqlen)
    _min_seqlen = property(_get_min_seqlen)

    @property
    def _maybe_max_seqlen(self) -> int | None:
        return self._extremes.get("max")

    @property
    def _maybe_min_seqlen(self) -> int | None:
        return self._extremes.get("min")


def make(
    values: Any, offsets: Any, lengths: Any = None, ragged: int = 1, extremes: dict[str, int] | None = None
) -> NestedTensor:
    """A nested tensor of values.

    Args:
        values: all examples behind each other along the dimension `ragged - 1`.
        offsets: where each begins, and the end: (B + 1,).
        lengths: how long each is, if not up to the next: (B,), or None.
        ragged: the ragged dimension, counted with the batch's.
        extremes: the smallest and largest length, as far as known.

    Raises:
        AssertionError: for offsets or lengths that do not fit.
    """
    if offsets.dim() != 1:
        raise AssertionError(f"offsets must be 1D, but got {offsets.dim()}D")
    if isinstance(values, NestedTensor):
        raise AssertionError("values must not be a NestedTensor")
    batch = offsets.shape[0] - 1
    if lengths is not None and batch != lengths.shape[0]:
        raise AssertionError(
            f"offsets and lengths batch sizes must match: offsets.shape[0] - 1 = {batch}, lengths.shape[0] = "
            f"{lengths.shape[0]}"
        )
    symbol = symbol_of(offsets if lengths is None else lengths)
    r = ragged - 1
    shape = (batch, *values.shape[:r], symbol, *values.shape[r + 1 :])
    made: NestedTensor = contained(NestedTensor, shape, values)
    made._offsets, made._lengths, made._ragged_idx = offsets, lengths, ragged
    made._extremes = dict(extremes or {})
    return made


def like(nested: NestedTensor, values: Any, ragged: int | None = None) -> NestedTensor:
    """Other values of the same raggedness.

    Args:
        nested: the nested tensor.
        values: the values.
        ragged: the ragged dimension, if it is another one.
    """
    at = nested._ragged_idx if ragged is None else ragged
    return make(values, nested._offsets, nested._lengths, at, nested._extremes)


def from_list(tensors: list[Any], dtype: Any = None, device: Any = None) -> NestedTensor:
    """Examples as one nested tensor.

    Args:
        tensors: the examples, whose sizes differ in one dimension at most.
        dtype, device: of the result.

    Raises:
        RuntimeError: for examples that make no nested tensor of this layout.
    """
    if not tensors:
        raise RuntimeError("Cannot construct a nested tensor from an empty tensor list")
    for what, values in (
        ("dtype", {t.dtype for t in tensors}),
        ("device", {str(t.device) for t in tensors}),
        ("dim", {t.dim() for t in tensors}),
    ):
        if len(values) != 1:
            verb = "be on the same" if what == "device" else "have the same"
            raise RuntimeError(f"When constructing a nested tensor, all tensors in list must {verb} {what}")
    if tensors[0].dim() == 0:
        raise RuntimeError("Cannot construct a nested tensor from a list of zero-dim tensors")
    sizes = [tuple(t.shape) for t in tensors]
    differ = [d for d in range(len(sizes[0])) if len({s[d] for s in sizes}) > 1]
    if len(differ) > 1:
        raise RuntimeError(
            "Cannot represent given tensor list as a nested tensor with the jagged layout. Note that the "
            "jagged layout only allows for a single ragged dimension. For example: "
            "(B, *, D_0, D_1, ..., D_N), with ragged * dim."
        )
    at = differ[0] if differ else 0
    values = cat(tensors, at)
    if dtype is not None or device is not None:
        values = values.to(device=device, dtype=dtype)
    lengths = [s[at] for s in sizes]
    offsets = cat([zeros(1, dtype=int64), tensor(lengths).cumsum(0)])
    return make(values, offsets, None, at + 1, {"min": min(lengths), "max": max(lengths)})


def components(nested: NestedTensor) -> tuple[Any, ...]:
    """The examples, views of the values.

    Args:
        nested: the nested tensor.
    """
    at = nested._ragged_idx - 1
    if nested._lengths is None:
        return tuple(nested._values.split(nested._offsets.diff().tolist(), at))
    starts, lengths = nested._offsets.tolist(), nested._lengths.tolist()
    if any(s + n > nested._values.shape[at] for s, n in zip(starts, lengths)):
        raise RuntimeError("unbind(): nested tensor offsets and lengths do not match ragged_idx dimension")
    return tuple(nested._values.narrow(at, s, n) for s, n in zip(starts, lengths))


def number_of_elements(nested: NestedTensor) -> int:
    """How many elements there are, without those in holes.

    Args:
        nested: the nested tensor.
    """
    if nested._lengths is None:
        return int(nested._values.numel())
    others = math.prod(n for n in nested._size[1:] if not isinstance(n, NestedInt))
    return int(nested._lengths.sum().item()) * int(others)
