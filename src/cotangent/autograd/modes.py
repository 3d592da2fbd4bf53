"""Thread-local modes: recording on or off, inference, anomaly detection, saved-tensor hooks.

`modes.grad` answers the one question a recorded operation asks: None (do not record), True (record)
or an `Extras` object (record, then let it look at the new node: anomaly traces, packed saved tensors).
"""

from __future__ import annotations

import collections
import functools
import inspect
import itertools
import sys
import warnings
from _thread import _local  # threading.local; threading itself costs import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from .base import InferenceCell, active, wrap
from .where import internal_files, user_frame

_DECORATED_CLASS: Final = (
    "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
    "functions "
    "or methods. To preserve the current behavior of class decoration, you can directly decorate the "
    "`__init__` "
    "method and nothing else."
)
F = TypeVar("F", bound=Callable[..., Any])


class Extras:
    """What besides plain recording is switched on in this thread."""

    __slots__ = ("absorbing", "anomaly", "check_nan", "running", "saved_hooks", "saving_disabled", "watchers")

    def __init__(self) -> None:
        self.absorbing = False
        self.anomaly = False
        self.check_nan = True
        # the node whose rule is being recorded (create_graph), for anomaly's parents
        self.running: Any = None
        self.saved_hooks: list[tuple[Callable[..., Any], Callable[..., Any]]] = []
        self.saving_disabled: str | None = None
        # called with (node, operands, results) for each node (pictures of graphs)
        self.watchers: list[Callable[..., None]] = []

    def any(self) -> bool:
        """Whether a recorded node needs a second look."""
        return self.anomaly or bool(self.saved_hooks or self.watchers)


class _Modes(_local):
    grad: Any = True  # None | True | Extras; see the module's docstring
    inference: bool = False
    multithreading: bool = True
    off: Any = None  # (by what, code, lasti) of the switch that turned recording off; None while it is on
    view_replay: bool = False
    keeping: bool = False  # saved tensors may be written in place
    tangents: bool = True  # whether forward mode computes tangents
    # Of the backward that runs in this thread (see running.py): the node that it is at, where somebody may
    # ask for that, whether it keeps the graph, and what to call in the end; and how many runs it is inside
    # of.
    node: Any = None
    keep: bool = False
    callbacks: list[Callable[[], Any]] | None = None
    depth: int = 0
    # The number of the backward that runs in this thread: 0 if none, negative if it ends at given inputs.
    task: int = 0
    dispatch: Any = None  # the dispatch modes of this thread, innermost last; None where there never was one
    tracer: Any = None  # the trace of a compiled function that runs in this thread
    inside: bool = False  # recording was asked for in inference mode, which records nothing

    def __init__(self) -> None:
        self.extras = Extras()
        self.off = None  # in the instance, where it is found faster than in the class
        self.levels: list[Any] = []  # the transforms of torch.func that are running, outermost first
        self.given: tuple[Any, ...] = ()  # the cotangents that the backward of this thread started from
        # The last backwards that freed their graphs: (weak reference to a root, code, lasti), newest first.
        self.ran: collections.deque[Any] = collections.deque(maxlen=8)
        self.run: Any = None  # the backward with hooks that this thread is in, innermost
        self.vmaps: list[Any] = []  # the vmaps this thread is inside of: random functions ask the innermost


modes: Final = _Modes()
next_task: Final = itertools.count(1).__next__


def grad_enabled() -> bool:
    """Whether operations are recorded in this thread.

    Example:
        >>> import cotangent as torch
        >>> torch.is_grad_enabled()
        True
    """
    return modes.grad is not None or modes.inside


def set_recording(on: bool) -> None:
    """Switch recording in this thread."""
    modes.inside = on and modes.inference
    if not on or modes.inference:
        modes.grad = None
    else:
        modes.grad = modes.extras if modes.extras.any() else True


def made(data: Any) -> Any:
    """An array that was computed just now as a tensor: one of inference mode, if that is on."""
    t = wrap(data)
    if modes.inference:
        t._vc = InferenceCell((0, None, modes.off))
    return t


def refresh_extras() -> None:
    """Call after a change to `modes.extras`."""
    if modes.grad is not None:
        set_recording(True)


