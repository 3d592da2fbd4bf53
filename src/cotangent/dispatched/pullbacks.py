"""Backward as ATen's operators, where the rules of the table would show others.

Each function does what the rules of one operation do, in the calls that PyTorch makes for it. They serve a
backward that is not recorded itself; one that is takes the rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from ..autograd.base import wrap
from ..autograd.modes import modes
from ..ops.table import is_tensor
from .names import call, scale_sum, shown
from .stack import asked, below


def pulled(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A node's cotangents of its inputs: by the function below that stands for it, if there is one."""
    node, grads, tensors = args[:3]
    rule = _PULLBACKS.get(node.op.name) if tensors and modes.grad is None else None
    levels = [getattr(node, "level", 0), *(g._level for g in grads if is_tensor(g))]
    if rule is None or grads[0] is None or any(levels):
        return original(*args, **kwargs)
    if not asked((*grads, *(_kept(node) or ()))):
        return original(*args, **kwargs)
    wanted = args[3] if len(args) > 3 else kwargs.get("asked")
    edges = node.edges if wanted is None else wanted
    node.check_all()
    with below():
        found = rule(node, grads[0], *[e is not None for e in edges])
    if found is NotImplemented:
        return original(*args, **kwargs)
    return tuple(
        None if value is None or edge is None else value if node.fit is None else node._fitted(value, k, True)
        for k, (edge, value) in enumerate(zip(edges, found, strict=True))
    )


def _saved(node: Any, *names: str) -> list[Any]:
    return [node.saved(name, True) for name in names]


def _kept(node: Any) -> Any:
    return node.metadata.get("aten")


def _second(node: Any, g: Any, a: Any) -> Any:
    """Of a product of matrices, the cotangent of the second, in its order of memory."""
    if node.mat2_turned:
        return call("t.default", call("mm.default", call("t.default", g), a))
    return call("mm.default", call("t.default", a), g)


def _mm(node: Any, g: Any, one: bool, two: bool) -> Any:
    if g.dtype.is_complex:
        return NotImplemented
    second = _second(node, g, *_saved(node, "input")) if two else None
    return (call("mm.default", g, call("t.default", *_saved(node, "mat2"))) if one else None), second


def _addmm(node: Any, g: Any, zero: bool, one: bool, two: bool) -> Any:
    if g.dtype.is_complex or (zero and node.beta != 1) or ((one or two) and node.alpha != 1):
        return NotImplemented
    first = call("mm.default", g, call("t.default", *_saved(node, "mat2"))) if one else None
    second = _second(node, g, *_saved(node, "mat1")) if two else None
    return (scale_sum(g, node.input_shape, 1) if zero else None), first, second


def _tanh(node: Any, g: Any, one: bool) -> Any:
    if g.dtype.is_complex:
        return NotImplemented
    return (call("tanh_backward.default", g, *_saved(node, "out")),)


def _mse(node: Any, g: Any, one: bool, two: bool) -> Any:
    x, y = _saved(node, "input", "target")
    if not one:
        return NotImplemented
    made = call("mse_loss_backward.default", g, x, y, node.reduction)
    return made, call("neg.default", made) if two else None


def _mean(node: Any, g: Any, one: bool) -> Any:
    shape = node.input_shape
    return (call("div.Scalar", call("expand.default", g, list(shape)), math.prod(shape)),)


def _mean_dims(node: Any, g: Any, one: bool) -> Any:
    shape = node.input_shape
    dims = (node.dims,) if isinstance(node.dims, int) else node.dims
    count = math.prod(shape[d] for d in dims)
    if not node.keepdim:
        for d in sorted(d % len(shape) for d in dims):
            g = call("unsqueeze.default", g, d)
    return (call("div.Scalar", call("expand.default", g, list(shape)), count),)


def _nll(node: Any, g: Any, one: bool, *_: bool) -> Any:
    if _kept(node) is None:
        return NotImplemented
    kind, x, total = _kept(node)
    target, weight = _saved(node, "target", "weight")
    return (
        call(f"{kind}_backward.default", g, x, target, weight, node.reduction, node.ignore_index, total),
        None, None,
    )  # fmt: skip


def _pool(node: Any, g: Any, one: bool) -> Any:
    if _kept(node) is None:
        return NotImplemented
    x, *ways = _kept(node)
    indices = _saved(node, "out1")[0]
    return (call("max_pool2d_with_indices_backward.default", g, x, *ways, indices),)


def _conv(node: Any, g: Any, *wanted: bool) -> Any:
    if _kept(node) is None or g.dtype.is_complex:
        return NotImplemented
    x, weight, bias, ways = _kept(node)
    sizes = None if bias is None else list(bias.shape)
    return call("convolution_backward.default", g, x, weight, sizes, *ways, list(wanted))


def _layer_norm(node: Any, g: Any, *wanted: bool) -> Any:
    if _kept(node) is None:
        return NotImplemented
    x, shape, weight, bias = _kept(node)
    held = (getattr(node, name) for name in ("out1", "out2"))
    mean, scale = (t if is_tensor(t) else wrap(t) for t in held)
    return call("native_layer_norm_backward.default", g, x, shape, mean, scale, weight, bias, list(wanted))


def _div(node: Any, g: Any, one: bool, two: bool) -> Any:
    if g.dtype.is_complex:
        return NotImplemented
    (y,) = map(shown, _saved(node, "other"))
    first = call("div.Tensor", g, y) if one else None
    if not two:
        return first, None
    (x,) = map(shown, _saved(node, "input"))
    slope = call("div.Tensor", call("div.Tensor", x, y), y)
    return first, call("mul.Tensor", call("neg.default", g), slope)


def _embedding(node: Any, g: Any, one: bool, *_: bool) -> Any:
    rows = node.weight_shape[0]
    (indices,) = _saved(node, "indices")
    name = "embedding_dense_backward.default"
    return call(name, g, indices, rows, node.padding_idx, node.scale_grad_by_freq), None


def _pow(node: Any, g: Any, one: bool) -> Any:
    if g.dtype.is_complex or node.exponent == 0:
        return NotImplemented
    (x,) = _saved(node, "input")
    n = node.exponent
    slope = call("mul.Scalar", call("pow.Tensor_Scalar", x, n - 1), n)
    return (call("mul.Tensor", g, slope),)


_PULLBACKS: Final[dict[str, Callable[..., Any]]] = {
    "addmm_of": _addmm, "conv_of": _conv, "div_true": _div, "embedding_of": _embedding,
    "layer_norm_of": _layer_norm, "max_pool2d_of": _pool, "mean_all": _mean, "mean_dims": _mean_dims,
    "mm": _mm, "mse_of": _mse, "nll_of": _nll, "pow_scalar": _pow, "tanh": _tanh,
}  # fmt: skip
