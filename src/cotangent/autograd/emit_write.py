"""Writes the code of in-place forms: the fast path of a write that nothing records, or `write`.

A write is not recorded if nothing in it requires a gradient or recording is off. What remains to be done
then is the arithmetic and the count of writes; a write to a tensor that requires a gradient (a parameter
under `no_grad`) also notes the user's line, for the message a later backward may have to give.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from ..ops.table import Primitive, emitter
from .base import bump
from .dispatch import refuse_history
from .emit import Writer, disk, emit, innermost
from .modes import modes
from .views import check_writable, watched
from .where import user_frame


def emit_writer(op: Primitive) -> None:
    """Generate the in-place form of an elementwise op, or of one that stores its result itself."""
    emit(op)
    text = _InPlace(op).writer()
    filename = f"<cotangent {op.name}_>"
    made: dict[str, Any] = {}
    op.entry.__globals__.update(_RUNTIME, store=op.store)
    disk.execute(text, filename, op.entry.__globals__, made)
    writer = innermost(op.writer)
    writer.__defaults__ = made["written"].__defaults__
    name = writer.__name__
    writer.__code__ = made["written"].__code__.replace(co_name=name, co_qualname=name)


class _InPlace(Writer):
    """Text of one in-place form."""

    def writer(self) -> str:
        """The text."""
        op = self.op
        first, *others = op.tensors
        required = [f"{t}=REQUIRED" for t in others]
        statics = [f"{s}={op.defaults.get(s, 'REQUIRED')}" for s in op.statics]
        tensors = "(" + "".join(f"{t}, " for t in op.tensors) + ")"
        self.fallback = f"return write(_op, {tensors}, ({''.join(f'{s}, ' for s in op.statics)}))"
        more = [] if statics else ["*more"]
        self.add(0, f"def written({', '.join([first, *required, *statics, *more])}):")
        if more:
            self.add(1, "if more:", f"    too_many('{op.public}_', {len(op.tensors)}, more)")
        self.unrecorded(first)
        if op.store is not None:
            self.stored(first, others)
        else:
            self.payloads()
            for t in others:
                test = f"{t}._req and noted is None or {t}._view is not None"
                self.add(1, f"if {test}:", f"    {self.fallback}")
                self.apart(first, t)
                self.add(1, f"if a_{t}.shape != a_{first}.shape and a_{t}.shape:", f"    {self.fallback}")
            self.add(
                1, f"if a_{first}.base is not None and not a_{first}.flags.forc:", f"    {self.fallback}"
            )
            self.compute(f"a_{first}")
        self.add(
            1,
            "if noted:",
            "    f = getframe(1)",
            "    if internal(f.f_code.co_filename) is not False:",
            "        f = user_frame(f)",
            f"    bump({first}, f.f_code, f.f_lasti)",
            "elif cell is None:",
            f"    {first}._vc = [1, None]",
            "else:",
            "    cell[0] += 1",
            f"return {first}",
        )
        return "\n".join(self.lines) + "\n"

    def unrecorded(self, first: str) -> None:
        """Leaves for `write` if the tensor written has a history or passes one on.

        `noted` becomes None while recording is on, False while it is off, True if then the line is
        to be noted.
        """
        self.add(1, "noted = None if modes.grad is not None else False")
        self.add(1, "try:", f"    cell = {first}._vc", f"    if {first}._req:")
        self.add(3, "if noted is None:", f"    {self.fallback}", "noted = True")
        self.add(2, f"if {first}._view is not None:", f"    {self.fallback}")
        self.add(1, "except AttributeError:", f"    {self.fallback}")
        self.add(1, "if cell is not None:")
        self.add(2, "if cell.__class__ is not list or (cell[1] is not None and watched(cell)):")
        self.add(3, self.fallback)

    def apart(self, first: str, t: str) -> None:
        """Leaves for `write` if the operand lies in the memory being written, seen another way."""
        self.add(1, f"if (a_{t}.base is not None or a_{first}.base is not None) and a_{t} is not a_{first}:")
        self.add(2, f"if overlap(a_{t}, a_{first}):", f"    {self.fallback}")

    def stored(self, first: str, others: list[str]) -> None:
        """The call of an operation that stores its result itself."""
        op = self.op
        self.add(1, "try:")
        for t in op.tensors:
            self.add(2, f"a_{t} = {t}._data")
        for t in others:
            self.add(2, f"if {t}._req and noted is None:", f"    {self.fallback}")
        self.add(1, "except AttributeError:", f"    {self.fallback}")
        for t in op.tensors:
            self.add(1, f"if a_{t}.__class__ is not ndarray:", f"    {self.fallback}")
        self.add(1, f"if 0 in a_{first}.strides:", f"    {self.fallback}")
        for t in others:
            self.apart(first, t)
        args = ", ".join([*(f"a_{t}" for t in op.tensors), *op.statics])
        self.add(1, "token = set_errors(QUIET)", "try:", f"    store({args})")
        self.add(1, "except (ValueError, TypeError):", f"    {self.fallback}")
        self.add(1, "finally:", "    reset_errors(token)")


def unrecorded(x: Any) -> bool:
    """Whether a write to `x` of what requires no gradient leaves all histories as they are."""
    if x._req and modes.grad is not None:
        return False
    view = x._view
    if view is not None and view.base._req:
        return False
    cell = x._vc
    return cell is None or (cell.__class__ is list and (cell[1] is None or not watched(cell)))


def wrote(x: Any) -> None:
    """Count a write; where a gradient is required, note the user's line."""
    cell = x._vc
    if x._req:
        frame = user_frame(sys._getframe(1))
        bump(x, frame.f_code, frame.f_lasti)
    elif cell is None:
        x._vc = [1, None]
    else:
        cell[0] += 1


def is_traced(x: Any) -> bool:
    """Whether `x` is traced and what is computed from it is not recorded besides."""
    return modes.tracer is not None and modes.grad is None and not x._level and hasattr(x._data, "tape")


_RUNTIME: Final[dict[str, Any]] = {"bump": bump, "watched": watched, "overlap": np.may_share_memory}


def install() -> None:
    """Enter in the table what it needs from this module."""
    emitter.emit_writer = emit_writer
    emitter.unrecorded = unrecorded
    emitter.wrote = wrote
    emitter.writable = check_writable
    emitter.refuse_history = refuse_history
    emitter.is_traced = is_traced
