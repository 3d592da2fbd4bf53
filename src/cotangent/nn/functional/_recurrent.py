"""Recurrent networks and their cells as functions: `torch.lstm`, `torch.gru_cell` and their like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ...dtypes import bfloat16, float16
from ...functions import cat, stack
from ...ops.matmul import linear
from ...ops.recurrent import gru_layer, lstm_layer, rnn_layer
from ._dropout import dropout


def _layer(
    mode: str, x: Any, counts: tuple[int, ...], states: Sequence[Any], weights: Sequence[Any], backwards: bool
) -> tuple[Any, ...]:  # fmt: skip
    """(outputs, last states) of one layer in one direction; weights are w_ih, w_hh, b_ih, b_hh, w_hr."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    if x.dtype in (float16, bfloat16):
        wide = [None if w is None else w.float() for w in weights]
        found = _layer(mode, x.float(), counts, [s.float() for s in states], wide, backwards)
        return tuple(t.to(x.dtype) for t in found)
    if mode == "GRU":
        tensors = [linear(x, w_ih, b_ih), *states, w_hh]
        out, h, *_ = gru_layer([*tensors, b_hh] if b_hh is not None else tensors, counts, backwards)
        return out, h
    gates = linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
    tensors = [gates, *states, w_hh]
    if mode == "LSTM":
        out, h, c, *_ = lstm_layer(tensors if w_hr is None else [*tensors, w_hr], counts, backwards)
        return out, h, c
    out, h, _ = rnn_layer(tensors, counts, backwards, mode == "RNN_RELU")
    return out, h


def _split(params: Sequence[Any], has_biases: bool, projected: bool) -> list[list[Any]]:
    """The flat list of weights by layer and direction, with None for those there are not."""
    each = 2 + 2 * has_biases + projected
    found = []
    for first in range(0, len(params), each):
        some = list(params[first : first + each])
        biases = some[2:4] if has_biases else [None, None]
        found.append([*some[:2], *biases, some[-1] if projected else None])
    return found


def _network(
    mode: str, x: Any, counts: tuple[int, ...], hx: Sequence[Any], params: Sequence[Any], has_biases: bool,
    num_layers: int, drop: float, train: bool, bidirectional: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """(outputs, last states stacked) of all layers; x is (steps, batch, features) or packed rows."""
    directions = 2 if bidirectional else 1
    projected = mode == "LSTM" and hx[0].shape[2] != hx[1].shape[2]
    weights = _split(params, has_biases, projected)
    last: list[tuple[Any, ...]] = []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            at = layer * directions + direction
            states = [h[at] for h in hx]
            out, *new = _layer(mode, x, counts, states, weights[at], direction == 1)
            outputs.append(out)
            last.append(tuple(new))
        x = outputs[0] if directions == 1 else cat(outputs, -1)
        if drop and train and layer < num_layers - 1:
            x = dropout(x, drop, True)
    return x, *(stack(list(states), 0) for states in zip(*last, strict=True))


def _padded(
    mode: str, input: Any, hx: Sequence[Any], params: Sequence[Any], has_biases: bool, num_layers: int,
    drop: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Any, ...]:  # fmt: skip
    x = input.transpose(0, 1) if batch_first else input
    steps, batch = x.shape[:2]
    if not steps:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    out, *last = _network(
        mode, x, (batch,) * steps, hx, params, has_biases, num_layers, drop, train, bidirectional
    )
    return out.transpose(0, 1) if batch_first else out, *last


def _packed(
    mode: str, data: Any, batch_sizes: Any, hx: Sequence[Any], params: Sequence[Any], *rest: Any
) -> Any:
    return _network(mode, data, tuple(batch_sizes.tolist()), hx, params, *rest)


def _either(mode: str, input: Any, second: Any, third: Any, rest: tuple[Any, ...]) -> Any:
    """The overload for padded input (input, hx, params, ...) or for packed (data, batch_sizes, hx, ...)."""
    run: Callable[..., Any] = _padded
    states, params = second, third
    if len(rest) == 6 and isinstance(rest[0], (list, tuple)):
        run, states, params, rest = _packed, third, rest[0], rest[1:]
    states = tuple(states) if mode == "LSTM" else (states,)
    if run is _packed:
        return run(mode, input, second, states, params, *rest)
    return run(mode, input, states, params, *rest)


def _network_function(mode: str, name: str) -> Callable[..., Any]:
    def network(input: Any, hx: Any, params: Any, *rest: Any) -> Any:
        return _either(mode, input, hx, params, rest)

    states = "(h, c)" if mode == "LSTM" else "h"
    network.__name__ = network.__qualname__ = name
    network.__module__ = "torch"
    network.__doc__ = f"""All layers of a recurrent network; `torch.nn` has the module.

    Args:
        input: (steps, batch, features), or the rows of packed sequences; then `batch_sizes` follows.
        hx: {states} of all layers and directions.
        params: the weights, flat; then has_biases, num_layers, dropout, train, bidirectional and, for padded
            input, batch_first.
        *rest: see `params`.

    Returns:
        The outputs, and the last {states}.
    """
    return network


def _cell(mode: str, input: Any, states: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    if input.dim() == 1:
        found = _cell(mode, input.unsqueeze(0), [s.unsqueeze(0) for s in states], w_ih, w_hh, b_ih, b_hh)
        return tuple(t.squeeze(0) for t in found)
    _check_cell(mode, input, states, w_ih, w_hh, (b_ih, b_hh))
    return _layer(mode, input, (input.shape[0],), states, (w_ih, w_hh, b_ih, b_hh, None), False)[1:]


def _check_cell(
    mode: str, input: Any, states: Sequence[Any], w_ih: Any, w_hh: Any, biases: Sequence[Any]
) -> None:
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}"
        )
    hidden = w_hh.shape[1]
    for h in states:
        if input.shape[0] != h.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden0 batch size {h.shape[0]}"
            )
        if h.shape[1] != hidden:
            raise RuntimeError(f"hidden0 has inconsistent hidden_size: got {h.shape[1]}, expected {hidden}")
    gates = {"LSTM": 4, "GRU": 3}.get(mode, 1)
    rows = gates * hidden
    for name, weight in (("weight_ih", w_ih), ("weight_hh", w_hh)):
        have = weight.shape[0]
        if have != rows:
            raise RuntimeError(f"{name} first dim must be {gates} * hidden_size = {rows}, but got {have}")
    for bias in biases:
        if bias is not None and bias.shape[0] != rows:
            raise RuntimeError(
                f"The expanded size of the tensor ({rows}) must match the existing size ({bias.shape[0]}) at "
                f"non-singleton dimension 1.  Target sizes: {[input.shape[0], rows]}.  Tensor sizes: "
                f"{list(bias.shape)}"
            )


