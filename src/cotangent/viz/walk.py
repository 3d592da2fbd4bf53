"""From a recorded graph to what is drawn: vertices and links, with what is known about each."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np

from ..autograd.base import TensorBase
from ..autograd.node import Port
from ..autograd.recorded import OpNode, Packed
from ..autograd.views import edge_of
from . import numbers as n
from .modules import Modules, paths_of
from .names import Names, line_of, spelled, target_of

# How an operation is written between or in front of its operands.
SYMBOLS: Final = {
    "add": "+", "sub": "−", "rsub": "−", "mul": "×", "div": "÷", "neg": "−", "pow": "^", "mm": "@",
    "bmm": "@", "mv": "@", "dot": "·", "sum": "Σ", "prod": "Π", "sqrt": "√", "reciprocal": "1/x",
    "sigmoid": "σ", "square": "x²", "abs": "|x|",
}  # fmt: skip

# Colours: families of operations by the file they are declared in.
FAMILIES: Final = {
    "matmul": "product", "convolution": "product", "attention": "product", "recurrent": "product",
    "activation": "activation", "piecewise": "activation", "softmax": "activation", "normalize": "norm",
    "batchnorm": "norm", "pooling": "pool", "reduce": "reduce", "moments": "reduce", "extremes": "reduce",
    "norms": "reduce", "loss": "loss", "ctc": "loss", "views": "shape", "viewfronts": "shape",
    "shape": "shape", "join": "shape", "split": "shape", "copies": "shape", "select": "shape",
    "broadcast": "shape", "gather": "shape", "indexing": "shape", "padding": "shape", "embedding": "product",
}  # fmt: skip


@dataclass
class Vertex:
    """An operation, a leaf, a constant, or the result.

    Attributes:
        number: its place in `Graph.vertices`.
        kind: "operation", "leaf", "parameter", "constant" or "result".
        title: name of the operation, or of the variable.
        name: the variable that holds it, "" if none does.
        module: dotted path of the module it belongs to, "" for none.
        node: the class of the recorded node.
        family: what sort of operation it is, for colours.
        shape: of the value, None where it is not known.
        dtype: of the value.
        value: summary of the value.
        gradient: summary of the gradient of the result by it.
        nbytes: what is kept for backward here and by no node before.
        place: (file, line, text) of the line that recorded it.
        rule: per input, the derivative rule as it is written in the table.
        settings: static arguments that the node keeps.
        order: when backward comes to it, from 0; None where it does not.
    """

    number: int
    kind: str
    title: str
    name: str = ""
    module: str = ""
    node: str = ""
    family: str = "other"
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    value: dict[str, Any] | None = None
    gradient: dict[str, Any] | None = None
    nbytes: int = 0
    place: tuple[str, int, str] | None = None
    rule: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    order: int | None = None

    @property
    def symbol(self) -> str:
        """The operation as a sign, where there is a usual one."""
        return SYMBOLS.get(self.title, self.title)


@dataclass
class Link:
    """From what was read to the operation that read it.

    Attributes:
        parameter: which operand of the operation.
        local: summary of the derivative of the operation's result by this operand.
        gradient: summary of the gradient that flows back here.
    """

    source: int
    target: int
    parameter: str = ""
    local: dict[str, Any] | None = None
    gradient: dict[str, Any] | None = None


class Walk:
    """Makes vertices and links from the history of some tensors."""

    def __init__(self, roots: Sequence[Any], names: Names, modules: Modules) -> None:
        self.vertices: list[Vertex] = []
        self.links: list[Link] = []
        self.names = names
        self.modules = modules
        self.by_node: dict[int, Vertex] = {}
        self.constants: dict[int, Vertex] = {}
        self.kept: set[int] = set()
        self.alive: list[Any] = []
        nodes = [edge_of(t) for t in roots]
        cotangents = [np.ones(t._data.shape, t._data.dtype) for t in roots]
        self.backward = n.Backward(nodes, cotangents)
        order, leaves = self.backward.order, self.backward.leaves
        for node, t in zip(nodes, roots, strict=True):
            names.values.setdefault(id(node), t._data)
        self.values = n.values(order, leaves, names, self.backward)
        everything = sorted([*order, *leaves], key=lambda node: node.seq)
        whole = [node for node in everything if node.__class__ is not Port]
        self.paths = paths_of(whole, modules)
        self.named = self._assigned(whole)
        for node in whole:
            self._vertex(node)
        for k, node in enumerate(n_ for n_ in [*order, *leaves] if n_.__class__ is not Port):
            self.by_node[id(node)].order = k
        for node in whole:
            self._links(node)
        for k, (node, t) in enumerate(zip(nodes, roots, strict=True)):
            self._result(node, t, "" if len(roots) == 1 else str(k))

    def _assigned(self, nodes: Sequence[Any]) -> dict[int, str]:
        """Names of nodes by the assignments in the source: a statement assigns the last node it makes."""
        inner: set[int] = set()
        for node in nodes:
            for e in node.edges:
                e = _whole(e)
                if e is not None and e.code is not None and e.code is node.code and e.lasti == node.lasti:
                    inner.add(id(e))
        found = {}
        for node in nodes:
            name = self.names.nodes.get(id(node))
            if name is None and id(node) not in inner:
                name = target_of(node.code, node.lasti)
            if name:
                found[id(node)] = name
        return found

    def add(self, kind: str, title: str, **facts: Any) -> Vertex:
        """A new vertex."""
        made = Vertex(len(self.vertices), kind, title, **facts)
        self.vertices.append(made)
        return made

    def _vertex(self, node: Any) -> None:
        value, g = self.values.get(id(node)), self.backward.gradients.get(id(node))
        name = self.named.get(id(node), "")
        if n.is_accumulator(node):
            owner = self.modules.owner.get(id(node.variable))
            title = owner[1] if owner else name or "leaf"
            made = self.add("parameter" if owner else "leaf", title, name="" if owner else name)
            if g is None and node.variable._grad is not None:
                g = node.variable._grad._data
        else:
            title = node.op.public if isinstance(node, OpNode) else _title(type(node).__name__)
            made = self.add("operation", title.strip("_"), name=name)
            if isinstance(node, OpNode):
                made.family = FAMILIES.get(_file(node.op), "other")
                made.rule = {p: _rule(r) for p, r in node.op.rules.items() if _edge_of(node, p)}
                made.settings = {s: _short(getattr(node, s)) for s in node.op.statics if s in node.op.saved}
        made.node = node.name()
        made.module = self.paths.get(id(node), "")
        made.place = line_of(node.code, node.lasti)
        made.nbytes = self._bytes(node)
        if isinstance(g, list):
            g = next((one for one in g if one is not None), None)
        like = value if value is not None else g
        if like is not None:
            made.shape, made.dtype = tuple(like.shape), like.dtype.name
        made.value = n.summary(value)
        made.gradient = n.summary(g)
        self.by_node[id(node)] = made

    def _links(self, node: Any) -> None:
        made = self.by_node[id(node)]
        for o in n.operands(node):
            key = id(node), o.position
            if o.edge is None:
                constant = self._constant(o, made)
                if constant is not None:
                    self.links.append(Link(constant.number, made.number, o.parameter))
                continue
            source = self.by_node[id(_whole(o.edge))]
            self.links.append(
                Link(source.number, made.number, o.parameter, n.summary(self.backward.local.get(key)),
                     n.summary(self.backward.passed.get(key)))
            )  # fmt: skip

    def _constant(self, o: Any, reader: Vertex) -> Vertex | None:
        """The vertex of an operand that has no history."""
        value, origin = o.value, o.origin
        if not isinstance(value, np.ndarray) and o.text is None:
            return None
        name = self.names.arrays.get(id(origin), "")
        if origin is not None and id(origin) in self.constants:
            return self.constants[id(origin)]
        text = o.text or ""
        if not name and text and not text.replace(".", "").replace("-", "").isdigit():
            name = text if len(text) <= 18 else ""
        module = "" if origin is not None and id(origin) in self.names.arrays else reader.module
        made = self.add("constant", name or o.parameter, name=name, module=module)
        if isinstance(value, np.ndarray):
            made.value, made.shape, made.dtype = n.summary(value), tuple(value.shape), value.dtype.name
            if not name and value.size == 1:
                made.title = n.shown((made.value or {}).get("item", ""))
            if origin is not None:
                self.constants[id(origin)] = made
                self.alive.append(origin)
        return made

    def _result(self, node: Any, t: Any, suffix: str) -> None:
        last = self.by_node[id(_whole(node))]
        name = self.named.get(id(node)) or self.names.nodes.get(id(node)) or f"output{suffix}"
        made = self.add("result", name, name=name)
        made.shape, made.dtype = tuple(t._data.shape), t._data.dtype.name
        made.value, made.gradient = n.summary(t._data), n.summary(np.ones((), np.float32))
        self.links.append(Link(last.number, made.number))

    def _bytes(self, node: Any) -> int:
        """Bytes that a node keeps for backward, each piece of memory counted where it is kept first."""
        if not isinstance(node, OpNode):
            saved = [e[0] for e in getattr(node, "_saved", None) or () if e is not None]
        else:
            saved = []
            for name in node.saved_names:
                value = getattr(node, name, None)
                saved.extend(value if isinstance(value, (tuple, list)) else (value,))
        total = 0
        for value in saved:
            if isinstance(value, TensorBase) and not isinstance(value, Packed):
                value = value._data
            if not isinstance(value, np.ndarray):
                continue
            while isinstance(value.base, np.ndarray):
                value = value.base
            if id(value) not in self.kept:
                self.kept.add(id(value))
                total += value.nbytes
        return total


def _whole(edge: Any) -> Any:
    return edge.parent if edge.__class__ is Port else edge


def _edge_of(node: Any, parameter: str) -> bool:
    start = node.position(parameter)
    length = dict(zip(node.op.tensors, node.span(), strict=True))[parameter]
    return any(e is not None for e in node.edges[start : start + length])


def _title(name: str) -> str:
    return name.partition("Backward")[0] or name


def _file(op: Any) -> str:
    rule = next(iter(op.rules.values()), None)
    return "" if rule is None else rule.__code__.co_filename.replace("\\", "/").rpartition("/")[2][:-3]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


@cache
def _rule(rule: Any) -> str:
    """A derivative rule as it is written in the table."""
    try:
        lines, _ = inspect.findsource(rule)
        tree = _tree(rule.__code__.co_filename, "".join(lines))
    except (OSError, SyntaxError):
        return ""
    for at in ast.walk(tree):
        if isinstance(at, ast.Lambda) and at.lineno == rule.__code__.co_firstlineno:
            if [a.arg for a in at.args.args] == list(inspect.signature(rule).parameters):
                return ast.unparse(at.body)
        elif isinstance(at, ast.FunctionDef) and at.name == rule.__name__:
            return f"{at.name}({', '.join(a.arg for a in at.args.args)})"
    return ""


@lru_cache(maxsize=32)
def _tree(file: str, text: str) -> ast.Module:
    return ast.parse(text)


__all__ = ["FAMILIES", "SYMBOLS", "Link", "Vertex", "Walk", "spelled"]
