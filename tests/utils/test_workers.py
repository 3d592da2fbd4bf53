"""DataLoader with worker processes: order, seeds, streams, failures, and processes that die."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import PROJECT, RunPython

import cotangent as torch
from cotangent.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
STARTS = pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])


class Squares(Dataset):
    """Numbers with their squares, the worker that made them, and arrays of some size."""

    def __init__(self, length: int = 20, size: int = 3) -> None:
        self.length = length
        self.size = size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        worker = -1 if info is None else info.id
        return index, {"square": torch.full((self.size,), float(index * index))}, worker


def workers_files() -> list[str]:
    """Files of workers that are still about."""
    folder = Path("/dev/shm")
    mine = f"cotangent-{os.getpid()}-"
    return [path.name for path in folder.iterdir() if path.name.startswith(mine)] if folder.exists() else []


@STARTS
def test_batches_come_in_order_from_all_workers(start: str) -> None:
    loader = DataLoader(Squares(), batch_size=3, num_workers=2, multiprocessing_context=start)
    seen = list(loader)
    assert [index.tolist() for index, _, _ in seen] == [list(range(20))[i : i + 3] for i in range(0, 20, 3)]
    for index, values, worker in seen:
        assert torch.equal(values["square"], (index * index).float()[:, None].expand(-1, 3))
        assert len(set(worker.tolist())) == 1
    assert [int(worker[0]) for _, _, worker in seen] == [0, 1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_shuffling_is_the_same_whoever_loads(workers: int) -> None:
    torch.manual_seed(0)
    loader = DataLoader(Squares(), batch_size=4, shuffle=True, num_workers=workers)
    first = [index.tolist() for index, _, _ in loader]
    second = [index.tolist() for index, _, _ in loader]
    torch.manual_seed(0)
    again = DataLoader(Squares(), batch_size=4, shuffle=True)
    assert first == [index.tolist() for index, _, _ in again]
    assert second == [index.tolist() for index, _, _ in again]
    assert first != second


def test_large_arrays_come_through_shared_memory_and_outlive_the_workers() -> None:
    loader = DataLoader(Squares(length=6, size=100_000), batch_size=2, num_workers=2)
    batches = [values["square"] for _, values, _ in loader]
    del loader
    gc.collect()
    assert [float(batch[1, -1]) for batch in batches] == [1.0, 9.0, 25.0]
    batches[0].add_(1)  # the memory is the receiver's
    assert float(batches[0][0, 0]) == 1.0
    assert workers_files() == []


class Random(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        assert info is not None
        return index, int(np.random.randint(1000000)), torch.randint(0, 10**6, ()).item(), info.seed


def test_workers_draw_pytorchs_numbers() -> None:
    """Recorded from PyTorch 2.13 (torch.manual_seed(3), two workers)."""
    torch.manual_seed(3)
    found = [[int(v) for v in batch] for batch in DataLoader(Random(), num_workers=2)]
    assert found == [
        [0, 394058, 708967, 937055941807507096],
        [1, 208785, 310091, 937055941807507097],
        [2, 492114, 354628, 937055941807507096],
        [3, 540335, 812933, 937055941807507097],
    ]


class Stream(IterableDataset):
    """Each worker gives its share of the numbers below `length`."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        yield from range(start, self.length, step)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("batch", [None, 2, 3])
def test_streams(workers: int, batch: int | None) -> None:
    found = list(DataLoader(Stream(10), batch_size=batch, num_workers=workers))
    flat = sorted(int(v) for x in found for v in (x.tolist() if batch else [x]))
    assert flat == list(range(10))


def test_workers_that_are_kept() -> None:
    loader = DataLoader(Squares(6), batch_size=2, num_workers=2, persistent_workers=True)
    first = [index.tolist() for index, _, _ in loader]
    kept = loader._iterator
    assert kept is not None
    processes = [process.pid for process in kept._workers]
    iterator = iter(loader)
    next(iterator)  # a pass that is not finished leaves nothing behind
    assert [index.tolist() for index, _, _ in loader] == first
    assert [process.pid for process in kept._workers] == processes
    streamed = DataLoader(Stream(5), batch_size=2, num_workers=2, persistent_workers=True)
    assert sorted(v for x in streamed for v in x.tolist()) == sorted(v for x in streamed for v in x.tolist())


def test_a_loader_that_is_dropped_ends_the_workers_it_kept() -> None:
    loader = DataLoader(Squares(4), num_workers=1, persistent_workers=True)
    gc.disable()  # nothing may wait for the collector
    try:
        iterator = iter(loader)
        assert len(list(iterator)) == 4
        processes = list(iterator._workers)
        del iterator, loader
        assert [process.exitcode for process in processes] == [0]
    finally:
        gc.enable()


