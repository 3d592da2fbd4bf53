"""Recurrent layers over whole sequences, forward and backward, and their cells.

A sequence's rows lie step after step: step t has `counts[t]` rows, one for each sequence that is still
running, and the numbers never grow (PyTorch's packed layout, whose padded case is that of equal numbers).
What the input contributes to the gates is computed for all steps at once before these kernels run; they
add what the previous state contributes, one product of matrices per step, and apply the gates in place.

The logistic function is computed as 0.5 tanh(x / 2) + 0.5, so that a step takes one pass of tanh over all
its gates; the halves are multiplied into the weights beforehand.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import lazy
from .products import matmul
from .sized import generated

Array = np.ndarray[Any, Any]
Steps = tuple[int, ...]

programs: Any = lazy.module("cotangent.kernels.recurrent_programs")
# Elements of the gates from which a layer is a program of generated kernels, and rows of the weight.
_LARGE: Final = 1 << 14
_WIDE: Final = 64


def _large(x: Array, weight: Array) -> bool:
    """Whether a layer, of sequences of one length, is computed by a generated program."""
    return (
        x.ndim == 3
        and min(x.shape[1], *weight.shape) > 1
        and weight.shape[0] >= _WIDE
        and (generated(x, _LARGE, weight) and x.dtype.itemsize > 2)
    )


def rows_of(counts: Steps, backwards: bool) -> list[tuple[int, int]]:
    """(first row, number of rows) of each step, in the order in which they are taken."""
    found, first = [], 0
    for n in counts:
        found.append((first, n))
        first += n
    return found[::-1] if backwards else found


def _flat(a: Array) -> Array:
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def _halved(size: int, sharp: tuple[bool, ...], dtype: Any) -> Array:
    """Factors of the gates' pre-activations: 1/2 where the gate is logistic."""
    return np.repeat(np.where(sharp, 1.0, 0.5), size).astype(dtype)


def lstm(tensors: list[Array], counts: Steps, backwards: bool) -> tuple[Array, ...]:
    """All steps of one LSTM layer in one direction.

    Args:
        tensors: gates from the input (..., 4H), h (B, P), c (B, H), weight (4H, P); and projection (P, H).
        counts: rows of each step.
        backwards: whether the last step comes first.

    Returns:
        outputs (..., P), last h, last c; and for the backward pass the gates (N, 4H), tanh of c (N, H), c
        before each step (N, H), h before each step (N, P).
    """
    x, h0, c0, weight = tensors[:4]
    projection = tensors[4] if len(tensors) == 5 else None
    if projection is None and _large(x, weight):
        return programs.lstm(x, h0, c0, weight, backwards)  # type: ignore[no-any-return]
    size = c0.shape[1]
    half = _halved(size, (False, False, True, False), x.dtype)
    gates = _flat(x) * half
    turned = (weight * half[:, None]).T
    n_rows = gates.shape[0]
    bent, before_c = np.empty((n_rows, size), x.dtype), np.empty((n_rows, size), x.dtype)
    before_h, out = np.empty((n_rows, h0.shape[1]), x.dtype), np.empty((n_rows, h0.shape[1]), x.dtype)
    h, c = h0.copy(), c0.copy()
    space = np.empty((h0.shape[0], 4 * size), x.dtype)
    for first, n in rows_of(counts, backwards):
        at = slice(first, first + n)
        a, hn, cn = gates[at], h[:n], c[:n]
        before_h[at] = hn
        before_c[at] = cn
        a += np.dot(hn, turned, space[:n])
        np.tanh(a, a)
        for logistic in (a[:, : 2 * size], a[:, 3 * size :]):
            logistic *= 0.5
            logistic += 0.5
        cn *= a[:, size : 2 * size]
        t = bent[at]
        np.multiply(a[:, :size], a[:, 2 * size : 3 * size], t)
        cn += t
        np.tanh(cn, t)
        if projection is None:
            np.multiply(t, a[:, 3 * size :], hn)
        else:
            hn[...] = (t * a[:, 3 * size :]).dot(projection.T)
        out[at] = hn
    return out.reshape(*x.shape[:-1], h0.shape[1]), h, c, gates, bent, before_c, before_h


