"""Scaled dot-product attention as one primitive.

Its rule works on a few heads at a time; derivatives of higher order come from the same formula written with
operations (PyTorch has none on the CPU). Formula: https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

import math
from typing import Any

from ..kernels import attention as k
from .batching import in_front
from .table import general, is_array, needed, pulled_back, traced
from .views import reshape_any


def formula(tensors: list[Any], mask: Any, scale: float, causal: bool, weigh: Any = None) -> Any:
    """The attention as a chain of operations.

    Args:
        tensors: q, k, v, and a bias of the scores if there is one.
        mask: booleans, false where attention is not allowed, or None.
        scale: factor of the scores.
        causal: whether row i may attend to the columns up to i only.
        weigh: what to do with the weights before they are used (dropout), or None.
    """
    q, key, v, *bias = tensors
    # Half of the factor on either side, as PyTorch does for the sake of 16-bit floats.
    root = math.sqrt(abs(scale))
    scores = (q * math.copysign(root, scale)) @ (key * root).transpose(-2, -1)
    if bias:
        scores = scores + bias[0]
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -math.inf)
    if causal:
        open_ = scores.new_ones(scores.shape[-2:]).tril()
        scores = scores.masked_fill(open_ == 0, -math.inf)
    # Rows that may attend to nothing give zeros, not nan.
    dead = (scores == -math.inf).all(-1, keepdim=True)
    weights = scores.masked_fill(dead, 0.0).softmax(-1).masked_fill(dead, 0.0)
    return (weights if weigh is None else weigh(weights)) @ v


def _rule(
    g: Any,
    tensors: Any,
    mask: Any,
    out0: Any,
    out1: Any,
    scale: float,
    causal: bool,
    tiled: bool,
    needs: Any,
) -> list[Any]:
    if is_array(tensors[0]):
        return k.attention_backward(g[0], tensors, mask, out0, out1, scale, causal, tiled, needs)
    if traced(tensors[0]):
        found = iter(attention_pullback(g[0], tensors, mask, out0, out1, scale, causal, tiled, needs))
        return [next(found) if need else None for need in needs]
    return pulled_back(lambda given: (formula(given, mask, scale, causal),), tensors, g[:1])


def _examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching: one leading dimension more; masks get theirs in front of those that broadcast."""
    rank = max(t.ndim - (d is not None) for t, d in zip(tensors[0], dims[0], strict=True)) + 1
    ready = []
    for t, d in zip([*tensors[0], tensors[1]], [*dims[0], dims[1]], strict=True):
        if t is not None:
            t = in_front(t, d, size)
            shape = tuple(t.shape)
            if len(shape) < rank:
                t = reshape_any(t, (size, *[1] * (rank - len(shape)), *shape[1:]))
        ready.append(t)
    return op.entry(ready[:-1], ready[-1], *statics), 0


attention: Any = general(
    "attention(tensors[], mask? | scale, causal, tiled)",
    k.attention,
    node="ScaledDotProductFlashAttentionForCpuBackward0",
    public="scaled_dot_product_attention",
    nout=2,
    nondiff_outputs=(1,),
    batch=_examples,
    tensors=_rule,
)
# The pullback as an operation, for the tape of a compiled step.
attention_pullback: Any = general(
    "attention_pullback(g, tensors[], mask?, out, logs | scale, causal, tiled, needs)",
    lambda g, tensors, mask, out, logs, scale, causal, tiled, needs: needed(
        k.attention_backward(g, tensors, mask, out, logs, scale, causal, tiled, needs), needs
    ),
    nout=0,
)