class Decorator:
    """A context manager that also decorates functions, generators and coroutines."""

    # Of the manager for one call of a decorated function: the function, where recording is switched off.
    _decorated: Any = None

    def clone(self) -> Any:
        """A fresh manager for one call of the decorated function."""
        return self.__class__()

    def _inside(self, function: Any) -> Any:
        """The manager for one call of `function`."""
        manager = self.clone()
        manager._decorated = function
        return manager

    def _switch(self) -> tuple[str, Any, int]:
        """(by what, code, lasti) to be noted where this manager switches recording off."""
        name = type(self).__name__
        if self._decorated is not None and hasattr(self._decorated, "__code__"):
            return name, self._decorated.__code__, 0
        frame = sys._getframe(2)
        code = frame.f_code
        if internal_files(code.co_filename) is not False:
            frame = user_frame(frame)
            code = frame.f_code
        return name, code, frame.f_lasti

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def __call__(self, function: F) -> F:
        if inspect.isclass(function):
            # PyTorch decorates the constructor of a class.
            warnings.warn(_DECORATED_CLASS, FutureWarning, stacklevel=2)
            init = function.__init__

            @functools.wraps(init)
            def constructed(*args: Any, **kwargs: Any) -> Any:
                with self._inside(init):
                    return init(*args, **kwargs)

            function.__init__ = constructed  # type: ignore[method-assign]
            return cast(F, function)
        if inspect.isgeneratorfunction(function):
            return cast(F, self._generator(function))

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self._inside(function):
                return function(*args, **kwargs)

        return cast(F, called)

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Each resumption runs under the mode; between them the caller's mode holds."""

        @functools.wraps(function)
        def resumed(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            send: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self._inside(function):
                        value = send()
                except StopIteration as stop:
                    return stop.value
                try:
                    sent = yield value
                except GeneratorExit:
                    with self.clone():
                        generator.close()
                    raise
                except BaseException as error:
                    send = functools.partial(generator.throw, error)
                else:
                    send = functools.partial(generator.send, sent)

        return resumed


class no_grad(Decorator):
    """Switch recording off, as a context manager or decorator.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.no_grad():
        ...     (x * 2).requires_grad
        False
    """

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        on = modes.grad is not None
        self._before = on or modes.inside
        self._off = modes.off
        if on:  # the outer of two switches is the one that counts
            modes.off = self._switch()
            modes.grad = None
        modes.inside = False

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.off = self._off
        set_recording(self._before)


class enable_grad(Decorator):
    """Switch recording on, as a context manager or decorator.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.no_grad(), torch.enable_grad():
        ...     (x * 2).requires_grad
        True
    """

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._before = grad_enabled()
        self._off = modes.off
        modes.off = None
        set_recording(True)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.off = self._off
        set_recording(self._before)


class set_grad_enabled(Decorator):
    """Switch recording on or off, at once as a function or for a block as a context manager.

    Args:
        mode: whether to record.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.set_grad_enabled(False)
        >>> torch.is_grad_enabled()
        False
        >>> _ = torch.set_grad_enabled(True)
    """

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self.mode = mode
        self._before = grad_enabled()
        self._off = modes.off
        if mode:
            modes.off = None
        elif modes.grad is not None:
            modes.off = self._switch()
        set_recording(mode)

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __call__(self, function: F) -> F:
        self.__exit__(None, None, None)  # as a decorator the switch holds inside the function only
        return super().__call__(function)

    def __enter__(self) -> None:
        if not self.mode and self._decorated is not None:
            modes.off = self._switch()
        set_recording(self.mode)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.off = self._off
        set_recording(self._before)

    def __str__(self) -> str:
        return f"<class 'torch.autograd.grad_mode.set_grad_enabled'>(mode={self.mode})"

    __repr__ = __str__


class inference_mode(Decorator):
    """Like no_grad, and tensors made inside may never be recorded later.

    Args:
        mode: whether inference mode is on (False switches it off inside another block).

    Example:
        >>> import cotangent as torch
        >>> with torch.inference_mode():
        ...     torch.ones(1).is_inference()
        True
    """

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if isinstance(mode, bool):
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def clone(self) -> inference_mode:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        self._before = (grad_enabled(), modes.inference)
        self._off = modes.off
        if self.mode and not modes.inference:
            modes.off = self._switch()
        if modes.inference != self.mode:
            active.inference += 1 if self.mode else -1
            active.ever = True
        modes.inference = self.mode
        set_recording(not self.mode)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        grad, inference = self._before
        if modes.inference != inference:
            active.inference += 1 if inference else -1
        modes.inference = inference
        modes.off = self._off
        set_recording(grad)


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on in this thread.

    Example:
        >>> import cotangent as torch
        >>> torch.is_inference_mode_enabled()
        False
    """
    return modes.inference


class enforce_grad_layout_policy(Decorator):
    """Whether a new gradient takes its parameter's order in memory; accepted, gradients keep their own here.

    Args:
        enable: on or off.

    Example:
        >>> import cotangent as torch
        >>> with torch.autograd.enforce_grad_layout_policy(False):
        ...     pass
    """

    def __init__(self, enable: bool = True) -> None:
        self.enable = enable

    def clone(self) -> enforce_grad_layout_policy:
        return self.__class__(self.enable)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class set_multithreading_enabled(Decorator):
    """Accepted for PyTorch's sake: backward runs in the calling thread.

    Args:
        mode: whether several threads may be used.
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = modes.multithreading
        modes.multithreading = mode

    def clone(self) -> set_multithreading_enabled:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        modes.multithreading = self.mode

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.multithreading = self._before


def is_multithreading_enabled() -> bool:
    """Whether backward may use several threads in PyTorch (`set_multithreading_enabled`).

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.is_multithreading_enabled()
        True
    """
    return modes.multithreading


class _force_original_view_tracking(Decorator):
    """Whether the history of a view of something written is made by its own operations, or by as_strided.

    Args:
        mode: True for its own operations.

    Example:
        >>> import cotangent as torch
        >>> with torch.autograd._force_original_view_tracking(True):
        ...     view = torch.ones(2, requires_grad=True).clone().view(-1)
        ...     _ = view.add_(1)
        ...     print(type(view.grad_fn).__name__)
        ViewBackward0
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = modes.view_replay
        modes.view_replay = mode

    def clone(self) -> _force_original_view_tracking:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.view_replay = self._before


def is_view_replay_enabled() -> bool:
    """Whether the history of a view of something written is made by its own operations.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.is_view_replay_enabled()
        False
    """
    return modes.view_replay
