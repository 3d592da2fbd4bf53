"""Activations: the softmax family and the functions of one number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import COMPLEX, FLOATS, NUMBERS, REALS, Dtype, G, Make, OpCase, S, Sample, Samples, V

F = "nn.functional."


def pointwise(
    avoid: tuple[float, ...] = (),
    options: tuple[dict[str, Any], ...] = (),
    low: float = -3.0,
    high: float = 3.0,
    extreme: bool = True,
) -> Samples:
    """Samples of an activation: shapes and layouts, then its options, then (if `extreme`) extreme values."""

    def samples(make: Make) -> Iterator[Sample]:
        def one(*shape: int, layout: str = "plain") -> Any:
            return make(*shape, low=low, high=high, avoid=avoid, layout=layout)

        yield S(one(3, 4))
        for keywords in options:
            yield S(one(3, 4), **keywords)
        yield S(one())
        yield S(one(4, 3, layout="t"))
        yield V(one(2, 3, layout="step"))
        yield V(one(3, 3, layout="expand"))
        yield V(one(0, 2))
        yield V(one(9, 33))
        if make.floating and extreme:
            yield V(make.extreme())
            for keywords in options:
                yield V(make.extreme(), **keywords)

    return samples


def activation(
    name: str, samples: Samples | None = None, dtypes: tuple[str, ...] = FLOATS, **flags: Any
) -> OpCase:
    """A case for a function in `nn.functional`."""
    tolerance = {"float16": (4e-3, 1e-3), "bfloat16": (2e-2, 1e-3), "float32": (1e-5, 5e-6)}
    return OpCase(F + name, samples or pointwise(), dtypes, **{"tolerance": tolerance, **flags})


def _softmax(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 1)
    yield S(make(2, 3, 2), 1)
    yield S(make(4, 3, layout="t"), -2)
    yield S(make(), 0)
    yield V(make(0, 3), 1)
    yield V(make(3, 0), 0)
    yield V(make(5, 70), 1)
    yield V(make(3, 4), 1, dtype=Dtype("float64"))
    if make.dtype == "float32":
        yield S(make(3, 4), 1, dtype=Dtype("float64"))
    if make.floating:
        inf = float("inf")
        yield V(make.given(-inf, 1.0, 2.0, -inf, -inf, -inf).reshape(2, 3), 1)
        yield V(make.given(1000.0, 999.0, -1000.0, inf, 0.0, float("nan")).reshape(2, 3), 1)


def _glu(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make(4, 3), 0)
    yield S(make(2, 4, 3, layout="t"), 1)
    yield V(make(0, 2))


def _prelu(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, avoid=(0.0,)), make(1, low=0.1, high=0.5))
    yield S(make(2, 3, 2, avoid=(0.0,)), make(3, low=0.1, high=0.5))
    yield S(make(avoid=(0.0,)), make(1, low=0.1, high=0.5))


def _threshold(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, avoid=(0.5 if make.floating else 0.0,)), 0.5 if make.floating else 0, 20)
    yield S(make(4, 3, avoid=(1.0,), layout="t"), 1, -3)
    yield V(make(0), 1, 2)


def _normalize(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, avoid=(0.0,)))
    yield S(make(4, 3, avoid=(0.0,), layout="t"), 2, 0)
    yield S(make(2, 3, avoid=(0.0,)), p=3, dim=-1)
    yield V(make(2, 3) * 0)


def _similarity(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), make(3, 4))
    yield S(make(3, 4), make(4), dim=-1)
    yield S(make(4, 3, layout="t"), make(4, 1), 0)


def _layer_norm(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), (4,), make(4), make(4))
    yield S(make(2, 3, 4), (3, 4), make(3, 4), make(3, 4), 1e-3)
    yield S(make(3, 4), (4,))
    yield S(make(3, 4), (4,), make(4))
    yield S(make(4, 3, layout="t"), (3,), make(3), make(3))
    yield S(make(3, 4), [4], bias=make(4))
    yield V(make(0, 4), (4,), make(4), make(4))
    yield V(make(5, 64), (64,), make(64), make(64))


def _rms_norm(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), (4,), make(4))
    yield S(make(2, 3, 4), (3, 4), None, 1e-3)


def _embedding(make: Make) -> Iterator[Sample]:
    yield S(make.index(5, 3), make(5, 2))
    yield S(make.given([0, 4], [4, 4], dtype="int64"), make(5, 3))
    yield S(make.index(5, 2, 2, dtype="int32"), make(5, 3))
    yield G(make.given(1, 0, 1, dtype="int64"), make(4, 2), padding_idx=1)
    yield S(make.given(2, dtype="int64").reshape(()), make(4, 2))
    yield G(make.given(1, 1, 0, dtype="int64"), make(4, 2), scale_grad_by_freq=True)
    yield V(make(0, dtype="int64"), make(4, 2))


def _no_dropout(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4), 0.0)
    yield S(make(3, 4), 0.5, False)
    yield S(make(4, 3, layout="t"), p=0.3, training=False)
    yield V(make(3, 4), 1.0)
    yield V(make(0), 0.5)


def _softmax_with_dtype(make: Make) -> Iterator[Sample]:
    yield V(make(3, 4), 1, dtype=Dtype("float32"))
    yield V(make(), 0, dtype=Dtype("float64"))


SELU_KINKS = (0.0,)

CASES = [
    OpCase("softmax", _softmax, FLOATS, aliases=(F + "softmax", "special.softmax")),
    OpCase("log_softmax", _softmax, FLOATS, aliases=(F + "log_softmax", "special.log_softmax")),
    OpCase(
        "softmax with dtype",
        _softmax_with_dtype,
        REALS + ("bool",),
        lambda xp, *a, **k: xp.softmax(*a, **k),
        grad=False,
    ),
    activation("softmin", lambda make: (S(make(3, 4), 1), S(make(4, 3, layout="t"), 0), V(make(0, 2), 1))),
    OpCase("relu", pointwise((0.0,)), REALS, inplace=True, aliases=(F + "relu",)),
    activation("relu6", pointwise((0.0, 6.0), low=-3, high=9), REALS),
    activation("leaky_relu", pointwise((0.0,), ({"negative_slope": 0.2},))),
    activation("elu", pointwise((0.0,), ({"alpha": 0.7},))),
    activation("selu", pointwise((0.0,))),
    activation("celu", pointwise((0.0,), ({"alpha": 0.7},))),
    # PyTorch's gelu of infinity is inf or nan, whichever lane of a vector register it lands in.
    activation("gelu", pointwise((), ({"approximate": "tanh"},), extreme=False)),
    activation("silu"),
    activation("mish"),
    activation("softplus", pointwise((), ({"beta": 2}, {"beta": 3.0, "threshold": 4.0}), low=-1.2, high=1.2)),
    activation("softsign", pointwise((0.0,)), NUMBERS),
    activation("tanhshrink", None, NUMBERS),
    activation("logsigmoid"),
    activation("hardsigmoid", pointwise((-3.0, 3.0), low=-5, high=5), second=False),
    activation("hardswish", pointwise((-3.0, 3.0), low=-5, high=5)),
    activation("hardtanh", pointwise((-1.0, 1.0, -0.5), ({"min_val": -0.5, "max_val": 1},))),
    activation("hardshrink", pointwise((-0.5, 0.5), ({"lambd": 0.5},)), grad_fn=True),
    activation("softshrink", pointwise((-0.5, 0.5), ({"lambd": 0.5},))),
    activation("threshold", _threshold, REALS),
    activation("glu", _glu),
    activation("prelu", _prelu),
    activation("normalize", _normalize, FLOATS + COMPLEX),
    activation("cosine_similarity", _similarity),
    activation("layer_norm", _layer_norm),
    activation("rms_norm", _rms_norm, FLOATS),
    activation("embedding", _embedding),
    activation("dropout", _no_dropout),
]
