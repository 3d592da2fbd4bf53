"""Derivatives by finite differences and by the engine, compared: what gradcheck stands on.

The slow mode compares whole Jacobians. The fast mode compares one number per pair of input and output,
`v . (J u)` with random u and v: a finite difference along u against one backward (or forward) pass.

A real function s of a complex variable x + iy has the gradient ds/dx + i ds/dy (PyTorch's convention, twice
the conjugate Wirtinger derivative).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from .. import dtypes
from ..factories import zeros_like
from ..kernels.sparse import Coo
from ..ops.table import TABLE
from ..random import Generator, rand
from .api import grad
from .base import TensorBase, wrap
from .forward_ad import dual_level, make_dual, unpack_dual

Array = np.ndarray[Any, Any]


class GradcheckError(RuntimeError):
    """What gradcheck and gradgradcheck raise for a wrong derivative."""


GradcheckError.__module__ = "torch.autograd.gradcheck"


@dataclass(frozen=True)
class Check:
    """One function under test, with the tolerances that hold for it."""

    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_grad_dtypes: bool
    fast: bool
    forward: bool = False
    complex_at: tuple[int, ...] = ()  # the outputs (forward mode: inputs) of which this is one part
    part: str = "real"
    masked: bool = False  # whether elements that sparse inputs do not store count as constants

    def run(self) -> None:
        """Raise GradcheckError if an analytical derivative is not the numerical one."""
        given = as_tuple(self.function(*self.inputs))
        places = [i for i, o in enumerate(given) if o.requires_grad]
        if any(_is_sparse(o) for o in given):
            raise ValueError(
                "Sparse output is not supported at gradcheck yet. Please call to_dense(masked_grad=...) on "
                "the output of fn for gradcheck."
            )
        if not places:
            self.no_outputs(given)
            return
        (self.directions if self.fast else self.jacobians)(given, places)

    def no_outputs(self, given: tuple[Any, ...]) -> None:
        """Without differentiable outputs, all derivatives must be zero."""
        floats = [i for i, o in enumerate(given) if _is_float(o)]
        for index in differentiable(self.inputs):
            for j in self.numerical(index, floats):
                if j.any():
                    raise GradcheckError("Numerical gradient for function expected to be zero")

    def mismatch(self, output: int, index: int, numerical: Any, analytical: Any) -> str:
        """The text of the error for one Jacobian."""
        of = "inputs" if self.forward else "outputs"
        is_part = (index if self.forward else output) in self.complex_at
        head = f"While considering the {self.part} part of complex {of} only, " if is_part else ""
        mode = "computed with forward mode " if self.forward else ""
        return (
            f"{head}Jacobian {mode}mismatch for output {output} with respect to input {index},\n"
            f"numerical:{numerical}\nanalytical:{analytical}\n"
        )

    # -- whole Jacobians ------------------------------------------------------------------------------

    def jacobians(self, given: tuple[Any, ...], places: list[int]) -> None:
        """Compare the Jacobian of every pair of output and input."""
        chosen = differentiable(self.inputs)
        expected = [self.numerical(index, places) for index in chosen]
        if self.forward:
            found = [self.by_tangents(index, given, places) for index in chosen]
        for output, place in enumerate(places):
            if not self.forward:
                columns = self.by_cotangents(given[place])
            for k in range(len(chosen)):
                analytical = found[k][output] if self.forward else columns[k]
                if not close(analytical, expected[k][output], self.rtol, self.atol):
                    raise GradcheckError(
                        self.mismatch(output, k, wrap(expected[k][output]), wrap(analytical))
                    )

    def numerical(self, index: int, places: Sequence[int]) -> list[Array]:
        """Per output a matrix (elements of the input, elements of the output) of difference quotients."""
        whole = self.whole()
        if whole is not self:
            return whole.numerical(index, places)
        x = self.inputs[index]
        kind = x.dtype.np
        base = [as_tuple(self.function(*self.inputs))[p] for p in places]
        kinds = [kind if kind.kind == "c" else o.dtype.np for o in base]
        made = [np.zeros((x.numel(), o.numel()), k) for o, k in zip(base, kinds, strict=True)]
        at: Any
        for row, at in zip(stored(x), _each(x), strict=True):
            for step in (1.0, 1j) if kind.kind == "c" else (1.0,):
                for matrix, slope in zip(made, self.slopes(x, at, step * self.eps, places), strict=True):
                    matrix[row] += (step * slope).astype(matrix.dtype)
        return made

    def whole(self) -> Check:
        """The same with sparse inputs that store all their elements, unless those missing are constants."""
        if self.masked or not any(_is_sparse(x) for x in self.inputs):
            return self
        full = tuple(_filled(x) if _is_sparse(x) else x for x in self.inputs)
        return replace(self, inputs=full, masked=True)

    def slopes(self, x: Any, at: Any, step: Any, places: Sequence[int]) -> list[Array]:
        """Per output (f(x + step) - f(x - step)) / 2 eps, with the step taken at the elements `at`."""
        kept = x._data
        sparse = isinstance(kept, Coo)
        start = kept.values.copy() if sparse else kept[at].copy()

        def move(by: Any) -> None:
            if sparse:
                values = start.copy()
                values.reshape(-1)[at] += by
                x._data = kept.with_values(values)
            else:
                kept[at] = start + by

        try:
            move(-step)
            below = self.values(places)
            move(step)
            above = self.values(places)
        finally:
            if sparse:
                x._data = kept
            else:
                kept[at] = start
        for a, b in zip(above, below, strict=True):
            for what, one, other in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype)):
                if one != other:
                    raise AssertionError(
                        f"Expected `func` to return outputs with the same {what} when inputs are perturbed "
                        f"by {self.eps}, but got: {what}s {one} and {other}."
                    )
        return [((a._data - b._data) / (2 * self.eps)).reshape(-1) for a, b in zip(above, below, strict=True)]

    def values(self, places: Sequence[int]) -> list[Any]:
        """The chosen outputs, safe from what happens to the inputs next."""
        given = as_tuple(self.function(*self.inputs))
        return [given[p].detach().clone() for p in places]

    def by_cotangents(self, output: Any) -> list[Array]:
        """Per input the Jacobian of one output, a backward pass for each of its elements."""
        made = self.backward_rows(output)
        for first, again in zip(made, self.backward_rows(output), strict=True):
            self.repeats(first, again)
        return made

    def backward_rows(self, output: Any) -> list[Array]:
        """Per input a matrix (elements of the input, elements of the output)."""
        wanted = [self.inputs[i] for i in differentiable(self.inputs)]
        made = [np.zeros((x.numel(), output.numel()), x.dtype.np) for x in wanted]
        seed = zeros_like(output.detach())
        for column, at in enumerate(product(*map(range, output.shape))):
            seed._data[at] = 1
            grads = grad(output, wanted, seed.clone(), retain_graph=True, allow_unused=True)
            seed._data[at] = 0
            for matrix, g in zip(made, grads, strict=True):
                if g is not None:
                    matrix[:, column] = _dense(g)
        return made

    def repeats(self, first: Array, again: Array) -> None:
        """Two runs of the same backward must agree."""
        if first.size and np.abs(first - again).max() > self.nondet_tol:
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
                "times gives different values, although analytical gradient matches numerical gradient.The "
                f"tolerance for nondeterminism was {self.nondet_tol}."
            )

    def by_tangents(self, index: int, given: tuple[Any, ...], places: list[int]) -> list[Array]:
        """Per output the Jacobian for one input, a forward pass for each of the input's elements."""
        x = self.inputs[index]
        made = [np.zeros((x.numel(), given[p].numel()), given[p].dtype.np) for p in places]
        for row, at in enumerate(product(*map(range, x.shape))):
            direction = zeros_like(x.detach())
            direction._data[at] = 1
            moved = self.tangents(self.beside_zeros(index, direction), places)
            for matrix, t in zip(made, moved, strict=True):
                if t is not None:
                    matrix[row] = t._data.reshape(-1)
        return made

    def beside_zeros(self, index: int, direction: Any) -> dict[int, Any]:
        """The tangent of one input, and zeros for the others."""
        chosen = differentiable(self.inputs)
        return {i: zeros_like(self.inputs[i].detach()) for i in chosen} | {index: direction}

    def tangents(self, directions: dict[int, Any], places: Sequence[int]) -> list[Any]:
        """Tangents of the outputs for tangents of some inputs."""
        plain = [x.detach() if isinstance(x, TensorBase) else x for x in self.inputs]  # type: ignore[attr-defined]
        with dual_level():
            for i, direction in directions.items():
                plain[i] = make_dual(plain[i], direction)
            given = as_tuple(self.function(*plain))
            pairs = [unpack_dual(given[p]) for p in places]
            for value, t in pairs:
                if self.check_grad_dtypes and t is not None and value.is_complex() != t.is_complex():
                    raise GradcheckError("Forward AD gradient has dtype mismatch.")
            return [None if t is None else t.detach() for _, t in pairs]

    # -- one number per pair --------------------------------------------------------------------------

    def directions(self, given: tuple[Any, ...], places: list[int]) -> None:
        """Compare derivatives along a random direction of each input; of sparse ones, of what they store."""
        source = Generator()
        chosen = differentiable(self.inputs)
        ahead = [self.direction(self.inputs[i], source) for i in chosen]
        back = [_unit(given[p].numel(), source).astype(given[p].dtype.np) for p in places]
        for k, (index, u) in enumerate(zip(chosen, ahead, strict=True)):
            x = self.inputs[index]
            step = (u * self.eps).astype(x.dtype.np)
            slopes = self.slopes(x, ..., step if _is_sparse(x) else step.reshape(tuple(x.shape)), places)
            if self.forward:
                ahead_of = wrap(u.astype(x.dtype.np).reshape(tuple(x.shape)))
                found = self.tangents(self.beside_zeros(index, ahead_of), places)
            for output, place in enumerate(places):
                v = back[output]
                allowed = self.atol * float(np.abs(u.real).sum() + np.abs(u.imag).sum())
                if self.forward:
                    t = found[output]
                    numerical = slopes[output]
                    analytical = np.zeros_like(numerical) if t is None else t._data.reshape(-1)
                else:
                    allowed *= float(v.sum())
                    numerical = np.asarray(np.dot(v, slopes[output]))
                    analytical = self.pulled(given[place], v, index, u, stored(x))
                if not close(analytical, numerical, self.rtol, allowed):
                    text = self.mismatch(output, k, wrap(numerical), wrap(analytical))
                    raise GradcheckError(text + self.in_full(index, output, given, places))

    def direction(self, x: Any, source: Any) -> Array:
        """A random direction of an input."""
        n = len(stored(x))
        u = _unit(n, source)
        return u + 1j * _unit(n, source) if x.is_complex() else u

    def pulled(self, output: Any, v: Array, index: int, u: Array, rows: Array) -> Array:
        """The derivative of `v . output` along `u`, which moves the elements `rows`, by backward."""
        x = self.inputs[index]
        found = []
        for _ in range(2):
            seed = wrap(v.reshape(tuple(output.shape)))
            (g,) = grad(output, [x], seed, retain_graph=True, allow_unused=True)
            flat = np.zeros(x.numel(), x.dtype.np) if g is None else _dense(g)
            flat = flat[rows] if _is_sparse(x) else flat
            found.append(np.asarray(np.dot(flat.real, u.real) + np.dot(flat.imag, u.imag)).astype(v.dtype))
        self.repeats(*found)
        return found[0]

    def in_full(self, index: int, output: int, given: tuple[Any, ...], places: list[int]) -> str:
        """Both Jacobians in whole, for the error of the fast mode."""
        numerical = self.numerical(index, places)[output]
        if self.forward:
            analytical = self.by_tangents(index, given, places)[output]
        else:
            analytical = self.backward_rows(given[places[output]])[differentiable(self.inputs).index(index)]
        worst = wrap(np.asarray(np.abs(numerical - analytical).max()))
        text = (
            "\nThe above quantities relating the numerical and analytical jacobians are computed \nin fast "
            "mode. See: "
            "https://github.com/pytorch/pytorch/issues/53876 for more background \nabout fast mode. Below, "
            "we recompute "
            "numerical and analytical jacobians in slow mode:\n\nNumerical:\n "
            f"{wrap(numerical)}\nAnalytical:\n"
            f"{wrap(analytical)}\n\nThe max per-element difference (slow mode) is: {worst}.\n"
        )
        if close(analytical, numerical, self.rtol, self.atol):
            text += "The differences of the elements are small: fast_mode=False would pass."
        return text


