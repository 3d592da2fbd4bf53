"""Running generated kernels: programs of many steps by worker threads, and single steps at little cost.

Every generated kernel has one signature,

    void kernel(i8** buffers, i64* numbers, i64 begin, i64 end)

`buffers` are addresses of data, `numbers` sizes, strides and scalars (a float is stored as the bits of a
float64, whatever the kernel computes in), and [begin, end) is a range of the step's index space. The kernel
may be called for the chunks [k * grain, (k + 1) * grain) in any order and by any thread; how the range is cut
depends on `count` and `grain` alone, so results do not depend on who runs what.

A `Program` is a table of steps, run by `Program.run()` as one call with the interpreter lock released:

    program = Program([Step(kernel, buffers, numbers, count, grain), ...])
    program.run()
    program.numbers[3][0] = 42          # an int64 array for each step; floats through .view(float64)
    program.buffers[3][1] = address(a)

Between a step and the next there is a barrier, unless the latter is a `Step(..., barrier=False)`, which may
then run beside the steps before it. `launch(kernel, count, grain, buffers, ints, *operands)` runs one step
without a table.

Threads start with the first program (or launch) of several chunks, sleep when idle, and are gone while the
process forks and at its end. Several Python threads may run programs at once: one has the workers, the others
run theirs alone. `runtime_ir` says how it works underneath.

Importing this module does nothing.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..config import settings
from . import jit, runtime_ir

__all__ = ["Program", "Step", "address", "launch", "ready", "set_threads"]

# How long a thread spins before it sleeps. Longer helps launches that follow each other closely; much longer
# takes time from other processes of a busy machine.
_SPIN_SECONDS: Final = 50e-6
_LONGEST: Final = (1 << runtime_ir.CHUNK_BITS) - 1


@dataclass(slots=True)
class Step:
    """One kernel over one index range.

    Attributes:
        kernel: its address.
        buffers: addresses, or arrays.
        numbers: ints and floats, or an int64 array.
        count: indices [0, count).
        grain: indices per chunk.
        barrier: whether it waits for the steps before it.
    """

    kernel: int
    buffers: Sequence[Any]
    numbers: Sequence[float] | NDArray[np.int64]
    count: int
    grain: int
    barrier: bool = True


class _Native:
    """The functions of the runtime and its pool of threads, once they are there."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.started = False
        # Address of the pool, 0 while there are no workers.
        self.pool = 0
        self.memory: Any = None
        self.workers: list[ctypes.c_void_p] = []
        self.spins = 0
        self.table: dict[str, int] = {}
        self.methods: list[Any] = []
        self.run: Callable[..., None]
        self.launch: Callable[..., None]
        self.launch_packed: Callable[..., None]
        self.address: Callable[[Any], int]
        self.listen: Callable[[Any], None]


_native: Final = _Native()


def ready() -> bool:
    """Whether generated kernels can be run here; makes the runtime on the first call.

    Returns:
        False where there is no machine code (see `jit.available`).
    """
    return _native.started or _start()


def set_threads(n: int) -> None:
    """Let programs use `n` threads from now on.

    Args:
        n: at least 1.
    """
    settings.threads = n
    _fit_threads()


def _fit_threads() -> None:
    """Let the workers go if they are too many or too few; the next program starts others."""
    if _native.pool and len(_native.workers) != settings.thread_count() - 1:
        _stop_workers()


def listener() -> Callable[[Any], None] | None:
    """`sys.setprofile` for a table of calls (see `@heard` in `runtime_calls`).

    Returns:
        The function, which takes the table; None where there is no machine code or it was not needed yet.
    """
    return _native.listen if _native.started else None


def address(array: Any) -> int:
    """Where an array's data lie.

    Args:
        array: an ndarray; nothing else, this is not checked.

    Returns:
        The address of its first element.
    """
    if not ready():
        return int(array.ctypes.data)
    return _native.address(array)


