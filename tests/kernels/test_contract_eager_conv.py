"""Convolutions in eager mode: generated kernels and NumPy's path agree, and what each of them serves."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import cotangent as torch
from cotangent.kernels import contract_eager_conv, conv, runtime

pytestmark = pytest.mark.skipif(not runtime.ready(), reason="no machine code here")

Array = np.ndarray[Any, Any]
by_numpy = {name: getattr(conv, name).__wrapped__ for name in contract_eager_conv.__all__}


def check(name: str, tolerance: float, *arguments: Any) -> None:
    """Both give the same, up to the rounding of sums."""
    found = getattr(contract_eager_conv, name)(*arguments)
    expected = by_numpy[name](*arguments)
    assert found is not None and found.shape == expected.shape and found.dtype == expected.dtype
    size = float(abs(expected).max()) + 1
    np.testing.assert_allclose(
        found.astype(np.float64) / size, expected.astype(np.float64) / size, atol=tolerance
    )


@pytest.mark.parametrize("seed", range(6))
def test_against_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(3):
        n = int(rng.integers(1, 4))

        def some(low: int, high: int, n: int = n) -> tuple[int, ...]:
            return tuple(int(v) for v in rng.integers(low, high, n))

        groups = int(rng.choice([1, 1, 2]))
        inputs, outputs = int(rng.integers(5, 9)) * groups, int(rng.integers(5, 40)) * groups
        sizes, kernel = some(8, (0, 200, 24, 12)[n]), some(2, 4)
        stride, padding, dilation = some(1, 3), some(0, 3), some(1, 3)
        dtype, tolerance = ((np.float32, 2e-6), (np.float64, 1e-14))[rng.integers(2)]
        x = rng.standard_normal((8, inputs, *sizes)).astype(dtype)
        w = rng.standard_normal((outputs, inputs // groups, *kernel)).astype(dtype)
        bias = rng.standard_normal(outputs).astype(dtype)
        statics = stride, padding, dilation, groups
        check("convolve", tolerance, x, w, None, *statics)
        check("convolve", tolerance, x.swapaxes(0, 1).copy().swapaxes(0, 1), w, bias, *statics)
        out = by_numpy["convolve"](x, w, None, *statics).shape
        g = rng.standard_normal(out).astype(dtype)
        back = rng.standard_normal(inputs).astype(dtype)
        check("convolve_transposed", tolerance, g, w, None, sizes, *statics)
        check("convolve_transposed", tolerance, g, w, back, sizes, *statics)
        check("convolve_weight", tolerance, g, x, kernel, *statics)
        check("convolve_weight", tolerance, g.swapaxes(0, 1).copy().swapaxes(0, 1), x, kernel, *statics)


@pytest.mark.parametrize("seed", range(4))
def test_depthwise_against_numpy(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract_eager_conv, "_LEAST", 0)
    rng = np.random.default_rng(seed)
    for case in range(3):
        n = (2, 2, 1)[case]

        def some(low: int, high: int, n: int = n) -> tuple[int, ...]:
            return tuple(int(v) for v in rng.integers(low, high, n))

        channels = int(rng.integers(2, 40))
        sizes, kernel = some(12, (0, 300, 40)[n]), some(1, 6)
        stride, padding, dilation = some(1, 4), some(0, 5), some(1, 3)
        kind = int(rng.integers(4))
        dtype = (np.float32, np.float64, ml_dtypes.bfloat16, np.float16)[kind]
        tolerance = (3e-6, 1e-14, 1e-2, 2e-3)[kind]
        x = rng.standard_normal((3, channels, *sizes)).astype(dtype)
        w = rng.standard_normal((channels, 1, *kernel)).astype(dtype)
        bias = rng.standard_normal(channels).astype(dtype)
        statics = stride, padding, dilation, channels
        apart = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)  # channels last
        check("convolve", tolerance, x, w, None, *statics)
        check("convolve", tolerance, apart, w, bias, *statics)
        g = rng.standard_normal(by_numpy["convolve"](x, w, None, *statics).shape).astype(dtype)
        check("convolve_transposed", tolerance, g, w, None, sizes, *statics)
        check("convolve_transposed", tolerance, g[..., ::-1], w, bias, sizes, *statics)
        check("convolve_weight", tolerance, g, x, kernel, *statics)
        check("convolve_weight", tolerance, g[..., ::-1], apart, kernel, *statics)


def test_depthwise_windows_meet_no_numbers_of_other_rows() -> None:
    """Vectors that reach over the end of a row would make nan of an inf in the next one."""
    x = np.ones((1, 300, 6, 19), np.float32)
    x[..., 0] = np.inf
    g = np.ones((1, 300, 6, 17), np.float32)
    found = contract_eager_conv.convolve_weight(g, x, (1, 3), (1, 1), (0, 0), (1, 1), 300)
    assert found is not None
    assert found[:, 0, 0].tolist() == [[np.inf, 6 * 17, 6 * 17]] * 300


def test_depthwise_inside_compile() -> None:
    def step(x: torch.Tensor, w: torch.Tensor) -> Any:
        return torch.nn.functional.conv2d(x, w, stride=2, padding=1, groups=24).relu().square().sum()

    torch.manual_seed(0)
    x, w = torch.randn(2, 24, 17, 17), torch.randn(24, 1, 3, 3)
    found = []
    for function in (step, torch.compile(step, fullgraph=True)):
        a, b = x.clone().requires_grad_(), w.clone().requires_grad_()
        for _ in range(2):
            a.grad = b.grad = None
            function(a, b).backward()
        found.append((a.grad, b.grad))
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_16_bit_floats_are_rounded_once() -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((4, 8, 12, 12)).astype(ml_dtypes.bfloat16)
    w = rng.standard_normal((16, 8, 3, 3)).astype(ml_dtypes.bfloat16)
    bias = rng.standard_normal(16).astype(ml_dtypes.bfloat16)
    check("convolve", 2**-8, x, w, bias, (1, 1), (1, 1), (1, 1), 1)


def test_what_numpy_keeps() -> None:
    ones, unit = np.ones, ((1, 1), (1, 1), (1, 1))
    image, weight = ones((4, 8, 32, 32)), ones((8, 8, 3, 3))
    cases = {
        "a depthwise convolution in three dimensions": (
            ones((4, 8, 9, 9, 9)), ones((8, 1, 3, 3, 3)), None, *((1, 1, 1),) * 3, 8,
        ),
        "few channels": (image, ones((3, 8, 3, 3)), None, *unit, 1),
        "little work": (image[:1, :, :4, :4], weight, None, *unit, 1),
        "integers": (image.astype(np.int64), weight.astype(np.int64), None, *unit, 1),
        "complex numbers": (image.astype(np.complex64), weight.astype(np.complex64), None, *unit, 1),
        "two types": (image, weight.astype(np.float32), None, *unit, 1),
    }
    for name, arguments in cases.items():
        assert contract_eager_conv.convolve(*arguments) is None, name
    points = ones((4, 16, 16, 16)), ones((16, 8, 1, 1)), None, (32, 32), (2, 2), (0, 0), (1, 1), 1
    assert contract_eager_conv.convolve_transposed(*points) is None


def test_a_module_and_its_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layers by generated kernels, and by NumPy."""
    rng = np.random.default_rng(8)
    x0 = rng.standard_normal((4, 6, 14, 13), np.float32)
    weights = rng.standard_normal((16, 6, 3, 3), np.float32), rng.standard_normal((16, 8, 3, 3), np.float32)
    served: list[str] = []
    for name in contract_eager_conv.__all__:
        real = getattr(contract_eager_conv, name)

        def watched(*args: Any, real: Any = real, name: str = name) -> Any:
            found = real(*args)
            served.extend([name] * (found is not None))
            return found

        monkeypatch.setattr(contract_eager_conv, name, watched)
        monkeypatch.setattr(conv.generated, name, watched)

    def gradients(on: bool) -> list[Array]:
        monkeypatch.setattr(conv, "worthwhile", lambda size: on)
        x, w, v = (torch.tensor(a, requires_grad=True) for a in (x0, *weights))
        y = torch.nn.functional.conv2d(x, w, padding=1).relu()
        y = torch.nn.functional.conv2d(y, v, stride=2, groups=2)
        (y * y).sum().backward()
        return [a.numpy() for a in (y.detach(), x.grad, w.grad, v.grad)]

    expected = gradients(False)
    assert not served
    for got, value in zip(gradients(True), expected):
        np.testing.assert_allclose(got / abs(value).max(), value / abs(value).max(), atol=1e-5)
    assert sorted(served) == sorted(contract_eager_conv.__all__ * 2)
