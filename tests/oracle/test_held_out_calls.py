"""Calls in which PyTorch's own tests found differences, in both libraries: results, gradients, exceptions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from samples.library import xp

MASKED = """
t.masked.sum(t.tensor([1, 2, 3], dtype=t.int8), mask=t.tensor([True, False, True]))
t.masked.sum(t.ones(2, 3), mask=t.tensor([True, False, True]))
t.masked.sum(t.ones(2, 3), dim=(0, ), keepdim=True, mask=t.tensor([[True], [False]]))
t.masked.sum(t.ones(2, 3), dim=3)
t.masked.sum(t.ones(2, 3), dim=(0, 0))
t.masked.sum(t.ones(3), mask=t.ones(2, 3, dtype=t.bool))
t.masked.prod(t.tensor([[1., 2.], [3., 4.]]), dim=(0, 1), mask=t.tensor([[True, False], [True, True]]))
t.masked.amax(t.tensor([[1, 2], [3, 4]]), dim=1, mask=FEW)
t.masked.amin(t.tensor([[1, 2], [3, 4]]), dim=1, mask=FEW)
t.masked.amax(t.tensor([[True, False]]), dim=1, mask=t.tensor([[True, False]]))
t.masked.argmax(t.tensor([[1, 2], [3, 4]]), dim=1, mask=FEW)
t.masked.argmin(t.tensor([[1., 2], [3, 4]]), mask=FEW)
t.masked.mean(t.tensor([[1., 2], [3, 4]]), 1, mask=FEW)
t.masked.mean(t.tensor([[1, 2], [3, 4]]), 1)
t.masked.mean(t.tensor([[1, 2], [3, 4]]), 1, dtype=t.int32)
t.masked.mean(t.tensor([[1, 2], [3, 4]]), 1, dtype=t.float64)
t.masked.median(t.tensor([[1., 2], [3, 4]]), 1, mask=FEW)
t.masked.median(t.tensor([[1, 2], [3, 4]]), 1, mask=FEW)
t.masked.median(t.tensor([[1, 2], [3, 4]]), 1, mask=t.tensor([[True, False], [False, True]]))
t.masked.logsumexp(t.tensor([[1., 2], [3, 4]]), 1, mask=FEW)
t.masked.logaddexp(t.ones(2), X[:, 0], input_mask=t.tensor([True, False]), other_mask=FEW[1])
t.masked.norm(t.tensor([[3., 2], [3, 4]]), 2.0, 1, mask=t.tensor([[True, False], [True, True]]))
t.masked.norm(t.tensor([[3., 2], [3, 4]]), -np.inf, 1, mask=t.tensor([[True, False], [True, True]]))
t.masked.var(X, 1, mask=ROWS)
t.masked.std(t.tensor([[3, 2, 9], [3, 4, 2]]), 1, False, mask=ROWS)
t.masked.var(t.tensor([[3, 2 + 1j, 9], [3, 4, 2]]), None, correction=2, keepdim=True, mask=MASK)
t.masked.var(X, 1, True, correction=2)
t.masked.softmax(X, 1, mask=t.tensor([[True, False, True], [False, False, False]]))
t.masked.log_softmax(X, -1, mask=ROWS)
t.masked.softmin(X, -1, mask=ROWS, dtype=t.float64)
t.masked.normalize(X, 2.0, -1, mask=ROWS)
t.masked.cumsum(X, -1, mask=ROWS)
t.masked.cumprod(t.tensor([[3, 2, 9], [3, 4, 2]]), -1, mask=ROWS)
t.masked.sum(t.tensor([[3, 2, 9], [3, 4, 2]]), (), mask=t.tensor([[1, 0, 1]]))
t.masked._reduction_identity('sum', t.ones(1, dtype=t.int8))
t.masked._reduction_identity('norm', t.ones(1), -np.inf)
t.masked._output_mask(t.masked.sum, t.ones(2, 3), 1, keepdim=True, mask=t.tensor([[True], [False]]))
t.masked._output_mask(t.masked.norm, t.ones(2, 3), 2, 1, mask=t.tensor([[True], [False]]))
t.masked._output_mask(t.masked.softmax, t.ones(2, 3), 1, mask=t.tensor([[True], [False]]))
t.masked._output_mask(t.sum, t.ones(2, 3), 1, mask=t.tensor([[True], [False]]))
t.masked._output_mask('x', t.ones(2, 3))
t.masked._input_mask(t.ones(2, 3))
t.masked._input_mask(t.ones(2, 3), mask=t.ones(2, 2))
t.masked.mean(t.ones(2, 3), (), mask=t.tensor([[True], [False]]))
t.masked.var(t.ones(2, 3), (), mask=t.tensor([[True], [False]]))
grads(lambda x: t.masked.amax(x, 1, mask=MASK), [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.prod(x, 1, mask=MASK), [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.var(x, 1, mask=MASK), [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.softmax(x, 1, mask=MASK)[:, 0], [[1.0, 2, 2], [3, 4, 1]])
grads(lambda x: t.masked.normalize(x, 2.0, 1, mask=MASK)[:, 0], [[1.0, 2, 2], [3, 4, 1]])
""".strip().split("\n")

VIEWS = """
t.ones(4, 4, 3)[:, :, 1:].view(t.float64)
t.ones(4, 4, 2)[:, :, 1:].view(t.float64)
t.ones(4, 4, 2).transpose(0, 2).view(t.float64)
t.ones(4, 4, 3)[:, :2, :2].view(t.float64)
t.ones(0, 5, 64).view(t.float64).stride(), t.ones(0, 5, 64).view(t.int16).stride()
t.ones(3, 0).view(t.float64)
t.ones(1, 5).t().view(t.int16)
t.ones(5, 2)[:, ::2].view(t.int16)
t.empty(()).resize_([0, 4, 2305843009213693952])
flags(t._neg_view(t.tensor([1 + 2j]).conj()))
flags(t._neg_view(t.tensor([1 + 2j])).conj())
flags(t._neg_view(t._neg_view(t.tensor([1 + 2j]).conj())))
flags(t._neg_view(t.tensor([1 + 2j]).conj()).conj())
flags(t._neg_view(t.tensor([1 + 2j]).conj()).exp_())
flags(t._neg_view(t.tensor([1 + 2j]).conj()).imag)
flags(t._neg_view(t.tensor([1 + 2j]).conj()).resolve_conj())
t._neg_view(t.tensor([1 + 2j]).conj()).numpy()
t.view_as_real(t._neg_view(t.tensor([1 + 2j]).conj()))
flags(t.tensor([[1 + 2j, 3]]).conj().transpose_(0, 1))
(x := t.tensor([[1 + 2j, 3]])), flags(x.conj().squeeze_(0).mul_(2)), x
(x := t.tensor([[1 + 2j, 3]])), flags(t._neg_view(x.conj()).mul_(2j)), x
""".strip().split("\n")

NUMBERS = """
t.arange(0, 2**60)
t.arange(0, 2**45)
t.arange(-(2**63) + 1, 2**63 - 1)
t.arange(0, 1e30)
t.arange(5, 0, -2), t.arange(0, 5, 2, dtype=t.int8), t.arange(1, 2.5, 0.5)
t.arange(7, 1, -2, dtype=t.float16)
t.var(t.ones(2, 3, dtype=t.complex64), 0, True, out=t.empty(0, dtype=t.complex64))
t.std(t.tensor([[1 + 2j, 3]]), 1, correction=0, out=t.empty(0, dtype=t.complex128))
t.var(t.ones(2, 3), 0, True, out=t.empty(0, dtype=t.complex64))
t.var(t.ones(2, 3), None, True, out=t.empty(0, dtype=t.complex64))
t.histogram(t.ones(()), 1, out=(t.empty(()), t.empty((), dtype=t.float64)))
t.histogram(t.ones(()), 1, out=(t.empty((), dtype=t.float64), t.empty(())))
t.linalg.pinv(t.ones(2, 2), rcond=t.ones(1, dtype=t.complex64))
t.linalg.pinv(t.ones(2, 2), rtol=t.ones(1, dtype=t.complex64))
t.pinverse(t.eye(2), t.tensor([1.0]))
t.pinverse(t.eye(2), t.tensor(0.5))
""".strip().split("\n")

SEGMENTS = """
grads(lambda x: t.segment_reduce(x, "max", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "max", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "max", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "min", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "min", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "min", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "sum", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "sum", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "sum", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "mean", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "mean", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "mean", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "prod", lengths=LENGTHS, initial=None), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "prod", lengths=LENGTHS, initial=2.0), NAN_INSIDE)
grads(lambda x: t.segment_reduce(x, "prod", lengths=LENGTHS, initial=5.0), NAN_INSIDE)
""".strip().split("\n")


def outcome(library: Any, call: str) -> str:
    """What the call gives or raises."""

    def grads(function: Any, values: Any) -> Any:
        x = library.tensor(values, dtype=library.float64, requires_grad=True)
        y = function(x)
        return y.detach(), library.autograd.grad(y.sum(), x)

    def flags(x: Any) -> Any:
        return x, x.is_conj(), x.is_neg()

    mask = library.tensor([[True, False, True], [True, True, False]])
    scope = {"t": library, "np": np, "grads": grads, "flags": flags, "MASK": mask}
    scope |= {"LENGTHS": library.tensor([1, 2, 3, 0]), "NAN_INSIDE": [1, np.nan, 3, 4, 5, 5]}
    scope["X"] = library.tensor([[3.0, 2, 9], [3, 4, 2]])
    scope["FEW"] = library.tensor([[True, False], [False, False]])
    scope["ROWS"] = library.tensor([[True, False, True], [False, True, False]])
    try:
        return repr(eval(call, scope))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", MASKED + VIEWS + NUMBERS + SEGMENTS)
def test_a_call_does_what_it_does_in_pytorch(call: str) -> None:
    assert outcome(xp, call) == outcome(torch, call)
