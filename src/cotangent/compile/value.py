"""Tracing: what an operation does to a `Value` is to write itself on the tape.

A `Value` takes the place of an array as a tensor's payload and knows its shape and dtype, not its
numbers. Python code that looks at numbers while tracing (`item`, `bool`, `tolist`) gets an error that
says which line asked.
"""

from __future__ import annotations

import math
from typing import Any, Final, NoReturn

import numpy as np

from .. import dtypes
from ..autograd.where import here, place
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..ops.table import BOOL_RESULT, TABLE, Primitive
from .tape import Instruction, Tape


class Value:
    """The result of a traced operation, or an input of the trace."""

    __slots__ = ("tape", "index", "shape", "np_dtype")

    def __init__(self, tape: Tape, index: int, shape: tuple[int, ...], np_dtype: Any) -> None:
        self.tape = tape
        self.index = index
        self.shape = shape
        self.np_dtype = np_dtype

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
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.np_dtype.itemsize)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides in bytes of a contiguous array of this shape."""
        out, step = [], self.itemsize
        for n in reversed(self.shape):
            out.append(step)
            step *= n
        return tuple(reversed(out))

    def astype(self, to: Any) -> Value:
        """The value cast to another dtype, as a traced operation (none where it has that dtype)."""
        if to == self.np_dtype:
            return self
        made: Value = self.apply_op(TABLE["cast"], (self,), (to,))
        return made

    def apply_op(self, op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Record `op` on the tape."""
        return record(self.tape, op, payloads, statics)

    def item(self) -> NoReturn:
        """Refuse: there are no numbers while tracing."""
        where = place(*here())
        raise RuntimeError(
            f"a traced function must not depend on the numbers in a tensor: {where.file}:{where.line} asks "
            f"for them ({where.text.strip()})"
        )

    tolist = item

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        self.item()


def record(tape: Tape, op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Append one execution of `op` to the tape and return its value (a tuple if it has several)."""
    operands = tuple(
        tuple(operand(tape, v) for v in p) if isinstance(p, (list, tuple)) else operand(tape, p)
        for p in payloads
    )
    results = infer(op, payloads, statics)
    many = isinstance(results, tuple)
    made = []
    for result in results if many else (results,):
        made.append(Value(tape, tape.fresh(), result.shape, result.dtype))
    code, lasti = here()
    tape.instructions.append(
        Instruction(op, operands, statics, tuple(v.index for v in made), many, tuple(v.shape for v in made),
                    tuple(v.np_dtype for v in made), code, lasti)
    )  # fmt: skip
    return tuple(made) if many else made[0]


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


def _dummy(payload: Any) -> Any:
    """An array of the payload's shape and dtype that takes no memory."""
    if payload is None:
        return None
    if isinstance(payload, (list, tuple)):
        return [_dummy(p) for p in payload]
    if isinstance(payload, np.ndarray) and payload.ndim == 0:
        return payload
    d = payload.np_dtype if isinstance(payload, Value) else payload.dtype
    return np.broadcast_to(_ZERO[d], payload.shape)


class _Zeros(dict[Any, Any]):
    def __missing__(self, d: Any) -> Any:
        made = self[d] = np.zeros((), d)
        return made


_ZERO: Final = _Zeros()


def infer(op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Arrays of the shapes and dtypes `op` would give (their contents mean nothing)."""
    if op.infer is not None:
        return op.infer(*payloads, *statics)
    token = set_errors(QUIET)
    try:
        if op.kind == "elementwise":
            shape = np.broadcast_shapes(*[p.shape for p in payloads if p is not None])
            ones = [None if p is None else np.ones((), _dummy(p).dtype) for p in payloads]
            probe = np.asarray(op.kernel(*ones, *statics))
            d = np.dtype(np.bool_) if op.result == BOOL_RESULT else probe.dtype
            return np.broadcast_to(_ZERO[d], shape)
        result = op.kernel(*[_dummy(p) for p in payloads], *statics)
        return tuple(np.asarray(r) for r in result) if op.nout != 1 else np.asarray(result)
    finally:
        reset_errors(token)
