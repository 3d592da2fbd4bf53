"""The values that a graph's operations saw and made, as far as the graph still tells.

A graph keeps what its rules read. The rest is computed again from that, oldest first: an operation whose
operands are known is simply run once more. Of a constant that nothing keeps, the source text may tell: the 1
of `x - 1` stands there, and a name may still have its value in a running frame.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from ..autograd.base import TensorBase, wrap
from ..autograd.modes import no_grad
from ..autograd.node import AccumulateGrad, Node, Port
from ..autograd.recorded import OpNode, Packed
from ..autograd.slices import expression_at
from ..autograd.views import AsStridedBackward0

__all__ = ["Operand", "Values"]

UNKNOWN: Any = None


class Operand:
    """One operand of a recorded operation: its name, its array if that is known, the edge behind it."""

    __slots__ = ("name", "array", "edge", "number")

    def __init__(self, name: str, array: Any, edge: Any, number: bool = False) -> None:
        self.name = name
        self.array = array
        self.edge = edge
        self.number = number  # a Python number: written as it is


class Values:
    """What is known of the values in the graph of some tensors.

    Args:
        tensors: the roots.
        nodes: all nodes behind them, oldest first.
        frame: the frame of the user who asks.
    """

    def __init__(self, tensors: list[Any], nodes: list[Node], frame: FrameType | None) -> None:
        self.frame = frame
        self.known: dict[tuple[int, int], Any] = {}
        self.freed = False
        for node in nodes:
            self._read(node)
        for t in tensors:
            if t._node is not None and isinstance(t._data, np.ndarray):
                self.known.setdefault(_key(t._node), t._data)
        for node in nodes:
            if isinstance(node, (OpNode, AsStridedBackward0)):
                self._run(node)

    def of(self, edge: Any) -> Any:
        """The value that an edge leads to; None if it is not known."""
        if isinstance(edge, AccumulateGrad):
            data = edge.variable._data
            return data if isinstance(data, np.ndarray) else UNKNOWN
        return self.known.get(_key(edge), UNKNOWN)

    def operands(self, node: Any) -> list[Operand]:
        """The operands of a node."""
        if not isinstance(node, OpNode):
            return [Operand(f"input {i}", self.of(e), e) for i, e in enumerate(node.edges) if e is not None]
        found, start = [], 0
        for name, length in zip(node.op.tensors, node.span(), strict=True):
            kept = self._kept(node, name)
            for k in range(length):
                edge = node.edges[start + k]
                array = kept[k] if k < len(kept) else UNKNOWN
                if array is UNKNOWN and edge is not None:
                    array = self.of(edge)
                number = False
                if array is UNKNOWN and edge is None:
                    array = self._written(node, name)
                    number = array is not UNKNOWN
                label = f"{name}[{k}]" if name in node.op.lists else name
                found.append(Operand(label, array, edge, number))
            start += length
        return found

    def _read(self, node: Any) -> None:
        """Enter what a node keeps of the values of others, and of its own."""
        if not isinstance(node, OpNode):
            self._read_custom(node)
            return
        start = 0
        for name, length in zip(node.op.tensors, node.span(), strict=True):
            for array, edge in zip(self._kept(node, name), node.edges[start : start + length], strict=False):
                if array is not UNKNOWN and edge is not None:
                    self.known.setdefault(_key(edge), array)
            start += length
        for name in node.saved_names:
            if name in node.op.tensors or not name.startswith("out") or not hasattr(node, name + "_vc"):
                continue
            cell, value = getattr(node, name + "_vc"), getattr(node, name)
            if value is None:
                self.freed = True
            elif cell is not None and isinstance(value, np.ndarray) and cell[0] == getattr(node, name + "_v"):
                self.known.setdefault((id(node), int(name[3:] or 0)), value)

    def _read_custom(self, node: Any) -> None:
        saved = getattr(node, "_saved", ())
        if saved is None:
            self.freed = True
            return
        for entry in saved:
            if entry is None or entry[0].__class__ is Packed:
                continue
            t, version, output, edge = entry
            if version == (t._vc[0] if t._vc is not None else 0) and isinstance(t._data, np.ndarray):
                key = (id(node), output) if output is not None else None if edge is None else _key(edge)
                if key is not None:
                    self.known.setdefault(key, t._data)

    def _kept(self, node: Any, name: str) -> list[Any]:
        """The arrays that a node keeps of one tensor parameter; unknown where one was written since."""
        if name not in node.saved_names:
            return []
        value, version = getattr(node, name), getattr(node, name + "_v")
        several = isinstance(value, (list, tuple))
        out = []
        for t, v in zip(value, version, strict=True) if several else ((value, version),):
            if t is None:
                out.append(UNKNOWN)
                continue
            if t.__class__ is Packed or not isinstance(t, TensorBase):
                self.freed = self.freed or t.__class__ is not Packed
                out.append(UNKNOWN)
                continue
            same = t._vc is None or list.__getitem__(t._vc, 0) == v
            out.append(t._data if same and isinstance(t._data, np.ndarray) else UNKNOWN)
        return out

    def _run(self, node: Any) -> None:
        """Compute the outputs of a node again, if they are not known and its operands are."""
        key = (id(node), 0)
        if key in self.known:
            return
        if isinstance(node, AsStridedBackward0):
            base = self.of(node.edges[0]) if node.edges[0] is not None else UNKNOWN
            if base is not UNKNOWN:
                self.known[key] = node.view.replay(base, True)
            return
        operands = self.operands(node)
        optional = node.op.optional
        if any(o.array is UNKNOWN and o.name not in optional for o in operands):
            return
        statics = []
        for name in node.op.statics:
            if name in node.saved_names:
                statics.append(getattr(node, name))
            elif name in node.op.defaults:
                statics.append(eval(node.op.defaults[name], {}))
            else:
                return
        arrays = iter(None if o.array is UNKNOWN else wrap(o.array) for o in operands)
        tensors = [
            [next(arrays) for _ in range(length)] if name in node.op.lists else next(arrays)
            for name, length in zip(node.op.tensors, node.span(), strict=True)
        ]
        try:
            with no_grad():
                result = node.op.entry(*tensors, *statics)
        except Exception:
            return  # it does not run alone: its result stays unknown
        for number, t in enumerate((result,) if node.op.nout == 1 else result):
            self.known.setdefault((id(node), number), t._data)

    def _written(self, node: Any, name: str) -> Any:
        """The constant that the source text gives for an operand of a sum or difference."""
        op, expression = node.op, expression_at(node.code, node.lasti)
        if isinstance(expression, ast.AugAssign):
            sides: list[Any] = [expression.target, expression.value]
        elif isinstance(expression, ast.BinOp):
            sides = [expression.left, expression.right]
        elif isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
            sides = [expression.func.value, *expression.args]
        else:
            return UNKNOWN
        if op.name not in _SUMS or len(sides) != 2:
            return UNKNOWN
        value = self._evaluated(node, sides[op.tensors.index(name) if not op.name.startswith("rsub") else 0])
        if isinstance(value, TensorBase):
            value = value._data
        if isinstance(value, (int, float)):
            value = np.asarray(float(value))
        return value if isinstance(value, np.ndarray) else UNKNOWN

    def _evaluated(self, node: Any, expression: ast.expr) -> Any:
        """A constant, or what a name or an attribute means in a running frame of that code."""
        try:
            return ast.literal_eval(expression)
        except ValueError:
            pass
        if isinstance(expression, ast.Attribute):
            owner = self._evaluated(node, expression.value)
            return getattr(owner, "__dict__", {}).get(expression.attr)
        if not isinstance(expression, ast.Name):
            return UNKNOWN
        for frame in _frames(self.frame):
            if frame.f_code is node.code and expression.id in frame.f_locals:
                return frame.f_locals[expression.id]
            outside = expression.id in node.code.co_names or expression.id in node.code.co_freevars
            if outside and frame.f_code.co_filename == node.code.co_filename:
                scope = {**frame.f_globals, **frame.f_locals}
                if expression.id in scope:
                    return scope[expression.id]
        return UNKNOWN


_SUMS = frozenset(("add", "sub", "rsub_number", "rsub_tensor"))


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _key(edge: Any) -> tuple[int, int]:
    return (id(edge.parent), edge.output) if isinstance(edge, Port) else (id(edge), 0)
