"""Numbers given once for all dimensions, or one for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def each(value: Any, count: int) -> tuple[Any, ...]:
    """`value` as a tuple: itself if it is a sequence, repeated otherwise."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * count


def sides(padding: tuple[int, ...]) -> tuple[int, ...]:
    """A number for each dimension as the two for each that `pad` takes, from the last dimension on."""
    return tuple(n for n in reversed(padding) for _ in range(2))
