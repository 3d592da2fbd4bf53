"""Recurrent layers: a primitive runs one layer in one direction over all steps of its sequences.

Each takes one list of tensors, so that one rule returns all their cotangents from one pass back through the
steps. On Tensors (derivatives of higher order, vmap, forward mode) the rule differentiates the same steps
written with operations.

Formulas: https://doi.org/10.1162/neco.1997.9.8.1735 (LSTM), https://arxiv.org/abs/1402.1128 (with
projection), https://arxiv.org/abs/1406.1078 (GRU).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..kernels import recurrent as k
from .batching import joined, parted
from .join import cat_of
from .table import blank, general, is_array, linear, needed, pulled_back, traced_pullback, with_gaps
from .views import permute_dims, reshape_any

Steps = tuple[int, ...]


def _unrolled(tensors: list[Any], states: int, counts: Steps, backwards: bool, step: Any) -> tuple[Any, ...]:
    """(outputs, last states): the steps of a layer as a chain of operations.

    Args:
        tensors: what the input gives (..., G), then the states, then weights.
        states: how many states there are; the first is the output.
        counts: rows of each step.
        backwards: whether the last step comes first.
        step: `step(gates, states)` returns the new states.
    """
    x, state = tensors[0], list(tensors[1 : 1 + states])
    flat = x.reshape(-1, x.shape[-1])
    found: dict[int, Any] = {}
    for first, n in k.rows_of(counts, backwards):
        new = step(flat[first : first + n], [s[:n] for s in state])
        found[first] = new[0]
        whole = n == state[0].shape[0]
        state = [a if whole else cat_of([a, s[n:]], 0) for a, s in zip(new, state, strict=True)]
    out = cat_of([found[first] for first in sorted(found)], 0)
    return out.reshape(*x.shape[:-1], out.shape[-1]), *state


def _lstm_steps(tensors: list[Any], counts: Steps, backwards: bool) -> tuple[Any, ...]:
    weight, *projection = tensors[3:]

    def step(x: Any, states: list[Any]) -> list[Any]:
        i, f, u, o = (x + states[0] @ weight.t()).chunk(4, 1)
        c = f.sigmoid() * states[1] + i.sigmoid() * u.tanh()
        h = o.sigmoid() * c.tanh()
        return [h @ projection[0].t() if projection else h, c]

    return _unrolled(tensors, 2, counts, backwards, step)


def _gru_steps(tensors: list[Any], counts: Steps, backwards: bool) -> tuple[Any, ...]:
    weight, *bias = tensors[2:]

    def step(x: Any, states: list[Any]) -> list[Any]:
        (h,) = states
        given = h @ weight.t()
        if bias:
            given = given + bias[0]
        (xr, xz, xn), (hr, hz, hn) = x.chunk(3, 1), given.chunk(3, 1)
        new = (xn + (xr + hr).sigmoid() * hn).tanh()
        return [new + (xz + hz).sigmoid() * (h - new)]

    return _unrolled(tensors, 1, counts, backwards, step)


def _rnn_steps(tensors: list[Any], counts: Steps, backwards: bool, relu: bool) -> tuple[Any, ...]:
    weight = tensors[2]

    def step(x: Any, states: list[Any]) -> list[Any]:
        a = x + states[0] @ weight.t()
        return [a.relu() if relu else a.tanh()]

    return _unrolled(tensors, 1, counts, backwards, step)


def _steps(steps: Callable[..., Any], tensors: list[Any], g: Any, *statics: Any) -> list[Any]:
    return pulled_back(lambda given: steps(given, *statics), tensors, g)


def _lstm_rule(
    g: Any, tensors: Any, out3: Any, out4: Any, out5: Any, out6: Any, counts: Steps, backwards: bool,
    needs: Any,
) -> list[Any]:  # fmt: skip
    if is_array(tensors[0]):
        return k.lstm_backward(g, tensors, (out3, out4, out5, out6), counts, backwards, needs)
    kept = [out3, out4, out5, out6]
    found = traced_pullback(lstm_pullback, g[:3], tensors, kept, counts, backwards, needs)
    return found or _steps(_lstm_steps, tensors, g[:3], counts, backwards)


def _gru_rule(
    g: Any, tensors: Any, out2: Any, out3: Any, out4: Any, counts: Steps, backwards: bool, needs: Any
) -> list[Any]:
    if is_array(tensors[0]):
        return k.gru_backward(g, tensors, (out2, out3, out4), counts, backwards, needs)
    found = traced_pullback(gru_pullback, g[:2], tensors, [out2, out3, out4], counts, backwards, needs)
    return found or _steps(_gru_steps, tensors, g[:2], counts, backwards)


def _rnn_rule(
    g: Any, tensors: Any, out0: Any, out2: Any, counts: Steps, backwards: bool, relu: bool, needs: Any
) -> list[Any]:
    if is_array(tensors[0]):
        return k.rnn_backward(g, tensors, (out0, out2), counts, backwards, relu, needs)
    found = traced_pullback(rnn_pullback, g[:2], tensors, [out0, out2], counts, backwards, relu, needs)
    return found or _steps(_rnn_steps, tensors, g[:2], counts, backwards, relu)


def _layer_shapes(tensors: list[Any], states: int, kept: tuple[int, ...], output: int) -> tuple[Any, ...]:
    """Arrays of the shapes a layer gives: outputs, last states, and what it keeps, so many columns each."""
    x = tensors[0]
    rows = math.prod(x.shape[:-1])
    last = [blank(s.shape, x) for s in tensors[1 : 1 + states]]
    return blank((*x.shape[:-1], output), x), *last, *(blank((rows, n), x) for n in kept)


def _lstm_shapes(tensors: list[Any], *statics: Any) -> tuple[Any, ...]:
    x, h, c = tensors[:3]
    size = c.shape[1]
    return _layer_shapes(tensors, 2, (x.shape[-1], size, size, h.shape[1]), h.shape[1])


def _gru_shapes(tensors: list[Any], *statics: Any) -> tuple[Any, ...]:
    size = tensors[1].shape[1]
    return _layer_shapes(tensors, 1, (tensors[0].shape[-1], size, size), size)


def _rnn_shapes(tensors: list[Any], *statics: Any) -> tuple[Any, ...]:
    size = tensors[1].shape[1]
    return _layer_shapes(tensors, 1, (size,), size)


def _needed_shapes(g: Any, tensors: list[Any], *rest: Any) -> tuple[Any, ...]:
    """A pullback gives arrays like those tensors that need one (the last static says which)."""
    return tuple(blank(t.shape, t) for t, need in zip(tensors, rest[-1], strict=True) if need)


def _examples_in_steps(states: int) -> Callable[..., Any]:
    """Batching of a layer with so many states: examples join the sequences that run side by side.

    Weights of each example's own, and sequences of different lengths, are left to the loop.
    """

    def rule(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
        (given,), (where,), counts = tensors, dims, statics[0]
        x, weights = given[0], given[1 + states :]
        uneven = len(set(counts)) != 1 or x.ndim - (where[0] is not None) != 3
        if uneven or any(d is not None for d in where[1 + states :]):
            return NotImplemented
        steps, n = len(counts), counts[0]
        flat = [joined(x, where[0], size, 1)]
        flat += [joined(given[i], where[i], size, 0) for i in range(1, 1 + states)]
        made = op.entry([*flat, *weights], (size * n,) * steps, *statics[1:])
        found = []
        for i, t in enumerate(made):
            if 1 <= i <= states:
                found.append(parted(t, size, 0)[0])
                continue
            each = permute_dims(reshape_any(t, (steps, size, n, t.shape[-1])), (1, 0, 2, 3))
            found.append(reshape_any(each, (size, steps * n, t.shape[-1])) if i else each)
        return tuple(found), 0

    return rule


# Results: outputs, last h, last c; the rest is what the kernel keeps for its pullback.
lstm_layer: Any = general(
    "lstm_layer(tensors[] | counts, backwards)",
    k.lstm,
    node="MkldnnRnnLayerBackward0",
    public="lstm",
    batch=_examples_in_steps(2),
    infer=_lstm_shapes,
    nout=7,
    nondiff_outputs=(3, 4, 5, 6),
    tensors=_lstm_rule,
)
gru_layer: Any = general(
    "gru_layer(tensors[] | counts, backwards)",
    k.gru,
    node="StackBackward0",
    public="gru",
    batch=_examples_in_steps(1),
    infer=_gru_shapes,
    nout=5,
    nondiff_outputs=(2, 3, 4),
    tensors=_gru_rule,
)
rnn_layer: Any = general(
    "rnn_layer(tensors[] | counts, backwards, relu)",
    k.rnn,
    node="StackBackward0",
    public="rnn",
    batch=_examples_in_steps(1),
    infer=_rnn_shapes,
    nout=3,
    nondiff_outputs=(2,),
    tensors=_rnn_rule,
)

# The pullbacks as operations, for the tape of a compiled step.
lstm_pullback: Any = general(
    "lstm_pullback(g[], tensors[], kept[] | which, counts, backwards, needs)",
    lambda g, tensors, kept, which, counts, backwards, needs: needed(
        k.lstm_backward(with_gaps(g, which), tensors, kept, counts, backwards, needs), needs
    ),
    nout=0,
    infer=_needed_shapes,
)
gru_pullback: Any = general(
    "gru_pullback(g[], tensors[], kept[] | which, counts, backwards, needs)",
    lambda g, tensors, kept, which, counts, backwards, needs: needed(
        k.gru_backward(with_gaps(g, which), tensors, kept, counts, backwards, needs), needs
    ),
    nout=0,
    infer=_needed_shapes,
)
rnn_pullback: Any = general(
    "rnn_pullback(g[], tensors[], kept[] | which, counts, backwards, relu, needs)",
    lambda g, tensors, kept, which, counts, backwards, relu, needs: needed(
        k.rnn_backward(with_gaps(g, which), tensors, kept, counts, backwards, relu, needs), needs
    ),
    nout=0,
    infer=_needed_shapes,
)

# -- sequences of unequal length ------------------------------------------------------------------------

pack_rows: Any = linear(
    "pack_rows(input | counts)",
    k.pack,
    node="PackPaddedSequenceBackward0",
    input=lambda g, input_shape, counts: pad_rows(g, counts, input_shape[0], input_shape[1]),
)
pad_rows: Any = linear(
    "pad_rows(input | counts, steps, batch)",
    k.pad,
    node="PadPackedSequenceBackward0",
    input=lambda g, counts: pack_rows(g, counts),
)
