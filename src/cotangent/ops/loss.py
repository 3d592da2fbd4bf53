"""Primitives of the losses; `nn.functional` has the functions with PyTorch's arguments.

`reduction` is 0 for none, 1 for the mean, 2 for the sum. The rules are expressions in the table's
operations, so derivatives of every order exist.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..dtypes import BOOL, COMPLEX, FLOATING, INTEGRAL, SCALAR_NAME, from_numpy
from ..errors import noted
from ..kernels import loss as k
from .activation import log_sigmoid, sigmoid
from .batching import in_front, one_by_one
from .constants import constants
from .copies import along, full_like
from .exponential import log, log1p
from .indexing import cast_back
from .piecewise import hardtanh_of
from .reduce import mean_dims, sum_dims
from .refusals import refuse
from .table import constant, general, linear
from .views import expand_to, reshape_any, reshaped


def _share(input_shape: tuple[int, ...], reduction: int) -> float:
    """What one element's loss counts for in the result."""
    return 1.0 / max(1, math.prod(input_shape)) if reduction == 1 else 1.0


def _examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of losses of elements: unreduced, then reduced over all dimensions but the batch."""
    rank = max(t.ndim - (d is not None) for t, d in zip(tensors[:2], dims, strict=False))
    values = []
    for position, (t, d) in enumerate(zip(tensors, dims, strict=True)):
        if t is not None and (d is not None or position < 2):
            t = in_front(t, d, size)
            shape = tuple(t.shape)
            if len(shape) <= rank:  # weights, which broadcast
                t = reshape_any(t, (size, *[1] * (rank + 1 - len(shape)), *shape[1:]))
        values.append(t)
    at = op.statics.index("reduction")
    return _over_examples(op.entry(*values, *statics[:at], 0, *statics[at + 1 :]), statics[at]), 0


def _over_examples(losses: Any, reduction: int) -> Any:
    rest = tuple(range(1, losses.ndim))
    if not reduction or not rest:
        return losses
    return (mean_dims if reduction == 1 else sum_dims)(losses, rest, False)


# -- of a difference --------------------------------------------------------------------------------------


def _apart(a: Any, b: Any, a_dtype: Any, b_dtype: Any) -> Any:
    """a - b, in the dtype of the loss where they have different ones."""
    if a_dtype == b_dtype:
        return a - b
    d = k.common_dtype(a_dtype, b_dtype)
    return cast_back(a, d) - cast_back(b, d)


def _alike(a: Any, own: Any, other: Any) -> Any:
    """`a`, if both operands have its dtype: PyTorch has no derivative of anything else."""
    if own != other:
        found, wanted = (SCALAR_NAME[from_numpy(d)] for d in (other, own))
        raise RuntimeError(f"Found dtype {found} but expected {wanted}")
    return a


def _fitted(g: Any, own: Any, other: Any) -> Any:
    """The cotangent in the operand's own dtype."""
    return g if own == other else cast_back(g, own)


mse_of: Any = general(
    "mse_of(input, target | reduction)",
    k.mse,
    node="MseLossBackward0",
    public="mse_loss",
    batch=_examples,
    input=lambda g, input, target, reduction, input_dtype, target_dtype: _fitted(
        _apart(input, target, input_dtype, target_dtype) * (g * (2.0 * _share(input.shape, reduction))),
        input_dtype,
        target_dtype,
    ),
    target=lambda g, input, target, reduction, input_dtype, target_dtype: _fitted(
        _apart(target, input, target_dtype, input_dtype) * (g * (2.0 * _share(input.shape, reduction))),
        target_dtype,
        input_dtype,
    ),
)
smooth_l1_of: Any = general(
    "smooth_l1_of(input, target | reduction, beta)",
    k.smooth_l1,
    node="SmoothL1LossBackward0",
    public="smooth_l1_loss",
    batch=_examples,
    input=lambda g, input, target, reduction, beta, input_dtype, target_dtype: _fitted(
        hardtanh_of(_apart(input, target, input_dtype, target_dtype), -beta, beta)
        * (g * (_share(input.shape, reduction) / beta)),
        input_dtype,
        target_dtype,
    ),
    target=lambda g, input, target, reduction, beta, input_dtype, target_dtype: _fitted(
        hardtanh_of(_apart(target, input, target_dtype, input_dtype), -beta, beta)
        * (g * (_share(input.shape, reduction) / beta)),
        target_dtype,
        input_dtype,
    ),
)
huber_of: Any = general(
    "huber_of(input, target | reduction, delta)",
    k.huber,
    node="HuberLossBackward0",
    public="huber_loss",
    batch=_examples,
    input=lambda g, input, target, reduction, delta, input_dtype, target_dtype: (
        hardtanh_of(_alike(input, input_dtype, target_dtype) - target, -delta, delta)
        * (g * _share(input.shape, reduction))
    ),
    target=lambda g, input, target, reduction, delta, input_dtype, target_dtype: (
        hardtanh_of(_alike(target, target_dtype, input_dtype) - input, -delta, delta)
        * (g * _share(input.shape, reduction))
    ),
)

