"""torch.autograd.profiler: which operations ran, how often, and how long they took.

Nothing in the package knows of the profiler. While one is on, Python's own profile hook (`sys.setprofile`)
reports every call of a Python function, and the calls of operations become events: functions of the `torch`
namespace, generated entries, nodes of the graph. A program that is not profiled pays nothing.

PyTorch names a factory's parts (`ones` is `empty`, then `fill_`). Here it is one call; its event gets these
parts, the whole time in the last, so that profiles read alike.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, Final, TypeVar, cast

from .. import functions
from .base import TensorBase
from .engine import accumulate_array
from .node import Node
from .profiler_util import EventList, FunctionEvent, FunctionEventAvg

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Recording", "profile", "record_function"]

F = TypeVar("F", bound=Callable[..., Any])

_FILL: Final = {"ones": "fill_", "full": "fill_", "zeros": "zero_", "rand": "uniform_", "randn": "normal_"}
_PARTS: Final = {
    **{f"aten::{name}": ("aten::empty", f"aten::{fill}") for name, fill in _FILL.items()},
    **{f"aten::{name}_like": ("aten::empty_like", f"aten::{fill}") for name, fill in _FILL.items()},
}
_NODE: Final = "node"  # the name stands in the frame: that of the node
_GENERATED: Final = "<cotangent "
_RUNS_NODE: Final = frozenset(("step", "apply"))


@functools.cache
def _names() -> dict[CodeType, str | None]:
    """Names of events by the code of the functions; what else is met is entered as it comes."""
    found: dict[CodeType, str | None] = {accumulate_array.__code__: "torch::autograd::AccumulateGrad"}
    for name in functions.__all__:
        value = getattr(functions, name)
        if isinstance(value, FunctionType) and value.__code__.co_name == name:
            found[value.__code__] = f"aten::{name}"
    return found


def _name_of(code: CodeType) -> str | None:
    if code.co_name in _RUNS_NODE and code.co_varnames[:1] == ("self",):
        return _NODE
    if not code.co_filename.startswith(_GENERATED) or code.co_name.startswith("<") or not code.co_argcount:
        return None
    return f"aten::{code.co_name}"


class _Open(threading.local):
    """The events of this thread that have not returned."""

    def __init__(self) -> None:
        self.stack: list[tuple[FrameType | None, FunctionEvent]] = []


class Recording:
    """Collects events from `start` to `stop`.

    Args:
        shapes: keep the shapes of the tensors in the call.
    """

    def __init__(self, shapes: bool = False) -> None:
        self.shapes = shapes
        self.events: list[FunctionEvent] = []
        self.open = _Open()
        self.began = 0

    def start(self) -> None:
        """Begin to listen, in this thread and in those it starts."""
        self.began = time.perf_counter_ns()
        self.before = sys.getprofile()
        _running.append(self)
        threading.setprofile(self.called)
        sys.setprofile(self.called)

    def stop(self) -> EventList:
        """Listen no longer; returns the events."""
        sys.setprofile(self.before)
        threading.setprofile(cast(Any, self.before))
        _running.remove(self)
        now = self.now()
        while self.open.stack:
            self.open.stack.pop()[1].time_range.end = now
        return EventList(self.events)

    def now(self) -> float:
        """Microseconds since the start."""
        return (time.perf_counter_ns() - self.began) / 1e3

    def called(self, frame: FrameType, event: str, value: Any) -> None:
        """What `sys.setprofile` calls at every call and return."""
        stack = self.open.stack
        if event == "call":
            code = frame.f_code
            names = _names()
            name = names[code] if code in names else names.setdefault(code, _name_of(code))
            if name is None:
                return
            if name is _NODE:
                node = frame.f_locals["self"]
                if not isinstance(node, Node):
                    return
                name = type(node).__name__
            if stack and stack[-1][1].name == name:
                return  # the entry behind a front of the same name
            shapes: list[Any] = []
            if self.shapes:
                given = [frame.f_locals.get(a) for a in code.co_varnames[: code.co_argcount]]
                shapes = [list(t._data.shape) if isinstance(t, TensorBase) else [] for t in given]
            self.enter(name, frame, shapes)
        elif event == "return" and stack and stack[-1][0] is frame:
            self.leave()

    def enter(
        self, name: str, frame: FrameType | None, shapes: list[Any], user: bool = False
    ) -> FunctionEvent:
        """An event begins."""
        stack = self.open.stack
        made = FunctionEvent(len(self.events), name, threading.get_ident(), self.now(), shapes, user)
        if stack:
            made.cpu_parent = stack[-1][1]
            made.cpu_parent.cpu_children.append(made)
        self.events.append(made)
        stack.append((frame, made))
        return made

    def leave(self) -> None:
        """The innermost event ends."""
        _, ended = self.open.stack[-1]
        parts = _PARTS.get(ended.name)
        if parts is not None and not ended.cpu_children:
            for part in parts:
                child = self.enter(part, None, [])
                child.time_range.end = child.time_range.start
                self.open.stack.pop()
            child.time_range.start = ended.time_range.start
        ended.time_range.end = self.now()
        self.open.stack.pop()


_running: Final[list[Recording]] = []


class record_function:
    """Names a block (or a decorated function) in the profiles that are being taken.

    Args:
        name: the name of its events.
        args: a text kept with it.

    Example:
        >>> import cotangent as torch
        >>> with torch.autograd.profiler.profile() as prof, torch.autograd.profiler.record_function("mine"):
        ...     _ = torch.ones(3).exp()
        >>> [e.name for e in prof.function_events if e.is_user_annotation]
        ['mine']
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self.entered: list[Recording] = []

    def __enter__(self) -> record_function:
        for recording in _running:
            recording.enter(self.name, None, [], user=True)
            self.entered.append(recording)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for recording in self.entered:
            if recording in _running:
                recording.leave()
        self.entered.clear()

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return cast(F, named)


class profile:
    """Takes a profile of a block.

    Args:
        enabled: False makes it do nothing.
        use_cuda: accepted for PyTorch's sake.
        record_shapes: keep the shapes of the operands.
        with_flops: accepted for PyTorch's sake.
        profile_memory: accepted for PyTorch's sake.
        with_stack: accepted for PyTorch's sake.
        **others: further options of PyTorch's, which concern other devices.

    Example:
        >>> import cotangent as torch
        >>> with torch.autograd.profiler.profile() as prof:
        ...     _ = torch.ones(3).exp()
        >>> [event.name for event in prof.function_events]
        ['aten::ones', 'aten::empty', 'aten::fill_', 'aten::exp']
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        **others: Any,
    ) -> None:
        self.enabled = enabled
        self.record_shapes = record_shapes
        self.entered = False
        self._events: EventList | None = None

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        self._recording = Recording(self.record_shapes)
        self._recording.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.enabled:
            self._events = self._recording.stop()

    @property
    def function_events(self) -> EventList:
        """The events in the order of their calls."""
        return EventList() if self._events is None else self._events

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in all the events."""
        return self._finished().self_cpu_time_total

    def _finished(self) -> EventList:
        if self._events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self._events

    def key_averages(self, group_by_input_shape: bool = False, **others: Any) -> EventList:
        """The events summed per name (see `EventList.key_averages`)."""
        return self._finished().key_averages(group_by_input_shape)

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        return self._finished().total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as a table (see `EventList.table`)."""
        return self._finished().table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for a trace viewer."""
        self._finished().export_chrome_trace(path)

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else repr(self._events)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else str(self._events)
