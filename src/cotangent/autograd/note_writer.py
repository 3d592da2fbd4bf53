"""Writes the notes of notes.py: finds the source lines, draws the carets, fills in the sentences.

Loaded by the first error that has a note.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import Any, Final

from ..config import settings
from ..dtypes import FLOATING
from .base import TensorBase
from .modes import modes
from .note_texts import LABELS, TEXTS
from .slices import gave_away
from .where import Place, here, place, user_frame

# What switches recording off, as it is written in a program.
_SWITCHES: Final = {"set_grad_enabled": "set_grad_enabled(False)", "no_grad": "no_grad()"}
_SYMBOLS: Final = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_LEFT: Final = {"detach": ".detach()", "detach_": ".detach_()", "data": ".data"}


def write(
    error: BaseException, kind: str, values: dict[str, Any], spots: dict[str, Any], at_user: bool = False
) -> None:
    """See `notes.annotate`; with `at_user` the place is the user's current line."""
    if at_user:
        spots = {"off": values.get("off"), "here": here()}
    known = {role: found for role, spot in spots.items() if (found := _place(spot)) is not None}
    if kind == "stale" and "broken" in known and re.search(r"\.step\(", known["broken"].expression):
        kind = "stale_step"
    for language in settings.languages():
        why, fix = (sentence.format(**values) for sentence in TEXTS[kind][language])
        labels = LABELS[language]
        lines = [_spot(labels[role], where) for role, where in known.items()]
        lines.append(f"  {labels['why']}: {why}")
        if fix:
            lines.append(f"  {labels['fix']}: {fix}")
        error.add_note("\n".join(lines))


def no_gradient(error: BaseException, t: Any) -> None:
    """Add to an exception why the tensor `t` requires no gradient."""
    cut = t._cut if isinstance(t, TensorBase) else None
    if cut is None:
        _untracked(error, t)
        return
    reason, code, lasti, off = cut
    if off is not None:
        kind = "off" if modes.grad is None and modes.off == off else "block"
        by = _SWITCHES.get(off[0], f"{off[0]}()")
        write(error, kind, {"by": by}, {"computed": (code, lasti), "off": off[1:]})
    elif reason in _LEFT:
        write(error, "detach", {"by": _LEFT[reason]}, {"cut": (code, lasti), "here": here()})
    elif isinstance(reason, str):
        write(error, reason, {}, {"cut": (code, lasti), "here": here()})
    elif reason.name == "cast":
        write(error, "integers", {}, {"cut": (code, lasti), "here": here()})
    else:
        name = _SYMBOLS.get(reason.public, f"{reason.public}()")
        write(error, "no_derivative", {"by": name}, {"cut": (code, lasti), "here": here()})


def _untracked(error: BaseException, t: Any) -> None:
    """Say what the source text tells of a tensor that was computed from nothing that requires a gradient."""
    frame = user_frame(sys._getframe(1))
    by, exit_place, leaves = gave_away(frame)
    if by:
        write(error, "exit", {"by": by}, {"cut": exit_place, "here": here()})
        return
    for wanted, kind in ((True, "plain_leaf"), (False, "integer_leaf")):
        for value, where in leaves:
            if (value.dtype.category >= FLOATING) is wanted:
                write(error, kind, {}, {"made": where, "here": here()})
                return
    write(error, "nograph", {}, {"here": here()})


def _place(spot: Any) -> Place | None:
    if spot is None or isinstance(spot, Place):
        return spot
    code, lasti = spot[-2:]
    return None if code is None else place(code, lasti)


def _spot(label: str, where: Place) -> str:
    """A source line with carets under the expression, as tracebacks show it."""
    head = f"  {label} {where.file}:{where.line}"
    if where.column is not None:
        head += f":{where.column + 1}"
    text = where.text.strip()
    if not text:
        return head
    out = f"{head}\n    {text}"
    if where.column is not None and where.end_column is not None:
        indent = len(where.text) - len(where.text.lstrip())
        before = where.text[indent : where.column]
        out += "\n    " + " " * _width(before) + "^" * max(_width(where.expression), 1)
    return out


def _width(text: str) -> int:
    """How many columns of a terminal the text takes: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
