"""Generated kernels in eager mode: which operation of which size uses one.

`@sized("name")` decorates an elementwise NumPy kernel: small arrays take the NumPy code (bit for bit what
they always gave), large ones the generated kernel of the formula `name` (see `activation_forms`), which
passes over memory once, on all cores. Both agree to a few units in the last place.

The first large operations of a program stay with NumPy, until so many elements have been computed (`WARM_UP`)
that loading the compiler has paid; this depends on the program alone, not on the time. From then on a kernel
is compiled (or found on disk) when it is first needed. COTANGENT_KERNELS=0 keeps to NumPy, 1 does without the
warm-up.

This module is loaded with the package and so is small; what does the work is loaded when it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

import numpy as np

from .. import lazy
from .fperr import QUIET, reset_errors, set_errors

__all__ = ["HEAVY", "LARGE", "LIGHT", "RULES", "generated", "large", "sized", "worthwhile"]

runtime: Any = lazy.module("cotangent.kernels.runtime")
eager: Any = lazy.module("cotangent.kernels.eager")
forms: Any = lazy.module("cotangent.kernels.forms")
pool: Any = lazy.module("cotangent.kernels.pool")

# Elements from which a generated kernel is faster, as benchmarks/eager_kernels.py measures it: for
# expressions of several operations or a transcendental one, and for a single cheap one (which NumPy does at
# the speed of memory).
_ALL: Final = os.environ.get("COTANGENT_KERNELS") == "all"
HEAVY: Final = 1 if _ALL else 4096
LIGHT: Final = 1 if _ALL else 65536
# From which a rule of an elementwise operation is one kernel instead of several steps.
RULES: Final = 1 if _ALL else 32768
_TRANSCENDENTAL: Final = 1 if _ALL else 16384
# One cheap operation waits for memory, which several cores do less.
_BANDWIDTH: Final = 1 if _ALL else 1 << 19
# Ufuncs that have a kernel (`forms` says which), by the size from which it is faster.
LARGE: Final[dict[Any, int]] = {
    **dict.fromkeys((np.add, np.subtract, np.multiply, np.maximum, np.minimum), _BANDWIDTH),
    **dict.fromkeys((np.true_divide, np.sqrt), LIGHT),
    **dict.fromkeys(
        (np.exp, np.expm1, np.log, np.log1p, np.log2, np.log10, np.sin, np.cos, np.tan, np.tanh),
        _TRANSCENDENTAL,
    ),
}
WARM_UP: Final = 1 << 21


class _State:
    """Whether generated kernels are in use."""

    def __init__(self) -> None:
        self.on = False
        self.off = False
        self.credit = 0


_state: Final = _State()
_here: Final[ContextVar[bool]] = ContextVar("large arrays come from the pool", default=False)


def worthwhile(size: int) -> bool:
    """Whether an operation on that many elements uses a generated kernel; counts them.

    Args:
        size: of the operation, above its threshold.

    Returns:
        True if it does.
    """
    if not _state.on and not _warm(size):
        return False
    if not _here.get():
        # Large results come from recycled memory, which NumPy sets up for each context (thread, task).
        _here.set(True)
        pool.install()
    return True


def _warm(size: int) -> bool:
    if _state.off:
        return False
    _state.credit += size
    wanted = os.environ.get("COTANGENT_KERNELS", "")
    if wanted == "0":
        _state.off = True
        return False
    if wanted not in ("1", "all") and _state.credit < WARM_UP:
        return False
    _state.on = runtime.ready()
    _state.off = not _state.on
    return _state.on


@contextmanager
def by_numpy() -> Iterator[None]:
    """For a block: no generated kernels, as with COTANGENT_KERNELS=0."""
    before = _state.on, _state.off
    _state.on, _state.off = False, True
    try:
        yield
    finally:
        _state.on, _state.off = before


def generated(a: Any, threshold: int = HEAVY, *others: Any) -> bool:
    """Whether an operation on an array uses a generated kernel: it is large, and of a type kernels know.

    Args:
        a: the array that is worked through.
        threshold: elements from which a kernel is faster.
        *others: arrays that must have the same type (None is no array).

    Returns:
        True if it does.
    """
    if a.__class__ is not np.ndarray or a.size < threshold:
        return False
    d = a.dtype
    if d is not _F32 and d is not _F64 and not _is_known(d):
        return False
    for other in others:
        if other is not None and (other.__class__ is not np.ndarray or other.dtype != d):
            return False
    return worthwhile(a.size)


def sized(form: str, threshold: int = HEAVY) -> Callable[[Any], Any]:
    """A decorator of elementwise NumPy kernels: large arrays are computed by a generated kernel.

    Args:
        form: name of the kernel's formula.
        threshold: elements from which that is faster.

    Returns:
        The decorator. The kernel takes arrays, then statics, then `out=`.
    """

    def decorate(kernel: Any) -> Any:
        fused: Any = None

        @wraps(kernel)
        def run(a: Any, *rest: Any, out: Any = ...) -> Any:
            if a.size < threshold or not worthwhile(a.size) or not _fits(a, rest, out):
                return kernel(a, *rest, out=out)
            nonlocal fused
            if fused is None:
                fused = eager.Fused(forms.form_named(form))
            return fused((a, *rest), None if out is ... else out)

        run.form = form  # type: ignore[attr-defined]
        return run

    return decorate


def large(kernel: Any, form: Callable[[], Callable[..., Any]] | None = None) -> Callable[..., Any]:
    """A function over large arrays: by a generated kernel where it can be, else by the kernel itself.

    Args:
        kernel: a ufunc, or an elementwise rule over arrays.
        form: makes the rule's formula over symbols; a ufunc's is known.

    Returns:
        The function, which takes what the kernel takes, arrays first.
    """
    fused: Any = None
    hopeless: set[Any] = set()

    def run(a: Any, *rest: Any) -> Any:
        nonlocal fused
        if a.dtype not in hopeless and worthwhile(a.size) and _fits(a, rest, None):
            try:
                if fused is None:
                    fused = eager.Fused(forms.form_of(kernel) if form is None else form(), form is not None)
                return fused((a, *rest))
            except forms.NoForm:
                hopeless.add(a.dtype)
        token = set_errors(QUIET)
        try:
            return kernel(a, *rest, out=...) if form is None else kernel(a, *rest)
        finally:
            reset_errors(token)

    return run


_F32: Final = np.dtype(np.float32)
_F64: Final = np.dtype(np.float64)


def _is_known(d: Any) -> bool:
    """Whether kernels know a dtype (its name would take NumPy long; bfloat16's kind is "V")."""
    return bool((d.itemsize == 2 and d.kind in "fV") or d in (_F32, _F64))


def _fits(a: Any, rest: tuple[Any, ...], out: Any) -> bool:
    """Whether these operands are for a kernel: arrays of one float type, and no writing into what is read."""
    if a.__class__ is not np.ndarray:
        return False
    d = a.dtype
    if d is not _F32 and d is not _F64 and not _is_known(d):
        return False
    for other in rest:
        if other.__class__ is np.ndarray:
            if other.dtype is not d and other.dtype != d:
                return False
            if other.ndim and other.shape != a.shape and np.broadcast_shapes(a.shape, other.shape) != a.shape:
                return False
    if out is ... or out is None:
        return True
    if out.__class__ is not np.ndarray or out.dtype != d or out.shape != a.shape:
        return False
    return not any(
        x is not out and np.may_share_memory(x, out) for x in (a, *rest) if x.__class__ is np.ndarray
    )
