"""Connectionist temporal classification: the loss of sequences of labels without an alignment.

Formula: https://www.cs.toronto.edu/~graves/icml_2006.pdf. PyTorch's gradient is that of the loss of
`log_softmax(x)` in x, with x already normalised: exp(log_probs) less the probabilities of the labels' states.
Derivatives of higher order, which PyTorch lacks, are those of this gradient.
"""

from __future__ import annotations

from typing import Any

from ..kernels import ctc as k
from .join import cat_of
from .table import general, is_array, pulled_back

# Stands for the logarithm of 0 where -inf would give nan as a gradient.
_NEVER = -1e30


def _log_sum(terms: list[Any]) -> Any:
    top = terms[0]
    for term in terms[1:]:
        top = top.maximum(term)
    top = top.detach()
    total = (terms[0] - top).exp()
    for term in terms[1:]:
        total = total + (term - top).exp()
    return top + total.log()


def _losses(log_probs: Any, targets: Any, times: Any, ends: Any, blank: int) -> Any:
    """The losses as a chain of operations; huge, not infinite, where there is no way."""
    steps, n, _ = log_probs.shape
    count = 2 * targets.shape[1] + 1
    blanks = targets.new_full((n, targets.shape[1], 1), blank)
    labels = (
        cat_of([cat_of([blanks, targets.unsqueeze(2)], 2).reshape(n, count - 1), blanks[:, :1, 0]], 1)
        if count > 1
        else targets.new_full((n, 1), blank)
    )
    numbers = targets.new_ones((count,)).cumsum(0) - 1
    beyond = numbers > 2 * ends.unsqueeze(1)
    labels = labels.masked_fill(beyond, blank)
    never = log_probs.new_full((n, 2), _NEVER)
    same = cat_of([labels.new_full((n, 2), blank), labels[:, :-2]], 1) == labels if count > 2 else beyond
    stays = same | (labels == blank)
    state: Any = None
    for t in range(steps):
        emitted = log_probs[t].gather(1, labels)
        if state is None:
            new = emitted.masked_fill(numbers > 1, _NEVER)
        else:
            one = cat_of([never[:, :1], state[:, :-1]], 1)
            two = cat_of([never, state[:, :-2]], 1) if count > 2 else never[:, :count]
            new = _log_sum([state, one, two.masked_fill(stays, _NEVER)]) + emitted
        new = new.masked_fill(beyond, _NEVER).clamp_min(_NEVER)
        state = new if state is None else new.where((times > t).unsqueeze(1), state)
    last = 2 * ends.unsqueeze(1)
    one = state.gather(1, last)
    other = state.gather(1, (last - 1).clamp_min(0)).masked_fill(last == 0, _NEVER)
    return -_log_sum([one, other]).squeeze(1)


def _rule(
    g: Any, log_probs: Any, targets: Any, times: Any, ends: Any, out0: Any, out1: Any, blank: int,
    zero_infinity: bool,
) -> Any:  # fmt: skip
    if is_array(log_probs):
        return k.ctc_backward(g[0], log_probs, targets, times, ends, out0, out1, blank, zero_infinity)
    c = g[0]
    if zero_infinity:
        impossible = _losses(log_probs, targets, times, ends, blank).detach() > -0.5 * _NEVER
        c = c.masked_fill(impossible, 0.0)
    found = pulled_back(lambda given: _losses(given[0], targets, times, ends, blank), [log_probs], c)[0]
    steps = targets.new_ones((log_probs.shape[0], 1)).cumsum(0)
    there = (steps <= times).unsqueeze(2)
    return (found + log_probs.exp() * c.unsqueeze(1)).masked_fill(there.logical_not(), 0.0)


ctc: Any = general(
    "ctc(log_probs, targets, times, ends | blank, zero_infinity)",
    k.ctc,
    node="CtcLossBackward0",
    public="ctc_loss",
    nout=2,
    nondiff_outputs=(1,),
    log_probs=_rule,
)
