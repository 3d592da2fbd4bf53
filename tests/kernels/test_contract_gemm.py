"""Generated matrix products against NumPy in higher precision: layouts, sizes, types, fusions, threads."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotangent.kernels import jit, runtime
from cotangent.kernels.contract_fusion import Fusion, Source
from cotangent.kernels.contract_gemm import Choice, Gemm, Layout, plan_gemm
from cotangent.kernels.contract_plan import Machine, machine, steps
from cotangent.kernels.scalar import Body

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="no machine code here")

Array = np.ndarray[Any, Any]
NAMES = {"float32": "f32", "float64": "f64", "bfloat16": "bf16", "float16": "f16"}
# Rounding errors of sums grow with the square root of their length; these are for one addition of numbers
# near 1.
UNIT = {"float32": 2e-7, "float64": 4e-16, "bfloat16": 8e-3, "float16": 1e-3}
# AVX-512, AVX2, NEON and the one here: what is written for the others computes the same anywhere.
MACHINES = [Machine(64, 32), Machine(32, 16), Machine(16, 32)]


def layout(x: Array) -> Layout:
    strides = [0, 0, *(step // x.itemsize for step in x.strides)][-4:]
    return Layout(strides[2], strides[3], strides[0], strides[1])


def matrix(rng: np.random.Generator, rows: int, columns: int, dtype: Any) -> Array:
    """A matrix that lies in memory in one of several ways."""
    match rng.integers(4):
        case 0:
            return rng.standard_normal((rows, columns)).astype(dtype)
        case 1:
            return rng.standard_normal((columns, rows)).astype(dtype).T
        case 2:
            return rng.standard_normal((rows, 2 * columns + 3)).astype(dtype)[:, 3 : 3 + columns]
        case _:
            return rng.standard_normal((2 * rows, 2 * columns)).astype(dtype)[::2, ::2]


def multiply(
    a: Array, b: Array, c: Array, on: Machine | None = None, threads: int = 1, choice: Choice | None = None,
    arrays: dict[str, Array] | None = None, **more: Any,
) -> None:  # fmt: skip
    """c = a @ b by generated kernels; scratch memory begins as nan."""
    lead = (1, 1, *c.shape[:-2])[-2:]
    gemm = Gemm(
        c.shape[-2], c.shape[-1], a.shape[-1], layout(a), layout(b), layout(c), NAMES[a.dtype.name],
        NAMES[c.dtype.name], lead[0], lead[1], **more,
    )  # fmt: skip
    plan = plan_gemm(gemm, on or machine(), threads, choice or Choice())
    scratch = np.full(plan.scratch // 8 + 8, np.nan)
    buffers = {"a": a, "b": b, "c": c, "scratch": scratch, **(arrays or {})}
    runtime.Program(steps(plan, buffers)).run()


def close(got: Array, expected: Array, k: int, dtype: Any) -> None:
    bound = UNIT[np.dtype(dtype).name] * 8 * max(k, 1) ** 0.5
    np.testing.assert_allclose(got.astype(np.float64), expected, rtol=bound, atol=bound)


@pytest.mark.parametrize("seed", range(12))
def test_layouts_and_sizes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(8):
        m, n, k = (int(x) for x in rng.integers(1, 70, 3))
        dtype = (np.float32, np.float64)[rng.integers(2)]
        a, b = matrix(rng, m, k, dtype), matrix(rng, k, n, dtype)
        c = np.zeros((m, n), dtype) if rng.integers(2) else np.zeros((n, m), dtype).T
        adds = bool(rng.integers(2))
        if adds:
            c[...] = rng.standard_normal((m, n))
        expected = a.astype(np.float64) @ b.astype(np.float64) + c * adds
        pack_a, pack_b, turned = ([None, True, False][i] for i in rng.integers(3, size=3))
        on = MACHINES[rng.integers(3)]
        multiply(
            a, b, c, on, int(rng.integers(1, 5)), Choice(None, pack_a, pack_b, None, turned), accumulate=adds
        )
        close(c, expected, k, dtype)


@pytest.mark.parametrize("on", MACHINES, ids=["avx512", "avx2", "neon"])
def test_every_block(on: Machine) -> None:
    rng = np.random.default_rng(5)
    for shape in on.blocks():
        m, n, k = shape[0] * 2 + 1, shape[1] * on.lanes("f32") + 3, 9
        a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        c = np.zeros((m, n), np.float32)
        multiply(a, b, c, on, choice=Choice(shape))
        close(c, a.astype(np.float64) @ b, k, np.float32)


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (0, 0, 0)])
def test_empty(shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    a, b, c = np.ones((m, k), np.float32), np.ones((k, n), np.float32), np.full((m, n), 7, np.float32)
    multiply(a, b, c)
    np.testing.assert_array_equal(c, a @ b)
    multiply(a, b, c, accumulate=True)
    np.testing.assert_array_equal(c, 2 * (a @ b))


def test_nothing_outside_is_touched() -> None:
    rng = np.random.default_rng(3)
    for m, n in ((5, 7), (13, 50), (33, 17), (70, 65)):
        a, b = rng.standard_normal((m, 30), np.float32), rng.standard_normal((30, n), np.float32)
        frame = np.full((m + 2, n + 2), 9, np.float32)
        multiply(a, b, frame[1:-1, 1:-1])
        close(frame[1:-1, 1:-1], a.astype(np.float64) @ b, 30, np.float32)
        frame[1:-1, 1:-1] = 9
        assert (frame == 9).all()


def test_long_reductions_are_cut() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((37, 5000), np.float32), rng.standard_normal((5000, 41), np.float32)
    for adds in (False, True):
        c = np.ones((37, 41), np.float32)
        multiply(a, b, c, accumulate=adds)
        close(c, a.astype(np.float64) @ b + adds, 5000, np.float32)


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_16_bits(dtype: Any) -> None:
    rng = np.random.default_rng(6)
    for _ in range(8):
        m, n, k = (int(x) for x in rng.integers(1, 70, 3))
        a, b = matrix(rng, m, k, dtype), matrix(rng, k, n, dtype)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        wide, narrow = np.zeros((m, n), np.float32), np.zeros((m, n), dtype)
        multiply(a, b, wide)
        close(wide, exact, k, np.float32)
        multiply(a, b, narrow)
        np.testing.assert_array_equal(narrow.astype(np.float32), wide.astype(dtype).astype(np.float32))


def test_batches() -> None:
    rng = np.random.default_rng(7)
    for lead_a, lead_b in (((3,), (3,)), ((5,), (1,)), ((2, 3), (2, 3)), ((2, 1), (1, 3)), ((1, 1), (4, 2))):
        for turned in (False, True):
            a = rng.standard_normal((*lead_a, 19, 23), np.float32)
            b = rng.standard_normal((*lead_b, 23, 21), np.float32)
            if turned:
                b = np.ascontiguousarray(b.swapaxes(-1, -2)).swapaxes(-1, -2)
            expected = a.astype(np.float64) @ b
            lead = expected.shape[:-2]
            c = np.zeros(expected.shape, np.float32)
            left, right = np.broadcast_to(a, (*lead, 19, 23)), np.broadcast_to(b, (*lead, 23, 21))
            multiply(left, right, c, threads=2)
            close(c, expected, 23, np.float32)


def test_heads_in_place() -> None:
    """Attention's products: heads are slices of the last dimension, and of the result."""
    rng = np.random.default_rng(8)
    q, k = (rng.standard_normal((2, 11, 3, 8), np.float32).transpose(0, 2, 1, 3) for _ in range(2))
    scores = np.zeros((2, 3, 11, 11), np.float32)
    multiply(q, k.swapaxes(-1, -2), scores)
    close(scores, q.astype(np.float64) @ k.swapaxes(-1, -2), 8, np.float32)
    out = np.zeros((2, 11, 3, 8), np.float32).transpose(0, 2, 1, 3)
    multiply(scores, k, out)
    close(out, scores.astype(np.float64) @ k, 11, np.float32)


