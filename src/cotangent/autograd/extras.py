"""What happens to a node just recorded when more than plain recording is on: traces, packed saves."""

from __future__ import annotations

from typing import Any

from .base import TensorBase, wrap
from .modes import Extras
from .recorded import OpNode, Packed
from .where import user_stack


def after_record(extras: Extras, node: Any) -> None:
    """Look at a new node: keep the forward stack (anomaly mode), pack its saved tensors (hooks)."""
    if extras.anomaly:
        node.metadata["traceback_"] = user_stack()
        if extras.running is not None:
            node.metadata["parent_"] = extras.running
    if extras.saved_hooks or extras.saving_disabled is not None:
        if isinstance(node, OpNode):
            _pack_saved(extras, node)
        elif getattr(node, "_saved", None):
            _refuse(extras)
            pack, unpack = extras.saved_hooks[-1]
            node._saved = tuple(
                None if e is None else (Packed(e[0], pack, unpack), 0, None, None) for e in node._saved
            )


def _refuse(extras: Extras) -> None:
    if extras.saving_disabled is not None:
        raise RuntimeError(extras.saving_disabled)


def _pack_saved(extras: Extras, node: Any) -> None:
    for field in node.saved_names:
        value = getattr(node, field, None)
        if value is None or (field not in node.op.tensors and not _is_output(node, field)):
            continue
        if field in node.op.lists:
            _refuse(extras)
            pack, unpack = extras.saved_hooks[-1]
            setattr(node, field, tuple(Packed(t, pack, unpack) for t in value))
            setattr(node, field + "_v", (0,) * len(value))
            continue
        _refuse(extras)
        pack, unpack = extras.saved_hooks[-1]
        t = value if isinstance(value, TensorBase) else wrap(value)
        setattr(node, field, Packed(t, pack, unpack))
        if field in node.op.tensors:
            setattr(node, field + "_v", 0)


def _is_output(node: Any, field: str) -> bool:
    return field.startswith("out") and hasattr(node, field + "_vc")


