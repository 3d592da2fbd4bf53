"""Adaptive maxima of uneven windows: values, places, gradients, with equal elements, nan, infinities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cotangent


@pytest.mark.parametrize("seed", range(40))
def test_windows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = 2 + seed % 2
    sizes, out = rng.integers(1, 12, d), rng.integers(1, 9, d)
    a = rng.integers(0, 4, (*[(2,), (2, 3)][seed // 2 % 2], *sizes)).astype(["f4", "f8"][seed // 4 % 2])
    if seed % 3 == 0:
        a[rng.random(a.shape) < 0.15] = np.nan
    if seed % 5 == 0:
        a[rng.random(a.shape) < 0.15] = -np.inf
    found = []
    for t in (cotangent, torch):
        x = t.from_numpy(a).requires_grad_()
        pool = getattr(t.nn.functional, f"adaptive_max_pool{d}d")
        values, places = pool(x, [int(n) for n in out], return_indices=True)
        values.nan_to_num(0, 0, 0).sum().backward()
        found.append((values.detach().numpy(), places.numpy(), x.grad.numpy()))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, theirs)