def lstm_backward(
    g: tuple[Any, ...], tensors: list[Array], kept: tuple[Array, ...], counts: Steps, backwards: bool,
    needs: tuple[bool, ...],
) -> list[Any]:  # fmt: skip
    """The pullback of `lstm`: one cotangent per tensor that needs one."""
    x, h0, c0, weight = tensors[:4]
    projection = tensors[4] if len(tensors) == 5 else None
    gates, bent, before_c, before_h = kept
    size = c0.shape[1]
    out_g = None if g[0] is None else _flat(g[0])
    h = np.zeros(h0.shape, x.dtype) if g[1] is None else g[1].copy()
    c = np.zeros(c0.shape, x.dtype) if g[2] is None else g[2].copy()
    if projection is None and _large(x, weight):
        d = programs.lstm_backward(g, x.shape, h, c, weight, kept, backwards)
        return [d.reshape(x.shape), h, c, matmul(d.T, before_h) if needs[3] else None]
    projected = None if projection is None else np.empty((gates.shape[0], h0.shape[1]), x.dtype)
    d = np.empty_like(gates)
    space = np.empty_like(c0)
    for first, n in reversed(rows_of(counts, backwards)):
        at = slice(first, first + n)
        hn, cn, t, a, e, bend = h[:n], c[:n], space[:n], gates[at], d[at], bent[at]
        if out_g is not None:
            hn += out_g[at]
        inner = hn
        if projected is not None and projection is not None:
            projected[at] = hn
            inner = hn.dot(projection)
        # The derivative of a logistic gate is s (1 - s), that of a tanh 1 - t t.
        np.multiply(a, a, e)
        np.subtract(a, e, e)
        i, u, o = a[:, :size], a[:, 2 * size : 3 * size], a[:, 3 * size :]
        np.multiply(u, u, e[:, 2 * size : 3 * size])
        np.subtract(1.0, e[:, 2 * size : 3 * size], e[:, 2 * size : 3 * size])
        np.multiply(inner, bend, t)
        e[:, 3 * size :] *= t
        t *= bend
        np.subtract(inner, t, t)
        t *= o
        cn += t
        for k, factor in enumerate((u, before_c[at], i)):
            part = e[:, k * size : (k + 1) * size]
            part *= np.multiply(cn, factor, t)
        cn *= a[:, size : 2 * size]
        hn[...] = e.dot(weight)
    found: list[Any] = [d.reshape(x.shape), h, c, d.T.dot(before_h) if needs[3] else None]
    if projected is not None:
        found.append(projected.T.dot(bent * gates[:, 3 * size :]) if needs[4] else None)
    return found


def gru(tensors: list[Array], counts: Steps, backwards: bool) -> tuple[Array, ...]:
    """All steps of one GRU layer in one direction.

    Args:
        tensors: gates from the input (..., 3H), h (B, H), weight (3H, H); and its bias (3H,).
        counts: rows of each step.
        backwards: whether the last step comes first.

    Returns:
        outputs (..., H), last h; and for the backward pass the gates (N, 3H), what the state gave to the new
        one (N, H) before it was reset, h before each step (N, H).
    """
    x, h0, weight = tensors[:3]
    bias = tensors[3] if len(tensors) == 4 else None
    if _large(x, weight):
        return programs.gru(x, h0, weight, bias, backwards)  # type: ignore[no-any-return]
    size = h0.shape[1]
    half = _halved(size, (False, False, True), x.dtype)
    gates = _flat(x) * half
    turned = (weight * half[:, None]).T
    n_rows = gates.shape[0]
    inner, before_h, out = (np.empty((n_rows, size), x.dtype) for _ in range(3))
    h = h0.copy()
    space = np.empty((h0.shape[0], 3 * size), x.dtype)
    scaled = None if bias is None else bias * half
    for first, n in rows_of(counts, backwards):
        at = slice(first, first + n)
        a, hn, s, m = gates[at], h[:n], space[:n], inner[at]
        before_h[at] = hn
        np.dot(hn, turned, s)
        if scaled is not None:
            s += scaled
        two = a[:, : 2 * size]
        two += s[:, : 2 * size]
        np.tanh(two, two)
        two *= 0.5
        two += 0.5
        m[...] = s[:, 2 * size :]
        t = s[:, :size]
        np.multiply(a[:, :size], m, t)
        new = a[:, 2 * size :]
        new += t
        np.tanh(new, new)
        hn -= new
        hn *= a[:, size : 2 * size]
        hn += new
        out[at] = hn
    return out.reshape(*x.shape[:-1], size), h, gates, inner, before_h


