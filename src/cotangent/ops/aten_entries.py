"""What has a name among ATen's operators and is no public function: how it is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .table import TABLE, emitter


def _functional() -> Any:
    return emitter.package.nn.functional


def _of(name: str) -> Any:
    return TABLE[name].entry


def _reduction(code: int) -> str:
    return ("none", "mean", "sum")[code]


def _softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    return _of("softmax_of")(input, dim % max(input.ndim, 1))


def _log_softmax(input: Any, dim: int, half_to_float: bool) -> Any:
    return _of("log_softmax_of")(input, dim % max(input.ndim, 1))


def _log_softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    made = _of("log_softmax_backward")(grad_output, output, dim % max(output.ndim, 1))
    return made if made.dtype is input_dtype else made.to(input_dtype)


def nll_loss_forward(input: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> Any:
    """The loss, and the sum of the weights that it is divided by."""
    loss = _of("nll_of")(input, target, weight, reduction, ignore_index)
    counted = target != ignore_index
    weights = counted if weight is None else weight[target.clamp(min=0)] * counted
    return loss, weights.sum().to(input.dtype)


def nll_loss_backward(
    grad_output: Any, input: Any, target: Any, weight: Any, reduction: int, ignore_index: int,
    total_weight: Any,
) -> Any:  # fmt: skip
    """The cotangent of its input."""
    return _of("nll_backward")(grad_output, target, weight, tuple(input.shape), reduction, ignore_index)


def mse_loss(input: Any, target: Any, reduction: int = 1) -> Any:
    """The mean, the sum or all of the squared differences."""
    return _of("mse_of")(input, target, reduction)


def mse_loss_backward(grad_output: Any, input: Any, target: Any, reduction: int) -> Any:
    """The cotangent of its input."""
    factor = 2.0 / input.numel() if reduction == 1 else 2.0
    return (input - target) * (grad_output * factor)


def tanh_backward(grad_output: Any, output: Any) -> Any:
    """The cotangent of its input."""
    return grad_output * (1.0 - output * output)


def convolution(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:  # fmt: skip
    """The convolution in as many dimensions as `stride` has."""
    n = len(stride)
    f = getattr(_functional(), f"conv{'_transpose' * transposed}{n}d")
    if transposed:
        return f(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return f(input, weight, bias, stride, padding, dilation, groups)


def convolution_backward(
    grad_output: Any, input: Any, weight: Any, bias_sizes: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int, output_mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """The cotangents of input, weight and bias, those that `output_mask` asks for."""
    if transposed:
        raise NotImplementedError("aten::convolution_backward of a transposed convolution is not there yet")
    ways = tuple(stride), tuple(padding), tuple(dilation), groups
    rules = TABLE["conv_of"].rules
    first = weights = bias = None
    if output_mask[0]:
        first = rules["input"](grad_output, weight, tuple(input.shape), *ways)
    if output_mask[1]:
        weights = rules["weight"](grad_output, input, tuple(weight.shape), *ways)
    if output_mask[2]:
        bias = grad_output.sum([d for d in range(grad_output.ndim) if d != 1])
    return first, weights, bias


def _pairs(value: Any, dims: int) -> tuple[int, ...]:
    sizes: tuple[int, ...] = (value,) if isinstance(value, int) else tuple(value)
    return sizes * dims if len(sizes) == 1 else sizes


def max_pool2d_with_indices(
    input: Any, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """The maxima of windows, and where they are."""
    window = _pairs(kernel_size, 2)
    step = _pairs(stride, 2) if stride else window
    return _of("max_pool2d_of")(input, step, _pairs(padding, 2), _pairs(dilation, 2), ceil_mode, window)


def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    """The normalised tensor, the means, and the reciprocals of the deviations."""
    return _of("layer_norm_of")(input, weight, bias, len(normalized_shape), eps)


def native_layer_norm_backward(
    grad_out: Any, input: Any, normalized_shape: Any, mean: Any, rstd: Any, weight: Any, bias: Any,
    output_mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """The cotangents of input, weight and bias, those that `output_mask` asks for."""
    rules, count = TABLE["layer_norm_of"].rules, len(normalized_shape)
    g = (grad_out, None, None)
    found = [None, None, None]
    if output_mask[0]:
        found[0] = rules["input"](g, input, weight, mean, rstd, count, 1e-5)
    if output_mask[1]:
        found[1] = rules["weight"](g, input, mean, rstd, count, 1e-5)
    if output_mask[2]:
        found[2] = rules["bias"](g, count)
    return tuple(found)


def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """Rows of a matrix."""
    return _of("embedding_of")(weight, indices, padding_idx, scale_grad_by_freq)


def embedding_dense_backward(
    grad_output: Any, indices: Any, num_weights: int, padding_idx: int, scale_grad_by_freq: bool
) -> Any:
    """The cotangent of the matrix."""
    rule = TABLE["embedding_of"].rules["weight"]
    shape = (num_weights, grad_output.shape[-1])
    return rule(grad_output, indices, shape, padding_idx, scale_grad_by_freq)


def _to_copy(input: Any, *, dtype: Any = None, **options: Any) -> Any:
    made = input.clone() if dtype is None or dtype is input.dtype else input.to(dtype)
    return made.to(options["device"]) if options.get("device") is not None else made


def _unsafe_view(input: Any, size: Any) -> Any:
    return _of("unsafe_view")(input, tuple(size))


def select_backward(grad_output: Any, input_sizes: Any, dim: int, index: int) -> Any:
    """Zeros with the cotangent at one place."""
    return _of("select_backward")(grad_output, tuple(input_sizes), dim, index)


def slice_backward(grad_output: Any, input_sizes: Any, dim: int, start: int, end: int, step: int) -> Any:
    """Zeros with the cotangent at some places."""
    stop = min(end, input_sizes[dim])
    return _of("slice_backward")(grad_output, tuple(input_sizes), dim, start, stop, step)


def index(input: Any, indices: Any) -> Any:
    """The elements at places that tensors say; None leaves a dimension whole."""
    return input[tuple(slice(None) if i is None else i for i in indices)]


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy with other values at these places."""
    return index_put_(input.clone(), indices, values, accumulate)


