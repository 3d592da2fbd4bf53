"""Where PyTorch's attention takes its fast path: in evaluation, when nothing is recorded.

The kernel of that path gives NaN to a query that may attend to no key, and the ordinary one gives it zero.
Here is one path only, so these queries get their NaN afterwards. (PyTorch's kernel also takes every number of
a mask that is not zero for "masked". That is not imitated: such numbers are added here, as in training.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ... import lazy
from ...amp.autocast_mode import is_autocast_enabled
from ...autograd.modes import grad_enabled
from ...config import settings
from .module import Module

# The overrides look through nn for what can be overridden.
_overrides = lazy.module("cotangent.overrides")

__all__ = ["allowed", "of_attention", "of_layer", "without_keys"]


def allowed(tensors: Iterable[Any]) -> bool:
    """Whether the fast path is switched on and none of the tensors is to be recorded.

    Args:
        tensors: operands and parameters that the kernel would read.
    """
    there = [t for t in tensors if t is not None]
    if (
        not settings.attention_fast_path
        or is_autocast_enabled()
        or _overrides.has_torch_function(tuple(there))
    ):
        return False
    return not (grad_enabled() and any(t.requires_grad for t in there))


def _fits(attention: Any) -> bool:
    """Whether an attention is one that the kernel computes."""
    return (
        not attention.training
        and attention.batch_first
        and attention.num_heads % 2 == 0
        and attention._qkv_same_embed_dim
    )


def _projections(attention: Any) -> tuple[Any, ...]:
    out = attention.out_proj
    return attention.in_proj_weight, attention.in_proj_bias, out.weight, out.bias


def of_attention(attention: Any, query: Any, key: Any, value: Any, masks: tuple[Any, Any]) -> bool:
    """Whether PyTorch's `MultiheadAttention` would take the fast path.

    Args:
        attention: the module.
        query, key, value: its operands.
        masks: of keys and of pairs, booleans or numbers or None.
    """
    return (
        query.dim() == 3
        and query is key
        and key is value
        and _fits(attention)
        and attention.bias_k is None
        and attention.bias_v is None
        and not attention.add_zero_attn
        and not any(mask is not None and mask.is_floating_point() for mask in masks)
        and allowed((query, *_projections(attention)))
    )


def of_layer(layer: Any, src: Any) -> bool:
    """Whether PyTorch's `TransformerEncoderLayer` would take the fast path.

    Args:
        layer: the module.
        src: its operand.
    """
    attention = layer.self_attn
    return (
        src.dim() == 3
        and not layer.training
        and _fits(attention)
        and attention.in_proj_bias is not None
        and bool(layer.activation_relu_or_gelu)
        and layer.norm1.eps == layer.norm2.eps
        and not any(_hooked(module) for module in layer.modules())
        and allowed((src, *_projections(attention), *layer.parameters()))
    )


def _hooked(module: Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def without_keys(output: Any, attention: Any, padding: Any, mask: Any) -> Any:
    """`output` with NaN for queries that may attend to no key in one of the heads.

    Args:
        output: (batch, length, features).
        attention: the module whose masks these are.
        padding: (batch, length), numbers to add, or None.
        mask: (length, length) or (batch * heads, length, length), numbers to add, or None.
    """
    merged, kind = attention.merge_masks(mask, padding, output)
    if kind is None:
        return output
    none = (merged == -math.inf).all(dim=-1)
    rows = none.unsqueeze(1) if kind == 1 else none.any(dim=1)
    return output.masked_fill(rows.unsqueeze(-1), math.nan)
