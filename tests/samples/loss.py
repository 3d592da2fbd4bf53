"""Losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import COMPLEX, FLOATS, Const, Make, OpCase, S, Sample, Samples, V

F = "nn.functional."
REDUCTIONS = ("mean", "sum", "none")


def of_two(
    options: tuple[dict[str, Any], ...] = ({},),
    left: tuple[float, float] = (-2.0, 2.0),
    right: tuple[float, float] = (-2.0, 2.0),
    distinct: bool = False,
) -> Samples:
    """Samples of a loss of an input and a target of one shape, both differentiable, for every reduction."""

    def samples(make: Make) -> Iterator[Sample]:
        for reduction in REDUCTIONS:
            for keywords in options:
                if distinct:
                    both = make(2, 3, 4, low=left[0], high=left[1], distinct=True)
                    yield S(both[0], both[1], reduction=reduction, **keywords)
                else:
                    a, b = make(3, 4, low=left[0], high=left[1]), make(3, 4, low=right[0], high=right[1])
                    yield S(a, b, reduction=reduction, **keywords)
        pair = make(2, 4, 3, low=max(left[0], right[0]), high=min(left[1], right[1]), distinct=True)
        yield S(pair[0].T, pair[1].T)
        yield S(pair[0, 0, 0], pair[1, 0, 0])
        yield V(pair[0, :0], pair[1, :0], reduction="sum")
        yield V(pair[0, :0], pair[1, :0], reduction="none")

    return samples


def _class_targets(make: Make) -> Iterator[Sample]:
    target = make.index(4, 3)
    for reduction in REDUCTIONS:
        yield S(make(3, 4), target, reduction=reduction)
    weight = Const(make(4, low=0.3, high=1.5))
    yield S(make(3, 4), target, weight)
    yield S(make(3, 4), make.given(0, -100, 3, dtype="int64"))
    yield S(make(3, 4), make.given(0, 2, 2, dtype="int64"), weight, ignore_index=2, reduction="sum")
    yield S(make(4), make.given(1, dtype="int64").reshape(()))
    yield S(make(2, 3, 2), make.index(3, 2, 2))
    yield S(make(2, 3, 2, 2), make.index(3, 2, 2, 2), reduction="none")
    yield S(make(4, 3, layout="t"), make.index(3, 4))
    yield V(make(0, 4), make.index(4, 0), reduction="sum")
    yield V(make(2, 4), make.given(-100, -100, dtype="int64"))


def _cross_entropy(make: Make) -> Iterator[Sample]:
    yield from _class_targets(make)
    yield S(make(3, 4), make.index(4, 3), label_smoothing=0.1)
    yield S(make(3, 4), make.given(0, -100, 3, dtype="int64"), Const(make(4, low=0.3)), label_smoothing=0.2)
    soft = make(3, 4, low=0.1, high=1.0).astype("float64")
    soft = (soft / soft.sum(1, keepdims=True)).astype(make(1).dtype)
    yield S(make(3, 4), soft)
    yield S(make(3, 4), soft, reduction="none", label_smoothing=0.1)
    yield S(make(3, 4), soft, Const(make(4, low=0.3)), reduction="sum")
    yield S(make(2, 3, 2), make(2, 3, 2, low=0.1, high=0.5))


def _binary(make: Make) -> Iterator[Sample]:
    def probability(*shape: int) -> Any:
        return make(*shape, low=0.15, high=0.85)

    for reduction in REDUCTIONS:
        yield S(probability(3, 4), probability(3, 4), reduction=reduction)
    yield S(probability(3, 4), probability(3, 4), Const(make(4, low=0.3, high=1.5)))
    yield S(probability(), probability())
    yield V(make.given(0, 1, 0, 1), make.given(0, 1, 1, 0), reduction="none")


def _binary_logits(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield S(make(3, 4), make(3, 4, low=0, high=1), reduction=reduction)
    weight = Const(make(4, low=0.3, high=1.5))
    yield S(make(3, 4), make(3, 4, low=0, high=1), weight)
    yield S(make(3, 4), make(3, 4, low=0, high=1), pos_weight=weight)
    yield S(make(3, 4), make(3, 4, low=0, high=1), weight, pos_weight=weight, reduction="none")
    yield S(make(), make(low=0, high=1))
    yield V(make.given(-200, 200, 0, 50), make.given(0, 1, 1, 0), reduction="none")


def _kl_div(make: Make) -> Iterator[Sample]:
    for reduction in (*REDUCTIONS, "batchmean"):
        yield S(make(3, 4), make(3, 4, low=0.1, high=0.9), reduction=reduction)
    for reduction in ("sum", "batchmean"):
        yield S(make(3, 4), make(3, 4), reduction=reduction, log_target=True)
    yield S(make(4, 3, layout="t"), make(3, low=0.1, high=0.9), reduction="none")
    yield V(make(2, 3), make.given(0.0, 0.5, 0.5), reduction="sum")


def _soft_margin(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield S(make(3, 4), Const(make.given(1, -1, 1, -1)), reduction=reduction)


def _hinge(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield S(make(3, 4, avoid=(1.0,)), Const(make.given(1, -1, 1, -1)), reduction=reduction)
    yield S(make(4, avoid=(0.5, 1.0)), Const(make.given(1, -1, 1, -1)), margin=0.5)


def _margin_ranking(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        both = make(2, 3, 4, distinct=True)
        yield S(both[0], both[1], Const(make.given([1, -1, 1, -1] * 3).reshape(3, 4)), reduction=reduction)
    both = make(2, 4, low=-9, high=9, distinct=True)
    yield S(both[0], both[1], Const(make.given(1, -1, 1, -1)), 0.1)


def _cosine_embedding(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield S(make(3, 4), make(3, 4), Const(make.given(1, -1, 1)), -0.99, reduction=reduction)


def _triplet(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield S(make(3, 4), make(3, 4), make(3, 4), 9.0, reduction=reduction)


def _poisson(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield S(make(3, 4), make(3, 4, low=1.2, high=4.0), reduction=reduction)
    yield S(make(3, 4, low=0.3, high=2.0), make(3, 4, low=1.2, high=4.0), log_input=False)
    yield S(make(3, 4), make(3, 4, low=1.2, high=4.0), full=True)


def _gaussian(make: Make) -> Iterator[Sample]:
    for reduction in REDUCTIONS:
        yield S(make(3, 4), make(3, 4), make(3, 4, low=0.3, high=2.0), reduction=reduction)
    yield S(make(3, 4), make(3, 4), make(3, 1, low=0.3, high=2.0), full=True)


def loss(name: str, samples: Samples, dtypes: tuple[str, ...] = FLOATS, **flags: Any) -> OpCase:
    """A case for a loss: means over a dozen numbers, so with some room."""
    tolerance = {"float16": (5e-3, 2e-3), "bfloat16": (4e-2, 2e-2), "float32": (2e-5, 1e-5)}
    return OpCase(F + name, samples, dtypes, **{"tolerance": tolerance, **flags})


HUBER: tuple[dict[str, Any], ...] = ({},)

CASES = [
    loss("cross_entropy", _cross_entropy),
    loss("nll_loss", _class_targets),
    loss("mse_loss", of_two()),
    loss("l1_loss", of_two(distinct=True), FLOATS + COMPLEX),
    loss("smooth_l1_loss", of_two(({}, {"beta": 0.5}), distinct=True)),
    loss("huber_loss", of_two(({}, {"delta": 0.5}), distinct=True)),
    loss("binary_cross_entropy", _binary),
    loss("binary_cross_entropy_with_logits", _binary_logits),
    loss("kl_div", _kl_div),
    loss("soft_margin_loss", _soft_margin),
    loss("hinge_embedding_loss", _hinge),
    loss("margin_ranking_loss", _margin_ranking),
    loss("cosine_embedding_loss", _cosine_embedding),
    loss("triplet_margin_loss", _triplet),
    loss("poisson_nll_loss", _poisson),
    loss("gaussian_nll_loss", _gaussian, vmap=False, trace=False),
]
