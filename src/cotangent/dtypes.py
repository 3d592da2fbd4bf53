"""Element types: `dtype` objects, their NumPy twins, and PyTorch's promotion rules.

PyTorch promotes by *category* (bool < integer < float < complex): among the operands of the
highest category present, tensors with dimensions outrank 0-d tensors, which outrank Python
scalars; lower-ranked operands matter only when their category is higher.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from . import lazy

# The numbers that NumPy itself has not: loaded when a program first asks for one of them.
ml_dtypes = lazy.module("ml_dtypes")

BOOL, INTEGRAL, FLOATING, COMPLEX = range(4)
# Bits without a meaning, quantised numbers and integers of few bits take no part in promotion.
OPAQUE: Final = -1


class dtype:
    """The type of a tensor's elements; the only instances are the module's constants.

    Example:
        >>> import cotangent as torch
        >>> torch.float32, torch.float32.itemsize, torch.float32.is_floating_point
        (torch.float32, 4, True)
    """

    __slots__ = ("name", "np", "category", "itemsize", "is_signed", "type_name", "alias")

    np: np.dtype[Any]

    def __init__(self, name: str, np_type: Any, category: int, type_name: str, alias: str | None) -> None:
        # A number stands for a type of ml_dtypes with this name and so many bytes (see _load_twins).
        self.name = name
        self.category = category
        if isinstance(np_type, int):
            self.itemsize = np_type
        else:
            self.np = np.dtype(np_type)
            self.itemsize = self.np.itemsize
        self.is_signed = category != BOOL and not name.startswith("uint") and name != "float8_e8m0fnu"
        self.type_name = type_name
        self.alias = alias

    def __getattr__(self, name: str) -> Any:
        if name == "np" and self in OF_ML_DTYPES:
            _load_twins()
            return self.np
        # Types of which only the name is known (see named_dtypes.py) have neither NumPy twin nor sign.
        if name == "np" and self.name.startswith("q"):
            raise NotImplementedError(
                f"torch.{self.name}: cotangent holds quantised numbers (torch.quantize_per_tensor) and "
                f"does not "
                "compute with them. Call .dequantize() on the tensor first."
            )
        if name == "np":
            raise NotImplementedError(
                f"torch.{self.name}: cotangent knows this dtype's name, but NumPy has no such numbers. Store "
                "and compute in another dtype (torch.complex64 for complex32, torch.int8 or torch.uint8 for "
                "integers of few bits)."
            )
        if name == "is_signed":
            raise RuntimeError("isSignedType not supported for quantized types")
        raise AttributeError(f"'torch.dtype' object has no attribute {name!r}")

    @property
    def cpp_type(self) -> str:
        """The tensor type as messages from PyTorch's C++ side print it."""
        if self.type_name in _OLD_TYPES:
            return f"torch.{self.type_name}"
        return f"CPU{self.type_name.removesuffix('Tensor')}Type"

    @property
    def is_floating_point(self) -> bool:
        """Whether the elements are real floating-point numbers."""
        return self.category == FLOATING

    @property
    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return self.category == COMPLEX

    def to_real(self) -> dtype:
        """The real dtype of the same precision (itself unless complex)."""
        return _TO_REAL.get(self, self)

    def to_complex(self) -> dtype:
        """The complex dtype whose parts have this precision."""
        if self.category == COMPLEX:
            return self
        if self.category == FLOATING and self.itemsize == 1:
            raise RuntimeError(f"Unknown Complex ScalarType for {SCALAR_NAME[self]}")
        return _TO_COMPLEX.get(self, complex64)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: object) -> dtype:
        return self


# The tensor types of old, which kept their names; "BoolTensor" and later ones are named by their backend.
_OLD_TYPES: Final = frozenset(
    f"{kind}Tensor" for kind in ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double")
)
bool_: Final = dtype("bool", np.bool_, BOOL, "BoolTensor", None)
uint8: Final = dtype("uint8", np.uint8, INTEGRAL, "ByteTensor", None)
uint16: Final = dtype("uint16", np.uint16, INTEGRAL, "UInt16Tensor", None)
uint32: Final = dtype("uint32", np.uint32, INTEGRAL, "UInt32Tensor", None)
uint64: Final = dtype("uint64", np.uint64, INTEGRAL, "UInt64Tensor", None)
int8: Final = dtype("int8", np.int8, INTEGRAL, "CharTensor", None)
int16: Final = dtype("int16", np.int16, INTEGRAL, "ShortTensor", "short")
int32: Final = dtype("int32", np.int32, INTEGRAL, "IntTensor", "int")
int64: Final = dtype("int64", np.int64, INTEGRAL, "LongTensor", "long")
float16: Final = dtype("float16", np.float16, FLOATING, "HalfTensor", "half")
bfloat16: Final = dtype("bfloat16", 2, FLOATING, "BFloat16Tensor", None)
float32: Final = dtype("float32", np.float32, FLOATING, "FloatTensor", "float")
float64: Final = dtype("float64", np.float64, FLOATING, "DoubleTensor", "double")
complex64: Final = dtype("complex64", np.complex64, COMPLEX, "ComplexFloatTensor", "cfloat")
complex128: Final = dtype("complex128", np.complex128, COMPLEX, "ComplexDoubleTensor", "cdouble")

