"""Scaled dot-product attention, a few heads at a time.

The scores of a block of heads and rows live in one small buffer, so that memory grows with the length of
the sequences and not with its square; the backward pass computes them anew from the logarithm of their sum
(https://arxiv.org/abs/2205.14135 does the same in tiles). Large blocks become weights in one generated
kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from .. import lazy
from .halves import is_half
from .products import multiply
from .sized import HEAVY, generated

rowwise: Any = lazy.module("cotangent.kernels.rowwise")

Array = np.ndarray[Any, Any]
# Examples, heads, rows; and how many columns.
Block = tuple[tuple[slice, slice, slice], int]
# So many scores fit into the second-level cache with room for the rest.
_CHUNK: Final = 1 << 17
# Fewer rows are not worth a block of their own.
_TALL: Final = 64


def _laid(a: Array, lead: tuple[int, ...]) -> Array:
    """(..., n, m) as (examples, heads, n, m), broadcast to `lead`; 16-bit floats become float32."""
    if a.shape[:-2] != lead:
        a = np.broadcast_to(a, (*lead, *a.shape[-2:]))
    if a.ndim != 4:
        a = a.reshape(math.prod(lead[:-1]), *lead[-1:] or (1,), *a.shape[-2:])
    return a.astype(np.float32) if is_half(a.dtype) else a


def _empty(shape: tuple[int, ...], dtype: Any, tiled: bool) -> Array:
    """An array (examples, heads, n, m). PyTorch's tiled implementation has a row of all heads together."""
    if not tiled:
        return np.empty(shape, dtype)
    return np.empty((shape[0], shape[2], shape[1], shape[3]), dtype).transpose(0, 2, 1, 3)


