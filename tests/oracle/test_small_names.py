"""Functions and methods that are in no table of operators, as PyTorch has them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from samples.compare import as_array, dtype_name
from samples.library import xp

X = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]

CALLS: dict[str, Callable[[Any], Any]] = {
    "apply_": lambda t: t.tensor(X).apply_(lambda v: v * 2),
    "apply_ of what requires grad": lambda t: t.tensor(X, requires_grad=True).apply_(lambda v: v),
    "map_": lambda t: t.tensor(X).map_(t.tensor([1.0, 2.0]), lambda a, b: a * 10 + b),
    "map_ of another dtype": lambda t: t.tensor(X).map_(t.tensor([1, 2]), lambda a, b: a),
    "map2_": lambda t: t.tensor(X).map2_(t.tensor(X), t.tensor(X), lambda a, b, c: a + b * c),
    "fill_diagonal_": lambda t: t.zeros(3, 4).fill_diagonal_(2.0),
    "fill_diagonal_ wrap": lambda t: t.zeros(7, 3).fill_diagonal_(1, wrap=True),
    "fill_diagonal_ cube": lambda t: t.zeros(2, 2, 2).fill_diagonal_(1),
    "fill_diagonal_ 1-d": lambda t: t.zeros(3).fill_diagonal_(1),
    "fill_diagonal_ uneven": lambda t: t.zeros(2, 2, 3).fill_diagonal_(1),
    "new of data": lambda t: t.tensor(X).new([1, 2]),
    "resize": lambda t: t.tensor(X).resize(2, 3),
    "resize_as": lambda t: t.tensor(X).resize_as(t.zeros(6)),
    "pin_memory": lambda t: t.tensor(X).pin_memory(),
    "__long__": lambda t: t.tensor(3.5).__long__(),
    "__nonzero__": lambda t: t.tensor(0.0).__nonzero__(),
    "embedding_renorm_": lambda t: t.embedding_renorm_(t.tensor(X), t.tensor([1, 1]), 1.0, 2.0),
    "fill_": lambda t: t.fill_(t.tensor(X), 2.0),
    "index_put_": lambda t: t.index_put_(t.tensor(X), (t.tensor([0]),), t.tensor(9.0)),
    "detach_copy": lambda t: t.detach_copy(t.tensor(X)),
    "view_as_complex_copy": lambda t: t.view_as_complex_copy(t.tensor(X)),
    "view_as_real_copy": lambda t: t.view_as_real_copy(t.tensor([1.0 + 2.0j])),
    "is_distributed": lambda t: t.is_distributed(t.tensor(X)),
    "sym_int": lambda t: (t.sym_int(2.7), t.sym_int(-2.7)),
    "sym_max": lambda t: (t.sym_max(1, 2.0), t.sym_max(3, 2.0), t.sym_max(1, 2)),
    "sym_min": lambda t: (t.sym_min(1, 2.0), t.sym_min(1, 2)),
    "sym others": lambda t: (t.sym_not(True), t.sym_ite(False, 1, 2), t.sym_sum([1, 2]), t.sym_sqrt(4)),
    "precision": lambda t: t.get_float32_matmul_precision(),
    "debug mode": lambda t: t.set_deterministic_debug_mode(4),
    "debug mode by word": lambda t: t.set_deterministic_debug_mode("x"),
    "debug mode of nothing": lambda t: t.set_deterministic_debug_mode(None),
    "interop threads": lambda t: t.set_num_interop_threads(0),
}


def told(library: Any, call: Callable[[Any], Any]) -> Any:
    """What came of a call, tensors as dtype and numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = call(library)
        except Exception as error:  # whatever PyTorch raises is what is asked for
            return type(error).__name__, str(error)
    if isinstance(found, library.Tensor):
        return dtype_name(found), as_array(library, found).tolist()
    return found


@pytest.mark.parametrize("name", CALLS)
def test_small_name(name: str) -> None:
    assert told(xp, CALLS[name]) == told(torch, CALLS[name])


def grad_dtype_calls(t: Any) -> list[str]:
    """What a program sees of `grad_dtype`."""
    told: list[str] = []

    def tell(call: Any) -> None:
        try:
            told.append(repr(call()))
        except Exception as error:
            told.append(f"{type(error).__name__}: {error}")

    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    tell(lambda: x.grad_dtype)
    x.grad_dtype = t.bfloat16
    y.sum().backward()
    tell(lambda: x.grad)
    tell(lambda: setattr(x, "grad_dtype", t.float64))
    tell(lambda: setattr(x, "grad_dtype", "float64"))
    tell(lambda: setattr(y, "grad_dtype", t.float64))
    tell(lambda: y.grad_dtype)
    x.grad, x.grad_dtype = None, None
    x.grad = t.ones(3, dtype=t.float64)
    tell(lambda: x.grad)
    z = t.ones(3, requires_grad=True)
    z.grad_dtype = t.float64
    for _ in range(2):
        (z * 1).sum().backward()
    tell(lambda: z.grad)
    return told


def test_grad_dtype() -> None:
    assert grad_dtype_calls(xp) == grad_dtype_calls(torch)
