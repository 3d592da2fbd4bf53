"""The recursions of `ctc` over time, an example after another, as generated kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import jit, runtime, vmath
from .contract_text import KERNEL, Text, module
from .loops import kind_of
from .vectors import ITEMSIZE, Vec

__all__ = ["backward", "forward"]


def forward(log_probs: Any, labels: Any, skips: Any, last: Any) -> Any:
    """`alpha` (T, N, S): logarithms of the probabilities of all ways to each state.

    Args:
        log_probs: (T, N, C), contiguous, float32 or float64.
        labels: class of each state (N, S).
        skips: whether it can be reached past the state before it, (N, S).
        last: number of each example's last state, (N,).
    """
    steps, n, classes = log_probs.shape
    numbers = (steps, n, classes, labels.shape[1])
    alpha = np.empty((steps, n, labels.shape[1]), log_probs.dtype)
    _launch("forward", _forward, log_probs, n, (labels, skips, last), (alpha,), numbers)
    return alpha


def backward(
    log_probs: Any, labels: Any, leaves: Any, last: Any, lengths: Any, start: Any, alpha: Any, total: Any
) -> Any:
    """exp(log_probs) less the probabilities of the classes' states; zero after the end of an example.

    Args:
        log_probs: as for `forward`.
        labels: likewise.
        leaves: whether a state can be left for the one after the next, (N, S).
        last: as for `forward`.
        lengths: of the examples, (N,).
        start: logarithms of what is left to come in the last step, (N, S).
        alpha: of `forward`.
        total: the losses, (N,).

    Returns:
        (T, N, C).
    """
    steps, n, classes = log_probs.shape
    states = labels.shape[1]
    found = np.empty(log_probs.shape, log_probs.dtype)
    scratch = np.array(np.broadcast_to(start, (3, n, states)))
    _launch(
        "backward", _backward, log_probs, n, (labels, leaves, last, lengths),
        (start, alpha, total, found, *scratch), (steps, n, classes, states),
    )  # fmt: skip
    return found


def _launch(
    name: str, write: Any, log_probs: Any, n: int, integers: Sequence[Any], arrays: Sequence[Any],
    numbers: Sequence[int],
) -> None:  # fmt: skip
    kind = kind_of(log_probs.dtype) or ""
    lanes = jit.host().vector_bytes // log_probs.itemsize
    kernel = jit.function(f"ctc {name} {kind} x{lanes}", lambda: write(kind, lanes))
    buffers = [np.ascontiguousarray(log_probs), *(np.ascontiguousarray(i, np.int32) for i in integers)]
    buffers += [np.ascontiguousarray(a, log_probs.dtype) for a in arrays]
    runtime.launch(kernel, n, 1, len(buffers), len(numbers), *buffers, *numbers)


def _log_sum(text: Text, terms: Sequence[Vec]) -> Vec:
    top = terms[0]
    for term in terms[1:]:
        top = text.maximum(top, term)
    base = top.compare("eq", -math.inf).select(0.0, top)
    total = vmath.exp(text, terms[0] - base)
    for term in terms[1:]:
        total = total + vmath.exp(text, term - base)
    return base + vmath.log(text, total)


class _States:
    """What both kernels know of a vector of states of an example."""

    def __init__(self, text: Text, kind: str, lanes: int, first: Vec, count: Vec, last: Vec) -> None:
        self.text, self.kind, self.lanes, self.first = text, kind, lanes, first
        self.size = ITEMSIZE[kind]
        self.number = text.splat(first.cast("i32"), lanes) + text.iota("i32", lanes)
        self.count = text.splat(count.cast("i32"), lanes)
        self.mask = self.number < self.count
        self.reached = text.splat(last, lanes) >= self.number

    def moved(self, row: str, by: int, where: Vec | None = None) -> Vec:
        """The states `by` further on in a row, -inf where there is none, or not `where`."""
        text = self.text
        mask = self.mask
        if by:
            at = self.number + by
            mask = mask & (at >= 0) & (at < self.count)
        if where is not None:
            mask = mask & where
        there = text.at(row, (self.first + by) * self.size)
        return mask.select(text.load(there, self.kind, self.lanes, mask), -math.inf)

    def flags(self, row: str) -> Vec:
        """Whether integers of a row are not zero."""
        return self.labels(row).compare("ne", 0)

    def labels(self, row: str) -> Vec:
        """Integers of a row."""
        return self.text.load(self.text.at(row, self.first * 4), "i32", self.lanes, self.mask)

    def put(self, value: Vec, row: str) -> None:
        """Store the states that the example has, -inf for others."""
        value = self.reached.select(value, -math.inf)
        self.text.store(value, self.text.at(row, self.first * self.size), self.kind, self.mask)


def _forward(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    log_probs, labels, skips, lasts, alpha = (text.buffer(i) for i in range(5))
    steps, count, classes, states = (text.number(i) for i in range(4))
    with text.loop(text.argument("begin"), text.argument("end")) as n:
        last = text.load(text.at(lasts, n * 4), "i32", 1)
        own, past = (text.at(table, n * states * 4) for table in (labels, skips))
        with text.loop(0, steps) as t, text.loop(0, states, lanes) as first:
            s = _States(text, kind, lanes, first, states, last)
            line = text.at(log_probs, (t * count + n) * classes * size)
            here = text.at(alpha, (t * count + n) * states * size)
            emitted = text.picked(line, s.labels(own), kind, s.mask)

            def begin(s: _States = s, emitted: Vec = emitted, here: str = here) -> None:
                s.put((s.number < 2).select(emitted, -math.inf), here)

            def go_on(s: _States = s, emitted: Vec = emitted, here: str = here) -> None:
                before = text.at(here, count * states * -size)
                ways = [s.moved(before, 0), s.moved(before, -1), s.moved(before, -2, s.flags(past))]
                s.put(_log_sum(text, ways) + emitted, here)

            text.either(t.compare("eq", 0), begin, go_on)
    return module([text])


def _backward(kind: str, lanes: int) -> str:
    text = Text(KERNEL)
    size = ITEMSIZE[kind]
    log_probs, labels, leaves, lasts, lengths, start, alpha, total, found, *scratch = (
        text.buffer(i) for i in range(12)
    )
    steps, count, classes, states = (text.number(i) for i in range(4))
    with text.loop(text.argument("begin"), text.argument("end")) as n:
        last, length = (text.load(text.at(table, n * 4), "i32", 1) for table in (lasts, lengths))
        loss = text.splat(text.load(text.at(total, n * size), kind, 1), lanes)
        own, leave = (text.at(table, n * states * 4) for table in (labels, leaves))
        begun, state, now, shares = (text.at(a, n * states * size) for a in (start, *scratch))
        with text.loop(0, steps) as back:
            t = steps - back - 1
            row = t * count + n
            line, out = (text.at(a, row * classes * size) for a in (log_probs, found))
            with text.loop(0, states, lanes) as first:
                s = _States(text, kind, lanes, first, states, last)
                ends = text.op(f"icmp eq i64 {(t + 1).name}, {length.cast('i64').name}", "b1", 1)
                after = text.load(text.at(text.choose(ends, begun, state), first * size), kind, lanes, s.mask)
                share = vmath.exp(text, s.moved(text.at(alpha, row * states * size), 0) + after + loss)
                share = s.reached.select(share, 0.0)
                text.store(share, text.at(shares, first * size), kind, s.mask)
                s.put(after + text.picked(line, s.labels(own), kind, s.mask), now)
            there = t < length.cast("i64")
            with text.loop(0, classes, lanes) as c:
                mask = text.mask(lanes, classes - c)
                value = vmath.exp(text, text.load(text.at(line, c * size), kind, lanes, mask))
                inside = text.splat(there, lanes)
                text.store(inside.select(value, 0.0), text.at(out, c * size), kind, mask)
            with text.when(there), text.loop(0, states) as i:
                label = text.load(text.at(own, i * 4), "i32", 1).cast("i64")
                into = text.at(out, label * size)
                share = text.load(text.at(shares, i * size), kind, 1)
                text.store(text.load(into, kind, 1) - share, into, kind)
            with text.loop(0, states, lanes) as first:
                s = _States(text, kind, lanes, first, states, last)
                ways = [s.moved(now, 0), s.moved(now, 1), s.moved(now, 2, s.flags(leave))]
                text.store(_log_sum(text, ways), text.at(state, first * size), kind, s.mask)
    return module([text])
