"""One stream as several: `fork` and `demux`.

A container reads the source; its children ask it for their next sample.
"""

from __future__ import annotations

import copy as copying
import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe, SnapshotState
from ..utils.common import StreamWrapper, check_unpickable_fn

__all__ = ["DemultiplexerIterDataPipe", "ForkerIterDataPipe"]


def _check_count(num_instances: int) -> None:
    if num_instances < 1:
        raise ValueError(f"Expected `num_instances` larger than 0, but {num_instances} is found")


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe):
    """The same stream several times (functional name: ``fork``).

    Args:
        datapipe: the source.
        num_instances: how many times.
        buffer_size: how far one may be ahead of the slowest; -1 for any distance.
        copy: None, "shallow" or "deep": whether each gets copies of the samples.

    Returns:
        A list of pipes; the source itself if one is wanted.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> one, other = IterableWrapper([1, 2]).fork(2)
        >>> list(one), list(other)
        ([1, 2], [1, 2])
    """

    def __new__(
        cls, datapipe: Any, num_instances: int, buffer_size: int = 1000, copy: str | None = None
    ) -> Any:
        _check_count(num_instances)
        if num_instances == 1:
            return datapipe
        container = _ForkerIterDataPipe(datapipe, num_instances, buffer_size, copy)
        return [_ChildDataPipe(container, number) for number in range(num_instances)]


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe):
    """A stream divided by what a function says of each sample (functional name: ``demux``).

    Args:
        datapipe: the source.
        num_instances: how many parts.
        classifier_fn: gives the number of a sample's part.
        drop_none: whether samples of which it says None are left out; else they are an error.
        buffer_size: how many samples may wait; -1 for any number.

    Returns:
        A list of pipes.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> words, digits = IterableWrapper(["a", "1"]).demux(2, str.isdigit)
        >>> list(words), list(digits)
        (['a'], ['1'])
    """

    def __new__(
        cls,
        datapipe: Any,
        num_instances: int,
        classifier_fn: Callable[[Any], int | None],
        drop_none: bool = False,
        buffer_size: int = 1000,
    ) -> Any:
        _check_count(num_instances)
        check_unpickable_fn(classifier_fn)
        container = _DemultiplexerIterDataPipe(datapipe, num_instances, classifier_fn, drop_none, buffer_size)
        return [_ChildDataPipe(container, number) for number in range(num_instances)]


class _Container(IterDataPipe):
    """Reads the source for its children."""

    main_datapipe: Any
    num_instances: int
    buffer_size: int

    def _start(self) -> None:
        """The state before the first sample."""
        self._datapipe_iterator: Any = None
        self._child_stop = [True] * self.num_instances

    def _warn_of_size(self, name: str) -> None:
        if self.buffer_size < 0:
            warnings.warn(
                f"Unlimited buffer size is set for `{name}`, please be aware of OOM at random places",
                UserWarning,
                stacklevel=4,
            )

    def _open(self, instance_id: int) -> None:
        """Begin with the source, if this is the first child that asks."""
        if self._datapipe_iterator is None and self._child_stop[instance_id]:
            self._datapipe_iterator = iter(self.main_datapipe)
            self._snapshot_state = SnapshotState.Iterating
            self._child_stop = [False] * self.num_instances

    def reset(self) -> None:
        """Back to the beginning."""
        self._start()

    @abstractmethod
    def get_next_element_by_instance(self, instance_id: int) -> Iterator[Any]:
        """The samples of a child."""

    @abstractmethod
    def is_every_instance_exhausted(self) -> bool:
        """Whether all children have had everything."""

    @abstractmethod
    def get_length_by_instance(self, instance_id: int) -> int:
        """How many samples a child gets."""


def _same(x: Any) -> Any:
    return x


