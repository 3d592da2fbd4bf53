"""How optimizers run their rules over parameters.

A rule is written once, as calls of the shape `operation(a, b, out)` that give the result back:

    t = xp.multiply(g, lr, t)
    p = xp.subtract(p, t, p)

(`maximum` wants `out` by name.) Over arrays `xp` is NumPy, whose ufuncs write into `out`: nothing is
allocated. Over tensors (a differentiable optimizer, a traced or transformed step) `xp` is `RECORDED`, which
ignores `out`, and the results are copied into the parameter and its state at the end. `positive(g, out)`
makes the first value of a state, which has no history.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from .. import functions, lazy
from ..autograd.base import bump
from ..autograd.modes import modes
from ..autograd.where import here
from ..kernels.sized import worthwhile
from ..tensor import Tensor

groups: Any = lazy.module("cotangent.kernels.groups")

Rule = Callable[..., Any]

# Elements per pass over a large array. What a rule touches at once should stay in the cache; blocks smaller
# than this cost more in calls than they save.
_BLOCK: Final = 262144
# Elements of a group from which one generated kernel for all of it is faster.
_TOGETHER: Final = 16384
# Temporaries kept for small arrays; a model has few shapes, and one that has many starts over.
_KEPT: Final = 512


class _Recorded:
    """NumPy's names of the operations rules use, over tensors; the last argument is ignored."""

    def positive(self, value: Any, out: Any) -> Any:
        return value.detach()

    def maximum(self, a: Any, b: Any, out: Any = None) -> Any:
        return functions.maximum(a, b) if isinstance(b, Tensor) else functions.clamp(a, min=b)

    def minimum(self, a: Any, b: Any, out: Any = None) -> Any:
        return functions.minimum(a, b) if isinstance(b, Tensor) else functions.clamp(a, max=b)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(functions, name)

        def operation(*args: Any, **out: Any) -> Any:
            return function(*(args if out else args[:-1]))

        return operation


RECORDED: Final = _Recorded()


class _Temporaries(threading.local):
    """Two work arrays for each shape and dtype, made once in each thread."""

    def __init__(self) -> None:
        self.made: dict[Any, tuple[Any, Any]] = {}

    def like(self, array: Any) -> tuple[Any, Any]:
        key = (array.shape, array.dtype)
        pair = self.made.get(key)
        if pair is None:
            if len(self.made) >= _KEPT:
                self.made.clear()
            pair = self.made[key] = (np.empty(array.shape, array.dtype), np.empty(array.shape, array.dtype))
        return pair


_temporaries: Final = _Temporaries()


def number(value: Any) -> Any:
    """A hyper-parameter as a Python number, if it is a tensor."""
    return value.item() if isinstance(value, Tensor) else value


def update(
    rule: Rule,
    work: Iterable[tuple[Sequence[Any], Sequence[Any]]],
    options: Sequence[Any] = (),
    *,
    recorded: bool = False,
    as_real: bool = False,
) -> None:
    """Run a rule over parameters.

    Args:
        rule: called as `rule(xp, t, u, tensors, numbers, *options)`, with `t` and `u` to work in and
            `tensors` as in `work`, as arrays or tensors. It gives the new values of all tensors but the
            gradient, in order.
        work: for each parameter, `(parameter, gradient, *state)`, where state may hold None, and the
            numbers of this step. Equal numbers may be one object.
        options: what else the rule is called with; not numbers that change.
        recorded: whether to run over tensors in any case.
        as_real: whether the rule takes complex values as pairs of real ones.
    """
    work = list(work)
    recorded = recorded or bool(modes.dispatch)  # dispatch modes are to see the arithmetic
    # The user's line, which errors about stale values name as the one that wrote.
    code, lasti = here()
    if not recorded and _update_together(rule, work, tuple(options), as_real):
        for tensors, _ in work:
            for place, x in enumerate(tensors):
                if x is not None and place != 1:
                    bump(x, code, lasti)
        return
    known_numbers: Any = None
    known_dtype: Any = None
    values: list[Any] = []
    temporaries = _temporaries.made
    for tensors, numbers in work:
        p = tensors[0]._data
        if recorded or p.__class__ is not np.ndarray:
            _update_tensors(rule, tensors, numbers, options, as_real)
            continue
        arrays: list[Any] = [None if x is None else x._data for x in tensors]
        dtype = p.dtype
        if as_real and dtype.kind == "c":
            arrays = [None if a is None else _as_real(a) for a in arrays]
            p = arrays[0]
            dtype = p.dtype
        narrow = dtype.itemsize == 2
        if numbers is not known_numbers or dtype is not known_dtype:
            known_numbers, known_dtype = numbers, dtype
            # As arrays: a ufunc takes those twice as fast as Python's numbers.
            values = [np.asarray(number(n), np.float32 if narrow else dtype) for n in numbers]
        if narrow:
            _update_narrow(rule, arrays, values, options)
        elif p.size <= _BLOCK:
            t, u = temporaries.get((p.shape, dtype)) or _temporaries.like(p)
            rule(np, t, u, arrays, values, *options)
        else:
            _update_large(rule, arrays, values, options)
        gradient = tensors[1]
        for x in tensors:
            if x is not None and x is not gradient:
                bump(x, code, lasti)


