"""What computes with nested tensors of the layout `torch.jagged`.

Facts (what each function takes, and its errors): PyTorch's behaviour. Where a dimension that counts is
ragged, the examples are padded, computed, and put behind each other again.
"""

from __future__ import annotations

import math
from typing import Any

from ..dtypes import FLOATING, finfo
from ..errors import check_dim
from ..functions import cat, softmax as _softmax, stack, where as _where
from ..nn.functional import scaled_dot_product_attention
from .base import is_tensor
from .ragged import NestedTensor, components, like, make
from .shaping import handles, padded, plain, same_raggedness, unpadded, without_holes

Nested = NestedTensor

_POINTWISE = (
    "abs absolute acos acosh add addcdiv addcmul angle arccos arccosh arcsin arcsinh arctan arctan2 "
    "arctanh asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or "
    "bitwise_right_shift bitwise_xor ceil celu clamp clamp_max clamp_min clip conj_physical copysign "
    "cos cosh deg2rad digamma div divide elu eq erf erfc erfinv exp exp2 expm1 fix float_power floor "
    "floor_divide floordiv fmax fmin fmod frac ge gelu greater greater_equal gt hardshrink hardsigmoid "
    "hardswish hardtanh heaviside hypot i0 isfinite isinf isnan isneginf isposinf isreal ldexp le "
    "leaky_relu lerp less less_equal lgamma log log10 log1p log2 logaddexp logaddexp2 logical_and "
    "logical_not logical_or logical_xor logit logsigmoid lt masked_fill maximum minimum mish mul "
    "multiply mvlgamma nan_to_num ne neg negative nextafter not_equal polygamma positive pow rad2deg "
    "reciprocal relu relu6 remainder round rsqrt rsub rdiv rpow rfloordiv rmod selu sgn sigmoid sign "
    "signbit silu sin sinc sinh softplus softshrink sqrt square sub subtract tan tanh tanhshrink "
    "threshold true_divide trunc xlogy invert and or xor prelu dropout alpha_dropout "
    "feature_alpha_dropout"
)


def _padded_dense(nested: Nested, dense: Any) -> Nested:
    """A dense tensor whose ragged dimension is one, with the raggedness of a nested one."""
    most = nested._maybe_max_seqlen
    most = nested._values.shape[nested._ragged_idx - 1] if most is None else most
    sizes = [most if d == nested._ragged_idx else n for d, n in enumerate(dense.shape)]
    return unpadded(dense.expand(sizes), nested)


def _with(nested: Nested, other: Any, name: str, order: Any) -> Any:
    """The values of a second operand, in a shape that broadcasts with those of the first."""
    if isinstance(other, Nested):
        if same_raggedness(nested, other._size):
            return other._values
        sizes = [t._size for t in order]
        raise RuntimeError(
            f"cannot call binary pointwise function {name} with inputs of shapes {sizes[0]} and {sizes[1]}"
        )
    if other.dim() > nested.dim():
        raise NotImplementedError("NYI: broadcasting NT with T with larger dim")
    squeezed = other
    while squeezed.dim() and squeezed.shape[0] == 1:
        squeezed = squeezed.squeeze(0)
    if nested.dim() >= squeezed.dim() + 2:
        return squeezed
    if nested.dim() != other.dim() or nested._size[0] != other.shape[0]:
        raise RuntimeError(
            f"cannot call binary pointwise function {name} with inputs of shapes {order[0].shape} and "
            f"{order[1].shape}"
        )
    return _padded_dense(nested, other)._values


def _overload(name: str) -> str:
    return {"eq": "eq.Tensor", "pow": "pow.Tensor_Tensor", "masked_fill": "masked_fill.Tensor"}.get(
        name, f"{name}.Tensor"
    )


