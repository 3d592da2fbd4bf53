"""What every check of the doctor wants to know: models, optimizers, who was reached."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType, ModuleType
from typing import Any

from ..autograd.base import TensorBase
from ..autograd.where import Place, is_internal
from ..nn.modules import Module
from ..optim.lr_scheduler import LRScheduler
from ..optim.optimizer import Optimizer
from .watch import Listener, Spot

__all__ = ["Exam", "defined_at", "found_in"]

_DEPTH = 6  # how far the search for models goes into the user's objects


class Exam(Listener):
    """Keeps what the checks share."""

    def __init__(self) -> None:
        self.run = 1
        self.models: dict[int, Module] = {}
        self.optimizers: dict[int, Optimizer] = {}
        self.steps: list[tuple[Optimizer, Spot]] = []
        self.reached: dict[int, Any] = {}
        self.had_gradient: dict[int, Any] = {}
        self.backwards: list[Spot] = []
        self.called: dict[int, Spot] = {}  # modules by id -> where they were last called from
        self.roots_called: dict[int, Spot] = {}

    # -- meeting things ----------------------------------------------------------------------------

    def meet(self, thing: Any) -> None:
        """Take note of a model or an optimizer."""
        if isinstance(thing, Module):
            if id(thing) not in self.models:
                self.models[id(thing)] = thing
                for p in thing.parameters():
                    if p._grad is not None:
                        self.had_gradient.setdefault(id(p), p._grad)
        elif isinstance(thing, Optimizer):
            self.optimizers[id(thing)] = thing

    def enter(self, module: Module, outer: tuple[Module, ...], args: dict[str, Any], spot: Spot) -> None:
        self.called[id(module)] = spot
        if not outer:
            self.meet(module)
            self.roots_called[id(module)] = spot

    def before_backward(self, roots: list[Any], leaves: dict[int, Any], spot: Spot) -> None:
        self.backwards.append(spot)

    def after_backward(self, leaves: dict[int, Any], spot: Spot) -> None:
        self.reached.update(leaves)
        for root in self.models.values():
            for p in root.parameters():
                if p._grad is not None and id(p) not in self.had_gradient:
                    self.reached[id(p)] = p

    def made(self, optimizer: Optimizer) -> None:
        self.meet(optimizer)

    def before_step(self, optimizer: Optimizer, closure: bool, spot: Spot) -> None:
        self.meet(optimizer)
        self.steps.append((optimizer, spot))

    def end_run(self, run: int) -> None:
        self.run = run + 1

    # -- what is known -----------------------------------------------------------------------------

    def roots(self) -> list[Module]:
        """The models that are no part of other models."""
        inner = {id(m) for root in self.models.values() for m in root.modules() if m is not root}
        return [root for key, root in self.models.items() if key not in inner]

    def named(self) -> list[tuple[str, Any, Module]]:
        """Parameters of all models as (name, parameter, root)."""
        roots = [root for root in self.roots() if next(root.parameters(), None) is not None]
        out = []
        for root in roots:
            lead = f"{type(root).__name__}." if len(roots) > 1 else ""
            out += [(lead + name, p, root) for name, p in root.named_parameters()]
        return out

    def trained(self, root: Module) -> bool:
        """Whether backward reached any parameter of this model."""
        return any(id(p) in self.reached for p in root.parameters())

    def module_name(self, module: Module) -> str:
        """The path of a module in its model, or its class."""
        for root in self.roots():
            for name, inner in root.named_modules():
                if inner is module:
                    return name or type(module).__name__
        return type(module).__name__

    def optimized(self) -> dict[int, Any]:
        """The tensors in any optimizer, by id."""
        return {
            id(p): p
            for optimizer in self.optimizers.values()
            for group in optimizer.param_groups
            for p in group["params"]
        }


def found_in(step: Callable[..., Any]) -> list[Any]:
    """The models, optimizers and schedules that a function refers to: closures, globals, `self`."""
    found: dict[int, Any] = {}
    seen: set[int] = set()

    def look(value: Any, depth: int) -> None:
        if depth > _DEPTH or id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, (Module, Optimizer, LRScheduler)):
            found[id(value)] = value
        elif isinstance(value, FunctionType):
            if is_internal(value.__code__.co_filename):
                return
            for cell in value.__closure__ or ():
                try:
                    look(cell.cell_contents, depth + 1)
                except ValueError:  # not assigned yet
                    pass
            for name in value.__code__.co_names:
                if name in value.__globals__:
                    look(value.__globals__[name], depth + 1)
            for default in value.__defaults__ or ():
                look(default, depth + 1)
        elif isinstance(value, MethodType):
            look(value.__func__, depth + 1)
            look(value.__self__, depth + 1)
        elif isinstance(value, (list, tuple, set)):
            for item in list(value)[:64]:
                look(item, depth + 1)
        elif isinstance(value, dict):
            for item in list(value.values())[:64]:
                look(item, depth + 1)
        elif not isinstance(value, (ModuleType, type, TensorBase)) and hasattr(value, "__dict__"):
            for item in list(vars(value).values())[:64]:
                look(item, depth + 1)

    look(step, 0)
    return list(found.values())


def defined_at(module: Module, attribute: str) -> Place | None:
    """The line of a module's class that assigns this attribute of self, if its source is known."""
    for cls in type(module).__mro__:
        if cls is Module or cls.__module__.startswith("cotangent."):
            break
        try:
            lines, start = inspect.getsourcelines(cls)
        except (OSError, TypeError):
            continue
        file = inspect.getsourcefile(cls) or "?"
        try:
            parsed = ast.parse(textwrap.dedent("".join(lines)))
        except SyntaxError:
            continue
        for node in ast.walk(parsed):
            if attribute in _attributes(node):
                number = start + node.lineno - 1  # type: ignore[attr-defined]
                text = linecache.getline(file, number).rstrip("\n")
                return Place(file, number, None, None, cls.__name__, text)
    return None


def _attributes(node: ast.AST) -> Iterable[str]:
    """Names that a statement assigns on self."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    for target in targets:
        for part in target.elts if isinstance(target, ast.Tuple) else [target]:
            if (
                isinstance(part, ast.Attribute)
                and isinstance(part.value, ast.Name)
                and part.value.id == "self"
            ):
                yield part.attr
