"""Elementwise computations over arrays by generated kernels: layouts, results, kept plans."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np

from . import loops, runtime
from .dimensions import chosen, lying
from .forms import NoForm
from .loops import Body, Loop, Operand, Pass, kind_of
from .symbolic import Form, Sym
from .vectors import compute_type

__all__ = ["Fused"]

_PLANS: Final = 4096
_LEAVES: Final = ("in", "num", "const")


class Fused:
    """An elementwise computation over arrays.

    Args:
        form: the formula (see `symbolic`): takes a symbol for each array, a symbol for each number, and other
            arguments as they are; gives a symbol or a tuple of symbols.
        several: whether a single cheap operation is not worth a kernel.
    """

    __slots__ = ("form", "several", "flat", "plans")

    def __init__(self, form: Form, several: bool = False) -> None:
        self.form = form
        self.several = several
        # (types, other arguments) -> kernel over contiguous arrays; and layouts -> plan.
        self.flat: dict[Any, Any] = {}
        self.plans: dict[Any, Any] = {}

    def __call__(self, args: tuple[Any, ...], out: Any = None) -> Any:
        """Compute.

        Args:
            args: arrays, numbers and others, in the formula's order. Arrays are of types that kernels know.
            out: where to, if not a new array: of the right shape and type, and either one of the arrays or
                apart from them.

        Returns:
            The result (a tuple if the formula gives one).
        """
        arrays = []
        numbers = []
        key: list[Any] = []
        shape: Any = None
        flat = out is None or out.flags.c_contiguous
        for a in args:
            if a.__class__ is np.ndarray:
                arrays.append(a)
                if not a.ndim:
                    key.append((a.dtype, 0))
                    continue
                key.append(a.dtype)
                if shape is None:
                    shape = a.shape
                elif a.shape != shape:
                    flat = False
                if flat and not a.flags.c_contiguous:
                    flat = False
            elif a.__class__ is float or a.__class__ is int:
                numbers.append(float(a))
                key.append(float)
            else:
                key.append(a)
        if not flat or shape is None:
            return self._laid_out(args, arrays, numbers, tuple(key), out)
        name = tuple(key)
        made = self.flat.get(name)
        if made is None:
            made = self.flat[name] = self._compile(args, None, None)
        plan, types = made
        results = [np.empty(shape, d) for d in types] if out is None else [out]
        call = plan.calls[0]
        count = arrays[0].size if arrays[0].ndim else prod(shape)
        runtime.launch(
            call.kernel, count, loops.grain(count, 1, call.cost), len(arrays) + len(results), 1,
            *arrays, *results, count, *numbers,
        )  # fmt: skip
        return results[0] if len(results) == 1 else tuple(results)

    def _laid_out(
        self, args: tuple[Any, ...], arrays: list[Any], numbers: list[float], key: tuple[Any, ...], out: Any
    ) -> Any:
        """Operands of any layout, through a plan that is kept for that layout."""
        layout = (key, tuple((a.shape, a.strides) for a in arrays), None if out is None else out.strides)
        made = self.plans.get(layout)
        if made is None:
            if len(self.plans) >= _PLANS:
                self.plans.clear()
            shape = np.broadcast_shapes(*(a.shape for a in arrays))
            made = self.plans[layout] = (*self._compile(args, shape, out), *lying(shape, arrays))
        plan, types, sizes, axes = made
        results = [np.empty(sizes, d).transpose(axes) for d in types] if out is None else [out]
        loops.run(plan, [*arrays, *results], dict(enumerate(numbers)))
        return results[0] if len(results) == 1 else tuple(results)

    def _compile(
        self, args: tuple[Any, ...], given: tuple[int, ...] | None, out: Any
    ) -> tuple[Any, list[Any]]:
        """The plan for arguments like these, and the types of the results; no shape: contiguous ones."""
        body = Body()
        operands: list[Operand] = []
        symbols: list[Any] = []
        numbers = 0
        flat = given is None
        shape = (1 << 20,) if given is None else given
        arrays = [a for a in args if a.__class__ is np.ndarray]
        kind = compute_type(kind_of(np.result_type(*(a.dtype for a in arrays if a.dtype.kind != "b"))) or "")
        for a in args:
            if a.__class__ is np.ndarray:
                own = kind_of(a.dtype) or ""
                symbols.append(Sym(body, body.input(len(operands), compute_type(own))))
                operands.append(_operand(a, own, shape, flat))
            elif a.__class__ is float or a.__class__ is int:
                symbols.append(Sym(body, body.number(numbers, kind)))
                numbers += 1
            else:
                symbols.append(a)
        try:
            results = self.form(*symbols)
        except Exception as reason:
            # Formulas are derivative rules, too, which may do anything to arrays.
            raise NoForm(str(reason)) from reason
        if not isinstance(results, tuple):
            results = (results,)
        if any(not isinstance(r, Sym) or body.nodes[r.ref][0] in _LEAVES for r in results):
            raise NoForm("nothing is computed")
        half = next((a.dtype for a in arrays if kind_of(a.dtype) in ("f16", "bf16")), None)
        alone = sum(n[0] not in _LEAVES for n in body.nodes) < 2
        if self.several and half is None and loops.cost_of(body) == 1 and alone:
            raise NoForm("one cheap operation, which NumPy does at the speed of memory")
        types = [half if half is not None and r.kind == "f32" else _NUMPY[r.kind] for r in results]
        stores = []
        for r, d in zip(results, types):
            stores.append((len(operands), r.ref))
            if out is not None:
                operands.append(_operand(out, kind_of(out.dtype) or "", shape, flat))
            else:
                model = None if flat else chosen(shape, d, arrays)
                operands.append(_operand(model, kind_of(d) or "", shape, flat))
        loop = Loop(shape, tuple(operands), body, (Pass(stores=tuple(stores)),))
        return loops.lower(loop), types


_NUMPY: Final[dict[str, Any]] = {
    "f32": np.dtype(np.float32), "f64": np.dtype(np.float64), "b1": np.dtype(np.bool_),
    "i64": np.dtype(np.int64), "i32": np.dtype(np.int32), "u8": np.dtype(np.uint8),
    "i16": np.dtype(np.int16), "i8": np.dtype(np.int8),
}  # fmt: skip


def _operand(array: Any, kind: str, shape: tuple[int, ...], flat: bool) -> Operand:
    if flat:
        return Operand(kind, (0 if array is not None and not array.ndim else 1,))
    missing = len(shape) - array.ndim
    strides = [0 if n == 1 else s // array.itemsize for n, s in zip(array.shape, array.strides)]
    return Operand(kind, (*([0] * missing), *strides))
