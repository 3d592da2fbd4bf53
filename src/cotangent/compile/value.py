"""Tracing: what an operation does to a `Value` is to write itself on the tape.

A `Value` takes the place of an array as a tensor's payload and knows its shape, dtype and layout, not its
numbers. Values never change. That two tensors look into the same memory, one of which is written, is kept
beside them: a value remembers the value its memory began as (`root`) and the views that lead to it
(`chain`); a write gives the root a new present state (`now`, `writes`), and `fresh` finds what the view
shows since.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from .. import dtypes
from ..autograd.where import here
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..kernels.layout import as_chosen
from ..ops.table import BOOL_RESULT, FLOAT, TABLE, Primitive
from .tape import Instruction, Tape


class _Zeros(dict[Any, Any]):
    def __missing__(self, d: Any) -> Any:
        made = self[d] = np.zeros((), d)
        return made


_ZERO: Final[Any] = _Zeros()


class Link(NamedTuple):
    """One view operation: `op(above, *statics)[output]`."""

    op: Primitive
    statics: tuple[Any, ...]
    output: int


class Flags(NamedTuple):
    """What of NumPy's flags follows from shape and strides."""

    c_contiguous: bool
    f_contiguous: bool

    @property
    def forc(self) -> bool:
        """Contiguous in either order."""
        return self.c_contiguous or self.f_contiguous


class Form:
    """What a result will be like, where an array to show it would take longer to make."""

    __slots__ = ("dtype", "shape", "strides")

    def __init__(self, shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.strides = strides


class Shaped:
    """A payload that has a shape, a type and a layout, and no numbers."""

    __slots__ = ("np_dtype", "shape", "strides")
    shape: tuple[int, ...]
    np_dtype: Any
    strides: tuple[int, ...]

    is_memory = True  # it has a layout, as arrays have and the payloads of transforms have not

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.FROM_NUMPY[self.np_dtype]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.np_dtype.itemsize)

    @property
    def flags(self) -> Flags:
        """The layout, as NumPy's flags tell it."""
        probe = self.probe()
        return Flags(bool(probe.flags.c_contiguous), bool(probe.flags.f_contiguous))

    def probe(self) -> Any:
        """An array of this shape and layout in memory that nobody touches."""
        if not self.size:
            return np.empty(self.shape, self.np_dtype)
        extent = sum((n - 1) * abs(s) for n, s in zip(self.shape, self.strides)) + self.itemsize
        start = sum((n - 1) * -s for n, s in zip(self.shape, self.strides) if s < 0)
        return np.ndarray(self.shape, self.np_dtype, np.empty(extent, np.uint8), start, self.strides)

    def transpose(self, order: Any) -> Any:
        """The layout with its dimensions in another order (what shows of it: the flags)."""
        return self.probe().transpose(order)


