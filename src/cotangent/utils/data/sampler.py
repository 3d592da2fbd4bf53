"""In which order a loader asks for samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from ...dtypes import float64, int64
from ...functions import Generator, as_tensor, empty, multinomial, randint, randperm

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

_T_co = TypeVar("_T_co", covariant=True)

# Indices drawn with replacement come in parcels of this size; the order of the numbers depends on it.
_PARCEL = 32


class Sampler(Generic[_T_co]):
    """An iterable of indices; a subclass defines `__iter__` and, for the loader's length, `__len__`.

    Example:
        >>> import cotangent as torch
        >>> class Backwards(torch.utils.data.Sampler):
        ...     def __iter__(self):
        ...         return iter([2, 1, 0])
        >>> list(torch.utils.data.DataLoader("abc", sampler=Backwards(), batch_size=None))
        ['c', 'b', 'a']
    """

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """All indices in order.

    Args:
        data_source: the dataset.

    Example:
        >>> import cotangent as torch
        >>> list(torch.utils.data.SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order.

    Args:
        data_source: the dataset.
        replacement: whether an index can come again before all have come.
        num_samples: how many; the length of the dataset if not given.
        generator: source of random numbers; a new one, seeded from the default one, if not given.

    Raises:
        TypeError: if `replacement` is not a bool.
        ValueError: if `num_samples` is not above 0.

    Example:
        >>> import cotangent as torch
        >>> sorted(torch.utils.data.RandomSampler("abc"))
        [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        _check_count("num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices come."""
        # Asked anew each time: the dataset may have grown.
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = Generator()
            generator.manual_seed(int(empty((), dtype=int64).random_().item()))
        if self.replacement:
            full, rest = divmod(self.num_samples, _PARCEL)
            for count in itertools.chain(itertools.repeat(_PARCEL, full), (rest,)):  # there may be billions
                yield from randint(high=size, size=(count,), dtype=int64, generator=generator).tolist()
        else:
            rounds, rest = divmod(self.num_samples, size)
            for _ in range(rounds):
                yield from randperm(size, generator=generator).tolist()
            # Drawn even if nothing of it is needed, which leaves the generator where PyTorch leaves it.
            yield from randperm(size, generator=generator).tolist()[:rest]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given indices in random order.

    Args:
        indices: the indices.
        generator: source of random numbers.

    Example:
        >>> import cotangent as torch
        >>> sorted(torch.utils.data.SubsetRandomSampler([3, 5]))
        [3, 5]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for place in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with given weights.

    Args:
        weights: a weight for each index; they need not sum to 1.
        num_samples: how many.
        replacement: whether an index can come again.
        generator: source of random numbers.

    Raises:
        ValueError: if an argument is of a wrong type, or the weights are not one-dimensional.

    Example:
        >>> import cotangent as torch
        >>> list(torch.utils.data.WeightedRandomSampler([0.0, 1.0], 3))
        [1, 1, 1]
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        _check_count("num_samples", num_samples)
        if isinstance(num_samples, bool):
            _complain("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = as_tensor(weights, dtype=float64)
        if len(self.weights.shape) != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of indices from another sampler.

    Args:
        sampler: gives the indices.
        batch_size: how many go together.
        drop_last: whether to leave out a last, shorter list.

    Raises:
        ValueError: if an argument is of a wrong type, or the size is not above 0.

    Example:
        >>> import cotangent as torch
        >>> list(torch.utils.data.BatchSampler(range(5), 2, False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        _check_count("batch_size", batch_size)
        if isinstance(batch_size, bool):
            _complain("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        # A generator: the sampler is first asked, and draws its random numbers, with the first batch.
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        size = len(self.sampler)  # type: ignore[arg-type]
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or value <= 0:
        _complain(name, value)


def _complain(name: str, value: Any) -> None:
    raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")
