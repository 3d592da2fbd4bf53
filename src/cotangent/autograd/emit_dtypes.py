"""Which dtypes a generated entry hands to NumPy as they are."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..kernels.halves import ROUNDED
from ..ops.table import BOOL_RESULT, FLOAT, SAME, Primitive


def quick_dtypes(op: Primitive) -> frozenset[Any]:
    """The dtypes whose arrays the entry of an elementwise op may hand to the kernel as they are."""
    found = set()
    exact = op.result == BOOL_RESULT or (op.result == SAME and not op.weighs and op.guard is None)
    exact = exact and (op.fast is op.kernel or bool(op.defaults))
    for d in (dtypes.float32, dtypes.float64, *(_EXACT if exact and not op.optional else ())):
        try:
            if op.check is not None:
                op.check(op, d)
        except (RuntimeError, TypeError):
            continue
        found.add(d.np)
    return frozenset(found)


def takes_halves(op: Primitive) -> bool:
    """Whether the entry of an elementwise op computes with 16-bit floats itself."""
    if op.check is not None or op.optional or op.fixed or not op.rounds_in_float:
        return False
    alone = isinstance(op.fast, np.ufunc) and op.fast.nin == 1 and op.result in (SAME, FLOAT)
    return op.fast in ROUNDED or alone


_EXACT: Final = (dtypes.bool_, dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64)
