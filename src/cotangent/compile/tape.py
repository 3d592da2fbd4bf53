"""The tape: a traced function as a flat list of typed instructions.

Every value has a number. Inputs come first, then arrays the function closed over (bound by reference,
so that a later in-place change is seen), then one or more per instruction. `print(tape)` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..autograd.base import wrap
from ..autograd.where import here, place
from ..dtypes import FROM_NUMPY
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..ops.table import Primitive


class Instruction(NamedTuple):
    """One operation: values by number, statics as they are."""

    op: Primitive
    operands: tuple[Any, ...]
    statics: tuple[Any, ...]
    results: tuple[int, ...]
    many: bool
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[Any, ...]
    code: CodeType
    lasti: int
    effect: bool = False  # draws random numbers, or reaches outside: must run once, in its place

    def reads(self) -> list[int]:
        """The values it reads."""
        out: list[int] = []
        for o in self.operands:
            if isinstance(o, tuple):
                out.extend(i for i in o if i is not None)
            elif o is not None:
                out.append(o)
        return out


class Tape:
    """Instructions with their inputs, bound arrays and outputs."""

    def __init__(self) -> None:
        self.count = 0
        self.inputs: list[tuple[int, tuple[int, ...], Any]] = []
        self.bound: list[tuple[int, Any]] = []
        self.instructions: list[Instruction] = []
        self.outputs: list[int] = []
        self.rebuild: Callable[[list[Any]], Any] = lambda leaves: leaves[0]
        self.flatten: Callable[[Sequence[Any]], list[Any]] = list
        self._known: dict[int, int] = {}

    def fresh(self) -> int:
        """The next value's number."""
        self.count += 1
        return self.count - 1

    def add(self, step: Instruction) -> None:
        """Append an instruction."""
        self.instructions.append(step)

    def bind(self, array: Any) -> int:
        """The number of an array the function closed over."""
        found = self._known.get(id(array))
        if found is None:
            found = self._known[id(array)] = self.fresh()
            self.bound.append((found, array))
        return found

    def number(self, value: Any) -> Any:
        """Refuse: there are no numbers while tracing."""
        refuse_numbers()

    numbers = number

    def __call__(self, *arguments: Any) -> Any:
        """Replay the tape through the kernels.

        Args:
            arguments: tensors of the shapes and dtypes it was traced with.

        Raises:
            TypeError: if the number, a shape or a dtype differs.
        """
        given = self.flatten(arguments)
        if len(given) != len(self.inputs):
            raise TypeError(f"the tape takes {len(self.inputs)} tensors, got {len(given)}")
        values: list[Any] = [None] * self.count
        for k, (t, (number, shape, d)) in enumerate(zip(given, self.inputs, strict=True)):
            if tuple(t.shape) != shape or t._data.dtype != d:
                raise TypeError(
                    f"the tape was traced with {FROM_NUMPY[d]} {list(shape)} as tensor {k}, got {t.dtype} "
                    f"{list(t.shape)}"
                )
            values[number] = t._data
        for number, array in self.bound:
            values[number] = array
        token = set_errors(QUIET)
        try:
            for step in self.instructions:
                execute(step, values)
        finally:
            reset_errors(token)
        return self.rebuild([wrap(np.array(values[number])) for number in self.outputs])

    def __str__(self) -> str:
        lines = [f"in   %{n}: {type_text(d, s)}" for n, s, d in self.inputs]
        lines += [f"ref  %{n}: {type_text(a.dtype, a.shape)}" for n, a in self.bound]
        lines += [f"     {text(step)}" for step in self.instructions]
        lines.append(f"out  {', '.join(f'%{n}' for n in self.outputs)}")
        return "\n".join(lines)


def execute(step: Instruction, values: Any) -> None:
    """Run one instruction through its kernel."""
    operands = [
        [values[i] for i in o] if isinstance(o, tuple) else None if o is None else values[o]
        for o in step.operands
    ]
    result = step.op.kernel(*operands, *step.statics)
    for number, value, d in zip(step.results, result if step.many else (result,), step.dtypes, strict=True):
        array = np.asarray(value)
        values[number] = array if array.dtype == d else array.astype(d)


def refuse_numbers() -> NoReturn:
    """Raise the error for code that looks at numbers while tracing."""
    where = place(*here())
    raise RuntimeError(
        f"a traced function must not depend on the numbers in a tensor: {where.file}:{where.line} asks "
        f"for them ({where.text.strip()})"
    )


def text(step: Instruction) -> str:
    """An instruction as it prints."""
    results = ", ".join(
        f"%{n}: {type_text(d, s)}" for n, d, s in zip(step.results, step.dtypes, step.shapes, strict=True)
    )
    operands = [
        f"[{', '.join(f'%{i}' for i in o)}]" if isinstance(o, tuple) else "None" if o is None else f"%{o}"
        for o in step.operands
    ]
    statics = [f"{k}={v!r}" for k, v in zip(step.op.statics, step.statics, strict=True)]
    spot = place(step.code, step.lasti)
    return f"{results} = {step.op.name}({', '.join(operands + statics)})  # {spot.file}:{spot.line}"


def type_text(d: Any, shape: tuple[int, ...]) -> str:
    """`float32[2, 3]`."""
    return f"{FROM_NUMPY[d].name}[{', '.join(map(str, shape))}]"
