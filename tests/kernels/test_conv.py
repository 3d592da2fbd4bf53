"""Convolution of arrays against sums over every element, in blocks of every size."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from cotangent.kernels import conv as k, pooling, resample
from cotangent.kernels.gridsample import affine_grid, affine_grid_back, sample, sample_back

GEOMETRIES = [
    (stride, padding, dilation, groups)
    for stride, padding, dilation, groups in product((1, 2), (0, 1), (1, 2), (1, 2))
    if stride * dilation < 4
]


def direct(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """A convolution element by element."""
    kernel = w.shape[2:]
    out = k.output_sizes(x.shape[2:], kernel, stride, padding, dilation)
    padded = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    result = np.zeros((x.shape[0], w.shape[0], *out))
    inputs, outputs = w.shape[1], w.shape[0] // groups
    for at in np.ndindex(*out):
        places = [
            slice(i * s, i * s + d * (n - 1) + 1, d)
            for i, s, d, n in zip(at, stride, dilation, kernel, strict=True)
        ]
        window = padded[(slice(None), slice(None), *places)]
        for group in range(groups):
            part = window[:, group * inputs : (group + 1) * inputs].reshape(x.shape[0], -1)
            rows = w[group * outputs : (group + 1) * outputs].reshape(outputs, -1)
            result[(slice(None), slice(group * outputs, (group + 1) * outputs), *at)] = part @ rows.T
    return result


@pytest.mark.parametrize("block", [1 << 18, 400, 60])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_convolutions_are_sums_over_windows(
    spatial: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k, "BLOCK", block)
    rng = np.random.default_rng(0)
    for stride, padding, dilation, groups in GEOMETRIES:
        x = rng.standard_normal((3, 4, *(7, 5, 6)[:spatial]))
        w = rng.standard_normal((6, 4 // groups, *(3, 2, 2)[:spatial]))
        bias = rng.standard_normal(6)
        windows = (stride,) * spatial, (padding,) * spatial, (dilation,) * spatial, groups
        expected = direct(x, w, *windows)
        column = bias.reshape(-1, *(1,) * spatial)
        np.testing.assert_allclose(k.convolve(x, w, bias, *windows), expected + column, atol=1e-12)
        # <y, conv(x, w)> is also <transposed(y, w), x> and <weight(y, x), w>.
        y = rng.standard_normal(expected.shape)
        inner = np.sum(y * expected)
        back = k.convolve_transposed(y, w, None, x.shape[2:], *windows)
        np.testing.assert_allclose(np.sum(back * x), inner)
        weight = k.convolve_weight(y, x, w.shape[2:], *windows)
        np.testing.assert_allclose(np.sum(weight * w), inner)


def test_layouts_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 5, 6, 3)).transpose(0, 3, 1, 2)
    w = rng.standard_normal((2, 2, 3, 4)).transpose(3, 2, 0, 1)
    windows = (1, 1), (0, 0), (1, 1), 1
    for images in (x, x[:, ::-1], x[:, :, ::-1], np.broadcast_to(x[:1], x.shape)):
        expected = direct(np.ascontiguousarray(images), np.ascontiguousarray(w), *windows)
        np.testing.assert_allclose(k.convolve(images, w, None, *windows), expected, atol=1e-12)


KINDS = ("nearest", "nearest-exact", "linear", "cubic", "area", "linear-aa", "cubic-aa")


@pytest.mark.parametrize("kind", KINDS)
def test_resizing_and_its_transpose(kind: str) -> None:
    rng = np.random.default_rng(2)
    cases = ((5, 8, False, None), (8, 3, True, None), (6, 9, False, 1.5), (4, 4, False, None))
    for n, out, align, scale in cases:
        align = align and kind not in ("nearest", "nearest-exact", "area")
        axis = (kind, n, out, align, scale)
        index, weight = resample.taps(axis, True)
        assert index.min() >= 0 and index.max() < n
        if scale is None:
            np.testing.assert_allclose(weight.sum(1), 1)  # a constant image stays what it is
        spec = (axis, ("linear", 3, 5, False, None))
        x, y = rng.standard_normal((2, n, 3)), rng.standard_normal((2, out, 5))
        forward, back = resample.resize(x, spec), resample.resize_back(y, spec)
        np.testing.assert_allclose(np.sum(forward * y), np.sum(back * x))


def test_pooling_and_its_transpose() -> None:
    rng = np.random.default_rng(3)
    for kernel, stride, padding, ceil in (((3, 2), (2, 1), (1, 0), False), ((2, 2), (3, 2), (1, 1), True)):
        x = rng.standard_normal((2, 3, 6, 7))
        options = (kernel, stride, padding, ceil, False, None)
        y = pooling.avg_pool(x, *options)
        g = rng.standard_normal(y.shape)
        back = pooling.avg_pool_backward(g, (6, 7), *options)
        np.testing.assert_allclose(np.sum(y * g), np.sum(back * x))
        best, index = pooling.max_pool(x, kernel, stride, padding, (1, 1), ceil)
        np.testing.assert_array_equal(pooling.gather_windows(x, index, 2), best)
        spread = pooling.scatter_windows(g, index, (6, 7), True)
        np.testing.assert_allclose(np.sum(best * g), np.sum(spread * x))


def test_reading_at_places_and_its_transpose() -> None:
    rng = np.random.default_rng(4)
    for sizes, mode in (((4, 5), "bilinear"), ((4, 5), "bicubic"), ((3, 4, 2), "nearest")):
        d = len(sizes)
        x = rng.standard_normal((2, 3, *sizes))
        grid = rng.uniform(-1.5, 1.5, (2, *(3, 2, 4)[:d], d))
        for padding in ("zeros", "border", "reflection"):
            for orders in ((0,) * d, (1,) + (0,) * (d - 1)):
                y = sample(x, grid, mode, padding, False, orders)
                g = rng.standard_normal(y.shape)
                back = sample_back(g, grid, sizes, mode, padding, False, orders)
                np.testing.assert_allclose(np.sum(y * g), np.sum(back * x), atol=1e-12)
    theta, size = rng.standard_normal((2, 2, 3)), (3, 4)
    places = affine_grid(theta, size, True)
    g = rng.standard_normal(places.shape)
    np.testing.assert_allclose(np.sum(places * g), np.sum(affine_grid_back(g, True) * theta))
