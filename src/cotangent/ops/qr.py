"""QR factors and Householder reflections."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ..kernels import lapack, spectral as k
from ..kernels.layout import by_columns
from .arguments import REQUIRED, deliver_exact
from .blas import adjoint_matrix, conj_of
from .join import cat_of
from .lu import pull_lu
from .matrices import (
    at_least_matrix,
    batch_rule,
    castable,
    columns,
    deliver_each,
    diagonal,
    factorisation,
    inexact,
    on_diagonal,
    product,
    rows,
    same_dtype,
    supported,
    tensor,
)  # fmt: skip
from .reduce import sum_dims
from .results import named_result
from .table import deliver, general
from .triangles import tril_of, triu_of
from .triangular import triangular_of
from .views import slice_backward, slice_of


def _qr_rule(g: Any, input_dtype: Any, out0: Any, out1: Any, form: Any) -> Any:
    """gA = (gQ + Q S) R^-H with S the Hermitian matrix whose upper triangle is that of gR R^H - Q^H gQ.

    Roberts and Roberts, QR and LQ decomposition matrix backpropagation algorithms for square, wide, and deep
    matrices (2020). A wide A = (A1 A2) has Q R1 = A1 and R2 = Q^H A2.
    """
    if form == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
            "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
        )
    q, r, gq, gr = out0, out1, g[0], g[1]
    size, n = q.shape[-1], r.shape[-1]
    if form == "complete" and size > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
        )
    wide = None
    if n > size:
        last = r.ndim - 1
        first = slice_of(r, last, 0, size, 1)
        if gr is not None:
            rest = slice_of(gr, last, size, n, 1)
            wide = product(q, rest)
            part = product(q, product(slice_of(r, last, size, n, 1), adjoint_matrix(rest)))
            gq = part if gq is None else gq + part
            gr = slice_of(gr, last, 0, size, 1)
        else:
            wide = product(q, slice_of(r, last, size, n, 1)) * 0.0
        r = first
    inner = None if gr is None else product(gr, adjoint_matrix(r))
    if gq is not None:
        part = product(adjoint_matrix(q), gq)
        inner = -part if inner is None else inner - part
    half = triu_of(inner, 1)
    middle = diagonal(inner)
    if input_dtype.kind == "c":
        middle = (middle + conj_of(middle)) * 0.5
    found = product(q, half + adjoint_matrix(half) + on_diagonal(middle))
    if gq is not None:
        found = found + gq
    found = triangular_of(adjoint_matrix(r), found, False, False, False)
    return found if wide is None else cat_of([found, wide], found.ndim - 1)


qr_of: Any = factorisation(
    "qr_of(input | form)",
    by_columns(k.qr, 0, 1),
    node="LinalgQrBackward0",
    public="linalg_qr",
    nout=2,
    input=_qr_rule,
)
_new: Final = named_result("linalg_qr", "Q", "R")
_old: Final = named_result("qr", "Q", "R")


def _factored(a: Any, mode: Any) -> Any:
    at_least_matrix("linalg.qr", a)
    inexact("linalg.qr", a)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
            "'complete'"
        )
    supported("geqrf_cpu", a)
    return qr_of(a, mode)


def linalg_qr(A: Any, mode: str = "reduced", *, out: Any = None) -> Any:
    """The factorisation A = Q R: orthonormal columns and an upper triangle.

    Args:
        A: (..., m, n).
        mode: "reduced" gives min(m, n) columns of Q, "complete" m, "r" only R.
        out: two tensors to write the results to.

    Returns:
        `(Q, R)`.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.qr(torch.tensor([[3.0, 1.0], [4.0, 2.0]])).R
        tensor([[-5.0000, -2.2000],
                [ 0.0000,  0.4000]])
    """
    tensor("linalg_qr", "A", A)
    return deliver_each("linalg_qr", _new(*_factored(A, mode)), out)


def qr(input: Any, some: bool = True, *, out: Any = None) -> Any:
    """The factorisation A = Q R; `torch.linalg.qr` is the newer function.

    Args:
        input: (..., m, n).
        some: whether Q has min(m, n) columns instead of m.
        out: two tensors to write the results to.

    Returns:
        `(Q, R)`.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.qr(torch.eye(2)).Q.abs()
        tensor([[1., 0.],
                [0., 1.]])
    """
    tensor("qr", "input", input)
    return deliver_each("qr", _old(*_factored(input, "reduced" if some else "complete")), out)


# -- reflections --------------------------------------------------------------------------------------------

# The vectors v_i with ones on the diagonal and zeros above; what stands there in the packed form is no input.
reflectors_of: Any = general(
    "reflectors_of(input | count)",
    k.reflectors,
    node="TrilBackward0",
    public="tril",
    batch=batch_rule,
    input=lambda g, input_shape, count: slice_backward(
        tril_of(g, -1), tuple(input_shape), len(input_shape) - 1, 0, count, 1
    ),
    jvp=lambda tangents, args, out: tril_of(slice_of(tangents[0], tangents[0].ndim - 1, 0, args[1], 1), -1),
)
# Unit matrices of the shape of `like`.
unit_of: Any = general("unit_of(like)", lapack.eye_like, batch=batch_rule)


def _reflect_back(g: Any, a: Any, tau: Any, c: Any, adjoint: bool) -> Any:
    """The cotangents of the packed vectors, of tau and of C in Y = C - V T V^H C (or T^H in place of T).

    With K = 1 + N D, N the part of V^H V above the diagonal and D = diag(tau), T is D K^-1.
    """
    count = tau.shape[-1]
    if not count or 0 in tuple(a.shape):
        return None, None, g
    v = reflectors_of(a, count)
    turned = adjoint_matrix(v)
    inner = triu_of(product(turned, v), 1)
    k = inner * columns(tau)
    p, q = product(turned, c), product(turned, g)
    if adjoint:
        s = triangular_of(adjoint_matrix(k), rows(conj_of(tau)) * p, False, True, True)
        back = triangular_of(k, -q, True, True, True)
        of_p = rows(tau) * back
        of_tau = conj_of(diagonal(product(back, adjoint_matrix(p))))
        of_k = -triu_of(product(s, adjoint_matrix(back)), 1)
        of_v = -product(g, adjoint_matrix(s))
    else:
        s = triangular_of(k, p, True, True, True)
        of_p = triangular_of(adjoint_matrix(k), -(rows(conj_of(tau)) * q), False, True, True)
        of_tau = -diagonal(product(q, adjoint_matrix(s)))
        of_k = -triu_of(product(of_p, adjoint_matrix(s)), 1)
        of_v = -product(g, adjoint_matrix(rows(tau) * s))
    of_tau = of_tau + sum_dims(conj_of(inner) * of_k, (inner.ndim - 2,), False)
    of_inner = of_k * conj_of(columns(tau))
    of_v = of_v + product(c, adjoint_matrix(of_p)) + product(v, of_inner + adjoint_matrix(of_inner))
    packed = slice_backward(tril_of(of_v, -1), tuple(a.shape), a.ndim - 1, 0, count, 1)
    return packed, of_tau, g + product(v, of_p)


product_of: Any = factorisation(
    "product_of(input, tau)",
    by_columns(lambda a, tau: k.reflect(a, tau, lapack.eye_like(a), False)),
    node="LinalgHouseholderProductBackward0",
    public="linalg_householder_product",
    input=lambda g, input, tau: _reflect_back(g, input, tau, unit_of(input), False)[0],
    tau=lambda g, input, tau: _reflect_back(g, input, tau, unit_of(input), False)[1],
)


def _multiplied(a: Any, tau: Any, c: Any, left: bool, transpose: bool) -> Any:
    if left:
        return k.reflect(a, tau, c, transpose)
    found = k.reflect(a, tau, np.conjugate(c.swapaxes(-1, -2)), not transpose)
    return np.ascontiguousarray(np.conjugate(found.swapaxes(-1, -2)))


def _multiplied_back(g: Any, a: Any, tau: Any, c: Any, left: bool, transpose: bool) -> Any:
    """C Q is the adjoint of Q^H C^H."""
    if left:
        return _reflect_back(g, a, tau, c, transpose)
    found = _reflect_back(adjoint_matrix(g), a, tau, adjoint_matrix(c), not transpose)
    return found[0], found[1], adjoint_matrix(found[2])


ormqr_of: Any = factorisation(
    "ormqr_of(input, tau, other | left, transpose)",
    by_columns(_multiplied),
    node="OrmqrBackward0",
    public="ormqr",
    input=lambda g, input, tau, other, left, transpose: _multiplied_back(
        g, input, tau, other, left, transpose
    )[0],
    tau=lambda g, input, tau, other, left, transpose: _multiplied_back(g, input, tau, other, left, transpose)[
        1
    ],
    other=lambda g, input, tau, left, transpose: ormqr_of(input, tau, g, left, not transpose),
)


def _geqrf_rule(g: Any, input_dtype: Any, out0: Any, out1: Any) -> Any:
    """By way of Q and R: the reflections' vectors and factors are L and the diagonal of U in 1 - Q = L U.

    Ballard et al., Reconstructing Householder vectors from tall-skinny QR (2014). Of real matrices with no
    more rows than columns the last reflection is none, whatever the matrix.
    """
    m, n = out0.shape[-2:]
    size = min(m, n)
    count = size if input_dtype.kind == "c" else min(m - 1, n)
    last = out0.ndim - 1
    r = triu_of(slice_of(out0, last - 1, 0, size, 1), 0)
    gr = None if g[0] is None else triu_of(slice_of(g[0], last - 1, 0, size, 1), 0)
    q = unit_of(slice_of(out0, last, 0, size, 1))
    gq = None
    if count:
        low = reflectors_of(out0, count)
        turned = adjoint_matrix(low)
        tau = slice_of(out1, last - 1, 0, count, 1)
        inverse = triu_of(product(turned, low), 1) + on_diagonal(1.0 / tau)
        up = triangular_of(inverse, slice_of(turned, last, 0, size, 1), True, True, False)
        q = q - product(low, up)
        gl = None if g[0] is None else tril_of(slice_of(g[0], last, 0, count, 1), -1)
        gu = None if g[1] is None else on_diagonal(slice_of(g[1], g[1].ndim - 1, 0, count, 1))
        found = pull_lu(gl, gu, None, low, triu_of(slice_of(up, last, 0, count, 1), 0))
        gq = slice_backward(-found, (*found.shape[:-1], size), last, 0, count, 1)
    if gq is None and gr is None:
        return None
    return _qr_rule((gq, gr), input_dtype, q, r, "reduced")


geqrf_of: Any = factorisation(
    "geqrf_of(input)",
    by_columns(k.geqrf, 0),
    nout=2,
    node="GeqrfBackward0",
    public="geqrf",
    input=_geqrf_rule,
)
_packed: Final = named_result("geqrf", "a", "tau")


def geqrf(input: Any, *, out: Any = None) -> Any:
    """The QR factorisation as LAPACK packs it, for `ormqr` and `householder_product`.

    Args:
        input: (..., m, n).
        out: two tensors to write the results to.

    Returns:
        `(a, tau)`: R in the upper triangle and the vectors of the reflections below it, and their factors.

    Raises:
        RuntimeError: if there are fewer than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.geqrf(torch.tensor([[3.0], [4.0]]))
        torch.return_types.geqrf(
        a=tensor([[-5.0000],
                [ 0.5000]]),
        tau=tensor([1.6000]))
    """
    tensor("geqrf", "input", input)
    at_least("torch.geqrf", "input", input)
    supported("geqrf_cpu", input)
    found = _packed(*geqrf_of(input))
    if out is not None:
        castable("torch.geqrf", "a", found[0], out[0])
    return deliver("geqrf", found, out)


def at_least(function: str, name: str, t: Any) -> None:
    """Refuse tensors of fewer than two dimensions, in other words than `at_least_matrix`."""
    if t.ndim < 2:
        raise RuntimeError(f"{function}: {name} must have at least 2 dimensions.")


def _check_factors(function: str, a: Any, tau: Any) -> None:
    if a.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{function}: Expected tau to have one dimension less than input, but got tau.ndim equal to "
            f"{tau.ndim} "
            f"and input.ndim is equal to {a.ndim}"
        )
    if tau.shape[:-1] != a.shape[:-2]:
        raise RuntimeError(
            f"{function}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    same_dtype(function + ": tau dtype {b} does not match input dtype {a}", a, tau)


def householder_product(input: Any, tau: Any = REQUIRED, *, out: Any = None) -> Any:
    """The first columns of a product of Householder reflections.

    Args:
        input: (..., m, n) with m >= n, the vectors below the diagonal as `geqrf` packs them.
        tau: (..., k) with k <= n, their factors.
        out: tensor to write the result to.

    Returns:
        (..., m, n).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.householder_product(*torch.geqrf(torch.tensor([[3.0], [4.0]])))
        tensor([[-0.6000],
                [-0.8000]])
    """
    name = "torch.linalg.householder_product"
    tensor("linalg_householder_product", "input", input)
    tensor("linalg_householder_product", "tau", tau, 2)
    at_least(name, "input", input)
    m, n = input.shape[-2:]
    if m < n:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if tau.ndim and n < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    _check_factors(name, input, tau)
    supported("orgqr_cpu", input)
    found = product_of(input, tau)
    castable("torch.linalg.householder_product", "result", found, out)
    return deliver("linalg_householder_product", found, out)


def ormqr(
    input: Any,
    tau: Any = REQUIRED,
    other: Any = REQUIRED,
    left: bool = True,
    transpose: bool = False,
    *,
    out: Any = None,
) -> Any:
    """The product of Q, given by Householder reflections, and another matrix.

    Args:
        input: (..., m, k), the vectors below the diagonal as `geqrf` packs them.
        tau: (..., k), their factors.
        other: (..., m, n), or (..., n, m) where `left` is false.
        left: whether Q stands on the left.
        transpose: multiply by the adjoint of Q.
        out: tensor to write the result to.

    Returns:
        of the shape of `other`.

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> a, tau = torch.geqrf(torch.tensor([[3.0], [4.0]]))
        >>> torch.ormqr(a, tau, torch.tensor([[3.0], [4.0]]), transpose=True)
        tensor([[-5.],
                [ 0.]])
    """
    for position, (name, value) in enumerate((("input", input), ("tau", tau), ("other", other)), 1):
        tensor("ormqr", name, value, position)
    at_least("torch.ormqr", "input", input)
    at_least("torch.ormqr", "other", other)
    side = "other.shape[-2]" if left else "other.shape[-1]"
    size = other.shape[-2 if left else -1]
    if size != input.shape[-2]:
        raise RuntimeError(f"torch.ormqr: {side} must be equal to input.shape[-2]")
    if tau.ndim and tau.shape[-1] != min(size, input.shape[-1]):
        raise RuntimeError(f"torch.ormqr: tau.shape[-1] must be equal to min({side}, input.shape[-1])")
    _check_factors("torch.ormqr", input, tau)
    if other.ndim != input.ndim:
        raise RuntimeError(
            "torch.ormqr: Expected input and other to have equal number of dimensions, but got input.ndim "
            f"equal to {input.ndim} and other.ndim is equal to {other.ndim}"
        )
    if other.shape[:-2] != input.shape[:-2]:
        raise RuntimeError(
            "torch.ormqr: Expected batch dimensions of other to be equal to input.shape[:-2], but got "
            f"{list(other.shape[:-2])}"
        )
    same_dtype(
        "torch.ormqr: Expected input and other to have the same dtype, but input has dtype{a} and other has "
        "dtype {b}",
        input,
        other,
    )
    supported("ormqr_cpu", input)
    return deliver_exact(
        "ormqr",
        ormqr_of(input, tau, other, bool(left), bool(transpose)),
        out,
        "torch.ormqr: Expected input and result to have the same dtype, but input has dtype{kind} and "
        "result has dtype {kind_out}",
    )


orgqr = householder_product  # its older name
