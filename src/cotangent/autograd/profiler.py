"""torch.autograd.profiler: which operations ran, how often, and how long they took.

Nothing in the package knows of the profiler. While one is on, Python's own profile hook (`sys.setprofile`)
reports every call of a Python function, and the calls of operations become events: functions of the `torch`
namespace and of `torch.nn.functional`, generated entries, nodes of the graph, steps of optimizers. A program
that is not profiled pays nothing.

PyTorch names a factory's parts (`ones` is `empty`, then `fill_`). Here it is one call; its event gets these
parts, the whole time in the last, so that profiles read alike.
"""

from __future__ import annotations

import functools
import os
import threading
import time
import warnings
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, Final, TypeVar, cast

from .. import functions, late
from ..methods import public
from .accumulate import accumulate_array
from .base import TensorBase
from .calls import listen, stop_listening
from .node import Node
from .profiler_lines import LineList
from .profiler_util import DeviceType, EventList, FunctionEvent, FunctionEventAvg
from .profiler_work import Allocations, flops_of, flops_of_backward
from .where import is_internal, user_frame

__all__ = [
    "DeviceType", "EventList", "FunctionEvent", "FunctionEventAvg", "Recording", "emit_itt", "emit_nvtx",
    "kineto_available", "profile", "record_function",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

_FILL: Final = {"ones": "fill_", "full": "fill_", "zeros": "zero_", "rand": "uniform_", "randn": "normal_"}
_PARTS: Final = {
    **{f"aten::{name}": ("aten::empty", f"aten::{fill}") for name, fill in _FILL.items()},
    **{f"aten::{name}_like": ("aten::empty_like", f"aten::{fill}") for name, fill in _FILL.items()},
}
_NODE: Final = "node"  # the name stands in the frame: that of the node
_OPTIMIZER: Final = "optimizer"  # likewise: that of its class
_ACCUMULATE: Final = "torch::autograd::AccumulateGrad"
_GENERATED: Final = "<cotangent "
_RUNS_NODE: Final = frozenset(("step", "apply"))
_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FUNCTIONAL: Final = os.path.join(_PACKAGE, "nn", "functional") + os.sep
_OPTIMIZERS: Final = os.path.join(_PACKAGE, "optim", "optimizer.py")
_OTHER_NAMES: Final = {"cross_entropy": "cross_entropy_loss"}  # what PyTorch calls them inside


@functools.cache
def _names() -> dict[CodeType, str | None]:
    """Names of events by the code of the functions; what else is met is entered as it comes."""
    found: dict[CodeType, str | None] = {accumulate_array.__code__: _ACCUMULATE}
    waiting = {name: late.function(name) for name in late.FUNCTIONS}
    for name, value in {**public("FUNCTIONAL"), **waiting, **vars(functions)}.items():
        plain = getattr(value, "__wrapped__", value)  # autocast puts code of its own in front of functions
        if isinstance(plain, FunctionType) and plain.__code__.co_name == name:
            found[plain.__code__] = f"aten::{name}"
    return found


def _name_of(code: CodeType) -> str | None:
    name = code.co_name
    if name in _RUNS_NODE and code.co_varnames[:1] == ("self",):
        return _NODE
    if name.startswith(("<", "_")) or not code.co_argcount:
        return None
    if code.co_filename.startswith(_FUNCTIONAL):
        return f"aten::{_OTHER_NAMES.get(name, name)}" if code.co_qualname == name else None
    if code.co_filename == _OPTIMIZERS:
        return _OPTIMIZER if name in ("hooked", "zero_grad") else None
    return f"aten::{name}" if code.co_filename.startswith(_GENERATED) else None


class _Call:
    """A call that has not returned."""

    __slots__ = ("args", "event", "frame", "node")

    def __init__(
        self, event: FunctionEvent, frame: FrameType | None, args: tuple[Any, ...], node: Any
    ) -> None:
        self.event = event
        self.frame = frame
        self.args = args
        self.node = node


class _Open(threading.local):
    """The calls of this thread that have not returned."""

    def __init__(self) -> None:
        self.stack: list[_Call] = []
        self.last: FunctionEvent | None = None  # the one that ended last, where none is open


class Recording:
    """Collects events from `start` to `stop`.

    Args:
        shapes: keep the shapes of the tensors in the call.
        memory: count the memory of arrays that operations make and of those that go.
        stacks: keep the user's lines that led to each call.
        flops: count floating-point operations.
    """

    def __init__(
        self, shapes: bool = False, memory: bool = False, stacks: bool = False, flops: bool = False
    ) -> None:
        self.shapes = shapes
        self.stacks = stacks
        self.flops = flops
        self.memory = Allocations(self._allocated) if memory else None
        self.events: list[FunctionEvent] = []
        self.open = _Open()
        self.began = 0
        self.began_us = 0.0
        self.ended = False
        self.most: int | None = None  # after so many events it listens no longer

    def start(self) -> None:
        """Begin to listen, in this thread and in those it starts."""
        self.began = time.perf_counter_ns()
        self.began_us = time.time_ns() / 1e3
        _running.append(self)
        self.listen(True)

    def listen(self, on: bool) -> None:
        """Notice calls from here on, or do not."""
        (listen if on else stop_listening)(self.called)

    def stop(self) -> EventList:
        """Listen no longer; returns the events."""
        self.listen(False)
        _running.remove(self)
        now = self.now()
        while self.open.stack:
            self.open.stack.pop().event.time_range.end = now
        self.ended = True
        if self.memory is not None:
            for event in reversed(self.events):  # what ran inside comes later
                if event.cpu_parent is not None:
                    event.cpu_parent.cpu_memory_usage += event.cpu_memory_usage
        return EventList(self.events, profile_memory=self.memory is not None, with_flops=self.flops)

    def now(self) -> float:
        """Microseconds since the start."""
        return (time.perf_counter_ns() - self.began) / 1e3

    def _allocated(self, size: int) -> None:
        # What a call held goes when its frame does, right after the call has ended.
        event = self.open.stack[-1].event if self.open.stack else self.open.last
        if not self.ended and event is not None:
            event.cpu_memory_usage += size

    def called(self, frame: FrameType, event: str, value: Any) -> None:
        """What `sys.setprofile` calls at every call and return."""
        stack = self.open.stack
        if event == "call":
            code = frame.f_code
            names = _names()
            name = names[code] if code in names else names.setdefault(code, _name_of(code))
            if name is not None and (self.most is None or len(self.events) < self.most):
                self._enter_call(name, frame, code)
        elif event == "return" and stack and stack[-1].frame is frame:
            self.leave(value)

    def _enter_call(self, name: str, frame: FrameType, code: CodeType) -> None:
        scope = frame.f_locals
        node: Any = None
        if name is _NODE:
            node = scope["self"]
            if not isinstance(node, Node):
                return
            name = type(node).__name__
        elif name is _OPTIMIZER:
            what = "zero_grad" if code.co_name == "zero_grad" else "step"
            owner = type(scope["self"]).__name__
            self.enter(f"Optimizer.{what}#{owner}.{what}", frame, user=True)
            return
        stack = self.open.stack
        if stack and stack[-1].event.name == name:
            return  # the entry behind a front of the same name
        args = tuple(scope.get(a) for a in code.co_varnames[: code.co_argcount])
        self.enter(name, frame, args, node)
        if name == _ACCUMULATE:
            leaf: Any = args[0]
            stack[-1].args += (leaf._grad,)  # what was there before

    def enter(
        self, name: str, frame: FrameType | None, args: tuple[Any, ...] = (), node: Any = None,
        user: bool = False,
    ) -> FunctionEvent:  # fmt: skip
        """An event begins."""
        stack = self.open.stack
        made = FunctionEvent(len(self.events), name, threading.get_ident(), self.now(), 0.0)
        made.is_user_annotation = user
        made.input_shapes = []
        if self.shapes and node is None and not user:
            made.input_shapes = [list(t._data.shape) if isinstance(t, TensorBase) else [] for t in args]
        parent = made.cpu_parent = stack[-1].event if stack else None
        if parent is not None:
            parent.cpu_children.append(made)
        made.backward = node is not None or name == _ACCUMULATE or (parent is not None and parent.backward)
        if frame is not None:
            outer = user_frame(frame)
            made.place = (outer.f_code, outer.f_lasti)
            if self.stacks:
                made.stack = _stack_of(outer)
        if node is not None:
            made.sequence_nr = node.seq
            if node.code is not None:
                made.place = (node.code, node.lasti)
            if self.flops and len(args) > 1:
                g = args[1]
                made.flops = flops_of_backward(node, g[0] if isinstance(g, tuple) and g else g)
        self.events.append(made)
        stack.append(_Call(made, frame, args, node))
        return made

    def leave(self, result: Any = None) -> None:
        """The innermost event ends."""
        call = self.open.stack[-1]
        ended = call.event
        parts = _PARTS.get(ended.name)
        if parts is not None and not ended.cpu_children:
            for part in parts:
                child = self.enter(part, None)
                child.time_range.end = child.time_range.start
                self.open.stack.pop()
            child.time_range.start = ended.time_range.start
        ended.time_range.end = self.now()
        if call.frame is not None:
            self._look(call, result)
        self.open.stack.pop()
        self.open.last = ended

    def _look(self, call: _Call, result: Any) -> None:
        """Note what is to be known of a call when it has returned."""
        event, node = call.event, call.node
        if node is not None:
            if self.memory is not None:
                args = call.args
                grads = args[2] if len(args) > 2 and isinstance(args[2], dict) else {}
                made = [grads[e] for e in node.edges if e in grads] if grads else [result]
                self.memory.made(made, args[1:2])
            return
        first = result[0] if isinstance(result, tuple) and result else result
        if isinstance(first, TensorBase) and first._node is not None:
            event.sequence_nr = getattr(first._node, "parent", first._node).seq
        if self.flops and not event.backward:
            event.flops = flops_of(event.name, call.args, result)
        if self.memory is not None:
            self.memory.made([call.args[0]._grad if event.name == _ACCUMULATE else result], call.args)


def _stack_of(frame: FrameType | None) -> list[str]:
    """The user's lines from `frame` outwards."""
    out = []
    while frame is not None:
        code = frame.f_code
        if not is_internal(code.co_filename) and not code.co_filename.startswith("<frozen"):
            out.append(f"{code.co_filename}({frame.f_lineno}): {code.co_name}")
        frame = frame.f_back
    return out


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
            recording.enter(self.name, None, user=True)
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
        use_device: accepted for PyTorch's sake.
        record_shapes: keep the shapes of the operands.
        with_flops: count floating-point operations of products, convolutions, additions and multiplications.
        profile_memory: count the memory of arrays: what operations make, and what goes while they run.
        with_stack: keep the lines that led to each call.
        with_modules: accepted for PyTorch's sake.
        use_kineto: accepted for PyTorch's sake.
        use_cpu: accepted for PyTorch's sake.
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
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        **others: Any,
    ) -> None:
        if use_cuda:
            warnings.warn(
                (
                    "The attribute `use_cuda` will be deprecated soon, please use ``use_device = "
                    "'cuda'`` instead."
                ),
                FutureWarning,
                stacklevel=2,
            )
        self.enabled = enabled
        # PyTorch's way to tell what an operation cost goes by the shapes of its operands.
        self.record_shapes = record_shapes or with_flops
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.entered = False
        self._recording: Recording | None = None
        self._events: EventList | None = None

    def __enter__(self) -> profile | None:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        self._recording = Recording(self.record_shapes, self.profile_memory, self.with_stack, self.with_flops)
        self._recording.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._recording is not None:
            self._events = self._recording.stop()

    def toggle_collection_dynamic(self, enabled: bool, activities: Any = None) -> None:
        """Notice calls from here on, or do not, within the block.

        Args:
            enabled: which.
            activities: accepted for PyTorch's sake; there is only the CPU.
        """
        if self._recording is not None and not self._recording.ended:
            self._recording.listen(enabled)

    @property
    def function_events(self) -> EventList:
        """The events in the order of their calls."""
        return EventList() if self._events is None else self._events

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in all the events."""
        return self.function_events.self_cpu_time_total

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events summed per name (see `EventList.key_averages`)."""
        return self.function_events.key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def by_line(self) -> LineList:
        """The events summed per line of the program, forward and backward side by side."""
        return self.function_events.by_line()

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        return self.function_events.total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as a table (see `EventList.table`)."""
        return self.function_events.table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for a trace viewer."""
        self.function_events.export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write stacks with their times, as flame graph programs read them.

        Args:
            path: name of the file.
            metric: which time.

        Raises:
            AssertionError: without `with_stack=True`.
        """
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        self.function_events.export_stacks(path, metric)

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else repr(self._events)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._events is None else str(self._events)


def kineto_available() -> bool:
    """Whether PyTorch's Kineto library takes the profiles: never here, where Python's own hook does."""
    return False


class _Emit:
    """A block whose operations are announced to another profiler."""

    _called: str

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled
        self.record_shapes = record_shapes
        self.entered = False

    def __enter__(self) -> Any:
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError(f"{self._called} annotation context manager is not reentrant")
        self.entered = True
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def _begin(self) -> None:
        """Reach the other profiler."""


class emit_itt(_Emit):
    """Announces operations to Intel's tracing tools; none listens to Python, so this is a plain block.

    Args:
        enabled: False makes it do nothing.
        record_shapes: accepted for PyTorch's sake.
    """

    _called = "ITT"


class emit_nvtx(_Emit):
    """Announces operations to NVIDIA's tracing tools, which need CUDA.

    Args:
        enabled: False makes it do nothing.
        record_shapes: accepted for PyTorch's sake.

    Raises:
        AssertionError: when the block begins, as in PyTorch without CUDA.
    """

    _called = "NVTX"

    def _begin(self) -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")