class _Scores:
    """The scores of some heads and rows at a time."""

    def __init__(
        self, q: Array, k: Array, bias: Any, mask: Any, scale: float, causal: bool, tiled: bool
    ) -> None:
        self.lead = lead = q.shape[:-2]
        self.q, self.k = _laid(q, lead), _laid(k, lead)
        self.shape = (*self.q.shape[:3], self.k.shape[2])
        kind = self.q.dtype.type
        # PyTorch's tiled implementation scales the scores, its plain one both factors beforehand.
        self.scale, self.of_q, self.of_k = kind(scale), kind(1), kind(1)
        if not tiled:
            self.scale, self.of_k = kind(1), kind(math.sqrt(abs(scale)))
            self.of_q = kind(math.copysign(self.of_k, scale))
            self.q, self.k = self.q * self.of_q, self.k * self.of_k
        self.causal = causal
        added = None if bias is None else bias.astype(kind, copy=False)
        hidden = None if mask is None else ~mask
        self.masks = [
            _laid(np.broadcast_to(m, (*m.shape[:-2], *self.shape[2:])), lead)
            for m in (added, hidden)
            if m is not None
        ]
        self.blocks = list(self._blocks())

    def _blocks(self) -> Iterator[Block]:
        """Blocks that fit into the cache, the last rows first, as only they may attend to all columns."""
        examples, heads, rows, columns = self.shape
        tall = _TALL if self.causal else max(_TALL, _CHUNK // max(1, columns))
        tall = max(1, min(tall, rows))
        per = max(1, _CHUNK // max(1, tall * columns))
        deep = max(1, per // max(1, heads))
        for example in range(0, examples, deep):
            for head in range(0, heads, per):
                for stop in range(rows, 0, -tall) or (0,):
                    place = (
                        slice(example, example + deep),
                        slice(head, head + per),
                        slice(max(0, stop - tall), stop),
                    )
                    yield place, min(stop, columns) if self.causal else columns

    def __call__(self, block: Block) -> tuple[Array, list[Array]]:
        """The products of a block, not scaled yet, and what masks add to it or hide."""
        place, columns = block
        s = _product(self.q[place], self.k[place[:2]][:, :, :columns].swapaxes(2, 3))
        masks = [mask[place][..., :columns] for mask in self.masks]
        if self.causal:
            rows = place[2]
            masks.append(~np.tri(rows.stop - rows.start, columns, rows.start, dtype=bool))
        return s, masks

    def masked(self, s: Array, masks: list[Array]) -> None:
        """Scale the products and apply masks."""
        s *= self.scale
        for mask in masks:
            if mask.dtype == np.bool_:
                np.copyto(s, -np.inf, where=mask)
            else:
                s += mask


def _product(a: Array, b: Array) -> Array:
    out = np.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    multiply(a, b, out)
    return out


def _dot(x: Array, y: Array) -> Array:
    if generated(x, HEAVY, y):
        return rowwise.dot(x, y)  # type: ignore[no-any-return]
    summed: Array = np.add.reduce(x * y, axis=3, keepdims=True)
    return summed


def _weights(scores: _Scores, s: Array, masks: list[Array], rounds: bool) -> tuple[Array, Any]:
    """Turn products into weights, in place, that are still to be divided.

    Args:
        scores: whose products.
        s: the products.
        masks: what is added or hidden.
        rounds: whether the weights will be rounded, before they are divided.

    Returns:
        the logarithms of the sums of exponentials, and the divisor; None for one.
    """
    if not rounds and generated(s, HEAVY):
        return rowwise.attend(s, float(scores.scale), masks), None
    scores.masked(s, masks)
    top = np.maximum.reduce(s, axis=3, keepdims=True, initial=-np.inf)
    np.copyto(top, 0.0, where=top == -np.inf)
    s -= top
    np.exp(s, s)
    total = np.add.reduce(s, axis=3, keepdims=True)
    empty = total == 0.0
    total[empty] = 1.0
    return np.where(empty, np.inf, top + np.log(total)), total


def attention(
    tensors: list[Array], mask: Any, scale: float, causal: bool, tiled: bool
) -> tuple[Array, Array]:
    """softmax(scale * q k^T + bias) v, rows that may attend to nothing being zeros.

    Args:
        tensors: q (..., L, E), k (..., S, E), v (..., S, F); and a bias that broadcasts to (..., L, S).
        mask: booleans that broadcast likewise, false where attention is not allowed; or None.
        scale: factor of the scores.
        causal: whether row i may attend to the columns up to i only.
        tiled: whether to do as PyTorch's implementation in tiles: it scales the scores, not the factors,
            rounds weights of 16 bits before the product with the values, and has heads beside each other.

    Returns:
        (..., L, F), and the logarithms of the sums of exponentials (..., L), inf for rows without any.
    """
    q, k, v = tensors[:3]
    scores = _Scores(q, k, tensors[3] if len(tensors) == 4 else None, mask, scale, causal, tiled)
    values = _laid(v, scores.lead)
    shape = scores.shape[:3]
    out = _empty((*shape, v.shape[-1]), values.dtype, tiled)
    logs = np.empty((*shape, 1), values.dtype)
    rounds = tiled and is_half(v.dtype)
    for block in scores.blocks:
        place, columns = block
        s, masks = scores(block)
        logs[place], divisor = _weights(scores, s, masks, rounds)
        if rounds:
            s = s.astype(v.dtype).astype(s.dtype)
        multiply(s, values[place[:2]][:, :, :columns], out[place])
        if divisor is not None:
            out[place] /= divisor
    return (
        out.reshape(*q.shape[:-1], v.shape[-1]).astype(q.dtype, copy=False),
        logs.reshape(q.shape[:-1]),
    )


def attention_backward(
    g: Array, tensors: list[Array], mask: Any, out: Array, logs: Array, scale: float, causal: bool,
    tiled: bool, needs: tuple[bool, ...],
) -> list[Any]:  # fmt: skip
    """The pullback of `attention`: one cotangent per tensor that needs one."""
    q, k, v = tensors[:3]
    bias = tensors[3] if len(tensors) == 4 else None
    scores = _Scores(q, k, bias, mask, scale, causal, tiled)
    values, gs = _laid(v, scores.lead), _laid(g, scores.lead)
    means = _dot(gs, _laid(out, scores.lead))
    logs = logs.reshape(*scores.shape[:3], 1)
    dq, dk, dv = (_empty(a.shape, a.dtype, tiled) for a in (scores.q, scores.k, values))
    of_scores = None
    if bias is not None and needs[3]:
        of_scores = np.zeros(scores.shape, dq.dtype)
    for block in scores.blocks:
        place, columns = block
        heads, rows = place[:2], place[2]
        p, masks = scores(block)
        d = _product(gs[place], values[heads][:, :, :columns].swapaxes(2, 3))
        if of_scores is None and generated(p, HEAVY, d):
            rowwise.attend_backward(p, d, logs[place], means[place], float(scores.scale), masks)
        else:
            scores.masked(p, masks)
            p -= logs[place]
            np.exp(p, p)
            d -= means[place]
            d *= p
            if of_scores is not None:
                of_scores[place][..., :columns] = d
            d *= scores.scale
        multiply(d, scores.k[heads][:, :, :columns], dq[place])
        for total, left, right in ((dk, d, scores.q[place]), (dv, p, gs[place])):
            part = total[heads][:, :, :columns]
            if rows.stop == scores.shape[2]:
                multiply(left.swapaxes(2, 3), right, part)
                total[heads][:, :, columns:] = 0
            else:
                part += _product(left.swapaxes(2, 3), right)
    if not tiled:
        dq *= scores.of_q
        dk *= scores.of_k
    found: list[Any] = [
        d.reshape(a.shape).astype(a.dtype, copy=False) for d, a in ((dq, q), (dk, k), (dv, v))
    ]
    if bias is not None:
        found.append(None)
        if of_scores is not None:
            whole = of_scores.reshape(*scores.lead, *scores.shape[2:])
            found[3] = _summed(whole, bias.shape).astype(bias.dtype, copy=False)
    return found


def _summed(a: Array, shape: tuple[int, ...]) -> Array:
    """`a` summed over what broadcasting `shape` to its shape stretched."""
    lead = a.ndim - len(shape)
    axes = [i + lead for i, n in enumerate(shape) if n == 1 and a.shape[i + lead] != 1]
    summed: Array = np.add.reduce(a, axis=(*range(lead), *axes))
    return summed.reshape(shape)
