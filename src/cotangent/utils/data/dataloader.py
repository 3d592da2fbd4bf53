"""`DataLoader`: batches from a dataset, made in this process or by workers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

from ... import lazy
from ...functions import Generator
from ._utils.collate import default_collate, default_convert
from ._utils.fetch import DatasetKind as _DatasetKind
from ._utils.worker import get_worker_info as get_worker_info
from .datapipes.datapipe import IterDataPipe
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from .seeds import drawn_seed

__all__ = ["DataLoader", "default_collate", "default_convert"]

_T_co = TypeVar("_T_co", covariant=True)
_T = TypeVar("_T")
_collate_fn_t: TypeAlias = Callable[[list[_T]], Any]
_worker_init_fn_t: TypeAlias = Callable[[int], None]
# Only loaders with workers or pipes need these.
multiprocessing: Any = lazy.module("multiprocessing")
graph_settings: Any = lazy.module("cotangent.utils.data.graph_settings")
multiprocess: Any = lazy.module("cotangent.utils.data.multiprocess")


class _InfiniteConstantSampler(Sampler[None]):
    """Stands where a sampler is expected and the dataset is a stream."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[_T_co]):
    """Iterates over a dataset in batches.

    Args:
        dataset: samples by index, or an `IterableDataset`.
        batch_size: samples in a batch; None gives samples as they are.
        shuffle: whether to draw a new random order in each pass.
        sampler: gives the indices, instead of `shuffle`.
        batch_sampler: gives lists of indices, instead of `batch_size`, `shuffle`, `sampler`, `drop_last`.
        num_workers: how many processes load batches; 0 loads them in this one.
        collate_fn: makes a batch of a list of samples.
        pin_memory: without effect, there is no accelerator.
        drop_last: whether to leave out a last, smaller batch.
        timeout: seconds to wait for a batch of the workers; 0 waits as long as they live.
        worker_init_fn: called in each worker, with its number, before it loads anything.
        multiprocessing_context: how to start workers: "fork", "spawn", "forkserver" or a context.
        generator: source of random numbers.
        prefetch_factor: batches that each worker loads ahead; 2 by default, with workers.
        persistent_workers: whether workers outlive a pass; needs workers.
        pin_memory_device: without effect.
        in_order: whether batches come in the sampler's order, or as workers finish them.

    Raises:
        ValueError: if options contradict each other or are out of range.
        RuntimeError: while iterating: if a worker is killed or takes longer than `timeout`. What a worker
            raises is raised here, with its traceback in the message.

    Example:
        >>> import cotangent as torch
        >>> data = torch.utils.data.TensorDataset(torch.arange(5))
        >>> [x.tolist() for x, in torch.utils.data.DataLoader(data, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    # Set last in __init__; from then on these attributes are fixed. Programs unset it, under the name that
    # Python gives it outside of the class, to exchange the sampler of a loader.
    __initialized = False
    _FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        is_stream = isinstance(dataset, IterableDataset)
        if isinstance(dataset, IterDataPipe):
            dataset = graph_settings.apply_shuffle_settings(dataset, shuffle)
            shuffle = False
        if is_stream:
            _check_stream(shuffle, sampler, batch_sampler)
        shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                    "drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )
        chosen: Any = sampler
        if sampler is None:
            if is_stream:
                chosen = _InfiniteConstantSampler()
            elif shuffle:
                chosen = RandomSampler(dataset, generator=generator)
            else:
                chosen = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(chosen, batch_size, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = chosen
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._dataset_kind = _DatasetKind.Iterable if is_stream else _DatasetKind.Map
        # The length a stream was asked for, against which its samples are counted.
        self._IterableDataset_len_called: int | None = None
        self._iterator: _MultiProcessingDataLoaderIter | None = None
        self.__initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, attr: str, val: Any) -> None:
        if self.__initialized and attr in self._FIXED:
            raise ValueError(f"{attr} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(attr, val)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    @property
    def multiprocessing_context(self) -> Any:
        """The context of multiprocessing that starts workers; None for the usual one."""
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, multiprocessing_context: Any) -> None:
        self.__multiprocessing_context = _context(self.num_workers, multiprocessing_context)

    def _get_iterator(self) -> _BaseDataLoaderIter:
        return (
            _MultiProcessingDataLoaderIter(self) if self.num_workers else _SingleProcessDataLoaderIter(self)
        )

    def __iter__(self) -> _BaseDataLoaderIter:
        if not (self.persistent_workers and self.num_workers):
            return self._get_iterator()
        if self._iterator is None or not self._iterator._alive():
            self._iterator = _MultiProcessingDataLoaderIter(self)
        else:
            self._iterator._reset(self)
        return self._iterator

    def __len__(self) -> int:
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than processors."""
        if self.num_workers > 0:
            _warn_of_many(self.num_workers)


