"""`cotangent.doctor`: runs a training step a few times and says what is wrong with it."""

from __future__ import annotations

import copy
import random
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final

import numpy as np

from .. import random as generators
from ..autograd.modes import modes
from ..autograd.where import Place, is_internal, place
from ..nn.modules import Module
from ..optim.optimizer import Optimizer
from .exam import Exam, found_in
from .findings import Finding, Report
from .layers import Layers
from .loop import Gradients, Kept, Modes, Written
from .losses import Losses
from .reach import Reach
from .watch import Watch

__all__ = ["Checkup", "doctor"]

_MORE_RUNS: Final = 9  # while no optimizer has stepped: gradients may be accumulated over several
# Findings that explain others, which are then left out.
_EXPLAINED_BY: Final = {
    "zero-gradient": ("dead-relu", "vanishing", "exploding", "not-finite"),
    "vanishing": ("dead-relu", "exploding", "not-finite"),
    "not-finite": ("exploding", "label-range", "index-range"),
    "exploding": ("label-range",),
    "not-in-optimizer": ("stale-optimizer",),
    "error": ("label-range", "index-range", "target-range", "broadcast"),
    "dead-relu": ("exploding", "not-finite"),
}


def doctor(step: Callable[..., Any], *args: Any, runs: int = 3, restore: bool = True) -> Report:
    """Run a training step two or three times and report what is wrong with it.

    Looked for are parameters that get no gradient, and why; modules in plain lists and dicts; parameters
    that no optimizer has; losses that broadcast; softmax before cross entropy; labels out of range;
    zero_grad, backward and step missing or in the wrong order; graphs kept from step to step; writes
    through `.data`; train and eval mode mixed up; ReLUs that never fire; gradients that vanish or explode.

    Args:
        step: does one whole training step: zero_grad, forward, backward, step.
        *args: what to call it with.
        runs: how often it is run. While no optimizer steps (gradients are being accumulated) it is run up
            to 9 times.
        restore: put models, optimizers, schedules and random generators back afterwards, as far as `step`
            refers to them. A data iterator has moved on.

    Returns:
        The report: print it, or read `.findings`.

    Example:
        >>> import cotangent as torch
        >>> model = torch.nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> x, y = torch.randn(8, 3), torch.randn(8)
        >>> def step():
        ...     optimizer.zero_grad()
        ...     loss = ((model(x) - y) ** 2).mean()
        ...     loss.backward()
        ...     optimizer.step()
        >>> torch.doctor(step).kinds
        ['broadcast']
    """
    checkup = Checkup()
    things = found_in(step)
    for thing in things:
        checkup.exam.meet(thing)
    before = _Snapshot(things) if restore else None
    try:
        with checkup, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they warn of is among the findings
            number = 0
            while number < runs or (number < _MORE_RUNS and checkup.waits_for_a_step()):
                number += 1
                result: Any = None
                try:
                    result = step(*args)
                except Exception as error:
                    checkup.failed(error)
                    break
                finally:
                    del result
                checkup.end_run()
    finally:
        if before is not None:
            before.restore()
    return checkup.report()


