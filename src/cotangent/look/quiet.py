"""A backward that leaves no trace: no hooks run, no gradient is kept, nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..autograd.engine import collect, cotangents_of
from ..autograd.modes import modes, next_task, set_recording
from ..autograd.node import Node, Port
from ..autograd.views import edge_of
from ..kernels.fperr import QUIET, reset_errors, set_errors

__all__ = ["Ran", "quiet_backward"]

# A node, the cotangents of its outputs, what it gave for its inputs, and all gradients that wait for a node
# (lists where it has several outputs), those included.
Ran = tuple[Node, tuple[Any, ...], tuple[Any, ...], dict[Any, Any]]


def quiet_backward(tensors: list[Any]) -> Iterator[Ran]:
    """Run backward from tensors of ones, node by node.

    Args:
        tensors: where it begins; those that require no gradient are left out.

    Yields:
        each node after it ran.

    Raises:
        RuntimeError: where a node's saved values were freed.
    """
    grads: dict[Any, Any] = {}
    for t in tensors:
        if t._req:
            _add(grads, edge_of(t), np.ones(t._data.shape, t._data.dtype))
    order, _, _ = collect(list(grads))
    before, task = modes.grad, modes.task
    modes.task = next_task()
    set_recording(False)
    token = set_errors(QUIET)
    try:
        for node in order:
            g = grads.pop(node, None)
            if g is None:
                continue
            if isinstance(node, Port):
                held = grads.setdefault(node.parent, [None] * len(node.parent.outputs))  # type: ignore[attr-defined]
                held[node.output] = g if held[node.output] is None else held[node.output] + g
                continue
            gs = cotangents_of(node, g)
            values = node.apply(gs, False)
            for edge, value in zip(node.edges, values, strict=True):
                if edge is not None and value is not None:
                    _add(grads, edge, value)
            yield node, gs, values, grads
    finally:
        reset_errors(token)
        modes.grad, modes.task = before, task


def _add(grads: dict[Any, Any], node: Any, g: Any) -> None:
    held = grads.get(node)
    grads[node] = g if held is None else held + g
