"""Which line of the user's program recorded an operation.

A node keeps the code object and the instruction offset of the user's frame: two pointers, taken in
0.1 us. File, line and columns are worked out from them only when somebody asks.
"""

from __future__ import annotations

import itertools
import linecache
import opcode
import os
import sys
import warnings
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from .. import lazy

traceback = lazy.module("traceback")  # wanted in anomaly mode only

_BEFORE_WITH: Final = opcode.opmap.get("BEFORE_WITH", -1)
_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
# file name -> whether the file belongs to cotangent (then the user's frame is further out)
_internal: Final[dict[str, bool]] = {}
internal_files: Final = _internal.get


def is_internal(filename: str) -> bool:
    """Whether code from this file is ours rather than the user's."""
    known = _internal.get(filename)
    if known is None:
        known = _internal[filename] = filename.startswith((_PACKAGE, "<cotangent"))
    return known


def user_frame(frame: FrameType) -> FrameType:
    """The innermost frame at or outside `frame` that is not cotangent's own (the outermost if all are)."""
    known = internal_files
    while True:
        # is_internal written out: a call in a module is some frames deep, and every recorded operation asks.
        internal = known(frame.f_code.co_filename)
        if internal is None:
            internal = is_internal(frame.f_code.co_filename)
        if not internal:
            return frame
        back = frame.f_back
        if back is None:
            return frame
        frame = back


def here() -> tuple[CodeType, int]:
    """Code object and instruction offset of the user's current line."""
    frame = user_frame(sys._getframe(1))
    return frame.f_code, frame.f_lasti


class Place(NamedTuple):
    """A spot in the user's source: lines from 1, columns from 0 (None where Python does not know).

    Of an expression over several lines the spot is what stands in the first one.
    """

    file: str
    line: int
    column: int | None
    end_column: int | None
    function: str
    text: str

    @classmethod
    def of(
        cls, file: str, text: str, line: int, start: int | None, end_line: int | None, end: int | None,
        function: str,
    ) -> Place:  # fmt: skip
        """From positions as Python has them: in bytes of UTF-8."""
        raw = text.encode()
        column = None if start is None else len(raw[:start].decode(errors="replace"))
        if end is not None:
            end = len(raw[:end].decode(errors="replace")) if end_line == line else len(text.rstrip())
        return cls(file, line, column, end, function, text)

    @property
    def expression(self) -> str:
        """The text between the columns; empty where they are not known."""
        return "" if self.column is None else self.text[self.column : self.end_column]


def place(code: CodeType, lasti: int) -> Place:
    """Where the instruction at offset `lasti` of `code` comes from."""
    if lasti > 1 and code.co_code[lasti] == _BEFORE_WITH:
        lasti -= 2  # its own position is the whole block; that before it, the manager's expression
    found = next(itertools.islice(code.co_positions(), max(lasti, 0) // 2, None), (None,) * 4)
    line, end_line, start, end = found
    if line is None:
        line, start, end = code.co_firstlineno, None, None
    elif not lasti:  # the function itself: its first line, or that of its decorators
        start = end = None
    text = linecache.getline(code.co_filename, line).rstrip("\n")
    return Place.of(code.co_filename, text, line, start, end_line, end, code.co_name)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn in the name of the user's line that led here."""
    depth, frame = 1, sys._getframe(0)
    while is_internal(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
        depth += 1
    warnings.warn(message, category, stacklevel=depth)


def user_stack() -> str:
    """The user's part of the call stack, as a traceback prints it."""
    kept: list[Any] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not is_internal(name) and name != "<frozen runpy>":
            kept.append(traceback.FrameSummary(name, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return "".join(traceback.format_list(kept[::-1]))