def gru_backward(
    g: tuple[Any, ...], tensors: list[Array], kept: tuple[Array, ...], counts: Steps, backwards: bool,
    needs: tuple[bool, ...],
) -> list[Any]:  # fmt: skip
    """The pullback of `gru`: one cotangent per tensor that needs one."""
    x, h0, weight = tensors[:3]
    gates, inner, before_h = kept
    size = h0.shape[1]
    out_g = None if g[0] is None else _flat(g[0])
    h = np.zeros(h0.shape, x.dtype) if g[1] is None else g[1].copy()
    if _large(x, weight):
        d, e = programs.gru_backward(g, x.shape, h, weight, kept, backwards)
        return _gru_found(tensors, d, e, h, before_h, needs)
    r, z, new = (gates[:, k * size : (k + 1) * size] for k in range(3))
    d = gates * gates
    np.subtract(gates, d, d)
    np.multiply(new, new, d[:, 2 * size :])
    np.subtract(1.0, d[:, 2 * size :], d[:, 2 * size :])
    d[:, 2 * size :] *= 1.0 - z
    d[:, size : 2 * size] *= before_h - new
    d[:, :size] *= inner
    d[:, :size] *= d[:, 2 * size :]
    # Cotangents of what the state contributes, which the reset gate multiplies in the last third.
    e = d.copy()
    e[:, 2 * size :] *= r
    for first, n in reversed(rows_of(counts, backwards)):
        at = slice(first, first + n)
        hn = h[:n]
        if out_g is not None:
            hn += out_g[at]
        for part in (d, e):
            three = part[at].reshape(n, 3, size)
            three *= hn[:, None, :]
        hn *= z[at]
        hn += e[at].dot(weight)
    return _gru_found(tensors, d, e, h, before_h, needs)


def _gru_found(
    tensors: list[Array], d: Array, e: Array, h: Array, before_h: Array, needs: tuple[bool, ...]
) -> list[Any]:
    """One cotangent per tensor, from those of what the input (d) and the state (e) gave."""
    found: list[Any] = [d.reshape(tensors[0].shape), h, matmul(e.T, before_h) if needs[2] else None]
    if len(tensors) == 4:
        found.append(np.add.reduce(e, 0) if needs[3] else None)
    return found


def rnn(tensors: list[Array], counts: Steps, backwards: bool, relu: bool) -> tuple[Array, ...]:
    """All steps of one plain recurrent layer in one direction.

    Args:
        tensors: what the input gives (..., H), h (B, H), weight (H, H).
        counts: rows of each step.
        backwards: whether the last step comes first.
        relu: whether max(0, x) takes the place of tanh.

    Returns:
        outputs (..., H), last h; and for the backward pass h before each step (N, H).
    """
    x, h0, weight = tensors
    out = _flat(x).copy()
    before_h = np.empty((out.shape[0], h0.shape[1]), x.dtype)
    h = h0.copy()
    turned = weight.T
    for first, n in rows_of(counts, backwards):
        at = slice(first, first + n)
        a, hn = out[at], h[:n]
        before_h[at] = hn
        a += hn.dot(turned)
        np.maximum(a, 0.0, out=a) if relu else np.tanh(a, a)
        hn[...] = a
    return out.reshape(x.shape), h, before_h


def rnn_backward(
    g: tuple[Any, ...], tensors: list[Array], kept: tuple[Array, ...], counts: Steps, backwards: bool,
    relu: bool, needs: tuple[bool, ...],
) -> list[Any]:  # fmt: skip
    """The pullback of `rnn`: one cotangent per tensor that needs one."""
    x, h0, weight = tensors
    out, before_h = kept
    flat = _flat(out)
    out_g = None if g[0] is None else _flat(g[0])
    h = np.zeros(h0.shape, x.dtype) if g[1] is None else g[1].copy()
    d = (flat > 0).astype(x.dtype) if relu else 1.0 - flat * flat
    for first, n in reversed(rows_of(counts, backwards)):
        at = slice(first, first + n)
        hn = h[:n]
        if out_g is not None:
            hn += out_g[at]
        d[at] *= hn
        hn[...] = d[at].dot(weight)
    return [d.reshape(x.shape), h, d.T.dot(before_h) if needs[2] else None]


def _places(counts: Steps, batch: int) -> Array:
    """Where the packed rows lie among those of the padded (steps, batch)."""
    return np.concatenate([np.arange(n) + t * batch for t, n in enumerate(counts)])


def pack(a: Array, counts: Steps) -> Array:
    """The rows of (steps, batch, ...) that belong to sequences, step after step."""
    return a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])[_places(counts, a.shape[1])]


def pad(rows: Array, counts: Steps, steps: int, batch: int) -> Array:
    """The transpose of `pack`: zeros where a sequence has ended."""
    found = np.zeros((steps * batch, *rows.shape[1:]), rows.dtype)
    found[_places(counts, batch)] = rows
    return found.reshape(steps, batch, *rows.shape[1:])
