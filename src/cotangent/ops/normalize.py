"""Layer normalisation and the primitives it is differentiated with.

The mean and the scale that `standard` takes are results of an earlier run on the same input, so that they
need not be computed again; they are no further arguments of the function and have no derivative of their own.

With h = standard(x), r = inverse_spread(x) and n elements to a row, the Jacobian of `standard` is
J = r (I - 11'/n - hh'/n), which is symmetric, and the gradient of r is -r^2 h / n. The three primitives
are therefore closed under differentiation.
"""

from __future__ import annotations

import math
from typing import Any

from ..dtypes import BOOL, COMPLEX, FLOATING, INTEGRAL, float32
from ..errors import bad_argument, type_name, unfit
from ..kernels import norm as k
from .arguments import integers
from .batching import in_front
from .fitting import rows_fit
from .reduce import mean_dims, sum_dims
from .refusals import refuse
from .table import as_first, general, is_array, is_tensor
from .views import reshape_any

standard: Any = general(
    "standard(input, mean?, scale? | dims, eps)",
    k.standard,
    infer=as_first,
    node="NativeLayerNormBackward0",
    public="layer_norm",
    batch="aligned",
    input=lambda g, input, mean, scale, dims, eps: standard_backward(g, input, mean, scale, dims, eps),
)
inverse_spread: Any = general(
    "inverse_spread(input | dims, eps)",
    k.inverse_spread,
    node="RsqrtBackward0",
    batch="axes",
    input=lambda g, input, out, dims, eps: (
        standard(input, None, None, dims, eps) * (g * out * out * (-1.0 / _count(input.shape, dims)))
    ),
)


def _count(shape: Any, dims: Any) -> int:
    return math.prod([shape[d] for d in dims])


def _second(c: Any, g: Any, input: Any, mean: Any, scale: Any, dims: Any, eps: float) -> Any:
    """Gradient of <c, J g> in the input of J."""
    h = standard(input, mean, scale, dims, eps)
    r = inverse_spread(input, dims, eps)
    a = mean_dims(c * h, dims, True)
    b = mean_dims(g * h, dims, True)
    total = mean_dims(c * g, dims, True) - mean_dims(c, dims, True) * mean_dims(g, dims, True) - a * b
    return r * standard_backward(-(c * b + g * a), input, mean, scale, dims, eps) - h * (r * r * total)


standard_backward: Any = general(
    "standard_backward(g, input, mean?, scale? | dims, eps)",
    k.standard_backward,
    infer=as_first,
    node="NativeLayerNormBackwardBackward0",
    batch="aligned",
    g=lambda c, input, mean, scale, dims, eps: standard_backward(c, input, mean, scale, dims, eps),
    input=_second,
)


def scaled_backward(g: Any, weight: Any, input: Any, mean: Any, scale: Any, dims: Any, eps: float) -> Any:
    """`standard_backward` of `g * weight`: arrays are read in one go."""
    if is_array(input):
        return k.scaled_backward(g, weight, input, mean, scale, dims, eps)
    return standard_backward(g if weight is None else g * weight, input, mean, scale, dims, eps)


def correlated(g: Any, input: Any, mean: Any, scale: Any, dims: Any, eps: float, over: Any) -> Any:
    """The sum of `g * standard(input)` over the dimensions `over`: arrays are read in one go."""
    if is_array(input):
        return k.correlated(g, input, mean, scale, over)
    return sum_dims(g * standard(input, mean, scale, dims, eps), over, False)