@handles(*_POINTWISE.split())
def pointwise(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Element by element."""
    first = next(a for a in (*args, *kwargs.values()) if isinstance(a, Nested))
    name = func.__name__.strip("_")
    tensors = [a for a in args if is_tensor(a)]

    def of(value: Any) -> Any:
        if value is first:
            return first._values
        return _with(first, value, _overload(name), tensors) if is_tensor(value) else value

    found = func(*map(of, args), **{key: of(value) for key, value in kwargs.items()})
    return like(first, found)


def _written(func: Any, *args: Any, **kwargs: Any) -> Any:
    first = args[0]
    others = (_with(first, a, func.__name__, args) if is_tensor(a) else a for a in args[1:])
    func(first._values, *others, **kwargs)
    return first


handles(*(f"{name}_" for name in _POINTWISE.split()), "zero_", "fill_", "uniform_", "normal_")(_written)


@handles("clone")
def clone(func: Any, input: Nested, *, memory_format: Any = None) -> Nested:
    """A copy."""
    if input._lengths is not None and memory_format is not None and "contiguous" in str(memory_format):
        return without_holes(input)
    return like(input, func(input._values))


@handles("copy_")
def copy_(func: Any, input: Nested, src: Any, non_blocking: bool = False) -> Nested:
    """Written with the values of another nested tensor."""
    if not isinstance(src, Nested):
        raise ValueError(
            "NestedTensor copy_default(self: jt_all, src: jt_all, non_blocking: any?): expected src to be a "
            "jagged layout NestedTensor"
        )
    if input._size != src._size:
        mine, other = components(input), components(src)
        if [t.shape for t in mine] != [t.shape for t in other]:
            raise RuntimeError(
                f"copy_(): expected compatible input and src shapes, but got: {input.shape} and {src.shape}"
            )
    input._values.copy_(src._values)
    return input


@handles("where")
def where(func: Any, condition: Any, input: Any, other: Any) -> Nested:
    """From one of two, by a condition."""
    if not isinstance(condition, Nested):
        raise ValueError(
            "NestedTensor where_self(condition: jt_all, self: any, other: any): expected condition to be a "
            "jagged layout NestedTensor"
        )
    chosen = [_with(condition, t, "where", (condition, t)) if is_tensor(t) else t for t in (input, other)]
    return like(condition, _where(condition._values, *chosen))


@handles("new_zeros", "new_ones", "new_empty")
def new(func: Any, input: Nested, *size: Any, **kwargs: Any) -> Any:
    """A 0-d tensor of the same dtype."""
    if size not in (((),), ([],)):
        raise RuntimeError("new_empty() not supported for NJT with shape != ()")
    return func(input._values, (), **kwargs)


# -- reductions ---------------------------------------------------------------------------------------------


def _mapped(found: Any, change: Any) -> Any:
    return tuple.__new__(type(found), map(change, found)) if isinstance(found, tuple) else change(found)


def _reduced(func: Any, name: str, fill: Any, input: Nested, dim: Any, keepdim: bool, **kwargs: Any) -> Any:
    """A reduction of the values.

    Args:
        func: the function.
        name: its name.
        fill: what padding holds.
        input: the nested tensor.
        dim: one or several dimensions, or None.
        keepdim: whether they stay.
        kwargs: the function's others.
    """
    if dim is None or dim in ((), []):
        found = func(input._values, **kwargs)
        return _mapped(found, lambda t: t.unsqueeze(input._ragged_idx)) if keepdim else found
    several = isinstance(dim, (tuple, list))
    ragged = input._ragged_idx
    dims = [check_dim(d, len(input._size)) for d in (dim if several else (dim,))]
    batch, over = 0 in dims, ragged in dims
    others = any(d not in (0, ragged) for d in dims)
    inside = list(dict.fromkeys(ragged - 1 if d == 0 else d - 1 for d in dims))
    if over and input._lengths is not None:
        raise RuntimeError(
            f"{name}(): reducing across the ragged dimension is not supported for non-contiguous nested "
            "tensors with holes"
        )
    if over and not batch:
        if others:
            raise RuntimeError(
                f"{name}(): reducing along a ragged and non-batch dimension is not supported for nested "
                "tensors"
            )
        return func(padded(input, fill), dim=[ragged] if several else ragged, keepdim=keepdim, **kwargs)
    if batch and not over:
        raise RuntimeError(
            f"{name}(): reducing along the batch dimension but not the ragged dimension is not supported for "
            "nested tensors"
        )
    found = func(input._values, dim=inside if several else inside[0], keepdim=keepdim, **kwargs)
    if over:
        return _mapped(found, lambda t: t.unsqueeze(0)) if keepdim else found
    left = 0 if keepdim else sum(d < ragged - 1 for d in inside)
    return _mapped(found, lambda t: like(input, t, ragged - left))


def _filler(input: Nested, sign: int) -> Any:
    """The number that no maximum (sign -1) or minimum (1) takes."""
    if input.dtype.category == FLOATING:
        return sign * finfo(input.dtype).max
    bits = 8 * input.dtype.itemsize
    return (sign > 0) if bits == 8 and "bool" in str(input.dtype) else sign * (2 ** (bits - 1) - 1)


@handles("sum", "prod", "any", "all")
def simple(func: Any, input: Nested, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    """Reductions with a neutral element."""
    name = func.__name__
    return _reduced(
        func, name, {"sum": 0, "prod": 1, "any": 0, "all": 1}[name], input, dim, keepdim, **kwargs
    )


@handles("max", "min", "amax", "amin", "argmax", "argmin")
def extreme(func: Any, input: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    """Largest and smallest elements."""
    name = func.__name__
    if is_tensor(dim) or is_tensor(kwargs.get("other")):
        return pointwise(func, input, dim if dim is not None else kwargs["other"])
    return _reduced(func, name, _filler(input, -1 if "max" in name else 1), input, dim, keepdim)


@handles("mean")
def mean(func: Any, input: Nested, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    """Means; over the ragged dimension each example's has its own number of elements."""
    if dim is not None:
        ragged = input._ragged_idx
        dims = [check_dim(d, len(input._size)) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
        if ragged in dims and 0 not in dims:
            if len(dims) > 1:
                raise AssertionError(
                    "Cannot reduce on both ragged and non-batch dimensions without also reducing on batch"
                )
            if input._lengths is not None:
                raise RuntimeError(
                    "mean(): reducing across the ragged dimension is not supported for non-contiguous nested "
                    "tensors with holes"
                )
            total = padded(input, 0).sum(ragged, keepdim=True, **kwargs)
            found = total / input._offsets.diff().reshape(-1, *[1] * (total.dim() - 1))
            return found if keepdim else found.squeeze(ragged)
    return _reduced(func, "mean", 0, input, dim, keepdim, **kwargs)


# -- rows and products --------------------------------------------------------------------------------------


@handles("softmax")
def softmax(func: Any, input: Nested, dim: Any = None, dtype: Any = None, **kwargs: Any) -> Nested:
    """Softmax over a dimension of the examples, the ragged one too."""
    at = check_dim(dim, len(input._size))
    if at == 0:
        raise RuntimeError(
            "softmax(): not supported when reducing across the batch dimension for NestedTensor"
        )
    if at != input._ragged_idx:
        return like(input, _softmax(input._values, at - 1, dtype=dtype))
    if at > 1:
        raise RuntimeError(
            "softmax(): not supported when reducing along the ragged dimension for ragged_idx > 1 for "
            "NestedTensor"
        )
    if input._lengths is not None:
        raise RuntimeError(
            "softmax(): not supported where lengths is not None if reducing across the ragged dimension for "
            "NestedTensor"
        )
    return unpadded(_softmax(padded(input, -math.inf), at, dtype=dtype), input)


@handles("log_softmax")
def log_softmax(func: Any, input: Nested, dim: Any = None, dtype: Any = None, **kwargs: Any) -> Nested:
    """Logarithm of softmax over a dimension of the examples that is not ragged."""
    at = check_dim(dim, len(input._size))
    if at in (0, input._ragged_idx):
        where_ = "across the batch" if at == 0 else "along the ragged"
        raise RuntimeError(f"log_softmax(): not supported when reducing {where_} dimension for NestedTensor")
    return like(input, func(input._values, at - 1, dtype=dtype))


@handles("layer_norm")
def layer_norm(
    func: Any, input: Nested, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Nested:  # fmt: skip
    """Layer norm over the last dimensions, the ragged one too."""
    n = len(input._size)
    if n <= 2:
        raise RuntimeError("layer_norm(): not supported for NestedTensor objects with 2 or fewer dimensions")
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    if n == len(shape):
        raise RuntimeError(
            "layer_norm(): not supported when normalizing over the batch dimension for NestedTensor"
        )
    if input._size[input._ragged_idx] not in shape:
        return like(input, func(input._values, shape, weight, bias, eps))
    if input._lengths is not None:
        raise RuntimeError(
            "layer_norm(): not supported where lengths is not None if operating on the ragged dimension for "
            "NestedTensor"
        )
    # PyTorch applies neither weight nor bias here.
    full = padded(input, 0.0)
    dims = tuple(range(1, full.dim()))
    open_ = padded(like(input, input._values.detach().new_ones(input._values.shape)), 0.0)
    counts = open_.sum(dims, keepdim=True)
    centred = (full - full.sum(dims, keepdim=True) / counts) * open_
    variance = centred.square().sum(dims, keepdim=True) / counts
    return unpadded(centred / (variance + eps).sqrt(), input)


@handles("rms_norm")
def rms_norm(
    func: Any, input: Nested, normalized_shape: Any, weight: Any = None, eps: float | None = None
) -> Nested:
    """RMS norm over the last dimensions, behind the ragged one."""
    if len(normalized_shape) > len(input._size) - input._ragged_idx - 1:
        raise ValueError("rms_norm(): Normalization over the ragged dim not supported for nested tensors")
    return like(input, func(input._values, normalized_shape, weight, eps))


@handles("linear")
def linear(func: Any, input: Any, weight: Any, bias: Any = None) -> Nested:
    """A linear layer."""
    plain(input, "linear_default(input: jt, weight: t, bias: t?)")
    return like(input, func(input._values, weight, bias))


@handles("conv1d", "conv2d", "conv3d")
def convolution(func: Any, input: Any, weight: Any, *args: Any, **kwargs: Any) -> Nested:
    """Convolution of every element of the ragged dimension."""
    plain(
        input,
        "convolution_default(input: jt, weight: t, bias: t?, stride: any, padding: any, dilation: any, "
        "transposed: any, output_padding: any, groups: any)",
    )
    return like(input, func(input._values, weight, *args, **kwargs))


@handles("embedding")
def embedding(func: Any, input: Any, weight: Any, *args: Any, **kwargs: Any) -> Nested:
    """Rows of a table."""
    plain(
        input,
        "embedding_default(weight: t, indices: jt, padding_idx: any?, scale_grad_by_freq: any?, sparse: "
        "any?)",
        "indices",
    )
    return like(input, func(input._values, weight, *args, **kwargs))


@handles("matmul", "bmm", "rmatmul")
def matmul(func: Any, input: Any, other: Any) -> Any:
    """Products of matrices."""
    if func.__name__ == "bmm":
        for name, t in (("input", input), ("mat2", other)):
            if t.dim() != 3:
                raise ValueError(f"bmm(): {name} must be 3D")
    if func.__name__ == "__rmatmul__":
        input, other = other, input
    n, m = input.dim(), other.dim()
    if not isinstance(other, Nested):
        if n >= 3 and n == m and input._ragged_idx < n - 1:
            return unpadded(padded(input, 0.0) @ other, input)
        if m == 2 and n > m and input._ragged_idx < n - 1:
            return like(input, input._values @ other)
    elif not isinstance(input, Nested):
        if m >= 3 and n == m and other._ragged_idx >= 2:
            return unpadded(input @ padded(other, 0.0), other)
        if n == 2 and m > n and other._ragged_idx >= 2:
            return like(other, input @ other._values)
    elif n > 3 and m > 3 and same_raggedness(input, other._size):
        return like(input, input._values @ other._values)
    elif (
        n == m == 3 and (input._ragged_idx, other._ragged_idx) == (2, 1) and input._size[2] == other._size[1]
    ):
        return stack([a @ b for a, b in zip(components(input), components(other))])
    sizes = input._size if isinstance(input, Nested) else tuple(input.shape)
    raise RuntimeError(f"matmul(): not supported between inputs of shapes {sizes} and {other.shape}")


@handles("scaled_dot_product_attention")
def attention(
    func: Any, query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Nested:  # fmt: skip
    """Attention within each example."""
    given = (query, key, value)
    if not all(isinstance(t, Nested) for t in given):
        raise ValueError(
            "Expected query, key, and value to be nested tensors, but got query.is_nested: "
            f"{query.is_nested}, key.is_nested: {key.is_nested}, and value.is_nested: {value.is_nested} "
            "instead."
        )
    if not query.dtype is key.dtype is value.dtype:
        raise ValueError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {query.dtype}, "
            f"key.dtype: {key.dtype}, and value.dtype: {value.dtype} instead."
        )
    dims = [t.dim() for t in given]
    if min(dims) < 3:
        raise ValueError(
            "Expected query, key, and value to all be at least 3 dimensional, but got query.dim: "
            f"{dims[0]}, key.dim: {dims[1]} and value.dim: {dims[2]} instead."
        )
    places = [t._ragged_idx for t in given]
    if len(set(places)) != 1:
        raise ValueError(
            "Expected query, key, and value to all be ragged on the same dimension, but got ragged dims "
            f"{places[0]}, {places[1]}, and {places[2]}, respectively."
        )
    if attn_mask is not None:
        raise ValueError("Masks are not yet supported!")
    rest = (None, dropout_p, is_causal, scale, enable_gqa)
    if min(dims) > 3 and places[0] == 1:  # every element of the ragged dimension has an attention of its own
        return like(query, scaled_dot_product_attention(*(t._values for t in given), *rest[:-1]))
    found = [
        scaled_dot_product_attention(*(t.unsqueeze(0) for t in one), *rest).squeeze(0)
        for one in zip(*map(components, given))
    ]
    # In memory tokens come first, as in PyTorch's result.
    joined = cat([t.transpose(0, 1) for t in found])
    return make(joined, query._offsets, query._lengths, 1, query._extremes).transpose(1, 2)  # type: ignore[no-any-return]
