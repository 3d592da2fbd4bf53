"""Tensors to other dtypes, to NumPy and back: `to`, `float()`, `numpy()`, NumPy's protocols, DLPack."""

from __future__ import annotations

import builtins
from typing import Any, Final

import numpy as np

from . import dtypes, lazy
from .autograd.base import cell_of, world
from .autograd.dispatch import finish
from .autograd.modes import modes
from .autograd.notes import annotate, recorded_at
from .autograd.where import here
from .config import warn_once
from .creation import born, legacy_tensor, tensor
from .dtypes import OF_PYTHON, dtype as _dtype
from .errors import NO_DATA, noted, type_name
from .kernels.layout import lies_by_channels
from .kernels.lent import lend
from .ops.table import TABLE
from .ops.viewfronts import channels_order, contiguous, laid_out
from .size import check_device, contiguous_format, device, memory_format, preserve_format, strided
from .tensor import Tensor

exchange = lazy.module("cotangent.exchange")  # DLPack is not in everybody's way

_DISCARDS: Final = "Casting complex values to real discards the imaginary part"


def cast(self: Any, d: _dtype, copy: bool = False) -> Any:
    """`self` in another dtype, recorded; itself if it already is (and no copy is asked for)."""
    if d is self.dtype:
        return TABLE["cast"].entry(self, d.np) if copy else self
    if self.dtype.is_complex and d.category < dtypes.COMPLEX and d.category != dtypes.BOOL:
        warn_once(_DISCARDS, 3)
    return TABLE["cast"].entry(self, d.np)


_CLASS = float.__class__  # `type` is a method here


def to(self: Any, *args: Any, **kwargs: Any) -> Any:
    """The tensor in another dtype or on another device.

    Args:
        args: a dtype, a device, a device and a dtype, or another tensor to be like.
        kwargs: dtype, device, non_blocking, copy, memory_format.

    Returns:
        the tensor itself if nothing changes.

    Raises:
        TypeError, RuntimeError, AssertionError: for arguments or devices that are not accepted.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([1, 2]).to(torch.float64)
        tensor([1., 2.], dtype=torch.float64)
    """
    d: _dtype | None = None
    where = None
    copy = kwargs.get("copy", False)
    unknown = set(kwargs) - {"dtype", "device", "non_blocking", "copy", "memory_format", "other"}
    known_dtype = kwargs.get("dtype")
    if known_dtype.__class__ is _CLASS:
        known_dtype = OF_PYTHON.get(known_dtype, known_dtype)
    if unknown or (known_dtype is not None and known_dtype.__class__ is not _dtype):
        _refuse_to(args, kwargs)
    if len(args) > 1 or (args and kwargs):
        check_to(args, kwargs)
    format = kwargs.get("memory_format")
    for position, value in enumerate(args):
        if value.__class__ is _dtype:
            d = value
        elif value.__class__ is _CLASS and value in OF_PYTHON:
            d = OF_PYTHON[value]
        elif isinstance(value, Tensor):
            d, where = value.dtype, value.device
        elif isinstance(value, (str, device)):
            where = check_device(_string_device(value))
        elif isinstance(value, bool):
            if position == len(args) - 1 and position >= 2:
                copy = value
        elif value is not None:
            _refuse_to(args, kwargs)
    if isinstance(kwargs.get("other"), Tensor):
        d, where = kwargs["other"].dtype, kwargs["other"].device
    if kwargs.get("device") is not None:
        where = check_device(_string_device(kwargs["device"]))
    if where is not None and where.type != self.device.type:
        self = _moved(self, where, known_dtype or d or self.dtype)
    made = cast(self, known_dtype or d or self.dtype, copy)
    return contiguous(made) if format is contiguous_format and made is not self else _in_format(made, format)


def _moved(t: Any, where: Any, d: _dtype) -> Any:
    """The tensor on the device "meta", where its numbers are left behind, in the dtype `d`.

    Raises:
        NotImplementedError: if it is there and should come back.
    """
    if where.type != "meta":
        raise NotImplementedError(NO_DATA)
    made = world.meta.like(t.detach(), d.np)
    return made if t._level else finish(TABLE["left_behind"], (t,), (), made._data, None)


