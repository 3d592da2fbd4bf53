"""The functions `torch._foreach_NAME`, which optimizers are written with: one operation on each tensor of a
list. Those that end in an underscore write and return the list that they were given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from . import linalg
from .errors import bad_argument
from .ops.arguments import missing, no_match, too_many
from .tensor import Tensor

_UNARY: Final = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg "
    "reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
)
_T: Final = "tuple of Tensors"
_NUMBER, _NUMBERS = f"{_T} self, Number scalar", f"{_T} self, tuple of Scalars scalars"
_TENSOR, _LIST = f"{_T} self, Tensor other", f"{_T} self, {_T} other"
_ALPHA: Final = ", *, Number alpha = 1"
_PRODUCT: Final = (_NUMBERS, _TENSOR, _LIST, _NUMBER)
_BOUND: Final = (_NUMBER, _NUMBERS, _LIST)
_POWER: Final = tuple(f"{_T} self, {kind} exponent" for kind in ("Number", "tuple of Scalars", _T))
# What the second argument may be, in the order in which PyTorch lists that, and the method for each tensor.
_BINARY: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "add": ("add", (_NUMBER, _NUMBERS, _TENSOR + _ALPHA, _LIST + _ALPHA)),
    "sub": ("sub", (_NUMBER, _NUMBERS, _LIST + _ALPHA)),
    "mul": ("mul", _PRODUCT),
    "div": ("div", _PRODUCT),
    "pow": ("pow", _POWER),
    "maximum": ("clamp_min", _BOUND),
    "minimum": ("clamp_max", _BOUND),
    "clamp_min": ("clamp_min", _BOUND),
    "clamp_max": ("clamp_max", _BOUND),
}
_LERP: Final = tuple(
    f"{_T} self, {_T} tensors1, {last}"
    for last in ("Number weight", "tuple of Scalars weight", f"{_T} weights")
)
_FUSED: Final = tuple(
    f"{_T} self, {_T} tensor1, {_T} tensor2, {last}"
    for last in ("tuple of Scalars scalars", "Tensor scalars", "Number value = 1")
)
_NO_TENSOR: Final = "Tensor list must have at least one tensor."


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex)) or (isinstance(value, Tensor) and not value.ndim)


def _each(name: str, tensors: Any, argument: str = "self", place: int = 0) -> Sequence[Any]:
    """The tensors of a list.

    Raises:
        TypeError: if it is none, or holds something else.
        RuntimeError: if it is empty and the first argument.
    """
    if not isinstance(tensors, (list, tuple)):
        bad_argument(name, argument, place + 1, _T, tensors)
    for k, value in enumerate(tensors):
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise TypeError(f"expected Tensor as element {k} in argument {place}, but got {kind}")
    if not tensors and not place:
        raise RuntimeError(_NO_TENSOR)
    return tensors


def _as_many(tensors: Sequence[Any], others: Sequence[Any], numbers: bool = False) -> Sequence[Any]:
    if len(others) == len(tensors):
        return others
    if numbers:
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")
    raise RuntimeError(
        f"Tensor lists must have the same number of tensors, got {len(tensors)} and {len(others)}"
    )


def _spread(name: str, tensors: Sequence[Any], given: Any, place: int) -> Sequence[Any] | None:
    """Numbers or tensors, one for each tensor, from one number or a list; None for anything else."""
    if isinstance(given, (list, tuple)):
        if given and all(_is_number(value) and not isinstance(value, Tensor) for value in given):
            return _as_many(tensors, given, numbers=True)
        return _as_many(tensors, _each(name, given, place=place))
    return [given] * len(tensors) if _is_number(given) else None


def _named(base: str, writes: bool, run: Callable[..., Any], what: str) -> Callable[..., Any]:
    name = f"_foreach_{base}" + "_" * writes
    run.__name__ = run.__qualname__ = name
    run.__module__ = __name__
    run.__doc__ = f"{what} of each tensor of a list" + (", in place." if writes else ".")
    return run


def _unary(base: str, writes: bool) -> Callable[..., Any]:
    name, method = f"_foreach_{base}" + "_" * writes, base + "_" * writes

    def run(*args: Any, **kwargs: Any) -> Any:
        given = (*args, kwargs.pop("self")) if "self" in kwargs else args
        if not given:
            missing(name, "self")
        if len(given) > 1:
            too_many(name, 1, given[1:])
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        made = [getattr(t, method)() for t in _each(name, given[0])]
        return given[0] if writes else tuple(made)

    return _named(base, writes, run, f"`{base}`")


def _binary(base: str, writes: bool) -> Callable[..., Any]:
    name = f"_foreach_{base}" + "_" * writes
    plain, signatures = _BINARY[base]
    method = plain + "_" * writes
    if base == "pow" and not writes:
        signatures = (f"Number self, {_T} exponent", *signatures)

    def run(*args: Any, **kwargs: Any) -> Any:
        named = dict(kwargs)
        words = [word for word in ("self", "other", "scalar", "scalars", "exponent") if word in named]
        given = (*args, *(named.pop(word) for word in words))
        alpha = named.pop("alpha", None) if any("alpha" in s for s in signatures) else None
        if len(given) != 2 or named:
            no_match(name, args, *signatures, **kwargs)
        tensors, other = given
        if base == "pow" and not writes and _is_number(tensors) and isinstance(other, (list, tuple)):
            return tuple(tensors**t for t in _each(name, other, place=1))
        if not isinstance(tensors, (list, tuple)):
            no_match(name, args, *signatures, **kwargs)
        _each(name, tensors)
        if isinstance(other, Tensor) and other.ndim:
            raise RuntimeError(
                f"scalar tensor expected to be 0 dim but it has {other.ndim} dimensions and "
                f"{other.numel()} elements."
            )
        if alpha is not None and isinstance(other, (list, tuple)):
            _each(name, other, place=1)
        others = _spread(name, tensors, other, 1)
        if others is None or (alpha is not None and not isinstance(other, (list, tuple, Tensor))):
            no_match(name, args, *signatures, **kwargs)
        options = {} if alpha is None else {"alpha": alpha}
        made = [getattr(t, method)(o, **options) for t, o in zip(tensors, others, strict=True)]
        return tensors if writes else tuple(made)

    return _named(base, writes, run, f"`{base}` with a number, a tensor of one or a list of either,")


def _lerp(writes: bool) -> Callable[..., Any]:
    name, method = "_foreach_lerp" + "_" * writes, "lerp" + "_" * writes

    def run(*args: Any, **kwargs: Any) -> Any:
        words = [word for word in ("self", "tensors1", "weight", "weights") if word in kwargs]
        given = (*args, *(kwargs[word] for word in words))
        if len(given) != 3 or len(words) != len(kwargs):
            no_match(name, args, *_LERP, **kwargs)
        tensors, ends, weight = given
        if not all(isinstance(value, (list, tuple)) for value in (tensors, ends)):
            no_match(name, args, *_LERP, **kwargs)
        ends = _as_many(_each(name, tensors), _each(name, ends, place=1))
        weights = _spread(name, tensors, weight, 2)
        if weights is None:
            no_match(name, args, *_LERP, **kwargs)
        made = [getattr(t, method)(e, w) for t, e, w in zip(tensors, ends, weights, strict=True)]
        return tensors if writes else tuple(made)

    return _named("lerp", writes, run, "The way to the tensor in the same place of another list")


def _fused(base: str, writes: bool) -> Callable[..., Any]:
    name, method = f"_foreach_{base}" + "_" * writes, base + "_" * writes

    def run(*args: Any, **kwargs: Any) -> Any:
        words = [w for w in ("self", "tensor1", "tensor2", "value", "scalars") if w in kwargs]
        given = (*args, *(kwargs[word] for word in words))
        if len(given) not in (3, 4) or len(words) != len(kwargs):
            no_match(name, args, *_FUSED, **kwargs)
        tensors, first, second = given[:3]
        value = given[3] if len(given) == 4 else 1
        if not all(isinstance(listed, (list, tuple)) for listed in given[:3]):
            no_match(name, args, *_FUSED, **kwargs)
        _each(name, tensors)
        for place, others in ((1, first), (2, second)):
            _as_many(tensors, _each(name, others, place=place))
        if isinstance(value, Tensor):
            if value.numel() != len(tensors):
                raise RuntimeError(
                    f"Expected length of scalars to match input of length {len(tensors)} but got "
                    f"{value.numel()} instead."
                )
            value = value.reshape(-1).tolist()
        factors = _spread(name, tensors, value, 3)
        if factors is None:
            no_match(name, args, *_FUSED, **kwargs)
        operands = zip(tensors, first, second, factors, strict=True)
        made = [getattr(t, method)(a, b, value=v) for t, a, b, v in operands]
        return tensors if writes else tuple(made)

    return _named(base, writes, run, f"`{base}`")


def _foreach_norm(self: Any, ord: Any = 2, dtype: Any = None) -> tuple[Any, ...]:
    """The norm of each tensor of a list, which is taken for a vector.

    Args:
        self: tensors.
        ord: which norm.
        dtype: of the results.

    Raises:
        RuntimeError: if it is that of infinity and a tensor is empty.
    """
    tensors = _each("_foreach_norm", self)
    if not _is_number(ord):
        bad_argument("_foreach_norm", "ord", 2, "Number", ord)
    if ord == float("inf") and not all(t.numel() for t in tensors):
        raise RuntimeError(
            "_foreach_norm cannot compute the infinity norm on an empty tensor because the operation does "
            "not have an identity"
        )
    return tuple(linalg.vector_norm(t, ord, dtype=dtype) for t in tensors)


def _foreach_powsum(self: Any, ord: Any = 2, dtype: Any = None) -> tuple[Any, ...]:
    """The sum of the absolute values of each tensor of a list, raised to a power.

    Args:
        self: tensors.
        ord: the power.
        dtype: of the results.
    """
    return tuple(t.abs().pow(ord).sum(dtype=dtype) for t in _each("_foreach_powsum", self))


def _foreach_max(self: Any) -> tuple[Any, ...]:
    """The largest element of each tensor of a list.

    Args:
        self: tensors.

    Raises:
        RuntimeError: if one has no elements.
    """
    tensors = _each("_foreach_max", self)
    if not all(t.numel() for t in tensors):
        raise RuntimeError(
            "_foreach_max cannot compute the maximum of an empty tensor; max over zero elements is undefined."
        )
    return tuple(t.max() for t in tensors)


def _foreach_mm(self: Any, mat2: Any) -> tuple[Any, ...]:
    """The matrix products of two lists of tensors.

    Args:
        self: matrices.
        mat2: as many.
    """
    others = _as_many(_each("_foreach_mm", self), _each("_foreach_mm", mat2, "mat2", 1))
    return tuple(a.mm(b) for a, b in zip(self, others, strict=True))


def _foreach_clone(self: Any, *, memory_format: Any = None) -> tuple[Any, ...]:
    """Copies of the tensors of a list.

    Args:
        self: tensors.
        memory_format: how the copies lie in memory; as the tensors do if it is None.
    """
    options = {} if memory_format is None else {"memory_format": memory_format}
    return tuple(t.clone(**options) for t in _each("_foreach_clone", self))


def _foreach_copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Write the tensors of a list into those of another.

    Args:
        self: what is written.
        src: as many tensors.
        non_blocking: accepted; the copies are made at once.
    """
    others = _as_many(_each("_foreach_copy_", self), _each("_foreach_copy_", src, "src", 1))
    for t, other in zip(self, others, strict=True):
        t.copy_(other, non_blocking)
    return self


def _foreach_zero_(self: Any) -> Any:
    """Set all elements of the tensors of a list to zero.

    Args:
        self: tensors.
    """
    for t in _each("_foreach_zero_", self):
        t.zero_()
    return self


for _writes in (False, True):
    _made = [
        *(_unary(_base, _writes) for _base in _UNARY.split()),
        *(_binary(_base, _writes) for _base in _BINARY),
        *(_fused(_base, _writes) for _base in ("addcmul", "addcdiv")),
        _lerp(_writes),
    ]
    globals().update({_f.__name__: _f for _f in _made})
