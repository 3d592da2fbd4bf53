"""Generated convolutions and their adjoints against sums over the taps in higher precision."""

from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotangent.kernels import runtime
from cotangent.kernels.contract_conv import plan_forward, plan_input_gradient, plan_weight_gradient
from cotangent.kernels.contract_fusion import Fusion, Source
from cotangent.kernels.contract_plan import Machine, Plan, machine, steps
from cotangent.kernels.contract_windows import Conv
from cotangent.kernels.scalar import Body

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="no machine code here")

Array = np.ndarray[Any, Any]
NAMES = {"float32": "f32", "float64": "f64", "bfloat16": "bf16", "float16": "f16"}
MACHINES = [Machine(64, 32), Machine(32, 16), Machine(16, 32)]


def run(plan: Plan, **arrays: Array) -> None:
    scratch = np.full(plan.scratch // 8 + 8, np.nan)
    buffers = {name.replace("_", "."): a for name, a in arrays.items()}
    runtime.Program(steps(plan, {**buffers, "scratch": scratch})).run()


class Reference:
    """Convolution by definition: one product for each tap, in float64."""

    def __init__(self, conv: Conv, out: tuple[int, ...]) -> None:
        self.conv = conv
        self.out = out
        self.frame = tuple(n + 2 * p for n, p in zip(conv.sizes, conv.padding))

    def taps(self) -> Any:
        c = self.conv
        for tap in product(*(range(k) for k in c.kernel)):
            window = tuple(
                slice(t * d, t * d + (o - 1) * s + 1, s)
                for t, d, o, s in zip(tap, c.dilation, self.out, c.stride)
            )
            yield (..., *tap), (..., *window)

    def framed(self, x: Array) -> Array:
        margins = [(0, 0), (0, 0), *((p, p) for p in self.conv.padding)]
        return np.pad(x.astype(np.float64), margins)

    def grouped(self, a: Array, axis: int) -> Array:
        g = self.conv.groups
        return a.reshape(*a.shape[:axis], g, a.shape[axis] // g, *a.shape[axis + 1 :])

    def forward(self, x: Array, w: Array) -> Array:
        frame = self.grouped(self.framed(x), 1)
        weights = self.grouped(w.astype(np.float64), 0)
        y = sum(np.einsum("ngc...,goc->ngo...", frame[at], weights[tap]) for tap, at in self.taps())
        return np.asarray(y).reshape(x.shape[0], w.shape[0], *self.out)

    def input_gradient(self, g: Array, w: Array) -> Array:
        c = self.conv
        frame = np.zeros((c.examples, c.groups, c.inputs, *self.frame))
        weights, grads = self.grouped(w.astype(np.float64), 0), self.grouped(g.astype(np.float64), 1)
        for tap, at in self.taps():
            frame[at] += np.einsum("ngo...,goc->ngc...", grads, weights[tap])
        inside = tuple(slice(p, p + n) for p, n in zip(c.padding, c.sizes))
        return frame[(..., *inside)].reshape(c.examples, c.groups * c.inputs, *c.sizes)

    def weight_gradient(self, x: Array, g: Array) -> Array:
        c = self.conv
        frame, grads = self.grouped(self.framed(x), 1), self.grouped(g.astype(np.float64), 1)
        w = np.zeros((c.groups, c.outputs, c.inputs, *c.kernel))
        for tap, at in self.taps():
            w[tap] = np.einsum("ngop,ngcp->goc", *(a.reshape(*a.shape[:3], -1) for a in (grads, frame[at])))
        return w.reshape(c.groups * c.outputs, c.inputs, *c.kernel)


def strides(a: Array) -> tuple[int, ...]:
    return tuple(step // a.itemsize for step in a.strides)


def laid_out(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """An array in one of three orders of memory: as it is, channels last, examples last."""
    last = (None, 1, 0)[rng.integers(3)]
    if last is None:
        return rng.standard_normal(shape).astype(dtype)
    moved = [n for i, n in enumerate(shape) if i != last] + [shape[last]]
    return np.moveaxis(rng.standard_normal(moved).astype(dtype), -1, last)


def close(got: Array, expected: Array, dtype: Any, terms: int) -> None:
    unit = {"float32": 1e-6, "float64": 2e-15, "bfloat16": 1e-2, "float16": 2e-3}[np.dtype(dtype).name]
    bound = unit * max(terms, 1) ** 0.5
    np.testing.assert_allclose(got.astype(np.float64), expected, rtol=bound, atol=2 * bound)


def check(rng: np.random.Generator, conv: Conv, dtype: Any, on: Machine, threads: int) -> None:
    """All three products of one convolution."""
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(conv.sizes, conv.kernel, conv.stride, conv.padding, conv.dilation)
    )
    x = laid_out(rng, (conv.examples, conv.groups * conv.inputs, *conv.sizes), dtype)
    g = laid_out(rng, (conv.examples, conv.groups * conv.outputs, *out), dtype)
    w = rng.standard_normal((conv.groups * conv.outputs, conv.inputs, *conv.kernel)).astype(dtype)
    names = {"dtype": NAMES[np.dtype(dtype).name], "x_strides": strides(x), "g_strides": strides(g)}
    conv = Conv(*(getattr(conv, n) for n in Conv.__slots__[:9]), **names)  # type: ignore[arg-type]
    by_hand = Reference(conv, out)
    taps = int(np.prod(conv.kernel))
    y, dx, dw = np.full(g.shape, 7, dtype), np.full(x.shape, 7, dtype), np.full(w.shape, 7, dtype)
    run(plan_forward(conv, on, threads), x=x, w=w, y=y)
    close(y, by_hand.forward(x, w), dtype, conv.inputs * taps)
    run(plan_input_gradient(conv, on, threads), g=g, w=w, x=dx)
    close(dx, by_hand.input_gradient(g, w), dtype, conv.outputs * taps)
    run(plan_weight_gradient(conv, on, threads), x=x, g=g, w=dw)
    close(dw, by_hand.weight_gradient(x, g), dtype, conv.examples * int(np.prod(out)))


def drawn(rng: np.random.Generator) -> Conv:
    """A random convolution."""
    n = int(rng.integers(1, 4))

    def some(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(v) for v in rng.integers(low, high, n))

    return Conv(
        int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3])), int(rng.integers(1, 9)),
        int(rng.choice([1, 3, 16, 20, 37])), some(6, (0, 40, 16, 9)[n]), some(1, 4), some(1, 4), some(0, 4),
        some(1, 3),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_random_convolutions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        dtype = (np.float32, np.float64)[rng.integers(2)]
        check(rng, drawn(rng), dtype, MACHINES[rng.integers(3)], int(rng.integers(1, 4)))


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
def test_16_bits(dtype: Any) -> None:
    rng = np.random.default_rng(20)
    for stride in (1, 2):
        conv = Conv(2, 1, 3, 18, (9, 10), (3, 3), (stride, stride), (1, 1), (1, 1))
        check(rng, conv, dtype, machine(), 2)


@pytest.mark.parametrize(
    "conv",
    [
        Conv(3, 1, 12, 20, (8, 9), (1, 1), (1, 1), (0, 0), (1, 1)),  # pointwise: plain products
        Conv(2, 2, 8, 8, (32, 32), (1, 1), (1, 1), (0, 0), (1, 1)),
        Conv(2, 1, 3, 5, (7, 7), (1, 1), (3, 3), (0, 0), (1, 1)),  # phases that no tap meets
        Conv(2, 1, 9, 16, (32, 32), (3, 3), (1, 1), (0, 0), (1, 1)),  # planes of exactly one page
        Conv(1, 1, 2, 3, (5, 5), (5, 5), (1, 1), (0, 0), (1, 1)),  # a single window
        Conv(2, 1, 2, 3, (4, 4), (2, 2), (1, 1), (3, 3), (1, 1)),  # more padding than kernel
        Conv(7, 1, 1, 2, (6,), (3,), (1,), (1,), (1,)),  # examples shared among threads
    ],
)
def test_special_convolutions(conv: Conv) -> None:
    check(np.random.default_rng(21), conv, np.float32, machine(), 2)


def test_bias_and_activation() -> None:
    rng = np.random.default_rng(22)
    conv = Conv(2, 2, 3, 17, (9, 8), (3, 2), (1, 1), (1, 0), (1, 1))
    out = (9, 7)
    x = rng.standard_normal((2, 6, 9, 8), np.float32)
    w = rng.standard_normal((34, 3, 3, 2), np.float32)
    bias, other = rng.standard_normal(34, np.float32), rng.standard_normal((2, 34, *out), np.float32)
    body = Body()
    y = body.op("relu", body.op("add", body.input(0, "f32"), body.input(1, "f32")))
    per_channel = Source("f32", rows=0, columns=1, inner=17)
    expected = np.maximum(Reference(conv, out).forward(x, w) + bias[:, None, None], 0)
    found = np.zeros((2, 34, *out), np.float32)
    fused = Conv(*(getattr(conv, n) for n in Conv.__slots__[:9]), epilogue=Fusion(body, y, (per_channel,)))
    run(plan_forward(fused, machine(), 2), x=x, w=w, y=found, c_0=bias)
    close(found, expected, np.float32, 18)
    y = body.op("add", y, body.input(2, "f32"))
    like_the_result = Source("f32", rows=1, columns=63, outer=34 * 63, inner=17 * 63)
    fusion = Fusion(body, y, (per_channel, like_the_result))
    fused = Conv(*(getattr(conv, n) for n in Conv.__slots__[:9]), epilogue=fusion)
    run(plan_forward(fused, machine(), 2), x=x, w=w, y=found, c_0=bias, c_1=other)
    close(found, expected + other, np.float32, 18)


def test_weight_gradient_is_added() -> None:
    rng = np.random.default_rng(23)
    conv = Conv(2, 1, 3, 5, (9,), (3,), (1,), (1,), (1,), accumulate=True)
    x, g = rng.standard_normal((2, 3, 9), np.float32), rng.standard_normal((2, 5, 9), np.float32)
    w = np.ones((5, 3, 3), np.float32)
    run(plan_weight_gradient(conv, machine(), 1), x=x, g=g, w=w)
    close(w, Reference(conv, (9,)).weight_gradient(x, g) + 1, np.float32, 18)


def test_no_examples() -> None:
    conv = Conv(0, 1, 3, 5, (9,), (3,), (1,), (1,), (1,))
    x, g, w = np.ones((0, 3, 9), np.float32), np.ones((0, 5, 9), np.float32), np.ones((5, 3, 3), np.float32)
    run(plan_forward(conv, machine(), 2), x=x, w=w, y=g)
    run(plan_input_gradient(conv, machine(), 2), g=g, w=w, x=x)
    run(plan_weight_gradient(conv, machine(), 2), x=x, g=g, w=w)
    assert (w == 0).all()
