"""One rule over a whole group of parameters, as one launch: every array is read and written once.

A rule is a function over arrays in the style of `optim._update`; it is called once with symbols for arrays,
and what it gives is a kernel. The parameters are the steps of one stage, which threads take in chunks,
whatever their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import loops, runtime
from .forms import form_of
from .loops import Body, Loop, Operand, Pass, kind_of
from .symbolic import Sym
from .vectors import compute_type

__all__ = ["update"]


class _Symbols:
    """NumPy's names of the operations rules use, over symbols; where results go to is ignored."""

    def positive(self, value: Any, out: Any) -> Any:
        return value

    def __getattr__(self, name: str) -> Callable[..., Any]:
        form = form_of(getattr(np, name))
        if form is None:
            raise TypeError(f"kernels do not know {name}")

        def operation(*args: Any, **out: Any) -> Any:
            return form(*(args if out else args[:-1]))

        return operation


_SYMBOLS: Final = _Symbols()
# (rule, options, type, which arrays there are) -> a call, or None where the rule has no such form.
_known: Final[dict[Any, loops.Call | None]] = {}
# Elements of a chunk: an update reads and writes several arrays.
_GRAIN: Final = 8192


def update(
    rule: Callable[..., Any],
    rows: Sequence[Sequence[Any]],
    numbers: Sequence[Sequence[float]],
    options: tuple[Any, ...],
) -> bool:
    """Update every row's arrays.

    Args:
        rule: called as `rule(xp, None, None, symbols, numbers, *options)`; gives the new values of all arrays
            but the second (the gradient), in order.
        rows: for each parameter its arrays, or None: of one shape and float type, contiguous, and none of
            them twice.
        numbers: for each parameter the numbers the rule computes with.
        options: what else the rule is called with.

    Returns:
        False if nothing was done: the rule has no form for kernels, or arrays are shared.
    """
    sorts: dict[Any, list[int]] = {}
    for i, row in enumerate(rows):
        pattern = tuple(a is not None for a in row)
        sorts.setdefault((rule, options, row[0].dtype.name, pattern), []).append(i)
    calls = {}
    for key, members in sorts.items():
        if key not in _known:
            _known[key] = _call(rule, rows[members[0]], len(numbers[members[0]]), options)
        calls[key] = _known[key]
    if None in calls.values():
        return False
    pointers = [[runtime.address(a) for a in row if a is not None] for row in rows]
    every = [p for own in pointers for p in own]
    if len(set(every)) != len(every):
        return False
    packed: dict[int, NDArray[np.int64]] = {}
    steps = []
    for key, members in sorts.items():
        call = calls[key]
        assert call is not None
        for i in members:
            size = rows[i][0].size
            if not size:
                continue
            values = packed.get(id(numbers[i]))
            if values is None:
                values = packed[id(numbers[i])] = call.numbers.copy()
                loops.put(values, call.scalars, dict(enumerate(map(float, numbers[i]))))
            steps.append((call.kernel, pointers[i], values, size))
    runtime.run_beside(steps, _GRAIN)
    return True


def _call(rule: Callable[..., Any], row: Sequence[Any], numbers: int, options: tuple[Any, ...]) -> Any:
    """The kernel of a rule for arrays like these, or None."""
    body = Body()
    kind = kind_of(row[0].dtype)
    if kind is None:
        return None
    wide = compute_type(kind)
    symbols: list[Sym | None] = []
    places: list[int] = []
    operand = 0
    for a in row:
        places.append(operand)
        symbols.append(None if a is None else Sym(body, body.input(operand, wide)))
        operand += a is not None
    scalars = [Sym(body, body.number(i, wide)) for i in range(numbers)]
    try:
        results = rule(_SYMBOLS, None, None, list(symbols), scalars, *options)
    except TypeError:
        return None
    targets = [place for position, place in enumerate(places) if position != 1]
    given = [symbol for position, symbol in enumerate(symbols) if position != 1]
    stores = tuple(
        (place, result.ref)
        for place, old, result in zip(targets, given, results)
        if old is not None and result.ref != old.ref
    )
    operands = (Operand(kind, (1,)),) * operand
    plan = loops.lower(Loop((1 << 20,), operands, body, (Pass(stores=stores),)))
    return plan.calls[0]
