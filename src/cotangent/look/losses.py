"""Checks of the doctor that look at losses: shapes that broadcast, softmax before cross entropy, labels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..autograd.base import TensorBase
from ..nn.modules import Module
from .findings import Finding
from .watch import Listener, OpCall, Spot, line_of

__all__ = ["Losses"]

_PAIRS: Final = frozenset(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"))
_BINARY: Final = frozenset(("sub", "rsub", "mul", "add", "div"))
# Operations that move values without changing them.
_MOVES: Final = frozenset(
    (
        "ViewBackward0", "ReshapeAliasBackward0", "UnsafeViewBackward0", "TransposeBackward0", "TBackward0",
        "PermuteBackward0", "SqueezeBackward0", "SqueezeBackward1", "UnsqueezeBackward0", "CloneBackward0",
        "SliceBackward0", "SelectBackward0", "ToCopyBackward0", "ExpandBackward0", "AliasBackward0",
    )
)  # fmt: skip


class Losses(Listener):
    """Remembers one finding per line and kind."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, Spot], Finding] = {}

    def add(self, kind: str, spot: Spot, before: Any = None, **facts: Any) -> None:
        """Note a finding; `before` is a node whose line belongs to it."""
        inner = None if before is None or before.code is None else line_of((before.code, before.lasti))
        self.found.setdefault((kind, spot), Finding(kind, line_of(spot), (), facts, inner))

    # -- functions of torch.nn.functional -------------------------------------------------------------

    def loss(self, name: str, given: dict[str, Any], spot: Spot) -> None:
        if name == "embedding":
            self._indices(given, spot)
            return
        x, target = given.get("input"), given.get("target")
        if not (isinstance(x, TensorBase) and isinstance(target, TensorBase)):
            return
        if name in _PAIRS:
            if x.shape != target.shape:  # type: ignore[attr-defined]
                self._pair(x, target, spot)
        elif name in ("cross_entropy", "nll_loss"):
            self._classes(name, x, target, given.get("ignore_index"), spot)
        elif target._data.size:
            low, high = float(target._data.min()), float(target._data.max())
            if low < 0 or high > 1:
                self.add("target-range", spot, loss=name, low=f"{low:g}", high=f"{high:g}")
            before = _origin(x)
            if name.endswith("with_logits") and before is not None and _kind(before) == "sigmoid":
                self.add("double-softmax", spot, before, loss=name, inside="sigmoid", earlier="sigmoid")

    def _pair(self, x: Any, target: Any, spot: Spot) -> None:
        a, b = tuple(x.shape), tuple(target.shape)
        result = np.broadcast_shapes(a, b) if _fits(a, b) else None
        if result is not None and result not in (a, b):
            self.add("broadcast", spot, first=list(a), second=list(b), result=list(result))

    def _classes(self, name: str, x: Any, target: Any, ignore: Any, spot: Spot) -> None:
        classes = x.shape[0] if x.ndim == 1 else x.shape[1] if x.ndim else 0
        if not target._data.size or not x._data.size:
            return
        before = _origin(x)
        if name == "cross_entropy":
            if before is not None and _kind(before) in ("softmax", "sigmoid"):
                inside = {"loss": name, "inside": "log_softmax", "earlier": _kind(before)}
                self.add("double-softmax", spot, before, **inside)
        elif before is not None and _kind(before) in ("softmax", "sigmoid"):
            self.add("nll-input", spot, before, what="are probabilities (they went through softmax)")
        elif _numbers(x) and float(x._data.max()) > 1e-4:
            self.add("nll-input", spot, what="has positive values (raw logits)")
        if target._data.dtype.kind not in "iu" or not _numbers(target):
            return
        labels = target._data[target._data != ignore] if ignore is not None else target._data
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            low, high = int(labels.min()), int(labels.max())
            self.add(
                "label-range",
                spot,
                loss=name,
                low=low,
                high=high,
                last=classes - 1,
                **_advice(low, high, classes),
            )

    def _indices(self, given: dict[str, Any], spot: Spot) -> None:
        index, table = given.get("input"), given.get("weight")
        if not (isinstance(index, TensorBase) and isinstance(table, TensorBase)) or not index._data.size:
            return
        rows = table._data.shape[0]
        low, high = int(index._data.min()), int(index._data.max())
        if low < 0 or high >= rows:
            self.add("index-range", spot, low=low, high=high, last=rows - 1, needed=high + 1)

    # -- losses written out -----------------------------------------------------------------------------

    def op(self, call: OpCall) -> None:
        if call.name not in _BINARY or not call.recording or not isinstance(call.result, TensorBase):
            return
        pair = [t for t in call.args if isinstance(t, TensorBase)]
        if len(pair) != 2 or any(_has_parameters(module) for module in call.modules):
            return
        a, b = (tuple(t._data.shape) for t in pair)
        column, row = (pair[0], pair[1]) if len(a) == 2 else (pair[1], pair[0])
        tall, wide = tuple(column._data.shape), tuple(row._data.shape)
        if len(tall) != 2 or len(wide) != 1 or tall[1] != 1 or tall[0] != wide[0] or wide[0] < 2:
            return
        if column._req == row._req:
            return  # a table of all pairs of one thing
        if column._view is not None and column._view.op.public in ("unsqueeze", "getitem", "view_as"):
            return  # made a column on purpose
        result = list(call.result._data.shape)
        self.add("broadcast", call.spot, first=list(a), second=list(b), result=result)


def _advice(low: int, high: int, classes: int) -> dict[str, str]:
    if low >= 1 and high == classes:
        return {"advice": "count labels from 0: target - 1", "advice_zh": "标签从 0 数起: target - 1"}
    if low < 0 and high < classes:
        return {
            "advice": f"mark examples without a label by ignore_index={low}, or relabel them",
            "advice_zh": f"没有标签的样本用 ignore_index={low} 标出, 或重新标注",
        }
    return {
        "advice": f"give the last layer {high + 1} outputs, or map the labels to 0 to {classes - 1}",
        "advice_zh": f"把最后一层的输出增加到 {high + 1} 个, 或把标签映射到 0 到 {classes - 1}",
    }


def _numbers(t: Any) -> bool:
    """Whether there are numbers to look at: not under a transform or a trace."""
    return t._data.__class__ is np.ndarray


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


def _origin(t: Any) -> Any:
    """The node that computed the values of `t`, past those that only move them."""
    node = t._node
    while node is not None and node.name() in _MOVES:
        node = node.edges[0]
    return node


def _kind(node: Any) -> str:
    """The operation of a node: "softmax" for SoftmaxBackward0."""
    return str(node.name()).partition("Backward")[0].lower()


def _has_parameters(module: Module) -> bool:
    return next(module.parameters(), None) is not None