# Stored and converted, but PyTorch's CPU kernels compute with them hardly at all.
float8_e4m3fn: Final = dtype("float8_e4m3fn", 1, FLOATING, "Float8_e4m3fnTensor", None)
float8_e4m3fnuz: Final = dtype("float8_e4m3fnuz", 1, FLOATING, "Float8_e4m3fnuzTensor", None)
float8_e5m2: Final = dtype("float8_e5m2", 1, FLOATING, "Float8_e5m2Tensor", None)
float8_e5m2fnuz: Final = dtype("float8_e5m2fnuz", 1, FLOATING, "Float8_e5m2fnuzTensor", None)
float8_e8m0fnu: Final = dtype("float8_e8m0fnu", 1, FLOATING, "Float8_e8m0fnuTensor", None)

ALL: Final = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
FLOAT8: Final = (float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu)
BY_NAME: Final = {d.name: d for d in ALL + FLOAT8} | {d.alias: d for d in ALL if d.alias}
OF_ML_DTYPES: Final = frozenset((bfloat16, *FLOAT8))
# Those of ml_dtypes join when they are loaded; `from_numpy` is the question to ask of a foreign array.
FROM_NUMPY: Final[dict[np.dtype[Any], dtype]] = {d.np: d for d in ALL if d not in OF_ML_DTYPES}
FLOAT8_TWINS: Final[set[np.dtype[Any]]] = set()
# PyTorch has complex32; NumPy has no such type, so half's complex partner here is complex64.
_TO_COMPLEX: Final = {float32: complex64, float64: complex128, float16: complex64, bfloat16: complex64}
_TO_REAL: Final = {complex64: float32, complex128: float64}

# The names PyTorch's messages use for scalar types ("Float", "Long", ...).
SCALAR_NAME: Final[dict[dtype, str]] = {
    bool_: "Bool", uint8: "Byte", uint16: "UInt16", uint32: "UInt32", uint64: "UInt64", int8: "Char",
    int16: "Short", int32: "Int", int64: "Long", float16: "Half", bfloat16: "BFloat16", float32: "Float",
    float64: "Double", complex64: "ComplexFloat", complex128: "ComplexDouble",
    **{d: d.name.capitalize() for d in FLOAT8},
}  # fmt: skip
# ... and the C++ names that matrix products and some kernels print instead.
CPP_NAME: Final = {
    bool_: "bool", uint8: "unsigned char", uint16: "unsigned short", uint32: "unsigned int",
    uint64: "unsigned long", int8: "signed char", int16: "short", int32: "int", int64: "long",
    float16: "c10::Half", bfloat16: "c10::BFloat16", float32: "float", float64: "double",
    complex64: "c10::complex<float>", complex128: "c10::complex<double>",
    **{d: f"c10::{d.name.capitalize()}" for d in FLOAT8},
}  # fmt: skip

# PyTorch stores these but promotes them with floating-point partners only.
_BAREBONES: Final = frozenset((uint16, uint32, uint64))


def _load_twins() -> None:
    """Give the dtypes of ml_dtypes their NumPy twins."""
    for d in OF_ML_DTYPES:
        d.np = np.dtype(getattr(ml_dtypes, d.name))
        FROM_NUMPY[d.np] = d
        if d is not bfloat16:
            FLOAT8_TWINS.add(d.np)


