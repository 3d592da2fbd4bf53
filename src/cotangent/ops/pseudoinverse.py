"""Pseudo-inverses, ranks and least squares."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import bad_argument
from ..kernels import spectral as k
from ..kernels.layout import turned
from .arguments import REQUIRED, no_match
from .blas import adjoint_matrix
from .comparison import gt
from .copies import cast
from .extremes import amax
from .matrices import (
    at_least_matrix,
    batch_rule,
    broadcast_lead,
    castable,
    columns,
    factorisation,
    probe,
    product,
    same_dtype,
    square,
    tensor,
    with_lead,
)  # fmt: skip
from .reduce import sum_dims
from .results import named_result
from .select import maximum, where
from .table import constant, deliver, general, is_tensor
from .views import expand_to, reshape_any, unsqueeze_at


def _pseudoinverse(a: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    m, n = a.shape[-2:]
    if not a.size:
        return np.zeros((*a.shape[:-2], n, m), a.dtype)
    if hermitian:
        values, vectors = k.eigh(a, False)
        sizes = np.abs(values)
        u, vh = vectors, np.conjugate(vectors.swapaxes(-1, -2))
    else:
        u, values, vh = k.svd(a, False)
        sizes = values
    least = np.maximum(atol, rtol * sizes.max(-1))[..., None]
    with np.errstate(all="ignore"):
        inverted = np.where(sizes > least, 1 / values, np.zeros((), values.dtype)).astype(values.dtype)
    back = np.conjugate(vh.swapaxes(-1, -2)) * inverted[..., None, :]
    return np.asarray(back @ np.conjugate(u.swapaxes(-1, -2))).astype(a.dtype, copy=False)


def pinv_back(g: Any, a: Any, p: Any) -> Any:
    """The pullback of P = pinv(A), where the rank stays as it is.

    From dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P (Golub and Pereyra, The differentiation of
    pseudo-inverses and nonlinear least squares problems whose variables separate, 1973).
    """
    turned, h = adjoint_matrix(p), adjoint_matrix(g)
    first = product(product(h, p), turned)
    second = product(turned, product(p, h))
    found = -product(product(turned, g), turned)
    return found + (first - product(a, product(p, first))) + (second - product(product(second, p), a))


pinv_of: Any = factorisation(
    "pinv_of(input, atol, rtol | hermitian)",
    _pseudoinverse,
    node="LinalgPinvBackward0",
    public="linalg_pinv",
    input=lambda g, input, out: pinv_back(g, input, out),
)
_OVERLOADS: Final = (
    "Tensor input, *, Tensor atol = None, Tensor rtol = None, bool hermitian = False, Tensor out = None",
    "Tensor input, *, float atol = None, float rtol = None, bool hermitian = False, Tensor out = None",
)


def _tolerances(function: str, a: Any, atol: Any, rtol: Any, rtol_name: str = "rtol") -> tuple[Any, Any]:
    """(atol, rtol) as numbers or tensors; by default rtol is eps max(m, n), but 0 where there is an atol."""
    for name, value in (("atol", atol), (rtol_name, rtol)):
        if is_tensor(value) and value.dtype.is_complex:
            raise RuntimeError(
                f"torch.linalg.{function}: {name} tensor of complex type is not supported. Got "
                f"{dtypes.SCALAR_NAME[value.dtype]}"
            )
    if rtol is None:
        usual = float(np.finfo(a.dtype.np).eps) * max(a.shape[-2:])
        if is_tensor(atol):
            rtol = where(atol > 0.0, 0.0, usual)
        else:
            rtol = 0.0 if atol is not None and atol > 0.0 else usual
    return 0.0 if atol is None else atol, rtol


def _lifted(value: Any, a: Any) -> Any:
    """A tolerance as a tensor of the batch's shape."""
    lead = tuple(a.shape[:-2])
    if not is_tensor(value):
        value = constant(np.asarray(value, a.dtype.to_real().np))
    return value if tuple(value.shape) == lead else expand_to(value, lead)


