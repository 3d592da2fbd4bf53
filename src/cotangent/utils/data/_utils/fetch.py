"""Samples out of a dataset, batched: what the loader does in its own process and each worker in its."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dataset import Subset, TensorDataset
from .collate import default_collate


class DatasetKind:
    """Whether a dataset has samples by index or is a stream of them."""

    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(
        kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> _BaseDatasetFetcher:
        """What fetches batches from a dataset of that kind."""
        made = _MapDatasetFetcher if kind == DatasetKind.Map else _IterableDatasetFetcher
        return made(dataset, auto_collation, collate_fn, drop_last)


class _BaseDatasetFetcher:
    """Fetches batches from a dataset.

    Args:
        dataset: samples by index, or a stream of them.
        auto_collation: whether several samples make a batch.
        collate_fn: makes a batch of a list of samples.
        drop_last: whether to leave out a last, smaller batch of a stream.
    """

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The batch at these indices, or the next one of a stream."""
        raise NotImplementedError


class _IterableDatasetFetcher(_BaseDatasetFetcher):
    """Fetches batches from a stream."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self.dataset_iter = iter(dataset)
        self.ended = False

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The next batch.

        Raises:
            StopIteration: at the end of the stream.
        """
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.dataset_iter))
        samples = []
        for _ in possibly_batched_index:
            try:
                samples.append(next(self.dataset_iter))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(possibly_batched_index)):
            raise StopIteration
        return self.collate_fn(samples)


class _MapDatasetFetcher(_BaseDatasetFetcher):
    """Fetches batches from samples by index."""

    def fetch(self, possibly_batched_index: Any) -> Any:
        """The batch at these indices."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[possibly_batched_index])
        if self.collate_fn is default_collate:
            batch = _rows(self.dataset, possibly_batched_index)
            if batch is not None:
                return batch
        several = getattr(self.dataset, "__getitems__", None)
        if several:
            return self.collate_fn(several(possibly_batched_index))
        return self.collate_fn([self.dataset[index] for index in possibly_batched_index])


def _rows(dataset: Any, indices: list[Any]) -> list[Any] | None:
    """A batch of a plain TensorDataset, or of a Subset of one, taken out of each tensor at once.

    What the default collation makes of single samples, at a fraction of the time.
    """
    while type(dataset) is Subset:
        chosen = dataset.indices
        indices = [chosen[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or any(t.requires_grad for t in dataset.tensors):
        return None
    return [t[indices] for t in dataset.tensors]
