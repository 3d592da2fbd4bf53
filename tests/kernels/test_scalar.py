"""Vector math: errors against mpmath in units in the last place, special values, conversions, operators."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotangent.kernels import loops
from cotangent.kernels.loops import Body, Loop, Operand, Pass, kind_of
from cotangent.kernels.vectors import compute_type

mpmath = pytest.importorskip("mpmath")
INF, NAN = float("inf"), float("nan")


def evaluate(make: Callable[..., int], *arrays: Any, dtype: Any = None, scalars: Any = ()) -> Any:
    """The kernel of an expression over one-dimensional arrays."""
    body = Body()
    kinds = [kind_of(a.dtype) for a in arrays]
    result = make(body, *(body.input(i, compute_type(k)) for i, k in enumerate(kinds)))
    kind = body.kind(result)
    names = {"f32": "float32", "f64": "float64", "b1": "bool", "i64": "int64", "i32": "int32", "u8": "uint8"}
    out = np.empty(arrays[0].shape, dtype or names[kind])
    strides = [(a.strides[0] // a.itemsize,) for a in (*arrays, out)]
    operands = tuple(Operand(kind_of(a.dtype), s) for a, s in zip((*arrays, out), strides))
    plan = loops.lower(Loop(out.shape, operands, body, (Pass(stores=((len(arrays), result),)),)), scalars)
    loops.run(plan, [*arrays, out])
    return out


def unary(name: str) -> Callable[..., int]:
    return lambda body, x: body.op(name, x)


def draw(low: float, high: float, dtype: Any, n: int = 1200) -> Any:
    """Numbers of every size within bounds."""
    rng = np.random.default_rng(n)
    wide = rng.standard_normal(n) * 10.0 ** rng.uniform(-10, 3, n)
    near = rng.uniform(max(low, -4.0), min(high, 4.0), n)
    return np.clip(np.concatenate([wide, near]), low, high).astype(dtype)


CASES = [
    # name, reference, range in float32, range in float64, ulps
    ("exp", mpmath.exp, (-87, 88), (-708, 709), 1.0),
    ("exp2", lambda x: mpmath.mpf(2) ** x, (-125, 127), (-1020, 1023), 1.5),
    ("expm1", mpmath.expm1, (-87, 88), (-708, 709), 2.0),
    ("log", mpmath.log, (1e-37, 1e30), (1e-300, 1e300), 1.0),
    ("log1p", mpmath.log1p, (-0.9999, 1e30), (-0.9999, 1e300), 2.0),
    ("log2", lambda x: mpmath.log(x) / mpmath.log(2), (1e-37, 1e30), (1e-300, 1e300), 2.0),
    ("log10", mpmath.log10, (1e-37, 1e30), (1e-300, 1e300), 2.0),
    ("tanh", mpmath.tanh, (-1e3, 1e3), (-1e3, 1e3), 2.5),
    ("sigmoid", lambda x: 1 / (1 + mpmath.exp(-x)), (-86, 1e3), (-700, 1e3), 2.5),
    ("erf", mpmath.erf, (-1e3, 1e3), (-1e3, 1e3), 1.5),
    ("sin", mpmath.sin, (-1e30, 1e30), (-1e30, 1e30), 1.5),
    ("cos", mpmath.cos, (-1e30, 1e30), (-1e30, 1e30), 1.5),
    ("tan", mpmath.tan, (-1e3, 1e3), (-1e3, 1e3), 3.0),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "reference", "single", "double", "ulps"), CASES, ids=[c[0] for c in CASES])
def test_errors_in_units_in_the_last_place(
    name: str, reference: Any, single: Any, double: Any, ulps: float, dtype: Any
) -> None:
    x = draw(*(single if dtype is np.float32 else double), dtype)
    if name in ("sin", "cos"):
        x[:50] *= dtype(1e6)
        x[50:60] *= dtype(1e20)
    y = evaluate(unary(name), x)
    with mpmath.workprec(240):
        exact = [reference(mpmath.mpf(float(v))) for v in x]
        rounded = np.array([float(e) for e in exact])
        spacing = np.spacing(np.maximum(np.abs(rounded.astype(dtype)), np.finfo(dtype).tiny))
        errors = [abs(float(e - mpmath.mpf(float(v)))) / float(s) for e, v, s in zip(exact, y, spacing)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= ulps, (float(x[worst]), float(y[worst]), rounded[worst])


def test_pow_in_float32_is_rounded_from_float64() -> None:
    rng = np.random.default_rng(0)
    x = np.abs(rng.standard_normal(3000) * 10.0 ** rng.uniform(-5, 5, 3000)).astype(np.float32)
    y = rng.uniform(-6, 6, 3000).astype(np.float32)
    exact = x.astype(np.float64) ** y
    found = evaluate(lambda b, x, y: b.op("pow", x, y), x, y)
    with np.errstate(over="ignore"):
        expected = exact.astype(np.float32)
    assert (np.abs(found - expected) <= np.spacing(expected)).all() or np.isinf(expected).any()


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, INF, -INF, NAN, 1e-42, -1e-42, 3e38, -3e38]
NUMPY_NAMES = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "tanh", "sin", "cos", "tan", "floor",
               "ceil", "trunc", "sqrt", "abs", "square", "sign"]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NUMPY_NAMES)
def test_special_values_are_numpys(name: str, dtype: Any) -> None:
    x = np.array(SPECIAL * 3, dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    found = evaluate(unary(name), x)
    np.testing.assert_allclose(found, expected, rtol=3e-7 if dtype is np.float32 else 1e-15, atol=1e-44)
    zero = (expected == 0) & (x == 0)
    assert (np.signbit(found) == np.signbit(expected))[zero].all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_of_pow(dtype: Any) -> None:
    grid = np.array([(a, b) for a in SPECIAL for b in SPECIAL], dtype)
    x, y = np.ascontiguousarray(grid.T)
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    found = evaluate(lambda b, x, y: b.op("pow", x, y), x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-44)
    assert (np.signbit(found) == np.signbit(expected))[~np.isnan(expected)].all()


def test_relu_maximum_and_minimum_pass_nan_on() -> None:
    x, y = (np.array(v, np.float32) for v in ([NAN, 1, NAN, -2, 3], [1, NAN, NAN, 5, 3]))
    assert str(evaluate(unary("relu"), x)) == "[nan  1. nan  0.  3.]"
    assert str(evaluate(lambda b, x, y: b.op("maximum", x, y), x, y)) == "[nan nan nan  5.  3.]"
    assert str(evaluate(lambda b, x, y: b.op("minimum", x, y), x, y)) == "[nan nan nan -2.  3.]"


@pytest.mark.parametrize("n", [1, 3, 16, 17, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8, np.int8, np.int16])
def test_arithmetic_and_comparisons(dtype: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.integers(1, 9, n).astype(dtype), rng.integers(1, 9, n).astype(dtype)
    for name, ufunc in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("maximum", np.maximum)):
        found = evaluate(lambda b, x, y, name=name: b.op(name, x, y), x, y, dtype=dtype)
        assert (found == ufunc(x, y)).all()
    for name, ufunc in (("lt", np.less), ("ge", np.greater_equal), ("eq", np.equal), ("ne", np.not_equal)):
        assert (evaluate(lambda b, x, y, name=name: b.op(name, x, y), x, y) == ufunc(x, y)).all()
    found = evaluate(
        lambda b, x, y: b.op("where", b.op("lt", x, y), x, b.const(7, b.kind(x))), x, y, dtype=dtype
    )
    assert (found == np.where(x < y, x, 7)).all()


HALF_BITS = np.arange(65536, dtype=np.uint16)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_floats_widen_and_round_exactly(dtype: Any) -> None:
    every = HALF_BITS.view(dtype)
    wide = evaluate(lambda b, x: b.op("mul", x, b.const(1.0, "f32")), every, dtype=np.float32)
    expected = every.astype(np.float32)
    nans = np.isnan(expected)
    assert (wide[~nans] == expected[~nans]).all() and np.isnan(wide[nans]).all()
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(100_000) * 10.0 ** rng.uniform(-9, 9, 100_000)).astype(np.float32)
    x[:7] = [NAN, INF, -INF, 0.0, -0.0, 3.4e38, 65520.0]
    with np.errstate(over="ignore"):
        rounded = x.astype(dtype)
    found = evaluate(lambda b, x: b.op("mul", x, b.const(1.0, "f32")), x, dtype=dtype)
    assert (found.view(np.uint16) == rounded.view(np.uint16))[~np.isnan(x)].all()
    assert np.isnan(found[0].astype(np.float32))


@pytest.mark.parametrize("target", ["f32", "f64", "i64", "i32", "u8", "b1"])
@pytest.mark.parametrize("source", [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_])
def test_casts(source: Any, target: str) -> None:
    x = np.array([0, 1, 2, 100, 0, 3] * 5).astype(source)
    if np.issubdtype(source, np.floating):
        x += np.array(0.75, source)
    names = {"f32": "f4", "f64": "f8", "i64": "i8", "i32": "i4", "u8": "u1", "b1": "?"}
    found = evaluate(lambda b, x: b.cast(x, target), x, dtype=names[target])
    assert (found == x.astype(names[target])).all()


def test_numbers_are_read_when_the_kernel_runs() -> None:
    x = np.arange(20, dtype=np.float32)

    def make(body: Body, x: int) -> int:
        return body.op(
            "add", body.op("mul", x, body.number(1, "f32")), body.cast(body.number(0, "i64"), "f32")
        )

    assert (evaluate(make, x, scalars={0: 3, 1: 0.5}) == x * 0.5 + 3).all()


def test_bodies_know_equal_operations_and_refuse_mixed_types() -> None:
    body = Body()
    x, y = body.input(0, "f32"), body.input(1, "f64")
    assert body.op("exp", x) == body.op("exp", x)
    with pytest.raises(TypeError, match="add of f32, f64"):
        body.op("add", x, y)
    with pytest.raises(TypeError, match="exp of i64"):
        body.op("exp", body.number(0, "i64"))
