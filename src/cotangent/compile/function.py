"""`compile` and the functions it gives back."""

from __future__ import annotations

import functools
import os
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, Final

from .. import lazy
from ..autograd.modes import modes
from ..config import settings
from ..kernels import runtime
from .compiled import Entry
from .recorder import Untraceable, after_fork
from .tracing import trace_call

# As PyTorch's torch._dynamo.config.recompile_limit.
LIMIT: Final = 8
_MODES: Final = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")

_show: Final[Any] = lazy.module("cotangent.compile.show")
_optimized: Final[Any] = lazy.module("cotangent.nn.optimized")


class Compiled:
    """A function that is traced when it is first called and run as a program from then on.

    Args:
        function: what to compile.
        fullgraph: whether it is an error if it cannot be compiled (else it runs as it is, with a warning).
        backend: "eager" runs the function as it is, everything else compiles it.
    """

    def __init__(
        self, function: Callable[..., Any], fullgraph: bool = False, backend: Any = "inductor"
    ) -> None:
        self.function = function
        self.fullgraph = fullgraph
        self.backend = backend
        self.entries: dict[Any, list[Entry]] = {}
        self.traces = 0
        self.given_up: str | None = None
        self.lock = threading.RLock()
        functools.update_wrapper(self, function, updated=())
        if not watched and hasattr(os, "register_at_fork"):
            watched.append(True)
            os.register_at_fork(after_in_child=_after_fork)
        every.add(self)

    def forget(self) -> None:
        """Drop all programs, and the memory of what could not be compiled."""
        with self.lock:
            self.entries.clear()
            self.traces = 0
            self.given_up = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self.given_up is not None
            or modes.tracer is not None
            or modes.levels
            or modes.dispatch
            or modes.extras.anomaly
            or modes.extras.absorbing
            or (modes.grad is not None and modes.grad is not True)
            or switched_off[0]
        ):
            return self.function(*args, **kwargs)
        roots = {"function": self.function, "args": args, "kwargs": kwargs}
        key = (modes.grad, modes.inference, settings.default_dtype)
        with self.lock:
            entries = self.entries.get(key, ())
            why = ""
            for entry in entries:
                found = entry.find(roots)  # type: ignore[misc]
                if found.__class__ is str:
                    why = found
                    continue
                tensors, arrays, given = found
                out = entry.program.arrays(arrays, given)
                if out is None:
                    why = "a number in a tensor that Python code looked at has another value"
                    continue
                return finished(entry.settle, tensors, arrays, given, *out)
            return self._trace(key, why, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        held = instance.__dict__.setdefault("__compiled__", {})
        name = self.function.__name__
        if name not in held:
            held[name] = Compiled(self.function.__get__(instance), self.fullgraph, self.backend)
        return held[name]

    def _trace(self, key: Any, why: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.traces >= LIMIT:
            return self._give_up(
                f"{_name(self.function)} was compiled {LIMIT} times, the last time because {why}",
                args,
                kwargs,
            )
        reason = ""
        runtime.ready()  # it will be needed, and makes listening to the calls cheap
        try:
            traced = trace_call(self.function, args, kwargs)
        except Untraceable as error:
            reason = f"{_name(self.function)} cannot be compiled: {error}"
            if self.fullgraph:
                raise RuntimeError(reason) from None
        if reason:  # here, where the error no longer holds the graph that was traced
            return self._give_up(reason, args, kwargs)
        ran = False
        try:
            entry = Entry(traced)
            found = entry.first_run()
            ran = True
        finally:
            if not ran:  # it raised, or was interrupted: nothing has been changed yet but Python's objects
                traced.undo()
        self.traces += 1
        if entry.once is None:
            self.entries.setdefault(key, []).insert(0, entry)
        elif self.traces >= LIMIT:
            self.given_up = entry.once
            self._warn(f"{_name(self.function)} is not compiled any more, because {entry.once}")
        return finished(entry.settle_first, found)

    def _give_up(self, reason: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.given_up = reason
        self._warn(reason)
        return self.function(*args, **kwargs)

    def _warn(self, reason: str) -> None:
        warnings.warn(f"torch.compile: {reason}. It runs uncompiled from now on.", UserWarning, stacklevel=5)

    def work(self) -> tuple[float, float]:
        """What the newest program computes and moves: floating-point operations and bytes.

        Raises:
            RuntimeError: if there is none.
        """
        programs = [e.program.native for entries in self.entries.values() for e in entries]
        if not programs or programs[0] is None:
            raise RuntimeError("nothing has been compiled")
        found: tuple[float, float] = programs[0].work()
        return found

    def show(self, timed: bool = False) -> str:
        """The programs made so far, as text: tape, fused groups, memory plan.

        Args:
            timed: whether to measure each group beside its floor (on memory of its own; nothing is changed).

        Returns:
            The text.
        """
        entries = [e for held in self.entries.values() for e in held]
        if not entries:
            return "not called yet"
        parts = []
        peak, bandwidth = _show.machine() if timed else (0.0, 0.0)
        for entry in entries:
            parts.append(str(entry.program.forward))
            native = entry.program.native
            if native is not None:
                parts.append(_show.table(native, peak, bandwidth) if timed else _show.groups(native))
                parts.append(_show.memory(native))
        return "\n\n".join(parts)


def finished(settle: Callable[..., Any], *args: Any) -> Any:
    """What `settle` gives; an interrupt in the middle of it is raised when it is done."""
    try:
        return settle(*args)
    except KeyboardInterrupt:
        settle(*args)
        raise


# Set where compiled functions are to run as they are (torch.compiler.set_stance).
switched_off: Final = [0]
# All compiled functions, for torch.compiler.reset.
every: Final[weakref.WeakSet[Any]] = weakref.WeakSet()

# Whether forks are known of.
watched: Final[list[bool]] = []


def _after_fork() -> None:
    """In a child: no other thread is left that could let go of a lock."""
    after_fork()
    for compiled in list(every):
        compiled.lock = threading.RLock()


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", None) or type(function).__name__)


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """Compile a function or module: what it computes runs as one program from its second call on.

    The function may be a whole training step, with backward, clipping and optimizer. It is traced as it runs;
    tensors that it reads or changes (parameters, buffers, the optimizer's state) are found by themselves. If
    shapes, dtypes or what Python code depends on change, it is traced again, at most eight times.

    Args:
        model: function or `nn.Module`; left out for use as a decorator.
        fullgraph: whether to raise if it cannot be compiled, instead of running it as it is with a warning.
        dynamic: accepted; programs are made for the shapes they are called with.
        backend: "eager" does not compile; other names are accepted and mean the one compiler there is.
        mode: accepted.
        options: accepted.
        disable: whether to give `model` back as it is.

    Returns:
        A function that is called like `model`, or a module that stands for it.

    Raises:
        RuntimeError: if mode and options are both given, or the mode is unknown.

    Example:
        >>> import cotangent as torch
        >>> @torch.compile
        ... def f(x):
        ...     return torch.sin(x) ** 2 + torch.cos(x) ** 2
        >>> f(torch.tensor([0.5, 1.5]))
        tensor([1., 1.])
    """
    if model is None:
        return functools.partial(
            compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options,
            disable=disable,
        )  # fmt: skip
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if disable or backend == "eager":
        return model
    if not callable(model):
        raise TypeError(f"torch.compile: expected a function or module, got {type(model).__name__}")
    if hasattr(model, "forward") and hasattr(model, "_modules"):
        return _optimized.OptimizedModule(model, Compiled(model, fullgraph, backend))
    return Compiled(model, fullgraph, backend)
