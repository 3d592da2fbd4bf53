"""The recorder: a tape that takes in whatever tensors a running function touches.

While it is on, reading a tensor's payload gives a traced `Value`. Tensors made before the trace keep their
arrays; what they stand for inside is kept here, so nothing has to be undone when a trace is given up.
Numbers are computed when Python code asks for them, from the arrays as they are; the answer becomes a guard.
"""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from types import CodeType
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np

from ..autograd.base import TensorBase
from ..autograd.calls import restore
from ..autograd.modes import modes
from ..autograd.where import here, place
from ..kernels.fperr import QUIET, reset_errors, set_errors
from .calls import IMPURE, listen
from .number import Number, make, plain
from .tape import Instruction, Tape, execute
from .value import Value, draw, outside
from .walk import SKIPPED

_slot: Final[Any] = TensorBase.__dict__["_data"]
# Reading numbers one by one is guarded up to this many.
_GUARDED: Final = 64


class Untraceable(Exception):
    """The function does something that cannot be compiled; `where` says what."""


class Source(NamedTuple):
    """An array the trace met: an input."""

    number: int
    tensor: Any
    array: Any


class Recorder(Tape):
    """A tape that records a function as it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()
        self.sources: list[Source] = []
        self.roots: dict[int, tuple[Any, Value]] = {}  # by array
        self.payloads: dict[int, tuple[Any, Value]] = {}  # by tensor made before the trace
        self.rebound: dict[int, Any] = {}
        self.alike: list[tuple[Any, Any]] = []  # tensors with one array: (another, the one it is known by)
        self.before: dict[int, tuple[Any, Any, bool, Any]] = {}
        self.grads: dict[int, tuple[Any, Any]] = {}
        self.born: list[weakref.ref[Any]] = []
        self.constants: list[tuple[int, Any]] = []
        self.values: dict[int, tuple[int, ...]] = {}
        self.guards: dict[Any, Any] = {}
        self.scalars: dict[Any, tuple[int, Any, Any]] = {}
        self.known: dict[int, Any] = {}
        self.made_by: dict[int, Instruction] = {}
        self.streams: dict[int, tuple[Any, Any]] = {}
        self.codes: set[CodeType] = set()
        self.impure: str | None = None
        self.cotangents: dict[int, Any] = {}
        self.fixed_numbers = False
        # Memory by its id: the array, then (array of a tensor, value) for each that looks into it.
        self.owners: dict[int, list[Any]] = {}
        self.beside: dict[int, list[Any]] = {}  # the same by the id of each value

    # -- payloads ------------------------------------------------------------------------------------

    def payload(self, t: Any) -> Any:
        """What reading `t._data` gives."""
        raw = _slot.__get__(t)
        if raw.__class__ is not np.ndarray:
            if raw.__class__ is not Value or (raw.root or raw).writes == raw.stamp:
                return raw
            shown = raw.fresh()
            _slot.__set__(t, shown)
            return shown
        held = self.payloads.get(id(t))
        value = self.meet(t, raw) if held is None else held[1]
        if (value.root or value).writes == value.stamp:
            return value
        shown = value.fresh()
        self.payloads[id(t)] = (t, shown)
        return shown

    def meet(self, t: Any, raw: Any) -> Value:
        """Take a tensor from outside in."""
        known = self.roots.get(id(raw))
        if known is None:
            value = Value(self, self.fresh(), raw.shape, raw.dtype, raw.strides)
            self.inputs.append((value.index, raw.shape, raw.dtype))
            self.sources.append(Source(value.index, t, raw))
            self.roots[id(raw)] = (raw, value)
            self.known[value.index] = raw
            owner = raw
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            beside = self.beside[id(value)] = self.owners.setdefault(id(owner), [owner])
            beside.append((raw, value))
        else:
            value = known[1]
            self.alike.append((t, next(s.tensor for s in self.sources if s.number == value.index)))
        self.payloads[id(t)] = (t, value)
        self.before.setdefault(id(t), (t, t._node, t._req, t._view))
        return value

    def assign(self, t: Any, data: Any) -> None:
        """What writing `t._data` does."""
        try:
            old = _slot.__get__(t)
        except AttributeError:
            if data.__class__ is np.ndarray:
                data = self.constant(data)
            _slot.__set__(t, data)
            self.born.append(weakref.ref(t))
            return
        if data.__class__ is np.ndarray:
            data = self.constant(data)
        if old.__class__ is np.ndarray:
            self.payload(t)
            self.payloads[id(t)] = (t, data)
            self.rebound[id(t)] = t
        else:
            _slot.__set__(t, data)

    def constant(self, array: Any) -> Value:
        """An array that was made while tracing from nothing the tape knows."""
        value = Value(self, self.fresh(), array.shape, array.dtype, array.strides)
        self.constants.append((value.index, array))
        self.known[value.index] = array
        return value

    def bind(self, array: Any) -> int:
        """The number of an array that no tensor brought: a constant."""
        found = self._known.get(id(array))
        if found is None:
            found = self._known[id(array)] = self.constant(array).index
        return found

    def write(self, t: Any, value: Value) -> None:
        """Note that the memory `t` looks into now holds `value`."""
        shown = t._data
        root = shown.root or shown
        beside = self.beside.get(id(root), ())
        if len(beside) > 2:
            array = next(a for a, v in beside[1:] if v is root)
            for other, v in beside[1:]:
                if v is not root and np.may_share_memory(array, other):
                    self.refuse("an in-place write to memory that another tensor sees in part")
        shown.write(value)

    def add(self, step: Instruction) -> None:
        """Append an instruction."""
        self.instructions.append(step)
        for result in step.results:
            self.made_by[result] = step

    def draw(self, stream: Any, make: Any, shape: tuple[int, ...], arrays: tuple[Any, ...]) -> Value:
        """Record a draw of random numbers."""
        if id(stream) not in self.streams:
            self.streams[id(stream)] = (stream, stream.get_state())
        given = [self.numbers_of(a.fresh().index) if isinstance(a, Value) else a for a in arrays]
        drawn = make(shape, *given)
        value: Value = draw(self, make, shape, arrays, drawn)
        self.known[value.index] = drawn
        return value

    def outside(self, run: Any, arrays: list[Any], like: list[Any]) -> list[Any]:
        """Record that `run(*arrays)` is done when the program runs; see `value.outside`."""
        return outside(self, run, [a.fresh() for a in arrays], like)

    # -- numbers -------------------------------------------------------------------------------------

    def numbers_of(self, index: int) -> Any:
        """The array of a value, computed now."""
        todo = [index]
        while todo:
            at = todo[-1]
            if at in self.known:
                todo.pop()
                continue
            scalar = self.scalars.get(at)
            if scalar is not None:
                self.known[at] = np.asarray(plain(scalar[1]), scalar[2])
                continue
            step = self.made_by.get(at)
            if step is None:
                self.refuse("Python code reads the numbers of a gradient, which come with each backward")
            missing = [i for i in step.reads() if i not in self.known]
            if missing:
                todo.extend(missing)
                continue
            if step.op.name == "outside":
                self.refuse("Python code reads a number that comes from other processes")
            token = set_errors(QUIET)
            try:
                execute(step, self.known)
            finally:
                reset_errors(token)
        return self.known[index]

    def number(self, value: Value) -> Any:
        """The element of a value: a number that is followed if it is a float, else guarded."""
        found = self.numbers_of(value.index).reshape(())[()]
        if isinstance(found, (np.floating, float)) and not self.fixed_numbers:
            return make(self, float(found), ("item", value.index))
        if found.dtype.kind == "V":
            found = np.float32(found)
        self.guard(("value", value.index, found.item()))
        return found.item()

    def numbers(self, value: Value) -> Any:
        """The numbers of a value; a guard holds the compiled function to them."""
        if value.size > _GUARDED:
            self.refuse("Python code reads the numbers in a tensor")
        found = np.array(self.numbers_of(value.index))
        self.guard(("array", value.index, found.tobytes()))
        return found

    def scalar(self, value: Any, d: Any) -> Value:
        """A followed number as a 0-d value."""
        key = (id(value), d)
        for index, held, held_dtype in self.scalars.values():
            if held is value and held_dtype == d:
                return Value(self, index, (), np.dtype(d))
        made = Value(self, self.fresh(), (), np.dtype(d))
        self.scalars[made.index] = (made.index, value, np.dtype(d))
        del key
        return made

    def guard(self, condition: tuple[Any, ...]) -> None:
        """Note a condition that the trace depends on."""
        key = (condition[0], *(id(c) if c.__class__ is Number else c for c in condition[1:]))
        self.guards.setdefault(key, condition)

    def types(self) -> dict[int, tuple[tuple[int, ...], Any]]:
        """Shape and dtype of every value."""
        found = {n: (s, d) for n, s, d in self.inputs}
        for step in self.instructions:
            found.update({r: (s, d) for r, s, d in zip(step.results, step.shapes, step.dtypes)})
        found.update({n: (c.shape, c.dtype) for n, c in self.constants})
        found.update({n: ((), d) for n, (_, _, d) in self.scalars.items()})
        found.update(self.cotangents)
        return found

    def forget(self) -> None:
        """Let go of the arrays that the trace computed on the way."""
        self.known.clear()
        self.payloads.clear()
        self.roots.clear()
        self.born.clear()

    def refuse(self, what: str) -> NoReturn:
        """Give the trace up."""
        where = place(*here())
        raise Untraceable(f"{what}, at {where.file}:{where.line} ({where.text.strip()})")

    # -- profile -------------------------------------------------------------------------------------

    def seen(self, frame: Any, event: str, arg: Any) -> None:
        """Profile function: which code runs, and calls of builtins that a replay would leave out."""
        if event == "call":
            code = frame.f_code
            # Constructors of named tuples and dataclasses are written by the standard library.
            if code not in self.codes and (code.co_filename != "<string>" or _of_user(frame)):
                self.codes.add(code)
        elif event == "c_call" and self.impure is None:
            if arg.__module__ == "math":
                self.math_called = self.math_called or _may_hold_numbers(frame)
            elif arg in IMPURE and _of_user(frame):
                self.impure = f"it calls {arg.__name__}() at {frame.f_code.co_filename}:{frame.f_lineno}"
                raise Untraceable(self.impure)

    math_called = False


def _of_user(frame: Any) -> bool:
    """Whether a frame's code is the user's, not a library's."""
    name = frame.f_globals.get("__name__") or "cotangent"
    return name.partition(".")[0] not in SKIPPED and not name.startswith("namedtuple_")


