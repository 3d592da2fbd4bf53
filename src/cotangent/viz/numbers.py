"""Values, gradients and local derivatives of a graph's nodes, found without changing anything in it.

The forward values are what was captured, what rules saved, what variables hold; the rest is computed again
where all operands are known. Gradients come from a backward that frees and accumulates nothing.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ..autograd.base import TensorBase, version_of
from ..autograd.engine import collect
from ..autograd.node import FREED, FREED_TEXT, AccumulateGrad, Port
from ..autograd.recorded import OpNode, Packed
from ..kernels.fperr import QUIET, reset_errors, set_errors
from .capture import noted
from .names import Names, operands_of

_LARGEST: Final = 1 << 22  # elements up to which something is computed for a picture


class Backward:
    """One backward through a graph, for looking at.

    Attributes:
        order: the inner nodes, newest first.
        leaves: the accumulators it ends in.
        gradients: id of a node -> cotangent of its output (a list for several outputs).
        passed: (id of a node, number of an edge) -> what flows over that edge.
        local: (id of a node, number of an edge) -> derivative of the output by that input, for operations
            that act element by element on equal shapes.
        freed: whether some of the graph's values had been freed, so that gradients end there.
    """

    def __init__(self, roots: Sequence[Any], cotangents: Sequence[Any]) -> None:
        self.order, self.leaves, _ = collect(roots)
        self.gradients: dict[int, Any] = {}
        self.passed: dict[tuple[int, int], Any] = {}
        self.local: dict[tuple[int, int], Any] = {}
        self.freed = False
        self.failed: dict[int, str] = {}
        held: dict[Any, Any] = {}
        for root, g in zip(roots, cotangents, strict=True):
            held[root] = _sum(held.get(root), g)
        token = set_errors(QUIET)
        try:
            for node in self.order:
                if node in held:
                    self._node(node, held)
        finally:
            reset_errors(token)
        for leaf in self.leaves:
            if leaf in held:
                self.gradients[id(leaf)] = held[leaf]

    def _node(self, node: Any, held: dict[Any, Any]) -> None:
        g = held.pop(node)
        self.gradients[id(node)] = g
        if node.__class__ is Port:
            parent: Any = node.parent
            several = held.setdefault(parent, [None] * len(parent.outputs))
            several[node.output] = _sum(several[node.output], g)
            return
        gs = (g,) if node.nout == 1 else tuple(g)
        try:
            values = node.apply(gs, False)
        except Exception as error:  # a graph that was freed, or a user's own backward
            self.freed |= str(error) == FREED_TEXT
            self.failed[id(node)] = str(error)
            return
        for k, (edge, value) in enumerate(zip(node.edges, values, strict=True)):
            if edge is not None and value is not None:
                value = np.asarray(value)
                self.passed[id(node), k] = value
                held[edge] = _sum(held.get(edge), value)
        self._derivative(node, g)

    def _derivative(self, node: Any, g: Any) -> None:
        if not isinstance(node, OpNode) or not _computable(node, g):
            return
        if g.size != 1 and node.op.kind != "elementwise":
            return
        values = node.apply((np.ones_like(g),), False)
        for k, value in enumerate(values):
            if value is not None and node.edges[k] is not None and np.shape(value) == g.shape:
                self.local[id(node), k] = np.asarray(value)


def _sum(held: Any, g: Any) -> Any:
    return g if held is None else np.asarray(held + g)  # 0-d arrays add up to scalars


def _computable(node: Any, g: Any) -> bool:
    """Whether an operation with one result, whose gradient is `g`, is small enough to be computed here."""
    return node.nout == 1 and isinstance(g, np.ndarray) and g.size <= _LARGEST


class Operand:
    """What an operation read: a node of the graph, or a constant."""

    __slots__ = ("parameter", "edge", "position", "value", "origin", "text")

    def __init__(self, parameter: str, edge: Any, position: int) -> None:
        self.parameter = parameter
        self.edge = edge
        self.position = position
        self.value: Any = None
        self.origin: Any = None  # the array that the program holds, of which `value` may be a copy
        self.text: str | None = None


def operands(node: Any) -> list[Operand]:
    """The operands of a node, with the values of those that are kept."""
    if not isinstance(node, OpNode):
        return [Operand("", e, k) for k, e in enumerate(node.edges)]
    found: list[Operand] = []
    captured = noted.get(node)
    written = operands_of(node.code, node.lasti) if len(node.op.tensors) == 2 else []
    for i, (parameter, length) in enumerate(zip(node.op.tensors, node.span(), strict=True)):
        for k in range(length):
            o = Operand(parameter if length == 1 else f"{parameter}[{k}]", None, len(found))
            o.edge = node.edges[o.position]
            if captured is not None and i < len(captured.operands):
                value = captured.operands[i]
                o.value = value[k] if isinstance(value, list) else value
                origin = captured.origins[i]
                o.origin = origin[k] if isinstance(origin, list) else origin
            else:
                o.origin = o.value = _saved(node, parameter, k if parameter in node.op.lists else None)
            found.append(o)
    if len(written) == 2 and len(found) == 2:
        _by_text(found, written)
    return found


def _by_text(found: list[Operand], written: list[ast.expr]) -> None:
    """Take from the source what the operand without a history is called, and its value if it is a number.

    A number on the left of an operator may be the operation's second operand.
    """
    constants = [o for o in found if o.edge is None]
    literals = [e for e in written if isinstance(getattr(e, "operand", e), ast.Constant)]
    if len(constants) != 1:
        return
    (o,) = constants
    if len(literals) == 1:
        expression = literals[0]
    elif isinstance(o.value, np.ndarray) and o.value.ndim:
        expression = written[o.position]
    else:
        return
    o.text = ast.unparse(expression)
    if o.value is None:
        try:
            number = ast.literal_eval(expression)
        except (ValueError, SyntaxError):
            return
        if isinstance(number, (int, float)):
            o.value = np.asarray(number)


def _saved(node: Any, field: str, k: int | None) -> Any:
    """The array of a saved operand, if it is there and unchanged."""
    value: Any = getattr(node, field, None)
    version: Any = getattr(node, field + "_v", 0)
    if field not in node.saved_names or value is FREED or value is None:
        return None
    if k is not None:
        value, version = value[k], version[k]
    if isinstance(value, Packed):
        return None
    if not isinstance(value, TensorBase):
        return value if isinstance(value, np.ndarray) else None
    return value._data if version_of(value) == version else None


def values(order: Sequence[Any], leaves: Sequence[Any], names: Names, backward: Backward) -> dict[int, Any]:
    """The value of each node (by id) that can be known.

    Args:
        order: the inner nodes, newest first.
        leaves: the accumulators.
        names: of variables, which hold values.
        backward: tells shapes and dtypes.
    """
    found: dict[int, Any] = {id(leaf): leaf.variable._data for leaf in leaves}
    for node in order:
        captured = noted.get(node)
        if captured is not None and captured.results:
            found[id(node)] = captured.results[0]
        elif id(node) in names.values:
            found[id(node)] = names.values[id(node)]
        elif isinstance(node, OpNode) and "out" in node.saved_names:
            out, cell = getattr(node, "out", None), getattr(node, "out_vc", None)
            if isinstance(out, np.ndarray) and cell is not FREED and (not cell or cell[0] == node.out_v):
                found[id(node)] = out
    for node in order:
        for o in operands(node):
            if o.edge is not None and o.value is not None:
                found.setdefault(id(o.edge), o.value)
    token = set_errors(QUIET)
    try:
        for node in reversed(order):
            if id(node) not in found:
                value = _again(node, found, backward)
                if value is not None:
                    found[id(node)] = value
    finally:
        reset_errors(token)
    return {key: value for key, value in found.items() if isinstance(value, np.ndarray)}


def _again(node: Any, found: dict[int, Any], backward: Backward) -> Any:
    """The value of a node computed from its operands, if they are all known."""
    g: Any = backward.gradients.get(id(node))
    if not isinstance(node, OpNode) or not _computable(node, g):
        return None
    op = node.op
    if op.lists or any(s not in op.saved for s in op.statics):
        return None  # a static that no rule reads is not kept
    read = operands(node)
    arrays = [o.value if o.edge is None else found.get(id(o.edge), o.value) for o in read]
    if any(a is None and p not in op.optional for a, p in zip(arrays, op.tensors, strict=True)):
        return None
    arrays = [a if a is None or a.dtype.kind == g.dtype.kind else a.astype(g.dtype) for a in arrays]
    try:
        value: Any = np.asarray(op.kernel(*arrays, *[getattr(node, s) for s in op.statics]))
    except Exception:  # kernels may refuse what the operation converts first
        return None
    return value.astype(g.dtype, copy=False) if value.shape == g.shape else None


def summary(value: Any) -> dict[str, Any] | None:
    """What there is to say of an array in a few numbers."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fciub":
        if not (isinstance(value, np.ndarray) and value.dtype.name in ("bfloat16", "float16")):
            return None
        value = value.astype(np.float32)
    if value.size == 1:
        return {"item": number(value.reshape(())[()])}
    if not value.size:
        return {"size": 0}
    said: dict[str, Any] = {}
    if value.dtype.kind == "c":
        said["norm"] = number(np.sqrt(np.sum(np.abs(value) ** 2)))
        return said
    token = set_errors(QUIET)
    try:
        wide = value.astype(np.float64) if value.dtype.kind == "f" else value
        said["min"], said["max"] = number(wide.min()), number(wide.max())
        said["mean"] = number(wide.mean())
        said["norm"] = number(np.sqrt(np.square(wide.astype(np.float64)).sum()))
        if value.dtype.kind == "f":
            bad = int(np.isnan(value).sum()), int(np.isinf(value).sum())
            said.update({k: n for k, n in zip(("nan", "inf"), bad) if n})
    finally:
        reset_errors(token)
    if value.size <= 6:
        said["values"] = [number(v) for v in value.reshape(-1)]
    return said


def number(value: Any) -> Any:
    """A number with the digits worth showing, as JSON can hold it."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (complex, np.complexfloating)):
        return f"{complex(value):.4g}"
    f = float(value)
    if not math.isfinite(f):
        return str(f)
    return float(f"{f:.5g}")


def shown(value: Any) -> str:
    """A number as it is written beside a node."""
    if isinstance(value, float):
        if value == 0.0 or 0.001 <= abs(value) < 10_000:
            text = f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"
            text = text.rstrip("0").rstrip(".") if "." in text else text
            return text.replace("-", "−") if text != "-0" else "0"
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return str(value).replace("-", "−")


def is_accumulator(node: Any) -> bool:
    """Whether a node is the end of the graph at a leaf."""
    return node.__class__ is AccumulateGrad