def check_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether arguments of `to` ask for a copy; raises if they are none of its three forms.

    Raises:
        TypeError: for these.
    """
    first = args[0] if args else None
    names = ["non_blocking", "copy"]
    if isinstance(first, Tensor):
        names = ["other", *names]
    elif first.__class__ is _dtype or first.__class__ is _CLASS:
        names = ["dtype", *names]
    else:
        names = ["device", "dtype", *names]
    if len(args) > 4:
        raise TypeError(f"to() takes from 0 to 4 positional arguments but {len(args)} were given")
    given = dict(zip(names, args))
    if len(args) > len(names) or given.keys() & kwargs.keys():
        _refuse_to(args, kwargs)
    given |= kwargs
    for name, value in given.items():
        kinds = _KINDS.get(name)
        if kinds is None or not (isinstance(value, kinds) or (value is None and name in _OPEN)):
            _refuse_to(args, kwargs)
    return given.get("copy") is True


_OPEN: Final = ("device", "dtype", "memory_format")
_KINDS: Final[dict[str, Any]] = {
    "device": (str, device, int), "dtype": (_dtype, _CLASS), "other": Tensor, "non_blocking": builtins.bool,
    "copy": builtins.bool, "memory_format": memory_format,
}  # fmt: skip


def _in_format(made: Any, format: Any) -> Any:
    """`made` in a format, itself where its strides tell of that one; without channels all tell of theirs."""
    if format is None or format is preserve_format:
        return made
    if made._data.__class__ is not np.ndarray:
        return contiguous(made, memory_format=format)
    by_channels = channels_order(format, made._data.ndim) is not None
    return made if lies_by_channels(made._data) == by_channels else laid_out(made, format)


def _string_device(value: Any) -> Any:
    if isinstance(value, str):
        if not value:
            raise RuntimeError("Device string must not be empty")
        if value.partition(":")[0] in dtypes.BY_NAME:
            raise RuntimeError(f"Invalid device string: '{value}'")
    return value


def _shown(value: Any) -> str:
    """The type of an argument as PyTorch's messages have it."""
    ours = isinstance(value, (_dtype, device, memory_format))
    return f"torch.{value.__class__.__name__}" if ours else type_name(value)


def _refuse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    shown = [_shown(a) for a in args] + [f"{k}={_shown(v)}" for k, v in kwargs.items()]
    got = ", ".join(shown) + (", " if kwargs and not args else "")
    raise TypeError(
        f"to() received an invalid combination of arguments - got ({got}), but expected one of:\n * "
        "(torch.device device = "
        "None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, "
        "torch.memory_format "
        "memory_format = None)\n * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, "
        "torch.memory_format memory_format = None)\n * (Tensor tensor, bool non_blocking = False, bool copy "
        "= False, *, torch.memory_format memory_format = None)\n"
    )


def _caster(name: str, d: _dtype) -> Any:
    def convert(self: Any, memory_format: Any = None) -> Any:
        return _in_format(cast(self, d), memory_format)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"The tensor as {d!r}."
    return convert


