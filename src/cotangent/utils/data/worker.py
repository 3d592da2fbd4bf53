"""The worker process of a loader: takes indices, sends batches."""

from __future__ import annotations

import os
import queue
import random
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...functions import manual_seed
from ...toplevel import set_num_threads
from .datapipes.datapipe import IterDataPipe, MapDataPipe
from .datapipes.iter.sharding import SHARDING_PRIORITIES
from .fetch import Fetcher
from .graph_settings import apply_sharding
from .shared import dumps

__all__ = ["Failure", "Order", "WorkerInfo", "get_worker_info", "run"]

_LOOK_FOR_PARENT: Final = 5.0  # seconds


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker process knows about itself.

    Args:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its random numbers were seeded with.
        dataset: its copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Here:
    info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What is known about the worker process this runs in; None in any other.

    Returns:
        the worker's number, how many there are, its seed and its dataset.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.data.get_worker_info() is None
        True
    """
    return _Here.info


class Failure:
    """An exception of a worker on its way to the main process, with its traceback.

    Args:
        where: where it was raised, as the message says it.
    """

    def __init__(self, where: str) -> None:
        kind, value, trace = sys.exc_info()
        assert kind is not None
        self.kind: Any = kind
        self.text = "".join(traceback.format_exception(kind, value, trace))
        self.where = where

    def reraise(self) -> None:
        """Raise an exception of the same type, whose message holds the original traceback."""
        text = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            raise KeyError(_Literal(text))
        try:
            error = self.kind(message=text) if getattr(self.kind, "message", None) else self.kind(text)
        except Exception:  # an exception that is not made of a text
            raise RuntimeError(text) from None
        raise error


class _Literal(str):
    """A text that a KeyError shows with its line breaks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Ended:
    """A worker's stream is at its end."""

    worker: int


@dataclass(frozen=True)
class Resume:
    """A new pass begins in a worker that is kept."""


@dataclass(frozen=True)
class Order:
    """What a worker is started with.

    Args:
        dataset, batched, collate_fn, drop_last, is_stream: as for `Fetcher`.
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
    is_stream: bool
    seed: int
    init: Callable[[int], None] | None
    worker: int
    workers: int
    prefix: str


def _seed(order: Order) -> int:
    seed = order.seed + order.worker
    random.seed(seed)
    manual_seed(seed)
    # NumPy's seeds are 32 bits wide: PyTorch mixes the number and the seed as NumPy's SeedSequence does.
    words = [order.worker, order.seed & 0xFFFFFFFF, order.seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))
    return seed


def run(order: Order, indices: Any, results: Any, parent: int, others: list[Any]) -> None:
    """The worker's life: fetch what is asked for until None is asked for, or the parent is gone.

    Args:
        order: what to do.
        indices: queue of (number of the task, indices), `Resume`, or None.
        results: connection to send (number of the task, batch, `Failure` or `Ended`) to.
        parent: process number of the loader.
        others: connections of the loader that a forked process has, too, and must not keep open.
    """
    for other in others:
        other.close()
    where = f"in DataLoader worker process {order.worker}"

    def send(task: int, value: Any) -> None:
        try:
            message = dumps((task, value), order.prefix)
        except Exception:
            message = dumps((task, Failure(where)), order.prefix)
        results.send_bytes(message)

    try:
        set_num_threads(1)
        _Here.info = WorkerInfo(order.worker, order.workers, _seed(order), order.dataset)
        failure: Failure | None = None
        fetcher: Fetcher | None = None
        try:
            if order.init is not None:
                order.init(order.worker)
            if isinstance(order.dataset, (IterDataPipe, MapDataPipe)):
                apply_sharding(
                    order.dataset, order.workers, order.worker, SHARDING_PRIORITIES.MULTIPROCESSING
                )
            fetcher = _fetcher(order)
        except Exception:
            failure = Failure(where)
        while True:
            try:
                asked = indices.get(timeout=_LOOK_FOR_PARENT)
            except queue.Empty:
                if os.getppid() != parent:
                    return
                continue
            if asked is None:
                return
            if isinstance(asked, Resume):
                send(-1, asked)
                try:
                    fetcher = _fetcher(order)
                except Exception:
                    failure = Failure(where)
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


def _fetcher(order: Order) -> Fetcher:
    return Fetcher(order.dataset, order.batched, order.collate_fn, order.drop_last, order.is_stream)


def _fetched(fetcher: Fetcher | None, wanted: Any, order: Order, where: str) -> Any:
    try:
        assert fetcher is not None
        return fetcher.fetch(wanted)
    except StopIteration:
        return Ended(order.worker) if order.is_stream else Failure(where)
    except Exception:
        return Failure(where)