# -- of two classes ---------------------------------------------------------------------------------------

soft_margin_of: Any = general(
    "soft_margin_of(input, target | reduction)",
    k.soft_margin,
    node="SoftMarginLossBackward0",
    public="soft_margin_loss",
    batch=_examples,
    input=lambda g, input, target, reduction: (
        sigmoid(-(target * input)) * target * (g * -_share(input.shape, reduction))
    ),
)


def _bce_input(g: Any, input: Any, target: Any, weight: Any, reduction: int) -> Any:
    # PyTorch keeps the denominator away from zero by this much.
    spread = hardtanh_of((1.0 - input) * input, 1e-12, math.inf)
    d = (input - target) / spread * (g * _share(input.shape, reduction))
    return d if weight is None else d * weight


def _bce_target(g: Any, input: Any, weight: Any, reduction: int) -> Any:
    d = (hardtanh_of(log1p(-input), -100.0, math.inf) - hardtanh_of(log(input), -100.0, math.inf)) * (
        g * _share(input.shape, reduction)
    )
    return d if weight is None else d * weight


binary_cross_entropy_of: Any = general(
    "binary_cross_entropy_of(input, target, weight? | reduction)",
    k.binary_cross_entropy,
    public="binary_cross_entropy",
    batch=_examples,
    input=_bce_input,
    target=_bce_target,
)


def _logits_input(g: Any, input: Any, target: Any, weight: Any, pos_weight: Any, reduction: int) -> Any:
    s = sigmoid(input)
    if pos_weight is None:
        d = s - target
    else:
        t = pos_weight * target
        d = (t + (1.0 - target)) * s - t
    d = d * (g * _share(input.shape, reduction))
    return d if weight is None else d * weight


def _logits_target(g: Any, input: Any, weight: Any, pos_weight: Any, reduction: int) -> Any:
    if pos_weight is None:
        d = -input
    else:
        d = log_sigmoid(-input) - pos_weight * log_sigmoid(input)
    d = d * (g * _share(input.shape, reduction))
    return d if weight is None else d * weight


binary_cross_entropy_with_logits_of: Any = general(
    "binary_cross_entropy_with_logits_of(input, target, weight?, pos_weight? | reduction)",
    k.binary_cross_entropy_with_logits,
    public="binary_cross_entropy_with_logits",
    batch=_examples,
    input=_logits_input,
    target=_logits_target,
)

# -- of several classes -----------------------------------------------------------------------------------


def _flat_examples(op: Any, size: int, tensors: Any, dims: Any) -> tuple[list[Any], tuple[int, ...]]:
    """(tensors with the batch merged into the first dimension, shape of one example's losses)."""
    values = [in_front(t, d, size) for t, d in zip(tensors, dims, strict=True)]
    shape = tuple(values[1].shape)[1:]
    merged = []
    for v in values:
        have = tuple(v.shape)
        merged.append(reshape_any(v, (size * have[1], *have[2:])) if shape else v)
    return merged, shape


def _nll_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `nll`: one call on the merged batch; the mean is over each example's weights."""
    input, target, weight = tensors
    reduction, ignore_index = statics
    if weight is not None and dims[2] is not None:
        return one_by_one(op, size, tensors, dims, statics)
    (x, y), shape = _flat_examples(op, size, (input, target), dims[:2])
    losses = reshape_any(op.entry(x, y, weight, 0, ignore_index), (size, *shape))
    rest = tuple(range(1, losses.ndim))
    if not reduction:
        return losses, 0
    total = sum_dims(losses, rest, False) if rest else losses
    if reduction == 2:
        return total, 0
    weights = reshape_any(op.entry(full_like(x, -1.0), y, weight, 0, ignore_index), (size, *shape))
    return total / (sum_dims(weights, rest, False) if rest else weights), 0


