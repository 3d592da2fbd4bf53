"""In which order results lie in memory, where PyTorch and NumPy differ."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


def rows(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel with a result whose last dimension is dense, however its operands lie.

    PyTorch's kernel fills a new tensor there; NumPy gives the result the order of the operands.
    """

    @functools.wraps(kernel)
    def laid(*args: Any, **options: Any) -> Any:
        made = kernel(*args, **options)
        if made.__class__ is not np.ndarray or made.flags.c_contiguous or options.get("out", ...) is not ...:
            return made
        return np.ascontiguousarray(made)

    return laid


def as_operand(result: Any, operand: Any) -> Any:
    """The result, which has the shape of the operand, in the operand's order of memory."""
    if operand.flags.c_contiguous:
        return result
    made = np.empty_like(operand, dtype=result.dtype)
    made[...] = result
    return made
