"""Dropout by a mask that is given back."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import elementwise


def _kept(a: Any, keep: Any, scale: float, out: Any = None) -> Any:
    found = np.multiply(a, keep, dtype=a.dtype)
    found *= a.dtype.type(scale)
    if out is None or out is ...:
        return np.asarray(found)
    out[...] = found
    return out


native_dropout_of: Any = elementwise(
    "native_dropout_of(input, keep | scale)",
    _kept,
    fast=_kept,
    fixed=("keep",),
    node="NativeDropoutBackward0",
    public="native_dropout",
    input=lambda g, keep, scale: native_dropout_of(g, keep, scale),
)