_CASTS: Final = {
    "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8, "short": dtypes.int16,
    "int": dtypes.int32, "long": dtypes.int64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "float": dtypes.float32, "double": dtypes.float64, "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}  # fmt: skip
_BY_TYPE_NAME: Final = {d.type_name: d for d in dtypes.ALL}


def type(self: Any, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The tensor's type name (`"torch.FloatTensor"`), or the tensor in the type given.

    Args:
        dtype: a dtype, a type name, or a legacy tensor class.
        non_blocking: accepted for PyTorch's sake.

    Returns:
        a string without `dtype`, a tensor with it.

    Raises:
        ValueError: for a name that is no type.
        TypeError: for something else.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(1).type(), torch.ones(1).type(torch.int64)
        ('torch.FloatTensor', tensor([1]))
    """
    if dtype is None:
        return f"torch.{'sparse.' * self.is_sparse}{self.dtype.type_name}"
    if isinstance(dtype, str):
        found = _BY_TYPE_NAME.get(dtype.removeprefix("torch.")) if dtype.startswith("torch.") else None
        if found is None:
            raise ValueError(f"invalid type: '{dtype}'")
        return cast(self, found)
    if dtype.__class__ is _dtype:
        return cast(self, dtype)
    legacy = getattr(dtype, "_legacy_dtype", None)
    if legacy is None:
        raise TypeError("dtype must be a type, str, or dtype object")
    return cast(self, legacy)


def type_as(self: Any, other: Any) -> Any:
    """The tensor in the dtype of `other`."""
    return cast(self, other.dtype)


def cpu(self: Any, memory_format: Any = None) -> Any:
    """The tensor itself: it lives on the CPU.

    Raises:
        NotImplementedError: for a tensor on the device "meta".
    """
    return self.to("cpu") if self.is_meta else self


def cuda(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Raise: this engine computes on the CPU."""
    raise noted(AssertionError("Torch not compiled with CUDA enabled"), "device")


def numpy(self: Any, *, force: bool = False) -> np.ndarray[Any, Any]:
    """The tensor's memory as a NumPy array.

    Args:
        force: detach and convert whatever would otherwise be refused.

    Returns:
        an array on the same memory.

    Raises:
        RuntimeError: if the tensor requires grad.
        TypeError: for bfloat16, which NumPy lacks.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([1.0, 2.0]).numpy()
        array([1., 2.], dtype=float32)
    """
    if self.layout is not strided:
        kind = self.layout.kind.removesuffix("Coo")
        raise TypeError(f"can't convert {kind} layout tensor to numpy. Use Tensor.to_dense() first.")
    if self._req and not force and modes.grad is not None:
        error = RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
        annotate(error, "numpy", recorded=recorded_at(self.grad_fn), here=here())
        raise error
    if self.dtype is dtypes.bfloat16 or self.dtype in dtypes.FLOAT8 or self.is_quantized:
        raise TypeError(f"Got unsupported ScalarType {dtypes.SCALAR_NAME[self.dtype]}")
    if self.is_conj() or self.is_neg():
        kind, verb = ("conjugate", "conj") if self.is_conj() else ("negative", "neg")
        if not force:
            raise RuntimeError(
                f"Can't call numpy() on Tensor that has {kind} bit set. Use tensor.resolve_{verb}().numpy() "
                "instead."
            )
        return self._data.resolved()  # type: ignore[no-any-return]
    if self._owner is not None:
        return self._owner.below(self).numpy()  # type: ignore[no-any-return]
    if self.is_meta:
        raise TypeError(
            "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
            "memory first."
        )
    if self._data.__class__ is not np.ndarray:
        # Of a traced value: a copy, so what a program writes into it would get lost.
        copied: np.ndarray[Any, Any] = np.asarray(self._data)
        copied.flags.writeable = False
        return copied
    cell_of(self)
    array: np.ndarray[Any, Any] = self._data
    lend(array)
    return array


def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def __array_wrap__(self: Any, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    if array.dtype == np.bool_:
        return born(array.astype(np.bool_))
    return born(np.asarray(array))


# NumPy's ufuncs on tensors are the operations of the table, so autograd sees them.
_UFUNCS: Final = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
    "negative": "neg", "power": "pow", "float_power": "float_power", "floor_divide": "floor_divide",
    "remainder": "remainder", "fmod": "fmod", "absolute": "abs", "fabs": "abs", "sign": "sgn",
    "conjugate": "conj", "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2",
    "log10": "log10", "log1p": "log1p", "sqrt": "sqrt", "square": "square", "reciprocal": "reciprocal",
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arctan2": "atan2", "hypot": "hypot", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "degrees": "rad2deg", "radians": "deg2rad", "deg2rad": "deg2rad",
    "rad2deg": "rad2deg", "maximum": "maximum", "minimum": "minimum", "fmax": "fmax", "fmin": "fmin",
    "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "round", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "equal": "eq", "not_equal": "ne",
    "logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor",
    "logical_not": "logical_not", "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or",
    "bitwise_xor": "bitwise_xor", "invert": "bitwise_not", "isnan": "isnan", "isinf": "isinf",
    "isfinite": "isfinite", "signbit": "signbit", "copysign": "copysign", "logaddexp": "logaddexp",
    "logaddexp2": "logaddexp2", "heaviside": "heaviside", "nextafter": "nextafter", "matmul": "matmul",
    "positive": "positive",
}  # fmt: skip

# Their second operand may not be a number in PyTorch; NumPy takes one.
_TENSORS_ONLY: Final = frozenset(
    ("maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "logaddexp", "logaddexp2", "nextafter",
     "heaviside",
     "logical_and", "logical_or", "logical_xor")
)  # fmt: skip


def __array_ufunc__(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    name = _UFUNCS.get(ufunc.__name__)
    if method != "__call__" or name is None or set(kwargs) - {"out"} or not hasattr(Tensor, name):
        return _without_recording(ufunc, method, inputs, kwargs)
    operands = [
        born(v) if isinstance(v, np.ndarray) else v.item() if isinstance(v, np.generic) else v for v in inputs
    ]
    if not isinstance(operands[0], Tensor):
        operands[0] = born(
            np.asarray(operands[0], operands[1].dtype.np if operands[1].dtype.category >= 2 else None)
        )
    if name in _TENSORS_ONLY and not isinstance(operands[1], Tensor):
        operands[1] = tensor(operands[1])
    result = getattr(Tensor, name)(*operands)
    out = kwargs.get("out")
    if out is None or out[0] is Ellipsis:
        return result
    target = out[0]
    if isinstance(target, Tensor):
        return target.copy_(result)
    np.copyto(target, numpy(result), casting="same_kind")
    return target


def _without_recording(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc that the table lacks, on the arrays themselves."""
    for value in inputs:
        if isinstance(value, Tensor) and value._req and modes.grad is not None:
            raise TypeError(
                f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} has no derivative here; "
                "use tensor.detach() to compute without recording, or a torch function"
            )
    arrays = [numpy(v, force=True) if isinstance(v, Tensor) else v for v in inputs]
    if "out" in kwargs:
        kwargs["out"] = tuple(v._data if isinstance(v, Tensor) else v for v in kwargs["out"])
    result = getattr(ufunc, method)(*arrays, **kwargs)
    if isinstance(result, tuple):
        return tuple(born(np.asarray(r)) for r in result)
    return born(np.asarray(result))


def __dlpack__(
    self: Any, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
) -> Any:
    return exchange.capsule_of(self, stream, max_version, dl_device, copy)


def __dlpack_device__(self: Any) -> tuple[int, int]:
    return (1, 0)


class _LegacyMeta(builtins.type):
    """`isinstance(x, FloatTensor)` asks for the dtype."""

    _legacy_dtype: _dtype

    def __new__(mcs, name: str, bases: tuple[builtins.type, ...], content: dict[str, Any]) -> _LegacyMeta:
        for base in bases:
            if isinstance(base, _LegacyMeta):
                raise TypeError(f"type 'torch.{base.__name__}' is not an acceptable base type")
        return super().__new__(mcs, name, bases, content)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls._legacy_dtype


def _legacy_class(d: _dtype) -> Any:
    def make(cls: Any, *args: Any, **kwargs: Any) -> Any:
        return legacy_tensor(Tensor, d, args, kwargs)

    name = d.type_name
    return _LegacyMeta(name, (), {"_legacy_dtype": d, "__new__": make, "__module__": "torch", "dtype": d})


LEGACY: Final = {
    d.type_name: _legacy_class(d) for d in dtypes.ALL if not d.type_name.startswith(("UInt", "Complex"))
}

for _name, _d in _CASTS.items():
    setattr(Tensor, _name, _caster(_name, _d))
for _method in (
    to, type, type_as, cpu, cuda, numpy, __array__, __array_wrap__, __array_ufunc__, __dlpack__,
    __dlpack_device__,
):  # fmt: skip
    setattr(Tensor, _method.__name__, _method)
Tensor.__array_priority__ = 1000  # type: ignore[attr-defined]
__all__: list[str] = []
