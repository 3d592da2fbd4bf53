"""Losses of sequences, and of the logits of a linear map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import REAL, Const, Make, OpCase, S, Sample, V

F = "nn.functional."


def _ctc(make: Make) -> Iterator[Sample]:
    labels = make.given(1, 2, 2, 2, dtype="int64").reshape(2, 2)
    for reduction in ("none", "mean", "sum"):
        yield S(make(4, 2, 3), labels, (4, 4), (2, 1), reduction=reduction)
    yield S(make(4, 2, 3), make.given(1, 2, 1, dtype="int64"), (4, 3), (2, 1), reduction="none")
    yield S(make(5, 3), make.given(1, 1, dtype="int64"), (5,), (2,), reduction="none")
    yield S(make(3, 2, 3), labels - 1, (3, 2), (2, 0), blank=2)
    yield S(make(3, 2, 3), labels, (3, 2), (2, 2), zero_infinity=True)
    yield V(make(3, 2, 3), labels, (1, 3), (2, 2), reduction="none")


def _normalised(xp: Any, logits: Any, *rest: Any, **options: Any) -> Any:
    """The loss of `log_softmax`: PyTorch's gradient is the derivative of nothing else."""
    return xp.nn.functional.ctc_loss(logits.log_softmax(-1), *rest, **options)


def _linear(make: Make) -> Iterator[Sample]:
    for reduction in ("mean", "sum", "none"):
        yield S(make(3, 2), make(4, 2), make.index(4, 3), reduction=reduction)
    weight = Const(make(4, low=0.3, high=1.5))
    yield S(make(3, 2), make(4, 2), make.index(4, 3), linear_bias=make(4), weight=weight, ignore_index=1)
    yield S(make(2), make(4, 2), make.given(2, dtype="int64").reshape(()))
    yield S(make(2, 2), make(3, 2, 2), make.index(3, 2, 2), linear_bias=make(3, 2))
    yield S(make(2, 2), make(3, 2), Const(make(2, 3, low=0.1, high=0.9)), label_smoothing=0.1)


CASES = [
    OpCase(F + "ctc_loss", _ctc, REAL, call=_normalised, grad_fn=False),
    OpCase(F + "linear_cross_entropy", _linear, REAL, grad_fn=False),
]
