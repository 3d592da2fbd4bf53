"""torch.profiler: profiles of blocks and of training steps, by a schedule."""

from __future__ import annotations

import enum
import os
import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from ..autograd.profiler import Recording, record_function
from ..autograd.profiler_util import EventList, FunctionEventAvg

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


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
        >>> plan = torch.profiler.schedule(wait=1, warmup=0, active=1)
        >>> [plan(step).name for step in range(3)]
        ['NONE', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError("Invalid profiler schedule arguments")

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


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None) -> Callable[[profile], None]:
    """A handler for `on_trace_ready` that writes each trace into a folder.

    Args:
        dir_name: the folder, made if need be.
        worker_name: start of the files' names; host and process by default.

    Returns:
        the handler.
    """

    def write(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json"))

    return write


class profile:
    """Takes profiles: of a block, or of the training steps that a schedule picks.

    Args:
        activities: accepted for PyTorch's sake; there is only the CPU.
        schedule: function from the step's number to a ProfilerAction; None records everything.
        on_trace_ready: called with the profile whenever one is complete.
        record_shapes: keep the shapes of the operands.
        profile_memory: accepted for PyTorch's sake.
        with_stack: accepted for PyTorch's sake.
        with_flops: accepted for PyTorch's sake.
        with_modules: accepted for PyTorch's sake.
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
        **others: Any,
    ) -> None:
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes
        self.step_num = 0
        self.current_action = ProfilerAction.NONE
        self._recording: Recording | None = None
        self._step: record_function | None = None
        self._events: EventList | None = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin."""
        self._begin(ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num))

    def stop(self) -> None:
        """End, and hand over the profile that is being recorded."""
        self._end(save=self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE))
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """Tell the profiler that the next training step begins."""
        before = self.current_action
        self.step_num += 1
        following = ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num)
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
            self._recording = Recording(self.record_shapes)
            self._recording.start()
        if self.schedule is not None:
            self._step = record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _end(self, save: bool) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None
        if self._recording is None:
            return
        events, self._recording = self._recording.stop(), None
        if save:
            self._events = events
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def events(self) -> EventList:
        """The events of the last profile, in the order of their calls."""
        if self._events is None:
            raise AssertionError("Expected profiler to be set")
        return self._events

    def key_averages(self, group_by_input_shape: bool = False, **others: Any) -> EventList:
        """The events summed per name (see `EventList.key_averages`)."""
        return self.events().key_averages(group_by_input_shape)

    def total_average(self) -> FunctionEventAvg:
        """All events in one sum."""
        return self.events().total_average()

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for a trace viewer."""
        self.events().export_chrome_trace(path)