def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Other values at these places."""
    if None not in indices:
        return input.index_put_(tuple(indices), values, accumulate)
    key = tuple(slice(None) if i is None else i for i in indices)
    dims = tuple(d for d, i in enumerate(indices) if i is not None)
    if accumulate:
        made = _of("index_put_at")(input, values, [indices[d] for d in dims], dims, True)
        return input.copy_(made)
    input[key] = values
    return input


def linalg_vector_norm(
    input: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, **options: Any
) -> Any:
    """The norm of the elements along dimensions."""
    return emitter.package.linalg.vector_norm(input, ord, dim, keepdim, **options)


def _local_scalar_dense(input: Any) -> Any:
    return input.item()


def lift_fresh(input: Any) -> Any:
    """The tensor itself: it has just been made."""
    return input


def lift_fresh_copy(input: Any) -> Any:
    """A copy of a tensor that a graph keeps."""
    return input.clone()


def view(input: Any, size: Any) -> Any:
    """The elements in another shape."""
    return input.view(size)


def scalar_tensor(s: Any, *, dtype: Any = None, layout: Any = None, **options: Any) -> Any:
    """A number as a tensor."""
    return emitter.package.scalar_tensor(s, dtype=dtype)


def _conj(input: Any) -> Any:
    return input.conj()


def log_sigmoid_forward(input: Any) -> tuple[Any, Any]:
    """The logarithm of the sigmoid; what PyTorch keeps besides is empty on the CPU here."""
    return _functional().logsigmoid(input), emitter.package.empty(0, dtype=input.dtype)


def _through(name: str) -> Callable[..., Any]:
    """The operation `name` of the table, whose arguments are ATen's."""

    def entry(*args: Any, **options: Any) -> Any:
        return _of(name)(*args, *options.values())

    return entry


def _layer(name: str) -> Callable[..., Any]:
    """The function `name` of nn.functional."""

    def entry(*args: Any, **options: Any) -> Any:
        return getattr(_functional(), name)(*args, **options)

    return entry


_LAYERS: Final = ("gelu", "silu", "mish", "leaky_relu", "softplus", "glu", "hardtanh")

ENTRIES: Final[dict[str, Callable[..., Any]]] = {
    f.__name__: f
    for f in (
        _softmax, _log_softmax, _log_softmax_backward_data, nll_loss_forward, nll_loss_backward, mse_loss,
        mse_loss_backward, tanh_backward, convolution, convolution_backward, max_pool2d_with_indices,
        native_layer_norm, native_layer_norm_backward, embedding, embedding_dense_backward, _to_copy,
        _unsafe_view, select_backward, slice_backward, index, index_put, index_put_, linalg_vector_norm,
        _local_scalar_dense, lift_fresh, lift_fresh_copy, view, scalar_tensor, _conj, log_sigmoid_forward,
    )
}  # fmt: skip
ENTRIES.update(
    nll_loss2d_forward=nll_loss_forward, nll_loss2d_backward=nll_loss_backward,
    threshold_backward=_through("threshold_backward"), sigmoid_backward=_through("sigmoid_backward"),
    silu_backward=_through("silu_backward"),
    gelu_backward=lambda g, x, approximate="none": _of("gelu_backward")(g, x, approximate),
    elu=lambda x, alpha=1.0, scale=1.0, input_scale=1.0: _of("elu_of")(x, alpha, scale, input_scale),
    **{name: _layer(name) for name in _LAYERS},
)  # fmt: skip
