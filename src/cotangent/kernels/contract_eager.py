"""Large matrix products in eager mode, by generated kernels.

`products` asks here for products of `LEAST` multiply-adds and more, where the generated kernels are faster
than NumPy's BLAS (benchmarks/contract.py shows by how much) and where BLAS would start threads of its own: so
the two do not fight for cores. Matrices that are all but vectors stay with BLAS, which reads them at the
speed of memory.

Sums are kept in the type of the operands (float32 for 16-bit floats) and added in another order than BLAS
does, so results differ from its in the last digits: by about the square root of the number of terms, times
the rounding of one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..config import settings
from . import jit, runtime
from .contract_fusion import Fusion, Source
from .contract_gemm import Gemm, Layout, plan_gemm
from .contract_plan import Plan, machine
from .scalar import Body
from .vectors import compute_type

__all__ = ["KINDS", "Prepared", "kept", "product"]

Array = np.ndarray[Any, Any]

KINDS: Final = {"float32": "f32", "float64": "f64", "bfloat16": "bf16", "float16": "f16"}
# Plans that are kept.
_MOST: Final = 2048
# Bytes of scratch memory that a thread keeps.
_KEPT: Final = 64 << 20

_memory: Final = threading.local()
_plans: Final[dict[Any, Prepared | None]] = {}


def scratch(size: int) -> NDArray[np.uint8]:
    """Memory of this thread, of at least `size` bytes, at the beginning of a cache line."""
    kept: NDArray[np.uint8] | None = getattr(_memory, "block", None)
    if kept is not None and kept.size >= size:
        return kept
    raw = np.empty(size + 64, np.uint8)
    block = raw[-raw.ctypes.data % 64 :][:size]
    if size <= _KEPT:
        _memory.block = block
    return block


class Prepared:
    """A plan whose kernels are compiled, ready to run on arrays.

    Args:
        plan: the plan.
        roles: names of the arrays that `run` is given, in order.
    """

    __slots__ = ("calls", "scratch")

    def __init__(self, plan: Plan, roles: tuple[str, ...]) -> None:
        self.scratch = plan.scratch
        known: dict[str, Any] = {name: i for i, name in enumerate(("scratch", *roles))}
        known.update(plan.tables)
        self.calls = [
            (
                jit.function(part.name, part.build), part.count, part.grain, runtime.packed(part.numbers),
                [known[role] for role in part.roles],
            )
            for part in plan.parts
        ]  # fmt: skip

    def run(self, *arrays: Array) -> None:
        """Compute; the arrays must have the layouts that were planned."""
        given = scratch(self.scratch) if self.scratch else None, *arrays
        for kernel, count, grain, numbers, places in self.calls:
            buffers = [given[p] if p.__class__ is int else p for p in places]
            runtime.launch_packed(kernel, count, grain, numbers, buffers)


def kept(key: Any, make: Callable[[], Prepared | None]) -> Prepared | None:
    """What was prepared for a key, or is now."""
    key = (key, settings.threads)
    try:
        return _plans[key]
    except KeyError:
        if len(_plans) >= _MOST:
            _plans.clear()
        found = _plans[key] = make()
        return found


def product(
    a: Array, b: Array, c: Array | None = None, beta: float = 0.0, alpha: float = 1.0,
    out: Array | None = None,
) -> Array | None:  # fmt: skip
    """`beta * c + alpha * (a @ b)`, or None where NumPy should do it.

    Args:
        a, b: matrices, or batches of them that broadcast, of one float type.
        c: broadcasts to the result; None for none.
        beta, alpha: numbers.
        out: where to, if not a new contiguous array: of the result's shape, and apart from the others.

    Returns:
        The result, or None.
    """
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return None
    d = a.dtype
    key = (d, b.dtype, a.shape, a.strides, b.shape, b.strides)
    if c is not None:
        c = np.asarray(c)
        key = (*key, c.dtype, c.shape, c.strides, beta, alpha)  # type: ignore[assignment]
    if out is not None:
        key = (*key, out.strides)  # type: ignore[assignment]
    ready = kept(key, lambda: _prepare(a, b, c, beta, alpha, out))
    if ready is None:
        return None
    if out is None:
        if a.ndim == 2:
            shape: tuple[int, ...] = (a.shape[0], b.shape[1])
        else:
            shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        out = np.empty(shape, d)
    if c is None:
        ready.run(a, b, out)
    else:
        ready.run(a, b, out, c)
    return out


def _prepare(
    a: Array, b: Array, c: Array | None, beta: float, alpha: float, out: Array | None
) -> Prepared | None:
    kind = KINDS.get(a.dtype.name)
    if kind is None or b.dtype != a.dtype or (c is not None and c.dtype != a.dtype):
        return None
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    narrow = m < 8 and abs(b.strides[-1]) != b.itemsize
    if n < 8 or m < 2 or k < 4 or narrow:
        return None
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if len(lead) > 2 or any(s % x.itemsize for x in (a, b, c, out) if x is not None for s in x.strides):
        return None
    shape = (*lead, m, n)
    outer, inner = (1, 1, *lead)[-2:]
    epilogue = None
    if c is not None:
        if np.broadcast_shapes(c.shape, shape) != shape:
            return None
        epilogue = _accumulation(_layout(c, shape), kind, beta, alpha)
    result = Layout(n, 1, inner * m * n, m * n) if out is None else _layout(out, shape)
    if 1 not in (result.rows, result.columns):
        return None
    gemm = Gemm(
        m, n, k, _layout(a, (*lead, m, k)), _layout(b, (*lead, k, n)), result,
        kind, outer=outer, inner=inner, epilogue=epilogue,
    )  # fmt: skip
    return Prepared(plan_gemm(gemm, machine(), settings.thread_count()), ("a", "b", "c", "c.0"))


def _layout(x: Array, shape: tuple[int, ...]) -> Layout:
    """The strides of an array that broadcasts to `shape`."""
    steps = [0, 0, 0, 0]
    for i, (n, step) in enumerate(zip(x.shape[::-1], x.strides[::-1])):
        if n == shape[len(shape) - 1 - i] and n > 1:
            steps[3 - i] = step // x.itemsize
    return Layout(steps[2], steps[3], steps[0], steps[1])


def _accumulation(c: Layout, kind: str, beta: float, alpha: float) -> Fusion:
    """`beta * c + alpha * sum`, in that order of rounding; the numbers are not part of the code."""
    computed = compute_type(kind)
    body = Body()
    value, scalars = body.input(0, computed), []
    for factor in (alpha, beta):
        if factor != 1:
            scalars.append(float(factor))
    if alpha != 1:
        value = body.op("mul", value, body.number(0, computed))
    added = body.input(1, computed)
    if beta != 1:
        added = body.op("mul", added, body.number(len(scalars) - 1, computed))
    source = Source(kind, c.rows, c.columns, c.outer, c.inner)
    return Fusion(body, body.op("add", value, added), (source,), tuple(scalars))
