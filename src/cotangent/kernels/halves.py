"""16-bit floats: computed in float32 and rounded once, as PyTorch's kernels do."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any, Final

import numpy as np

from .. import lazy
from .fperr import QUIET, reset_errors, set_errors
from .sized import HEAVY, large, worthwhile

forms: Any = lazy.module("cotangent.kernels.forms")
casting: Any = lazy.module("cotangent.kernels.casting")

_F32: Final = np.dtype(np.float32)


def is_half(d: Any) -> bool:
    """Whether a dtype is NumPy's of one of the two 16-bit floats (bfloat16's kind is "V")."""
    return d.itemsize == 2 and isinstance(d, np.dtype) and d.kind in "fV"  # (that of traced arrays is ours)


def recast(a: Any, to: Any) -> Any:
    """An array in another dtype; NumPy takes long where a 16-bit float is one of the two."""
    given, wanted = is_half(a.dtype), is_half(to)
    known = (given or a.dtype == _F32) and (wanted or to == _F32)
    if a.size >= HEAVY and (given or wanted) and known and worthwhile(a.size):
        return casting.cast(a, to)
    if wanted and a.dtype == np.float64:
        a = a.astype(_F32)  # PyTorch comes to 16 bits by way of float32
    return a.astype(to)


def in_float(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`kernel` computing in float32 where its first array holds 16-bit floats.

    The entries of elementwise operations do this themselves; rules call kernels directly, and kernels
    that sum have nobody else to do it.
    """

    @wraps(kernel)
    def run(*args: Any, **options: Any) -> Any:
        d = args[0].dtype
        if d.itemsize != 2 or d.kind in "iu":
            if d.itemsize == 1 and d.kind in "Vf":
                name = kernel.__name__.strip("_")
                raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{d.name.capitalize()}'")
            return kernel(*args, **options)
        found = kernel(*[wide(a) for a in args], **options)
        if isinstance(found, tuple):
            return tuple(f if f is None or f.dtype != np.float32 else recast(f, d) for f in found)
        return recast(found, d)

    return run


def wide(value: Any) -> Any:
    """An array (or NumPy number) of 16-bit floats in float32; anything else as it is."""
    d = getattr(value, "dtype", None)
    return recast(value, _F32) if d is not None and is_half(d) else value


# Up to here NumPy's own loops over 16-bit floats, one number at a time, are faster than a launch.
FEW: Final = 256


# Ufuncs whose result is the exact one, rounded: of 16-bit floats it is the same in float32 or at once.
ROUNDED: Final = frozenset((np.add, np.subtract, np.multiply, np.true_divide, np.sqrt))


def halved(ufunc: Any) -> Callable[..., Any]:
    """A ufunc on arrays of one 16-bit float type, computed in float32 and rounded once.

    NumPy's loops over these types do so as well where the result is exact but for rounding, slowly; a
    generated kernel is taken for more than a few numbers, and where there is none, float32.
    """
    fused = large(ufunc)
    exact = ufunc in ROUNDED

    def run(*arrays: Any, out: Any = ...) -> Any:
        most = max([b.size for b in arrays])
        if exact and most < FEW:
            return ufunc(*arrays, out=out)
        if arrays[0].size == most >= FEW and worthwhile(most) and forms.form_of(ufunc) is not None:
            found = fused(*arrays)
        else:
            token = set_errors(QUIET)
            try:
                found = recast(ufunc(*[recast(b, _F32) for b in arrays], out=...), arrays[0].dtype)
            finally:
                reset_errors(token)
        if out is ...:
            return found
        np.copyto(out, found)
        return out

    # Entries are silent by a frame without a name (see `autograd/emit.py`); this is their frame here.
    made = FunctionType(run.__code__, {**globals(), "__name__": None}, "halved", None, run.__closure__)
    made.__kwdefaults__ = run.__kwdefaults__
    return made
