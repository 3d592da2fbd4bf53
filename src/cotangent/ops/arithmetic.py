"""Sums, products, quotients and their relatives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .table import FLOAT, REAL, elementwise


def _add(a: Any, b: Any, alpha: Any = 1, out: Any = None) -> Any:
    return np.add(a, b if alpha == 1 else np.multiply(b, alpha, dtype=b.dtype), out=out)


def _sub(a: Any, b: Any, alpha: Any = 1, out: Any = None) -> Any:
    return np.subtract(a, b if alpha == 1 else np.multiply(b, alpha, dtype=b.dtype), out=out)


def scaled(g: Any, alpha: Any) -> Any:
    """`g * alpha` without work when alpha is one."""
    return g if alpha == 1 else g * alpha


add = elementwise(
    "add(input, other | alpha=1)",
    _add,
    fast=np.add,
    input=lambda g: g,
    other=lambda g, alpha: scaled(g, alpha),
)
sub = elementwise(
    "sub(input, other | alpha=1)",
    _sub,
    fast=np.subtract,
    input=lambda g: g,
    other=lambda g, alpha: -scaled(g, alpha),
)
mul = elementwise(
    "mul(input, other)", np.multiply, input=lambda g, other: g * other, other=lambda g, input: g * input
)
div = elementwise(
    "div(input, other)",
    np.true_divide,
    result=FLOAT,
    input=lambda g, other: g / other,
    other=lambda g, other, input: -g * (input / other / other),
)
neg = elementwise("neg(input)", np.negative, input=lambda g: -g)

FUNCTIONS: Final = ("add", "sub", "mul", "div", "neg")
METHODS: Final = FUNCTIONS
INPLACE: Final = METHODS
ALIASES: Final = {"multiply": "mul", "subtract": "sub", "divide": "div", "true_divide": "div", "negative": "neg"}
DUNDERS: Final = {"__add__": "add", "__radd__": "add", "__sub__": "sub", "__mul__": "mul", "__rmul__": "mul", "__truediv__": "div", "__neg__": "neg", "__iadd__": "add_", "__imul__": "mul_", "__isub__": "sub_", "__itruediv__": "div_"}
