"""Attention: of given queries, keys and values, and with several heads and projections around it."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ... import dtypes
from ...errors import bad_argument
from ...functions import baddbmm, bmm, cat, softmax, zeros, zeros_like
from ...ops.attention import attention, formula
from ...ops.broadcast import broadcast_shapes, expanded
from ...ops.matmul import linear
from ...ops.padding import pad
from ...ops.table import is_tensor
from ._dropout import dropout

__all__ = [
    "_canonical_mask",
    "_in_projection_packed",
    "_mha_shape_check",
    "_none_or_dtype",
    "multi_head_attention_forward",
    "scaled_dot_product_attention",
]


def _name(d: dtypes.dtype) -> str:
    return dtypes.CPP_NAME[d] + (" int" if d is dtypes.int64 else "")


def _check(query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool) -> None:
    for position, (name, t) in enumerate((("query", query), ("key", key), ("value", value)), 1):
        if not is_tensor(t):
            bad_argument("scaled_dot_product_attention", name, position, "Tensor", t)
    if not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{_name(query.dtype)} key.dtype: {_name(key.dtype)} and value.dtype: {_name(value.dtype)} "
            "instead."
        )
    if min(query.dim(), key.dim(), value.dim()) < 2:
        raise RuntimeError(
            f"Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.dim()} key.dim: {key.dim()} and value.dim: {value.dim()} instead."
        )
    if attn_mask is None:
        return
    if attn_mask.dtype not in (dtypes.bool_, dtypes.float32, query.dtype) or (
        attn_mask.dtype is dtypes.float32 and query.dtype.category < dtypes.FLOATING
    ):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{_name(attn_mask.dtype)} and  query.dtype: {_name(query.dtype)} instead."
        )
    if is_causal:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )


def _repeated(query: Any, key: Any, value: Any) -> tuple[Any, Any]:
    """Keys and values, each for several heads of the queries."""
    heads = query.size(-3)
    for t in (key, value):
        if heads % t.size(-3):
            raise RuntimeError("Number of heads in key and value must divide the number of heads in ")
    return (
        key.repeat_interleave(heads // key.size(-3), -3),
        value.repeat_interleave(heads // value.size(-3), -3),
    )


def _fit(query: Any, key: Any, value: Any, attn_mask: Any) -> tuple[int, ...] | None:
    """The common leading shape if the primitive can take these operands, else None."""
    if query.size(-1) != key.size(-1) or key.size(-2) != value.size(-2):
        return None
    if query.dtype.category != dtypes.FLOATING:
        return None
    try:
        lead = broadcast_shapes(*(tuple(t.shape[:-2]) for t in (query, key, value)))
        if attn_mask is not None:
            scores = (*lead, query.size(-2), key.size(-2))
            if tuple(broadcast_shapes(tuple(attn_mask.shape), scores)) != scores or attn_mask.dim() < 2:
                return None
    except RuntimeError:
        return None
    return tuple(lead)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(scale * query key^T + mask) value.

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, F).
        attn_mask: broadcasts to (..., L, S): booleans, false where attention is not allowed, or numbers that
            are added to the scores.
        dropout_p: probability with which weights are dropped.
        is_causal: whether row i may attend to columns up to i only.
        scale: 1 / sqrt(E) by default.
        enable_gqa: whether each head of key and value serves several heads of the query.

    Returns:
        (..., L, F); a row that may attend to nothing is zeros.

    Raises:
        RuntimeError: for shapes or dtypes that do not fit.

    Source: https://arxiv.org/abs/1706.03762

    Example:
        >>> import cotangent as torch
        >>> v = torch.tensor([[1.0], [3.0]])
        >>> torch.nn.functional.scaled_dot_product_attention(torch.zeros(1, 2), torch.zeros(2, 2), v)
        tensor([[2.]])
    """
    _check(query, key, value, attn_mask, is_causal)
    if enable_gqa:
        key, value = _repeated(query, key, value)
    if scale is None:
        scale = 1.0 / math.sqrt(query.size(-1)) if query.size(-1) else 1.0
    bias = mask = None
    if attn_mask is not None:
        if attn_mask.dtype is dtypes.bool_:
            mask = attn_mask
        else:
            bias = attn_mask.to(query.dtype)
    lead = None if dropout_p else _fit(query, key, value, attn_mask)
    operands = [query, key, value]
    if lead is None:
        weigh = None if not dropout_p else lambda weights: _dropped(weights, dropout_p)
        if query.dtype.itemsize == 2 and query.dtype.category == dtypes.FLOATING:
            # PyTorch's plain implementation widens 16-bit floats.
            wide = [t.float() for t in (operands if bias is None else [*operands, bias])]
            return formula(wide, mask, scale, is_causal, weigh).to(query.dtype)
        return formula(operands if bias is None else [*operands, bias], mask, scale, is_causal, weigh)
    # PyTorch computes operands of this kind in tiles, which rounds otherwise.
    tiled = all(t.dim() == 4 and tuple(t.shape[:-2]) == lead for t in operands)
    tiled = tiled and query.size(-1) == value.size(-1)
    for i, t in enumerate(operands):
        if tuple(t.shape[:-2]) != lead:
            operands[i] = expanded(t, (*lead, *t.shape[-2:]))
    out, _ = attention(operands if bias is None else [*operands, bias], mask, scale, is_causal, tiled)
    return out


