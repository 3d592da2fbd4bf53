"""The worker process of a loader: takes indices, sends batches."""

from __future__ import annotations

import os
import queue
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...._utils import ExceptionWrapper
from ....functions import Generator, manual_seed
from ....toplevel import set_num_threads
from ..datapipes.datapipe import IterDataPipe, MapDataPipe
from ..datapipes.iter.sharding import SHARDING_PRIORITIES
from ..graph_settings import apply_random_seed, apply_sharding
from ..shared import dumps
from .fetch import DatasetKind, _BaseDatasetFetcher

__all__ = ["Order", "WorkerInfo", "get_worker_info", "run"]

MP_STATUS_CHECK_INTERVAL: Final = 5.0  # seconds after which a worker looks for its parent


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker process knows about itself.

    Args:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its random numbers were seeded with.
        dataset: its copy of the dataset.
        rng: generators of its own, where threads share one process; None here.
        worker_method: how it was started.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What is known about the worker process this runs in; None in any other.

    Returns:
        the worker's number, how many there are, its seed and its dataset.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.data.get_worker_info() is None
        True
    """
    return _worker_info


@dataclass(frozen=True)
class Ended:
    """A worker's stream is at its end."""

    worker: int


@dataclass(frozen=True)
class Resume:
    """A new pass begins in a worker that is kept.

    Args:
        seed: of pipes that draw numbers, the same in all workers; None if there are none.
    """

    seed: int | None = None


@dataclass(frozen=True)
class Order:
    """What a worker is started with.

    Args:
        dataset, batched, collate_fn, drop_last: as for a fetcher.
        kind: of the dataset.
        seed: of the pass; each worker adds its number.
        init: called in the worker before anything else.
        worker: its number.
        workers: how many there are.
        prefix: the beginning of the names of files for arrays.
    """

    dataset: Any
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    kind: int
    seed: int
    init: Callable[[int], None] | None
    worker: int
    workers: int
    prefix: str


def _seed(order: Order) -> int:
    seed = order.seed + order.worker
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(_generate_state(order.seed, order.worker))
    return seed


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """Four words to seed a worker's NumPy with, whose seeds are 32 bits wide.

    PyTorch mixes the number and the seed as NumPy's SeedSequence does.
    """
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return [int(word) for word in np.random.SeedSequence(words).generate_state(4)]


def run(order: Order, indices: Any, results: Any, parent: int, others: list[Any]) -> None:
    """The worker's life: fetch what is asked for until None is asked for, or the parent is gone.

    Args:
        order: what to do.
        indices: queue of (number of the task, indices), `Resume`, or None.
        results: connection to send (number of the task, batch, `ExceptionWrapper` or `Ended`) to.
        parent: process number of the loader.
        others: connections of the loader that a forked process has, too, and must not keep open.
    """
    global _worker_info
    for other in others:
        other.close()
    where = f"in DataLoader worker process {order.worker}"

    def send(task: int, value: Any) -> None:
        try:
            message = dumps((task, value), order.prefix)
        except Exception:
            message = dumps((task, ExceptionWrapper(where=where)), order.prefix)
        results.send_bytes(message)

    try:
        set_num_threads(1)
        _worker_info = WorkerInfo(order.worker, order.workers, _seed(order), order.dataset)
        failure: ExceptionWrapper | None = None
        fetcher: _BaseDatasetFetcher | None = None
        try:
            if order.init is not None:
                order.init(order.worker)
            if isinstance(order.dataset, (IterDataPipe, MapDataPipe)):
                apply_sharding(
                    order.dataset, order.workers, order.worker, SHARDING_PRIORITIES.MULTIPROCESSING
                )
            fetcher = _fetcher(order)
        except Exception:
            failure = ExceptionWrapper(where=where)
        while True:
            try:
                asked = indices.get(timeout=MP_STATUS_CHECK_INTERVAL)
            except queue.Empty:
                if os.getppid() != parent:
                    return
                continue
            if asked is None:
                return
            if isinstance(asked, Resume):
                send(-1, asked)
                try:
                    if asked.seed is not None:
                        apply_random_seed(order.dataset, Generator().manual_seed(asked.seed))
                    fetcher = _fetcher(order)
                except Exception:
                    failure = ExceptionWrapper(where=where)
                continue
            task, wanted = asked
            if failure is not None:
                value: Any = failure
                failure = None
            else:
                value = _fetched(fetcher, wanted, order, where)
            send(task, value)
    except (KeyboardInterrupt, BrokenPipeError):
        return  # the main process gets its own, or is gone


def _fetcher(order: Order) -> _BaseDatasetFetcher:
    return DatasetKind.create_fetcher(
        order.kind, order.dataset, order.batched, order.collate_fn, order.drop_last
    )


def _fetched(fetcher: _BaseDatasetFetcher | None, wanted: Any, order: Order, where: str) -> Any:
    try:
        assert fetcher is not None
        return fetcher.fetch(wanted)
    except StopIteration:
        return Ended(order.worker) if order.kind == DatasetKind.Iterable else ExceptionWrapper(where=where)
    except Exception:
        return ExceptionWrapper(where=where)
