"""In which order dimensions lie in memory, as PyTorch's iterators over several operands choose it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["chosen", "lying", "order_of", "steps_of"]


def steps_of(shape: tuple[int, ...], operands: Sequence[Any]) -> list[tuple[int, ...]]:
    """The strides of operands along the dimensions of their result, 0 where they are stretched."""
    rank = len(shape)
    return [
        (0,) * (rank - x.ndim)
        + tuple(
            0 if n == 1 != m else abs(s)
            for n, s, m in zip(x.shape, x.strides, shape[rank - x.ndim :], strict=True)
        )
        for x in operands
    ]


def order_of(shape: tuple[int, ...], steps: Sequence[tuple[int, ...]]) -> list[int]:
    """The dimensions from the innermost outwards, as PyTorch's iterators over several operands sort them.

    Args:
        shape: of the result.
        steps: the strides of each operand, 0 where it is stretched; the first one that can tell decides.
    """

    def outside(a: int, b: int) -> int:
        for s in steps:
            if s[a] and s[b]:
                if s[a] != s[b]:
                    return 1 if s[a] > s[b] else -1
                if shape[a] > shape[b]:
                    return 1
        return 0

    order = list(range(len(shape)))[::-1]
    for k in range(1, len(order)):
        at = k
        for other in range(k - 1, -1, -1):
            found = outside(order[other], order[at])
            if found < 0:
                break
            if found > 0:
                order[other], order[at] = order[at], order[other]
                at = other
    return order


def lying(shape: tuple[int, ...], operands: Sequence[Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How what is computed from operands lies in memory in PyTorch.

    Returns:
        The sizes from the outermost dimension in memory inwards, and the axes of the result among them.
    """
    outwards = order_of(shape, steps_of(shape, operands))[::-1]
    axes = [0] * len(shape)
    for place, d in enumerate(outwards):
        axes[d] = place
    return tuple([shape[d] for d in outwards]), tuple(axes)


def chosen(shape: tuple[int, ...], dtype: Any, operands: Sequence[Any]) -> Any:
    """A new array that lies in memory as what PyTorch computes from operands."""
    sizes, axes = lying(shape, operands)
    return np.empty(sizes, dtype).transpose(axes)
