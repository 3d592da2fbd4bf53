"""Long recurrent layers as programs of generated kernels.

All steps of a layer are one program: per step a product of the state and the weight, and one kernel for
the gates, which reads and writes every element once. Programs are made for shapes and kept; what a run works
on is put in by replacing addresses. `recurrent` says what is computed, and computes small layers with NumPy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ..config import settings
from . import loops, runtime
from .contract_eager import KINDS
from .contract_gemm import Gemm, Layout, plan_gemm
from .contract_plan import machine, steps as product_steps
from .loops import Loop, Operand, Pass
from .scalar import Body

__all__ = ["gru", "gru_backward", "lstm", "lstm_backward"]

Array = np.ndarray[Any, Any]
Place = tuple[int, int]  # number of an array, and bytes from its beginning

# A made-up address says of which array it is, and where in it.
_SHIFT: Final = 40
_MOST: Final = 64


class _Program:
    """A program on arrays that are given at each run.

    Args:
        builder: holds the steps, on made-up addresses.
    """

    def __init__(self, builder: _Builder) -> None:
        self.lock = threading.Lock()
        self.program = runtime.Program(builder.steps)
        values = self.program.pointers.copy()
        self.moving = np.flatnonzero((values >> _SHIFT > 0) & (values >> _SHIFT <= builder.arrays))
        self.which = (values[self.moving] >> _SHIFT) - 1
        self.offsets = values[self.moving] & ((1 << _SHIFT) - 1)
        self.scratch = builder.scratch

    def run(self, *arrays: Array) -> None:
        """Run on contiguous arrays; kernels would read and write beside any other."""
        for a in arrays:
            if not a.flags.c_contiguous:
                raise ValueError(f"a recurrent program got an array with strides {a.strides} for {a.shape}")
        bases = np.array([runtime.address(a) for a in arrays], np.int64)
        with self.lock:
            self.program.pointers[self.moving] = bases[self.which] + self.offsets
            self.program.run()


class _Builder:
    """Collects the steps of a layer of `batch` sequences with `size` elements of state."""

    def __init__(self, kind: str, batch: int, size: int, arrays: int) -> None:
        self.kind = kind
        self.item = 4 if kind == "f32" else 8
        self.batch = batch
        self.size = size
        self.arrays = arrays
        self.steps: list[runtime.Step] = []
        self.scratch: list[Array] = []

    def address(self, place: Place) -> int:
        return (place[0] + 1 << _SHIFT) + place[1] * self.item

    def product(self, a: Place, b: Place, c: Place, k: int, n: int, add: bool = False) -> None:
        """c = a @ b, for a (batch, k) and b (k, n), or c += a @ b."""
        layouts = Layout(k, 1), Layout(n, 1), Layout(n, 1)
        gemm = Gemm(self.batch, n, k, *layouts, self.kind, accumulate=add)
        plan = plan_gemm(gemm, machine(), settings.thread_count())
        roles: dict[str, Any] = {"a": self.address(a), "b": self.address(b), "c": self.address(c)}
        if plan.scratch:
            self.scratch.append(np.empty(plan.scratch + 64, np.uint8))
            roles["scratch"] = self.scratch[-1]
        self.steps += product_steps(plan, roles)

    def gates(self, loop: loops.Plan, places: Sequence[Place]) -> None:
        """One run of a kernel that was made by `_kernel`."""
        self.steps += loops.steps(loop, [self.address(place) for place in places])


def _kernel(
    kind: str, batch: int, size: int, widths: Sequence[int], formula: Callable[..., Sequence[Any]]
) -> loops.Plan:
    """The kernel of a formula over (batch, size).

    Args:
        kind: type of the elements.
        batch, size: the shape.
        widths: elements from row to row of each operand.
        formula: takes a function that gives operand i, and `op`; returns pairs (operand, value) to store.
    """
    body = Body()

    def operand(i: int) -> int:
        return body.input(i, kind)

    stores = tuple(formula(operand, body.op, lambda value: body.const(value, kind)))
    operands = tuple(Operand(kind, (width, 1)) for width in widths)
    return loops.lower(Loop((batch, size), operands, body, (Pass(stores=stores),)))


def _kind(d: Any) -> str:
    return KINDS[d.name]


_programs: Final[dict[Any, _Program]] = {}


def _kept(key: Any, make: Callable[[], _Builder]) -> _Program:
    key = (*key, settings.thread_count())
    found = _programs.get(key)
    if found is None:
        if len(_programs) >= _MOST:
            _programs.clear()
        found = _programs[key] = _Program(make())
    return found


def _order(steps: int, backwards: bool) -> list[int]:
    return list(range(steps))[::-1] if backwards else list(range(steps))


# -- LSTM -------------------------------------------------------------------------------------------------


def _lstm_gates(x: Any, op: Any, number: Any) -> list[tuple[int, int]]:
    """Operands: 0-3 what the input gives, 4-7 what h gives, 8 c; 9 new c, 10 its tanh, 11 and 12 new h."""
    i, f, u, o = (op("tanh" if k == 2 else "sigmoid", op("add", x(k), x(4 + k))) for k in range(4))
    c = op("add", op("mul", f, x(8)), op("mul", i, u))
    bent = op("tanh", c)
    h = op("mul", o, bent)
    return [(4, i), (5, f), (6, u), (7, o), (9, c), (10, bent), (11, h), (12, h)]


def _lstm_forward(kind: str, steps: int, batch: int, size: int, backwards: bool) -> _Builder:
    x, turned, gates, bent, before_c, before_h, out, h, c = range(9)
    made = _Builder(kind, batch, size, 9)
    wide = 4 * size
    kernel = _kernel(kind, batch, size, (*[wide] * 8, *[size] * 5), _lstm_gates)
    order = _order(steps, backwards)
    for t, following in zip(order, [*order[1:], None], strict=True):
        row, narrow = t * batch * wide, t * batch * size
        made.product((before_h, narrow), (turned, 0), (gates, row), size, wide)
        last = following is None
        then = 0 if following is None else following * batch * size
        made.gates(
            kernel,
            [
                *[(x, row + k * size) for k in range(4)],
                *[(gates, row + k * size) for k in range(4)],
                (before_c, narrow),
                (c if last else before_c, then),
                (bent, narrow),
                (out, narrow),
                (h if last else before_h, then),
            ],
        )
    return made


def lstm(x: Array, h0: Array, c0: Array, weight: Array, backwards: bool) -> tuple[Array, ...]:
    """`recurrent.lstm` for sequences (T, B, 4H) of equal length, without projection."""
    steps, batch, wide = x.shape
    size = wide // 4
    d = x.dtype
    program = _kept(
        ("lstm", d, steps, batch, size, backwards),
        lambda: _lstm_forward(_kind(d), steps, batch, size, backwards),
    )
    gates = np.empty((steps * batch, wide), d)
    bent, before_c, before_h = (np.empty((steps * batch, size), d) for _ in range(3))
    out, h, c = np.empty((steps, batch, size), d), np.empty((batch, size), d), np.empty((batch, size), d)
    first = slice((steps - 1) * batch, None) if backwards else slice(batch)
    before_h[first], before_c[first] = h0, c0
    program.run(
        np.ascontiguousarray(x), np.ascontiguousarray(weight.T), gates, bent, before_c, before_h, out, h, c
    )
    return out, h, c, gates, bent, before_c, before_h


def _lstm_slopes(with_output: bool) -> Callable[..., Sequence[tuple[int, int]]]:
    """Operands: 0-3 gates, 4 c before, 5 tanh of c, 6 cotangent of h, 7 of c (changed), 8-11 of the gates; 12
    what comes from the output."""

    def formula(x: Any, op: Any, number: Any) -> list[tuple[int, int]]:
        i, f, u, o = (x(k) for k in range(4))
        one = number(1.0)
        bent = x(5)
        h = op("add", x(6), x(12)) if with_output else x(6)
        slope = op("sub", one, op("mul", bent, bent))
        c = op("add", x(7), op("mul", op("mul", h, o), slope))

        def logistic(value: int, gate: int) -> int:
            found: int = op("mul", value, op("mul", gate, op("sub", one, gate)))
            return found

        return [
            (8, logistic(op("mul", c, u), i)),
            (9, logistic(op("mul", c, x(4)), f)),
            (10, op("mul", op("mul", c, i), op("sub", one, op("mul", u, u)))),
            (11, logistic(op("mul", h, bent), o)),
            (7, op("mul", c, f)),
        ]

    return formula


def _lstm_pullback(
    kind: str, steps: int, batch: int, size: int, backwards: bool, with_output: bool
) -> _Builder:
    gates, before_c, bent, out_g, weight, d, h, c = range(8)
    made = _Builder(kind, batch, size, 8)
    wide = 4 * size
    widths = (*[wide] * 4, *[size] * 4, *[wide] * 4, *[size] * with_output)
    kernel = _kernel(kind, batch, size, widths, _lstm_slopes(with_output))
    for t in reversed(_order(steps, backwards)):
        row, narrow = t * batch * wide, t * batch * size
        made.gates(
            kernel,
            [
                *[(gates, row + k * size) for k in range(4)],
                (before_c, narrow),
                (bent, narrow),
                (h, 0),
                (c, 0),
                *[(d, row + k * size) for k in range(4)],
                *[(out_g, narrow)] * with_output,
            ],
        )
        made.product((d, row), (weight, 0), (h, 0), wide, size)
    return made


def lstm_backward(
    g: Sequence[Any], shape: tuple[int, ...], h: Array, c: Array, weight: Array, kept: Sequence[Array],
    backwards: bool,
) -> Array:  # fmt: skip
    """The cotangents of the gates (N, 4H); those of the states replace what `h` and `c` hold.

    Args:
        g: cotangents of the outputs (or None), first.
        shape: of the input.
        h, c: cotangents of the last states, contiguous.
        weight: (4H, H).
        kept: what `lstm` kept.
        backwards: as there.
    """
    steps, batch, wide = shape
    size = wide // 4
    gates, bent, before_c = (np.ascontiguousarray(a) for a in kept[:3])
    with_output = g[0] is not None
    kind = gates.dtype
    program = _kept(
        ("lstm_backward", kind, steps, batch, size, backwards, with_output),
        lambda: _lstm_pullback(_kind(kind), steps, batch, size, backwards, with_output),
    )
    d = np.empty_like(gates)
    out_g = np.ascontiguousarray(g[0]) if with_output else d
    program.run(gates, before_c, bent, out_g, np.ascontiguousarray(weight), d, h, c)
    return d


# -- GRU --------------------------------------------------------------------------------------------------


def _gru_gates(with_bias: bool) -> Callable[..., Sequence[tuple[int, int]]]:
    """Operands: 0-2 what the input gives, 3-5 what h gives, 6 h; 7-9 the gates, 10 what h gives to the last
    one before the reset, 11 and 12 new h; 13-15 the bias."""

    def formula(x: Any, op: Any, number: Any) -> list[tuple[int, int]]:
        given = [op("add", x(3 + k), x(13 + k)) if with_bias else x(3 + k) for k in range(3)]
        r, z = (op("sigmoid", op("add", x(k), given[k])) for k in range(2))
        new = op("tanh", op("add", x(2), op("mul", r, given[2])))
        h = op("add", new, op("mul", z, op("sub", x(6), new)))
        return [(7, r), (8, z), (9, new), (10, given[2]), (11, h), (12, h)]

    return formula


def _gru_forward(kind: str, steps: int, batch: int, size: int, backwards: bool, with_bias: bool) -> _Builder:
    x, turned, bias, given, gates, inner, before_h, out, h = range(9)
    made = _Builder(kind, batch, size, 9)
    wide = 3 * size
    widths = (*[wide] * 6, size, *[wide] * 3, *[size] * 3, *[0] * 3 * with_bias)
    kernel = _kernel(kind, batch, size, widths, _gru_gates(with_bias))
    order = _order(steps, backwards)
    for t, following in zip(order, [*order[1:], None], strict=True):
        row, narrow = t * batch * wide, t * batch * size
        made.product((before_h, narrow), (turned, 0), (given, 0), size, wide)
        then = (h, 0) if following is None else (before_h, following * batch * size)
        made.gates(
            kernel,
            [
                *[(x, row + k * size) for k in range(3)],
                *[(given, k * size) for k in range(3)],
                (before_h, narrow),
                *[(gates, row + k * size) for k in range(3)],
                (inner, narrow),
                (out, narrow),
                then,
                *[(bias, k * size) for k in range(3)] * with_bias,
            ],
        )
    return made


def gru(x: Array, h0: Array, weight: Array, bias: Array | None, backwards: bool) -> tuple[Array, ...]:
    """`recurrent.gru` for sequences (T, B, 3H) of equal length."""
    steps, batch, wide = x.shape
    size = wide // 3
    d = x.dtype
    with_bias = bias is not None
    program = _kept(
        ("gru", d, steps, batch, size, backwards, with_bias),
        lambda: _gru_forward(_kind(d), steps, batch, size, backwards, with_bias),
    )
    gates, given = np.empty((steps * batch, wide), d), np.empty((batch, wide), d)
    inner, before_h = (np.empty((steps * batch, size), d) for _ in range(2))
    out, h = np.empty((steps, batch, size), d), np.empty((batch, size), d)
    before_h[slice((steps - 1) * batch, None) if backwards else slice(batch)] = h0
    shift = given if bias is None else np.ascontiguousarray(bias)
    turned = np.ascontiguousarray(weight.T)
    program.run(np.ascontiguousarray(x), turned, shift, given, gates, inner, before_h, out, h)
    return out, h, gates, inner, before_h


def _gru_slopes(with_output: bool) -> Callable[..., Sequence[tuple[int, int]]]:
    """Operands: 0-2 gates, 3 what h gave to the last one, 4 h before, 5 cotangent of h (changed), 6-8 of what
    the input gave, 9-11 of what h gave; 12 what comes from the output."""

    def formula(x: Any, op: Any, number: Any) -> list[tuple[int, int]]:
        r, z, new = (x(k) for k in range(3))
        one = number(1.0)
        h = op("add", x(5), x(12)) if with_output else x(5)
        of_new = op("mul", op("mul", h, op("sub", one, z)), op("sub", one, op("mul", new, new)))
        of_z = op("mul", op("mul", h, op("sub", x(4), new)), op("mul", z, op("sub", one, z)))
        of_r = op("mul", op("mul", of_new, x(3)), op("mul", r, op("sub", one, r)))
        both = [(6, of_r), (7, of_z), (9, of_r), (10, of_z)]
        return [*both, (8, of_new), (11, op("mul", of_new, r)), (5, op("mul", h, z))]

    return formula


def _gru_pullback(
    kind: str, steps: int, batch: int, size: int, backwards: bool, with_output: bool
) -> _Builder:
    gates, inner, before_h, out_g, weight, d, e, h = range(8)
    made = _Builder(kind, batch, size, 8)
    wide = 3 * size
    widths = (*[wide] * 3, *[size] * 3, *[wide] * 6, *[size] * with_output)
    kernel = _kernel(kind, batch, size, widths, _gru_slopes(with_output))
    for t in reversed(_order(steps, backwards)):
        row, narrow = t * batch * wide, t * batch * size
        made.gates(
            kernel,
            [
                *[(gates, row + k * size) for k in range(3)],
                (inner, narrow),
                (before_h, narrow),
                (h, 0),
                *[(d, row + k * size) for k in range(3)],
                *[(e, row + k * size) for k in range(3)],
                *[(out_g, narrow)] * with_output,
            ],
        )
        made.product((e, row), (weight, 0), (h, 0), wide, size, add=True)
    return made


def gru_backward(
    g: Sequence[Any], shape: tuple[int, ...], h: Array, weight: Array, kept: Sequence[Array], backwards: bool
) -> tuple[Array, Array]:
    """The cotangents of what the input and of what the state gave, (N, 3H) each; that of the state replaces
    what `h` holds.

    Args:
        g: cotangent of the outputs (or None), first.
        shape: of the input.
        h: cotangent of the last state, contiguous.
        weight: (3H, H).
        kept: what `gru` kept.
        backwards: as there.
    """
    steps, batch, wide = shape
    size = wide // 3
    gates, inner, before_h = (np.ascontiguousarray(a) for a in kept)
    with_output = g[0] is not None
    kind = gates.dtype
    program = _kept(
        ("gru_backward", kind, steps, batch, size, backwards, with_output),
        lambda: _gru_pullback(_kind(kind), steps, batch, size, backwards, with_output),
    )
    d, e = np.empty_like(gates), np.empty_like(gates)
    out_g = np.ascontiguousarray(g[0]) if with_output else d
    program.run(gates, inner, before_h, out_g, np.ascontiguousarray(weight), d, e, h)
    return d, e
