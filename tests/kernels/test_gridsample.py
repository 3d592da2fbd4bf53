"""Reading images at places by generated kernels: the same as NumPy and SciPy, gradients included."""

from typing import Any

import numpy as np
import pytest

from cotangent import tensor
from cotangent.kernels import sized
from cotangent.kernels.sized import by_numpy
from cotangent.nn.functional import grid_sample


def results(x: Any, grid: Any, g: Any, mode: str, padding: str, align: bool) -> list[Any]:
    image, places = tensor(x, requires_grad=True), tensor(grid, requires_grad=True)
    out = grid_sample(image, places, mode, padding, align)
    out.backward(tensor(g))
    return [out.detach().numpy(), image.grad.numpy(), places.grad.numpy()]


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(("mode", "shape"), [
    ("bilinear", (2, 3, 9, 11)), ("bilinear", (1, 17, 5, 4, 6)),
    ("bicubic", (2, 20, 7, 8)), ("nearest", (2, 3, 5, 5)),
])  # fmt: skip
def test_kernels_and_numpy(mode: str, shape: Any, padding: str, align: bool) -> None:
    rng = np.random.default_rng(0)
    d = len(shape) - 2
    out = (6, 5, 4)[:d]
    x = rng.standard_normal(shape)
    grid = rng.uniform(-1.3, 1.3, (shape[0], *out, d))
    g = rng.standard_normal((*shape[:2], *out))
    assert sized.worthwhile(sized.WARM_UP)
    with by_numpy():
        expected = results(x, grid, g, mode, padding, align)
    for found, wanted in zip(results(x, grid, g, mode, padding, align), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
