"""What operations of the table are called among ATen's operators, and with which arguments.

An operation here is often the same as one there. Where it is coarser, several calls are made; where it is
finer, or has no counterpart, it is shown under its own public name with the arguments that it has here.
Arguments that have ATen's defaults are left out, as PyTorch's dispatcher does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..autograd.base import NUMBER, TensorBase
from ..autograd.inplace import write
from ..autograd.modes import modes
from ..ops import aten
from ..ops.overloads import OpOverload, OpOverloadPacket
from ..ops.table import Primitive
from ..size import contiguous_format, device, strided
from .stack import here, present

_END: Final = (1 << 63) - 1
_CPU: Final = device("cpu")


@functools.cache
def overload(name: str) -> OpOverload:
    """The overload of a name as `sum.dim_IntList`."""
    home, _, form = name.partition(".")
    found: OpOverload = getattr(getattr(aten, home), form or "default")
    return found


def call(name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Ask the mode for a call of an overload."""
    return present(overload(name), args, kwargs)


def given(*pairs: tuple[Any, Any]) -> tuple[Any, ...]:
    """Values without the last ones that are defaults; pairs are (value, default)."""
    kept = list(pairs)
    while kept and kept[-1][0] == kept[-1][1]:
        kept.pop()
    return tuple(value for value, _ in kept)


def _times(**options: Any) -> dict[str, Any]:
    """Options that are not 1."""
    return {key: value for key, value in options.items() if value != 1}


def _form(other: Any) -> str:
    return "Tensor" if isinstance(other, TensorBase) else "Scalar"


# -- by kind of argument -----------------------------------------------------------------------------------

# Of one tensor, under their public names. What is not here and has no rule below keeps its arguments.
_SAME: Final = frozenset((
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_not", "bmm", "ceil",
    "cos", "cosh", "deg2rad", "digamma", "dot", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "floor",
    "fmax", "fmin", "frac", "hypot", "i0", "isfinite", "isinf", "isnan", "lgamma", "log", "log10",
    "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
    "minimum", "mm", "mv", "neg", "nextafter", "rad2deg", "reciprocal", "relu", "rsqrt", "sgn", "sigmoid",
    "sign", "signbit", "sin", "sinc", "sinh", "sqrt", "tan", "tanh", "trunc", "vdot",
))  # fmt: skip
_COMPARISONS: Final = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))


def _alone(name: str) -> Callable[..., Any]:
    return lambda *args: call(name, *args)


def _dims(name: str, whole: str | None = None) -> Callable[..., Any]:
    """Of `name(input, dims, keepdim)`; `whole` where all dimensions are meant and none is kept."""

    def named(x: Any, dims: Any, keepdim: bool) -> Any:
        dims = tuple(range(x.ndim)) if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
        if whole is not None and len(dims) == x.ndim and not keepdim:
            return call(whole, x)
        return call(name, x, list(dims), *given((keepdim, False)))

    return named


def _dim(name: str) -> Callable[..., Any]:
    """Of `name(input, dim, keepdim)` with two results."""
    return lambda x, dim, keepdim: call(name, x, dim, *given((keepdim, False)))


def _all(name: str) -> Callable[..., Any]:
    def named(x: Any, dims: Any, keepdim: bool) -> Any:
        if len(dims) == x.ndim and not keepdim:
            return call(f"{name}.default", x)
        if len(dims) == 1:
            return call(f"{name}.dim", x, dims[0], *given((keepdim, False)))
        return call(f"{name}.dims", x, list(dims), *given((keepdim, False)))

    return named


def _spread_of(name: str) -> Callable[..., Any]:
    def named(x: Any, dims: Any, correction: Any, keepdim: bool) -> Any:
        if len(dims) == x.ndim and correction == 1 and not keepdim:
            return call(f"{name}.correction", x)
        more = {"keepdim": True} if keepdim else {}
        return call(f"{name}.correction", x, list(dims), correction=correction, **more)

    return named


def _alpha(name: str) -> Callable[..., Any]:
    return lambda x, y, alpha: call(f"{name}.Tensor", x, y, **_times(alpha=alpha))


def _normed(name: str) -> Callable[..., Any]:
    """A softmax, or what pulls back through it."""

    def named(*args: Any) -> Any:
        *tensors, dim = args
        return call(name, *tensors, dim, tensors[0].dtype if len(tensors) == 2 else False)

    return named


# -- one by one --------------------------------------------------------------------------------------------


