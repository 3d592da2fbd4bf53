"""Checks of the doctor on the order of a step: zero_grad, backward, step; and on what outlives it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..autograd.modes import modes
from ..autograd.node import next_seq
from ..nn.modules import Module
from ..nn.modules.batchnorm import _NormBase
from ..nn.modules.dropout import _DropoutNd
from .exam import Exam
from .findings import Finding
from .holders import saved_values, who_holds
from .watch import Listener, Marks, OpCall, Spot, line_of, numbers_of, tensors_in

__all__ = ["Gradients", "Kept", "Modes", "Written"]

_SENSITIVE = (_NormBase, _DropoutNd)  # what computes something else in training


def _something(gradient: Any) -> bool:
    """Whether a gradient is there and not all zero."""
    numbers = None if gradient is None else numbers_of(gradient)
    return numbers is not None and bool(numbers.any())


class Gradients(Listener):
    """When gradients are cleared, added to and used."""

    def __init__(self, exam: Exam) -> None:
        self.exam = exam
        self.left: dict[int, set[int]] = {}  # optimizer -> parameters whose gradient it has used already
        self.mixed: dict[int, dict[int, Any]] = {}  # ... to which backward then added more
        self.fresh: dict[int, Any] = {}  # parameters that got a gradient in this run, not used yet
        self.lost: dict[int, Spot] = {}  # ... and where it was thrown away
        self.early: Spot | None = None  # a step without any gradient, in this run
        self.missing: tuple[Spot, list[Any]] | None = None
        self.misplaced: Spot | None = None
        self.before: Spot | None = None
        # Parameters without an optimizer: data and gradient when backward ended.
        self.by_hand: dict[int, tuple[Any, Any, Any]] = {}
        self.recorded = 0

    def before_backward(self, roots: list[Any], leaves: dict[int, Any], spot: Spot) -> None:
        for key, optimizer in self.exam.optimizers.items():
            left = self.left.get(key, set())
            for p in _parameters(optimizer):
                if id(p) in left and not _something(p._grad):
                    left.discard(id(p))
                if id(p) in left and id(p) in leaves:
                    self.mixed.setdefault(key, {})[id(p)] = p
        optimized = self.exam.optimized()
        for key, (p, data, gradient) in self.by_hand.items():
            if key in leaves and key not in optimized and _something(p._grad):
                used = not np.array_equal(data, p._data, equal_nan=True)
                if used and np.array_equal(gradient, p._grad._data, equal_nan=True) and self.missing is None:
                    self.missing = (spot, [p])
        if self.early is not None and self.before is None:
            self.before = self.early

    def after_backward(self, leaves: dict[int, Any], spot: Spot) -> None:
        optimized = self.exam.optimized()
        for key, p in leaves.items():
            if _something(p._grad):
                self.fresh[key] = p
                self.lost.pop(key, None)
                if key not in optimized and isinstance(p._grad._data, np.ndarray):
                    self.by_hand[key] = (p, p._data.copy(), p._grad._data.copy())

    def zeroed(self, owner: Any, spot: Spot) -> None:
        parameters = list(owner.parameters()) if isinstance(owner, Module) else _parameters(owner)
        for p in parameters:
            if _something(p._grad):
                continue
            for left in self.left.values():
                left.discard(id(p))
            for mixed in self.mixed.values():
                mixed.pop(id(p), None)
            if id(p) in self.fresh:
                self.lost[id(p)] = spot
                del self.fresh[id(p)]

    def before_step(self, optimizer: Any, closure: bool, spot: Spot) -> None:
        if closure:
            return
        parameters = _parameters(optimizer)
        have = [p for p in parameters if _something(p._grad)]
        mixed = self.mixed.get(id(optimizer))
        if mixed and self.missing is None:
            self.missing = (spot, list(mixed.values()))
        thrown = [self.lost[id(p)] for p in parameters if id(p) in self.lost]
        if not have and thrown and self.misplaced is None:
            self.misplaced = thrown[0]
        if not have and not thrown and not any(id(p) in self.fresh for p in parameters):
            self.early = spot

    def after_step(self, optimizer: Any) -> None:
        parameters = _parameters(optimizer)
        self.left[id(optimizer)] = {id(p) for p in parameters if _something(p._grad)}
        self.mixed.pop(id(optimizer), None)
        for p in parameters:
            self.fresh.pop(id(p), None)
            self.lost.pop(id(p), None)
            self.by_hand.pop(id(p), None)

    def op(self, call: OpCall) -> None:
        self.recorded += call.recording and any(t._req for t in tensors_in(call.result))

    def end_run(self, run: int) -> None:
        self.early = None

    def findings(self) -> Iterator[Finding]:
        """What was wrong with the order."""
        exam = self.exam
        if self.before is not None:
            yield Finding("step-before-backward", line_of(self.before))
        elif self.misplaced is not None:
            yield Finding("zero-grad-misplaced", line_of(self.misplaced))
        elif self.missing is not None:
            spot, parameters = self.missing
            names = {id(p): name for name, p, _ in exam.named()}
            shown = tuple(names.get(id(p), f"a tensor of shape {list(p.shape)}") for p in parameters)
            yield Finding("zero-grad-missing", line_of(spot), shown)
        if exam.backwards and exam.optimizers and not exam.steps:
            reached = any(key in exam.optimized() for key in exam.reached)
            if reached:
                yield Finding("step-missing", line_of(exam.backwards[-1]), (), {"runs": exam.run - 1})
        if not exam.backwards and self.recorded and exam.roots_called:
            at = exam.steps[-1][1] if exam.steps else next(iter(exam.roots_called.values()))
            yield Finding("backward-missing", line_of(at))


def _parameters(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


class Kept(Listener):
    """Whether the graphs of earlier runs stay alive."""

    def __init__(self, exam: Exam) -> None:
        self.exam = exam
        self.graphs: list[tuple[int, Any, Spot]] = []
        self.sums: dict[int, Spot] = {}  # node -> the line that used its scalar once more
        self.alive: dict[Spot, list[tuple[Any, Spot]]] = {}  # line of backward -> graphs, lines to name

    def before_backward(self, roots: list[Any], leaves: dict[int, Any], spot: Spot) -> None:
        for node in roots:
            self.graphs.append((self.exam.run, weakref.ref(node), spot))

    def op(self, call: OpCall) -> None:
        if call.name in ("add", "stack", "sub") and call.recording:
            for t in tensors_in(call.args):
                if t._node is not None and not t._data.shape:
                    self.sums[id(t._node)] = call.spot

    def end_run(self, run: int) -> None:
        gc.collect()
        self.alive = {}
        for number, ref, spot in self.graphs:
            node = ref()
            if node is not None and number < run:
                self.alive.setdefault(spot, []).append((ref, self.sums.get(id(node), spot)))

    def findings(self) -> Iterator[Finding]:
        """Graphs of at least two earlier runs, of one line, that are still there."""
        for graphs in self.alive.values():
            if len(graphs) < 2:
                continue
            ref, spot = graphs[-1]
            node = ref()
            names = tuple(dict.fromkeys(holder.name for holder in who_holds(node)))
            del node
            # What no name of the program holds is the library's, in the middle of a call (gradgradcheck).
            if names:
                yield Finding("graph-kept", line_of(spot), names)


class Written(Listener):
    """Writes through `.data` into memory that a later backward needs."""

    def __init__(self) -> None:
        self.taken = Marks()
        # (number in the order of nodes, memory written, node of the tensor, tensor whose payload was
        # replaced, line)
        self.writes: list[tuple[int, Any, Any, Any, Spot]] = []
        self.found: dict[Spot, Finding] = {}

    def took_data(self, source: Any, result: Any, spot: Spot) -> None:
        self.taken.set(result, source)

    def op(self, call: OpCall) -> None:
        result = call.result
        for t in tensors_in(call.args):
            source = self.taken.get(t)
            if source is not None:
                for made in tensors_in(result):
                    if made._view is not None and made is not t:
                        self.taken.set(made, source)

    def wrote(self, target: Any, spot: Spot) -> None:
        source = self.taken.get(target)
        if source is not None and target._data.__class__ is np.ndarray:
            self.writes.append((next_seq(), target._data, source._node, None, spot))

    def set_data(self, target: Any, spot: Spot) -> None:
        self.writes.append((next_seq(), None, target._node, target, spot))

    def before_backward(self, roots: list[Any], leaves: dict[int, Any], spot: Spot) -> None:
        if not self.writes:
            return
        for node in _nodes(roots):
            for number, memory, owner, replaced, at in self.writes:
                if node.seq > number or at in self.found or node.code is None:
                    continue
                touched = owner is node
                for value in saved_values(node):
                    array = value._data if hasattr(value, "_data") else value
                    if replaced is not None:
                        touched = touched or value is replaced
                    elif array.__class__ is np.ndarray and array.size:
                        touched = touched or bool(np.may_share_memory(array, memory))
                if touched:
                    second = line_of((node.code, node.lasti))
                    self.found[at] = Finding("data-write", line_of(at), (), {}, second)

    def end_run(self, run: int) -> None:
        self.writes.clear()
        self.taken.clear()


def _nodes(roots: list[Any]) -> Iterator[Any]:
    """All nodes that can be reached."""
    seen = {id(node) for node in roots}
    stack = list(roots)
    while stack:
        node = stack.pop()
        yield node
        for edge in node.edges:
            if edge is not None and id(edge) not in seen:
                seen.add(id(edge))
                stack.append(edge)


class Modes(Listener):
    """Models trained in eval mode, or evaluated in training mode."""

    def __init__(self, exam: Exam) -> None:
        self.exam = exam
        self.recorded_in_eval: dict[int, tuple[Module, Spot]] = {}  # by their last call
        self.trained_in_eval: dict[int, tuple[Module, Spot]] = {}
        self.evaluated: dict[int, tuple[Module, Spot]] = {}
        self.evaluating: list[tuple[Module, Spot]] = []
        self.from_evaluation = Marks()
        self.used_for_training: set[int] = set()

    def enter(self, module: Module, outer: tuple[Module, ...], args: dict[str, Any], spot: Spot) -> None:
        if outer or not any(isinstance(m, _SENSITIVE) for m in module.modules()):
            return
        if modes.grad is None:
            if module.training:
                self.evaluated.setdefault(id(module), (module, spot))
        else:
            self.recorded_in_eval.pop(id(module), None)
            if not any(m.training for m in module.modules()):
                self.recorded_in_eval[id(module)] = (module, spot)

    def before_backward(self, roots: list[Any], leaves: dict[int, Any], spot: Spot) -> None:
        for key, (module, at) in self.recorded_in_eval.items():
            if any(id(p) in leaves for p in module.parameters()):
                self.trained_in_eval.setdefault(key, (module, at))

    def leave(self, module: Module, outer: tuple[Module, ...], result: Any) -> None:
        if not outer and modes.grad is None and id(module) in self.evaluated:
            for t in tensors_in(result):
                self.from_evaluation.set(t, module)

    def op(self, call: OpCall) -> None:
        for t in tensors_in(call.args):
            module = self.from_evaluation.get(t)
            if module is None:
                continue
            for made in tensors_in(call.result):
                if made._req:
                    self.used_for_training.add(id(module))
                else:
                    self.from_evaluation.set(made, module)

    def findings(self) -> Iterator[Finding]:
        """What was in the wrong mode."""
        exam = self.exam
        optimized = exam.optimized()
        for module, spot in self.trained_in_eval.values():
            if any(id(p) in exam.reached and id(p) in optimized for p in module.parameters()):
                yield Finding("eval-mode", line_of(spot), (type(module).__name__,))
        for key, (module, spot) in self.evaluated.items():
            if key not in self.used_for_training and exam.trained(module):
                yield Finding("train-mode", line_of(spot), (type(module).__name__,))
