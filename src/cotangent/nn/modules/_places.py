"""Places in containers, and what their `update` is called with."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any


def position(index: Any, size: int) -> int:
    """An index, possibly negative, as a position in a list of a given size."""
    index = operator.index(index)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range")
    return int(index % size)


def checked_pairs(elements: Iterable[Any], owner: str) -> Iterator[Any]:
    """The elements, each tested to be a pair.

    Args:
        elements: what `update` was called with.
        owner: class name for the messages.

    Raises:
        TypeError: if an element is not iterable.
        ValueError: if an element has not two parts.
    """
    for place, element in enumerate(elements):
        if not isinstance(element, Iterable):
            raise TypeError(
                f"{owner} update sequence element #{place} should be Iterable; is{type(element).__name__}"
            )
        if not len(element) == 2:  # type: ignore[arg-type]
            raise ValueError(
                f"{owner} update sequence element #{place} has length {len(element)}; 2 is required"  # type: ignore[arg-type]
            )
        yield element[0], element[1]  # type: ignore[index]
