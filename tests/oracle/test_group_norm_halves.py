"""Gradients of group normalisation in 16 bits are rounded once, as PyTorch's are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cotangent


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(("shape", "groups"), [((2, 6, 3, 5), 3), ((3, 20, 24, 24), 4), ((1, 4, 7), 1)])
def test_gradients(dtype: str, shape: tuple[int, ...], groups: int) -> None:
    rng = np.random.default_rng(3)
    operands = [rng.standard_normal(s) for s in (shape, shape[1:2], shape[1:2], shape)]
    errors = []
    for t in (cotangent, torch):
        *leaves, g = [t.from_numpy(a).to(getattr(t, dtype)) for a in operands]
        exact = [x.double().requires_grad_() for x in leaves]
        leaves = [x.requires_grad_() for x in leaves]
        for (x, w, b), c in ((leaves, g), (exact, g.double())):
            t.nn.functional.group_norm(x, groups, w, b).backward(c)
        errors.append([
            float((x.grad.double() - y.grad).abs().max() / y.grad.abs().max())
            for x, y in zip(leaves, exact, strict=True)
        ])  # fmt: skip
    assert all(mine <= 1.1 * theirs for mine, theirs in zip(*errors, strict=True))


@pytest.mark.parametrize(
    ("shape", "groups"), [((0, 4, 2, 2), 2), ((2, 0, 3), 1), ((0, 4), 2), ((0, 4, 0), 2), ((2, 4, 0), 2)]
)
def test_nothing_to_normalise(shape: tuple[int, ...], groups: int) -> None:
    found = []
    for t in (cotangent, torch):
        x, weight = t.zeros(shape, requires_grad=True), t.ones(shape[1], requires_grad=True)
        out = t.nn.functional.group_norm(x, groups, weight)
        out.sum().backward()
        assert x.grad.shape == shape
        # Of no elements PyTorch's mean is nan where there are examples; there is nothing that it would be of.
        found.append((tuple(out.shape), [0.0 if g != g else g for g in weight.grad.tolist()]))
    assert found[0] == found[1]
