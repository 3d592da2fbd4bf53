"""Connectionist temporal classification: generated kernels against NumPy's steps, which PyTorch checks."""

from typing import Any

import numpy as np
import pytest

from cotangent.kernels import ctc
from cotangent.kernels.sized import WARM_UP, by_numpy, worthwhile


@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize(("steps", "classes", "most"), [(30, 7, 12), (9, 40, 5), (4, 3, 6), (1, 2, 0)])
def test_loss_and_gradient(steps: int, classes: int, most: int, zero_infinity: bool) -> None:
    assert worthwhile(WARM_UP)
    rng = np.random.default_rng(steps)
    n = 5
    scores = rng.standard_normal((steps, n, classes))
    log_probs = scores - np.log(np.exp(scores).sum(2, keepdims=True))
    targets = rng.integers(1, classes, (n, most))
    targets[0] = 1  # the same label again and again, which takes blanks between
    lengths, ends = rng.integers(0, steps + 1, n), rng.integers(0, most + 1, n)
    lengths[0], ends[0] = steps, most
    g = rng.standard_normal(n)

    def both() -> tuple[Any, ...]:
        losses, alpha = ctc.ctc(log_probs, targets, lengths, ends, 0, zero_infinity)
        return (
            losses,
            alpha,
            ctc.ctc_backward(g, log_probs, targets, lengths, ends, losses, alpha, 0, zero_infinity),
        )

    with np.errstate(all="ignore"):  # as the operation sees to it
        found = both()
    with by_numpy(), np.errstate(all="ignore"):
        for one, other in zip(found, both(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)
