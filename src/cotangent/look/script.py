"""Looks at a whole program that somebody runs: what `python -m cotangent --doctor script.py` and its kin do.

Each is a context manager around the run of the program and says what it has to say on standard error, so that
the program's own output stays as it is.
"""

from __future__ import annotations

import functools
import inspect
import sys
from types import TracebackType
from typing import Any, Final

from .. import autograd, lazy
from ..autograd.modes import modes
from ..autograd.profiler import Recording
from ..autograd.profiler_trace import write_trace
from ..autograd.views import edge_of
from ..config import settings
from ..nn.modules import Module
from ..nn.modules.module import register_module_forward_pre_hook
from ..optim.optimizer import Optimizer, register_optimizer_step_pre_hook
from ..tensor import Tensor
from .doctor import Checkup
from .layers import is_finite
from .memory import graph_nodes
from .watch import Listener, Spot, graph_leaves, tensors_in, user_scope

__all__ = ["DoctorOf", "GraphOf", "NanOf", "ProfileOf"]

viz: Final[Any] = lazy.module("cotangent.viz")
nan: Final[Any] = lazy.module("cotangent.look.nan")

_STEPS: Final = 4  # training steps that are looked at closely
_EVENTS: Final = 400_000  # a profile stops listening after so many calls

_PICTURES: Final = (".svg", ".html", ".dot", ".mmd", ".txt")

_SAID: Final = {
    "en": {
        "graph": "cotangent --graph: the graph of the first backward is in {path}",
        "no graph": "cotangent --graph: no backward ran, so there is no graph",
        "nan": "cotangent --explain-nan: at backward number {count}",
        "no nan": "cotangent --explain-nan: no nan and no inf in {count} runs of backward",
        "profile": "cotangent --profile: {count} calls, the trace is in {path}",
        "full": "cotangent --profile: stopped listening after {count} calls",
        "lines": "by line of the program:",
        "nothing": "cotangent --doctor: neither an optimizer nor backward ran, so there is nothing to say",
    },
    "zh": {
        "graph": "cotangent --graph: 第一次 backward 的计算图已写入 {path}",
        "no graph": "cotangent --graph: 没有运行 backward, 因此没有计算图",
        "nan": "cotangent --explain-nan: 第 {count} 次 backward",
        "no nan": "cotangent --explain-nan: {count} 次 backward 中没有 nan 或 inf",
        "profile": "cotangent --profile: {count} 次调用, 跟踪文件已写入 {path}",
        "full": "cotangent --profile: {count} 次调用之后不再记录",
        "lines": "按程序的行:",
        "nothing": "cotangent --doctor: 既没有优化器也没有 backward 运行, 没有可说的",
    },
}


def say(what: str, **facts: Any) -> None:
    """Print a sentence on standard error, in the languages that are asked for."""
    for language in settings.languages():
        print(_SAID[language][what].format(**facts), file=sys.stderr)


class _Around:
    """Something that begins before the program and ends after it."""

    def __enter__(self) -> Any:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(value)

    def begin(self) -> None:
        """Before the program."""

    def end(self, error: BaseException | None) -> None:
        """After it, whether it ended in an error or not."""


