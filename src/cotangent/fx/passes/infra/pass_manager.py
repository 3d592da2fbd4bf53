"""`torch.fx.passes.infra.pass_manager`: passes that are run one after another."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any

from ....nn.modules.module import Module
from ...graph_module import GraphModule
from .pass_base import PassResult

__all__ = ["PassManager", "pass_result_wrapper", "this_before_that_pass_constraint"]

Pass = Callable[[Any], Any]
Constraint = Callable[[Pass, Pass], bool]


def pass_result_wrapper(fn: Any) -> Any:
    """A pass that returns a `PassResult`, of one that returns a module or nothing.

    Args:
        fn: the pass; None stays None.
    """
    if fn is None:
        return None

    @wraps(fn)
    def wrapped_fn(gm: Any) -> PassResult | None:
        result = fn(gm)
        if result is None:
            return PassResult(gm, True)
        if isinstance(result, PassResult):
            return result
        return PassResult(result, True) if isinstance(result, Module) else None

    if not inspect.isfunction(fn):
        wrapped_fn.__name__ = type(fn).__name__
    return wrapped_fn


def this_before_that_pass_constraint(this: Pass, that: Pass) -> Constraint:
    """The constraint that one pass runs before another.

    Args:
        this: the first.
        that: the other.

    Returns:
        A function that says of two passes whether they may run in that order.
    """
    return lambda a, b: a != that or b != this


def _ordered(passes: list[Pass], constraints: list[Constraint]) -> list[Pass]:
    """The passes in an order that the constraints allow."""
    if not constraints:
        return passes
    later: dict[Pass, list[Pass]] = {p: [] for p in passes}
    waits = dict.fromkeys(passes, 0)
    for a in passes:
        for b in passes:
            if a != b:
                refused = sum(not allowed(a, b) for allowed in constraints)
                later[b] += [a] * refused
                waits[a] += refused
    ready = deque(p for p in passes if waits[p] == 0)
    found: list[Pass] = []
    while ready:
        done = ready.popleft()
        found.append(done)
        for p in later[done]:
            waits[p] -= 1
            if waits[p] == 0:
                ready.append(p)
    circle = [p for p in passes if waits[p] != 0]
    if circle:
        raise RuntimeError(f"Circular dependency detected within the following passes: {circle}")
    return found


def _name(fn: Pass) -> str:
    return fn.__name__ if inspect.isfunction(fn) else type(fn).__name__


class PassManager:
    """Runs passes one after another, until they change nothing or a number of times.

    Args:
        passes: functions or objects that change a module and return a `PassResult`.
        constraints: functions that say of two passes whether they may run in that order.
        steps: how often they are run at most; 1 if not given.
        run_checks_after_each_pass: whether `check` is called after each pass.
        suppress_check_failures: kept as an attribute.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.passes.infra.pass_manager import PassManager, pass_result_wrapper
        >>> @pass_result_wrapper
        ... def cleaned(gm): gm.graph.eliminate_dead_code()
        >>> PassManager([cleaned])(torch.fx.symbolic_trace(lambda x: x + 1)).modified
        True
    """

    _validated = False
    steps = 1

    def __init__(
        self,
        passes: list[Pass] | None = None,
        constraints: list[Constraint] | None = None,
        steps: int | None = None,
        run_checks_after_each_pass: bool = False,
        suppress_check_failures: bool = False,
    ) -> None:
        self.passes: list[Pass] = passes or []
        self.constraints: list[Constraint] = constraints or []
        if steps:
            self.steps = steps
        self.run_checks_after_each_pass = run_checks_after_each_pass
        self.suppress_check_failures = suppress_check_failures
        self._check: Callable[[Any], Any] | None = None

    def add_pass(self, _pass: Pass) -> None:
        """Add a pass.

        Args:
            _pass: the pass.
        """
        self.passes.append(_pass)
        self._validated = False

    def add_constraint(self, constraint: Constraint) -> None:
        """Add a constraint.

        Args:
            constraint: the constraint.
        """
        self.constraints.append(constraint)
        self._validated = False

    def validate_constraints(self) -> None:
        """Look whether the passes are in an order that the constraints allow.

        Raises:
            RuntimeError: if they are not.
        """
        if self._validated:
            return
        for constraint in self.constraints:
            for i, a in enumerate(self.passes):
                for j, b in enumerate(self.passes[i + 1 :]):
                    if not constraint(a, b):
                        raise RuntimeError(
                            f"pass schedule constraint violated. Expected {a} before {b} but found {a} at "
                            f"index {i} and {b} at index {j} in pass list."
                        )
        self._validated = True

    def solve_constraints(self) -> None:
        """Put the passes in an order that the constraints allow.

        Raises:
            RuntimeError: if there is none.
        """
        self.passes = _ordered(self.passes, self.constraints)
        self._validated = True

    def add_checks(self, check: Callable[[Any], Any]) -> None:
        """Set the function that checks modules before and after passes.

        Args:
            check: a function of a module.

        Raises:
            TypeError: if it has other parameters.
        """
        if len(inspect.signature(check).parameters) != 1:
            raise TypeError("PassManager check function should only take in one variable, a module")
        self._check = check

    def check(self, module: Any) -> None:
        """Call the function that checks modules, if there is one.

        Args:
            module: the module.
        """
        if self._check is not None:
            self._check(module)

    def __call__(self, module: Any) -> PassResult:
        if not self._validated:
            self.solve_constraints()
        self.check(module)
        changed = False
        for _ in range(self.steps):
            modified = False
            for k, fn in enumerate(self.passes):
                try:
                    module, new = self._run(fn, module)
                except Exception as error:
                    before = [_name(p) for p in self.passes[:k]]
                    raise Exception(
                        f"An error occurred when running the '{_name(fn)}' pass after the following "
                        f"passes: {before}"
                    ) from error
                modified = modified or new
            changed = changed or modified
            if not modified:
                break
        return PassResult(module, changed)

    def _run(self, fn: Pass, module: Any) -> tuple[Any, bool]:
        result = fn(module)
        if not isinstance(result, PassResult) and not hasattr(result, "graph_module"):
            raise TypeError(
                f"The result of the pass {_name(fn)} should be type PassResult."
                "Please wrap it with pass_result_wrapper()"
            )
        module = result.graph_module
        if isinstance(module, GraphModule):
            module.recompile()
        if self.run_checks_after_each_pass:
            self.check(module)
        return module, result.modified