class Checkup:
    """All checks of a program that runs; `with` it on, `end_run` after each training step, then `report`."""

    def __init__(self) -> None:
        self.exam = Exam()
        self.reach = Reach(self.exam)
        self.losses = Losses()
        self.gradients = Gradients(self.exam)
        self.kept = Kept(self.exam)
        self.written = Written()
        self.modes = Modes(self.exam)
        self.layers = Layers(self.exam)
        # In this order: `exam` first, as the others ask it.
        self.watch = Watch(
            [
                self.exam, self.reach, self.losses, self.gradients, self.written, self.modes, self.layers,
                self.kept,
            ]
        )  # fmt: skip
        self.runs = 0
        self.error: Finding | None = None
        self.compiled: Any = None

    def __enter__(self) -> Checkup:
        # What is compiled runs as it is written, or there would be nothing to see.
        compiler = sys.modules.get("cotangent.compile.function")
        if compiler is not None:
            self.compiled = compiler.switched_off
            self.was_off = self.compiled[0]
            self.compiled[0] = True
        self.watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.watch.stop()
        if self.compiled is not None:
            self.compiled[0] = self.was_off

    def waits_for_a_step(self) -> bool:
        """Whether backward runs and an optimizer is known, but none has stepped so far."""
        return bool(self.exam.backwards and self.exam.optimizers and not self.exam.steps)

    def end_run(self) -> None:
        """One training step is over."""
        self.runs += 1
        self.watch.tell("end_run", self.runs)

    def failed(self, error: Exception, keep: bool = False) -> None:
        """The step raised.

        Args:
            error: what it raised.
            keep: whether its traceback is still wanted; else it is dropped, as its frames hold the graph.
        """
        self.runs += 1
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        at = _place_of(error)
        if not keep:
            error.__traceback__ = None
        self.reach.resolve_cuts()
        self.watch.tell("end_run", self.runs)
        if "does not require grad and does not have a grad_fn" in text:
            cause = self.reach.cause([id(p) for _, p, _ in self.exam.named()])
            if modes.grad is None and modes.off is not None:
                self.error = Finding("no-grad", place(*modes.off[1:]), ("loss",))
            elif cause is not None:
                self.error = self.reach.explained(cause, ("loss",))
            else:
                self.error = Finding("no-graph", at)
        elif text.startswith("Trying to backward through the graph a second time"):
            self.error = Finding("graph-reused", at)
        elif "modified by an inplace operation" in text or "leaf Variable that requires grad" in text:
            self.error = Finding("in-place", at, (), {"text": text})
        else:
            self.error = Finding("error", at, (), {"text": f"{type(error).__name__}: {text}"})

    def report(self) -> Report:
        """The findings so far, causes before consequences."""
        if self.watch.trouble is not None:
            raise self.watch.trouble
        found = list(self._all())
        kinds = {finding.kind for finding in found}
        kept = [f for f in found if not kinds.intersection(_EXPLAINED_BY.get(f.kind, ()))]
        return Report(kept, self.runs)

    def _all(self) -> Iterator[Finding]:
        if self.error is not None:
            yield self.error
        yield from self.losses.found.values()
        yield from self.reach.hidden()
        if self.error is None:
            if self.exam.backwards:
                yield from self.reach.unreached()
            yield from self.reach.optimizers()
            yield from self.gradients.findings()
            yield from self.reach.zero()
        yield from self.written.found.values()
        yield from self.modes.findings()
        yield from self.kept.findings()
        yield from self.layers.dead()
        yield from self.layers.gradients()
        yield from self.layers.finite()


def _place_of(error: BaseException) -> Place | None:
    """The innermost line of the user's that led to an error."""
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if not is_internal(frame.f_code.co_filename):
            found = frame
    if found is None:
        return None
    trace = error.__traceback__
    lasti = 0
    while trace is not None:
        if trace.tb_frame is found:
            lasti = trace.tb_lasti
        trace = trace.tb_next
    return place(found.f_code, lasti)


class _Snapshot:
    """Models, optimizers, schedules and random generators as they are now."""

    def __init__(self, things: list[Any]) -> None:
        self.tensors: dict[int, tuple[Any, Any, Any]] = {}
        self.training: list[tuple[Module, bool]] = []
        self.optimizers: list[tuple[Optimizer, dict[Any, Any], list[dict[str, Any]]]] = []
        self.schedules: list[tuple[Any, dict[str, Any]]] = []
        for thing in things:
            if isinstance(thing, Module):
                for module in thing.modules():
                    self.training.append((module, module.training))
                for t in (*thing.parameters(), *thing.buffers()):
                    self._keep(t)
            elif isinstance(thing, Optimizer):
                for group in thing.param_groups:
                    for p in group["params"]:
                        self._keep(p)
                state = {p: copy.deepcopy(value) for p, value in thing.state.items()}
                groups = [
                    {k: copy.copy(v) for k, v in g.items() if k != "params"} for g in thing.param_groups
                ]
                self.optimizers.append((thing, state, groups))
            else:
                self.schedules.append((thing, dict(vars(thing))))
        self.random = (random.getstate(), np.random.get_state(), generators.get_rng_state())

    def _keep(self, t: Any) -> None:
        dense = t._grad is not None and isinstance(t._grad._data, np.ndarray)
        gradient = t._grad._data.copy() if dense else None
        self.tensors.setdefault(id(t), (t, t._data.copy(), (t._grad, gradient)))

    def restore(self) -> None:
        """Put everything back."""
        for t, data, (gradient, values) in self.tensors.values():
            np.copyto(t._data, data)
            t._grad = gradient
            if values is not None:
                np.copyto(gradient._data, values)
        for module, training in self.training:
            module.training = training
        for optimizer, state, groups in self.optimizers:
            optimizer.state.clear()
            optimizer.state.update(state)
            for group, saved in zip(optimizer.param_groups, groups, strict=False):
                group.update(saved)
        for schedule, fields in self.schedules:
            vars(schedule).update(fields)
        random.setstate(self.random[0])
        np.random.set_state(self.random[1])
        generators.set_rng_state(self.random[2])
