"""Distances of all pairs by generated kernels against NumPy's arrays of all differences."""

from typing import Any

import numpy as np
import pytest

from cotangent import cdist, tensor
from cotangent.kernels import distances
from cotangent.kernels.sized import WARM_UP, by_numpy, worthwhile

SHAPES: list[Any] = [((40, 5), (30, 5)), ((2, 3, 70), (2, 9, 70)), ((300, 20), (400, 20)), ((5, 1), (7, 1))]


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("shapes", SHAPES)
def test_distances(shapes: Any, p: float) -> None:
    assert worthwhile(WARM_UP)
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s) for s in shapes)
    b[..., 1, :] = a[..., 2, :]
    found = distances.cdist(a, b, p, False)
    with by_numpy():
        np.testing.assert_allclose(found, distances.cdist(a, b, p, False), rtol=1e-12)


@pytest.mark.parametrize("shapes", SHAPES)
def test_derivatives_of_order_1(shapes: Any) -> None:
    assert worthwhile(WARM_UP)
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s) for s in shapes]
    g = tensor(rng.standard_normal((*shapes[0][:-1], shapes[1][-2])))

    def gradients() -> list[Any]:
        points = [tensor(a, requires_grad=True) for a in arrays]
        cdist(*points, p=1.0).backward(g)
        return [x.grad.numpy() for x in points]

    found = gradients()
    with by_numpy():
        for one, other in zip(found, gradients(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_pairs_and_squares() -> None:
    a = np.arange(2 * 7 * 7).reshape(2, 7, 7)
    i, j = np.triu_indices(7, 1)
    np.testing.assert_array_equal(distances.pairs(a), a[:, i, j])
    back = distances.square(distances.pairs(a), 7)
    np.testing.assert_array_equal(back, np.triu(a, 1))
