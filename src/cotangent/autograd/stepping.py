"""`autograd.steps`: backward one node at a time, forwards and back again, with all that happens on show.

It drives the engine's careful loop, so hooks run and gradients are accumulated as in `backward()`. Rules are
plain Python functions: a breakpoint on a line of a rule (`event.rules` says where they are), or on a line
of the generated text, stops there.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, TracebackType
from typing import Any, Final

from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..ops.table import Primitive
from .api import _cotangents, _many, _roots
from .base import as_array
from .engine import Careful, collect
from .modes import made, modes, next_task, set_recording
from .node import FREED, AccumulateGrad, Node, Port
from .recorded import OpNode
from .where import Place, place

__all__ = ["BackwardEvent", "Rule", "Steps", "steps"]


@dataclass(frozen=True)
class Rule:
    """The derivative rule of one input of an operation.

    Args:
        parameter: the name of the input.
        source: the rule's text.
        file: where it is written, for a breakpoint.
        line: its line there.
    """

    parameter: str
    source: str
    file: str
    line: int


class BackwardEvent:
    """One node of a backward that has run.

    Attributes:
        index: which step it was, from 0.
        node: the node.
        name: its name, such as `MulBackward0`.
        place: the line of the forward pass that recorded it; None for leaves.
        incoming: the gradients of the operation's outputs.
        outgoing: (node that it goes to, gradient of that input) for each input that wants one.
        leaf: for AccumulateGrad, the tensor whose `.grad` was added to; else None.
    """

    def __init__(
        self, index: int, node: Any, incoming: tuple[Any, ...], outgoing: list[tuple[Any, Any]]
    ) -> None:
        self.index = index
        self.node = node
        self.name: str = node.name()
        self.incoming = incoming
        self.outgoing = outgoing
        self.leaf: Any = node.variable if isinstance(node, AccumulateGrad) else None

    @property
    def place(self) -> Place | None:
        """The line of the forward pass that recorded the node."""
        return None if self.node.code is None else place(self.node.code, self.node.lasti)

    @property
    def rules(self) -> list[Rule]:
        """The derivative rules of the inputs that got a gradient."""
        return list(_rules_of(self.node))

    @property
    def source(self) -> str:
        """The text of the rules; of a custom Function its backward."""
        return "\n".join(rule.source for rule in self.rules)

    @property
    def saved(self) -> dict[str, Any]:
        """What the node kept for its rules, by name."""
        node = self.node
        if isinstance(node, OpNode):
            return {
                name: node.saved(name, True)
                for name in node.saved_names
                if not any(_is_freed(value) for value in _fields(node, name))
            }
        return dict(enumerate(getattr(node, "saved_tensors", ())))  # type: ignore[arg-type]

    def __str__(self) -> str:
        lines = [f"{self.index}: {self.name}"]
        at = self.place
        if at is not None:
            lines.append(f"    {at.file}:{at.line}: {at.text.strip()}")
        lines += [f"    rule {rule.parameter}: {' '.join(rule.source.split())}" for rule in self.rules]
        lines += [f"    in  {_shown(g)}" for g in self.incoming]
        if self.leaf is not None:
            lines.append(f"    .grad {_shown(self.leaf._grad)}")
        lines += [f"    out {_shown(g)} -> {node.name()}" for node, g in self.outgoing]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<BackwardEvent {self.index} {self.name}>"


def _is_freed(value: Any) -> bool:
    return value is FREED


def _fields(node: Any, name: str) -> list[Any]:
    return [getattr(node, name, FREED), getattr(node, f"{name}_vc", None)]


def _shown(g: Any) -> str:
    """A gradient in one line: its numbers if they are few."""
    if g is None:
        return "None"
    if g.numel() <= 6:
        return " ".join(repr(g).split())
    data = g._data
    return f"shape {list(g.shape)} {g.dtype}, from {data.min():.4g} to {data.max():.4g}"


class Steps(Iterator[BackwardEvent]):
    """A backward that stands still after each node.

    Iterating runs it forwards; `back()` takes the last step back, gradients of leaves included.

    Args:
        tensors: what to differentiate.
        gradients: cotangents to start from, as for `backward`.
    """

    def __init__(self, tensors: Any, gradients: Any = None) -> None:
        outputs = _many(tensors)
        given = (None,) * len(outputs) if gradients is None else _many(gradients)
        roots, cotangents = _roots(outputs, _cotangents(outputs, given))
        self._run = _Stepwise(roots, cotangents)
        self._events: list[BackwardEvent] = []
        self._undo: list[Callable[[], None]] = []

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> BackwardEvent:
        done = self._run.step()
        if done is None:
            raise StopIteration
        undo, node, incoming, outgoing = done
        event = BackwardEvent(len(self._events), node, incoming, outgoing)
        self._events.append(event)
        self._undo.append(undo)
        return event

    def __len__(self) -> int:
        """How many steps have been made."""
        return len(self._events)

    @property
    def events(self) -> list[BackwardEvent]:
        """The steps made so far."""
        return list(self._events)

    @property
    def current(self) -> BackwardEvent | None:
        """The last step; None at the start."""
        return self._events[-1] if self._events else None

    @property
    def pending(self) -> list[tuple[str, Any]]:
        """What comes next: (name of the node, gradient collected so far), the next one first."""
        return self._run.pending_now()

    def back(self, count: int = 1) -> BackwardEvent | None:
        """Take steps back.

        Args:
            count: how many.

        Returns:
            The step that is the last one now; None at the start.

        Raises:
            IndexError: if fewer have been made.
        """
        if count > len(self._undo):
            raise IndexError(f"only {len(self._undo)} steps have been made")
        for _ in range(count):
            self._undo.pop()()
            self._events.pop()
        return self.current

    def until(self, what: str | Callable[[BackwardEvent], bool]) -> BackwardEvent | None:
        """Run to a node.

        Args:
            what: part of the node's name, or a function of the event.

        Returns:
            Its event, or None if backward ended before.
        """
        wanted = what if callable(what) else lambda event: what in event.name
        return next((event for event in self if wanted(event)), None)

    def finish(self) -> None:
        """Run to the end."""
        for _ in self:
            pass

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.clear()

    def __repr__(self) -> str:
        return f"<Steps after {len(self._events)} of a backward>"


def steps(tensors: Any, gradients: Any = None) -> Steps:
    """Run backward one node at a time.

    Saved values stay, so the same graph can be run again; gradients are added to `.grad` as by
    `backward()`, and taken away again by `back()`. What hooks do besides cannot be undone.

    Args:
        tensors: tensor or sequence of tensors to differentiate.
        gradients: for each, the cotangent to start from; None for scalars means one.

    Returns:
        An iterator of BackwardEvent with `back()`, `until()` and `finish()`.

    Raises:
        RuntimeError: if a tensor has no graph, or is no scalar and has no cotangent.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> run = torch.autograd.steps(x * x + x)
        >>> [event.name for event in run]
        ['AddBackward0', 'MulBackward0', 'torch::autograd::AccumulateGrad']
        >>> x.grad
        tensor(7.)
        >>> run.back(2).outgoing[0][1]
        tensor(1.)
        >>> x.grad is None
        True
    """
    return Steps(tensors, gradients)


class _Stepwise(Careful):
    """The careful loop, node by node, noting what each one sends on."""

    def __init__(self, roots: list[Node], cotangents: list[Any]) -> None:
        order, leaves, _ = collect(roots)
        super().__init__(order, leaves, True, False, None, True)
        self.at = 0
        self.due: list[Any] = []  # leaves whose last contribution is in
        self.sent: list[tuple[Any, Any]] = []
        self.started = list(cotangents)
        self.task = next_task()
        for root, t in zip(roots, cotangents, strict=True):
            self.add(root, t._data)
            if root.__class__ is AccumulateGrad and not self.pending[root]:
                self.due.append(root)

    def add(self, node: Any, g: Any) -> None:
        self.sent.append((node, g))
        super().add(node, g)

    def leaf(self, node: Any) -> None:
        self.due.append(node)

    def step(self) -> Any:
        """Run the next node; returns (how to undo it, node, incoming, outgoing), None at the end."""
        undo = self._undoing()
        while True:
            if self.due:
                node = self.due.pop(0)
                incoming = (self.grads.get(node),)
                undo = self._with_gradient(undo, node)
                self._under(lambda leaf: super(_Stepwise, self).leaf(leaf), node)
                if incoming[0] is None:
                    continue
                return undo, node, self._shown(incoming), []
            if self.at == len(self.order):
                return None
            node = self.order[self.at]
            self.at += 1
            g = self.grads.get(node)
            self.sent.clear()
            self._under(self.node, node)
            if node.__class__ is Port or g is None:
                continue
            incoming = (g,) if node.nout == 1 else tuple(g)
            outgoing = [
                (edge.parent if edge.__class__ is Port else edge, made(as_array(value)))
                for edge, value in self.sent
            ]
            return undo, node, self._shown(incoming), outgoing

    def _shown(self, gs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(None if g is None else self.shown(g) for g in gs)

    def _under(self, run: Callable[[Any], None], node: Any) -> None:
        """Call `run` as the engine does: nothing recorded, NumPy silent."""
        before, inside, outer, task, given = modes.grad, modes.inside, modes.run, modes.task, modes.given
        was = modes.node, modes.keep
        modes.given, modes.task, modes.run, modes.keep = tuple(self.started), self.task, self, True
        set_recording(False)
        token = set_errors(QUIET)
        try:
            run(node)
        finally:
            reset_errors(token)
            modes.grad, modes.inside, modes.run, modes.task = before, inside, outer, task
            modes.given = given
            modes.node, modes.keep = was

    def _undoing(self) -> Callable[[], None]:
        at, due, pending = self.at, list(self.due), dict(self.pending)
        grads = {node: list(g) if isinstance(g, list) else g for node, g in self.grads.items()}

        def undo() -> None:
            self.at, self.due, self.pending, self.grads = at, due, pending, grads

        return undo

    def _with_gradient(self, undo: Callable[[], None], node: Any) -> Callable[[], None]:
        leaf = node.variable
        gradient = leaf._grad
        values = None if gradient is None else gradient._data.copy()

        def restore() -> None:
            undo()
            leaf._grad = gradient
            if values is not None:
                gradient._data[...] = values

        return restore

    def pending_now(self) -> list[tuple[str, Any]]:
        """Nodes that have got a gradient and not run yet, in the order in which they will."""
        waiting = [*self.due, *(node for node in self.order[self.at :] if node in self.grads)]
        out = []
        for node in waiting:
            g = self.grads.get(node)
            shown = next((part for part in g if part is not None), None) if isinstance(g, list) else g
            out.append((node.name(), None if shown is None else made(as_array(shown))))
        return out


# -- the text of rules -----------------------------------------------------------------------------------


def _rules_of(node: Any) -> Iterator[Rule]:
    op = node.op
    if isinstance(op, Primitive):
        start = 0
        for parameter, length in zip(op.tensors, node.span(), strict=True):
            if parameter in op.rules and any(e is not None for e in node.edges[start : start + length]):
                yield rule_text(parameter, op.rules[parameter])
            start += length
        return
    written = getattr(type(node), "_forward_cls", None)
    if written is not None:
        backward: Any = node._user_backward()
        try:
            lines, line = inspect.getsourcelines(backward)
        except (OSError, TypeError):
            return
        text = inspect.cleandoc("".join(lines))
        yield Rule("backward", text, backward.__code__.co_filename, line)


_PARSED: Final[dict[str, ast.Module | None]] = {}


def rule_text(parameter: str, function: Any) -> Rule:
    """A rule's own text: of a lambda only the lambda."""
    code: CodeType = function.__code__
    file, line = code.co_filename, code.co_firstlineno
    lines = linecache.getlines(file)
    if file not in _PARSED:
        try:
            _PARSED[file] = ast.parse("".join(lines)) if lines else None
        except SyntaxError:
            _PARSED[file] = None
    tree = _PARSED[file]
    found = None if tree is None else _written_at(tree, code)
    if found is None:
        return Rule(parameter, f"{code.co_name} at {file}:{line}", file, line)
    return Rule(parameter, ast.get_source_segment("".join(lines), found) or "", file, found.lineno)


def _written_at(tree: ast.Module, code: CodeType) -> Any:
    """The lambda or def in a file that a code object was compiled from."""
    spans = {p[:1] + p[2:3] for p in code.co_positions() if p[0] is not None and p[2] is not None}
    best: Any = None
    for node in ast.walk(tree):
        if isinstance(node, (ast.Lambda, ast.FunctionDef)) and _fits(node, code):
            inside = _positions(node)
            if spans & inside and (best is None or node.lineno >= best.lineno):
                best = node
    return best


def _fits(node: Any, code: CodeType) -> bool:
    arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    named = node.name == code.co_name if isinstance(node, ast.FunctionDef) else code.co_name == "<lambda>"
    return named and arguments == list(code.co_varnames[: code.co_argcount])


def _positions(node: Any) -> set[tuple[int, int]]:
    body = node.body if isinstance(node.body, list) else [node.body]
    return {
        (inner.lineno, inner.col_offset)
        for part in body
        for inner in ast.walk(part)
        if isinstance(inner, (ast.expr, ast.stmt))
    }
