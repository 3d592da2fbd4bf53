"""Connectionist temporal classification over arrays, all examples of a batch at once.

The states of an example are its labels with blanks around each; `alpha[t, n, s]` is the logarithm of the
probability of all ways that are in state s at time t (https://www.cs.toronto.edu/~graves/icml_2006.pdf).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import lazy
from .sized import generated

ctc_loops: Any = lazy.module("cotangent.kernels.ctc_loops")

Array = np.ndarray[Any, Any]


def states_of(targets: Array, blank: int) -> tuple[Array, Array]:
    """(class of each state (N, 2 S + 1), whether it can be reached past the blank before it)."""
    n, s = targets.shape
    labels = np.full((n, 2 * s + 1), blank, np.int64)
    labels[:, 1::2] = targets
    skips = np.zeros(labels.shape, bool)
    skips[:, 3::2] = labels[:, 3::2] != labels[:, 1:-2:2]
    return labels, skips


def _log_sum(*terms: Array) -> Array:
    """The logarithm of the sum of exponentials, -inf for none."""
    top = np.maximum.reduce(terms)
    base = np.where(top == -np.inf, 0.0, top)
    total = np.exp(terms[0] - base)
    for term in terms[1:]:
        total += np.exp(term - base)
    found: Array = base + np.log(total)
    return found


def _shifted(a: Array, by: int) -> Array:
    """The states `by` further on, or back where it is negative, with -inf coming in."""
    found = np.full(a.shape, -np.inf, a.dtype)
    if by > 0:
        found[:, by:] = a[:, :-by]
    elif a.shape[1] > -by:
        found[:, :by] = a[:, -by:]
    return found


def _finals(ends: Array) -> tuple[Array, Array]:
    """The last two states: the last blank, and the last label (the blank again where there is none)."""
    last = 2 * ends
    return last, np.maximum(last - 1, 0)


def ctc(
    log_probs: Array, targets: Array, lengths: Array, ends: Array, blank: int, zero_infinity: bool
) -> tuple[Array, Array]:
    """The losses (N,), and alpha (T, N, 2 S + 1).

    Args:
        log_probs: (T, N, C).
        targets: (N, S), padded.
        lengths: of the examples, (N,).
        ends: numbers of labels, (N,).
        blank: the class of blanks.
        zero_infinity: whether infinite losses count as 0.
    """
    steps, n, _ = log_probs.shape
    labels, skips = states_of(targets, blank)
    rows = np.arange(n)
    # What lies beyond an example's labels must not be reached; any class will do there.
    beyond = np.arange(labels.shape[1]) > 2 * ends[:, None]
    labels = np.where(beyond, blank, labels)
    last, before = _finals(ends)
    if generated(log_probs, 1):
        alpha = ctc_loops.forward(log_probs, labels, skips, last)
    else:
        alpha = _alphas(log_probs, labels, skips, beyond)
    at = np.maximum(lengths - 1, 0)
    if not steps:
        found = np.zeros(n, log_probs.dtype)
    else:
        one = alpha[at, rows, last]
        other = np.where(ends > 0, alpha[at, rows, before], -np.inf)
        found = -_log_sum(one, other)
    found = np.where(lengths == 0, np.where(ends == 0, -0.0, np.inf), found).astype(log_probs.dtype)
    if zero_infinity:
        found[np.isinf(found)] = 0.0
    return found, alpha


def _alphas(log_probs: Array, labels: Array, skips: Array, beyond: Array) -> Array:
    """The recursion over time, all examples at once."""
    steps, n, _ = log_probs.shape
    rows = np.arange(n)
    alpha = np.full((steps, n, labels.shape[1]), -np.inf, log_probs.dtype)
    state = np.full((n, labels.shape[1]), -np.inf, log_probs.dtype)
    for t in range(steps):
        emitted = log_probs[t][rows[:, None], labels]
        if t == 0:
            state[:, :2] = emitted[:, :2]
        else:
            skipped = np.where(skips, _shifted(state, 2), -np.inf)
            state = _log_sum(state, _shifted(state, 1), skipped) + emitted
        state[beyond] = -np.inf
        alpha[t] = state
    return alpha


def ctc_backward(
    g: Array, log_probs: Array, targets: Array, lengths: Array, ends: Array, losses: Array, alpha: Array,
    blank: int, zero_infinity: bool,
) -> Array:  # fmt: skip
    """PyTorch's gradient in `log_probs`: exp(log_probs) less the probabilities of the classes' states.

    It is the derivative of the loss after `log_softmax`; of the loss alone, only the second term is.
    """
    steps, n, _ = log_probs.shape
    labels, skips = states_of(targets, blank)
    rows = np.arange(n)
    beyond = np.arange(labels.shape[1]) > 2 * ends[:, None]
    labels = np.where(beyond, blank, labels)
    # A state is left for the one after the next if that one can be reached past the blank between them.
    leaves = np.zeros(skips.shape, bool)
    leaves[:, :-2] = skips[:, 2:]
    last, before = _finals(ends)
    start = np.full((n, labels.shape[1]), -np.inf, log_probs.dtype)
    start[rows, last] = 0.0
    start[rows, before] = 0.0
    state = start
    # Where the loss was infinite there is no way at all, and nothing is subtracted from.
    total = np.where(lengths == 0, 0.0, losses)
    impossible = np.isinf(losses) | (zero_infinity & (losses == 0.0) & (lengths > 0))
    found: Array
    if generated(log_probs, 1, alpha):
        found = ctc_loops.backward(log_probs, labels, leaves, last, lengths, start, alpha, total)
        steps = 0  # done
    else:
        found = np.zeros_like(log_probs)
    for t in range(steps - 1, -1, -1):
        emitted = log_probs[t][rows[:, None], labels]
        # `state` is the probability of what comes after time t, so that alpha counts the emission alone.
        after = np.where((lengths == t + 1)[:, None], start, state)
        shares = np.exp(alpha[t] + after + total[:, None])
        shares[beyond] = 0.0
        one = found[t]
        np.exp(log_probs[t], one)
        np.subtract.at(one, (rows[:, None], labels), shares)
        one[lengths <= t] = 0.0
        now = after + emitted
        now[beyond] = -np.inf
        state = _log_sum(now, _shifted(now, -1), np.where(leaves, _shifted(now, -2), -np.inf))
    found *= g[:, None]
    if zero_infinity:
        found[:, impossible] = 0.0
    elif impossible.any():
        found[:, impossible] = np.nan
        for i in np.flatnonzero(impossible):
            found[lengths[i] :, i] = 0.0
    return found
