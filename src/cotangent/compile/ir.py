"""What a graph is lowered to: single scalar operations over index spaces, reductions, products, calls.

A `Base` is memory that something fills: an input, a constant, a followed number, the result of a node. A
`Val` is a view of a base: shape, strides and offset in elements. Views cost nothing and are no nodes. Nodes:

    Point    one scalar operation (of `kernels.scalar`) on operands broadcast to its shape
    Reduce   over some dimensions, which stay as 1
    Product  of matrices, with up to two batch dimensions
    Call     a NumPy kernel, for what has no lowering
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ..dtypes import bfloat16
from ..kernels import loops, scalar
from ..kernels.vectors import ITEMSIZE
from .tape import Instruction

NUMPY: Final[dict[str, Any]] = {
    "f32": np.dtype(np.float32), "f64": np.dtype(np.float64), "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32), "b1": np.dtype(np.bool_), "u8": np.dtype(np.uint8),
    "f16": np.dtype(np.float16), "bf16": bfloat16.np,
}  # fmt: skip
# What is computed in f32 and rounded.
HALVES: Final = ("f16", "bf16")


def kind_of(d: Any) -> str | None:
    """The name kernels have for a dtype we lower; None for others."""
    found = loops.kind_of(d)
    return found if found in NUMPY else None


@functools.lru_cache(maxsize=4096)
def dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a contiguous array, in elements."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


@dataclass(eq=False, slots=True)
class Base:
    """Memory that something fills.

    Attributes:
        shape, kind: of the array.
        strides: its layout; contiguous but for inputs.
        role: "input", "const", "number", "node" or "call".
        value: the number of the graph's value, the array of a constant, or None.
        node: what fills it.
    """

    shape: tuple[int, ...]
    kind: str
    strides: tuple[int, ...]
    role: str
    value: Any = None
    node: Any = None

    @property
    def nbytes(self) -> int:
        """Bytes it needs."""
        return math.prod(self.shape) * ITEMSIZE[self.kind]


@dataclass(frozen=True, eq=False, slots=True)
class Val:
    """A view of a base."""

    base: Base
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def kind(self) -> str:
        """The element type."""
        return self.base.kind

    def over(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Strides of the value broadcast to a shape."""
        if self.shape == shape:
            return self.strides
        lead = len(shape) - len(self.shape)
        own = [0 if n == 1 and m != 1 else s for n, m, s in zip(self.shape, shape[lead:], self.strides)]
        return (*([0] * lead), *own)

    def viewed(self, look: Callable[[Any], Any]) -> Val | None:
        """The view that a NumPy function gives of it; None if that would be a copy."""
        probe = array_like(self)
        try:
            shown = look(probe)
        except ValueError:  # views that this layout does not have
            return None
        if not math.prod(shown.shape):
            return Val(self.base, shown.shape, dense(shown.shape), 0)
        if not np.may_share_memory(probe, shown):
            return None
        start = shown.__array_interface__["data"][0] - probe.__array_interface__["data"][0]
        strides = tuple(s // probe.itemsize for s in shown.strides)
        return Val(self.base, shown.shape, strides, self.offset + start // probe.itemsize)

    @property
    def whole(self) -> bool:
        """Whether it is the base as it is."""
        return self.offset == 0 and self.shape == self.base.shape and self.strides == self.base.strides


def array_like(val: Val) -> Any:
    """An array of a value's layout, in memory that nobody touches."""
    d = NUMPY[val.kind]
    least = sum((n - 1) * s for n, s in zip(val.shape, val.strides) if s < 0)
    most = sum((n - 1) * s for n, s in zip(val.shape, val.strides) if s > 0)
    memory = np.empty(max(most - least + 1, 1), d)
    return np.ndarray(val.shape, d, memory, -least * d.itemsize, tuple(s * d.itemsize for s in val.strides))


@dataclass(frozen=True, slots=True)
class Const:
    """A constant in an expression."""

    value: float
    kind: str
    shape: tuple[int, ...] = ()

    def viewed(self, look: Callable[[Any], Any]) -> Const:
        """The constant in the shape that a view of it has."""
        return Const(self.value, self.kind, look(np.broadcast_to(np.zeros((), np.bool_), self.shape)).shape)


@dataclass(eq=False, slots=True)
class Point:
    """One scalar operation; `name` is "cast" for a change of type and "copy" for none at all."""

    name: str
    args: tuple[Any, ...]
    out: Base


@dataclass(eq=False, slots=True)
class Reduce:
    """A reduction over `axes`, which are 1 in the result."""

    how: str
    args: tuple[Any, ...]
    axes: tuple[int, ...]
    out: Base


@dataclass(eq=False, slots=True)
class Product:
    """c = a @ b, the last two dimensions of each; batch dimensions are equal or broadcast."""

    args: tuple[Any, ...]
    out: Base


@dataclass(eq=False, slots=True)
class Special:
    """What a kernel of its own computes: "gather", "scatter" or "cat"."""

    name: str
    args: tuple[Any, ...]
    statics: tuple[Any, ...]
    out: Base


@dataclass(eq=False, slots=True)
class Call:
    """An instruction through its NumPy kernel."""

    step: Instruction
    args: tuple[Any, ...]
    outs: list[Base] = field(default_factory=list)


class Builder:
    """Makes nodes."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.numbers: dict[Any, Base] = {}
        self.ranges: dict[Any, tuple[Val, int, int, int | None, Any]] = {}
        self.tiles: dict[int, tuple[int, ...]] = {}  # indices of maxima in windows that tile their images
        self._positions: dict[int, Base] = {}
        self._known: dict[Any, Base] = {}

    def made(self, node: Any) -> Val:
        """Enter a node with one result."""
        node.out.node = node
        self.nodes.append(node)
        return whole(node.out)

    def point(self, name: str, *args: Any, kind: str | None = None) -> Val:
        """A scalar operation on values and constants, broadcast."""
        shape = np.broadcast_shapes(*[a.shape for a in args])
        order = _turned(shape, args)
        if order is not None:
            lead = [(1,) * (len(shape) - len(a.shape)) for a in args]
            lain = [_transposed(a, one, order) for a, one in zip(args, lead)]
            return _back(self.point(name, *lain, kind=kind), order)
        if kind is None:
            first = args[1] if name == "where" else args[0]
            kind = "b1" if name in scalar.COMPARISONS else first.kind
        key = (name, kind, *[_key(a) for a in args])
        found = self._known.get(key)
        if found is not None:
            return whole(found)
        base = Base(shape, kind, dense(shape), "node")
        self._known[key] = base
        return self.made(Point(name, args, base))

    def cast(self, x: Any, kind: str) -> Any:
        """A value in another type."""
        if x.kind == kind:
            return x
        if isinstance(x, Const):
            return Const(float(NUMPY[kind].type(x.value)) if kind in HALVES else x.value, kind, x.shape)
        wide = _widened(x)
        return wide if wide is not None and wide.kind == kind else self.point("cast", x, kind=kind)

    def reduce(self, how: str, x: Val, axes: Sequence[int]) -> Val:
        """A reduction; the dimensions stay as 1."""
        if isinstance(x, Const):
            x = self.copy(x)
        axes = tuple(sorted(a % len(x.shape) for a in axes)) if x.shape else ()
        axes = tuple(a for a in axes if x.shape[a] != 1)
        if not axes:
            return x
        order = _turned(x.shape, (x,))
        if order is not None:
            lain = _transposed(x, (), order)
            return _back(self.reduce(how, lain, [order.index(a) for a in axes]), order)
        shape = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
        return self.made(Reduce(how, (x,), axes, Base(shape, x.kind, dense(shape), "node")))

    def product(self, a: Val, b: Val) -> Val:
        """A matrix product."""
        a, b = (self.copy(x) if isinstance(x, Const) else x for x in (a, b))
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*batch, a.shape[-2], b.shape[-1])
        out = Base(shape, a.kind, dense(shape), "node")
        narrow, other = _widened(a), _widened(b)  # products of 16-bit floats have sums of f32
        if narrow is not None and other is not None and narrow.kind == other.kind:
            a, b = narrow, other
        return self.made(Product((a, b), out))

    def number(self, held: Any, kind: str) -> Val:
        """A followed number as a 0-d value."""
        base = self.numbers.get((id(held), kind))
        if base is None:
            base = self.numbers[id(held), kind] = Base((), kind, (), "number", held)
        return whole(base)

    def positions(self, n: int) -> Val:
        """0 .. n-1."""
        base = self._positions.get(n)
        if base is None:
            base = self._positions[n] = Base((n,), "i64", (1,), "const", np.arange(n))
        return whole(base)

    def array(self, held: Any, kind: str) -> Val:
        """An array that is known."""
        return whole(Base(held.shape, kind, dense(held.shape), "const", held))

    def check_range(
        self, x: Any, n: int, told: Exception | None = None, but: int | None = None, least: int = 0
    ) -> None:
        """Ask for a check, before the run, that integers lie in [least, n) (or are `but`).

        Args:
            x: the integers.
            n: the bound.
            told: the error, whose text takes the number that was met and `n`; None for classes of targets.
            but: what is allowed besides.
            least: the lowest that is allowed.
        """
        if isinstance(x, Val):
            self.ranges[id(x.base), n, told] = (x, least, n, but, told)

    def kind_of(self, dtype: Any) -> str | None:
        """The name kernels have for a dtype we lower."""
        return kind_of(np.dtype(dtype))

    def special(
        self, name: str, args: Sequence[Any], statics: tuple[Any, ...], shape: tuple[int, ...], kind: str
    ) -> Val:
        """A node of a kernel of its own."""
        return self.made(Special(name, tuple(args), statics, Base(shape, kind, dense(shape), "node")))

    def dense(self, x: Any) -> Val:
        """The value contiguous, as it is or copied."""
        if isinstance(x, Val) and (x.strides == dense(x.shape) or not x.shape):
            return x
        return self.copy(x)

    def copy(self, x: Any) -> Val:
        """The value in memory of its own, contiguous."""
        base = Base(x.shape, x.kind, dense(x.shape), "node")
        return self.made(Point("copy", (x,), base))


def _widened(x: Val) -> Val | None:
    """The 16-bit floats that an f32 value was made of."""
    node = x.base.node
    if not x.whole or not isinstance(node, Point) or node.name != "cast":
        return None
    source = node.args[0]
    fits = isinstance(source, Val) and source.kind in HALVES and source.shape == x.shape
    return source if fits and x.kind == "f32" else None


def _turned(shape: tuple[int, ...], args: Sequence[Any]) -> tuple[int, ...] | None:
    """The dimensions as they lie in memory, if scalar operations have made an operand that is transposed.

    In that order the next operation can be part of the same loop. None if there is none, or if the operands
    do not agree.
    """
    order = None
    for a in args:
        if isinstance(a, Const) or a.shape != shape or len(shape) < 2:
            continue
        if a.strides == a.base.strides:  # it lies as it is
            return None
        if order is None and a.base.role == "node" and isinstance(a.base.node, Point):
            lying = iter(sorted((d for d, n in enumerate(shape) if n != 1), key=lambda d: -a.strides[d]))
            order = tuple(d if n == 1 else next(lying) for d, n in enumerate(shape))
    if order is None or order == tuple(range(len(shape))):
        return None
    lain = tuple(shape[d] for d in order)
    for a in args:
        if isinstance(a, Val) and a.shape == shape:
            steps = tuple(a.strides[d] for d in order)
            if a.offset or any(s != t and n != 1 for s, t, n in zip(steps, dense(lain), lain)):
                return None
    return order


def _transposed(a: Any, lead: tuple[int, ...], order: tuple[int, ...]) -> Any:
    return a.viewed(lambda x: x.reshape(lead + x.shape).transpose(order))


def _back(a: Val, order: tuple[int, ...]) -> Val:
    found = a.viewed(lambda x: x.transpose(np.argsort(order)))
    assert found is not None, "a transposition is a view"
    return found


def whole(base: Base) -> Val:
    """A base as a value."""
    return Val(base, base.shape, base.strides)


def _key(a: Any) -> Any:
    if isinstance(a, Const):
        return a.kind, repr(a.value), a.shape
    return id(a.base), a.shape, a.strides, a.offset
