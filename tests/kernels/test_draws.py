"""Generated kernels for random numbers give the very bits of the NumPy code that they stand in for."""

import math
from typing import Any

import numpy as np
import pytest

from cotangent.kernels import boxmuller, discrete, draws, fma, runtime
from cotangent.kernels.rng import Stream

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="no machine code here")


def words(seed: int, count: int) -> Any:
    return Stream(seed).words(count)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 1000, 70_001])
def test_uniforms(count: int) -> None:
    expected = (words(3, count) & 0xFFFFFF).astype(np.float32) * np.float32(2.0**-24)
    assert draws.uniforms(words(3, count)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("blocks", [1, 2, 3, 64, 5001])
@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.7, 0.02), (-3.0, 1e3)])
def test_normals(blocks: int, mean: float, std: float) -> None:
    expected = (words(blocks, 16 * blocks) & 0xFFFFFF).astype(np.float32) * np.float32(2.0**-24)
    boxmuller.normals_32(expected.reshape(-1, 2, 8))
    expected = fma.fma32(expected, std, mean)
    assert draws.normals(words(blocks, 16 * blocks), mean, std).tobytes() == expected.tobytes()


def test_normals_of_every_uniform() -> None:
    """All 2^24 of them, both as the radius and as the angle (of another)."""
    every = np.arange(1 << 24, dtype=np.uint32)
    given = np.empty((1 << 21, 2, 8), np.uint32)
    given[:, 0], given[:, 1] = every.reshape(-1, 8), every[::-1].reshape(-1, 8)
    expected = given.astype(np.float32) * np.float32(2.0**-24)
    found = draws.normals(given.reshape(-1), 0.0, 1.0)
    for part in range(0, len(given), 1 << 18):
        block = expected[part : part + (1 << 18) : 8].copy()  # an eighth: NumPy takes long
        boxmuller.normals_32(block)
        block += np.float32(0.0)  # as `std * x + mean` does to -0.
        assert found.reshape(given.shape)[part : part + (1 << 18) : 8].tobytes() == block.tobytes()


@pytest.mark.parametrize("blocks", [1, 7, 900])
def test_normals_in_float64(blocks: int) -> None:
    uniforms = np.random.default_rng(blocks).random((blocks, 2, 8))
    uniforms[0, 0, 0], uniforms[0, 1, 0] = 0.0, 0.25
    expected = uniforms.copy()
    boxmuller.normals_64(expected)
    draws.normals_64(uniforms)
    assert uniforms.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", ["log1p", "exp", "tan"])
def test_functions_of_the_c_library(name: str) -> None:
    values = np.random.default_rng(1).uniform(-0.99, 3.0, 20_001)
    expected = np.array([getattr(math, name)(value) for value in values.tolist()])
    assert draws.mapped(name, values).tobytes() == expected.tobytes()
    assert draws.mapped("exp", np.array([1e4])).tolist() == [math.inf]


@pytest.mark.parametrize("n", [1, 2, 30, 50_000])
def test_swaps(n: int) -> None:
    rng = np.random.default_rng(n)
    partners = np.arange(n - 1) + (rng.random(n - 1) * np.arange(n, 1, -1)).astype(np.int64)
    assert draws.swapped(n, partners).tolist() == discrete._swapped(n, partners).tolist()
