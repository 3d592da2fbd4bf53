"""Recurrent networks and their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .case import REAL, Array, Make, OpCase, S, Sample, Samples

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def _weights(make: Make, gates: int, width: int, hidden: int, bias: bool) -> list[Array]:
    rows = gates * hidden
    weights = [make(rows, width), make(rows, hidden)]
    return weights + [make(rows), make(rows)] * bias


def _network(name: str) -> Samples:
    gates, pair = GATES[name], name == "lstm"

    def state(make: Make, count: int, batch: int, hidden: int) -> Any:
        shape = (count, batch, hidden)
        return (make(*shape), make(*shape)) if pair else make(*shape)

    def samples(make: Make) -> Iterator[Sample]:
        one = _weights(make, gates, 1, 1, True)
        yield S(make(2, 1, 1), state(make, 1, 1, 1), one, True, 1, 0.0, True, False, False)
        both = one + _weights(make, gates, 1, 1, True)
        yield S(make(1, 2, 1), state(make, 2, 1, 1), both, True, 1, 0.0, True, True, True)
        bare = _weights(make, gates, 1, 1, False)
        yield S(make(2, 2, 1), state(make, 2, 2, 1), bare + bare, False, 2, 0.0, False, False, False)
        yield S(make(4, 1), (2, 1, 1), state(make, 1, 2, 1), bare, False, 1, 0.0, True, False)
        yield S(make(4, 1), (2, 1, 1), state(make, 2, 2, 1), bare * 2, False, 1, 0.0, True, True)
        wide = _weights(make, gates, 3, 4, True)
        yield S(make(3, 5, 3), state(make, 1, 5, 4), wide, True, 1, 0.0, True, False, False)
        if pair:
            projected = [make(8, 1), make(8, 1), make(1, 2)]
            yield S(
                make(2, 2, 1), (make(1, 2, 1), make(1, 2, 2)), projected, False, 1, 0.0, True, False, False
            )

    return samples


def _called(name: str) -> Callable[..., Any]:
    """The function, with the numbers of rows of a packed input as a tensor."""

    def call(xp: Any, data: Any, second: Any, *rest: Any) -> Any:
        packed = isinstance(second, tuple) and isinstance(second[0], int)
        return getattr(xp, name)(data, xp.tensor(second) if packed else second, *rest)

    return call


def _cell(name: str) -> Samples:
    gates, pair = GATES[name], name == "lstm"

    def samples(make: Make) -> Iterator[Sample]:
        for hidden, bias in ((1, True), (2, False), (4, True)):
            state = make(3, hidden)
            weights = _weights(make, gates, 2, hidden, bias)
            yield S(make(3, 2), (state, make(3, hidden)) if pair else state, *weights)

    return samples


CASES = [
    *(OpCase(name, _network(name), REAL, grad_fn=False, call=_called(name)) for name in GATES),
    *(OpCase(f"{name}_cell", _cell(name), REAL, grad_fn=False) for name in GATES),
]