class _ForkerIterDataPipe(_Container):
    """Keeps samples until the slowest child has had them."""

    def __init__(
        self, datapipe: Any, num_instances: int, buffer_size: int = 1000, copy: str | None = None
    ) -> None:
        self.main_datapipe = datapipe
        self.num_instances = num_instances
        self.buffer_size = buffer_size
        self._warn_of_size("fork")
        known: dict[Any, Callable[[Any], Any]] = {
            None: _same, "shallow": copying.copy, "deep": copying.deepcopy,
        }  # fmt: skip
        if copy not in known:
            raise ValueError(
                f"Unknown copy method `{copy}` requested, choose one of None, `shallow` or `deep`."
            )
        self.copy_fn = known[copy]
        self._start()

    def _start(self) -> None:
        super()._start()
        self.buffer: deque[Any] = deque()
        self.child_pointers = [0] * self.num_instances  # how many samples each has had
        self.slowest_ptr = 0
        self.leading_ptr = 0
        self.end_ptr: int | None = None

    def __len__(self) -> int:
        return len(self.main_datapipe)

    def get_length_by_instance(self, instance_id: int) -> int:
        return len(self.main_datapipe)

    def get_next_element_by_instance(self, instance_id: int) -> Iterator[Any]:
        self._open(instance_id)
        try:
            while not self._child_stop[instance_id]:
                self.child_pointers[instance_id] += 1
                place = self.child_pointers[instance_id]
                if place == self.end_ptr:
                    self._child_stop[instance_id] = True
                    break
                if self.buffer and place <= self.leading_ptr:
                    found = self.buffer[place - self.slowest_ptr - 1]
                else:
                    self.leading_ptr = place
                    try:
                        found = next(self._datapipe_iterator)
                    except StopIteration:
                        self._child_stop[instance_id] = True
                        self._datapipe_iterator = None
                        self.end_ptr = place
                        continue
                    self.buffer.append(found)
                if place == self.slowest_ptr + 1 and min(self.child_pointers) > self.slowest_ptr:
                    self.slowest_ptr = min(self.child_pointers)
                    self.buffer.popleft()
                if 0 <= self.buffer_size < self.leading_ptr - self.slowest_ptr:
                    raise BufferError(
                        f"ForkerIterDataPipe buffer overflow,buffer size {self.buffer_size} is insufficient."
                    )
                yield self.copy_fn(found)
        finally:
            self._child_stop[instance_id] = True
            if all(self._child_stop):
                self._datapipe_iterator = None
                while self.buffer:
                    StreamWrapper.close_streams(self.buffer.popleft())

    def is_every_instance_exhausted(self) -> bool:
        return self.end_ptr is not None and all(self._child_stop)

    def __getstate__(self) -> Any:
        mine = (self.main_datapipe, self.num_instances, self.buffer_size, self.copy_fn)
        return self._hooked((*mine, self._valid_iterator_id, self._number_of_samples_yielded))

    def __setstate__(self, state: Any) -> None:
        self.main_datapipe, self.num_instances, self.buffer_size, self.copy_fn, *passes = state
        self._valid_iterator_id, self._number_of_samples_yielded = passes
        self._start()


