"""Identities that are there for their backward: one that raises, one that says nothing."""

from __future__ import annotations

import weakref
from typing import Any

from .base import TensorBase
from .dispatch import owner_of
from .node import Node, Port, next_seq
from .recorded import alias
from .views import edge_of
from .where import here


class _Identity(Node):
    """A node of tensors handed on as they are."""

    __slots__ = ("outputs",)

    outputs: tuple[Any, ...]

    def __init__(self, tensors: tuple[Any, ...]) -> None:
        self.edges = tuple(edge_of(t) if t is not None and t._req else None for t in tensors)
        self.seq = next_seq()
        self.code, self.lasti = here()
        self.hooks = None
        self.fit = None

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        self.apply((g,), False)


class Error(_Identity):
    """Raises when it is run."""

    __slots__ = ("text", "nout")
    __module__ = "builtins"

    def __init__(self, text: str, tensors: tuple[Any, ...]) -> None:
        super().__init__(tensors)
        self.text = text
        self.nout = len(tensors)  # type: ignore[misc]
        self.outputs = (None,)

    def name(self) -> str:
        return "torch::autograd::Error"

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        raise RuntimeError(self.text)


class UndefinedGradBackward(_Identity):
    """Hands on no cotangent."""

    __slots__ = ()
    __module__ = "builtins"

    def name(self) -> str:
        return "torch::autograd::UndefinedGradBackward"

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        return (None,)


def refusing_where_recorded(
    text: str, tensors: tuple[Any, ...], owner: Any, operands: Any, recording: Any
) -> tuple[Any, ...]:
    """Tensors (or others) computed from `operands`, whose backward raises wherever somebody records.

    Args:
        text: of the error.
        tensors: what was computed.
        owner: the highest level among the operands, or None.
        operands: what it was computed from.
        recording: the recording mode at that level; the levels below have their own.
    """
    if owner is not None and hasattr(owner, "outside"):
        below = tuple(owner.lower(a) for a in operands)
        owned = tuple(owner.lower(t) for t in tensors)
        seen = refusing_where_recorded(text, owned, owner_of(below), below, owner.outside)
        # At this level they have no history: they were computed without recording.
        pairs = zip(tensors, owned, seen, strict=True)
        tensors = tuple(t if made is was else owner.wrap(made) for t, was, made in pairs)
    if recording is None or not any(isinstance(a, TensorBase) and a._req for a in operands):
        return tensors
    # Leaves that require a gradient: only from such does anything get a history.
    return refusing(text, tuple(_variable(t) if isinstance(t, TensorBase) else t for t in tensors))


def _variable(t: Any) -> Any:
    """The same memory as a leaf that requires a gradient."""
    leaf = alias(t, None)
    leaf._req = True
    return leaf


def refusing(text: str, tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Aliases of tensors (or None) whose backward raises a RuntimeError.

    Args:
        text: of the error.
        tensors: tensors and None.

    Returns:
        for each tensor an alias on the same memory, for None None.
    """
    node = Error(text, tensors)
    if len(tensors) == 1:
        return (None if tensors[0] is None else alias(tensors[0], node),)
    ports = [None if t is None else Port(node, i) for i, t in enumerate(tensors)]
    node.outputs = tuple(None if port is None else weakref.ref(port) for port in ports)
    return tuple(None if t is None else alias(t, port) for t, port in zip(tensors, ports, strict=True))
