"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any, Final

from ..dtypes import FLOATING
from ..errors import bad_argument, check_dim
from ..kernels import softmax as k
from .arguments import REQUIRED, integer, renamed
from .batching import in_front
from .exponential import exp
from .reduce import sum_dims
from .refusals import unsupported
from .table import as_first, deliver, general, is_tensor
from .views import reshape_any


def _rows(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching: one dimension more in front; numbers (0-d examples) become rows of one."""
    values = [in_front(t, d, size) for t, d in zip(tensors, dims, strict=True)]
    if values[0].ndim == 1:
        column = [reshape_any(v, (size, 1)) for v in values]
        return reshape_any(op.entry(*column, 1), (size,)), 0
    return op.entry(*values, statics[0] + 1), 0


def _axis(y: Any, dim: int) -> tuple[int, ...]:
    return (dim,) if y.ndim else ()


softmax_of: Any = general(
    "softmax_of(input | dim)",
    k.softmax,
    infer=as_first,
    public="softmax",
    batch=_rows,
    # The Jacobian diag(y) - y y^T is symmetric.
    jvp=lambda tangents, args, out: softmax_backward(tangents[0], out, args[1]),
    input=lambda g, out, dim: softmax_backward(g, out, dim),
)
softmax_backward: Any = general(
    "softmax_backward(g, y | dim)",
    k.softmax_backward,
    infer=as_first,
    node="SoftmaxBackwardDataBackward0",
    batch=_rows,
    g=lambda g, y, dim: softmax_backward(g, y, dim),
    y=lambda c, g, y, dim: (
        c * (g - sum_dims(g * y, (dim,) if y.ndim else (), True))
        - g * sum_dims(c * y, (dim,) if y.ndim else (), True)
    ),
)
log_softmax_of: Any = general(
    "log_softmax_of(input | dim)",
    k.log_softmax,
    infer=as_first,
    public="log_softmax",
    batch=_rows,
    jvp=lambda tangents, args, out: tangents[0] - sum_dims(tangents[0] * exp(out), _axis(out, args[1]), True),
    input=lambda g, out, dim: log_softmax_backward(g, out, dim),
)
log_softmax_backward: Any = general(
    "log_softmax_backward(g, y | dim)",
    k.log_softmax_backward,
    infer=as_first,
    node="LogSoftmaxBackwardDataBackward0",
    batch=_rows,
    g=lambda c, y, dim: c - sum_dims(exp(y) * c, (dim,) if y.ndim else (), True),
    y=lambda c, g, y, dim: -(c * exp(y) * sum_dims(g, (dim,) if y.ndim else (), True)),
)


def prepared(function: str, input: Any, dim: Any, dtype: Any, position: int = 2) -> tuple[Any, int]:
    """The input converted to `dtype`, and `dim` counted from the front.

    Raises:
        TypeError: for an input or a dimension of the wrong type.
        IndexError: if `dim` is out of range.
        NotImplementedError: for integers and complex numbers.
    """
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    if dim.__class__ is not int:
        dim = integer(function, "dim", position, dim)
    if dtype is not None and dtype is not input.dtype:
        input = input.to(dtype)
    n = input._data.ndim
    at = check_dim(dim, n)
    if input.dtype.category != FLOATING and input.numel():
        raise unsupported(f"{function}_{'lastdim_' if at >= n - 1 else ''}kernel_impl", input.dtype)
    return input, at


def softmax(input: Any, dim: Any = REQUIRED, dtype: Any = None, *, out: Any = None, **numpy: Any) -> Any:
    """exp(x) over the sum of exp(x) along a dimension: non-negative numbers that sum to one.

    Args:
        input: any shape, floating-point.
        dim: dimension along which to normalise.
        dtype: dtype to convert to first.
        out: tensor to store the result in.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        IndexError: if `dim` is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.softmax(torch.tensor([0.0, 0.0]), 0)
        tensor([0.5000, 0.5000])
    """
    if numpy:
        return softmax(**renamed("softmax", numpy, input=input, dim=dim, dtype=dtype, out=out))
    x, at = prepared("softmax", input, dim, dtype)
    return deliver("softmax", softmax_of(x, at), out)


def log_softmax(input: Any, dim: Any = REQUIRED, dtype: Any = None, *, out: Any = None, **numpy: Any) -> Any:
    """The logarithm of `softmax`, computed without rounding small probabilities to zero.

    Args:
        input: any shape, floating-point.
        dim: dimension along which to normalise.
        dtype: dtype to convert to first.
        out: tensor to store the result in.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        IndexError: if `dim` is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.log_softmax(torch.tensor([0.0, 0.0]), 0)
        tensor([-0.6931, -0.6931])
    """
    if numpy:
        return log_softmax(**renamed("log_softmax", numpy, input=input, dim=dim, dtype=dtype, out=out))
    x, at = prepared("log_softmax", input, dim, dtype)
    return deliver("log_softmax", log_softmax_of(x, at), out)


FUNCTIONS: Final = ("softmax", "log_softmax")
METHODS: Final = ("softmax", "log_softmax")
