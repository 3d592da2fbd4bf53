"""What an operator's entry in the table of sample inputs is made of.

One `OpCase` an operator; every check in the test-suite (values against PyTorch, numerical gradients,
forward mode, vmap, tracing, recorded results) reads the same table, so a new operator costs its samples only.

A sample holds NumPy arrays, never tensors: the same sample is lifted into whichever library is asked about.
Arrays of a floating or complex dtype are differentiable unless wrapped in `Const`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]

HALF = ("float16", "bfloat16")
REAL = ("float32", "float64")
FLOATS = HALF + REAL
COMPLEX = ("complex64", "complex128")
INTS = ("uint8", "int8", "int16", "int32", "int64")
BOOL = ("bool",)
NUMBERS = FLOATS + COMPLEX + INTS
ALL = NUMBERS + BOOL
REALS = FLOATS + INTS
GRADIENT_DTYPES = REAL + COMPLEX
INEXACT = FLOATS + COMPLEX


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of that name; bfloat16 is ml_dtypes'."""
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


@dataclass(frozen=True)
class Const:
    """A floating array that gradients are not asked for (a target, a weight, a value to test)."""

    array: Array


@dataclass(frozen=True)
class Dtype:
    """Stands for `xp.<name>` where a sample has a dtype among its arguments."""

    name: str


@dataclass(frozen=True)
class Sample:
    """One call's arguments.

    `grad` is false at kinks, singularities, nan and inf; `slope` is false where PyTorch's gradient is by
    design not the derivative (an embedding's padding row), so that only PyTorch can say what is right.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    grad: bool = True
    slope: bool = True


def S(*args: Any, **kwargs: Any) -> Sample:
    """A sample for values and gradients; one letter, because a family has a hundred."""
    return Sample(args, kwargs)


def G(*args: Any, **kwargs: Any) -> Sample:
    """A sample whose gradient is PyTorch's convention and no derivative."""
    return Sample(args, kwargs, slope=False)


def V(*args: Any, **kwargs: Any) -> Sample:
    """A sample for values only."""
    return Sample(args, kwargs, grad=False)


