"""Which elementwise kernels have a form for the code generator, and what it is.

`form_of(kernel)` gives, for a ufunc or a function over arrays, the same computation over symbols (see
`symbolic`): called with a Sym for each array, and Syms, numbers or whatever else for the other arguments, it
gives a Sym.

    body = Body()
    x = Sym(body, body.input(0, "f32"))
    y = form_of(np.exp)(x) * 2.0 + 1.0
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from . import activation_forms, arithmetic_forms
from .symbolic import Form, Sym, call

__all__ = ["NoForm", "form_named", "form_of"]


class NoForm(Exception):
    """A rule turned out to have no form for kernels: it does more than the vocabulary has."""


def _named(name: str) -> Form:
    def form(*operands: Any) -> Sym:
        return call(name, *operands)

    return form


_UFUNCS: Final[dict[Any, Form]] = {
    np.add: _named("add"),
    np.subtract: _named("sub"),
    np.multiply: _named("mul"),
    np.true_divide: _named("div"),
    np.negative: _named("neg"),
    np.absolute: _named("abs"),
    np.square: _named("square"),
    np.sqrt: _named("sqrt"),
    np.exp: _named("exp"),
    np.exp2: _named("exp2"),
    np.expm1: _named("expm1"),
    np.log: _named("log"),
    np.log1p: _named("log1p"),
    np.log2: _named("log2"),
    np.log10: _named("log10"),
    np.sin: _named("sin"),
    np.cos: _named("cos"),
    np.tan: _named("tan"),
    np.tanh: _named("tanh"),
    np.floor: _named("floor"),
    np.ceil: _named("ceil"),
    np.trunc: _named("trunc"),
    np.rint: _named("round"),
    np.reciprocal: _named("reciprocal"),
    np.maximum: _named("maximum"),
    np.minimum: _named("minimum"),
    np.power: _named("pow"),
    np.sign: _named("sign"),
    np.abs: _named("abs"),
    np.copysign: _named("copysign"),
    np.fmod: _named("fmod"),
    np.less: _named("lt"),
    np.less_equal: _named("le"),
    np.greater: _named("gt"),
    np.greater_equal: _named("ge"),
    np.equal: _named("eq"),
    np.not_equal: _named("ne"),
}


def form_named(name: str) -> Form:
    """The formula that a kernel names (see `sized`).

    Args:
        name: of a function of `activation_forms` or `arithmetic_forms`.

    Returns:
        The formula.
    """
    form: Form = getattr(activation_forms, name, None) or getattr(arithmetic_forms, name)
    return form


def form_of(kernel: Any) -> Form | None:
    """An elementwise kernel's computation over symbols, if it has that form.

    Args:
        kernel: a ufunc or a function over arrays.

    Returns:
        The formula, or None.
    """
    name = getattr(kernel, "form", None)
    return form_named(name) if isinstance(name, str) else _UFUNCS.get(kernel)
