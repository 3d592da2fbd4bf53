"""Loop nests against NumPy: broadcasting, strides, reductions over any axes, passes over rows and columns."""

import itertools
from typing import Any

import numpy as np
import pytest

from cotangent.config import settings
from cotangent.kernels import loops
from cotangent.kernels.loops import Body, Loop, Operand, Pass, kind_of
from cotangent.kernels.vectors import compute_type


def operand(array: Any, shape: tuple[int, ...]) -> Operand:
    wide = np.broadcast_to(array, shape)
    return Operand(kind_of(array.dtype), tuple(s // array.itemsize for s in wide.strides))


def reduced(x: Any, axes: tuple[int, ...], how: str, out: Any = None) -> Any:
    """One reduction; the result keeps the reduced dimensions."""
    index = how.startswith("arg")
    if out is None:
        shape = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
        out = np.full(shape, 77, np.int64 if index else x.dtype)
    body = Body()
    kind = compute_type(kind_of(x.dtype))
    work = Pass(reductions=((how, body.input(0, kind)),))
    result = Operand(
        kind_of(out.dtype),
        tuple(0 if d in axes else s // out.itemsize for d, s in enumerate(out.strides)),
    )
    finish = ((1, body.row(0, "i64" if index else kind)),)
    loops.run(
        loops.lower(Loop(x.shape, (operand(x, x.shape), result), body, (work,), axes, finish)), [x, out]
    )
    return out


@pytest.mark.parametrize("seed", range(40))
def test_elementwise_over_any_layout(seed: int) -> None:
    """Three operands of drawn shapes, broadcast, transposed, reversed, into an output of any layout."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, rng.integers(1, 5)).tolist())
    arrays = []
    for _ in range(4):
        own = [n if rng.random() < 0.7 or len(arrays) == 3 else 1 for n in shape]
        order = rng.permutation(len(own))
        a = rng.standard_normal([own[d] * 2 for d in order]).astype(np.float32).transpose(np.argsort(order))
        a = a[tuple(slice(None, None, int(rng.choice([2, -2]))) for _ in own)]
        if rng.random() < 0.5 and len(arrays) < 3:
            a = np.ascontiguousarray(a)
        arrays.append(a)
    body = Body()
    x, y, z = (body.input(i, "f32") for i in range(3))
    result = body.op("add", body.op("mul", x, y), z)
    operands = tuple(operand(a, shape) for a in arrays)
    plan = loops.lower(Loop(shape, operands, body, (Pass(stores=((3, result),)),)))
    loops.run(plan, arrays)
    expected = np.broadcast_to(arrays[0] * arrays[1] + arrays[2], shape)
    np.testing.assert_allclose(arrays[3], expected, rtol=1e-5, atol=1e-6)


def test_several_outputs_and_an_output_that_is_an_input() -> None:
    x = np.arange(1000, dtype=np.float64)
    y = np.empty_like(x)
    before = x.copy()
    body = Body()
    v = body.input(0, "f64")
    stores = ((1, body.op("square", v)), (0, body.op("neg", v)))
    loops.run(loops.lower(Loop((1000,), (operand(x, x.shape),) * 2, body, (Pass(stores=stores),))), [x, y])
    assert (x == -before).all() and (y == before**2).all()


SHAPES = [
    (5,), (300_000,), (4096, 1024), (7, 13), (64, 1000), (20_000, 10), (10, 20_000), (3, 5, 7), (16, 32, 49),
    (4, 8, 14, 14), (2, 3, 4, 5, 6), (0, 5), (5, 0),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reductions_over_any_axes(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for r in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), r):
            for y in (x, np.ascontiguousarray(x.T).T, x[..., ::-1]):
                wide = y.astype(np.float64)
                error = np.abs(reduced(y, axes, "sum") - wide.sum(axis=axes, keepdims=True))
                assert (error <= 5e-7 * np.abs(wide).sum(axis=axes, keepdims=True) + 1e-30).all()
                if not x.size:
                    continue
                assert (reduced(y, axes, "max") == y.max(axis=axes, keepdims=True)).all()
                assert (reduced(y, axes, "min") == y.min(axis=axes, keepdims=True)).all()
                if r == 1:
                    assert (reduced(y, axes, "argmax") == y.argmax(axes[0], keepdims=True)).all()
                    assert (reduced(y, axes, "argmin") == y.argmin(axes[0], keepdims=True)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32, np.uint8, np.float16])
def test_reductions_of_other_types(dtype: Any) -> None:
    x = np.random.default_rng(0).integers(0, 3, (37, 65)).astype(dtype)
    x[3, 5] = 9
    for axes in ((0,), (1,), (0, 1)):
        assert (reduced(x, axes, "sum") == x.sum(axis=axes, keepdims=True, dtype=dtype)).all()
        assert (reduced(x, axes, "max") == x.max(axis=axes, keepdims=True)).all()
    small = np.minimum(x[:, :3], 2) + np.array(1, dtype)
    assert (reduced(small, (1,), "prod") == small.prod(axis=1, keepdims=True, dtype=dtype)).all()


def test_nan_in_reductions() -> None:
    x = np.ones((3, 50), np.float32)
    x[1, 7] = x[1, 30] = np.nan
    x[2, 4] = 5
    for axes in ((0,), (1,), (0, 1)):
        for how, ufunc in (("max", np.max), ("min", np.min), ("sum", np.sum)):
            np.testing.assert_array_equal(reduced(x, axes, how), ufunc(x, axis=axes, keepdims=True))
    assert reduced(x, (1,), "argmax").ravel().tolist() == [0, 7, 4]


def test_long_sums_in_float32_are_as_exact_as_pairwise_ones() -> None:
    x = np.random.default_rng(1).random(3_000_000).astype(np.float32)
    exact = x.astype(np.float64).sum()
    for y, axes in ((x, (0,)), (x.reshape(1, -1), (1,)), (x.reshape(-1, 3), (0,))):
        assert abs(float(reduced(y, axes, "sum").astype(np.float64).sum()) - exact) < 4e-7 * exact


def softmax(x: Any, axis: int) -> Any:
    out = np.empty_like(x)
    body = Body()
    v = body.input(0, "f32")
    e = body.op("exp", body.op("sub", v, body.row(0, "f32")))
    passes = (
        Pass(reductions=(("max", v),)),
        Pass(stores=((1, e),), reductions=(("sum", e),)),
        Pass(stores=((1, body.op("div", body.input(1, "f32"), body.row(1, "f32"))),)),
    )
    both = (operand(x, x.shape), operand(out, x.shape))
    loops.run(loops.lower(Loop(x.shape, both, body, passes, (axis,))), [x, out])
    return out


@pytest.mark.parametrize("shape", [(5, 1), (1, 10), (40, 100), (3, 5, 7), (2, 64, 28, 28)], ids=str)
def test_several_passes_along_any_axis(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for axis in range(len(shape)):
        e = np.exp(x - x.max(axis, keepdims=True))
        np.testing.assert_allclose(softmax(x, axis), e / e.sum(axis, keepdims=True), rtol=2e-6)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    x = np.random.default_rng(0).standard_normal((300, 2000)).astype(np.float32)
    before = settings.threads
    results = []
    for n in (1, 2, 3, 7):
        loops.runtime.set_threads(n)
        results.append([reduced(x, axes, "sum").tobytes() for axes in ((0,), (1,), (0, 1))])
    loops.runtime.set_threads(2)
    settings.threads = before
    assert all(r == results[0] for r in results)


def test_kernels_are_named_by_structure() -> None:
    """Other sizes find the code that is there."""
    reduced(np.ones((11, 70), np.float32), (1,), "sum")
    known = len(loops.jit._state.addresses)
    reduced(np.ones((5, 90), np.float32), (1,), "sum")
    assert len(loops.jit._state.addresses) == known


def test_arrays_without_dimensions() -> None:
    x, y = np.array(3.0), np.empty(())
    body = Body()
    store = ((1, body.op("square", body.input(0, "f64"))),)
    loops.run(loops.lower(Loop((), (Operand("f64", ()),) * 2, body, (Pass(stores=store),))), [x, y])
    assert y == 9