def _extent(shape: tuple[int, ...], dim: int, start: int, stop: int, every: int) -> tuple[Any, ...]:
    end = _END if stop == shape[dim] else stop
    return (dim, start, end, *given((every, 1)))


def _adjoint(x: Any) -> Any:
    turned = call("t.default", x) if x.ndim <= 2 else call("transpose.int", x, -2, -1)
    return call("_conj.default", turned) if x.dtype.is_complex else turned


def _nll(x: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> Any:
    kind = "nll_loss" if x.ndim <= 2 else "nll_loss2d"
    loss, total = call(f"{kind}_forward.default", x, target, weight, reduction, ignore_index)
    here.kept = (kind, x, total)
    return loss


def _where(condition: Any, x: Any, y: Any) -> Any:
    like = next((t for t in (x, y) if isinstance(t, TensorBase)), None)
    if like is None:
        return call("where.Scalar", condition, x, y)
    kind: Any = like.dtype  # type: ignore[attr-defined]
    pair = [
        t if isinstance(t, TensorBase)
        else call("scalar_tensor.default", t, dtype=kind, layout=strided, device=_CPU)
        for t in (x, y)
    ]  # fmt: skip
    return call("where.self", condition, *pair)


def _spread(x: Any, shape: tuple[int, ...], dims: Any, keepdim: bool) -> Any:
    if dims is not None and not keepdim:
        n = len(shape)
        for d in sorted(d % n for d in ((dims,) if isinstance(dims, int) else dims)):
            x = call("unsqueeze.default", x, d)
    return call("expand.default", x, list(shape))


def scale_sum(x: Any, shape: tuple[int, ...], factor: Any) -> Any:
    """The sum of `x` to a shape, times a number."""
    lead = x.ndim - len(shape)
    dims = [d for d, n in enumerate(x.shape) if d < lead or (shape[d - lead] == 1 and n != 1)]
    made = call("sum.dim_IntList", x, dims, True) if dims else x
    if tuple(made.shape) != shape:
        made = call("view.default", made, list(shape))
    return made if factor == 1 else call("mul.Scalar", made, factor)


def _scaled(x: Any, factor: Any) -> Any:
    return x if factor == 1 else call("mul.Scalar", x, factor)


def _conj(x: Any) -> Any:
    return call("_conj.default", x) if x.dtype.is_complex else x


def _conv(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    ways = list(stride), list(padding), list(dilation), False, [0] * len(stride), groups
    made = call("convolution.default", x, weight, bias, *ways)
    here.kept = (x, weight, bias, ways)
    return made


def _pool(x: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, window: Any) -> Any:
    nothing, ones = [0] * len(window), [1] * len(window)
    step = [] if stride == window else list(stride)
    rest = given((step, []), (list(padding), nothing), (list(dilation), ones), (ceil, False))
    made = call("max_pool2d_with_indices.default", x, list(window), *rest)
    here.kept = (x, list(window), step, list(padding), list(dilation), ceil)
    return made


def _layer_norm(x: Any, weight: Any, bias: Any, count: int, eps: float) -> Any:
    shape = list(x.shape[x.ndim - count :])
    made = call("native_layer_norm.default", x, shape, weight, bias, eps)
    here.kept = (x, shape, weight, bias)
    return made


def _places(indices: Any, dims: tuple[int, ...]) -> list[Any]:
    found: list[Any] = [None] * (max(dims) + 1)
    for d, index in zip(dims, indices, strict=True):
        found[d] = index
    return found


def _index_back(g: Any, indices: Any, shape: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    options = {"dtype": g.dtype, "layout": strided, "device": _CPU}
    empty = call("new_zeros.default", g, list(shape), **options)
    return call("index_put.default", empty, _places(indices, dims), g, True)


def _sorted(x: Any, dim: int, descending: bool) -> Any:
    last = x.ndim - 1
    return call("sort.default", x, *given((dim if dim != last else -1, -1), (descending, False)))


def _topk(x: Any, dim: int, count: int, largest: bool, in_order: bool) -> Any:
    where = dim if dim != x.ndim - 1 else -1
    return call("topk.default", x, count, *given((where, -1), (largest, True), (in_order, True)))


def _norm(x: Any, ord: Any, dims: Any, keepdim: bool) -> Any:
    dims = None if dims is None or len(dims) == x.ndim else list(dims)
    return call("linalg_vector_norm.default", x, *given((ord, 2), (dims, None), (keepdim, False)))


def _picked(kind: str) -> Callable[..., Any]:
    return lambda x, dim, keepdim: call(f"{kind}.default", x, *given((dim, None), (keepdim, False)))


def _reshape(x: Any, shape: tuple[int, ...]) -> Any:
    if not x.is_contiguous():
        x = call("clone.default", x, memory_format=contiguous_format)
    elif modes.task:  # backward goes back through a view
        return call("view.default", x, list(shape))
    return call("_unsafe_view.default", x, list(shape))


def _shrink(x: Any, shape: tuple[int, ...]) -> Any:
    return scale_sum(x, tuple(shape), 1)


def _elu(x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    return call("elu.default", x, *given((alpha, None), (scale, 1), (input_scale, 1)))


def _embedding(weight: Any, indices: Any, padding: int, scaled: bool) -> Any:
    return call("embedding.default", weight, indices, *given((padding, -1), (scaled, False)))


def _whole(value: float) -> Any:
    return int(value) if float(value).is_integer() else value


FORWARD: Final[dict[str, Callable[..., Any]]] = {
    "add": _alpha("add"),
    "sub": _alpha("sub"),
    "mul": lambda x, y: call("mul.Tensor", x, y),
    "div_true": lambda x, y: call("div.Tensor", x, y),
    "div_floor": lambda x, y: call("div.Tensor_mode", x, y, rounding_mode="floor"),
    "div_trunc": lambda x, y: call("div.Tensor_mode", x, y, rounding_mode="trunc"),
    "rsub_number": lambda x, y, alpha: call("rsub.Scalar", x, y, *given((alpha, 1))),
    "floor_divide_number": lambda x, y: call("floor_divide.default", x, y),
    "remainder_number": lambda x, y: call("remainder.Scalar", x, y),
    "remainder_tensor": lambda x, y: call("remainder.Tensor", x, y),
    "fmod_number": lambda x, y: call("fmod.Scalar", x, y),
    "fmod_tensor": lambda x, y: call("fmod.Tensor", x, y),
    "pow_scalar": lambda x, exponent: call("pow.Tensor_Scalar", x, exponent),
    "pow_tensor": lambda x, exponent: call("pow.Tensor_Tensor", x, exponent),
    "pow_base": lambda *args: call("pow.Scalar", *args[::-1]),
    "clamp_numbers": lambda x, low, high: call("clamp.default", x, low, *given((high, None))),
    "lerp_number": lambda x, end, weight: call("lerp.Scalar", x, end, weight),
    "lerp_tensor": lambda x, end, weight: call("lerp.Tensor", x, end, weight),
    "addcmul_of": lambda x, a, b, value: call("addcmul.default", x, a, b, **_times(value=value)),
    "addcdiv_of": lambda x, a, b, value: call("addcdiv.default", x, a, b, **_times(value=value)),
    "where": _where,
    "masked_fill_number": lambda x, mask, value: call("masked_fill.Scalar", x, mask, value),
    "threshold_backward": lambda g, x, level: call("threshold_backward.default", g, x, _whole(level)),
    "t_matrix": _alone("t.default"),
    "adjoint_matrix": _adjoint,
    "conj_of": _conj,
    "scale": _scaled,
    "addmm_of": lambda x, a, b, beta, alpha: call("addmm.default", x, a, b, **_times(beta=beta, alpha=alpha)),
    "baddbmm_of": lambda x, a, b, beta, alpha: call(
        "baddbmm.default", x, a, b, **_times(beta=beta, alpha=alpha)
    ),
    "softmax_of": _normed("_softmax.default"),
    "log_softmax_of": _normed("_log_softmax.default"),
    "softmax_backward": _normed("_softmax_backward_data.default"),
    "log_softmax_backward": _normed("_log_softmax_backward_data.default"),
    "nll_of": _nll,
    "mse_of": lambda x, y, reduction: call("mse_loss.default", x, y, *given((reduction, 1))),
    "sum_all": _alone("sum.default"),
    "mean_all": _alone("mean.default"),
    "prod_all": _alone("prod.default"),
    "max_all": _alone("max.default"),
    "min_all": _alone("min.default"),
    "sum_dims": _dims("sum.dim_IntList"),
    "mean_dims": _dims("mean.dim"),
    "amax_dims": _dims("amax.default"),
    "amin_dims": _dims("amin.default"),
    "logsumexp_of": _dims("logsumexp.default"),
    "max_dim": _dim("max.dim"),
    "min_dim": _dim("min.dim"),
    "prod_dim": _dim("prod.dim_int"),
    "all_of": _all("all"),
    "any_of": _all("any"),
    "std_of": _spread_of("std"),
    "var_of": _spread_of("var"),
    "argmax_of": _picked("argmax"),
    "argmin_of": _picked("argmin"),
    "norm_of": _norm,
    "cumsum_of": lambda x, dim: call("cumsum.default", x, dim),
    "cumprod_of": lambda x, dim: call("cumprod.default", x, dim),
    "sort_of": _sorted,
    "topk_of": _topk,
    "scale_sum": scale_sum,
    "sum_to_size": _shrink,
    "spread": _spread,
    "clone_for_grad": _alone("detach.default"),
    "clone_of": _alone("clone.default"),
    "dense_clone": lambda x: call("clone.default", x, memory_format=contiguous_format),
    "cast": lambda x, to: call("_to_copy.default", x, dtype=dtypes.FROM_NUMPY[np.dtype(to)]),
    "alias": _alone("alias.default"),
    "view_as_shape": lambda x, shape: call("view.default", x, list(shape)),
    "reshape_alias": lambda x, shape: call("view.default", x, list(shape)),
    "unsafe_view": lambda x, shape: call("_unsafe_view.default", x, list(shape)),
    "reshape_any": _reshape,
    "transpose_dims": lambda x, a, b: call("transpose.int", x, a, b),
    "permute_dims": lambda x, dims: call("permute.default", x, list(dims)),
    "unsqueeze_at": lambda x, dim: call("unsqueeze.default", x, dim),
    "squeeze_all": _alone("squeeze.default"),
    "squeeze_dim": lambda x, dim: call("squeeze.dim", x, dim),
    "squeeze_dims": lambda x, dims: call("squeeze.dims", x, list(dims)),
    "expand_to": lambda x, shape: call("expand.default", x, list(shape)),
    "select_at": lambda x, dim, index: call("select.int", x, dim, index),
    "slice_of": lambda x, *cut: call("slice.Tensor", x, *_extent(x.shape, *cut)),
    "select_backward": lambda g, shape, *at: call("select_backward.default", g, list(shape), *at),
    "slice_backward": lambda g, shape, dim, start, stop, every: call(
        "slice_backward.default", g, list(shape), *_extent(shape, dim, start, stop, 1), every
    ),
    "diagonal_of": lambda x, *at: call("diagonal.default", x, *at),
    "cat": lambda tensors, dim: call("cat.default", list(tensors), *given((dim, 0))),
    "stack": lambda tensors, dim: call("stack.default", list(tensors), *given((dim, 0))),
    "split_by": lambda x, size, dim: call("split.Tensor", x, size, *given((dim, 0))),
    "split_lengths": lambda x, sizes, dim: call("split_with_sizes.default", x, list(sizes), *given((dim, 0))),
    "unbind_dim": lambda x, dim: call("unbind.int", x, *given((dim, 0))),
    "repeat_by": lambda x, repeats: call("repeat.default", x, list(repeats)),
    "flip_dims": lambda x, dims: call("flip.default", x, list(dims)),
    "roll_by": lambda x, shifts, dims: call("roll.default", x, list(shifts), list(dims)),
    "tril_of": lambda x, diagonal: call("tril.default", x, *given((diagonal, 0))),
    "triu_of": lambda x, diagonal: call("triu.default", x, *given((diagonal, 0))),
    "index_of": lambda x, indices, dims: call("index.Tensor", x, _places(indices, dims)),
    "index_one": lambda x, index, dim: call("index.Tensor", x, _places((index,), (dim,))),
    "index_back": _index_back,
    "index_one_back": lambda g, index, shape, dim: _index_back(g, (index,), shape, (dim,)),
    "conv_of": _conv,
    "max_pool2d_of": _pool,
    "layer_norm_of": _layer_norm,
    "embedding_of": _embedding,
    "gelu_of": lambda x, how: call("gelu.default", x, **({} if how == "none" else {"approximate": how})),
    "gelu_backward": lambda g, x, how: call(
        "gelu_backward.default", g, x, **({} if how == "none" else {"approximate": how})
    ),
    "silu_of": _alone("silu.default"),
    "silu_backward": _alone("silu_backward.default"),
    "mish_of": _alone("mish.default"),
    "sigmoid_backward": _alone("sigmoid_backward.default"),
    "leaky_relu_of": lambda x, slope: call("leaky_relu.default", x, *given((slope, 0.01))),
    "elu_of": _elu,
    "softplus_of": lambda x, beta, level: call("softplus.default", x, *given((beta, 1), (level, 20))),
    "log_sigmoid": lambda x: call("log_sigmoid_forward.default", x)[0],
    "glu_of": lambda x, dim: call("glu.default", x, *given((dim if dim != x.ndim - 1 else -1, -1))),
    "hardtanh_of": lambda x, low, high: call("hardtanh.default", x, low, high),
    "ones_like": lambda x: call("ones_like.default", x, pin_memory=False),
    "zeros_like": lambda x: call("zeros_like.default", x, pin_memory=False),
}


@functools.cache
def _own(op: Primitive) -> OpOverload:
    """The name of an operation that has its own arguments."""
    made: OpOverload = OpOverloadPacket(op.public, op.entry, own=True).default
    return made


def shown(value: Any) -> Any:
    """An operand as modes see it: what stands for a Python number is one."""
    if isinstance(value, (list, tuple)):
        return [shown(v) for v in value]
    return value._data.item() if isinstance(value, TensorBase) and value._vc is NUMBER else value


def forward(op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """What the mode gives for an operation on these operands."""
    told = tuple(map(shown, tensors))
    if any(isinstance(t, (TensorBase, list)) for t in told):
        tensors = told
    rule = FORWARD.get(op.name)
    if rule is not None:
        return rule(*tensors, *statics)
    if op.name in _COMPARISONS:
        return call(f"{op.name}.{_form(tensors[1])}", *tensors)
    if op.name in _SAME:
        return call(f"{op.name}.default", *tensors)
    return present(_own(op), (*tensors, *statics))


# -- in place ----------------------------------------------------------------------------------------------


def _filled(x: Any, value: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return "fill_.Scalar", (x, value), {}


def _put(x: Any, values: Any, indices: Any, dims: Any, accumulate: bool) -> Any:
    return "index_put_.default", (x, _places(indices, dims), values, *given((accumulate, False))), {}


# (name, arguments, options) of the in-place form.
_WRITES: Final[dict[str, Callable[..., tuple[str, tuple[Any, ...], dict[str, Any]]]]] = {
    "add": lambda x, y, alpha: ("add_.Tensor", (x, y), _times(alpha=alpha)),
    "sub": lambda x, y, alpha: ("sub_.Tensor", (x, y), _times(alpha=alpha)),
    "mul": lambda x, y: ("mul_.Tensor", (x, y), {}),
    "div_true": lambda x, y: (f"div_.{_form(y)}", (x, y), {}),
    "pow_scalar": lambda x, exponent: ("pow_.Scalar", (x, exponent), {}),
    "clamp_numbers": lambda x, low, high: ("clamp_.default", (x, low, *given((high, None))), {}),
    "lerp_number": lambda x, end, weight: ("lerp_.Scalar", (x, end, weight), {}),
    "addcmul_of": lambda x, a, b, value: ("addcmul_.default", (x, a, b), _times(value=value)),
    "addcdiv_of": lambda x, a, b, value: ("addcdiv_.default", (x, a, b), _times(value=value)),
    "masked_fill_number": lambda x, mask, value: ("masked_fill_.Scalar", (x, mask, value), {}),
    "written_number": _filled,
    "written_tensor": lambda x, value: ("fill_.Tensor", (x, value), {}),
    "zeroed": lambda x: ("zero_.default", (x,), {}),
    "copy_to": lambda x, source: ("copy_.default", (x, source), {}),
    "index_put_at": _put,
}


@functools.cache
def _own_write(op: Primitive) -> OpOverload:
    count = len(op.tensors)
    name = op.public.rstrip("_") + "_"
    packed = OpOverloadPacket(name, lambda *args: write(op, args[:count], args[count:]), own=True)
    made: OpOverload = packed.default
    return made


def write_name(
    op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]
) -> tuple[OpOverload, tuple[Any, ...], dict[str, Any]]:
    """The overload, arguments and options of the in-place form of an operation."""
    operands = (tensors[0], *map(shown, tensors[1:]))
    rule = _WRITES.get(op.name)
    if rule is not None:
        name, args, options = rule(*operands, *statics)
        return overload(name), args, options
    if op.name in _SAME and not statics:
        return overload(f"{op.name}_.default"), operands, {}
    return _own_write(op), (*operands, *statics), {}
