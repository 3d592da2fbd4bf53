"""Samples by index: functions of them, batches, several together, and in a random order."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from ...seeds import drawn_seed
from .._decorator import functional_datapipe
from ..datapipe import DataChunk, IterDataPipe, MapDataPipe, length_of
from ..utils.common import check_unpickable_fn

__all__ = [
    "BatcherMapDataPipe",
    "ConcaterMapDataPipe",
    "MapperMapDataPipe",
    "SequenceWrapperMapDataPipe",
    "ShufflerIterDataPipe",
    "ZipperMapDataPipe",
]


class SequenceWrapperMapDataPipe(MapDataPipe):
    """The items of a sequence or a mapping.

    Args:
        sequence: the items.
        deepcopy: whether they are copied.

    Example:
        >>> from cotangent.utils.data.datapipes.map import SequenceWrapper
        >>> SequenceWrapper({"a": 1})["a"]
        1
    """

    def __init__(self, sequence: Sequence[Any] | Mapping[Any, Any], deepcopy: bool = True) -> None:
        self.sequence: Any = sequence
        if deepcopy:
            try:
                self.sequence = copy.deepcopy(sequence)
            except TypeError:
                warnings.warn(
                    "The input sequence can not be deepcopied, please be aware of in-place modification "
                    "would affect source data",
                    stacklevel=2,
                )

    def __getitem__(self, index: Any) -> Any:
        return self.sequence[index]

    def __len__(self) -> int:
        return len(self.sequence)


def default_fn(data: Any) -> Any:
    """A sample as it is."""
    return data


@functional_datapipe("map")
class MapperMapDataPipe(MapDataPipe):
    """A function of each sample (functional name: ``map``).

    Args:
        datapipe: the source.
        fn: the function.

    Example:
        >>> from cotangent.utils.data.datapipes.map import SequenceWrapper
        >>> SequenceWrapper([-1, 2]).map(abs)[0]
        1
    """

    def __init__(self, datapipe: Any, fn: Callable[[Any], Any] = default_fn) -> None:
        super().__init__()
        self.datapipe = datapipe
        check_unpickable_fn(fn)
        self.fn = fn

    def __len__(self) -> int:
        return len(self.datapipe)

    def __getitem__(self, index: Any) -> Any:
        return self.fn(self.datapipe[index])


def _checked(datapipes: tuple[Any, ...]) -> tuple[Any, ...]:
    if not datapipes:
        raise ValueError("Expected at least one DataPipe, but got nothing")
    if not all(isinstance(pipe, MapDataPipe) for pipe in datapipes):
        raise TypeError("Expected all inputs to be `MapDataPipe`")
    if not all(hasattr(pipe, "__len__") for pipe in datapipes):
        raise TypeError("Expected all inputs to be `Sized`")
    return datapipes


@functional_datapipe("concat")
class ConcaterMapDataPipe(MapDataPipe):
    """One pipe after the other (functional name: ``concat``).

    Args:
        *datapipes: the pipes.

    Example:
        >>> from cotangent.utils.data.datapipes.map import SequenceWrapper
        >>> SequenceWrapper([1, 2]).concat(SequenceWrapper([3]))[2]
        3
    """

    def __init__(self, *datapipes: Any) -> None:
        self.datapipes = _checked(datapipes)

    def __getitem__(self, index: int) -> Any:
        place = index
        for pipe in self.datapipes:
            if place < len(pipe):
                return pipe[place]
            place -= len(pipe)
        raise IndexError(f"Index {index} is out of range.")

    def __len__(self) -> int:
        return sum(len(pipe) for pipe in self.datapipes)


@functional_datapipe("zip")
class ZipperMapDataPipe(MapDataPipe):
    """Tuples of a sample of each pipe (functional name: ``zip``).

    Args:
        *datapipes: the pipes.

    Example:
        >>> from cotangent.utils.data.datapipes.map import SequenceWrapper
        >>> SequenceWrapper([1, 2]).zip(SequenceWrapper("ab"))[1]
        (2, 'b')
    """

    def __init__(self, *datapipes: Any) -> None:
        self.datapipes = _checked(datapipes)

    def __getitem__(self, index: int) -> Any:
        found = []
        for pipe in self.datapipes:
            try:
                found.append(pipe[index])
            except IndexError as error:
                raise IndexError(
                    f"Index {index} is out of range for one of the input MapDataPipes {pipe}."
                ) from error
        return tuple(found)

    def __len__(self) -> int:
        return min(len(pipe) for pipe in self.datapipes)


@functional_datapipe("batch")
class BatcherMapDataPipe(MapDataPipe):
    """Batches of samples (functional name: ``batch``).

    Args:
        datapipe: the source.
        batch_size: how many.
        drop_last: whether a last batch of fewer is left out.
        wrapper_class: what a batch is.

    Example:
        >>> from cotangent.utils.data.datapipes.map import SequenceWrapper
        >>> SequenceWrapper([1, 2, 3]).batch(2)[1]
        [3]
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

    def __getitem__(self, index: int) -> Any:
        batch: list[Any] = []
        try:
            for place in range(index * self.batch_size, (index + 1) * self.batch_size):
                batch.append(self.datapipe[place])
        except IndexError as error:
            if self.drop_last or not batch:
                raise IndexError(f"Index {index} is out of bound.") from error
        return self.wrapper_class(batch)

    def __len__(self) -> int:
        whole, rest = divmod(length_of(self, self.datapipe), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


class ShufflerIterDataPipe(IterDataPipe):
    """The samples in a random order, as a stream (functional name: ``shuffle``).

    Args:
        datapipe: the source.
        indices: of the samples; from 0 by default.

    Example:
        >>> from cotangent.utils.data.datapipes.map import SequenceWrapper
        >>> sorted(SequenceWrapper([1, 2, 3]).shuffle())
        [1, 2, 3]
    """

    def __init__(self, datapipe: Any, *, indices: list[Any] | None = None) -> None:
        super().__init__()
        self.datapipe = datapipe
        self.indices = list(range(len(datapipe))) if indices is None else indices
        self._enabled = True
        self._seed: int | None = None
        self._rng = random.Random()
        self._shuffled_indices = self.indices

    def set_shuffle(self, shuffle: bool = True) -> Self:
        """Switch shuffling on or off.

        Args:
            shuffle: whether.
        """
        self._enabled = shuffle
        return self

    def set_seed(self, seed: int) -> Self:
        """Set the seed of the next pass.

        Args:
            seed: any integer.
        """
        self._seed = seed
        return self

    def __iter__(self) -> Iterator[Any]:
        if not self._enabled:
            for index in self.indices:
                yield self.datapipe[index]
            return
        while self._shuffled_indices:
            yield self.datapipe[self._shuffled_indices.pop()]

    def reset(self) -> None:
        """Draw another order."""
        if self._enabled and self._seed is None:
            self._seed = drawn_seed()
        self._rng.seed(self._seed)
        self._seed = None
        self._shuffled_indices = self._rng.sample(self.indices, len(self.indices))

    def __len__(self) -> int:
        return len(self.datapipe)

    def __getstate__(self) -> Any:
        mine = (self.datapipe, self.indices, self._enabled, self._seed, self._rng.getstate())
        return self._hooked(
            (*mine, self._shuffled_indices, self._valid_iterator_id, self._number_of_samples_yielded)
        )

    def __setstate__(self, state: Any) -> None:
        self.datapipe, self.indices, self._enabled, self._seed, drawn, self._shuffled_indices, *passes = state
        self._valid_iterator_id, self._number_of_samples_yielded = passes
        self._rng = random.Random()
        self._rng.setstate(drawn)


MapDataPipe.register_datapipe_as_function("shuffle", ShufflerIterDataPipe)
