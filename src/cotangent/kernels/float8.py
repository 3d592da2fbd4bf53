"""Eight-bit floats: their conversions as PyTorch makes them, and the name of the kernel that each refuses.

PyTorch's CPU kernels store and convert such numbers, compare them for equality and multiply them; for
anything else a program converts to a wider type first.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..dtypes import FLOAT8_TWINS, float8_e4m3fn, float8_e5m2, float8_e8m0fnu

_LARGEST: Final = 448.0
# What PyTorch computes with such numbers, by the names of the table.
_COMPUTED: Final = frozenset(
    ("mul", "abs", "eq", "ne", "isnan", "isfinite", "where", "conjugated", "real_part")
)
# Its kernels where their names do not follow from the operation's.
_KERNELS: Final = {
    "add": "add_stub", "sub": "add_stub", "rsub": "add_stub", "div": "div_cpu", "neg": "neg_cpu",
    "sigmoid": "sigmoid_cpu_reduced_float", "clamp": "clamp_scalar_cpu", "relu": "clamp_min_scalar_cpu",
    "pow": "pow", "maximum": "maximum_cpu", "minimum": "minimum_cpu", "signbit": "signbit_cpu",
    "masked_fill": "masked_fill",
}  # fmt: skip
_VECTOR_MATH: Final = frozenset(
    (
        "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh",
        "asin", "acos", "atan", "sqrt", "rsqrt", "erf", "erfc", "erfinv", "floor", "ceil", "trunc", "round",
        "reciprocal",
    )
)  # fmt: skip


def narrowed(a: Any, to: Any) -> Any:
    """An array in an eight-bit type: what is too large for float8_e4m3fn becomes its largest number.

    Args:
        a: array of numbers.
        to: NumPy dtype, one of eight bits.

    Example:
        >>> import numpy as np, ml_dtypes
        >>> from cotangent.kernels.float8 import narrowed
        >>> narrowed(np.array([1.0, 1000.0, -np.inf]), np.dtype(ml_dtypes.float8_e4m3fn)).tolist()
        [1.0, 448.0, -448.0]
    """
    wide = np.asarray(a)
    if wide.dtype == to:
        return wide.astype(to)
    if wide.dtype in FLOAT8_TWINS or wide.dtype.kind != "f" or wide.itemsize != 4:
        wide = wide.astype(np.float32)
    if to == float8_e4m3fn.np:
        return np.clip(wide, -_LARGEST, _LARGEST).astype(to)
    if to == float8_e8m0fnu.np:  # a power of two has no sign; zero is the smallest of them
        return np.maximum(np.abs(wide), np.float32(2.0**-127)).astype(to)
    made = wide.astype(to)
    if to == float8_e5m2.np:  # of the numbers that are none PyTorch writes the one with all bits set
        made.view(np.uint8)[np.isnan(wide)] |= 1
    return made


def refused(name: str, public: str) -> str | None:
    """The kernel that PyTorch's error names, for an elementwise operation; None where it computes.

    Args:
        name: the operation's name in the table.
        public: its name in messages.
    """
    if name in _COMPUTED:
        return None
    base = public.rstrip("_")
    return f"{base}_vml_cpu" if base in _VECTOR_MATH else _KERNELS.get(base, f"{base}_cpu")
