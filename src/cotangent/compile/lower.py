"""From a graph to nodes: every instruction by its rule, or as a call of its kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

import cotangent.compile.rules_images
import cotangent.compile.rules_rows  # noqa: F401  (these two fill LOWER; no name of theirs is read here)

from ..ops.table import TABLE
from .graph import Graph
from .handle import Followed, H
from .ir import HALVES, NUMPY, Base, Builder, Call, Const, Val, dense, kind_of, whole
from .rules import LOWER, MOVES
from .tape import Instruction


class Lowered:
    """The nodes of a graph.

    Args:
        graph: after its passes.
        layouts: strides, in bytes, of the inputs.
    """

    def __init__(self, graph: Graph, layouts: dict[int, tuple[int, ...]]) -> None:
        self.graph = graph
        self.b = Builder()
        self.values: dict[int, Any] = {}
        self.inputs: dict[int, Base] = {}
        for n in graph.inputs:
            shape, d = graph.types[n]
            kind = kind_of(d) or d.name
            strides = tuple(s // d.itemsize for s in layouts.get(n, ()) or dense_bytes(shape, d))
            self.inputs[n] = Base(tuple(shape), kind, strides, "input", n)
            self.values[n] = whole(self.inputs[n])
        for n, c in graph.constants.items():
            self.values[n] = self.constant(n, c)
        for n, (held, d) in graph.scalars.items():
            self.values[n] = self.b.number(held, kind_of(d) or "f64")
        for step in graph.steps:
            self.step(step)

    def constant(self, n: int, c: Any) -> Any:
        """A constant: a number if it is the same throughout."""
        kind = kind_of(c.dtype)
        if kind and c.size and not any(s for s, m in zip(c.strides, c.shape) if m > 1):
            value = c[(0,) * c.ndim].item()
            return Const(float(value) if kind in HALVES else value, kind, c.shape)
        held = np.ascontiguousarray(c).reshape(c.shape)
        return whole(Base(c.shape, kind or c.dtype.name, dense(c.shape), "const", held))

    def of(self, n: int) -> Any:
        """The value that stands for value `n` of the graph."""
        return self.values[self.graph.of(n)]

    def step(self, step: Instruction) -> None:
        """Lower one instruction."""
        if step.effect or not self._known_types(step):
            self.call(step)
            return
        if step.op.is_view and self._view(step):
            return
        rule = LOWER.get(step.op.name)
        if rule is None:
            self.call(step)
            return
        operands = [
            [H(self.b, self.of(i)) for i in o]
            if isinstance(o, tuple)
            else None
            if o is None
            else H(self.b, self.of(o))
            for o in step.operands
        ]
        statics = [Followed(s) if hasattr(s, "how") else s for s in step.statics]
        count = len(self.b.nodes)
        # 16-bit floats are computed in f32, as the kernels do it, and the result is rounded once.
        if step.op.name not in MOVES:
            operands = [[*map(_wide, o)] if isinstance(o, list) else o and _wide(o) for o in operands]
        result = rule(self.b, *operands, *statics)
        if result is None:
            del self.b.nodes[count:]
            self.call(step)
            return
        for n, x, shape, d in zip(
            step.results, result if step.many else (result,), step.shapes, step.dtypes, strict=True
        ):
            if kind_of(d) in HALVES:
                x = x.cast(kind_of(d))
            assert (tuple(x.shape), NUMPY[x.kind]) == (tuple(shape), d), (step.op.name, x.shape, shape, d)
            self.values[n] = x.v

    def _known_types(self, step: Instruction) -> bool:
        types = self.graph.types
        return all(kind_of(d) for d in step.dtypes) and all(kind_of(types[n][1]) for n in step.reads())

    def _view(self, step: Instruction) -> bool:
        x = self.of(step.operands[0])
        many = step.many
        made = []
        for k in range(len(step.results)):

            def look(a: Any, k: int = k) -> Any:
                shown = step.op.kernel(a, *step.statics)
                return shown[k] if many else shown

            shown = x.viewed(look)
            if shown is None:
                shown = self.b.copy(x).viewed(look)
            if shown is None or kind_of(step.dtypes[k]) != x.kind:
                return False
            made.append(shown)
        self.values.update(zip(step.results, made, strict=True))
        return True

    def call(self, step: Instruction) -> None:
        """An instruction through its kernel."""
        args = tuple(
            tuple(self.of(i) for i in o) if isinstance(o, tuple) else None if o is None else self.of(o)
            for o in step.operands
        )
        node = Call(step, args)
        for n, shape, d in zip(step.results, step.shapes, step.dtypes, strict=True):
            kind = kind_of(d) or d.name
            base = Base(tuple(shape), kind, dense(shape), "call", n, node)
            node.outs.append(base)
            self.values[n] = whole(base)
        self.b.nodes.append(node)

    def settled(self, n: int) -> Val:
        """A wanted value as memory of its own: the whole result of a node, copied if need be."""
        x = self.of(n)
        if isinstance(x, Val) and x.whole and x.base.role in ("node", "call"):
            return x
        return self.copied(x)

    def copied(self, x: Any) -> Val:
        """A value in memory of its own."""
        if x.kind in NUMPY:
            return self.b.copy(x)
        node = Call(_COPY, (x,))
        base = Base(x.shape, x.kind, dense(x.shape), "call", f"copy{len(self.b.nodes)}", node)
        node.outs.append(base)
        self.b.nodes.append(node)
        return whole(base)


def _wide(x: H) -> H:
    return x.cast("f32") if x.kind in HALVES else x


_COPY = Instruction(TABLE["clone_of"], (), (), (), False, (), (None,), whole.__code__, 0)


def dense_bytes(shape: Any, d: Any) -> tuple[int, ...]:
    """Strides of a contiguous array, in bytes."""
    return tuple(s * d.itemsize for s in dense(shape))
