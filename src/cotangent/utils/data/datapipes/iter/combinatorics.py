"""Other orders of samples."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Self

from ...sampler import SequentialSampler
from ...seeds import drawn_seed
from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe, length_of

__all__ = ["SamplerIterDataPipe", "ShufflerIterDataPipe"]


class SamplerIterDataPipe(IterDataPipe):
    """What a sampler gives for a pipe.

    Args:
        datapipe: the source, which has a length.
        sampler: the sampler's class.
        sampler_args: its arguments.
        sampler_kwargs: its keyword arguments.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper, Sampler
        >>> list(Sampler(IterableWrapper("abc")))
        [0, 1, 2]
    """

    def __init__(
        self,
        datapipe: Any,
        sampler: Any = SequentialSampler,
        sampler_args: tuple[Any, ...] | None = None,
        sampler_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if not hasattr(datapipe, "__len__"):
            raise AssertionError("Sampler class requires input datapipe implemented `__len__`")
        super().__init__()
        self.datapipe = datapipe
        self.sampler_args = () if sampler_args is None else sampler_args
        self.sampler_kwargs = {} if sampler_kwargs is None else sampler_kwargs
        self.sampler_kwargs["data_source"] = datapipe
        self.sampler = sampler(*self.sampler_args, **self.sampler_kwargs)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.sampler)

    def __len__(self) -> int:
        return length_of(self, self.sampler)


@functional_datapipe("shuffle")
class ShufflerIterDataPipe(IterDataPipe):
    """Samples in a random order, out of a buffer (functional name: ``shuffle``).

    Args:
        datapipe: the source.
        buffer_size: how many samples wait; with as many as there are, every order is possible.
        unbatch_level: how many levels of batches are taken apart first.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> sorted(IterableWrapper([1, 2, 3]).shuffle())
        [1, 2, 3]
    """

    def __init__(self, datapipe: Any, *, buffer_size: int = 10000, unbatch_level: int = 0) -> None:
        super().__init__()
        self._buffer: list[Any] = []
        if buffer_size <= 0:
            raise AssertionError("buffer_size should be larger than 0")
        self.datapipe = datapipe.unbatch(unbatch_level=unbatch_level) if unbatch_level else datapipe
        self.buffer_size = buffer_size
        self._enabled = True
        self._seed: int | None = None
        self._rng = random.Random()

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
            yield from self.datapipe
            return
        for sample in self.datapipe:
            if len(self._buffer) < self.buffer_size:
                self._buffer.append(sample)
                continue
            place = self._rng.randint(0, len(self._buffer) - 1)
            chosen, self._buffer[place] = self._buffer[place], sample
            yield chosen
        while self._buffer:
            yield self._buffer.pop(self._rng.randint(0, len(self._buffer) - 1))

    def __len__(self) -> int:
        return length_of(self, self.datapipe)

    def reset(self) -> None:
        """Empty the buffer and seed anew."""
        self._buffer = []
        if self._enabled:
            self._rng.seed(drawn_seed() if self._seed is None else self._seed)
            self._seed = None

    def __getstate__(self) -> Any:
        mine = (self.datapipe, self.buffer_size, self._enabled, self._seed, self._buffer)
        return self._hooked(
            (*mine, self._rng.getstate(), self._valid_iterator_id, self._number_of_samples_yielded)
        )

    def __setstate__(self, state: Any) -> None:
        self.datapipe, self.buffer_size, self._enabled, self._seed, self._buffer, drawn, *passes = state
        self._valid_iterator_id, self._number_of_samples_yielded = passes
        self._rng = random.Random()
        self._rng.setstate(drawn)