def _may_hold_numbers(frame: Any) -> bool:
    """Whether a followed number may be what a frame gives to a function of `math`, where it is lost."""
    code = frame.f_code
    if _TELLTALE & {*code.co_names, *(c for c in code.co_consts if isinstance(c, str))}:
        return True
    for value in frame.f_locals.values():
        held = (
            value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        )
        if value.__class__ is Number or any(v.__class__ is Number for v in held):
            return True
    return False


_TELLTALE: Final = frozenset(("param_groups", "item", "tolist", "lr", "betas", "get_last_lr"))


class _Payload:
    """Stands in for the slot `_data` while some thread traces."""

    def __get__(self, t: Any, cls: Any = None) -> Any:
        if t is None:
            return self
        tracer = modes.tracer
        return _slot.__get__(t) if tracer is None else tracer.payload(t)

    def __set__(self, t: Any, data: Any) -> None:
        tracer = modes.tracer
        if tracer is None:
            _slot.__set__(t, data)
        else:
            tracer.assign(t, data)


class _Grad:
    """Stands in for `_grad` while some thread traces."""

    def __get__(self, t: Any, cls: Any = None) -> Any:
        if t is None:
            return None
        held = t.__dict__.get("_grad")
        tracer = modes.tracer
        if tracer is not None and id(t) not in tracer.grads and _slot.__get__(t).__class__ is np.ndarray:
            tracer.grads[id(t)] = (t, held)
        return held

    def __set__(self, t: Any, value: Any) -> None:
        tracer = modes.tracer
        if tracer is not None and id(t) not in tracer.grads and _slot.__get__(t).__class__ is np.ndarray:
            tracer.grads[id(t)] = (t, t.__dict__.get("_grad"))
        t.__dict__["_grad"] = value