def from_numpy(d: np.dtype[Any]) -> dtype:
    """The dtype of a NumPy dtype.

    Raises:
        TypeError: for a NumPy dtype that tensors cannot hold.
    """
    found = FROM_NUMPY.get(d)
    if found is None:
        if d.type.__module__ == "ml_dtypes":  # the program loaded them before we did
            _load_twins()
        native = d.newbyteorder("=")
        found = FROM_NUMPY.get(native) if d.isnative else None
        if found is None:
            raise TypeError(
                f"can't convert np.ndarray of type {d.type.__module__}.{d.type.__name__}. The only supported "
                "types are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, "
                "uint64, uint32, uint16, uint8, and bool."
            )
    return found


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that both `a` and `b` convert to.

    Example:
        >>> import cotangent as torch
        >>> torch.promote_types(torch.uint8, torch.int8), torch.promote_types(torch.int64, torch.float16)
        (torch.int16, torch.float16)
    """
    if a is b:
        return a
    if (a in _BAREBONES and b.category != FLOATING) or (b in _BAREBONES and a.category != FLOATING):
        raise RuntimeError(
            f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{SCALAR_NAME[a]} and {SCALAR_NAME[b]}"
        )
    if OPAQUE in (a.category, b.category):
        raise RuntimeError(_not_promoted(a, b))
    if a in FLOAT8 or b in FLOAT8:
        raise RuntimeError(
            f"Promotion for Float8 Types is not supported, attempted to promote {SCALAR_NAME[a]} and "
            f"{SCALAR_NAME[b]}"
        )
    if a.category < b.category:
        a, b = b, a
    if a.category != b.category:
        if a.category == COMPLEX and b.category == FLOATING:
            return complex128 if b is float64 else a if b is float16 or a.itemsize > 4 else complex64
        return a
    if a.category == COMPLEX:
        return complex128 if complex128 in (a, b) else complex64
    if a.category == FLOATING:
        # float32 with a half gives float32, and so does float16 with bfloat16
        return float64 if a is float64 or b is float64 else float32
    if a.is_signed == b.is_signed:
        return a if a.itemsize > b.itemsize else b
    signed = a if a.is_signed else b
    return int16 if signed is int8 else signed


def _not_promoted(a: dtype, b: dtype) -> str:
    names = f"{SCALAR_NAME[a]} and {SCALAR_NAME[b]}"
    if any(d.name.startswith("bits") for d in (a, b)):
        return f"Promotion from {names} is unsupported."
    if any(d.name.startswith("q") for d in (a, b)):
        return (
            "promoteTypes with quantized numbers is not handled yet; figure out what the correct rules "
            "should "
            f"be, offending types: {SCALAR_NAME[a]} {SCALAR_NAME[b]}"
        )
    return f"Promotion of integers of few bits is not supported, attempted to promote {names}"


def result_dtype(
    dims: Iterable[dtype], zeros: Iterable[dtype], scalars: Iterable[dtype], default: dtype
) -> dtype:
    """Promote three ranks of operands: tensors with dimensions, 0-d tensors, Python scalars."""
    out: dtype | None = None
    for rank in (dims, zeros, scalars):
        here: dtype | None = None
        for d in rank:
            here = d if here is None else promote_types(here, d)
        if here is None:
            continue
        if out is None:
            out = here
        elif here.category > out.category:
            # Complex over float keeps the float's precision; otherwise the higher category wins whole.
            if out.category == FLOATING:
                out = out.to_complex()
            else:
                out = here if here.category == COMPLEX else promote_types(out, here)
    return default if out is None else out


def scalar_dtype(value: object, default: dtype) -> dtype:
    """The dtype a Python number stands for: bool, int64, the default float, or its complex partner."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return default
    if isinstance(value, np.generic):
        kind = value.dtype.kind
        if kind != "c":
            return bool_ if kind == "b" else default if kind == "f" else int64
    return default.to_complex()


# Python's types of numbers where a dtype is asked for.
OF_PYTHON: Final[dict[Any, dtype]] = {float: float64, int: int64, bool: bool_, complex: complex128}


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether PyTorch allows storing a result of dtype `from_` in a tensor of dtype `to`.

    Example:
        >>> import cotangent as torch
        >>> torch.can_cast(torch.float64, torch.float32), torch.can_cast(torch.float32, torch.int64)
        (True, False)
    """
    if from_.category > to.category:
        return False
    return not (from_.category == INTEGRAL and to.category == BOOL)


_NUMPY_FLOATS: Final = (float16, float32, float64)


class finfo:
    """Numerical limits of a floating-point dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.finfo(torch.float32).eps
        1.1920928955078125e-07
    """

    __slots__ = ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype")

    def __init__(self, type: dtype = float32) -> None:
        if not isinstance(type, dtype):
            raise TypeError(
                f"finfo(): argument 'type' (position 1) must be torch.dtype, not {_kind_of(type)}"
            )
        if type.category < FLOATING:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        real = type.to_real()
        limits: Any = np.finfo(real.np) if real in _NUMPY_FLOATS else ml_dtypes.finfo(real.np)
        self.bits = real.itemsize * 8
        # PyTorch names the eps of float8_e5m2fnuz half as large as it is.
        self.eps = float(limits.eps) if real is not float8_e5m2fnuz else 0.125
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        # The digits that are surely kept; of eight bits not one is.
        self.resolution = 10.0**-limits.precision if real.itemsize > 1 else 1.0
        self.dtype = real.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.iinfo(torch.int8)
        iinfo(min=-128, max=127, dtype=int8)
    """

    __slots__ = ("bits", "max", "min", "dtype")

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype):
            raise TypeError(
                f"iinfo(): argument 'type' (position 1) must be torch.dtype, not {_kind_of(type)}"
            )
        if type.category >= FLOATING:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'"
            )
        if type is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        limits = np.iinfo(type.np)
        self.bits = limits.bits
        self.max = int(limits.max)
        self.min = int(limits.min)
        self.dtype = type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def _kind_of(value: object) -> str:
    return type(value).__name__
