"""Softmax and its derivative as PyTorch's own operations: what attention layers by hand call."""

from __future__ import annotations

from typing import Any

from .ops.softmax import log_softmax_backward, log_softmax_of, prepared, softmax_backward, softmax_of

__all__ = ["_log_softmax", "_log_softmax_backward_data", "_softmax", "_softmax_backward_data"]


def _check(name: str, half_to_float: bool) -> None:
    if half_to_float:
        raise RuntimeError(f"{name} with half to float conversion is not supported on CPU")


def _softmax(self: Any, dim: int, half_to_float: bool) -> Any:
    """exp(x) over the sum of exp(x) along a dimension."""
    _check("softmax", half_to_float)
    return softmax_of(*prepared("softmax", self, dim, None))


def _log_softmax(self: Any, dim: int, half_to_float: bool) -> Any:
    """x minus the logarithm of the sum of exp(x) along a dimension."""
    _check("log_softmax", half_to_float)
    return log_softmax_of(*prepared("log_softmax", self, dim, None))


def _softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The gradient in the input of softmax, from that in its output and the output."""
    return softmax_backward(grad_output, output, dim % max(output.ndim, 1))


def _log_softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The gradient in the input of log_softmax, from that in its output and the output."""
    return log_softmax_backward(grad_output, output, dim % max(output.ndim, 1))
