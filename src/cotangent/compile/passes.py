"""Passes over a graph: what is the same is computed once, what does nothing or is not needed goes.

All of them keep the order of the instructions. `simplify` rewrites one instruction at a time, from the
table `RULES`; each rule says for one operation when its result is an operand, or a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..ops.table import TABLE
from .graph import Graph
from .tape import Instruction, execute

# Constants larger than this are computed at every run instead of being kept.
_KEPT: Final = 1 << 16


class _State:
    """What is known while the instructions are gone through in order."""

    def __init__(self, graph: Graph) -> None:
        self.types = graph.types
        self.constants = graph.constants
        self.alias: dict[int, int] = {}

    def of(self, n: int) -> int:
        """The value that stands for value `n`."""
        return self.alias.get(n, n)

    def same_type(self, a: int, b: int) -> bool:
        """Whether two values have shape and dtype in common."""
        return self.types[a] == self.types[b]

    def uniform(self, n: int) -> Any:
        """The one number a constant consists of, or None."""
        c = self.constants.get(n)
        if c is None or not c.size or c.dtype.kind not in "fiub":
            return None
        if c.ndim and any(s for s, m in zip(c.strides, c.shape) if m > 1):
            return None
        return c[(0,) * c.ndim]


def _first(state: _State, step: Instruction) -> int | None:
    """The operand itself, if the result has its type."""
    a = step.operands[0]
    return a if state.same_type(a, step.results[0]) else None


def _second(state: _State, step: Instruction) -> int | None:
    b = step.operands[1]
    return b if state.same_type(b, step.results[0]) else None


def _mul(state: _State, step: Instruction) -> int | None:
    a, b = step.operands
    if state.uniform(b) == 1:
        return _first(state, step)
    if state.uniform(a) == 1:
        return _second(state, step)
    return None


def _div(state: _State, step: Instruction) -> int | None:
    if state.uniform(step.operands[1]) == 1 and all(s is None for s in step.statics):
        return _first(state, step)
    return None


def _scale(state: _State, step: Instruction) -> int | None:
    return step.operands[0] if step.statics[0] == 1 and not hasattr(step.statics[0], "how") else None


def _permuted(state: _State, step: Instruction) -> int | None:
    return step.operands[0] if tuple(step.statics[0]) == tuple(range(len(step.statics[0]))) else None


RULES: Final[dict[str, Callable[[_State, Instruction], int | None]]] = {
    "clone_of": _first, "clone_for_grad": _first, "cast": _first, "cast_back": _first, "alias": _first,
    "view_as_shape": _first, "reshape_any": _first, "reshape_alias": _first, "unsafe_view": _first,
    "expand_to": _first, "sum_to_size": _first, "positive": _first,
    "copy_to": _second, "mul": _mul, "div": _div, "permute_dims": _permuted,
    "scale": _scale,
}  # fmt: skip


def simplify(graph: Graph) -> Graph:
    """Algebra, constant folding and common subexpressions, in one walk."""
    state = _State(graph)
    steps: list[Instruction] = []
    seen: dict[Any, tuple[int, ...]] = {}
    known: dict[Any, int] = {}
    for n, c in list(graph.constants.items()):
        if c.ndim == 0:
            key = (c.dtype, c.tobytes())
            state.alias[n] = known.setdefault(key, n)
    for step in graph.steps:
        step = step._replace(
            operands=tuple(
                tuple(None if i is None else state.of(i) for i in o)
                if isinstance(o, tuple)
                else None
                if o is None
                else state.of(o)
                for o in step.operands
            )
        )
        if step.effect:
            steps.append(step)
            continue
        if step.op.name in RULES and not step.many:
            same = RULES[step.op.name](state, step)
            if same is not None:
                state.alias[step.results[0]] = same
                continue
        if _fold(state, step):
            continue
        try:
            whole = (step.op.name, step.op, step.operands, _frozen(step.statics))
            found = seen.get(whole)
        except TypeError:
            steps.append(step)
            continue
        if found is not None:
            state.alias.update(zip(step.results, found, strict=True))
            continue
        seen[whole] = step.results
        steps.append(step)
    return graph.but(steps=steps, alias=state.alias)


def _frozen(statics: tuple[Any, ...]) -> Any:
    """Statics as a key: 1, 1.0 and True differ, followed numbers are themselves."""
    return tuple(
        (s.__class__, _frozen(tuple(s)))
        if isinstance(s, (tuple, list))
        else (s.__class__, id(s) if hasattr(s, "how") else s)
        for s in statics
    )


def _fold(state: _State, step: Instruction) -> bool:
    """Compute an instruction on constants now."""
    reads = step.reads()
    if step.op.name in ("zeros_like", "ones_like", "zeroed"):
        shape, d = state.types[step.results[0]]
        fill = np.ones((), d) if step.op.name == "ones_like" else np.zeros((), d)
        state.constants[step.results[0]] = np.broadcast_to(fill, shape)
        return True
    if not reads and step.op.kind != "general":
        return False
    if any(n not in state.constants for n in reads) or not reads:
        return False
    if any(hasattr(s, "how") for s in step.statics):
        return False
    values: dict[int, Any] = {n: state.constants[n] for n in reads}
    # What is one number throughout stays so.
    even = step.op.kind == "elementwise" and all(state.uniform(n) is not None for n in reads)
    if even:
        values = {n: c[(slice(0, 1),) * c.ndim] for n, c in values.items()}
    elif sum(int(np.prod(state.types[r][0])) for r in step.results) > _KEPT and not step.op.is_view:
        return False
    token = set_errors(QUIET)
    try:
        execute(step, values)
    finally:
        reset_errors(token)
    for r in step.results:
        made = values[r]
        state.constants[r] = np.broadcast_to(made, state.types[r][0]) if even else made
    return True


def turn_products(graph: Graph) -> Graph:
    """Compute a product that is only read transposed as the transposed product: (a b)^T = b^T a^T."""
    users: dict[int, list[Instruction]] = {}
    for step in graph.steps:
        for n in step.reads():
            users.setdefault(n, []).append(step)
    outside = set(graph.roots())
    turned: dict[int, Instruction] = {}
    for step in graph.steps:
        if step.op.name == "mm":
            result = step.results[0]
            using = users.get(result, [])
            if len(using) == 1 and using[0].op.name in _TURNS and result not in outside:
                turned[using[0].results[0]] = step
    if not turned:
        return graph
    gone = {id(step) for step in turned.values()}
    count = max(graph.types, default=0)
    steps: list[Instruction] = []
    for step in graph.steps:
        if id(step) in gone:
            continue
        product = turned.get(step.results[0])
        if product is None:
            steps.append(step)
            continue
        operands = []
        for n in reversed(product.operands):
            count += 1
            shape, d = graph.types[n]
            graph.types[count] = (shape[::-1], d)
            steps.append(
                step._replace(op=TABLE["t_matrix"], operands=(n,), results=(count,), shapes=(shape[::-1],))
            )
            operands.append(count)
        steps.append(step._replace(op=product.op, operands=tuple(operands)))
    return graph.but(steps=steps)


_TURNS: Final = ("t_matrix", "adjoint_matrix")


def prune(graph: Graph) -> Graph:
    """Leave out what nothing needs; draws of random numbers always happen."""
    live: set[int] = set()

    def need(n: int) -> None:
        if n not in live:
            live.add(n)
            if n in graph.scalars:
                for i in graph.items(graph.scalars[n][0]):
                    need(i)

    for n in graph.roots():
        need(n)
    kept: list[Instruction] = []
    for step in reversed(graph.steps):
        if step.effect or any(r in live for r in step.results):
            kept.append(step)
            for n in step.reads():
                need(n)
            for s in step.statics:
                for n in graph.items(s):
                    need(n)
    kept.reverse()
    constants = {n: c for n, c in graph.constants.items() if n in live}
    scalars = {n: s for n, s in graph.scalars.items() if n in live}
    return graph.but(steps=kept, constants=constants, scalars=scalars)


def unknown_operations() -> list[str]:
    """Names in the table of rules that no operation has (a test wants none)."""
    return [name for name in RULES if name not in TABLE]
