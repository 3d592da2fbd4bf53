"""Multi-head attention of nested tensors, which PyTorch has on its fast path only: in evaluation."""

from __future__ import annotations

from typing import Any, Final

from ... import lazy
from ...amp.autocast_mode import is_autocast_enabled
from ...autograd.modes import grad_enabled
from ...config import settings
from ...functions import stack
from ..functional import pad

# The overrides look through nn for what can be overridden.
_overrides = lazy.module("cotangent.overrides")
# PyTorch's text has the indentation of its source in it.
_BOTH_MASKS: Final = (
    f"supplying both src_key_padding_mask and src_mask at the same time{' ' * 34}is not supported with "
    "NestedTensor input"
)
_RECORDED: Final = (
    "grad is enabled and at least one of query or the input/output projection weights or biases requires_grad"
)


def _why_not(attention: Any, query: Any, key: Any, value: Any, masked: bool) -> str:
    """Why PyTorch would not take its fast path; empty if it would."""
    weight, bias, out = attention.in_proj_weight, attention.in_proj_bias, attention.out_proj
    kinds = [None if t is None else t.dtype for t in (query, bias, weight)]
    tensors = (query, weight, bias, out.weight, out.bias)
    reasons = (
        (not settings.attention_fast_path, "torch.backends.mha.get_fastpath_enabled() was not True"),
        (query.dim() != 3, f"input not batched; expected query.dim() of 3 but got {query.dim()}"),
        (
            query is not key or key is not value,
            "non-self attention was used (query, key, and value are not the same Tensor)",
        ),
        (
            bias is not None and kinds[0] is not kinds[1],
            f"dtypes of query ({kinds[0]}) and self.in_proj_bias ({kinds[1]}) don't match",
        ),
        (weight is None, "in_proj_weight was None"),
        (
            kinds[0] is not kinds[2],
            f"dtypes of query ({kinds[0]}) and self.in_proj_weight ({kinds[2]}) don't match",
        ),
        (attention.training, "training is enabled"),
        (attention.num_heads % 2 != 0, "self.num_heads is not even"),
        (not attention.batch_first, "batch_first was not True"),
        (attention.bias_k is not None, "self.bias_k was not None"),
        (attention.bias_v is not None, "self.bias_v was not None"),
        (attention.add_zero_attn, "add_zero_attn was enabled"),
        (not attention._qkv_same_embed_dim, "_qkv_same_embed_dim was not True"),
        (
            masked,
            _BOTH_MASKS,
        ),
        (is_autocast_enabled(), "autocast is enabled"),
        (
            str(query.layout) == "torch.jagged" or _overrides.has_torch_function(tensors[1:]),
            "some Tensor argument has_torch_function",
        ),
        (
            grad_enabled() and any(t is not None and t.requires_grad for t in tensors),
            _RECORDED,
        ),
    )
    return next((reason for holds, reason in reasons if holds), "")


def nested_attention(
    attention: Any, query: Any, key: Any, value: Any, masked: bool, need_weights: bool, average: bool
) -> tuple[Any, Any]:
    """The attention of each example.

    Args:
        attention: the module.
        query, key, value: its operands, at least one of them nested.
        masked: whether there is a mask.
        need_weights: whether to return the weights.
        average: whether they are averaged over the heads.

    Returns:
        a nested tensor, and the weights, (B, L, L) with zeros for padding, or None.

    Raises:
        AssertionError: where PyTorch would not take its fast path.
    """
    why = _why_not(attention, query, key, value, masked)
    if why or attention.in_proj_bias is None:
        raise AssertionError(
            "MultiheadAttention does not support NestedTensor outside of its fast path. The fast path was "
            f"not hit because {why}"
        )
    parts = query.unbind()
    found = [attention(x, x, x, need_weights=need_weights, average_attn_weights=average) for x in parts]
    weights = None
    if need_weights:
        most = max(x.shape[0] for x in parts)
        weights = stack([pad(w, (0, most - w.shape[-1]) * 2) for _, w in found])
    return query._joined([out for out, _ in found]), weights