def strided_like(shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new, zeroed, writable array of exactly these strides (0 strides included)."""
    extent = 1 + sum((n - 1) * (s // dtype.itemsize) for n, s in zip(shape, strides, strict=True))
    buffer = np.zeros(max(extent, 1), dtype)
    return np.lib.stride_tricks.as_strided(buffer, shape, strides)


def fresh(array: Array) -> Array:
    """A copy with the same strides: `ndarray.copy` would make an expanded array dense."""
    if array.size == 0 or array.flags.c_contiguous:
        return np.array(array, copy=True, order="C")
    copy = strided_like(array.shape, array.strides, array.dtype)
    copy[...] = array
    return copy


class Make:
    """Random arrays of one dtype. The legacy generator is used: its stream is frozen by NumPy for good."""

    def __init__(self, dtype: str, name: str) -> None:
        self.dtype = dtype
        self.rng = np.random.RandomState(zlib.crc32(f"{name}/{dtype}".encode()))

    @property
    def floating(self) -> bool:
        return self.dtype in FLOATS

    @property
    def complex(self) -> bool:
        return self.dtype in COMPLEX

    @property
    def inexact(self) -> bool:
        return self.dtype in INEXACT

    def __call__(
        self,
        *shape: int,
        low: float = -2.0,
        high: float = 2.0,
        avoid: tuple[float, ...] = (),
        distinct: bool = False,
        layout: str = "plain",
        dtype: str | None = None,
    ) -> Array:
        """An array with entries in [low, high].

        Args:
            shape: the array's shape.
            low, high: bounds; integers get those within, both parts of a complex number lie between them.
            avoid: kinks; floating entries keep 0.15 away from each.
            distinct: all entries differ by a margin (for sorting and extrema).
            layout: plain | t (last two axes swapped in memory) | step (every other element of the last
                axis) | offset (starts inside its buffer) | expand (first axis has stride 0).
            dtype: instead of the dtype of this factory.
        """
        name = dtype or self.dtype
        values = self._values(shape, low, high, avoid, distinct, name)
        return laid_out(values, layout)

    def _values(
        self,
        shape: tuple[int, ...],
        low: float,
        high: float,
        avoid: tuple[float, ...],
        distinct: bool,
        name: str,
    ) -> Array:
        size = math.prod(shape)
        kind = numpy_dtype(name)
        if name == "bool":
            return self.rng.randint(0, 2, shape).astype(bool)
        if name in INTS:
            first = max(math.ceil(low), 0) if name == "uint8" else math.ceil(low)
            last = max(math.floor(high), first)
            if distinct:
                return np.asarray(self.rng.permutation(size).reshape(shape).astype(kind) + kind.type(first))
            return self.rng.randint(first, last + 1, shape).astype(kind)
        if distinct:
            line = np.linspace(low, high, size) if size > 1 else np.full(size, (low + high) / 2 + 0.1)
            real = self.rng.permutation(line).reshape(shape)
        else:
            real = self.rng.uniform(low, high, shape)
        for kink in avoid:
            offset = real - kink
            real = np.where(np.abs(offset) < 0.15, kink + np.where(offset < 0, -0.15, 0.15) + offset, real)
        if name in COMPLEX:
            real = real + 1j * self.rng.uniform(low, high, shape)
        return np.asarray(real).astype(kind)

    def index(self, high: int, *shape: int, dtype: str = "int64") -> Array:
        """Integers in [0, high)."""
        return np.asarray(self.rng.randint(0, high, shape)).astype(numpy_dtype(dtype))

    def mask(self, *shape: int) -> Array:
        """Booleans, at least one of each where there is room."""
        mask = self.rng.randint(0, 2, shape).astype(bool)
        if mask.size > 1:
            mask.reshape(-1)[:2] = (True, False)
        return mask

    def permutation(self, n: int) -> Array:
        """The integers 0 .. n-1 in some order, int64."""
        return np.asarray(self.rng.permutation(n), dtype=np.int64)

    def given(self, *values: Any, dtype: str | None = None) -> Array:
        """The array of these values: exactly, but for uint8, which takes their magnitudes."""
        name = dtype or self.dtype
        plain = np.array(values)
        return (np.abs(plain) if name == "uint8" else plain).astype(numpy_dtype(name))

    def extreme(self) -> Array:
        """The values where rules of thumb end: zeros of both signs, infinities, nan, the range's ends."""
        if self.dtype == "bool":
            return self.given(False, True)
        if self.dtype in INTS:
            info = np.iinfo(self.dtype)
            return self.given(info.min, info.max, 0, 1, 2, info.max - 1)
        if self.dtype in COMPLEX:
            return self.given(0, 1, -1, 1j, -1j, 2 - 3j)
        tiny, big = (1e-4, 1e4) if self.dtype in HALF else (1e-30, 1e30)
        return self.given(0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, tiny, -tiny, big, -big, 0.5, -0.5)


def laid_out(values: Array, layout: str) -> Array:
    """The same values in another memory layout (see `Make.__call__`)."""
    if layout == "plain":
        return values
    if layout == "t":
        return np.ascontiguousarray(values.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "step":
        wide = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)
        wide[..., ::2] = values
        return wide[..., ::2]
    if layout == "offset":
        long = np.zeros(values.size + 3, values.dtype)
        long[3:] = values.reshape(-1)
        return long[3:].reshape(values.shape)
    if layout == "expand":
        view = strided_like(values.shape, (0, *values.strides[1:]), values.dtype)
        view[...] = values[:1]
        return view
    raise ValueError(f"no memory layout is called {layout!r}")


Samples = Callable[[Make], Iterable[Sample]]


@dataclass(frozen=True)
class OpCase:
    """One operator of the table.

    Args:
        name: its id, and its path under the namespace (`add`, `nn.functional.relu`, `Tensor.expand`) unless
            `call` is given.
        samples: yields the samples for one dtype.
        dtypes: those PyTorch computes it in.
        call: `call(xp, *args, **kwargs)` in place of the path.
        grad: whether it is differentiable at all.
        aliases: further paths that mean the same operator.
        inplace: whether a method of the same name and an underscore writes the result into its self.
        out: whether the operator takes `out=`.
        grad_dtypes: where PyTorch differentiates it in fewer dtypes than it computes.
        grad_fn: whether the name of the result's node must be PyTorch's too; false only where that name tells
            of PyTorch's own choice of a path (copy or view, flattening of batches), not of the operator.
        second: whether PyTorch has a second derivative (the table's own check needs it).
        vmap: whether it has a meaning under vmap (not where the shape of the result depends on data).
        vmap_rest: whether the first argument may stay unmapped while others are mapped (not where the call
            writes into it).
        trace: whether a tape of it can be replayed on other values (not where shapes depend on data).
        numeric: whether finite differences can see its slope (not through a rounding to a narrower dtype).
        tolerance: (relative, absolute) for a dtype where the default is too tight.
    """

    name: str
    samples: Samples
    dtypes: tuple[str, ...]
    call: Callable[..., Any] | None = None
    grad: bool = True
    aliases: tuple[str, ...] = ()
    inplace: bool = False
    out: bool = False
    grad_dtypes: tuple[str, ...] = GRADIENT_DTYPES
    grad_fn: bool = True
    second: bool = True
    vmap: bool = True
    vmap_rest: bool = True
    trace: bool = True
    numeric: bool = True
    tolerance: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def function(self, xp: Any) -> Callable[..., Any]:
        """The operator as `xp` has it."""
        if self.call is not None:
            call = self.call
            return lambda *args, **kwargs: call(xp, *args, **kwargs)
        found: Callable[..., Any] = resolve(xp, self.name)
        return found

    def sampled(self, dtype: str) -> list[Sample]:
        """Its samples in that dtype, the same ones at every call."""
        return list(self.samples(Make(dtype, self.name)))

    def gradient_dtypes(self) -> tuple[str, ...]:
        """The dtypes in which gradients are checked."""
        if not self.grad:
            return ()
        return tuple(d for d in GRADIENT_DTYPES if d in self.dtypes and d in self.grad_dtypes)


def resolve(xp: Any, path: str) -> Any:
    """The attribute of `xp` at a dotted path."""
    found = xp
    for part in path.split("."):
        found = getattr(found, part)
    return found


@dataclass
class Bound:
    """A sample taken apart into its arrays and the way back to a call's arguments.

    Args:
        arrays: every array among the arguments, in order.
        differentiable: for each, whether gradients are asked for.
    """

    case: OpCase
    sample: Sample
    arrays: list[Array] = field(default_factory=list)
    differentiable: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        for leaf in leaves(self.sample.args):
            self._take(leaf)
        for leaf in leaves(self.sample.kwargs):
            self._take(leaf)

    def _take(self, leaf: Any) -> None:
        array = np.asarray(leaf.array if isinstance(leaf, Const) else leaf)
        inexact = array.dtype.kind in "fc" or array.dtype == numpy_dtype("bfloat16")
        self.arrays.append(array)
        self.differentiable.append(inexact and not isinstance(leaf, Const))

    def rebuild(self, xp: Any, tensors: Iterable[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call's arguments with `tensors` in the arrays' places."""
        supply = iter(tensors)
        return _replace(xp, self.sample.args, supply), _replace(xp, dict(self.sample.kwargs), supply)

    def apply(self, xp: Any, function: Callable[..., Any], tensors: Iterable[Any]) -> Any:
        """The function called with `tensors` in the arrays' places."""
        args, kwargs = self.rebuild(xp, tensors)
        return function(*args, **kwargs)

    def lifted(self, xp: Any, *, grad: bool = False) -> list[Any]:
        """New tensors of `xp` for the arrays; the differentiable ones require gradients if `grad`."""
        return [
            tensor(xp, array, grad=grad and differentiable)
            for array, differentiable in zip(self.arrays, self.differentiable, strict=True)
        ]


def tensor(xp: Any, array: Array, *, grad: bool = False) -> Any:
    """A tensor of `xp` with the array's values, dtype and strides, in memory of its own."""
    own = fresh(array)
    if own.dtype == numpy_dtype("bfloat16"):
        # PyTorch does not read ml_dtypes' bfloat16, so the bits travel as integers.
        made = xp.from_numpy(own.view(np.int16)).view(xp.bfloat16)
    else:
        made = xp.from_numpy(own)
    return made.requires_grad_() if grad else made


def leaves(tree: Any) -> Iterator[Any]:
    """Every array (or `Const`) in a nest of tuples, lists and dicts, in order."""
    if isinstance(tree, np.ndarray | np.generic | Const):
        yield tree
    elif isinstance(tree, tuple | list):
        for item in tree:
            yield from leaves(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from leaves(item)


def _replace(xp: Any, tree: Any, supply: Iterator[Any]) -> Any:
    if isinstance(tree, np.ndarray | np.generic | Const):
        return next(supply)
    if isinstance(tree, Dtype):
        return getattr(xp, tree.name)
    if isinstance(tree, tuple):
        return tuple(_replace(xp, item, supply) for item in tree)
    if isinstance(tree, list):
        return [_replace(xp, item, supply) for item in tree]
    if isinstance(tree, dict):
        return {key: _replace(xp, item, supply) for key, item in tree.items()}
    return tree


def outputs(xp: Any, result: Any) -> list[Any]:
    """The tensors among what an operator returned, in order."""
    if isinstance(result, xp.Tensor):
        return [result]
    if isinstance(result, tuple | list):
        return [found for item in result for found in outputs(xp, item)]
    return []
