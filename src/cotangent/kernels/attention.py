"""Scaled dot-product attention, a few heads at a time.

The scores of a chunk of heads live in one small buffer, so that memory grows with the length of the
sequences and not with its square; the backward pass computes them anew from the logarithm of their sum
(https://arxiv.org/abs/2205.14135 does the same in tiles).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .halves import is_half

Array = np.ndarray[Any, Any]
# So many scores fit into the second-level cache with room for the rest.
_CHUNK = 1 << 17


def _flat(a: Array) -> Array:
    """(..., n, m) as (heads, n, m), in float32 where it holds 16-bit floats."""
    flat = a.reshape(math.prod(a.shape[:-2]), *a.shape[-2:])
    return flat.astype(np.float32) if is_half(a.dtype) else flat


class _Scores:
    """The masked scores of chunks of heads."""

    def __init__(
        self, q: Array, k: Array, bias: Any, mask: Any, scale: float, causal: bool, tiled: bool
    ) -> None:
        self.q, self.k = _flat(q), _flat(k)
        self.heads: int = self.q.shape[0]
        self.rows: int = self.q.shape[1]
        self.columns: int = self.k.shape[1]
        kind = self.q.dtype.type
        # PyTorch's tiled implementation scales the scores, its plain one both factors beforehand.
        self.scale, self.of_q, self.of_k = kind(scale), kind(1), kind(1)
        if not tiled:
            self.scale, self.of_k = kind(1), kind(math.sqrt(abs(scale)))
            self.of_q = kind(math.copysign(self.of_k, scale))
            self.q, self.k = self.q * self.of_q, self.k * self.of_k
        self.lead = q.shape[:-2]
        self.bias = self._spread(bias)
        self.hidden = self._spread(None if mask is None else ~mask)
        self.causal = ~np.tri(self.rows, self.columns, dtype=bool) if causal else None
        per = max(1, _CHUNK // max(1, self.rows * self.columns))
        self.chunks = [slice(i, min(i + per, self.heads)) for i in range(0, self.heads, per)]
        self.space = np.empty((min(per, self.heads), self.rows, self.columns), self.q.dtype)

    def _spread(self, mask: Any) -> Any:
        """A mask that one index selects the part of a head of: (rows, columns), or a view that repeats it."""
        if mask is None:
            return None
        if math.prod(mask.shape[:-2]) == 1:
            return mask.reshape(mask.shape[-2:])
        return np.broadcast_to(mask, (*self.lead, self.rows, self.columns))

    def _of_head(self, mask: Array, head: int) -> Array:
        return mask if mask.ndim == 2 else mask[np.unravel_index(head, self.lead)]

    def __call__(self, chunk: slice) -> Array:
        s = self.space[: chunk.stop - chunk.start]
        np.matmul(self.q[chunk], self.k[chunk].transpose(0, 2, 1), s)
        s *= self.scale
        if self.bias is not None and self.bias.ndim == 2:
            s += self.bias
        for mask in (self.hidden, self.causal):
            if mask is not None and mask.ndim == 2:
                np.copyto(s, -np.inf, where=mask)
        for i, part in enumerate(s):
            if self.bias is not None and self.bias.ndim > 2:
                part += self._of_head(self.bias, chunk.start + i)
            if self.hidden is not None and self.hidden.ndim > 2:
                np.copyto(part, -np.inf, where=self._of_head(self.hidden, chunk.start + i))
        return s


def attention(
    tensors: list[Array], mask: Any, scale: float, causal: bool, tiled: bool
) -> tuple[Array, Array]:
    """softmax(scale * q k^T + bias) v, rows that may attend to nothing being zeros.

    Args:
        tensors: q (..., L, E), k (..., S, E), v (..., S, F); and a bias that broadcasts to (..., L, S).
        mask: booleans that broadcast likewise, false where attention is not allowed; or None.
        scale: factor of the scores.
        causal: whether row i may attend to the columns up to i only.
        tiled: whether to round as PyTorch's implementation in tiles does: it scales the scores, not the
            factors, and rounds weights of 16 bits before the product with the values.

    Returns:
        (..., L, F), and the logarithms of the sums of exponentials (..., L), inf for rows without any.
    """
    q, k, v = tensors[:3]
    scores = _Scores(q, k, tensors[3] if len(tensors) == 4 else None, mask, scale, causal, tiled)
    values = _flat(v)
    out = np.empty((scores.heads, scores.rows, v.shape[-1]), values.dtype)
    logs = np.empty((scores.heads, scores.rows), values.dtype)
    for chunk in scores.chunks:
        s = scores(chunk)
        top = np.maximum.reduce(s, axis=2, keepdims=True, initial=-np.inf)
        np.copyto(top, 0.0, where=top == -np.inf)
        s -= top
        np.exp(s, s)
        total = np.add.reduce(s, axis=2, keepdims=True)
        empty = total == 0.0
        if tiled and is_half(v.dtype):
            s = s.astype(v.dtype).astype(s.dtype)
        np.matmul(s, values[chunk], out[chunk])
        out[chunk] /= np.where(empty, 1.0, total)
        logs[chunk] = np.where(empty, np.inf, top + np.log(total))[:, :, 0]
    lead = q.shape[:-2]
    return (
        out.reshape(*lead, scores.rows, v.shape[-1]).astype(q.dtype, copy=False),
        logs.reshape(*lead, scores.rows),
    )


def attention_backward(
    g: Array, tensors: list[Array], mask: Any, out: Array, logs: Array, scale: float, causal: bool,
    tiled: bool, needs: tuple[bool, ...],
) -> list[Any]:  # fmt: skip
    """The pullback of `attention`: one cotangent per tensor that needs one."""
    q, k, v = tensors[:3]
    bias = tensors[3] if len(tensors) == 4 else None
    scores = _Scores(q, k, bias, mask, scale, causal, tiled)
    values, gs = _flat(v), _flat(g)
    rows = np.add.reduce(gs * _flat(out), axis=2, keepdims=True)
    logs = logs.reshape(scores.heads, scores.rows, 1)
    dq, dk, dv = (np.empty(a.shape, a.dtype) for a in (scores.q, scores.k, values))
    of_scores = None
    if bias is not None and needs[3]:
        of_scores = np.empty((scores.heads, scores.rows, scores.columns), dq.dtype)
    space = np.empty_like(scores.space)
    for chunk in scores.chunks:
        p = scores(chunk)
        p -= logs[chunk]
        np.exp(p, p)
        np.matmul(p.transpose(0, 2, 1), gs[chunk], dv[chunk])
        d = np.matmul(gs[chunk], values[chunk].transpose(0, 2, 1), space[: len(p)])
        d -= rows[chunk]
        d *= p
        if of_scores is not None:
            of_scores[chunk] = d
        d *= scores.scale
        np.matmul(d, scores.k[chunk], dq[chunk])
        np.matmul(d.transpose(0, 2, 1), scores.q[chunk], dk[chunk])
    if not tiled:
        dq *= scores.of_q
        dk *= scores.of_k
    found: list[Any] = [
        d.reshape(a.shape).astype(a.dtype, copy=False) for d, a in ((dq, q), (dk, k), (dv, v))
    ]
    if bias is not None:
        found.append(None)
        if of_scores is not None:
            whole = of_scores.reshape(*scores.lead, scores.rows, scores.columns)
            found[3] = _summed(whole, bias.shape).astype(bias.dtype, copy=False)
    return found


def _summed(a: Array, shape: tuple[int, ...]) -> Array:
    """`a` summed over what broadcasting `shape` to its shape stretched."""
    lead = a.ndim - len(shape)
    axes = [i + lead for i, n in enumerate(shape) if n == 1 and a.shape[i + lead] != 1]
    summed: Array = np.add.reduce(a, axis=(*range(lead), *axes))
    return summed.reshape(shape)
