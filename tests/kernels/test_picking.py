"""Elements taken from and put at positions by generated kernels."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotangent.kernels import picking, placing, runtime
from cotangent.kernels.index import add_at
from cotangent.kernels.sized import by_numpy

SHAPES = [((50,), 70, 0), ((6, 90), 40, 1), ((6, 90), 40, 0), ((3, 5, 7), 9, 1), ((2, 700), 11, 0)]
UFUNCS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def drawn(shape: tuple[int, ...], count: int, dim: int, dtype: Any = np.float32) -> tuple[Any, Any, Any]:
    """An array, positions in it, and other elements."""
    assert runtime.ready()
    rng = np.random.default_rng(count)
    wanted = (*shape[:dim], count, *shape[dim + 1 :])
    index = rng.integers(0, shape[dim], wanted)
    a, other = ((rng.standard_normal(s) * 3).astype(dtype) for s in (shape, wanted))
    return a, index, other


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16, np.bool_, np.int64])
@pytest.mark.parametrize(("shape", "count", "dim"), SHAPES)
def test_take(shape: tuple[int, ...], count: int, dim: int, dtype: Any) -> None:
    a, index, _ = drawn(shape, count, dim, dtype)
    for positions in (index, index.astype(np.int32), np.broadcast_to(index[..., :1], index.shape)):
        for source in (a, np.asfortranarray(a), a[..., ::-1]):
            found = picking.take(source, positions, dim)
            np.testing.assert_array_equal(found, np.take_along_axis(source, positions.astype(np.int64), dim))


@pytest.mark.parametrize("how", [*UFUNCS, "last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
@pytest.mark.parametrize(("shape", "count", "dim"), SHAPES)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_put(shape: tuple[int, ...], count: int, dim: int, dtype: Any, how: str) -> None:
    a, index, other = drawn(shape, count, dim, dtype)
    for positions in (index, index[..., ::-1]):
        for values in (other, np.broadcast_to(other[..., :1], other.shape)):
            expected, found = a.copy(), a.copy()
            where = placing.places(positions, dim)
            if how == "last":
                expected[where] = values
            else:
                UFUNCS[how].at(expected, where, values)
            assert picking.put(found, positions, values, dim, how)
            np.testing.assert_array_equal(found, expected)
            with by_numpy():
                found = a.copy()
                placing.combine(found, positions, values, dim, how)
            np.testing.assert_array_equal(found, expected)


def test_positions_out_of_bounds_are_errors() -> None:
    a, index, other = drawn((6, 90), 40, 1)
    for bad in (90, -1):
        index[3, 17] = bad
        with pytest.raises(IndexError, match=f"index {bad} is out of bounds for dimension 1 with size 90"):
            picking.take(a, index, 1)
        with pytest.raises(IndexError, match=f"index {bad} is out of bounds"):
            picking.put(a, index, other, 1, "sum")


def test_what_it_does_not_do() -> None:
    a, index, other = drawn((6, 90), 40, 1)
    assert picking.take(a.astype(np.complex128), index, 1) is None
    assert not picking.put(np.asfortranarray(a), index, other, 1, "sum")
    assert not picking.put(a, index, other.astype(np.float64), 1, "sum")
    assert not picking.put(a, index[:3], other[:3], 1, "sum")


@pytest.mark.parametrize("dims", [(0,), (1,), (0, 1), (0, 2), (0, 1, 2)])
def test_sums_at_index_arrays(dims: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(dims))
    a = rng.standard_normal((5, 6, 7)).astype(np.float32)
    indices = [rng.integers(-a.shape[d], a.shape[d], (30, 4)) for d in dims]
    key: Any = [slice(None)] * 3
    for d, i in zip(dims, indices):
        key[d] = i
    values = rng.standard_normal(a[tuple(key)].shape).astype(np.float32)
    expected = a.copy()
    np.add.at(expected, tuple(key), values)
    add_at(a, indices, dims, values)
    np.testing.assert_allclose(a, expected, rtol=1e-5, atol=1e-5)
