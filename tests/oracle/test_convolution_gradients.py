"""`torch.nn.grad` refuses shapes, dtypes and numbers that make no convolution, with PyTorch's words."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.grad  # `import torch` leaves it out

import cotangent

# (input, weight, gradient, options); the first is right.
CALLS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "right": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {}),
    "right, no examples": ((0, 2, 5, 5), (3, 2, 2, 2), (0, 3, 4, 4), {}),
    "right, no channels": ((1, 0, 5, 5), (3, 0, 2, 2), (1, 3, 4, 4), {}),
    "right, one stride": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"stride": (1,)}),
    "right, dilated": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 3, 3), {"dilation": 2}),
    "sizes": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 3, 3), {}),
    "sizes, dilated": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"dilation": 2}),
    "channels": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 2, 4, 4), {}),
    "input's channels": ((1, 3, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {}),
    "input's dimensions": ((2, 5, 5), (3, 2, 2, 2), (3, 4, 4), {}),
    "gradient's dimensions": ((1, 2, 5, 5), (3, 2, 2, 2), (3, 4, 4), {}),
    "one dimension": ((1, 2, 5), (3, 2, 2), (1, 3, 4), {}),
    "no dimension": ((1, 2), (3, 2), (1, 3), {}),
    "filters do not divide": ((1, 2, 5, 5), (3, 1, 2, 2), (1, 3, 4, 4), {"groups": 2}),
    "few filters": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"groups": 5}),
    "no groups": ((1, 2, 5, 5), (3, 1, 2, 2), (1, 3, 4, 4), {"groups": 0}),
    "large window": ((1, 2, 2, 2), (3, 2, 3, 3), (1, 3, 1, 1), {}),
    "no window": ((1, 2, 5, 5), (3, 2, 0, 2), (1, 3, 4, 4), {}),
    "no image": ((1, 2, 0, 5), (3, 2, 2, 2), (1, 3, 4, 4), {}),
    "stride": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"stride": 0}),
    "strides": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"stride": (1, 1, 1)}),
    "padding": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"padding": -1}),
    "paddings": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"padding": (1, 1, 1)}),
    "dilation": ((1, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4), {"dilation": 0}),
}  # fmt: skip


def outcome(t: Any, which: str, shapes: Any, options: dict[str, Any], dtypes: str = "float32 float32") -> Any:
    dtype, other = (getattr(t, name) for name in dtypes.split())
    first, second, g = shapes
    try:
        if which.endswith("input"):
            operands = first, t.ones(second, dtype=dtype)
        else:
            operands = t.ones(first, dtype=dtype), second
        result = getattr(t.nn.grad, which)(*operands, t.ones(g, dtype=other), **options)
        return str(result.dtype), result.tolist()
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("which", ["conv2d_input", "conv2d_weight"])
@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str, which: str) -> None:
    *shapes, options = CALLS[name]
    assert outcome(cotangent, which, shapes, options) == outcome(torch, which, shapes, options)


@pytest.mark.parametrize("dtypes", ["float32 float64", "int64 int64"])
@pytest.mark.parametrize("which", ["conv1d_input", "conv1d_weight", "conv3d_input", "conv3d_weight"])
@pytest.mark.parametrize("last", [3, 4])
def test_dtypes_and_other_dimensions(which: str, dtypes: str, last: int) -> None:
    more = (5,) * (int(which[4]) - 1)
    shapes = (1, 2, *more, 5), (3, 2, *(2 for _ in more), 2), (1, 3, *(4 for _ in more), last)
    assert outcome(cotangent, which, shapes, {}, dtypes) == outcome(torch, which, shapes, {}, dtypes)


def test_other_examples_are_refused() -> None:
    """PyTorch reads beyond a gradient of fewer examples, and leaves out what there is more."""
    shapes = (2, 2, 5, 5), (3, 2, 2, 2), (1, 3, 4, 4)
    for which in ("conv2d_input", "conv2d_weight"):
        kind, text = outcome(cotangent, which, shapes, {})
        assert kind == "RuntimeError"
        assert "tensor.size[0] == 2 but got: dimension 4 and tensor.size[0] = 1" in text
