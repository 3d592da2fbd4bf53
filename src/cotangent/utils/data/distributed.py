"""`torch.utils.data.distributed`: each rank's share of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ... import lazy
from ...functions import randperm
from ...random import Generator
from .sampler import Sampler

__all__ = ["DistributedSampler"]

distributed: Any = lazy.module("cotangent.distributed")


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index of a dataset, in the order that all ranks shuffle alike.

    So that all ranks have as many, the first indices come again at the end, or the last ones are left out.

    Args:
        dataset: anything with a length.
        num_replicas: how many ranks share it; the size of the default group if None.
        rank: whose share this is; this process's rank in the default group if None.
        shuffle: whether the order is drawn, from `seed` and the epoch.
        seed: the same in all ranks.
        drop_last: whether indices are left out rather than repeated.

    Raises:
        ValueError: if there is no such rank, or no process group where one is needed.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.data.distributed import DistributedSampler
        >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self, dataset: Any, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
        seed: int = 0, drop_last: bool = False,
    ) -> None:  # fmt: skip
        if num_replicas is None:
            num_replicas = int(distributed.get_world_size())
        if rank is None:
            rank = int(distributed.get_rank())
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        whole = drop_last and count % num_replicas
        self.num_samples = math.ceil((count - num_replicas if whole else count) / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            generator = Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices: list[int] = randperm(count, generator=generator).tolist()
        else:
            indices = list(range(count))
        lacking = self.total_size - count
        if self.drop_last:
            del indices[self.total_size :]
        elif lacking > 0:
            indices += (indices * math.ceil(lacking / count))[:lacking]
        if len(indices) != self.total_size:
            raise AssertionError(
                f"Number of indices ({len(indices)}) does not match total_size ({self.total_size})"
            )
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Shuffle otherwise from now on.

        Args:
            epoch: added to the seed; call this in all ranks before each pass over the data.
        """
        self.epoch = epoch
