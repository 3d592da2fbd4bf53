"""`explain_nan`: where the first nan or inf came from, forward or backward."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ..autograd.node import FREED_TEXT, AccumulateGrad, Port
from ..autograd.notes import no_gradient
from ..autograd.recorded import OpNode
from ..autograd.views import edge_of
from ..autograd.where import Place, place, user_frame
from ..config import settings
from .memory import graph_nodes, module_paths
from .quiet import quiet_backward
from .values import UNKNOWN, Operand, Values
from .watch import tensors_in

__all__ = ["NotFinite", "explain_nan"]

_TEXTS: Final = {
    "en": {
        "forward": "first {what} in forward",
        "backward": "first {what} in backward",
        "input": "{what} was there from the beginning",
        "none": "no nan and no inf, neither in forward nor in backward",
        "freed": "the graph has been freed by a backward: only what is left of it could be looked at",
        "keep": "to see the rest, call explain_nan(loss) before loss.backward(), or use "
        "loss.backward(retain_graph=True)",
        "line": "line",
        "module": "module",
        "operands": "operands",
        "unkept": "not kept",
    },
    "zh": {
        "forward": "前向计算中最早的 {what}",
        "backward": "反向传播中最早的 {what}",
        "input": "{what} 一开始就在数据里",
        "none": "前向和反向都没有 nan 或 inf",
        "freed": "计算图已被某次反向传播释放: 只能查看剩下的部分",
        "keep": "要看到其余部分, 在 loss.backward() 之前调用 explain_nan(loss), 或用 "
        "loss.backward(retain_graph=True)",
        "line": "行",
        "module": "模块",
        "operands": "操作数",
        "unkept": "未保存",
    },
}
_INFIX: Final = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}
# They put values elsewhere, and make none.
_TAME: Final = frozenset(("add", "sub", "mul", "neg", "rsub_number", "rsub_tensor", "relu"))
_MOVERS: Final = frozenset(("where", "cat", "stack", "index_put_at", "copy_to", "pad_constant_by"))


@dataclass(frozen=True)
class NotFinite:
    """Where a nan or inf came from; prints itself in the languages of COTANGENT_LANG.

    Attributes:
        phase: "forward", "backward", "input" (it was in the data), or "none" (there is none).
        value: "nan" or "inf" or "-inf"; "" if there is none.
        place: the line of the operation.
        module: the path of the module that the operation belongs to, "" if it is in none.
        operation: the name of its node.
        index: where in its result (in backward: of the gradient of an input) it stands.
        operands: the operands there by name; None where the graph has not kept one.
        reason: the operation with its numbers, such as "sqrt(-1.0) at [3, 17]".
        freed: whether a backward has freed the graph, so that not all could be looked at.
    """

    phase: str
    value: str = ""
    place: Place | None = None
    module: str = ""
    operation: str = ""
    index: tuple[int, ...] = ()
    operands: dict[str, Any] | None = None
    reason: str = ""
    freed: bool = False

    def __str__(self) -> str:
        return "\n".join(self._text(language) for language in settings.languages())

    __repr__ = __str__

    def _text(self, language: str) -> str:
        say = _TEXTS[language]
        lines = []
        if self.phase != "none" or not self.freed:
            lines.append(say[self.phase].format(what=self.value))
        if self.reason:
            lines[0] += f": {self.reason}"
        if self.place is not None:
            lines.append(f"  {say['line']} {self.place.file}:{self.place.line}: {self.place.text.strip()}")
        if self.module:
            lines.append(f"  {say['module']} {self.module}")
        if self.operands:
            shown = (
                f"{name} = {say['unkept'] if value is None else _number(value)}"
                for name, value in self.operands.items()
            )
            lines.append(f"  {say['operands']} {', '.join(shown)}")
        if self.freed:
            lines += [f"  {say['freed']}" if lines else say["freed"], f"  {say['keep']}"]
        return "\n".join(lines)


def explain_nan(loss: Any, model: Any = None) -> NotFinite:
    """Name the first operation where finite operands gave nan or inf.

    Looks at the graph of a tensor after the fact: at forward if the tensor is not finite, and else at a
    backward from it, which leaves no trace. Values that the graph has not kept are computed again.

    Args:
        loss: a tensor with a graph, or a sequence of them; backward starts from ones.
        model: the module to name modules by; found by itself if left out.

    Returns:
        What was found: print it, or read `.reason`, `.place`, `.module`, `.index`, `.operands`.

    Raises:
        RuntimeError: if there is no graph.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([4.0, -1.0], requires_grad=True)
        >>> found = torch.autograd.explain_nan((x.sqrt() * 2).sum())
        >>> found.reason
        'sqrt(-1.0) at [1]'
        >>> z = torch.tensor([4.0, 0.0], requires_grad=True)
        >>> torch.autograd.explain_nan(torch.where(z > 0, z.sqrt(), 0.0).sum()).reason
        '0 * inf in SqrtBackward0 at [1]'
    """
    tensors = list(tensors_in(loss))
    if not any(t._req for t in tensors):
        error = RuntimeError("explain_nan needs the graph of the tensor, and there is none")
        no_gradient(error, tensors[0] if tensors else None)
        raise error
    frame = user_frame(sys._getframe(1))
    nodes = graph_nodes(tensors)
    search = _Search(tensors, Values(tensors, nodes, frame), module_paths(nodes, model, frame)[0])
    for t in tensors:
        if isinstance(t._data, np.ndarray) and _bad(t._data):
            return search.forward(t)
    return search.backward()


class _Search:
    """One search through a graph."""

    def __init__(self, tensors: list[Any], values: Values, paths: dict[int, str]) -> None:
        self.tensors = tensors
        self.values = values
        self.paths = paths

    # -- forward ----------------------------------------------------------------------------------

    def forward(self, t: Any) -> NotFinite:
        """Follow what is not finite from the result back to where it was finite."""
        node, array, born = edge_of(t), t._data, None
        while True:
            node = node.parent if isinstance(node, Port) else node
            index = _first(array)
            value = array[index]
            if isinstance(node, AccumulateGrad):
                return self._given(node.variable, index, value)
            operands = self.values.operands(node)
            guilty = self._guilty(node, operands, index, value)
            if guilty is None:
                if born is not None and (self._moves(node) or not _made_here(operands)):
                    return born
                unknown = next((o for o in operands if o.array is UNKNOWN and o.edge is not None), None)
                if unknown is not None and np.isnan(value) and self._keeps_finite(node):
                    same = node.op.kind == "elementwise"
                    node, array = unknown.edge, array if same else np.full((), value)
                    continue
                if self.values.freed and not _made_here(operands):
                    return NotFinite("none", freed=True)
                return self._born(node, operands, index, value)
            if np.isnan(value) and not np.isnan(guilty.array).any() and born is None:
                born = self._born(node, operands, index, value)
            if guilty.edge is None:
                return born or self._constant(node, guilty)
            node, array = guilty.edge, guilty.array

    def _guilty(self, node: Any, operands: list[Operand], index: tuple[int, ...], value: Any) -> Any:
        """The operand that was not finite before; nan rather than inf."""
        seen = self._beyond(operands)
        if isinstance(node, OpNode) and node.op.kind == "elementwise":
            here = [o for o in seen if o.array.ndim <= len(index) and not np.isfinite(_at(o.array, index))]
            if all(o.edge is None or o in operands for o in seen):
                seen = here
        found = [o for o in seen if _bad(o.array)]
        found.sort(key=lambda o: not np.isnan(o.array).any() if np.isnan(value) else o.edge is None)
        return found[0] if found else None

    def _beyond(self, operands: list[Operand]) -> list[Operand]:
        """The operands whose values are known; in place of an unknown one those that it was made of."""
        found, pending, seen = [], list(operands), set()
        while pending:
            operand = pending.pop(0)
            if operand.array is not UNKNOWN:
                if operand.array.dtype.kind in "fc":
                    found.append(operand)
            elif operand.edge is not None and id(operand.edge) not in seen:
                seen.add(id(operand.edge))
                inner = operand.edge.parent if isinstance(operand.edge, Port) else operand.edge
                pending += self.values.operands(inner)
        return found

    def _keeps_finite(self, node: Any) -> bool:
        """Whether a nan can only come out of this operation if something not finite went in."""
        return isinstance(node, OpNode) and (node.op.kind == "linear" or node.op.name in _TAME)

    def _moves(self, node: Any) -> bool:
        if not isinstance(node, OpNode):
            return False
        return node.op.is_view or node.op.name in _MOVERS or "fill" in node.op.name

    def _born(self, node: Any, operands: list[Operand], index: tuple[int, ...], value: Any) -> NotFinite:
        """The finding that `value` was made by `node`."""
        shown = self._shown(node, operands, index)
        name = node.op.public if isinstance(node, OpNode) else node.name().removesuffix("Backward")
        if self._moves(node):
            reason = f"{_number(value)} put in by {name}"
        elif shown is None:
            reason = f"{name}({', '.join(_described(o) for o in operands)})"
        else:
            given = [_number(v) if v is not None else "?" for v in shown.values()]
            given += [
                f"{s}={getattr(node, s)}" if s != "exponent" else str(getattr(node, s))
                for s in node.op.statics
                if s in node.saved_names and getattr(node, s) not in (None, _default(node, s))
            ]
            sign = _INFIX.get(name)
            reason = f" {sign} ".join(given) if sign and len(given) == 2 else f"{name}({', '.join(given)})"
        kind = "input" if self._moves(node) else "forward"
        return self._found(kind, node, value, index, shown, f"{reason}{_where(index)}")

    def _shown(self, node: Any, operands: list[Operand], index: tuple[int, ...]) -> dict[str, Any] | None:
        """The operands at an element of the result, where each element comes from one of each."""
        if not isinstance(node, OpNode) or node.op.kind != "elementwise":
            return None
        return {o.name: None if o.array is UNKNOWN else _at(o.array, index).item() for o in operands}

    def _found(
        self, phase: str, node: Any, value: Any, index: tuple[int, ...], operands: Any, reason: str
    ) -> NotFinite:
        code = getattr(node, "code", None)
        where = None if code is None else place(code, node.lasti)
        path = self.paths.get(id(node), "")
        return NotFinite(
            phase, _kind(value), where, path, node.name(), index, operands, reason, self.values.freed
        )

    def _given(self, leaf: Any, index: tuple[int, ...], value: Any) -> NotFinite:
        path = next((p for p in (self.paths.get(id(n), "") for n in [edge_of(leaf)]) if p), "")
        reason = f"a leaf of shape {list(leaf.shape)} holds {_number(value)}{_where(index)}"
        return NotFinite("input", _kind(value), None, path, "", index, {}, reason, self.values.freed)

    def _constant(self, node: Any, operand: Operand) -> NotFinite:
        index = _first(operand.array)
        value = operand.array[index]
        reason = f"operand {operand.name} holds {_number(value)}{_where(index)}"
        return self._found("input", node, value, index, {operand.name: value.item()}, reason)

    # -- backward ---------------------------------------------------------------------------------

    def backward(self) -> NotFinite:
        """Run backward without a trace, up to the first gradient that is not finite."""
        try:
            for node, gs, values, grads in quiet_backward(self.tensors):
                found = self._arrived(node, gs, values, grads)
                if found is not None:
                    return found
        except RuntimeError as error:
            if str(error) != FREED_TEXT:
                raise
            return NotFinite("none", freed=True)
        return NotFinite("none", freed=self.values.freed)

    def _arrived(
        self, node: Any, gs: tuple[Any, ...], values: tuple[Any, ...], grads: dict[Any, Any]
    ) -> NotFinite | None:
        """What of a node's gradients, or of the sums they went into, is not finite."""
        given = [
            (k, edge, value)
            for k, (edge, value) in enumerate(zip(node.edges, values, strict=True))
            if edge is not None and value is not None
        ]
        for k, _, value in given:
            if _bad(value):
                return self._made(node, gs, k, value)
        for _, edge, _ in given:
            if _bad(grads[edge]):
                index = _first(grads[edge])
                reason = f"the sum of two gradients overflows{_where(index)}"
                return self._found("backward", node, grads[edge][index], index, {}, reason)
        return None

    def _made(self, node: Any, gs: tuple[Any, ...], k: int, value: Any) -> NotFinite:
        """The finding that the gradient of input `k` of `node` is not finite."""
        index, name = _first(value), node.name()
        operands = self.values.operands(node)
        if isinstance(node, OpNode) and node.op.kind == "elementwise" and gs[0] is not None:
            parameter = node.op.tensors[k]
            rule, g = node.op.raw_rules[parameter], gs[0]
            known = [node.saved(a, False) for a in node.op.rule_arguments(parameter)]
            raw = np.broadcast_to(np.asarray(rule(g, *known)), g.shape)
            if _bad(raw):
                index = _first(raw)
                factor = np.broadcast_to(np.asarray(rule(np.ones_like(g), *known)), g.shape)[index]
                reason = f"{g[index].item():g} * {factor.item():g} in {name}{_where(index)}"
                shown = self._shown(node, operands, index)
                return self._found("backward", node, raw[index], index, shown, reason)
            reason = f"the sum over the broadcast elements overflows in {name}{_where(index)}"
        else:
            reason = f"the gradient of input {k} in {name}{_where(index)}"
        return self._found("backward", node, value[index], index, None, reason)