class _BaseDataLoaderIter:
    """One pass of a loader over its dataset.

    Args:
        loader: the loader.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        _warn_of_pinning(loader)
        # Not the loader itself: one that keeps its workers holds its iterator, and both shall end at once.
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._pin_memory = False
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._persistent_workers = loader.persistent_workers
        self._sampler_iter = iter(self._index_sampler)
        self._shared_seed = self._seed_pipes(loader.generator)
        # The seed that workers would get. It is drawn before the sampler is asked for the first index, and
        # has to be drawn for the sampler to see the same numbers as in PyTorch.
        self._base_seed = drawn_seed(loader.generator)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _seed_pipes(self, generator: Any) -> int | None:
        """Give pipes that draw numbers their seeds for a pass, made of this one number."""
        if not isinstance(self._dataset, IterDataPipe):
            return None
        seed = drawn_seed(generator)
        graph_settings.apply_random_seed(self._dataset, Generator().manual_seed(seed))
        return seed

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        """Begin another pass."""
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        if not first_iter:
            self._shared_seed = self._seed_pipes(loader.generator)

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        batch = self._next_data()
        self._num_yielded += 1
        promised = self._IterableDataset_len_called
        is_stream = self._dataset_kind == _DatasetKind.Iterable
        if is_stream and promised is not None and self._num_yielded > promised:
            self._warn_of_length(promised)
        return batch

    def _warn_of_length(self, promised: int) -> None:
        several = (
            "For multiprocessing data-loading, this could be caused by not properly configuring the "
            "IterableDataset replica at each worker. Please see "
            "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for examples."
        )
        warnings.warn(
            f"Length of IterableDataset {self._dataset} was reported to be {promised}(when "
            f"accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
            + (several if self._num_workers else ""),
            stacklevel=3,
        )

    def __getstate__(self) -> Any:
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """A pass whose batches are made in this process."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        self._dataset_fetcher = _DatasetKind.create_fetcher(
            self._dataset_kind, self._dataset, self._auto_collation, self._collate_fn, self._drop_last
        )

    def _next_data(self) -> Any:
        return self._dataset_fetcher.fetch(self._next_index())


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """A pass whose batches are made by workers."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self._pool = multiprocess.Workers(loader, context, self._base_seed)
        self._pool.begin(self._sampler_iter)

    @property
    def _workers(self) -> list[Any]:
        """The processes."""
        found: list[Any] = self._pool.processes
        return found

    def _reset(self, loader: DataLoader[Any], first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        self._pool.resume(self._shared_seed)
        self._pool.begin(self._sampler_iter)

    def _alive(self) -> bool:
        return bool(self._pool.close.alive)

    def _shutdown_workers(self) -> None:
        """End the workers."""
        self._pool.close()

    def _next_data(self) -> Any:
        try:
            return self._pool.next()
        except StopIteration:
            if not self._persistent_workers:
                self._shutdown_workers()
            raise


def _warn_of_pinning(loader: DataLoader[Any]) -> None:
    if not loader.pin_memory:
        return
    if loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{loader.pin_memory_device}'.",
            stacklevel=6,
        )
    warnings.warn(
        "'pin_memory' argument is set as true but no accelerator is found, then device pinned"
        " memory won't be used.",
        stacklevel=6,
    )


def _check_workers(
    num_workers: int,
    timeout: float,
    prefetch_factor: int | None,
    persistent_workers: bool,
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to"
            " enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _context(num_workers: int, given: Any) -> Any:
    """The multiprocessing context that a loader is given, by its object or its name."""
    if given is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}"
        )
    if isinstance(given, str):
        valid = multiprocessing.get_all_start_methods()
        if given not in valid:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{valid!r}, but got multiprocessing_context={given!r}"
            )
        return multiprocessing.get_context(given)
    if not isinstance(given, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the "
            f"start method, but got multiprocessing_context={given}"
        )
    return given


def _warn_of_many(num_workers: int) -> None:
    """Warn, as PyTorch does, of more workers than processors."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if processors is not None and num_workers > processors:
        warnings.warn(
            f"This DataLoader will create {num_workers} worker processes in total. Our suggested max number"
            f" of worker in current system is {processors}, which is smaller than what this DataLoader is"
            " going to create. Please be aware that excessive worker creation might get DataLoader running"
            " slow or even freeze, lower the worker number to avoid potential slowness/freeze if"
            " necessary.",
            stacklevel=3,
        )


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    for name, given, unset in (
        ("shuffle", shuffle, shuffle is None or shuffle is False),
        ("sampler", sampler, sampler is None),
        ("batch_sampler", batch_sampler, batch_sampler is None),
    ):
        if not unset:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={given}"
            )