def epilogue_of_everything(n: int, residual: Array) -> tuple[Fusion, Body]:
    """relu(alpha * sum + bias) + residual."""
    body = Body()
    scaled = body.op("mul", body.input(0, "f32"), body.number(0, "f32"))
    y = body.op("relu", body.op("add", scaled, body.input(1, "f32")))
    y = body.op("add", y, body.input(2, "f32"))
    where = layout(residual)
    return Fusion(body, y, (Source("f32", 0, 1), Source("f32", where.rows, where.columns)), (0.5,)), body


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("in_registers", [False, True])
@pytest.mark.parametrize("k", [9, 2000])
def test_epilogue(turned: bool, in_registers: bool, k: int) -> None:
    rng = np.random.default_rng(9)
    m, n = 29, 37
    a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    bias, residual = rng.standard_normal(n, np.float32), rng.standard_normal((n, m), np.float32).T
    c = np.zeros((n, m), np.float32).T if turned else np.zeros((m, n), np.float32)
    fusion, _ = epilogue_of_everything(n, residual)
    choice = Choice(turned=in_registers)
    multiply(a, b, c, choice=choice, epilogue=fusion, arrays={"c.0": bias, "c.1": residual})
    close(c, np.maximum(0.5 * (a.astype(np.float64) @ b) + bias, 0) + residual, k, np.float32)


