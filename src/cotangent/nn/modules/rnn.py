"""Recurrent networks as modules."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any, Final

from ...functions import empty, zeros
from .. import init
from ..functional import _recurrent as functions
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES: Final = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _evenly(module: Any) -> None:
    """Draw all parameters evenly from +-1 / sqrt(hidden_size)."""
    bound = 1.0 / math.sqrt(module.hidden_size) if module.hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What RNN, LSTM and GRU share.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: features of the input.
        hidden_size: features of the state.
        num_layers: layers, each of which reads what the one below returns.
        bias: whether there are biases.
        batch_first: whether input and output are (batch, steps, features), not (steps, batch, features).
        dropout: probability with which outputs of all layers but the last are dropped in training.
        bidirectional: whether there is a second network that reads from the end.
        proj_size: size to which an LSTM's outputs are projected; 0 for none.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Raises:
        ValueError: for sizes that are not positive, or probabilities that are none.
        TypeError: for arguments of the wrong type.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_settings(dropout)
        rows = _GATES[mode] * hidden_size
        directions = 2 if bidirectional else 1
        state = proj_size if proj_size > 0 else hidden_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[:directions]:
                width = input_size if layer == 0 else state * directions
                shapes: dict[str, Any] = {"weight_ih": (rows, width), "weight_hh": (rows, state)}
                if bias:
                    shapes |= {"bias_ih": rows, "bias_hh": rows}
                if proj_size > 0:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{name}_l{layer}{suffix}" for name in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
        self.reset_parameters()

    def _check_settings(self, dropout: Any) -> None:
        real = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
        if not real or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being "
                "zeroed"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
            if kind is int and value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if self.proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if self.mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + self.mode)

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing: PyTorch lays weights out anew for cuDNN here."""

    def reset_parameters(self) -> None:
        """Draw all parameters evenly from +-1 / sqrt(hidden_size)."""
        _evenly(self)

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """Raise for an input of another dtype or shape.

        Args:
            input: (steps, batch, features), or packed rows.
            batch_sizes: of packed rows, or None.
        """
        dtype = self._flat_weights[0].dtype
        if input.dtype is not dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert input: "
                f"input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        wanted = 2 if batch_sizes is not None else 3
        if input.dim() != wanted:
            raise RuntimeError(f"input must have {wanted} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.size(-1)}"
            )

    def _state_shape(self, input: Any, batch_sizes: Any, size: int) -> tuple[int, int, int]:
        batch = int(batch_sizes[0]) if batch_sizes is not None else input.size(0 if self.batch_first else 1)
        return self.num_layers * (2 if self.bidirectional else 1), batch, size

    def get_expected_hidden_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape of h.

        Args:
            input: as that of `check_input`.
            batch_sizes: as that of `check_input`.
        """
        return self._state_shape(input, batch_sizes, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self,
        hx: Any,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raise for a state of another shape.

        Args:
            hx: the state.
            expected_hidden_size: its shape as it should be.
            msg: text of the error.
        """
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Raise for an input or a state that does not fit.

        Args:
            input: as that of `check_input`.
            hidden: the state.
            batch_sizes: as that of `check_input`.
        """
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """The state with its sequences in another order.

        Args:
            hx: the state.
            permutation: int64 indices, or None.
        """
        return hx if permutation is None else hx.index_select(1, permutation)

    # What LSTM does otherwise: its state is a pair.

    def _initial(self, input: Any, batch_sizes: Any) -> Any:
        return zeros(self.get_expected_hidden_size(input, batch_sizes), dtype=input.dtype)

    def _check_dims(self, hx: Any, batched: bool) -> None:
        wanted = 3 if batched else 2
        if hx.dim() != wanted:
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(f"For {kind} input, hx should also be {wanted}-D but got {hx.dim()}-D tensor")

    def _each(self, hx: Any, change: Any) -> Any:
        return change(hx)

    def forward(self, input: Any, hx: Any = None) -> Any:
        name = self.mode.partition("_")[0]
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            if hx is None:
                hx = self._initial(data, batch_sizes)
            else:
                hx = self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, batch_sizes)
            output, hidden = self._run(data, batch_sizes, hx)
            return PackedSequence(output, batch_sizes, order, back), self.permute_hidden(hidden, back)
        if input.dim() not in (2, 3):
            tensor = " tensor" if name == "RNN" else ""
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}D{tensor} instead")
        batched = input.dim() == 3
        at = 0 if self.batch_first else 1
        if hx is not None:
            self._check_dims(hx, batched)
        if not batched:
            input = input.unsqueeze(at)
            if hx is not None:
                hx = self._each(hx, lambda t: t.unsqueeze(1))
        if hx is None:
            hx = self._initial(input, None)
        self.check_forward_args(input, hx, None)
        output, hidden = self._run(input, None, hx)
        if not batched:
            return output.squeeze(at), self._each(hidden, lambda t: t.squeeze(1))
        return output, hidden

    def _run(self, input: Any, batch_sizes: Any, hx: Any) -> tuple[Any, Any]:
        settings = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        run = {
            "LSTM": functions.lstm,
            "GRU": functions.gru,
            "RNN_TANH": functions.rnn_tanh,
            "RNN_RELU": functions.rnn_relu,
        }[self.mode]
        if batch_sizes is None:
            output, *hidden = run(input, hx, self._flat_weights, *settings, self.batch_first)
        else:
            output, *hidden = run(input, batch_sizes, hx, self._flat_weights, *settings)
        return output, hidden[0] if len(hidden) == 1 else tuple(hidden)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0}
        for name, value in {**usual, "bidirectional": False}.items():
            if getattr(self, name) != value:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


def _no_projection(kwargs: dict[str, Any]) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """Layers of h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        *args: input_size, hidden_size, num_layers, nonlinearity ("tanh" or "relu"), bias, batch_first,
            dropout, bidirectional; see `RNNBase`.
        **kwargs: the same by name.

    Raises:
        ValueError: for another nonlinearity.

    Example:
        >>> import cotangent as torch
        >>> output, h = torch.nn.RNN(10, 20, 2)(torch.zeros(5, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_projection(kwargs)
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{self.nonlinearity.upper()}", *args, **kwargs)


class GRU(RNNBase):
    """Layers of gated recurrent units.

    Args:
        *args: input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional; see `RNNBase`.
        **kwargs: the same by name.

    Source: https://arxiv.org/abs/1406.1078

    Example:
        >>> import cotangent as torch
        >>> output, h = torch.nn.GRU(10, 20, batch_first=True)(torch.zeros(3, 5, 10))
        >>> output.shape, h.shape
        (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


class LSTM(RNNBase):
    """Layers of long short-term memory.

    Args:
        *args: input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size; see
            `RNNBase`.
        **kwargs: the same by name.

    Source: https://doi.org/10.1162/neco.1997.9.8.1735, https://arxiv.org/abs/1402.1128

    Example:
        >>> import cotangent as torch
        >>> output, (h, c) = torch.nn.LSTM(10, 20, 2)(torch.zeros(5, 3, 10))
        >>> output.shape, h.shape, c.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape of c.

        Args:
            input: as that of `check_input`.
            batch_sizes: as that of `check_input`.
        """
        return self._state_shape(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        self.check_input(input, batch_sizes)
        shapes = (
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )
        for i, shape in enumerate(shapes):
            self.check_hidden_size(hidden[i], shape, f"Expected hidden[{i}] size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        return hx if permutation is None else self._each(hx, lambda t: t.index_select(1, permutation))

    def _initial(self, input: Any, batch_sizes: Any) -> Any:
        c = zeros(self.get_expected_cell_size(input, batch_sizes), dtype=input.dtype)
        return super()._initial(input, batch_sizes), c

    def _check_dims(self, hx: Any, batched: bool) -> None:
        wanted = 3 if batched else 2
        if hx[0].dim() != wanted or hx[1].dim() != wanted:
            raise RuntimeError(
                f"For {'batched 3-D' if batched else 'unbatched 2-D'} input, hx and cx should also be "
                f"{wanted}-D but got ({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )

    def _each(self, hx: Any, change: Any) -> Any:
        return change(hx[0]), change(hx[1])


class RNNCellBase(Module):
    """What the cells share.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        num_chunks: how many gates there are.
        device: device of the parameters.
        dtype: dtype of the parameters.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(
                name, Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters evenly from +-1 / sqrt(hidden_size)."""
        _evenly(self)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, value in (("bias", True), ("nonlinearity", "tanh")):
            if self.__dict__.get(name, value) != value:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)

    def _check(self, what: str, t: Any) -> None:
        if t.dim() not in (1, 2):
            name = type(self).__name__
            raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {t.dim()}D instead")

    def _next(self, cell: Any, input: Any, hx: Any) -> Any:
        """The new state; `hx` is one state or None."""
        self._check("input", input)
        if hx is not None:
            self._check("hidden", hx)
        else:
            hx = zeros((*input.shape[:-1], self.hidden_size), dtype=input.dtype)
        return cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class RNNCell(RNNCellBase):
    """One step of `RNN`.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        nonlinearity: "tanh" or "relu".
        device: device of the parameters.
        dtype: dtype of the parameters.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.RNNCell(10, 20)(torch.zeros(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        cell = functions.rnn_tanh_cell if self.nonlinearity == "tanh" else functions.rnn_relu_cell
        return self._next(cell, input, hx)


class GRUCell(RNNCellBase):
    """One step of `GRU`.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.GRUCell(10, 20)(torch.zeros(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        return self._next(functions.gru_cell, input, hx)


class LSTMCell(RNNCellBase):
    """One step of `LSTM`.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        device: device of the parameters.
        dtype: dtype of the parameters.

    Example:
        >>> import cotangent as torch
        >>> h, c = torch.nn.LSTMCell(10, 20)(torch.zeros(3, 10))
        >>> h.shape, c.shape
        (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        self._check("input", input)
        if hx is None:
            start = zeros((*input.shape[:-1], self.hidden_size), dtype=input.dtype)
            hx = (start, start)
        else:
            for i, t in enumerate(hx):
                self._check(f"hx[{i}]", t)
        return functions.lstm_cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