class _DemultiplexerIterDataPipe(_Container):
    """Keeps samples until the child of their part asks."""

    def __init__(
        self,
        datapipe: Any,
        num_instances: int,
        classifier_fn: Callable[[Any], int | None],
        drop_none: bool,
        buffer_size: int,
    ) -> None:
        self.main_datapipe = datapipe
        self.num_instances = num_instances
        self.buffer_size = buffer_size
        self._warn_of_size("demux")
        self.classifier_fn = classifier_fn
        self.drop_none = drop_none
        self._start()

    def _start(self) -> None:
        super()._start()
        self.current_buffer_usage = 0
        self.child_buffers: list[deque[Any]] = [deque() for _ in range(self.num_instances)]
        self.main_datapipe_exhausted = False

    def get_length_by_instance(self, instance_id: int) -> int:
        raise TypeError

    def _find_next(self, instance_id: int) -> Any:
        while True:
            if self.main_datapipe_exhausted or self._child_stop[instance_id]:
                raise StopIteration
            if self._datapipe_iterator is None:
                raise ValueError(
                    "_datapipe_iterator has not been set, likely because this private method is called "
                    "directly without invoking get_next_element_by_instance() first."
                )
            value = next(self._datapipe_iterator)
            part = self.classifier_fn(value)
            if part is None and self.drop_none:
                StreamWrapper.close_streams(value)
                continue
            if part is None or not 0 <= part < self.num_instances:
                raise ValueError(
                    "Output of the classification fn should be between 0 and "
                    f"{self.num_instances - 1}. {part} is returned."
                )
            if part == instance_id:
                return value
            self.child_buffers[part].append(value)
            self.current_buffer_usage += 1
            if 0 <= self.buffer_size < self.current_buffer_usage:
                raise BufferError(
                    f"DemultiplexerIterDataPipe buffer overflow, buffer size {self.buffer_size} is "
                    "insufficient."
                )

    def get_next_element_by_instance(self, instance_id: int) -> Iterator[Any]:
        if self._datapipe_iterator is None and self._child_stop[instance_id]:
            self.main_datapipe_exhausted = False
        self._open(instance_id)
        waiting = self.child_buffers[instance_id]
        try:
            while not self._child_stop[instance_id]:
                if waiting:
                    self.current_buffer_usage -= 1
                    yield waiting.popleft()
                    continue
                try:
                    found = self._find_next(instance_id)
                except StopIteration:
                    self._child_stop[instance_id] = True
                    self.main_datapipe_exhausted = True
                    self._datapipe_iterator = None
                else:
                    yield found
        finally:
            self._child_stop[instance_id] = True
            if all(self._child_stop):
                self._datapipe_iterator = None
            while self.child_buffers[instance_id]:
                StreamWrapper.close_streams(self.child_buffers[instance_id].popleft())

    def is_every_instance_exhausted(self) -> bool:
        return self.main_datapipe_exhausted and all(self._child_stop)

    def __getstate__(self) -> Any:
        mine = (self.main_datapipe, self.num_instances, self.buffer_size, self.classifier_fn, self.drop_none)
        return self._hooked((*mine, self._valid_iterator_id, self._number_of_samples_yielded))

    def __setstate__(self, state: Any) -> None:
        self.main_datapipe, self.num_instances, self.buffer_size, self.classifier_fn, *rest = state
        self.drop_none, *passes = rest
        self._valid_iterator_id, self._number_of_samples_yielded = passes
        self._start()


class _ChildDataPipe(IterDataPipe):
    """One of the streams of a container; a second iterator of one child makes those of all invalid."""

    _is_child_datapipe = True

    def __init__(self, main_datapipe: Any, instance_id: int) -> None:
        if not isinstance(main_datapipe, _Container):
            raise AssertionError("main_datapipe must implement _ContainerTemplate")
        self.main_datapipe: Any = main_datapipe
        self.instance_id = instance_id

    def __iter__(self) -> Any:
        return self.main_datapipe.get_next_element_by_instance(self.instance_id)

    def __len__(self) -> int:
        length: int = self.main_datapipe.get_length_by_instance(self.instance_id)
        return length

    def _set_main_datapipe_valid_iterator_id(self) -> int:
        """Take part in the container's pass; if this child has had one there, begin another."""
        main = self.main_datapipe
        if main._valid_iterator_id is None:
            main._valid_iterator_id = 0
        elif main._valid_iterator_id == self._valid_iterator_id:
            main._valid_iterator_id += 1
            if not main.is_every_instance_exhausted():
                warnings.warn(
                    "Some child DataPipes are not exhausted when __iter__ is called. We are resetting the "
                    "buffer and each child DataPipe will read from the start again.",
                    UserWarning,
                    stacklevel=2,
                )
            main.reset()
        self._valid_iterator_id = main._valid_iterator_id
        number: int = main._valid_iterator_id
        return number

    def _check_valid_iterator_id(self, iterator_id: int) -> bool:
        return bool(iterator_id == self._valid_iterator_id == self.main_datapipe._valid_iterator_id)