def _described(operand: Operand) -> str:
    """An operand as a whole: its shape, and whether it was finite."""
    if operand.array is UNKNOWN:
        return f"{operand.name}: ?"
    said = f"{operand.name} of shape {list(operand.array.shape)}"
    return f"{said} with {_number(operand.array[_first(operand.array)])}" if _bad(operand.array) else said


def _made_here(operands: list[Operand]) -> bool:
    """Whether all operands are known, so that what is not finite was surely made here."""
    return all(o.array is not UNKNOWN for o in operands)


def _default(node: Any, static: str) -> Any:
    text = node.op.defaults.get(static)
    return None if text is None else eval(text, {})


def _bad(array: Any) -> bool:
    return array.dtype.kind in "fc" and not np.isfinite(array).all()


def _first(array: Any) -> tuple[int, ...]:
    """The index of the first nan, or else of the first inf."""
    found = np.isnan(array)
    if not found.any():
        found = ~np.isfinite(array)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(found)), array.shape))


def _at(array: Any, index: tuple[int, ...]) -> Any:
    """The element of an operand that was broadcast, for an index of the result."""
    own = index[len(index) - array.ndim :]
    return array[tuple(0 if n == 1 else i for i, n in zip(own, array.shape, strict=True))]


def _kind(value: Any) -> str:
    if np.isnan(value):
        return "nan"
    return "-inf" if not np.iscomplexobj(value) and value < 0 else "inf"


def _number(value: Any) -> str:
    """A number as short as it can be told from others of its precision."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, float):
        return str(value)
    whole = np.isfinite(value) and abs(value) < 1e6 and value == int(value)
    return str(value) if whole else f"{value:.6g}"


def _where(index: tuple[int, ...]) -> str:
    return f" at {list(index)}" if index else ""
