"""Samples out of a dataset, batched: what the loader does in its own process and each worker in its."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .collate import default_collate
from .dataset import Subset, TensorDataset

__all__ = ["Fetcher"]


class Fetcher:
    """Fetches batches from a dataset.

    Args:
        dataset: samples by index, or a stream of them.
        batched: whether several samples make a batch.
        collate_fn: makes a batch of a list of samples.
        drop_last: whether to leave out a last, smaller batch of a stream.
        is_stream: whether the dataset is a stream.
    """

    def __init__(
        self,
        dataset: Any,
        batched: bool,
        collate_fn: Callable[[Any], Any],
        drop_last: bool,
        is_stream: bool,
    ) -> None:
        self.dataset = dataset
        self.batched = batched
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.stream = iter(dataset) if is_stream else None
        self.ended = False

    def fetch(self, indices: Any) -> Any:
        """The batch at these indices; the next one of a stream.

        Raises:
            StopIteration: at the end of a stream.
        """
        if self.stream is not None:
            return self._next(indices)
        if not self.batched:
            return self.collate_fn(self.dataset[indices])
        if self.collate_fn is default_collate:
            batch = _rows(self.dataset, indices)
            if batch is not None:
                return batch
        several = getattr(self.dataset, "__getitems__", None)
        if several:
            return self.collate_fn(several(indices))
        return self.collate_fn([self.dataset[index] for index in indices])

    def _next(self, indices: Any) -> Any:
        if self.ended:
            raise StopIteration
        assert self.stream is not None
        if not self.batched:
            return self.collate_fn(next(self.stream))
        samples = []
        for _ in indices:
            try:
                samples.append(next(self.stream))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(indices)):
            raise StopIteration
        return self.collate_fn(samples)


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