def _update_together(rule: Rule, work: Sequence[Any], options: tuple[Any, ...], as_real: bool) -> bool:
    """All parameters by one generated kernel, if they are plain arrays of many elements; whether it was done.

    The arithmetic is the same operation for operation, and so are the results.
    """
    rows: list[list[Any]] = []
    size = 0
    for tensors, _ in work:
        row: list[Any] = [None if x is None else x._data for x in tensors]
        p = row[0]
        if any(a is not None and a.__class__ is not np.ndarray for a in row):
            return False
        if as_real and p.dtype.kind == "c":
            if not all(a is None or a.flags.c_contiguous for a in row):
                return False
            row = [None if a is None else _as_real(a) for a in row]
            p = row[0]
        d, shape = p.dtype, p.shape
        for a in row:
            if a is not None and (a.dtype != d or a.shape != shape or not a.flags.c_contiguous):
                return False
        rows.append(row)
        size += p.size
    if size < _TOGETHER or not worthwhile(size):
        return False
    seen: dict[int, list[Any]] = {}
    numbers = [seen.setdefault(id(values), [number(n) for n in values]) for _, values in work]
    return bool(groups.update(rule, rows, numbers, options))


def _as_real(array: Any) -> Any:
    """Complex values as real ones, in the same memory."""
    if array.ndim == 0:
        array = array.reshape(1)
    return array.view(array.real.dtype)


def _update_large(rule: Rule, arrays: list[Any], values: Sequence[Any], options: Sequence[Any]) -> None:
    """Block by block, so that memory is read and written once however many operations the rule has."""
    p = arrays[0]
    # The gradient (second) is only read: where it is not flat, a flat copy will do.
    if not all(a is None or a.flags.c_contiguous for a in (p, *arrays[2:])):
        # Not flat in memory; rare enough to pay for temporaries of full size.
        rule(np, np.empty_like(p), np.empty_like(p), arrays, values, *options)
        return
    flat: list[Any] = [None if a is None else a.reshape(-1) for a in arrays]
    size = p.size
    t, u = _temporaries.like(flat[0][:_BLOCK])
    for start in range(0, size, _BLOCK):
        end = min(start + _BLOCK, size)
        part = [None if a is None else a[start:end] for a in flat]
        rule(np, t[: end - start], u[: end - start], part, values, *options)


def _update_narrow(rule: Rule, arrays: list[Any], values: Sequence[Any], options: Sequence[Any]) -> None:
    """16-bit floats: computed in float32, as decay rates near 1 are 1 in 16 bits."""
    wide: list[Any] = [None if a is None else a.astype(np.float32) for a in arrays]
    t, u = np.empty_like(wide[0]), np.empty_like(wide[0])
    rule(np, t, u, wide, values, *options)
    for position, (array, result) in enumerate(zip(arrays, wide)):
        if array is not None and position != 1:
            array[...] = result


def _update_tensors(
    rule: Rule, tensors: Sequence[Any], numbers: Sequence[Any], options: Sequence[Any], as_real: bool
) -> None:
    if as_real and tensors[0].is_complex():
        tensors = [None if x is None else functions.view_as_real(x) for x in tensors]
    # What the graph keeps of the old values must not be what is written to below; the gradient is not.
    old = [x if x is None or place == 1 else x.clone() for place, x in enumerate(tensors)]
    results = rule(RECORDED, None, None, old, numbers, *options)
    for x, result in zip((tensors[0], *tensors[2:]), results):
        if x is not None and result is not x:
            x.copy_(result)
