"""Which pipes a pipe reads from: `torch.utils.data.graph`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = ["traverse", "traverse_dps"]

_PIPES = (IterDataPipe, MapDataPipe)


def _inside(value: Any, seen: set[int]) -> Iterator[Any]:
    """The pipes in a nest of containers and objects, without looking into them."""
    if isinstance(value, _PIPES):
        yield value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        parts: Any = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = value
    else:
        parts = vars(value).values() if hasattr(value, "__dict__") and not isinstance(value, type) else ()
    for part in parts:
        yield from _inside(part, seen)


def traverse_dps(datapipe: Any) -> dict[int, Any]:
    """The graph of pipes behind one.

    Args:
        datapipe: the pipe.

    Returns:
        For each pipe's `id`, the pipe and the graph of those that it reads from.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> from cotangent.utils.data.graph import traverse_dps
        >>> pipe = IterableWrapper([1]).batch(1)
        >>> [(found, [str(p) for p, _ in below.values()]) for found, below in traverse_dps(pipe).values()]
        [(BatcherIterDataPipe, ['IterableWrapperIterDataPipe'])]
    """
    return _graph(datapipe, set())


def _graph(datapipe: Any, seen: set[int]) -> dict[int, Any]:
    if id(datapipe) in seen:
        return {}
    below = seen | {id(datapipe)}
    found: dict[int, Any] = {}
    for part in _inside(vars(datapipe), set()):
        found.update(_graph(part, below))
    return {id(datapipe): (datapipe, found)}


def traverse(datapipe: Any, only_datapipe: bool | None = None) -> dict[int, Any]:
    """An older name of `traverse_dps`.

    Args:
        datapipe: the pipe.
        only_datapipe: accepted as in PyTorch.
    """
    return traverse_dps(datapipe)
