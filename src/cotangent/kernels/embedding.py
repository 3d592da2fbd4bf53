"""Rows of a table by index, and the sums that differentiate picking them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .halves import in_float
from .index import add_rows


def embedding(weight: Any, index: Any) -> Any:
    """weight[index].

    Raises:
        IndexError: for a row that does not exist.
    """
    if index.size and np.minimum.reduce(index, axis=None) < 0:
        raise IndexError("index out of range in self")
    try:
        return weight.take(index, axis=0)
    except IndexError:
        raise IndexError("index out of range in self") from None


def _factors(index: Any, dtype: Any) -> Any:
    """What each index's row counts for: one over its frequency."""
    _, inverse, counts = np.unique(index, return_inverse=True, return_counts=True)
    return (1.0 / counts[inverse]).astype(dtype).reshape(*index.shape, 1)


def embedding_backward(
    g: Any, index: Any, shape: tuple[int, ...], padding: int, by_frequency: bool
) -> Any:
    """Zeros of `shape` with the rows of g added at their indices, those of the padding left out."""
    if by_frequency:
        g = g * _factors(index, g.dtype)
    found = np.zeros(shape, g.dtype)
    add_rows(found, index.reshape(-1), g.reshape(index.size, shape[1]))
    if padding >= 0:
        found[padding] = 0  # whatever g has there, not numbers included
    return found


@in_float
def embedding_picked(c: Any, index: Any, padding: int, by_frequency: bool) -> Any:
    """The transpose of `embedding_backward`."""
    found = c.take(index, axis=0)
    if by_frequency:
        found = found * _factors(index, c.dtype)
    if padding >= 0:
        found[index == padding] = 0
    return found


def one_hot(index: Any, classes: int) -> Any:
    """int64 zeros with a one at each index.

    Raises:
        RuntimeError: for an index that is no column.
    """
    if index.size:
        if index.min() < 0:
            raise RuntimeError("Class values must be non-negative.")
        if index.max() >= classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    found = np.zeros((index.size, classes), np.int64)
    found[np.arange(index.size), index.reshape(-1)] = 1
    return found.reshape(*index.shape, classes)
