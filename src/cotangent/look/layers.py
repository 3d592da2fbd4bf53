"""Checks of the doctor on layers: ReLUs that never fire, gradients that vanish, values that explode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from ..nn.modules import Module
from .exam import Exam
from .findings import Finding
from .watch import Listener, OpCall, Spot, line_of, tensors_in

__all__ = ["Layers", "is_finite"]

_DEAD: Final = 0.9  # of a layer's units
_FEW: Final = 8  # examples that say nothing yet
_VANISHED: Final = 1e-6
_EXPLODED: Final = 1e4


class Layers(Listener):
    """Looks at activations and at gradients of weights."""

    def __init__(self, exam: Exam) -> None:
        self.exam = exam
        self.relus: dict[Any, list[Any]] = {}  # line, layer -> [which units ever fired, examples, line]
        self.order: dict[int, Spot] = {}  # where weights are used first, in that order
        self.largest: list[dict[int, float]] = []
        self.given: dict[int, float] = {}
        self.grown: tuple[float, float, str, Spot] | None = None
        self.first_bad: tuple[str, Spot] | None = None
        self.bad_loss: float | None = None  # the first that was not finite

    def op(self, call: OpCall) -> None:
        if not call.recording:
            return
        for t in call.args:
            if isinstance(t, np.ndarray) or not hasattr(t, "_req"):
                continue
            if t._req and t._node is None:
                self.order.setdefault(id(t), call.spot)
        born = self.first_bad is None and any(t._req and not is_finite(t) for t in tensors_in(call.result))
        if born and all(is_finite(t) for t in tensors_in(call.args)):
            self.first_bad = (call.name, call.spot)
        if call.name == "relu" and call.result._req and call.result._data.__class__ is np.ndarray:
            self._relu(call)

    def _relu(self, call: OpCall) -> None:
        data = call.result._data
        if data.ndim < 2:
            return
        axis = 1 if data.ndim == 4 else data.ndim - 1
        fired = (data > 0).any(axis=tuple(d for d in range(data.ndim) if d != axis))
        key = (call.spot, id(call.modules[-1]) if call.modules else 0, fired.shape)
        examples = data.size // data.shape[axis]
        held = self.relus.setdefault(key, [np.zeros_like(fired), 0, call.spot])
        held[0] = held[0] | fired
        held[1] += examples

    def leave(self, module: Module, outer: tuple[Module, ...], result: Any) -> None:
        spot = self.exam.called[id(module)]
        for t in tensors_in(result):
            if not t._req or t._data.__class__ is not np.ndarray or not t._data.size:
                continue
            size, start = _rms(t._data), self.given.get(id(outer[0]) if outer else id(module))
            if start is not None and size > _EXPLODED * max(start, 1.0) and self.grown is None:
                self.grown = (size, size / max(start, 1.0), self.exam.module_name(module), spot)

    def enter(self, module: Module, outer: tuple[Module, ...], args: dict[str, Any], spot: Spot) -> None:
        if not outer:
            sizes = [
                _rms(t._data)
                for t in tensors_in(args)
                if t._data.__class__ is np.ndarray and t._data.dtype.kind == "f" and t._data.size
            ]
            self.given[id(module)] = max(sizes, default=1.0)

    def differentiate(self, tensors: list[Any]) -> None:
        for t in tensors:
            if self.bad_loss is None and not is_finite(t):
                self.bad_loss = float(t._data.ravel()[0])

    def after_backward(self, leaves: dict[int, Any], spot: Spot) -> None:
        self.largest.append(
            {
                key: float(np.abs(p._grad._data).max())
                for key, p in leaves.items()
                if p._grad is not None and p._data.ndim >= 2 and p._grad._data.__class__ is np.ndarray
                and p._data.size
            }
        )  # fmt: skip

    # -- findings ------------------------------------------------------------------------------------

    def dead(self) -> Iterator[Finding]:
        """ReLUs of which hardly a unit fires."""
        for fired, examples, spot in self.relus.values():
            asleep = int((~fired).sum())
            if examples >= _FEW and fired.size >= 2 and asleep >= _DEAD * fired.size:
                facts = {"dead": asleep, "units": int(fired.size), "examples": examples}
                yield Finding("dead-relu", line_of(spot), (), facts)

    def gradients(self) -> Iterator[Finding]:
        """Gradients that shrink or grow by orders of magnitude from the last layer to the first."""
        if self.grown is not None:
            size, ratio, name, spot = self.grown
            facts = {
                "what": "the output", "what_zh": "输出", "size": size, "ratio": ratio, "other": "the input",
            }  # fmt: skip
            yield Finding("exploding", line_of(spot), (name,), facts)
            return
        names = {id(p): name for name, p, _ in self.exam.named()}
        for root in self.exam.roots():
            mine = {id(p) for p in root.parameters()}
            for sizes in self.largest[-1:]:
                keys = [key for key in self.order if key in mine and key in sizes]  # in order of use
                yield from self._trend([(k, sizes[k]) for k in keys], names)

    def _trend(self, sizes: list[tuple[int, float]], names: dict[int, str]) -> Iterator[Finding]:
        if len(sizes) < 4:
            return
        third = max(1, len(sizes) // 3)
        first = min(sizes[:third], key=lambda entry: entry[1])
        last = max(sizes[-third:], key=lambda entry: entry[1])
        low, high = first[1], last[1]
        middle = [size for _, size in sizes if size]
        fading = low > 0 or (len(middle) >= 3 and min(middle) < _VANISHED * high)
        spot = self.order[first[0]]
        if 0 < high < np.inf and low < _VANISHED * high and fading:
            facts = {"first": low, "last": high, "last_name": names[last[0]]}
            yield Finding("vanishing", line_of(spot), (names[first[0]],), facts)
            return
        top = max(sizes[:third], key=lambda entry: entry[1])
        bottom = min((size for _, size in sizes[-third:] if size), default=0.0)
        if bottom and top[1] > max(_EXPLODED * bottom, 1.0):
            other = next(key for key, size in sizes[-third:] if size == bottom)
            facts = {
                "what": "the gradient", "what_zh": "梯度", "size": top[1], "ratio": top[1] / bottom,
                "other": names[other],
            }  # fmt: skip
            yield Finding("exploding", line_of(self.order[top[0]]), (names[top[0]],), facts)

    def finite(self) -> Iterator[Finding]:
        """A loss that is nan or inf."""
        if self.first_bad is not None and self.bad_loss is not None:
            what, at = self.first_bad
            yield Finding("not-finite", line_of(at), (), {"value": self.bad_loss, "what": what})


def is_finite(t: Any) -> bool:
    """Whether all elements are finite; True where there are no numbers to look at."""
    data = t._data
    if data.__class__ is not np.ndarray or data.dtype.kind not in "fc":
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(data, axis=None))) or bool(np.isfinite(data).all())


def _rms(data: Any) -> float:
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(np.abs(data, dtype=np.float64)))))