def _layer_norm_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of the fused form: weights of the whole batch broadcast, batched ones are applied after."""
    input, weight, bias = tensors
    x = in_front(input, dims[0], size)
    if dims[1] is None and dims[2] is None:
        return op.entry(x, weight, bias, *statics), 0
    found, *rows = op.entry(x, None, None, *statics)
    for t, d, scale in ((weight, dims[1], True), (bias, dims[2], False)):
        if t is None:
            continue
        if d is not None:
            t = in_front(t, d, size)
            shape = tuple(t.shape)
            t = reshape_any(t, (size, *[1] * (x.ndim - len(shape)), *shape[1:]))
        found = found * t if scale else found + t
    return (found, *rows), 0


layer_norm_of: Any = general(
    "layer_norm_of(input, weight?, bias? | count, eps)",
    k.layer_norm,
    node="NativeLayerNormBackward0",
    public="layer_norm",
    nout=3,
    nondiff_outputs=(1, 2),
    batch=_layer_norm_examples,
    input=lambda g, input, weight, out1, out2, count, eps: scaled_backward(
        g[0], weight, input, out1, out2, k.last(input.ndim, count), eps
    ),
    weight=lambda g, input, out1, out2, count, eps: correlated(
        g[0], input, out1, out2, k.last(input.ndim, count), eps, tuple(range(input.ndim - count))
    ),
    bias=lambda g, count: sum_dims(g[0], tuple(range(g[0].ndim - count)), False),
)


def one_dtype(input: Any, *parameters: Any) -> bool:
    """Whether the parameters have the input's dtype; float32 ones go with 16-bit inputs, too.

    Raises:
        RuntimeError: for other mixtures.
    """
    given = [value for value in parameters if value is not None]
    if all(value.dtype is input.dtype for value in given):
        return True
    if any(value.dtype is not float32 for value in given):
        raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    if input.dtype.itemsize != 2:
        raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")
    return False


def row_shape(function: str, input: Any, normalized_shape: Any, **parameters: Any) -> tuple[int, ...]:
    """The dimensions to normalise over, checked against the input and the parameters.

    Raises:
        TypeError: for arguments of the wrong type.
        RuntimeError: for shapes or dtypes that do not fit.
    """
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    if isinstance(normalized_shape, int) or not hasattr(normalized_shape, "__iter__"):
        raise unfit(
            f"{function}(): argument 'normalized_shape' (position 2) must be tuple of ints, not "
            f"{type_name(normalized_shape)}"
        )
    rows = integers(function, "normalized_shape", (tuple(normalized_shape),), 2)
    if not rows:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, "
            "but got normalized_shape = []"
        )
    for name, value in parameters.items():
        if value is not None and tuple(value.shape) != rows:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(value.shape)} and normalized_shape = {list(rows)}"
            )
    if function == "rms_norm" and input.ndim < 1:
        raise ValueError(f"Input tensor must have at least 1 dimensions, but got {input.ndim}")
    shape = tuple(input.shape)
    if shape[len(shape) - len(rows) :] != rows or len(shape) < len(rows):
        comma = ", " if function == "layer_norm" else ""
        wanted = "".join(f", {n}" for n in rows) if comma else "".join(f"{n}, " for n in rows)[:-2]
        raise RuntimeError(
            f"Given normalized_shape={list(rows)}, expected input with shape [*{wanted}], but got input of "
            f"size{list(shape)}"
        )
    return rows


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Mean 0 and variance 1 over the last dimensions, then scaled and shifted.

    Args:
        input: (..., *normalized_shape), floating-point.
        normalized_shape: sizes of the dimensions to normalise over.
        weight: factors in that shape, or None.
        bias: summands in that shape, or None.
        eps: added to the variance.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        RuntimeError: for shapes that do not fit.

    Source: https://arxiv.org/abs/1607.06450

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.layer_norm(torch.tensor([1.0, 3.0]), (2,))
        tensor([-1.0000,  1.0000])
    """
    if rows_fit(input, normalized_shape, weight, bias):
        return layer_norm_of(input, weight, bias, len(normalized_shape), float(eps))[0]
    rows = row_shape("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    if input.dtype.category != FLOATING:
        refuse("LayerNormKernelImpl", BOOL, INTEGRAL, COMPLEX)(None, input.dtype)
    if not one_dtype(input, weight, bias):
        wide = layer_norm_of(input.to(float32), weight, bias, len(rows), float(eps))[0]
        return wide.to(input.dtype)
    return layer_norm_of(input, weight, bias, len(rows), float(eps))[0]
