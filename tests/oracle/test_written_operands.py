"""Operands written between forward and backward: an error, or gradients as if nothing had been written.

Each operator of PyTorch's table is called on a few of its samples, and then one operand gets other numbers.
What keeps an operand's memory under another tensor, without sharing its version, gives wrong gradients here.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from opdb.catalogue import OPERATORS
from opdb.judge import Sample, outcome, samples, tensors
from opdb.translate import translated

import cotangent

# `kron` multiplies other shapes of its operands that are no views, in PyTorch too; the other is not public.
LEFT_OUT = ("kron", "_batch_norm_with_update")
NAMES = [
    name
    for name, op in OPERATORS.items()
    if op.supports_autograd and torch.float64 in op.dtypes and name not in LEFT_OUT
]


def gradients(function: Any, sample: Sample, written: int | None) -> list[Any] | None:
    """The gradients; None where there are none, or where the result is the operand's own memory."""
    result, inputs = sample.call(cotangent, function, grad=True)
    found = [t for t in tensors(cotangent, sample.processed(cotangent, result)) if t.requires_grad]
    wanted = [t for t in inputs if t.requires_grad]
    if not found or not wanted or not all(isinstance(t._data, np.ndarray) for t in (*found, *inputs)):
        return None
    if written is not None:
        t = inputs[written]
        if any(np.may_share_memory(t._data, r._data) for r in found):
            return None
        with cotangent.no_grad():
            t.mul_(-1.5).add_(3) if t.is_floating_point() or t.is_complex() else t.zero_()
    total = sum(t.abs().sum() if t.is_complex() else (t * t.detach().cos()).sum() for t in found)
    made = cotangent.autograd.grad(total, wanted, allow_unused=True)
    return [np.zeros(0) if g is None else g.to(cotangent.complex128).numpy() for g in made]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_after_a_write(name: str) -> None:
    function = translated(OPERATORS[name].op)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for sample in samples(OPERATORS[name], torch.float64, 2, grad=True):
            expected, error = outcome(lambda s=sample: gradients(function, s, None))
            if error or expected is None:
                continue
            _, inputs = sample.call(cotangent, function, grad=True)
            for k in range(min(len(inputs), 4)):
                found, error = outcome(lambda s=sample, k=k: gradients(function, s, k))
                if error or found is None:
                    continue
                for one, other in zip(expected, found, strict=True):
                    assert np.array_equal(one, other, equal_nan=True), (sample, k)
