"""torch.testing: the same calls on cotangent and on PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import cotangent

# T is `tensor`, ac is `assert_close`.
CLOSE = [
    "ac(1, 2)",
    "ac(1.0, 1.1)",
    "ac(1, 1.0)",
    "ac(nan, nan)",
    "ac(nan, nan, equal_nan=True)",
    "ac(True, False)",
    "ac(1 + 1j, 1 + 2j)",
    "ac(1, 2, rtol=0, atol=0)",
    "ac(1.0, 2.0, rtol=0.1, atol=0.2)",
    "ac(1.0, 1.0 + 1e-09)",
    "ac(T([1.0, 2.0]), T([1.0, 3.0]))",
    "ac(T([1.0, 2.0]), T([1.0, 2.0, 3.0]))",
    "ac(T([1.0]), T([1.0], dtype=torch.float64))",
    "ac(T([1.0]), T([1.0], dtype=torch.float64), check_dtype=False)",
    "ac(T([[1, 2], [3, 4]]), T([[1, 2], [3, 5]]))",
    "ac(T([nan, 1]), T([nan, 1]))",
    "ac(T([nan, 1]), T([nan, 1]), equal_nan=True)",
    "ac(T([inf, 1]), T([inf, 2]))",
    "ac(T(1.0), T(2.0))",
    "ac(T([True]), T([False]))",
    "ac(T([1.0, 2.0]), T([1.0, 3.0]), rtol=0, atol=0)",
    "ac(T([1, 2]), T([1, 3]), rtol=0, atol=0)",
    "ac(T([1, 2]), T([2, 3]), rtol=0.1, atol=0)",
    "ac(T([1.0]), T([2.0]), rtol=0.1)",
    "ac(T([1.0]), T([2.0]), atol=0.1)",
    "ac(T([1 + 1j]), T([2 + 1j]))",
    "ac([T([1.0]), T([2.0])], [T([1.0]), T([3.0])])",
    "ac({'a': T([1.0])}, {'a': T([2.0])})",
    "ac({'a': T([1.0])}, {'b': T([2.0])})",
    "ac([1, 2], [1, 2, 3])",
    "ac([1, [2, 3]], [1, [2, 4]])",
    "ac(T([1.0]), [1.0])",
    "ac('a', 'b')",
    "ac(None, None)",
    "ac(None, 1)",
    "ac(np.array([1.0]), np.array([2.0]))",
    "ac(T([1.0]), T([2.0]), msg='hello')",
    "ac(T([1.0]), T([2.0]), msg=lambda m: 'pre\\n' + m)",
    "ac(T([1.0, 2.0])[::1], T([[1.0, 2.0]])[0])",
    "ac(torch.ones(2, 2).t(), torch.ones(2, 2), check_stride=True)",
    "ac(T([1.0], dtype=torch.bfloat16), T([1.01], dtype=torch.bfloat16))",
    "ac(T([1.0], dtype=torch.float16), T([1.01], dtype=torch.float16))",
    "ac(torch.zeros(0), torch.zeros(0))",
    "ac(torch.zeros(0, 2), torch.zeros(0, 3))",
    "ac(1, T(1))",
    "ac(object(), object())",
    "ac((T([1.0]),), [T([1.0])])",
    "ac(T([1.0]).to_sparse(), T([1.0]))",
    "ac(T([1.0, 0.0]).to_sparse(), T([2.0, 0.0]).to_sparse())",
    "ac(T([0, 255], dtype=torch.uint8), T([1, 255], dtype=torch.uint8))",
    "ac(1.0, T([1.0]))",
    "ac(T([1.0, 2.0]), T([1.0, 3.0]), check_device=False)",
    "ac([], [])",
    "ac({'x': [1, {'y': 2.5}]}, {'x': [1, {'y': 2.6}]})",
    "ac(T([2 ** 40]), T([2 ** 40 + 1]))",
    "ac(inf, 1.0)",
    "ac(0.0, 1.0)",
    "ac(T([0.0]), T([0.0]) + 0.001)",
    "ac(T([1.0] * 5), T([1.0, 2.0, 1.0, 3.0, 1.0]))",
    "ac(T([1]), T([1.0]), check_dtype=False)",
    "ac(1, 'a')",
    "ac(T([5]), T([7]), atol=3, rtol=0)",
    "ac(T([1.0]), T([1.0 + 1e-06]))",
    "ac(np.float64(1.0), np.float64(1.5))",
]
DTYPES = (
    "bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
    "complex128",
)  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {},
    {"low": 0, "high": 2},
    {"noncontiguous": True},
    {"exclude_zero": True, "low": 0, "high": 2},
]
MADE: list[dict[str, Any]] = [
    {"dtype": "int64", "requires_grad": True},
    {"dtype": "float32", "low": 3, "high": 1},
    {"dtype": "uint8", "low": 300, "high": 400},
    {"dtype": "float32", "low": float("nan")},
    {"dtype": "float32", "requires_grad": True},
    {"dtype": "float32", "low": -3e38, "high": 3e38},
    {"dtype": "float32", "noncontiguous": True, "memory_format": "channels_last"},
]


def said(function: Any) -> Any:
    """What a call gives, or the error's type and text."""
    try:
        return function()
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.mark.parametrize("call", CLOSE)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_assert_close(call: str) -> None:
    def run(xp: Any) -> Any:
        names = {
            "torch": xp, "T": xp.tensor, "ac": xp.testing.assert_close, "np": np, "inf": float("inf"),
            "nan": float("nan"),
        }  # fmt: skip
        return said(lambda: eval(call, names))

    assert run(cotangent) == run(torch)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", OPTIONS)
def test_make_tensor(dtype: str, options: dict[str, Any]) -> None:
    def run(xp: Any) -> Any:
        xp.manual_seed(0)
        made = xp.testing.make_tensor((2, 3), dtype=getattr(xp, dtype), device="cpu", **options)
        return made.tolist(), made.stride(), made.storage_offset()

    assert run(cotangent) == run(torch)


@pytest.mark.parametrize("options", MADE)
def test_make_tensor_at_its_limits(options: dict[str, Any]) -> None:
    def run(xp: Any) -> Any:
        def call() -> Any:
            given = {k: getattr(xp, v) if isinstance(v, str) else v for k, v in options.items()}
            made = xp.testing.make_tensor(2, 2, device="cpu", **given)
            return made.tolist(), made.requires_grad

        xp.manual_seed(0)
        return said(call)

    assert run(cotangent) == run(torch)
