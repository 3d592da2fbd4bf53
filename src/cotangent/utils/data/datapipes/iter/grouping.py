"""Batches, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from .._decorator import functional_datapipe
from ..datapipe import DataChunk, IterDataPipe, length_of
from ..utils.common import check_unpickable_fn

__all__ = ["BatcherIterDataPipe", "GrouperIterDataPipe", "UnBatcherIterDataPipe"]


@functional_datapipe("batch")
class BatcherIterDataPipe(IterDataPipe):
    """Batches of samples (functional name: ``batch``).

    Args:
        datapipe: the source.
        batch_size: how many.
        drop_last: whether a last batch of fewer is left out.
        wrapper_class: what a batch is.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper([1, 2, 3]).batch(2))
        [[1, 2], [3]]
    """

    def __init__(
        self, datapipe: Any, batch_size: int, drop_last: bool = False, wrapper_class: Any = DataChunk
    ) -> None:
        if batch_size <= 0:
            raise AssertionError("Batch size is required to be larger than 0!")
        super().__init__()
        self.datapipe = datapipe
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.wrapper_class = wrapper_class

    def __iter__(self) -> Iterator[Any]:
        batch: list[Any] = []
        for sample in self.datapipe:
            batch.append(sample)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)

    def __len__(self) -> int:
        whole, rest = divmod(length_of(self, self.datapipe), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


@functional_datapipe("unbatch")
class UnBatcherIterDataPipe(IterDataPipe):
    """The samples of batches (functional name: ``unbatch``).

    Args:
        datapipe: the source.
        unbatch_level: how many levels of lists are taken apart; -1 for all.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper([[1, 2], [3]]).unbatch())
        [1, 2, 3]
    """

    def __init__(self, datapipe: Any, unbatch_level: int = 1) -> None:
        self.datapipe = datapipe
        self.unbatch_level = unbatch_level

    def __iter__(self) -> Iterator[Any]:
        for element in self.datapipe:
            yield from self._dive(element, self.unbatch_level)

    def _dive(self, element: Any, unbatch_level: int) -> Iterator[Any]:
        if unbatch_level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        if unbatch_level == 0 or (unbatch_level == -1 and not isinstance(element, list)):
            yield element
        elif isinstance(element, list):
            for item in element:
                yield from self._dive(item, max(unbatch_level - 1, -1))
        else:
            raise IndexError(f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe")


@functional_datapipe("groupby")
class GrouperIterDataPipe(IterDataPipe):
    """Batches of samples with the same key (functional name: ``groupby``).

    Args:
        datapipe: the source.
        group_key_fn: gives the key of a sample.
        keep_key: whether pairs of key and batch are given.
        buffer_size: how many samples wait at most; then the largest group is given.
        group_size: a group of so many is given at once.
        guaranteed_group_size: smaller groups are not given out of a full buffer.
        drop_remaining: whether these are dropped then, instead of being an error.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper(["a", "bb", "c"]).groupby(len))
        [['a', 'c'], ['bb']]
    """

    def __init__(
        self,
        datapipe: Any,
        group_key_fn: Callable[[Any], Any],
        *,
        keep_key: bool = False,
        buffer_size: int = 10000,
        group_size: int | None = None,
        guaranteed_group_size: int | None = None,
        drop_remaining: bool = False,
    ) -> None:
        check_unpickable_fn(group_key_fn)
        self.datapipe = datapipe
        self.group_key_fn = group_key_fn
        self.keep_key = keep_key
        self.max_buffer_size = buffer_size
        self.buffer_elements: defaultdict[Any, list[Any]] = defaultdict(list)
        self.curr_buffer_size = 0
        self.group_size = group_size
        self.guaranteed_group_size: int | None = None
        if group_size is not None and buffer_size is not None:
            if not 0 < group_size <= buffer_size:
                raise AssertionError("group_size must be > 0 and <= buffer_size")
            self.guaranteed_group_size = group_size
        if guaranteed_group_size is not None:
            if group_size is None or not 0 < guaranteed_group_size <= group_size:
                raise AssertionError(
                    "guaranteed_group_size must be > 0 and <= group_size and group_size must be set"
                )
            self.guaranteed_group_size = guaranteed_group_size
        self.drop_remaining = drop_remaining
        self.wrapper_class: Any = DataChunk

    def _largest(self) -> tuple[Any, list[Any] | None]:
        """Take the largest group out of the buffer; None instead of one that is too small to be given."""
        key = max(self.buffer_elements, key=lambda key: len(self.buffer_elements[key]))
        group = self.buffer_elements[key]
        small = self.guaranteed_group_size is not None and len(group) < self.guaranteed_group_size
        if small and not self.drop_remaining:
            raise RuntimeError("Failed to group items", str(group))
        self.curr_buffer_size -= len(group)
        del self.buffer_elements[key]
        return key, None if small else group

    def _given(self, key: Any, group: list[Any]) -> Any:
        batch = self.wrapper_class(group)
        return (key, batch) if self.keep_key else batch

    def __iter__(self) -> Iterator[Any]:
        for sample in self.datapipe:
            key = self.group_key_fn(sample)
            group = self.buffer_elements[key]
            group.append(sample)
            self.curr_buffer_size += 1
            if self.group_size is not None and self.group_size == len(group):
                yield self._given(key, group)
                self.curr_buffer_size -= len(group)
                del self.buffer_elements[key]
            if self.curr_buffer_size == self.max_buffer_size:
                _, large = self._largest()
                if large is not None:
                    yield self._given(key, large)  # PyTorch gives the last sample's key here, too
        for key in tuple(self.buffer_elements):
            group = self.buffer_elements.pop(key)
            self.curr_buffer_size -= len(group)
            yield self._given(key, group)

    def reset(self) -> None:
        """Empty the buffer."""
        self.curr_buffer_size = 0
        self.buffer_elements = defaultdict(list)

    def __getstate__(self) -> Any:
        sizes = (self.max_buffer_size, self.group_size, self.guaranteed_group_size, self.drop_remaining)
        mine = (self.datapipe, self.group_key_fn, self.keep_key, *sizes, self.wrapper_class)
        return self._hooked((*mine, self._valid_iterator_id, self._number_of_samples_yielded))

    def __setstate__(self, state: Any) -> None:
        self.datapipe, self.group_key_fn, self.keep_key, *sizes, self.wrapper_class, number, count = state
        self.max_buffer_size, self.group_size, self.guaranteed_group_size, self.drop_remaining = sizes
        self._valid_iterator_id, self._number_of_samples_yielded = number, count
        self.curr_buffer_size = 0
        self.buffer_elements = defaultdict(list)