class Sleepy(Squares):
    def __getitem__(self, index: int) -> Any:
        time.sleep(0.5 if index == 0 else 0.0)
        return index


def test_batches_out_of_order() -> None:
    loader = DataLoader(Sleepy(8), batch_size=None, num_workers=2, in_order=False)
    found = list(loader)
    assert sorted(found) == list(range(8)) and found[0] != 0
    assert list(DataLoader(Sleepy(8), batch_size=None, num_workers=2)) == list(range(8))


def fails_to_start(worker: int) -> None:
    raise OSError(f"no device for {worker}")


class Fails(Squares):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def __getitem__(self, index: int) -> Any:
        if index == 5:
            raise self.kind
        return index


class Odd(Exception):
    """An exception that is not made of a text."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one, two)


class Unpicklable(Squares):
    def __getitem__(self, index: int) -> Any:
        return lambda: index


def test_an_exception_of_a_worker_arrives_with_its_traceback() -> None:
    loader = DataLoader(Fails(ValueError("five is right out")), num_workers=2)
    iterator = iter(loader)
    for _ in range(5):
        next(iterator)
    with pytest.raises(ValueError, match="Caught ValueError in DataLoader worker process 1") as caught:
        next(iterator)
    assert "Original Traceback (most recent call last):" in str(caught.value)
    assert "raise self.kind" in str(caught.value) and "five is right out" in str(caught.value)
    assert int(next(iterator)) == 6  # the pass goes on, as PyTorch's does
    with pytest.raises(KeyError, match="Caught KeyError in DataLoader worker"):
        list(DataLoader(Fails(KeyError("k")), num_workers=1))
    with pytest.raises(RuntimeError, match="Caught Odd in DataLoader worker"):
        list(DataLoader(Fails(Odd(1, 2)), num_workers=1))
    with pytest.raises(OSError, match="no device for 0"):
        list(DataLoader(Squares(), num_workers=1, worker_init_fn=fails_to_start))
    with pytest.raises(Exception, match="pickle"):
        list(DataLoader(Unpicklable(), batch_size=None, num_workers=1))


class Dies(Squares):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def __getitem__(self, index: int) -> Any:
        if index == 3:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(7)
        return torch.zeros(50_000)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("killed", r"DataLoader worker \(pid \d+\) is killed by signal: Killed"),
        ("exits", r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly"),
    ],
)
def test_a_worker_that_dies_is_an_error_and_no_hang(how: str, text: str) -> None:
    iterator = iter(DataLoader(Dies(how), num_workers=2))
    with pytest.raises(RuntimeError, match=text):
        list(iterator)
    assert workers_files() == []


class Slow(Squares):
    def __getitem__(self, index: int) -> Any:
        time.sleep(30)


def test_a_worker_that_takes_too_long_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.3 seconds"):
        list(DataLoader(Slow(), num_workers=1, timeout=0.3))


def test_a_pass_that_is_dropped_ends_its_workers() -> None:
    loader = DataLoader(Squares(size=50_000), num_workers=2)
    iterator = iter(loader)
    next(iterator)
    processes = iterator._workers
    del iterator
    gc.collect()
    assert not any(process.is_alive() for process in processes)
    assert workers_files() == []


def test_options() -> None:
    data = TensorDataset(torch.arange(4))
    assert DataLoader(data, num_workers=1).prefetch_factor == 2
    with pytest.raises(ValueError, match="should specify a valid start method in"):
        DataLoader(data, num_workers=1, multiprocessing_context="bad")
    with pytest.raises(TypeError, match="should be a valid context object"):
        DataLoader(data, num_workers=1, multiprocessing_context=3)
    with pytest.raises(ValueError, match="prefetch_factor option should be non-negative"):
        DataLoader(data, num_workers=1, prefetch_factor=-1)
    with pytest.warns(UserWarning, match="This DataLoader will create 1000 worker processes in total"):
        DataLoader(data, num_workers=1000)


def test_a_script_with_workers_ends_cleanly(tmp_path: Path, run_python: RunPython) -> None:
    """The loader is alive when the interpreter ends; nothing hangs and nothing is printed."""
    (tmp_path / "script.py").write_text(
        "import torch\n"
        "if __name__ == '__main__':\n"
        "    data = torch.utils.data.TensorDataset(torch.arange(100))\n"
        "    loader = torch.utils.data.DataLoader(data, 2, num_workers=2, persistent_workers=True,\n"
        "                                         multiprocessing_context='spawn')\n"
        "    iterator = iter(loader)\n"
        "    print(next(iterator))\n"
    )
    result = run_python("-m", "cotangent", "script.py", env={"PYTHONPATH": str(PROJECT / "src")})
    assert (result.stdout, result.stderr, result.returncode) == ("[tensor([0, 1])]\n", "", 0)
