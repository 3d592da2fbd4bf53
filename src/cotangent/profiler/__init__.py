"""torch.profiler: profiles of blocks and of training steps, by a schedule."""

from __future__ import annotations

import enum
import json
import os
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from types import TracebackType
from typing import Any

from ..autograd.profiler import Recording, kineto_available, record_function
from ..autograd.profiler_lines import LineList
from ..autograd.profiler_trace import write_trace
from ..autograd.profiler_util import DeviceType, EventList, FunctionEventAvg

__all__ = [
    "DeviceType", "ProfilerAction", "ProfilerActivity", "kineto_available", "profile", "record_function",
    "schedule", "supported_activities", "tensorboard_trace_handler",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("itt", "profiler"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class ProfilerActivity(enum.Enum):
    """What a profile can look at."""

    CPU = 0


class ProfilerAction(enum.Enum):
    """What the profiler does during a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """What profiles can look at here.

    Example:
        >>> import cotangent as torch
        >>> torch.profiler.supported_activities()
        {<ProfilerActivity.CPU: 0>}
    """
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """A plan of which training steps to record.

    Args:
        wait: steps to leave out at the start of each cycle.
        warmup: steps to run with the profiler on, whose events are dropped.
        active: steps to record.
        repeat: number of cycles; 0 for no end.
        skip_first: steps to leave out before the first cycle.
        skip_first_wait: if not 0, the first cycle does not wait.

    Returns:
        a function from the step's number to what is done during it.

    Raises:
        AssertionError: if there are no active steps.

    Example:
        >>> import cotangent as torch
        >>> plan = torch.profiler.schedule(wait=1, warmup=1, active=1)
        >>> [plan(step).name for step in range(4)]
        ['NONE', 'WARMUP', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )
    if warmup == 0:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)

    def plan(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat and step // cycle >= repeat:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if at < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return plan


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, use_python_export: bool = False
) -> Callable[[profile], None]:
    """A handler for `on_trace_ready` that writes each trace into a folder, where TensorBoard finds it.

    Args:
        dir_name: the folder, made if need be.
        worker_name: start of the files' names; host and process by default.
        use_gzip: whether to compress.
        use_python_export: accepted for PyTorch's sake: all traces are written by Python.

    Returns:
        the handler.

    Raises:
        RuntimeError: from the handler, if the folder cannot be made.
    """

    def write(prof: profile) -> None:
        if not os.path.isdir(dir_name):
            try:
                os.makedirs(dir_name, exist_ok=True)
            except Exception as error:
                raise RuntimeError("Can't create directory: " + dir_name) from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + ".gz" * use_gzip
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return write


class profile:
    """Takes profiles: of a block, or of the training steps that a schedule picks.

    Args:
        activities: accepted for PyTorch's sake; there is only the CPU.
        schedule: function from the step's number to a ProfilerAction; None records everything.
        on_trace_ready: called with the profile whenever one is complete.
        record_shapes: keep the shapes of the operands.
        profile_memory: count the memory of arrays: what operations make, and what goes while they run.
        with_stack: keep the lines that led to each call.
        with_flops: count floating-point operations of products, convolutions, additions and multiplications.
        with_modules: accepted for PyTorch's sake.
        acc_events: add the events of later cycles of the schedule to those of earlier ones.
        use_cuda: deprecated.
        custom_trace_id_callback: gives a profile its id.
        **others: further options of PyTorch's, which concern other devices.

    Example:
        >>> import cotangent as torch
        >>> with torch.profiler.profile() as prof:
        ...     _ = torch.ones(3).exp()
        >>> [event.key for event in prof.key_averages()]
        ['aten::ones', 'aten::empty', 'aten::fill_', 'aten::exp']
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        **others: Any,
    ) -> None:
        if use_cuda is not None:
            warnings.warn(
                "`use_cuda` is deprecated, use `activities` argument instead", FutureWarning, stacklevel=2
            )
        self.activities = set(activities) if activities else supported_activities()
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes or with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_flops = with_flops
        self.with_modules = with_modules
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.step_num = 0
        self.current_action = ProfilerAction.NONE if schedule is None else schedule(0)
        self.preset_metadata: dict[str, str] = {}
        self._metadata: dict[str, Any] = {}
        self._recording: Recording | None = None
        self._step: record_function | None = None
        self._events: EventList | None = None
        self._began_us = 0.0
        self._id: str | None = None
        self._was_on = False

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin."""
        self._was_on = True
        self._begin(ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num))

    def stop(self) -> None:
        """End, and hand over the profile that is being recorded.

        Raises:
            AssertionError: if it has not begun.
        """
        if not self._was_on:
            raise AssertionError("Profiler must be initialized before stopping trace")
        self._end(save=self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE))
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """Tell the profiler that the next training step begins."""
        before = self.current_action
        self.step_num += 1
        following = ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num)
        if not self._was_on:
            return
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._end(save=True)
        elif before is ProfilerAction.WARMUP or following is ProfilerAction.NONE:
            self._end(save=False)
        elif self._step is not None:
            self._step.__exit__(None, None, None)
        self._begin(following)

    def _begin(self, action: ProfilerAction) -> None:
        self.current_action = action
        if action is ProfilerAction.NONE:
            return
        if self._recording is None:
            self._recording = Recording(
                self.record_shapes, self.profile_memory, self.with_stack, self.with_flops
            )
            self._recording.start()
            make = self.custom_trace_id_callback
            self._id = make() if make is not None else uuid.uuid4().hex.upper()
            self._metadata = {key: json.loads(value) for key, value in self.preset_metadata.items()}
        if self.schedule is not None:
            self._step = record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _end(self, save: bool) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None
        if self._recording is None:
            return
        recording, self._recording = self._recording, None
        events = recording.stop()
        self._began_us = recording.began_us
        if save:
            if self.acc_events and self._events is not None:
                self._events.extend(events)
            else:
                self._events = events
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def _recorded(self, before: str) -> EventList:
        """The events of the last profile; an error says before what it must have been taken."""
        if self._events is None:
            if self._was_on:
                return EventList()
            raise AssertionError(f"Profiler must be initialized before {before}")
        return self._events

    def toggle_collection_dynamic(
        self, enable: bool, activities: Iterable[ProfilerActivity] | None = None
    ) -> None:
        """Notice calls from here on, or do not, within the profile.

        Args:
            enable: which.
            activities: accepted for PyTorch's sake; there is only the CPU.
        """
        if self._recording is not None:
            self._recording.listen(enable)

    def events(self) -> EventList:
        """The events of the last profile, in the order of their calls."""
        return self._recorded("accessing events")

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events summed per name (see `EventList.key_averages`)."""
        events = self._recorded("getting key averages")
        return events.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def by_line(self) -> LineList:
        """The events summed per line of the program, forward and backward side by side."""
        return self._recorded("accessing events").by_line()

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        return self._recorded("getting key averages").total_average()

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for a trace viewer (chrome://tracing, Perfetto, TensorBoard).

        Args:
            path: name of the JSON file; compressed if it ends in ".gz".
        """
        events = self._recorded("exporting chrome trace")
        flags = {
            "record_shapes": self.record_shapes, "profile_memory": self.profile_memory,
            "with_stack": self.with_stack, "with_flops": self.with_flops, "with_modules": self.with_modules,
        }  # fmt: skip
        top: dict[str, Any] = {"trace_id": self._id, "host_name": socket.gethostname()}
        top |= {name: 1 for name, on in flags.items() if on}
        write_trace(events, path, {**top, **self._metadata}, self._began_us)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write stacks with their times, as flame graph programs read them.

        Args:
            path: name of the file.
            metric: which time.

        Raises:
            AssertionError: without `with_stack=True`.
        """
        events = self._recorded("exporting stacks")
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        events.export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """Add a text to the top of the trace file."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Add a JSON text to the top of the trace file, as the value it stands for."""
        self._metadata[key] = json.loads(value)

    def preset_metadata_json(self, key: str, value: str) -> None:
        """Add a JSON text to the top of every trace file that is begun from here on."""
        self.preset_metadata[key] = value

    def get_trace_id(self) -> str | None:
        """The id of the last profile."""
        return self._id

    def set_custom_trace_id_callback(self, callback: Callable[[], str]) -> None:
        """Let `callback()` give profiles their ids."""
        self.custom_trace_id_callback = callback