def _is_sparse(x: Any) -> bool:
    return isinstance(x, TensorBase) and isinstance(x._data, Coo)


def _dense(x: Any) -> Array:
    """All elements of a tensor in a row."""
    found: Array = (x.to_dense() if _is_sparse(x) else x)._data.reshape(-1)
    return found


def stored(x: Any) -> Any:
    """The places of the elements that are stored, among all of them in a row."""
    if not _is_sparse(x):
        return range(x.numel())
    data = x._data
    inner = math.prod(data.values.shape[1:])
    return (data.keys()[:, None] * inner + np.arange(inner)).reshape(-1)


def _each(x: Any) -> Any:
    """Where the stored elements are in the array that holds them."""
    return range(x._data.values.size) if _is_sparse(x) else product(*map(range, x.shape))


def _filled(x: Any) -> Any:
    """A sparse tensor with all of its elements stored, in the same layout."""
    dense = x.detach().to_dense()
    data = x._data
    options = {"blocksize": data.blocksize or None} if hasattr(data, "blocksize") else {}
    pattern = TABLE["ones_like"].entry(dense).to_sparse(layout=x.layout, **options)
    made = wrap(pattern._data.with_values(dense._data[tuple(pattern._data.indices)]))
    made._req = x._req
    return made


def as_tuple(value: Any) -> tuple[Any, ...]:
    """A tensor as a tuple of one, a list as a tuple."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def differentiable_outputs(value: Any) -> tuple[Any, ...]:
    """The outputs that require gradients."""
    return tuple(o for o in as_tuple(value) if o.requires_grad)


def _is_float(t: Any) -> bool:
    return isinstance(t, TensorBase) and t.dtype.category >= dtypes.FLOATING  # type: ignore[attr-defined]


def differentiable(inputs: Sequence[Any]) -> list[int]:
    """Positions of the tensors that require gradients."""
    return [i for i, x in enumerate(inputs) if isinstance(x, TensorBase) and x._req]


def _unit(n: int, source: Any) -> Array:
    """A random vector of length 1 without negative elements."""
    v: Array = rand(n, generator=source)._data.astype(np.float64)
    length = np.linalg.norm(v)
    return v / length if length else v


def close(a: Array, b: Array, rtol: float, atol: float) -> bool:
    """Whether two arrays agree, in the wider of their types."""
    a, b = (x.dense() if isinstance(x, Coo) else x for x in (a, b))
    kind = np.result_type(a, b) if a.dtype != b.dtype else a.dtype
    a, b = a.astype(kind), b.astype(kind)
    if kind.itemsize == 2 and kind.kind not in "iu":
        a, b = a.astype(np.float32), b.astype(np.float32)
    return bool(np.allclose(a, b, rtol, atol))
