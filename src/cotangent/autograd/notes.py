"""Notes on errors: which line recorded the operation, which line broke it, why, and the smallest fix.

The exception's own text stays PyTorch's; what is known beyond it is added with `add_note`, in the
languages that COTANGENT_LANG names (`en`, `zh`, `both`). This module is what the engine imports: it is small,
and the sentences and the reading of source text are loaded by the first error.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from .. import lazy
from ..errors import explainer
from .base import TensorBase

_slices = lazy.module("cotangent.autograd.slices")
_writer = lazy.module("cotangent.autograd.note_writer")


def annotate(error: BaseException, kind: str, *, values: dict[str, Any] | None = None, **spots: Any) -> None:
    """Add the note of one kind to an exception, with the source lines that are known.

    Args:
        error: the exception, or a warning.
        kind: which explanation (a key of `note_texts.TEXTS`).
        values: what the sentences name.
        spots: (code object, instruction offset) or a Place by role, such as `recorded` and `broken`; None
            where it is not known.
    """
    _writer.write(error, kind, values or {}, spots)


def no_gradient(error: BaseException, t: Any) -> None:
    """Add to an exception why the tensor `t` requires no gradient, as far as can be told."""
    _writer.no_gradient(error, t)


def _noted(error: BaseException, kind: str, values: dict[str, Any]) -> None:
    """For the floors below, which know no lines: the place is the user's."""
    _writer.write(error, kind, values, {"here": None}, True)


def recorded_at(node: Any) -> tuple[CodeType, int] | None:
    """Where a node was recorded."""
    code = getattr(node, "code", None)
    if code is None and hasattr(node, "parent"):
        return recorded_at(node.parent)
    return None if code is None else (code, node.lasti)


def returned_by(node: Any, count: int = 1) -> Any:
    """Where the backward of a custom Function returns `count` values."""
    return _slices.returned_at(getattr(node._forward_cls, "backward", None), count)


def raised_at(error: BaseException) -> tuple[CodeType, int] | None:
    """The instruction that raised an exception, in the innermost frame it has passed."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else (trace.tb_frame.f_code, trace.tb_lasti)


def written_at(t: TensorBase, version: int) -> tuple[CodeType, int] | None:
    """Where the memory of `t` was first written after it had `version`, if that is still known."""
    cell = t._vc
    if cell is None or len(cell) < 3:
        return None
    for number, code, lasti in list.__getitem__(cell, 2):
        if number > version:
            return code, lasti
    return None


def install() -> None:
    """Let the floors below add notes."""
    explainer.add = _noted