def _nll_backward_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of the transpose of `nll`."""
    g, target, weight = tensors
    shape, reduction, ignore_index = statics
    if weight is not None and dims[2] is not None:
        return one_by_one(op, size, tensors, dims, statics)
    y = in_front(target, dims[1], size)
    inner = tuple(y.shape)[1:]
    whole = (size * shape[0], *shape[1:]) if inner else (size, *shape)
    flat = reshape_any(y, (whole[0], *whole[2:]))
    g = in_front(g, dims[0], size)
    if reduction:
        if reduction == 1:
            probe = constant(np.broadcast_to(np.asarray(-1.0, g.dtype.np), whole))
            weights = reshape_any(nll_of(probe, flat, weight, 0, ignore_index), (size, *inner))
            rest = tuple(range(1, weights.ndim))
            g = g / (sum_dims(weights, rest, False) if rest else weights)
        g = expand_to(reshape_any(g, (size, *[1] * len(inner))), (size, *inner))
    found = op.entry(reshape_any(g, tuple(flat.shape)), flat, weight, whole, 0, ignore_index)
    return reshape_any(found, (size, *shape)), 0


def _nll(name: str, node: str) -> Any:
    return linear(
        f"{name}(input, target, weight? | reduction, ignore_index)",
        k.nll,
        node=node,
        public="nll_loss",
        batch=_nll_examples,
        input=lambda g, target, weight, input_shape, reduction, ignore_index: nll_backward(
            g, target, weight, input_shape, reduction, ignore_index
        ),
    )


nll_of: Any = _nll("nll_of", "NllLossBackward0")
nll_spatial: Any = _nll("nll_spatial", "NllLoss2DBackward0")
# Division by a count, which PyTorch passes as a number rather than a tensor; hence the name of the node.
share_of: Any = linear(
    "share_of(input | count)",
    k.share,
    node="DivBackward1",
    public="div",
    batch=along,
    input=lambda g, count: share_of(g, count),
)
nll_backward: Any = linear(
    "nll_backward(g, target, weight? | shape, reduction, ignore_index)",
    k.nll_backward,
    node="NllLossBackwardBackward0",
    batch=_nll_backward_examples,
    g=lambda g, target, weight, reduction, ignore_index: nll_of(g, target, weight, reduction, ignore_index),
)


def class_losses(log_probs: Any, target: Any, weight: Any, reduction: int, ignore_index: int) -> Any:
    """`nll` with PyTorch's checks.

    Args:
        log_probs: (C,), (N, C) or (N, C, d1, ...).
        target: (), (N,) or (N, d1, ...), classes.
        weight: (C,) or None.
        reduction: 0, 1 or 2.
        ignore_index: class that counts for nothing.

    Raises:
        ValueError, RuntimeError: for shapes or dtypes that do not fit.
        IndexError: for a class that does not exist.
    """
    shape, have = tuple(log_probs.shape), tuple(target.shape)
    n = len(shape)
    if n < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {n})")
    if n != 1 and shape[0] != (have[0] if have else None):
        error: Exception = ValueError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size ({have[0] if have else 1})."
        )
        raise noted(error, "target_shape", input=list(shape), want=[shape[0], *shape[2:]], have=list(have))
    if n <= 2:
        if len(have) > 1:
            error = RuntimeError("0D or 1D target tensor expected, multi-target not supported")
            raise noted(error, "target_shape", input=list(shape), want=list(shape[:-1]), have=list(have))
    elif have != (shape[0], *shape[2:]):
        _spatial_mismatch(shape, have)
    if target.dtype.name not in ("int64", "uint8"):
        error = RuntimeError(f"expected target dtype to be Long or Byte, but got {SCALAR_NAME[target.dtype]}")
        raise noted(error, "target_dtype", dtype=target.dtype)
    classes = shape[1] if n > 1 else shape[0]
    if weight is not None:
        constants("nll_loss_forward" if n <= 2 else "nll_loss2d_forward", weight=weight)
        if weight.ndim != 1 or weight.shape[0] != classes:
            if n > 2:
                raise RuntimeError("weight tensor should be defined either for all or no classes")
            raise RuntimeError(
                f"weight tensor should be defined either for all {classes} classes or no classes but got "
                f"weight tensor of shape: {list(weight.shape)}"
            )
        if weight.dtype is not log_probs.dtype:
            raise RuntimeError(
                f"expected scalar type {SCALAR_NAME[log_probs.dtype]} but found {SCALAR_NAME[weight.dtype]}"
            )
    if log_probs.dtype.category != FLOATING:
        refuse("nll_loss_out_frame", BOOL, INTEGRAL, COMPLEX)(None, log_probs.dtype)
    if n == 1 and have:
        if have[0] != 1:
            raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {have[0]}")
        target = reshaped(target, ())
    return (nll_of if n <= 2 else nll_spatial)(log_probs, target, weight, reduction, ignore_index)


def _spatial_mismatch(shape: tuple[int, ...], have: tuple[int, ...]) -> None:
    if len(shape) == 4:
        if len(have) != 3:
            raise RuntimeError(
                f"only batches of spatial targets supported (3D tensors) but got targets of dimension: "
                f"{len(have)}"
            )
        raise RuntimeError(f"size mismatch (got input: {list(shape)} , target: {list(have)}")
    raise RuntimeError(f"Expected target size {[shape[0], *shape[2:]]}, got {list(have)}")