class DoctorOf(_Around, Listener):
    """The doctor for a program: a training step ends with the step of its first optimizer.

    Of the first few steps everything is looked at. After that the program runs unwatched, but for calls of
    the models: an evaluation, or a step in eval mode, is looked at once more.
    """

    def __init__(self) -> None:
        self.checkup = Checkup()
        self.checkup.watch.listeners.append(self)
        self.watching = False
        self.first: Optimizer | None = None
        self.later: Any = None
        self.seen: set[tuple[int, bool]] = set()

    def begin(self) -> None:
        self._watch(True)

    def _watch(self, on: bool) -> None:
        if on is not self.watching:
            self.watching = on
            (self.checkup.__enter__ if on else lambda: self.checkup.__exit__(None, None, None))()

    # -- where steps end ---------------------------------------------------------------------------

    def after_step(self, optimizer: Optimizer) -> None:
        self.first = self.first or optimizer
        if optimizer is self.first:
            self._step_ended()

    def after_backward(self, leaves: dict[int, Any], spot: Spot) -> None:
        # Without an optimizer, parameters are updated by hand: a step ends with backward.
        if not self.checkup.exam.optimizers:
            self._step_ended()

    def _step_ended(self) -> None:
        checkup = self.checkup
        if self.later is None:
            checkup.end_run()
            if checkup.runs < _STEPS:
                return
            self.later = [
                register_module_forward_pre_hook(self._called_later),
                register_optimizer_step_pre_hook(self._stepped_later),
            ]
        self._watch(False)

    def _called_later(self, module: Module, args: Any) -> None:
        """A module is called, many steps later: is it a model in a mode that has not been seen yet?"""
        recording = modes.grad is not None
        key = (id(module), recording)
        wrong = module.training is not recording
        if self.watching or not wrong or key in self.seen or id(module) not in self.checkup.exam.models:
            return
        self.seen.add(key)
        self._watch(True)
        self.checkup.watch.inside(module, sys._getframe(1))

    def _stepped_later(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self.watching and optimizer is self.first:
            self._watch(False)

    # -- the end -----------------------------------------------------------------------------------

    def end(self, error: BaseException | None) -> None:
        self._watch(False)
        for handle in self.later or ():
            handle.remove()
        checkup = self.checkup
        if isinstance(error, Exception):
            checkup.failed(error, keep=True)
        elif self.later is None:
            checkup.end_run()
        if checkup.watch.trouble is not None:
            trouble = checkup.watch.trouble
            print(f"cotangent --doctor: {type(trouble).__name__}: {trouble}", file=sys.stderr)
        elif checkup.exam.backwards or checkup.exam.steps or checkup.error is not None:
            checkup.report().show(sys.stderr)
        else:
            say("nothing")


class GraphOf(_Around, Listener):
    """The graph of a program's first backward, in a file.

    Args:
        path: where to; its ending says which kind of picture.
    """

    def __init__(self, path: str) -> None:
        if not path.endswith(_PICTURES):
            raise ValueError(f"--graph writes {', '.join(_PICTURES)}, not {path!r}")
        self.path = path
        self.written = False
        self.refused: OSError | None = None

    def begin(self) -> None:
        self.watch: Any = Checkup().watch
        self.watch.listeners = [self]
        self.capture = viz.capture()
        self.capture.__enter__()
        self.watch.start()

    def differentiate(self, tensors: list[Any]) -> None:
        if self.written or not tensors:
            return
        self.written = True
        self._stop()
        try:
            viz.graph(tensors, names=user_scope()).save(self.path)
        except OSError as error:
            self.refused = error

    def _stop(self) -> None:
        if self.watch is not None:
            self.watch.stop()
            self.capture.__exit__(None, None, None)
            self.watch = None

    def end(self, error: BaseException | None) -> None:
        self._stop()
        if self.refused is not None:
            print(f"cotangent --graph: {self.refused}", file=sys.stderr)
        else:
            say("graph" if self.written else "no graph", path=self.path)


class NanOf(_Around):
    """The first nan or inf of a program, in a loss or in a gradient, explained as soon as it is there.

    Graphs are kept until the gradients have been looked at, and freed then as `backward` would have done.
    """

    def __init__(self) -> None:
        self.count = 0
        self.found = False
        self.originals: list[tuple[Any, Any]] = []

    def begin(self) -> None:
        self.originals = [(owner, owner.backward) for owner in (Tensor, autograd)]
        for owner, original in self.originals:
            owner.backward = self._wrapped(original)

    def _wrapped(self, original: Any) -> Any:
        """`backward` that looks at what it is given and at what it gives."""
        parameters = inspect.signature(original)

        @functools.wraps(original)
        def backward(*args: Any, **kwargs: Any) -> None:
            try:
                given = parameters.bind(*args, **kwargs)
            except TypeError:
                return original(*args, **kwargs)  # type: ignore[no-any-return]
            given.apply_defaults()
            tensors = [t for t in tensors_in(next(iter(given.arguments.values()))) if t._req]
            if self.found or not tensors or modes.task:
                return original(*args, **kwargs)  # type: ignore[no-any-return]
            self.count += 1
            if not all(is_finite(t) for t in tensors):
                self._explain(tensors)
            keep = given.arguments["retain_graph"]
            keep = given.arguments["create_graph"] if keep is None else keep
            given.arguments["retain_graph"] = True
            original(*given.args, **given.kwargs)
            leaves = graph_leaves(edge_of(t) for t in tensors)
            if not self.found and not all(p._grad is None or is_finite(p._grad) for p in leaves.values()):
                self._explain(tensors)
            if not keep:
                for node in graph_nodes(tensors):
                    node.release()
            return None

        return backward

    def _explain(self, tensors: list[Any]) -> None:
        self.found = True
        say("nan", count=self.count)
        print(nan.explain_nan(tensors), file=sys.stderr)

    def end(self, error: BaseException | None) -> None:
        for owner, original in self.originals:
            owner.backward = original
        if not self.found:
            say("no nan", count=self.count)


class ProfileOf(_Around):
    """A profile of a whole program: a trace file, and tables of operations and lines.

    Args:
        path: name of the trace file; compressed if it ends in ".gz".
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.recording = Recording(shapes=True, memory=True, flops=True)

    def begin(self) -> None:
        self.recording.most = _EVENTS
        self.recording.start()

    def end(self, error: BaseException | None) -> None:
        events = self.recording.stop()
        write_trace(events, self.path, {}, self.recording.began_us)
        table = events.key_averages().table(sort_by="self_cpu_time_total", row_limit=15)
        print(table, file=sys.stderr)
        say("lines")
        print(events.by_line().table(row_limit=15), file=sys.stderr)
        if len(events) >= _EVENTS:
            say("full", count=len(events))
        say("profile", count=len(events), path=self.path)