_lock = threading.RLock()
_active: Final[set[Recorder]] = set()
_collecting = [False]


def after_fork() -> None:
    """In a forked child: the other threads are gone, with what they were recording and the lock they held."""
    global _lock
    _lock = threading.RLock()
    others = _active - {modes.tracer}
    if others:
        _active.difference_update(others)
        _restore_class()


def _restore_class() -> None:
    """Read tensors directly again, if nothing is recorded any more."""
    if not _active:
        cls: Any = TensorBase
        cls._data = _slot
        cls._grad = None
        if _collecting[0]:
            gc.enable()


class recording:
    """Records into a recorder while it lasts.

    Meanwhile no garbage is collected: callbacks of the collector, which any library may install, and
    finalizers would run in the middle of the traced code and count as its doing.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.profile: Any = None
        self.left = True

    def __enter__(self) -> Recorder:
        self.profile = sys.getprofile()
        self.left = False
        try:
            with _lock:
                _active.add(self.recorder)
                if len(_active) == 1:
                    cls: Any = TensorBase
                    cls._data = _Payload()
                    cls._grad = _Grad()
                    _collecting[0] = gc.isenabled()
                    gc.disable()
            modes.tracer = self.recorder
            listen(self.recorder.seen)
        except BaseException:
            self.leave()
            raise
        return self.recorder

    def __exit__(self, *error: object) -> None:
        try:
            self.leave()
        except KeyboardInterrupt:
            self.leave()
            raise

    def leave(self) -> None:
        """Put everything back. May be called again after an interrupt came in between."""
        if self.left:
            return
        restore(self.profile)
        modes.tracer = None
        with _lock:
            _active.discard(self.recorder)
            _restore_class()
        self.left = True


def raw(t: Any) -> Any:
    """The payload in a tensor's slot, whatever is being traced."""
    return _slot.__get__(t)


def put(t: Any, data: Any) -> None:
    """Set the payload in a tensor's slot, whatever is being traced."""
    _slot.__set__(t, data)