def launch(kernel: int, count: int, grain: int, buffers: int, ints: int, *operands: Any) -> None:
    """Run one step.

    Args:
        kernel: address of the kernel.
        count: indices [0, count).
        grain: indices per chunk; with one chunk only, the kernel is run here with the interpreter lock held.
        buffers: how many of the operands are arrays (ndarrays; this is not checked).
        ints: how many are ints.
        *operands: the arrays, the ints, then the floats; at most 64.
    """
    if count > grain:
        pool = _native.pool or _workers()
        _native.launch(pool, kernel, count, max(grain, count // _LONGEST + 1), buffers, ints, *operands)
    else:
        _native.launch(0, kernel, count, count, buffers, ints, *operands)


def launch_packed(
    kernel: int, count: int, grain: int, numbers: NDArray[np.int64], buffers: Sequence[Any]
) -> None:
    """Run one step whose numbers are in an array.

    Args:
        kernel: address of the kernel.
        count: indices [0, count).
        grain: indices per chunk.
        numbers: as the kernel reads them.
        buffers: ndarrays, at most 64.
    """
    if count > grain:
        pool = _native.pool or _workers()
        _native.launch_packed(pool, kernel, count, max(grain, count // _LONGEST + 1), numbers, *buffers)
    else:
        _native.launch_packed(0, kernel, count, count, numbers, *buffers)


def run_beside(steps: Sequence[tuple[int, Sequence[int], NDArray[np.int64], int]], grain: int) -> None:
    """Run steps that do not depend on each other.

    Args:
        steps: for each its kernel, addresses of buffers, numbers and count.
        grain: indices per chunk.
    """
    table = np.zeros((len(steps), 8), np.int64)
    pointers = [np.array(step[1], np.int64) for step in steps]
    chunks = 0
    for row, (kernel, _, numbers, count), own in zip(table, steps, pointers):
        size = max(grain, count // _LONGEST + 1)
        parts = -(-count // size)
        row[:7] = kernel, _native.address(own), _native.address(numbers), count, size, chunks, parts
        chunks += parts
    stage = np.array([_native.address(table), len(steps), chunks, 0], np.int64)
    pool = (_native.pool or _workers()) if chunks > 1 else 0
    _native.run(pool, _native.address(stage), 1)


class Program:
    """A table of steps that threads run together.

    Args:
        steps: the steps, in order. Whatever arrays they name must stay alive; arrays given as such do.
    """

    __slots__ = ("steps", "pointers", "buffers", "numbers", "_table", "_stages", "_arguments", "_chunks")

    def __init__(self, steps: Sequence[Step]) -> None:
        if not ready():
            raise RuntimeError("no machine code can be generated: llvmlite is not usable here")
        self.steps = tuple(steps)
        self.buffers: list[NDArray[np.int64]] = []
        self.numbers: list[NDArray[np.int64]] = []
        self._table = np.zeros((max(len(steps), 1), 8), np.int64)
        stages: list[list[int]] = []
        base = address(self._table)
        # All addresses in one array, so that a caller can replace many at once; `buffers` are its parts.
        self.pointers = np.zeros(sum(len(step.buffers) for step in steps), np.int64)
        start = 0
        for i, step in enumerate(self.steps):
            pointers = self.pointers[start : start + len(step.buffers)]
            start += len(pointers)
            pointers[:] = [b if isinstance(b, int) else address(b) for b in step.buffers]
            values = packed(step.numbers)
            self.buffers.append(pointers)
            self.numbers.append(values)
            grain = max(step.grain, step.count // _LONGEST + 1, 1)
            chunks = -(-step.count // grain)
            if step.barrier or not stages or stages[-1][2] + chunks > _LONGEST:
                stages.append([base + i * 64, 0, 0, 0])
            stage = stages[-1]
            self._table[i] = (
                step.kernel, address(pointers), address(values), step.count, grain, stage[2], chunks, 0
            )  # fmt: skip
            stage[1] += 1
            stage[2] += chunks
        self._stages = np.array(stages or [[0, 0, 0, 0]], np.int64)
        self._arguments = (address(self._stages), len(stages))
        self._chunks = max((stage[2] for stage in stages), default=0)

    def run(self) -> None:
        """Run all steps; returns when the last one is done."""
        pool = (_native.pool or _workers()) if self._chunks > 1 else 0
        _native.run(pool, *self._arguments)


def packed(numbers: Sequence[float] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers as kernels read them: ints as they are, floats as the bits of a float64.

    Args:
        numbers: ints and floats, or an int64 array, which is returned as it is.

    Returns:
        An int64 array.
    """
    if isinstance(numbers, np.ndarray):
        return numbers
    values = np.empty(len(numbers), np.int64)
    floats = values.view(np.float64)
    for i, number in enumerate(numbers):
        if isinstance(number, float):
            floats[i] = number
        else:
            values[i] = number
    return values


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_METH_FASTCALL: Final = 0x80


def _builtin(name: str, function: int) -> Any:
    """A machine-code function as a builtin of the interpreter, which costs a tenth of a ctypes call."""
    method = _MethodDef(name.encode(), function, _METH_FASTCALL, None)
    _native.methods.append(method)  # the interpreter keeps its address
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(ctypes.addressof(method), None, None)


def _start() -> bool:
    with _native.lock:
        if _native.started:
            return True
        if not jit.available() or os.name == "nt":
            return False
        # ndarray's struct begins with the object head and the address of the data (NumPy's stable ABI).
        offset = object.__basicsize__
        arch = jit.host().arch
        try:
            table = jit.function(f"runtime/{offset}", lambda: runtime_ir.text(arch, offset), quick=True)
        except RuntimeError as reason:
            jit.refuse(str(reason))
            return False
        words = (ctypes.c_void_p * len(runtime_ir.EXPORTS)).from_address(table)
        _native.table = {name: int(word or 0) for name, word in zip(runtime_ir.EXPORTS, words)}
        _native.run = _builtin("run", _native.table["py_run"])
        _native.launch = _builtin("launch", _native.table["py_launch"])
        _native.launch_packed = _builtin("launch_packed", _native.table["py_launch_packed"])
        _native.address = _builtin("address", _native.table["py_address"])
        _native.listen = _builtin("listen", _native.table["py_listen"])
        spin = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_native.table["spin"])
        fastest = min(_timed(spin, 500) for _ in range(5))
        _native.spins = max(50, int(500 * _SPIN_SECONDS / fastest))
        atexit.register(_stop_workers)
        os.register_at_fork(
            before=_before_fork, after_in_parent=_native.lock.release, after_in_child=_after_fork_in_child
        )
        settings.on_threads = _fit_threads
        _native.started = True
        return True


def _timed(function: Callable[[int], None], n: int) -> float:
    start = time.perf_counter()
    function(n)
    return max(time.perf_counter() - start, 1e-9)


def _workers() -> int:
    """The pool, with its threads started; 0 where there is but one thread to use."""
    if settings.thread_count() == 1:
        return 0
    with _native.lock:
        if _native.pool:
            return _native.pool
        memory = ctypes.create_string_buffer(runtime_ir.POOL_BYTES + 128)
        pool = -(-ctypes.addressof(memory) // 128) * 128
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(_native.table["pool_init"])(
            pool, _native.spins
        )
        create = ctypes.pythonapi.pthread_create
        create.argtypes = [ctypes.c_void_p] * 4
        create.restype = ctypes.c_int
        # Signals are for the thread that runs Python.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        workers = []
        try:
            for _ in range(settings.thread_count() - 1):
                thread = ctypes.c_void_p()
                if create(ctypes.byref(thread), None, _native.table["worker"], pool):
                    break  # the system has no more to give
                workers.append(thread)
        finally:
            _native.memory, _native.workers, _native.pool = memory, workers, pool
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        return pool


def _stop_workers() -> None:
    """End the workers. A program under way is finished by the thread that runs it."""
    with _native.lock:
        pool, workers, memory = _native.pool, _native.workers, _native.memory
        _native.pool, _native.workers = 0, []
        if not pool:
            return
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_native.table["pool_shutdown"])(pool)
        join = ctypes.pythonapi.pthread_join
        join.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        for thread in workers:
            join(thread, None)
        _retired.append(memory)


# Pools of workers that ended; another Python thread may still be in a program of theirs.
_retired: Final[list[Any]] = []


def _before_fork() -> None:
    _native.lock.acquire()
    _stop_workers()


def _after_fork_in_child() -> None:
    _native.lock = threading.RLock()