def pinv(
    A: Any,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Any = None,
) -> Any:
    """The Moore-Penrose pseudo-inverse.

    Args:
        A: (..., m, n).
        rcond: the older name of `rtol`.
        hermitian: whether A is Hermitian; one triangle is read then.
        atol: singular values up to this count as zero; a number or a tensor of the batch's shape.
        rtol: the same as a fraction of the largest singular value; eps max(m, n) by default.
        out: tensor to write the result to.

    Returns:
        (..., n, m).

    Raises:
        RuntimeError: for other tensors than batches of matrices.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.pinv(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    if not is_tensor(A):
        no_match(
            "linalg_pinv",
            (A,),
            *_OVERLOADS,
            "Tensor input, Tensor rcond, bool hermitian = False, *, Tensor out = None",
            "Tensor input, float rcond, bool hermitian = False, *, Tensor out = None",
        )
    if A.ndim < 2 or A.dtype.category < dtypes.FLOATING or A.dtype.itemsize == 2:
        raise RuntimeError(
            f"linalg.pinv({dtypes.SCALAR_NAME[A.dtype]}{{{list(A.shape)}}}): expected a tensor with 2 or "
            "more dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian and A.numel():
        square("linalg.eigh", A)
    relative, name = (rcond, "rcond") if rtol is None else (rtol, "rtol")
    absolute, relative = _tolerances("pinv", A, atol, relative, name)
    found = pinv_of(A, _lifted(absolute, A), _lifted(relative, A), bool(hermitian))
    castable("linalg.pinv", "result", found, out)
    return deliver("linalg_pinv", found, out)


def pinverse(input: Any, rcond: Any = 1e-15) -> Any:
    """The Moore-Penrose pseudo-inverse; `torch.linalg.pinv` is the newer function.

    Args:
        input: (..., m, n).
        rcond: singular values up to this fraction of the largest count as zero.

    Returns:
        (..., n, m).

    Raises:
        RuntimeError: for other tensors than batches of matrices.

    Example:
        >>> import cotangent as torch
        >>> torch.pinverse(torch.tensor([[2.0], [0.0]]))
        tensor([[0.5000, 0.0000]])
    """
    tensor("pinverse", "input", input)
    if is_tensor(rcond) and rcond.ndim:
        bad_argument("pinverse", "rcond", 2, "float", rcond)
    return pinv(input, rcond)


_RANK_OVERLOADS: Final = (
    *_OVERLOADS,
    "Tensor input, Tensor tol, bool hermitian = False, *, Tensor out = None",
    "Tensor input, float tol, bool hermitian = False, *, Tensor out = None",
)
# The sizes of the eigenvalues (of one triangle) or the singular values; they carry no gradient here.
sizes_of: Any = general(
    "sizes_of(input | hermitian)",
    lambda a, hermitian: np.abs(k.eigh(a, False)[0]) if hermitian else k.svd(a, False)[1],
    batch=batch_rule,
)


def matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """How many singular values are not zero.

    Args:
        A: (..., m, n).
        tol: values up to this count as zero; the older name of `atol`.
        hermitian: whether A is Hermitian; one triangle is read then.
        atol: as `tol`; a number or a tensor of the batch's shape.
        rtol: the same as a fraction of the largest singular value; eps max(m, n) by default.
        out: tensor to write the result to.

    Returns:
        an int64 tensor of the batch's shape.

    Raises:
        RuntimeError: for other tensors than batches of matrices.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.matrix_rank(torch.ones(2, 2))
        tensor(1)
    """
    if not is_tensor(A) or not (tol is None or is_tensor(tol) or isinstance(tol, (int, float, np.number))):
        no_match("linalg_matrix_rank", (A,) if tol is None else (A, tol), *_RANK_OVERLOADS)
    at_least_matrix("torch.linalg.matrix_rank", A, "input")
    if A.dtype.category < dtypes.FLOATING or A.dtype.itemsize == 2:
        raise RuntimeError("This function doesn't handle types other than float and double")
    if hermitian and A.numel():
        square("linalg.eigh", A)
    if tol is not None:
        atol, rtol = tol, 0.0 if rtol is None else rtol
    absolute, relative = (_lifted(t, A) for t in _tolerances("matrix_rank", A, atol, rtol))
    if not A.numel():
        found = constant(np.zeros(tuple(A.shape[:-2]), np.int64))
    else:
        sizes = sizes_of(A, bool(hermitian))
        least = maximum(absolute, relative * amax(sizes, -1))
        found = sum_dims(
            cast(gt(sizes, unsqueeze_at(least, least.ndim)), np.dtype(np.int64)), (sizes.ndim - 1,), False
        )
    castable("torch.linalg.matrix_rank", "result", found, out)
    return deliver("linalg_matrix_rank", found, out)


# -- least squares ------------------------------------------------------------------------------------------

# The pseudo-inverse with the usual tolerance, for the pullback of least squares.
plain_pinv: Any = factorisation(
    "plain_pinv(input)",
    lambda a: _pseudoinverse(a, 0.0, float(np.finfo(a.dtype).eps) * max(a.shape[-2:]), False),
    node="LinalgPinvBackward0",
    public="linalg_pinv",
    input=lambda g, input, out: pinv_back(g, input, out),
)


def _matrix(t: Any, vector: bool) -> Any:
    return unsqueeze_at(t, t.ndim) if vector else t


def _misfit(g: Any, a: Any, b: Any, x: Any) -> Any:
    """The cotangent of A X - B from that of its squared columns; None where there are no residuals."""
    if g is None or 0 in tuple(g.shape):
        return None
    return (product(a, x) - b) * (columns(g) * 2.0)


def _lstsq_matrix_rule(g: Any, input: Any, other: Any, out0: Any, vector: bool) -> Any:
    a, b, x = input, _matrix(other, vector), _matrix(out0, vector)
    total = None
    if g[0] is not None:
        total = pinv_back(product(_matrix(g[0], vector), adjoint_matrix(b)), a, plain_pinv(a))
    miss = _misfit(g[1], a, b, x)
    if miss is not None:
        part = product(miss, adjoint_matrix(x))
        total = part if total is None else total + part
    return total


def _lstsq_side_rule(g: Any, input: Any, other: Any, out0: Any, vector: bool) -> Any:
    a, b, x = input, _matrix(other, vector), _matrix(out0, vector)
    total = None
    if g[0] is not None:
        total = product(adjoint_matrix(plain_pinv(a)), _matrix(g[0], vector))
    miss = _misfit(g[1], a, b, x)
    if miss is not None:
        total = -miss if total is None else total - miss
    return reshape_any(total, tuple(total.shape)[:-1]) if vector and total is not None else total


def _least_squares(a: Any, b: Any, vector: bool, rcond: float, driver: str) -> Any:
    x, rest, ranks, values = k.lstsq(a, b[..., None] if vector else b, rcond, driver)
    return (x[..., 0] if vector else turned(x)), rest, ranks, values


def _batch_lstsq(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """One call; what is not computed is empty for every example."""
    found, _ = batch_rule(op, size, tensors, dims, statics)
    return tuple(expand_to(unsqueeze_at(t, 0), (size, 0)) if tuple(t.shape) == (0,) else t for t in found), 0


lstsq_of: Any = general(
    "lstsq_of(input, other | vector, rcond, driver)",
    _least_squares,
    nondiff_outputs=(2, 3),
    batch=_batch_lstsq,
    infer=probe(_least_squares),
    node="LinalgLstsqBackward0",
    public="linalg_lstsq",
    nout=4,
    input=_lstsq_matrix_rule,
    other=_lstsq_side_rule,
)
_lstsq_result: Final = named_result("linalg_lstsq", "solution", "residuals", "rank", "singular_values")


def lstsq(A: Any, B: Any = REQUIRED, rcond: Any = None, *, driver: Any = None, out: Any = None) -> Any:
    """The X with the least |A X - B|, and of those the shortest.

    Args:
        A: (..., m, n).
        B: (..., m, k), or vectors (..., m); batches broadcast.
        rcond: singular values up to this fraction of the largest count as zero; eps max(m, n) by default.
        driver: LAPACK's routine: "gelsy" (the default), "gels" (for full rank), "gelsd" or "gelss".
        out: four tensors to write the results to.

    Returns:
        `(solution, residuals, rank, singular_values)`: what a driver does not compute is empty, as are the
        residuals (sums of squares) unless m > n and all ranks are full.

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> X = torch.linalg.lstsq(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [3.0]])).solution
        >>> torch.allclose(X, torch.tensor([[2.0]]))
        True
    """
    name = "torch.linalg.lstsq"
    tensor("linalg_lstsq", "input", A)
    tensor("linalg_lstsq", "b", B, 2)
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    same_dtype(
        name
        + ": Expected input and other to have the same dtype, but got input's dtype {a} and other's dtype "
        "{b}",
        A,
        B,
    )
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and A.shape[:-1] == B.shape)
    if A.shape[-2] != B.shape[-1 if vector else -2]:
        side = "other.size(-1)" if vector else "other.size(-2)"
        raise RuntimeError(f"{name}: input.size(-2) should match {side}")
    chosen = "gelsy" if driver is None else driver
    if chosen not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    if A.dtype.category < dtypes.FLOATING or A.dtype.itemsize == 2:
        raise RuntimeError("This function doesn't handle types other than float and double")
    inner = 1 if vector else 2
    lead = broadcast_lead(A, B, inner)
    limit = float(np.finfo(A.dtype.np).eps) * max(A.shape[-2:]) if rcond is None else float(rcond)
    found = lstsq_of(with_lead(A, lead), with_lead(B, lead, inner), vector, limit, chosen)
    own = tuple(A.shape[:-2])
    if own != lead:  # ranks and singular values are those of A's matrices, not of the broadcast ones
        found = (*found[:2], *(_of_own(told, own, lead) for told in found[2:]))
    return deliver("linalg_lstsq", _lstsq_result(*found), out)


def _of_own(told: Any, own: tuple[int, ...], lead: tuple[int, ...]) -> Any:
    """What is told of each broadcast matrix, once for each of the matrices that were given."""
    if not told.numel():
        return told
    first = (0,) * (len(lead) - len(own))
    kept = tuple(slice(n) for n in own)  # of a dimension that was broadcast, the first
    return told[first + kept].clone()
