"""Softmax, normalisation and reductions by generated kernels against the NumPy code and float64."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotangent.kernels import extremes, norm, reduce, rowwise, runtime, sized, softmax

SHAPES = [(70, 100), (4, 30, 50), (2, 16, 14, 14), (5000, 1), (1, 5000)]


@pytest.fixture(autouse=True)
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.ready()
    monkeypatch.setattr(sized._state, "on", True)
    monkeypatch.setattr(sized._state, "off", True)


def draw(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def close(found: Any, exact: Any, dtype: Any, ulps: float = 8, scale: float = 0) -> None:
    """Errors within some units of the value, or of `scale`: the terms that it is a difference of."""
    assert found.dtype == dtype
    info = ml_dtypes.finfo(dtype)
    eps, tiny = float(info.eps), float(info.tiny)
    scale = scale or np.abs(exact).max()
    error = ulps * eps * scale + tiny
    np.testing.assert_allclose(found.astype(np.float64), exact, rtol=ulps * eps, atol=error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16, np.float16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax_and_its_relatives(shape: tuple[int, ...], dtype: Any) -> None:
    x, g = draw(shape, dtype), draw(shape, dtype, 1)
    wide = x.astype(np.float64)
    for dim in range(len(shape)):
        if dim != len(shape) - 1 and shape[dim] > 1024:
            continue
        assert softmax._by_rows(x, dim)
        for name in ("softmax", "log_softmax"):
            if name == "log_softmax" and np.dtype(dtype).itemsize == 2:
                continue  # in 16 bits it is summed as PyTorch does, and stays with NumPy
            e = np.exp(wide - wide.max(dim, keepdims=True))
            exact = e / e.sum(dim, keepdims=True)
            if name == "log_softmax":
                exact = wide - wide.max(dim, keepdims=True) - np.log(e.sum(dim, keepdims=True))
            found = getattr(softmax, name)(x, dim)
            close(found, exact, dtype)
            back = getattr(softmax, name + "_backward")
            raw = getattr(softmax, f"_{name}_backward")
            y = found.astype(np.float64)
            for c in (g, np.broadcast_to(g[..., :1], shape)):
                wide_c = c.astype(np.float64)
                scale = float(np.abs(wide_c).sum(dim).max())
                close(back(c, found, dim), raw(wide_c, y, dim), dtype, 2, scale)


def test_rows_of_infinities(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros((100, 100), np.float32)
    x[0] = -np.inf
    x[1, 3] = np.inf
    x[2, 5] = np.nan
    x[3, :50] = -np.inf
    with np.errstate(invalid="ignore"):
        for name in ("softmax", "log_softmax"):
            monkeypatch.setattr(sized._state, "on", False)
            expected = getattr(softmax, name)(x, 1)
            monkeypatch.setattr(sized._state, "on", True)
            np.testing.assert_allclose(getattr(softmax, name)(x, 1), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axes", [(1,), (0,), (1, 2), (0, 2), (2,), (0, 1, 2)], ids=str)
def test_normalisation(axes: tuple[int, ...], dtype: Any) -> None:
    x, g = draw((20, 16, 25), dtype) + dtype(3), draw((20, 16, 25), dtype, 1)
    kept = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
    full = tuple(n if d in axes else 1 for d, n in enumerate(x.shape))
    wide = x.astype(np.float64)
    mean, variance = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
    h = (wide - mean) / np.sqrt(variance + 1e-5)
    for shape in (kept, full):
        weight, bias = draw(shape, dtype, 2), draw(shape, dtype, 3)
        out, m, r, v = rowwise.standard(x, weight, bias, axes, 1e-5, statistics=3)
        close(out, h * weight + bias, dtype, 32)
        for found, exact in ((m, mean), (r, 1 / np.sqrt(variance + 1e-5)), (v, variance)):
            assert found.shape == kept
            close(found, exact, dtype, 16)
        close(rowwise.standard(x, weight, None, axes, 1e-5)[0], h * weight, dtype, 32)
    close(rowwise.standard(x, None, None, axes, 1e-5)[0], h, dtype, 32)
    close(rowwise.shifted(x, m, r), h, dtype, 64)
    wide_g = g.astype(np.float64)
    shift = wide_g.mean(axes, keepdims=True) + h * (wide_g * h).mean(axes, keepdims=True)
    exact = (wide_g - shift) / np.sqrt(variance + 1e-5)
    close(rowwise.standard_backward(g, x, None, None, axes, 1e-5), exact, dtype, 64)
    close(rowwise.standard_backward(g, x, m, r, axes, 1e-5), exact, dtype, 64)
    close(rowwise.standard_backward(g, x, m, r, axes, 1e-5, kept_weight := draw(kept, dtype, 4)),
          exact * kept_weight, dtype, 64)  # fmt: skip
    weighed = g * draw(full, dtype, 5)
    for a, b in (
        (rowwise.standard_backward(g, x, m, r, axes, 1e-5, draw(full, dtype, 5)),
         rowwise.standard_backward(weighed, x, m, r, axes, 1e-5)),
        (rowwise.correlated(g, x, m, r, axes), (wide_g * h).sum(axes)),
    ):  # fmt: skip
        close(a, b.astype(np.float64), dtype, 256)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("dims", [None, (0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions(dims: Any, keepdim: bool, dtype: Any) -> None:
    x = draw((40, 50, 60), dtype)
    assert x.size >= sized.LIGHT
    wide = x.astype(np.float64)
    scale = np.abs(wide).sum(axis=dims, keepdims=keepdim)
    eps = float(np.finfo(dtype).eps)
    for found, exact in (
        (reduce.sum_(x, dims, keepdim), wide.sum(axis=dims, keepdims=keepdim)),
        (reduce.mean(x, dims, keepdim) * dtype(1), wide.mean(axis=dims, keepdims=keepdim)),
    ):
        assert (found.dtype, found.shape) == (dtype, exact.shape)
        assert (np.abs(found - exact) <= 2 * eps * scale).all()
    assert (extremes.amax(x, dims, keepdim) == x.max(axis=dims, keepdims=keepdim)).all()
    assert (extremes.amin(x, dims, keepdim) == x.min(axis=dims, keepdims=keepdim)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16])
def test_norms_of_large_arrays_are_those_of_small_ones(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, g = draw((16, 12, 40), dtype), draw((16, 12, 40), dtype, 1)
    row, channel = draw((40,), dtype, 2), draw((12,), dtype, 3)

    def results() -> list[Any]:
        _, mean, scale, _ = batch = norm.batch_norm(x, channel, channel, (0, 2), 1e-5)
        return [
            norm.layer_norm(x, row, row, 1, 1e-5)[0],
            norm.layer_norm(x, None, None, 2, 1e-5)[0],
            *batch,
            norm.standard(x, None, None, (2,), 1e-5),
            norm.standard(x, mean, scale, (0, 2), 1e-5),
            norm.standard_backward(g, x, None, None, (2,), 1e-5),
            norm.standard_backward(g, x, mean, scale, (0, 2), 1e-5),
            norm.scaled_backward(g, row, x, None, None, (2,), 1e-5),
            norm.correlated(g, x, *norm.layer_norm(x, row, row, 1, 1e-5)[1:], (2,)),
        ]

    found = results()
    monkeypatch.setattr(sized._state, "on", False)
    for a, b in zip(found, results(), strict=True):
        assert a.shape == b.shape
        close(a, b.astype(np.float64), dtype, 64 if dtype is not ml_dtypes.bfloat16 else 2)
