"""Distances between all pairs of points and their derivatives, each summed in one pass by a generated kernel.

Neighbours in memory are the second points in distances, the coordinates in derivatives. What would have the
size of all pairs times all coordinates is never in memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .loops import Pass
from .rowwise import Context, run_rows
from .symbolic import Sym, call, where

__all__ = ["lengths", "pulled"]


def lengths(a: Any, b: Any, p: float) -> Any:
    """The distance of every row of `a` to every row of `b`.

    Args:
        a: (..., n, m), m not 0.
        b: (..., k, m) of the same batch shape and type.
        p: the order.

    Returns:
        (..., n, k).
    """
    *lead, n, m = a.shape
    shape = (*lead, n, m, b.shape[-2])
    turned = np.ascontiguousarray(b.swapaxes(-1, -2))
    first, second = np.broadcast_to(a[..., None], shape), np.broadcast_to(turned[..., None, :, :], shape)
    out = np.empty((*lead, n, 1, shape[-1]), a.dtype)
    kind = p if p in (0, 1, 2, math.inf) else "p"

    def build(c: Context, x: Sym, y: Sym, out: Sym) -> Any:
        size = abs(x - y)
        how, root = "sum", c.row(0)
        if kind == 0:
            size = where(size == 0.0, 0.0, where(size == size, size.like(1.0), size))  # nan stays nan
        elif kind == 2:
            size, root = size * size, call("sqrt", root)
        elif kind == math.inf:
            how = "max"
        elif kind == "p":
            size, root = call("pow", size, c.number(0)), call("pow", root, c.number(1))
        return (Pass(reductions=((how, size.ref),)),), ((2, root.ref),)

    numbers = (float(p), 1.0 / p) if kind == "p" else ()
    run_rows(("distances", kind), build, [first, second, out], (len(shape) - 2,), numbers)
    return out.reshape(*lead, n, shape[-1])


def pulled(g: Any, a: Any, b: Any) -> Any:
    """The cotangent of the points `a` from that of their distances of order 1 to the points `b`.

    Args:
        g: (..., n, k).
        a: (..., n, m).
        b: (..., k, m).

    Returns:
        (..., n, m).
    """
    shape = (*g.shape, a.shape[-1])
    out = np.empty((*g.shape[:-1], 1, shape[-1]), a.dtype)
    # What lies along the first and second points comes first, so that the coordinates are innermost.
    arrays = [g[..., None], a[..., None, :], b[..., None, :, :]]
    run_rows("distances of order 1 pulled", _pulled, [*(np.broadcast_to(x, shape) for x in arrays), out],
             (len(shape) - 2,), ())  # fmt: skip
    return out.reshape(a.shape)


def _pulled(c: Context, g: Sym, a: Sym, b: Sym, out: Sym) -> Any:
    return (Pass(reductions=(("sum", (call("sign", a - b) * g).ref),)),), ((3, c.row(0).ref),)
