"""Remainders and quotients, lgamma, losses, norms and casts by generated kernels."""

from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest

from cotangent.kernels import elementwise, gridsample, halves, loss, moments, norm, runtime, sized

EDGES = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, 3.0, -3.0, 0.1, 1e10, -1e30, 1e-30]


@pytest.fixture(autouse=True)
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.ready()
    monkeypatch.setattr(sized._state, "on", True)


def pairs(dtype: Any, bits: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    limits = np.finfo(dtype)
    edges = np.array([*EDGES, limits.max, limits.tiny, limits.smallest_subnormal], dtype)
    most = np.iinfo(bits).max
    b = rng.standard_normal(4000).astype(dtype)
    parts = [
        (np.repeat(edges, len(edges)), np.tile(edges, len(edges))),
        *[(rng.integers(0, most, 9000, bits).view(dtype), rng.integers(0, most, 9000, bits).view(dtype))],
        (rng.standard_normal(9000) * 1000, rng.standard_normal(9000)),
        (rng.integers(-100, 100, 5000), rng.integers(-9, 9, 5000)),
        # Multiples, whose quotients may be rounded up to the next integer.
        (rng.integers(1, 2**24, 4000).astype(dtype) * b, b),
    ]
    one, other = zip(*parts)
    return np.concatenate(one).astype(dtype), np.concatenate(other).astype(dtype)


@pytest.mark.parametrize(("dtype", "bits"), [(np.float32, np.uint32), (np.float64, np.uint64)])
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_div"])
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_remainders_and_quotients_are_exact(name: str, dtype: Any, bits: Any) -> None:
    a, b = pairs(dtype, bits)
    kernel = getattr(elementwise, name)
    found = kernel(a, b)
    with sized.by_numpy():
        expected = kernel(a, b)
    same = (found.view(bits) == expected.view(bits)) | (np.isnan(found) & np.isnan(expected))
    assert same.all(), (a[~same][:3], b[~same][:3], found[~same][:3], expected[~same][:3])


def test_lgamma() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([
        rng.random(3000) * 3, 1 + rng.standard_normal(1000) * 1e-4, 2 + rng.standard_normal(1000) * 1e-3,
        rng.random(1000) * 50, -rng.random(1000) * 20, -2 - rng.random(1000), np.exp(rng.random(500) * 80),
        np.exp(-rng.random(500) * 90),
    ]).astype(np.float32)  # fmt: skip
    found = elementwise.lgamma(x)
    expected = np.array([float(mpmath.log(abs(mpmath.gamma(mpmath.mpf(float(v)))))) for v in x])
    finite = np.isfinite(expected) & (np.abs(expected) < 3e38)
    error = np.abs(found - expected)[finite] / np.spacing(np.abs(expected[finite]).astype(np.float32))
    assert error.max() < 1.01
    edges = np.array([0.0, -0.0, 1.0, 2.0, -1.0, -7.0, np.inf, -np.inf, 3e38, np.nan] * 500, np.float32)
    inf = np.inf
    np.testing.assert_array_equal(
        elementwise.lgamma(edges)[:10],
        np.array([inf, inf, 0, 0, inf, inf, inf, inf, inf, np.nan], np.float32),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("name", ["huber", "smooth_l1"])
@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_losses(name: str, dtype: Any, reduction: int) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((70, 100)).astype(dtype) for _ in range(2))
    kernel = getattr(loss, name)
    found = kernel(a, b, reduction, 0.7)
    with sized.by_numpy():
        expected = kernel(a, b, reduction, 0.7)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=20 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("wide", [np.float32, np.float64])
def test_norms(wide: Any) -> None:
    rng = np.random.default_rng(0)
    a, w = rng.standard_normal((4, 6, 30, 40)).astype(wide), rng.standard_normal(6).astype(wide)
    rtol = 100 * float(np.finfo(wide).eps)
    calls: list[Any] = [
        lambda: norm.group_norm(a, w, w, 3, 1e-5), lambda: norm.group_norm(a, None, w, 2, 1e-5),
        lambda: (norm.fixed_norm(a, w, w, w, np.abs(w), (0, 2, 3), 1e-5),),
        lambda: (moments.vector_norm(a, 2, (1, 3), False), moments.vector_norm(a, 2, None, True)),
        lambda: (moments.prod_others(a, 3), moments.prod_others(a, 0)),
    ]  # fmt: skip
    for run in calls:
        found = run()
        with sized.by_numpy():
            expected = run()
        for one, other in zip(found, expected, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


def test_casts_of_16_bits() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 20_000, np.uint32).view(np.float32)
    a = np.concatenate([bits, rng.standard_normal(20_000).astype(np.float32)]).reshape(100, 400)
    for half in (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)):
        for source in (a, a.T, a[:, ::2]):
            with np.errstate(all="ignore"):
                expected = source.astype(half)
            found = halves.recast(source, half)
            assert found.dtype == half and found.strides == expected.strides
            nan = np.isnan(source)
            np.testing.assert_array_equal(found.view(np.uint16)[~nan], expected.view(np.uint16)[~nan])
            assert np.isnan(found[nan].astype(np.float32)).all()
            np.testing.assert_array_equal(
                halves.recast(found, np.dtype(np.float32)), found.astype(np.float32)
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(5, 7), (1, 4), (3, 4, 6)])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_grid_sample(sizes: tuple[int, ...], padding: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    d = len(sizes)
    out = (40,) * d if d == 2 else (12,) * d
    grid = (rng.random((2, *out, d)) * 4 - 2).astype(dtype)
    grid.reshape(-1)[:7] = np.nan, np.inf, -np.inf, 1.0, -1.0, 0.0, 1e30
    x, g = (rng.standard_normal((2, 3, *shape)).astype(dtype) for shape in (sizes, out))
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    for mode in ("nearest", "bilinear", "bicubic")[: 3 if d == 2 else 2]:
        for align in (False, True):
            for orders in ((0,) * d, (1, *(0,) * (d - 1)), (*(0,) * (d - 1), 2)):
                run = lambda: (  # noqa: E731
                    gridsample.sample(x, grid, mode, padding, align, orders),  # noqa: B023
                    gridsample.sample_back(g, grid, sizes, mode, padding, align, orders),  # noqa: B023
                )
                found = run()
                with sized.by_numpy():
                    expected = run()
                for one, other in zip(found, expected, strict=True):
                    assert one.dtype == other.dtype
                    atol = tolerance * max(1.0, float(np.nanmax(np.abs(other))))
                    np.testing.assert_allclose(one, other, rtol=tolerance, atol=atol)