class Value(Shaped):
    """The result of a traced operation, or an input of the trace."""

    __slots__ = ("tape", "index", "root", "chain", "stamp", "now", "writes")

    def __init__(
        self, tape: Tape, index: int, shape: tuple[int, ...], np_dtype: Any, strides: Any = None
    ) -> None:
        self.tape = tape
        self.index = index
        self.shape = shape
        self.np_dtype = np_dtype
        self.strides: tuple[int, ...] = dense(shape, np_dtype.itemsize) if strides is None else strides
        self.root: Value | None = None
        self.chain: tuple[Link, ...] = ()
        self.stamp = 0
        self.now = index
        self.writes = 0

    def astype(self, to: Any) -> Value:
        """The value cast to another dtype, as a traced operation (none where it has that dtype)."""
        if to == self.np_dtype:
            return self
        made: Value = self.apply_op(TABLE["cast"], (self,), (to,))
        return made

    def apply_op(self, op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Record `op` on the tape."""
        return record(self.tape, op, payloads, statics)

    def snapshot(self) -> Value:
        """The value as it is now, which later writes to its memory do not reach."""
        return Value(self.tape, self.fresh().index, self.shape, self.np_dtype, self.strides)

    def fresh(self) -> Value:
        """What this view of memory shows after the writes since it was made."""
        root = self.root or self
        if root.writes == self.stamp:
            return self
        shown = Value(self.tape, root.now, root.shape, root.np_dtype, root.strides)
        for link in self.chain:
            made = record(self.tape, link.op, (shown,), link.statics)
            shown = made[link.output] if isinstance(made, tuple) else made
        shown.root, shown.chain, shown.stamp = root, self.chain, root.writes
        shown.strides = self.strides
        return shown

    def write(self, value: Value) -> None:
        """Note that the memory this value shows now holds `value` (of the same shape and dtype)."""
        root = self.root or self
        if self.chain:
            base = Value(self.tape, root.now, root.shape, root.np_dtype, root.strides)
            value = record(self.tape, WRITE_THROUGH, (base, value), (self.chain,))
        root.now = value.index
        root.writes += 1

    def item(self) -> Any:
        """The only element: a number the tape goes on to compute, or a guarded one."""
        return self.tape.number(self.fresh())

    def tolist(self) -> Any:
        """The elements as nested lists, guarded."""
        return self.tape.numbers(self.fresh()).tolist()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.tape.numbers(self.fresh())


@lru_cache(maxsize=1024)
def dense(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes of a contiguous array."""
    out, step = [], itemsize
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


def _write_through(base: Any, value: Any, chain: tuple[Link, ...]) -> Any:
    """`base` with what the chain of views shows of it replaced by `value`."""
    out = base.copy()
    shown = out
    for link in chain:
        made = link.op.kernel(shown, *link.statics)
        shown = made[link.output] if link.op.nout != 1 else made
    if not np.may_share_memory(shown, out):
        raise RuntimeError("a compiled function writes through a view that this layout does not have")
    shown[...] = value
    return out


WRITE_THROUGH: Final = Primitive("write_through(base, value | chain)", _write_through, "general", {})
WRITE_THROUGH.infer = lambda base, value, chain: np.broadcast_to(_ZERO[base.np_dtype], base.shape)


def record(tape: Tape, op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Append one execution of `op` to the tape and return its value (a tuple if it has several)."""
    # Spelled out for the usual case: a first call spends much of its time here.
    operands = tuple(
        [
            p.index if p.__class__ is Value and p.tape is tape
            else tuple([operand(tape, v) for v in p]) if isinstance(p, (list, tuple))
            else operand(tape, p)
            for p in payloads
        ]
    )  # fmt: skip
    results = infer(op, payloads, statics)
    many = isinstance(results, tuple)
    as_laid = op.is_view or op.kind == "elementwise" or lies_otherwise(payloads)
    made = [
        Value(tape, tape.fresh(), result.shape, result.dtype, result.strides if as_laid else None)
        for result in (results if many else (results,))
    ]
    code, lasti = here()
    tape.add(
        Instruction(op, operands, statics, tuple([v.index for v in made]), many,
                    tuple([v.shape for v in made]), tuple([v.np_dtype for v in made]), code, lasti)
    )  # fmt: skip
    if op.is_view and isinstance(payloads[0], Value):
        seen = payloads[0]
        for number, value in enumerate(made):
            value.root = seen.root or seen
            value.chain = (*seen.chain, Link(op, statics, number))
            value.stamp = seen.stamp
    return tuple(made) if many else made[0]


def draw(
    tape: Tape, make: Callable[..., Any], shape: tuple[int, ...], arrays: tuple[Any, ...], probe: Any
) -> Any:
    """Record that random numbers are drawn: `make(shape, *arrays)`, when the tape runs."""
    op = Primitive("draw(arrays[] | shape)", lambda given, size: make(size, *given), "general", {})
    code, lasti = here()
    value = Value(tape, tape.fresh(), probe.shape, probe.dtype, probe.strides)
    tape.add(
        Instruction(op, (tuple(operand(tape, a) for a in arrays),), (shape,), (value.index,), False,
                    (value.shape,), (value.np_dtype,), code, lasti, True)
    )  # fmt: skip
    return value


def outside(tape: Tape, run: Callable[..., Any], arrays: list[Any], like: list[Any]) -> list[Any]:
    """Record that something is done outside of the tape: `run(*arrays)`, in its place whenever the tape runs.

    Args:
        tape: where.
        run: gives a list of arrays.
        arrays: values.
        like: values or arrays with the shapes and dtypes of the results.

    Returns:
        the results' values.
    """
    op = Primitive("outside(arrays[])", lambda given: run(*given), "general", {})
    op.nout = 0
    code, lasti = here()
    kinds = [v.np_dtype if isinstance(v, Value) else v.dtype for v in like]
    made = [Value(tape, tape.fresh(), v.shape, d) for v, d in zip(like, kinds, strict=True)]
    tape.add(
        Instruction(op, (tuple(operand(tape, a) for a in arrays),), (), tuple(v.index for v in made), True,
                    tuple(v.shape for v in made), tuple(kinds), code, lasti, True)
    )  # fmt: skip
    return made


def operand(tape: Tape, payload: Any) -> int | None:
    """The tape's number for a payload; an array the trace meets is bound by reference."""
    if payload is None:
        return None
    if isinstance(payload, Value):
        if payload.tape is not tape:
            raise RuntimeError(
                "a value of another trace was used: traced tensors must not outlive their trace"
            )
        return payload.index
    return tape.bind(payload)


def lies_otherwise(payload: Any) -> bool:
    """Whether some payload's memory is in another order than that of its dimensions."""
    if isinstance(payload, (list, tuple)):
        return any(map(lies_otherwise, payload))
    return isinstance(payload, Shaped) and not all(
        s == t or n == 1
        for s, t, n in zip(payload.strides, dense(payload.shape, payload.itemsize), payload.shape)
    )


def _dummy(payload: Any) -> Any:
    """An array of the payload's shape and dtype; it takes no memory if the layout tells nothing."""
    if payload is None:
        return None
    if isinstance(payload, (list, tuple)):
        return [_dummy(p) for p in payload]
    if isinstance(payload, np.ndarray) and payload.ndim == 0:
        return payload
    if lies_otherwise(payload):
        zeros = payload.probe()
        zeros.fill(0)
        return zeros
    d = payload.np_dtype if isinstance(payload, Shaped) else payload.dtype
    return np.broadcast_to(_ZERO[d], payload.shape)


# Results of elementwise kernels on ones: (op, dtypes, statics) -> dtype.
_probed: Final[dict[Any, Any]] = {}


def infer(op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Arrays, or Forms, of what `op` would give (the contents of arrays mean nothing)."""
    if op.infer is not None:
        return op.infer(*payloads, *statics)
    token = set_errors(QUIET)
    try:
        if op.kind == "elementwise":
            return _elementwise(op, payloads, statics)
        if op.is_view and isinstance(payloads[0], Shaped):
            result = op.kernel(payloads[0].probe(), *statics)
        else:
            result = op.kernel(*[_dummy(p) for p in payloads], *statics)
        return tuple(np.asarray(r) for r in result) if op.nout != 1 else np.asarray(result)
    finally:
        reset_errors(token)


def _elementwise(op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    present = [p for p in payloads if p is not None]
    shape = _broadcast([p.shape for p in present])
    kinds = tuple(None if p is None else p.np_dtype if isinstance(p, Shaped) else p.dtype for p in payloads)
    key: Any = (op.name, kinds, statics)
    try:
        d = _probed.get(key)
    except TypeError:  # statics that cannot be looked up
        d, key = None, None
    if d is None and op.result == FLOAT and all(k is not None and k.kind == "f" for k in kinds):
        d = np.result_type(*kinds)  # without the kernel: that of a special function loads SciPy
    if d is None:
        ones = [None if k is None else np.ones((), k) for k in kinds]
        probe = np.asarray(op.kernel(*ones, *statics))
        d = np.dtype(np.bool_) if op.result == BOOL_RESULT else probe.dtype
        if key is not None:
            _probed[key] = d
    rows = dense(shape, 1)
    full = [p for p in present if p.shape == shape]
    in_rows = bool(full) and all(p.strides == tuple([s * p.itemsize for s in rows]) for p in full)
    if in_rows or getattr(op.kernel, "in_rows", False):
        return Form(shape, d, tuple([s * d.itemsize for s in rows]))
    arrays: list[Any] = [np.broadcast_to(p.probe() if isinstance(p, Shaped) else p, shape) for p in present]
    roles: Any = [["readonly"]] * len(present) + [["writeonly", "allocate"]]
    types = [None] * len(present) + [d]
    made = np.nditer([*arrays, None], ["zerosize_ok"], roles, op_dtypes=types, order="K").operands[-1]
    given = [p.probe() if isinstance(p, Shaped) else p for p in present]
    return as_chosen(made, given[::-1] if op.reverse else given)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape; NumPy, which takes as long for it as all else here, is asked only if need be."""
    widest = max(shapes, key=len)
    if all(shape == widest or not shape for shape in shapes):
        return widest
    return np.broadcast_shapes(*shapes)
