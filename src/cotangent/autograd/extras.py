"""What happens to a node just recorded when more than plain recording is on: traces, packed saves."""

from __future__ import annotations

from typing import Any

from .modes import Extras
from .recorded import OpNode
from .where import user_stack


def after_record(extras: Extras, node: Any, operands: tuple[Any, ...], results: tuple[Any, ...]) -> None:
    """Look at a new node: tell who watches, keep the forward stack (anomaly mode), pack saved values (hooks).

    Args:
        operands: the tensors that the operation was given, per parameter.
        results: the tensors it made, or wrote.
    """
    for watch in extras.watchers:
        watch(node, operands, results)
    if extras.anomaly:
        node.metadata["traceback_"] = user_stack()
        if extras.running is not None:
            node.metadata["parent_"] = extras.running
    if extras.saved_hooks:
        pack, unpack = extras.saved_hooks[-1]
        if isinstance(node, OpNode):
            for field in node.saved_names:
                made = results[int(field[3:] or 0)] if field.startswith("out") else None
                node.pack(field, pack, unpack, made=made)
        elif getattr(node, "_saved", None):
            for index in range(len(node._saved)):
                node.pack(index, pack, unpack)
