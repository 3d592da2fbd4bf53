"""Arithmetic of 16-bit floats: exact results rounded once, whichever loop computes them."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import cotangent as torch
from cotangent.kernels import halves
from cotangent.kernels.sized import WARM_UP, worthwhile

HALVES = [np.float16, ml_dtypes.bfloat16]
UFUNCS = [np.add, np.subtract, np.multiply, np.true_divide]
SHAPES = [((3,), (3,)), ((40, 70), (40, 70)), ((40, 70), (70,)), ((40, 1), (40, 70)), ((), (300,))]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("ufunc", UFUNCS)
@pytest.mark.parametrize("dtype", HALVES)
def test_rounded_once(dtype: Any, ufunc: Any, shapes: Any) -> None:
    assert worthwhile(WARM_UP)
    rng = np.random.default_rng(0)
    a, b = ((rng.standard_normal(s) * 50).astype(dtype) for s in shapes)
    expected = ufunc(a.astype(np.float32), b.astype(np.float32)).astype(dtype)
    found = halves.halved(ufunc)(a, b)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
    if a.shape == expected.shape:
        again = a.copy()
        assert halves.halved(ufunc)(again, b, out=again) is again
        np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("n", [5, 400, 9000])
@pytest.mark.parametrize("ufunc", [np.exp, np.log1p, np.sin, np.arctan, np.tanh])
@pytest.mark.parametrize("dtype", HALVES)
def test_functions_are_computed_in_float32(dtype: Any, ufunc: Any, n: int) -> None:
    assert worthwhile(WARM_UP)
    a = (np.random.default_rng(0).random(n) * 20).astype(dtype)
    found = halves.halved(ufunc)(a)
    with np.errstate(over="ignore"):
        expected = ufunc(a.astype(np.float32)).astype(dtype)
    assert found.dtype == dtype
    # Where float32's last digit decides how the half is rounded, either is right.
    step = 2.0**-10 if dtype is np.float16 else 2.0**-7
    wide, exact = found.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_allclose(wide[np.isfinite(wide)], exact[np.isfinite(wide)], rtol=step)
    np.testing.assert_array_equal(np.isinf(wide), np.isinf(exact))
    assert (wide == exact).mean() > 0.98


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gradients_of_broadcasts_are_summed_in_float32(dtype: torch.dtype) -> None:
    x = torch.ones(5000, 3, dtype=dtype, requires_grad=True)
    y = torch.ones(3, dtype=dtype, requires_grad=True)
    (x + y).backward(torch.ones(5000, 3, dtype=dtype))
    assert y.grad.tolist() == torch.full((3,), 5000.0).to(dtype).tolist()


def test_numbers_keep_what_they_are() -> None:
    x = torch.tensor([1.0, 3.0], dtype=torch.bfloat16)
    assert (1 - x.double()).dtype is torch.float64  # the number's array of that type is kept for later ...
    assert (1 - x[0]).dtype is torch.bfloat16  # ... and is none of this one's
    assert (x * 1.00390625).tolist() == [1.0, 3.015625]
