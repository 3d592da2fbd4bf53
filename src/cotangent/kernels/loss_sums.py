"""Losses of large arrays and their sums by generated kernels: one pass, without the differences in memory."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .eager import Fused
from .loops import Pass
from .rowwise import Context, run_rows
from .symbolic import Form, Sym, call

__all__ = ["lost"]

Number = Sym | float


def huber(a: Sym, b: Sym, delta: Number) -> Sym:
    d = abs(a - b)
    near = call("minimum", d, delta)
    return (d - near) * delta + near * near * 0.5


def smooth_l1(a: Sym, b: Sym, beta: Number) -> Sym:
    d = abs(a - b)
    near = call("minimum", d, beta)
    return d - near + near * near * (0.5 / d.like(beta))


_FORMS: Final[dict[str, Form]] = {"huber": huber, "smooth_l1": smooth_l1}
_FUSED: Final = {name: Fused(form) for name, form in _FORMS.items()}


def lost(name: str, arrays: tuple[Any, ...], numbers: tuple[float, ...], reduction: int) -> Any:
    """The losses of elements, or their mean or sum.

    Args:
        name: which loss.
        arrays: of one shape and float type.
        numbers: what else it depends on.
        reduction: 0 for none, 1 for the mean, 2 for the sum.

    Returns:
        An array.
    """
    numbers = tuple(float(n) for n in numbers)
    if not reduction:
        return _FUSED[name]((*arrays, *numbers))
    a = arrays[0]
    out = np.empty((1,) * a.ndim, a.dtype)

    def build(c: Context, *symbols: Sym) -> Any:
        value = _FORMS[name](*symbols[:-1], *[c.number(1 + i) for i in range(len(numbers))])
        total = c.row(0) * c.number(0)
        return (Pass(reductions=(("sum", value.ref),)),), ((len(arrays), total.ref),)

    factor = 1.0 / a.size if reduction == 1 else 1.0
    run_rows(("loss", name), build, [*arrays, out], tuple(range(a.ndim)), (factor, *numbers))
    return out.reshape(())
