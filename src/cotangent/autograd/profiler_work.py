"""What a profile counts besides time: floating-point operations and the memory of arrays."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from .base import TensorBase

__all__ = ["Allocations", "flops_of", "flops_of_backward"]

# Products of matrices: which two arguments are multiplied.
_PRODUCTS: Final = {
    "aten::mm": (0, 1), "aten::bmm": (0, 1), "aten::addmm": (1, 2), "aten::baddbmm": (1, 2),
}  # fmt: skip
_POINTWISE: Final = frozenset(("aten::add", "aten::mul"))
_CONVOLUTIONS: Final = frozenset(("aten::conv1d", "aten::conv2d", "aten::conv3d"))
_NODES: Final = {"MmBackward0": 2, "BmmBackward0": 2, "AddmmBackward0": 2, "BaddbmmBackward0": 2}


def flops_of(name: str, args: tuple[Any, ...], result: Any) -> int:
    """Floating-point operations of one call, as PyTorch counts them: products, convolutions, add and mul.

    Args:
        name: of the event.
        args: what the operation was given.
        result: what it returned.
    """
    if name in _PRODUCTS:
        a, b = (_shape(args, position) for position in _PRODUCTS[name])
        return 2 * math.prod(a) * b[-1] if a and b else 0
    if name in _POINTWISE:
        return math.prod(_shape(args, 0) or ())
    if name in _CONVOLUTIONS:
        weight = _shape(args, 1)
        if weight and isinstance(result, TensorBase):
            return 2 * int(result._data.size) * math.prod(weight[1:])
    return 0


def _shape(args: tuple[Any, ...], position: int) -> tuple[int, ...] | None:
    if position < len(args) and isinstance(args[position], TensorBase):
        return tuple(args[position]._data.shape)
    return None


def flops_of_backward(node: Any, g: Any) -> int:
    """Floating-point operations of one node's backward: a product for each operand that wants a gradient."""
    name = type(node).__name__
    if not isinstance(g, np.ndarray):
        return 0
    if name in _NODES:
        operands = node.edges[-2:]
        inner = _inner(node)
        return int(2 * g.size * inner * sum(edge is not None for edge in operands))
    if name == "ConvolutionBackward0":
        weight = getattr(node, "weight", None)
        if isinstance(weight, TensorBase):
            window = math.prod(weight._data.shape[1:])
            return int(2 * g.size * window * sum(e is not None for e in node.edges[:2]))
    return 0


def _inner(node: Any) -> int:
    """The dimension that a product has summed over."""
    for field in node.saved_names:
        value = getattr(node, field, None)
        if isinstance(value, TensorBase) and value._data.ndim >= 2:
            left = field in ("mat1", "batch1", "input")
            return int(value._data.shape[-1 if left else -2])
    return 0


def _owner(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _owners(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _owners(value)
        else:
            data = value._data if isinstance(value, TensorBase) else value
            if isinstance(data, np.ndarray):
                yield _owner(data)


class Allocations:
    """Arrays that operations made, by when they come and go.

    Args:
        count: is told of bytes, negative when an array goes.
    """

    def __init__(self, count: Callable[[int], None]) -> None:
        self.count = count
        self.alive: dict[int, Any] = {}

    def made(self, results: Iterable[Any], given: Iterable[Any]) -> None:
        """Count the arrays among the results of an operation that are new."""
        old = {id(owner) for owner in _owners(given)}
        for owner in _owners(results):
            key = id(owner)
            if key in old or key in self.alive or not owner.nbytes:
                continue
            size = owner.nbytes
            self.alive[key] = weakref.ref(owner, self._going(key, size))
            self.count(size)

    def _going(self, key: int, size: int) -> Callable[[Any], None]:
        def gone(_: Any) -> None:
            if self.alive.pop(key, None) is not None:
                self.count(-size)

        return gone
