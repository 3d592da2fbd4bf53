"""Bags of rows, reduced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import REAL, G, Make, OpCase, S, Sample, V


def _embedding_bag(make: Make) -> Iterator[Sample]:
    indices = make.given(1, 3, 0, 0, 2, dtype="int64")
    offsets = (0, 2, 2)
    for mode in ("sum", "mean", "max"):
        yield S(indices, make(4, 3, distinct=True), offsets, mode=mode)
        yield S(make.index(4, 3, 2), make(4, 2, distinct=True), mode=mode)
        yield S(indices, make(4, 2, distinct=True), (0, 3, 5), mode=mode, include_last_offset=True)
        yield G(indices, make(4, 2, distinct=True), offsets, mode=mode, padding_idx=0)
        yield V(indices[:0], make(4, 2), (0, 0), mode=mode)
    yield S(indices, make(4, 2), offsets, mode="sum", per_sample_weights=make(5))
    yield S(make.index(4, 2, 2), make(4, 2), mode="sum", per_sample_weights=make(2, 2))
    # With indices that occur unequally often, PyTorch takes the frequency of another index for some.
    yield G(make.given(1, 3, 3, 1, dtype="int64"), make(4, 2), offsets, scale_grad_by_freq=True)
    yield S(make.given(1, 3, 0, dtype="int32"), make(4, 2), offsets)


def _called(xp: Any, input: Any, weight: Any, offsets: Any = None, **options: Any) -> Any:
    """The function, with offsets as a tensor of the dtype of the indices."""
    if offsets is not None:
        offsets = xp.tensor(offsets, dtype=input.dtype)
    return xp.nn.functional.embedding_bag(input, weight, offsets, **options)


CASES = [OpCase("nn.functional.embedding_bag", _embedding_bag, REAL, call=_called)]