def lstm_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of an LSTM.

    Args:
        input: (batch, features).
        hx: h and c, (batch, hidden) each.
        w_ih: (4 * hidden, features), for the gates i, f, g, o.
        w_hh: (4 * hidden, hidden).
        b_ih: (4 * hidden,) or None.
        b_hh: (4 * hidden,) or None.

    Returns:
        The new h and c.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> import cotangent as torch
        >>> h, c = torch.lstm_cell(
        ...     torch.ones(1, 2), (torch.zeros(1, 1), torch.ones(1, 1)), torch.zeros(4, 2), torch.zeros(4, 1))
        >>> c
        tensor([[0.5000]])
    """
    h, c = _cell("LSTM", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)
    return h, c


def _cell_function(mode: str, name: str, gates: str) -> Callable[..., Any]:
    def cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        return _cell(mode, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]

    cell.__name__ = cell.__qualname__ = name
    cell.__module__ = "torch"
    cell.__doc__ = f"""One step of a recurrent network.

    Args:
        input: (batch, features).
        hx: (batch, hidden).
        w_ih: ({gates}, features).
        w_hh: ({gates}, hidden).
        b_ih: ({gates},) or None.
        b_hh: ({gates},) or None.

    Returns:
        The new state.

    Raises:
        RuntimeError: if sizes do not fit.
    """
    return cell


lstm: Final = _network_function("LSTM", "lstm")
gru: Final = _network_function("GRU", "gru")
rnn_tanh: Final = _network_function("RNN_TANH", "rnn_tanh")
rnn_relu: Final = _network_function("RNN_RELU", "rnn_relu")
gru_cell: Final = _cell_function("GRU", "gru_cell", "3 * hidden")
rnn_tanh_cell: Final = _cell_function("RNN_TANH", "rnn_tanh_cell", "hidden")
rnn_relu_cell: Final = _cell_function("RNN_RELU", "rnn_relu_cell", "hidden")

NAMES: Final[dict[str, Any]] = {
    f.__name__: f for f in (lstm, gru, rnn_tanh, rnn_relu, lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell)
}