def test_epilogue_reads_c() -> None:
    rng = np.random.default_rng(10)
    a, b = rng.standard_normal((21, 1700), np.float32), rng.standard_normal((1700, 18), np.float32)
    c = rng.standard_normal((21, 18), np.float32)
    body = Body()
    beta = body.op("mul", body.input(1, "f32"), body.number(0, "f32"))
    fusion = Fusion(body, body.op("add", body.input(0, "f32"), beta), (Source("f32", 18, 1),), (3.0,))
    expected = a.astype(np.float64) @ b + 3.0 * c
    multiply(a, b, c, epilogue=fusion, arrays={"c.0": c}, reads_c=True)
    close(c, expected, 1700, np.float32)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("swapped", [False, True])
def test_prologue(side: str, swapped: bool) -> None:
    """An operand is multiplied by a mask (like its matrix), and by one number for each row."""
    rng = np.random.default_rng(11)
    for turned in (False, True):
        m, n, k = 23, 35, 41
        a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        x = a if side == "left" else b
        mask = rng.standard_normal(x.shape, np.float32)
        rows = rng.standard_normal(x.shape[0], np.float32)
        if turned:
            x, mask = np.asfortranarray(x), np.asfortranarray(mask)
        body = Body()
        on = body.op("gt", body.input(1, "f32"), body.const(0, "f32"))
        y = body.op(
            "where", on, body.op("mul", body.input(0, "f32"), body.input(2, "f32")), body.const(0, "f32")
        )
        where = layout(mask)
        fusion = Fusion(body, y, (Source("f32", where.rows, where.columns), Source("f32", 1, 0)))
        c = np.zeros((n, m), np.float32).T if swapped else np.zeros((m, n), np.float32)
        name = "a" if side == "left" else "b"
        left, right = (x, b) if side == "left" else (a, x)
        multiply(left, right, c, threads=2, arrays={f"{name}.0": mask, f"{name}.1": rows}, **{side: fusion})
        changed = np.where(mask > 0, x.astype(np.float64) * rows[:, None], 0)
        close(c, changed @ b if side == "left" else a @ changed, k, np.float32)


def test_prologue_of_a_broadcast_operand() -> None:
    rng = np.random.default_rng(12)
    a, b = rng.standard_normal((4, 9, 7), np.float32), rng.standard_normal((7, 11), np.float32)
    scale = rng.standard_normal(4, np.float32)
    body = Body()
    fusion = Fusion(
        body, body.op("mul", body.input(0, "f32"), body.input(1, "f32")), (Source("f32", 0, 0, inner=1),)
    )
    c = np.zeros((4, 9, 11), np.float32)
    multiply(a, np.broadcast_to(b, (4, 7, 11)), c, right=fusion, arrays={"b.0": scale})
    close(c, a.astype(np.float64) @ (b * scale[:, None, None]), 7, np.float32)


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(13)
    a, b = rng.standard_normal((300, 200), np.float32), rng.standard_normal((200, 170), np.float32)
    results = []
    for threads in (1, 2, 3, 8):
        c = np.zeros((300, 170), np.float32)
        multiply(a, b, c, threads=threads)
        results.append(c)
    assert all((c == results[0]).all() for c in results[1:])


def test_structure_names_the_code() -> None:
    """Other sizes reuse kernels; another epilogue does not."""

    def names(m: int, fusion: Fusion | None) -> set[str]:
        gemm = Gemm(m, 96, 64, Layout(64, 1), Layout(96, 1), Layout(96, 1), epilogue=fusion)
        return {part.name for part in plan_gemm(gemm, machine(), 2).parts}

    body = Body()
    relu = Fusion(body, body.op("relu", body.input(0, "f32")))
    assert names(96, None) == names(192, None) == names(96 * 5, None)
    assert names(96, relu) != names(96, None)
    assert jit.available()