def _dropped(weights: Any, p: float) -> Any:
    if not 0.0 <= p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
    return dropout(weights, p, True)


def _none_or_dtype(input: Any) -> Any:
    """The dtype of a mask, None if there is none."""
    if input is None:
        return None
    if is_tensor(input):
        return input.dtype
    raise RuntimeError("input to _none_or_dtype() must be None or torch.Tensor")


def _canonical_mask(
    mask: Any, mask_name: str, other_type: Any, other_name: str, target_type: Any, check_other: bool = True
) -> Any:
    """A mask as numbers to add: -inf where a boolean mask is true."""
    if mask is None:
        return None
    numbers = mask.is_floating_point()
    if mask.dtype is not dtypes.bool_ and not numbers:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype is not other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both "
            "instead.",
            stacklevel=3,
        )
    if numbers:
        return mask
    return zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)


def _mha_shape_check(
    query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, num_heads: int
) -> bool:
    """Whether the operands of multi-head attention have a batch; raises if they do not fit each other."""
    n = query.dim()
    if n not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor"
        )
    kind = f"For {'batched' if n == 3 else 'unbatched'} ({n}-D) `query`, expected "
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"{kind}`key` and `value` to be {n}-D but found {key.dim()}-D and {value.dim()}-D tensors "
            "respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != n - 1:
        raise AssertionError(
            f"{kind}`key_padding_mask` to be `None` or {n - 1}-D but found {key_padding_mask.dim()}-D tensor "
            "instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"{kind}`attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead"
            )
        shape = (num_heads, query.shape[0], key.shape[0])
        if n == 2 and attn_mask.dim() == 3 and attn_mask.shape != shape:
            raise AssertionError(f"Expected `attn_mask` shape to be {shape} but got {attn_mask.shape}")
    return bool(n == 3)


def _in_projection_packed(q: Any, k: Any, v: Any, w: Any, b: Any = None) -> tuple[Any, ...]:
    """Query, key and value through their parts of one weight, in as few products as they allow."""
    size = q.size(-1)
    if q is k and k is v:
        return tuple(linear(q, w, b).chunk(3, -1))
    if k is v:
        wq, wkv = w.split([size, 2 * size])
        bq, bkv = (None, None) if b is None else b.split([size, 2 * size])
        return linear(q, wq, bq), *linear(k, wkv, bkv).chunk(2, -1)
    biases = (None, None, None) if b is None else b.chunk(3)
    return tuple(linear(*part) for part in zip((q, k, v), w.chunk(3), biases, strict=True))


def _checked_mask(mask: Any, batch: int, heads: int, rows: int, columns: int) -> Any:
    """The attention mask as (1 or batch * heads, rows, columns)."""
    if mask is None:
        return None
    n = mask.dim()
    if n not in (2, 3):
        raise RuntimeError(f"attn_mask's dimension {n} is not supported")
    shape = (rows, columns) if n == 2 else (batch * heads, rows, columns)
    if mask.shape != shape:
        raise RuntimeError(f"The shape of the {n}D attn_mask is {mask.shape}, but should be {shape}.")
    return mask.unsqueeze(0) if n == 2 else mask


def _static(t: Any, name: str, heads: int, head_dim: int) -> Any:
    for at, wanted in ((0, heads), (2, head_dim)):
        if t.size(at) != wanted:
            raise AssertionError(f"expecting {name}.size({at}) of {wanted}, but got {t.size(at)}")
    return t


def _wider(masks: list[Any]) -> list[Any]:
    """Masks with one more column, which is open."""
    return [None if mask is None else pad(mask, (0, 1)) for mask in masks]


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Attention with several heads; `torch.nn.MultiheadAttention` holds the weights.

    Args:
        query: (L, N, E) or (L, E).
        key: (S, N, E) or (S, E).
        value: (S, N, E) or (S, E).
        embed_dim_to_check: E.
        num_heads: heads, which divide E.
        in_proj_weight: (3 * E, E), for query, key and value.
        in_proj_bias: (3 * E,) or None.
        bias_k: one more key, (1, 1, E), or None.
        bias_v: its value, (1, 1, E), or None.
        add_zero_attn: whether there is one more key and value of zeros.
        dropout_p: probability with which weights are dropped.
        out_proj_weight: (E, E).
        out_proj_bias: (E,) or None.
        training: whether weights are dropped at all.
        key_padding_mask: (N, S) or (S,): true for keys nobody may attend to, or numbers to add.
        need_weights: whether to return the weights.
        attn_mask: (L, S) or (N * num_heads, L, S): true where attention is not allowed, or numbers to add.
        use_separate_proj_weight: whether the next three take the place of `in_proj_weight`.
        q_proj_weight: (E, E).
        k_proj_weight: (E, features of the key).
        v_proj_weight: (E, features of the value).
        static_k: (N * num_heads, S, E / num_heads) in place of the projected keys.
        static_v: the same for the values.
        average_attn_weights: whether the weights are averaged over the heads.
        is_causal: says that `attn_mask` is causal.

    Returns:
        The output, of the shape of `query`, and the weights or None.

    Raises:
        AssertionError, RuntimeError: for shapes that do not fit.
    """
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = query is key and key is value
        both = key is value
        query = query.unsqueeze(1)
        key = query if same else key.unsqueeze(1)
        value = key if both else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    rows, batch, size = query.shape
    columns = key.shape[0]
    padding = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and padding is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        is_causal = is_causal and padding is None
    if size != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {size}")
    head_dim = size // num_heads
    if head_dim * num_heads != size:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        separate = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, weight in zip("qkv", separate, strict=True):
            if weight is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = (linear(*part) for part in zip((query, key, value), separate, biases, strict=True))
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)
    attn_mask = _checked_mask(attn_mask, batch, num_heads, rows, columns)
    if bias_k is not None and bias_v is not None:
        for name, static in (("key", static_k), ("value", static_v)):
            if static is not None:
                raise AssertionError(f"bias cannot be added to static {name}.")
        k, v = (cat([t, one.repeat(1, batch, 1)]) for t, one in ((k, bias_k), (v, bias_v)))
        attn_mask, padding = _wider([attn_mask, padding])
    elif bias_k is not None or bias_v is not None:
        there, lacking = ("k", "v") if bias_v is None else ("v", "k")
        raise AssertionError(f"bias_{there} is set but bias_{lacking} is None")
    heads = batch * num_heads
    q = _heads(q, heads, head_dim)
    k = _heads(k, heads, head_dim) if static_k is None else _static(static_k, "static_k", heads, head_dim)
    v = _heads(v, heads, head_dim) if static_v is None else _static(static_v, "static_v", heads, head_dim)
    if add_zero_attn:
        k, v = (cat([t, zeros((heads, 1, head_dim), dtype=t.dtype)], 1) for t in (k, v))
        attn_mask, padding = _wider([attn_mask, padding])
    columns = k.size(1)
    if padding is not None:
        for at, wanted in enumerate((batch, columns)):
            if padding.shape[at] != wanted:
                raise AssertionError(
                    f"Expected key_padded_mask.shape[{at}] to be {wanted}, but got {padding.shape[at]}"
                )
        padding = padding.view(batch, 1, 1, columns).expand(-1, num_heads, -1, -1)
        padding = padding.reshape(heads, 1, columns)
        attn_mask = padding if attn_mask is None else attn_mask + padding
    drop = dropout_p if training else 0.0
    weights = None
    if need_weights:
        if is_causal and attn_mask is None:
            raise AssertionError("FIXME: is_causal not implemented for need_weights")
        out, weights = _weighed(q, k, v, attn_mask, drop)
        out = out.transpose(0, 1)
        weights = weights.view(batch, num_heads, rows, columns)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        if not batched:
            weights = weights.squeeze(0)
    else:
        if attn_mask is not None:
            single = attn_mask.size(0) == 1 and attn_mask.dim() == 3
            attn_mask = attn_mask.unsqueeze(0) if single else attn_mask.view(batch, num_heads, -1, columns)
        q, k, v = (t.view(batch, num_heads, t.size(1), head_dim) for t in (q, k, v))
        out = scaled_dot_product_attention(q, k, v, attn_mask, drop, is_causal).permute(2, 0, 1, 3)
    out = linear(out.reshape(rows * batch, size), out_proj_weight, out_proj_bias)
    out = out.view(rows, batch, out.size(1))
    return out if batched else out.squeeze(1), weights


def _heads(t: Any, heads: int, head_dim: int) -> Any:
    return t.reshape(t.shape[0], heads, head_dim).transpose(0, 1)


def _weighed(q: Any, k: Any, v: Any, mask: Any, drop: float) -> tuple[Any, Any]:
    """The attention and its weights, for q, k and v of (heads, L or S, head_dim)."""
    scaled = q * math.sqrt(1.0 / q.shape[2])
    turned = k.transpose(-2, -1)
    weights: Any = softmax(bmm(scaled, turned) if mask is None else baddbmm(mask, scaled, turned), -1)
    if drop > 0.0:
        weights = dropout(weights, p=drop)
    return bmm(weights, v), weights
