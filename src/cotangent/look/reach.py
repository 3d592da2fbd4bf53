"""Checks of the doctor: parameters without a gradient and why, hidden modules, optimizers that miss some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..autograd.modes import modes
from ..autograd.where import Place
from ..nn.modules import Module
from ..nn.parameter import Parameter
from .exam import Exam, defined_at
from .findings import Finding
from .watch import Listener, OpCall, Spot, graph_leaves, line_of, numbers_of, tensors_in

__all__ = ["Reach"]

# What to write instead of what cuts the graph.
_INSTEAD: Final = {
    "detach": "leave out .detach()",
    "data": "leave out .data",
    "item": "leave out .item(), float() or tolist()",
    "numpy": "use torch functions instead of NumPy",
    "tensor": "use torch.stack or torch.cat instead of torch.tensor",
}
_WORDS: Final = {
    "detach": ".detach()", "data": ".data", "item": ".item()", "numpy": ".numpy()",
    "tensor": "torch.tensor()",
}  # fmt: skip
_OWN: Final = frozenset(vars(Module()))  # what every module has
# Reading a number is mostly for a log: such cuts explain a missing gradient only if nothing else does.
_LATE: Final = ("item",)
_SHAPES_ONLY: Final = frozenset(
    (
        "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "eq", "ne", "lt",
        "le", "gt", "ge", "isnan", "isfinite", "isinf",
    )
)  # fmt: skip


class Reach(Listener):
    """Who is reached by backward, and who is not."""

    def __init__(self, exam: Exam) -> None:
        self.exam = exam
        self.used: dict[int, Spot] = {}
        self.off: dict[int, Spot] = {}
        self.switches: dict[Spot, Spot] = {}  # where what was used there had been switched off
        self.given: set[int] = set()
        self.cuts: list[tuple[str, Any, Spot]] = []
        self.cut_of: dict[int, tuple[int, str, Spot]] = {}
        self.nonzero: set[int] = set()

    def op(self, call: OpCall) -> None:
        for t in tensors_in(call.args):
            if isinstance(t, Parameter) or t._req:
                self.used.setdefault(id(t), call.spot)
                if not call.recording:
                    self.off.setdefault(id(t), call.spot)
                    if modes.off is not None:
                        self.switches.setdefault(call.spot, modes.off[1:])

    def cut(self, kind: str, source: Any, spot: Spot) -> None:
        node = source._node
        if node is not None:
            self.cuts.append((kind, node, spot))
        else:
            self._explain(kind, (id(source),), spot)

    def _explain(self, kind: str, ids: Any, spot: Spot) -> None:
        name = kind.partition(":")[2]
        rank = 2 if kind in _LATE or name in _SHAPES_ONLY else 1 if name else 0
        for key in ids:
            if key not in self.cut_of or self.cut_of[key][0] > rank:
                self.cut_of[key] = (rank, kind, spot)

    def after_backward(self, leaves: dict[int, Any], spot: Spot) -> None:
        for key, leaf in leaves.items():
            numbers = None if leaf._grad is None else numbers_of(leaf._grad)
            if numbers is not None:
                self.given.add(key)
                if numbers.any():
                    self.nonzero.add(key)

    def resolve_cuts(self) -> None:
        """Work out which parameters each cut has cut off; then the graphs are let go."""
        missing = {id(p) for _, p, _ in self.exam.named()} - set(self.exam.reached)
        if missing:
            for kind, node, spot in self.cuts:
                self._explain(kind, missing & set(graph_leaves([node])), spot)
        self.cuts.clear()

    def end_run(self, run: int) -> None:
        self.resolve_cuts()

    # -- findings ----------------------------------------------------------------------------------

    def cause(self, ids: list[int]) -> tuple[str, str, Spot] | None:
        """Why tensors have no history: (kind of finding, what, line)."""
        known = sorted((self.cut_of[key] for key in ids if key in self.cut_of), key=lambda entry: entry[0])
        if known and known[0][0] == 0:
            return "detached", known[0][1], known[0][2]
        for key in ids:
            if key in self.off:
                return "no-grad", "", self.off[key]
        if known:
            _, kind, spot = known[0]
            name = kind.partition(":")[2]
            return ("not-differentiable" if name else "detached"), name or kind, spot
        return None

    def explained(self, cause: tuple[str, str, Spot], names: tuple[str, ...]) -> Finding:
        """The finding for a cause."""
        kind, what, spot = cause
        facts: dict[str, Any] = {}
        if kind == "detached":
            facts = {"what": _WORDS[what], "instead": _INSTEAD[what]}
        elif kind == "not-differentiable":
            facts = {"what": what}
        switch = self.switches.get(spot) if kind == "no-grad" else None
        return Finding(kind, line_of(spot), names, facts, None if switch is None else line_of(switch))

    def unreached(self) -> Iterator[Finding]:
        """Parameters that no backward came to."""
        exam = self.exam
        optimized = exam.optimized()
        groups: dict[Any, tuple[Any, list[str]]] = {}
        anybody = any(exam.trained(root) for root in exam.roots())
        for name, p, root in exam.named():
            if not p.requires_grad or id(p) in exam.reached:
                continue
            if not exam.trained(root) and (anybody and id(p) not in optimized):
                continue  # a model that is only used, not trained
            cause = self.cause([id(p)])
            owner, attribute = _owner(root, p)
            if id(p) in self.used and cause is not None:
                key: Any = cause
            elif id(p) in self.used:
                key = ("unused", "its result is not part of the loss", self.used[id(p)])
            elif id(owner) in exam.called:
                key = ("unused", "its layer is called, but does not use it", (owner, attribute))
            else:
                key = ("unused", "forward never calls it", _outermost_unused(exam, root, owner, attribute))
            groups.setdefault(repr(key), (key, []))[1].append(name)
        for key, names in groups.values():
            if key[0] != "unused":
                yield self.explained(key, tuple(names))
                continue
            at = key[2]
            place: Place | None = None
            if isinstance(at[0], Module):
                place = defined_at(*at)
            else:
                place = line_of(at)
            if place is None and exam.roots_called:
                place = line_of(next(iter(exam.roots_called.values())))
            yield Finding("unused", place, tuple(names), {"how": key[1]})

    def zero(self) -> Iterator[Finding]:
        """All gradients exactly zero."""
        exam = self.exam
        reached = [key for key in self.given if isinstance(exam.reached.get(key), Parameter)]
        if reached and not self.nonzero.intersection(reached) and exam.backwards:
            names = ", ".join(name for name, p, _ in exam.named() if id(p) in exam.reached)
            yield Finding("zero-gradient", line_of(exam.backwards[-1]), (), {"what": names})

    def hidden(self) -> Iterator[Finding]:
        """Modules and parameters in plain lists, tuples and dicts."""
        for root in self.exam.roots():
            known = {id(m) for m in root.modules()} | {id(p) for p in root.parameters()}
            for path, module in root.named_modules():
                for attribute, value in vars(module).items():
                    if attribute in _OWN:
                        continue
                    inner = [(n, v) for n, v in _members(value) if id(v) not in known]
                    if not inner:
                        continue
                    lead = f"{path}.{attribute}" if path else attribute
                    names = tuple(f"{lead}{n} ({type(v).__name__})" for n, v in inner)
                    modules = isinstance(inner[0][1], Module)
                    by_name = isinstance(value, dict)
                    wrapper = ("Module" if modules else "Parameter") + ("Dict" if by_name else "List")
                    facts = {"container": type(value).__name__, "attribute": attribute, "wrapper": wrapper}
                    place = defined_at(module, attribute)
                    if place is None and id(root) in self.exam.roots_called:
                        place = line_of(self.exam.roots_called[id(root)])
                    yield Finding("hidden", place, names, facts)

    def optimizers(self) -> Iterator[Finding]:
        """Parameters that get gradients but are in no optimizer."""
        exam = self.exam
        optimized = exam.optimized()
        if not exam.optimizers or not exam.steps:
            return
        own = {id(p) for _, p, _ in exam.named()}
        missing = [
            name
            for name, p, root in exam.named()
            if p.requires_grad and id(p) in exam.reached and id(p) not in optimized
        ]
        if not missing:
            return
        strangers = [
            key for key in optimized if key not in own and key not in exam.reached and key not in self.used
        ]
        spot = exam.steps[-1][1]
        if strangers:
            yield Finding("stale-optimizer", line_of(spot), tuple(missing), {"count": len(strangers)})
        else:
            yield Finding("not-in-optimizer", line_of(spot), tuple(missing))


def _members(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Modules and parameters in a plain container, with their places in it."""
    if depth > 3 or not isinstance(value, (list, tuple, dict)):
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        at = f"{name}[{key!r}]"
        if isinstance(item, Module):
            if next(item.parameters(), None) is not None:
                yield at, item
        elif isinstance(item, Parameter):
            yield at, item
        else:
            yield from _members(item, at, depth + 1)


def _owner(root: Module, parameter: Any) -> tuple[Module, str]:
    """The module that a parameter belongs to, and its name there."""
    for module in root.modules():
        for name, p in module._parameters.items():
            if p is parameter:
                return module, name
    return root, ""


def _outermost_unused(exam: Exam, root: Module, owner: Module, attribute: str) -> tuple[Module, str]:
    """The highest module that was never called and holds `owner`, as (parent, name)."""
    found = (owner, attribute)
    paths = {id(m): path for path, m in root.named_modules()}
    path = paths.get(id(owner), "")
    parts = path.split(".") if path else []
    for n in range(len(parts), 0, -1):
        inner = root.get_submodule(".".join(parts[:n]))
        if id(inner) in exam.called:
            break
        parent = root.get_submodule(".".join(parts[: n - 1])) if n > 1 else root
        found = (parent, parts[n - 1])
    return found
