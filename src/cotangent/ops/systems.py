"""Systems of linear equations, inverses and determinants."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..errors import check_dims
from ..kernels import lapack as k
from ..kernels.lapack import SINGULAR
from ..kernels.layout import by_columns, turned
from .arguments import REQUIRED, deliver_exact, integers
from .blas import adjoint_matrix, conj_of
from .exponential import log
from .matrices import (
    broadcast_lead,
    castable,
    deliver_each,
    everywhere,
    factorisation,
    inexact,
    product,
    raise_for,
    same_dtype,
    square,
    supported,
    tensor,
    trace_of_product,
    transposed,
    with_lead,
)  # fmt: skip
from .results import named_result
from .select import where
from .table import deliver
from .triangular import check_equation
from .views import permute_dims, reshape_any, reshaped, slice_of, unsqueeze_at


def _solved(a: Any, b: Any, left: bool, vector: bool, caller: str) -> Any:
    if vector:
        x, info = k.solve(a, b[..., None], caller)
        return x[..., 0], info
    if left:
        x, info = k.solve(a, b, caller)
        return turned(x), info
    x, info = k.solve(a.swapaxes(-1, -2), b.swapaxes(-1, -2), caller)
    return np.ascontiguousarray(x.swapaxes(-1, -2)), info


def _outer(h: Any, x: Any, left: bool, vector: bool) -> Any:
    if vector:
        return product(unsqueeze_at(h, h.ndim), conj_of(unsqueeze_at(x, x.ndim - 1)))
    return product(h, adjoint_matrix(x)) if left else product(adjoint_matrix(x), h)


# With A X = B: gB = A^-H gX and gA = -gB X^H (Giles 2008, section 2.3.1).
solve_of: Any = factorisation(
    "solve_of(A, B | left, vector, caller)",
    _solved,
    1,
    node="LinalgSolveExBackward0",
    public="linalg_solve_ex",
    nout=2,
    A=lambda g, A, out0, left, vector, caller: (
        -_outer(solve_of(adjoint_matrix(A), g[0], left, vector, "")[0], out0, left, vector)
    ),
    B=lambda g, A, left, vector, caller: solve_of(adjoint_matrix(A), g[0], left, vector, "")[0],
)
inverse_of: Any = factorisation(
    "inverse_of(input | caller)",
    by_columns(k.inverse, 0),
    1,
    node="LinalgInvExBackward0",
    public="linalg_inv_ex",
    nout=2,
    input=lambda g, out0: -product(adjoint_matrix(out0), product(g[0], adjoint_matrix(out0))),
)


def _det(a: Any) -> Any:
    return np.asarray(np.linalg.det(a)).astype(a.dtype, copy=False)


det_of: Any = factorisation(
    "det_of(input)",
    _det,
    node="LinalgDetBackward0",
    public="linalg_det",
    # PyTorch saves the result, too.
    input=lambda g, input, out: everywhere(g) * conj_of(cofactors_of(input)),
)
# The derivative of the determinant. It is right for singular matrices as well, and so is its own derivative.
cofactors_of: Any = factorisation(
    "cofactors_of(input)",
    k.cofactors,
    node="LinalgDetBackward0",
    public="linalg_det",
    input=lambda g, input: cofactors_back(g, input),
)
cofactors_back: Any = factorisation(
    "cofactors_back(h, input)",
    k.cofactors_back,
    node="LinalgDetBackward0",
    public="linalg_det",
    # The second derivative of det is a symmetric form.
    h=lambda g, input: conj_of(cofactors_back(conj_of(g), input)),
    input=lambda g, h, input: _third(g, h, input),
)


def _third(g: Any, h: Any, a: Any) -> Any:
    """The third derivative of det, of regular matrices.

    With Y = A^-H the pullback of the cofactors is conj(det A) (Y tr(Y^T h) - Y h^T Y); this is its own
    pullback, by dY = -Y dA^H Y and d conj(det A) = conj(det A) tr(dA^H Y).
    """
    y = adjoint_matrix(inverse_of(a, "")[0])
    d = everywhere(conj_of(det_of(a)))
    turned = transposed(h)
    t = everywhere(trace_of_product(conj_of(y), h))
    middle = product(product(y, turned), y)
    inner = y * t - middle
    back = product(product(y, adjoint_matrix(g)), y)
    ahead = product(product(y, turned), back) + product(product(y, adjoint_matrix(g)), middle)
    terms = (
        y * everywhere(trace_of_product(g, inner)) - back * t - middle * everywhere(trace_of_product(g, y))
    )
    return d * (terms + ahead)


def _slogdet(a: Any) -> Any:
    sign, log_abs = np.linalg.slogdet(a)
    return np.asarray(sign).astype(a.dtype, copy=False), np.asarray(log_abs).astype(a.real.dtype, copy=False)


def _slogdet_rule(g: Any, input: Any, input_dtype: Any, out0: Any) -> Any:
    """d log det A = tr(A^-1 dA): its real part moves log |det A|, its imaginary part turns the sign."""
    weight = g[1]
    if g[0] is not None and input_dtype.kind == "c":
        turn = (g[0] * conj_of(out0) - conj_of(g[0]) * out0) * 0.5
        weight = turn if weight is None else weight + turn
    return None if weight is None else adjoint_matrix(inverse_of(input, "")[0]) * everywhere(weight)


slogdet_of: Any = factorisation(
    "slogdet_of(input)",
    _slogdet,
    node="LinalgSlogdetBackward0",
    public="linalg_slogdet",
    nout=2,
    input=_slogdet_rule,
)

# -- what users call ----------------------------------------------------------------------------------------

_solve_ex: Final = named_result("linalg_solve_ex", "result", "info")
_inv_ex: Final = named_result("linalg_inv_ex", "inverse", "info")
_old_slogdet: Final = named_result("slogdet", "sign", "logabsdet")
_new_slogdet: Final = named_result("linalg_slogdet", "sign", "logabsdet")


def _solution(function: str, a: Any, b: Any, left: bool, caller: str) -> Any:
    tensor(function, "A", a)
    tensor(function, "B", b, 2)
    inexact("linalg.solve", a)
    square("linalg.solve", a)
    same_dtype(
        "linalg.solve: Expected A and B to have the same dtype, but found A of type {a} and B of type {b} "
        "instead",
        a,
        b,
    )
    supported("lu_cpu", a)
    vector = b.ndim == 1 or (a.ndim - 1 == b.ndim and a.shape[:-1] == b.shape)
    check_equation("linalg.solve", a, unsqueeze_at(b, b.ndim) if vector else b, left)
    inner = 1 if vector else 2
    lead, own = broadcast_lead(a, b, inner, True), tuple(a.shape[:-2])
    found, info = solve_of(
        with_lead(a, lead), with_lead(b, lead, inner), left, vector, caller if lead == own else ""
    )
    if lead != own:
        # Errors and info count the matrices that were given.
        for d in range(len(lead)):
            if d < len(lead) - len(own) or own[d - len(lead)] != lead[d]:
                info = slice_of(info, d, 0, 1, 1)
        # Of a batch without matrices there is none to tell of.
        info = reshape_any(info, own) if info.numel() == math.prod(own) else info.new_zeros(own)
        if caller:
            raise_for(info, caller, SINGULAR)
    return found, info


def linalg_solve(A: Any, B: Any = REQUIRED, *, left: bool = True, out: Any = None) -> Any:
    """The solution X of A X = B (or X A = B).

    Args:
        A: (..., n, n).
        B: (..., n, k), (..., k, n) where `left` is false, or vectors (n,) or (..., n); batches broadcast.
        left: which side A stands on.
        out: tensor to write the result to.

    Returns:
        X, of the shape of B with the batches broadcast.

    Raises:
        torch.linalg.LinAlgError: if a matrix is singular.
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([2.0, 4.0]))
        tensor([1., 3.])
    """
    return deliver_exact("linalg_solve", _solution("linalg_solve", A, B, left, "torch.linalg.solve")[0], out)


def linalg_solve_ex(
    A: Any, B: Any = REQUIRED, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """The solution X of A X = B, and which matrices are singular instead of an exception.

    Args:
        A: (..., n, n).
        B: as for `solve`.
        left: which side A stands on.
        check_errors: raise as `solve` does.
        out: two tensors to write the results to.

    Returns:
        `(result, info)`: info is 0, or the position of the first zero pivot.

    Raises:
        torch.linalg.LinAlgError: if a matrix is singular and `check_errors`.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.solve_ex(torch.zeros(2, 2), torch.ones(2)).info
        tensor(1, dtype=torch.int32)
    """
    caller = "torch.linalg.solve_ex" if check_errors else ""
    return deliver_each("linalg_solve_ex", _solve_ex(*_solution("linalg_solve_ex", A, B, left, caller)), out)


def _inverse(function: str, name: str, a: Any, caller: str) -> Any:
    tensor(function, name, a)
    square("linalg.inv", a)
    inexact("linalg.inv", a, narrow=False)
    return inverse_of(a, caller)


def linalg_inv(A: Any, *, out: Any = None) -> Any:
    """The inverse of square matrices.

    Args:
        A: (..., n, n).
        out: tensor to write the result to.

    Returns:
        (..., n, n).

    Raises:
        torch.linalg.LinAlgError: if a matrix is singular.
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return deliver_exact("linalg_inv", _inverse("linalg_inv", "A", A, "linalg.inv")[0], out)


def inverse(input: Any, *, out: Any = None) -> Any:
    """The inverse of square matrices; the older name of `torch.linalg.inv`.

    Args:
        input: (..., n, n).
        out: tensor to write the result to.

    Returns:
        (..., n, n).

    Raises:
        torch.linalg.LinAlgError: if a matrix is singular.

    Example:
        >>> import cotangent as torch
        >>> torch.inverse(torch.tensor([[2.0]]))
        tensor([[0.5000]])
    """
    return deliver_exact("inverse", _inverse("inverse", "input", input, "linalg.inv")[0], out)


def linalg_inv_ex(A: Any, *, check_errors: bool = False, out: Any = None) -> Any:
    """The inverse, and which matrices are singular instead of an exception.

    Args:
        A: (..., n, n).
        check_errors: raise as `inv` does.
        out: two tensors to write the results to.

    Returns:
        `(inverse, info)`: info is 0, or the position of the first zero pivot.

    Raises:
        torch.linalg.LinAlgError: if a matrix is singular and `check_errors`.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.inv_ex(torch.zeros(2, 2)).info
        tensor(1, dtype=torch.int32)
    """
    found = _inverse("linalg_inv_ex", "A", A, "linalg.inv_ex" if check_errors else "")
    return deliver_each("linalg_inv_ex", _inv_ex(*found), out)


def _determinant(function: str, name: str, a: Any) -> Any:
    tensor(function, name, a)
    square("linalg.det", a)
    inexact("linalg.det", a)
    supported("lu_cpu", a)
    return det_of(a)


def linalg_det(A: Any, *, out: Any = None) -> Any:
    """The determinant of square matrices.

    Args:
        A: (..., n, n).
        out: tensor to write the result to.

    Returns:
        the batch shape. The gradient is right at singular matrices, too.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.det(torch.tensor([[2.0, 0.0], [1.0, 4.0]]))
        tensor(8.)
    """
    return deliver_exact("linalg_det", _determinant("linalg_det", "A", A), out)


def det(input: Any) -> Any:
    """The determinant of square matrices.

    Args:
        input: (..., n, n).

    Returns:
        the batch shape.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.det(torch.tensor([[2.0, 0.0], [1.0, 4.0]]))
        tensor(8.)
    """
    return _determinant("det", "input", input)


def _sign_and_log(function: str, named: str, name: str, a: Any) -> Any:
    tensor(function, name, a)
    square(named, a)
    inexact(named, a, narrow=False)
    return slogdet_of(a)


def linalg_slogdet(A: Any, *, out: Any = None) -> Any:
    """The sign of the determinant, and the logarithm of its absolute value.

    Args:
        A: (..., n, n).
        out: two tensors to write the results to.

    Returns:
        `(sign, logabsdet)`; of complex matrices the sign is a number on the unit circle.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.slogdet(-torch.eye(1)).sign
        tensor(-1.)
    """
    found = _sign_and_log("linalg_slogdet", "linalg.slogdet", "A", A)
    return deliver_each("linalg_slogdet", _new_slogdet(*found), out)


def slogdet(input: Any, *, out: Any = None) -> Any:
    """The sign of the determinant, and the logarithm of its absolute value.

    Args:
        input: (..., n, n).
        out: two tensors to write the results to.

    Returns:
        `(sign, logabsdet)`.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.slogdet(torch.eye(2)).logabsdet
        tensor(0.)
    """
    found = _sign_and_log("slogdet", "linalg.slogdet", "input", input)
    return deliver_each("slogdet", _old_slogdet(*found), out)


def logdet(input: Any) -> Any:
    """The logarithm of the determinant: nan where that is negative, -inf where it is zero.

    Args:
        input: (..., n, n).

    Returns:
        the batch shape.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.logdet(torch.eye(2))
        tensor(0.)
    """
    sign, magnitude = _sign_and_log("logdet", "logdet", "input", input)
    if input.dtype.is_complex:
        return log(sign) + magnitude
    return where(sign == -1.0, math.nan, magnitude)


# -- tensors as matrices ------------------------------------------------------------------------------------


def tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:
    """The inverse of a tensor taken for a matrix: X with tensordot(A, X, dims) the identity.

    Args:
        A: a tensor whose first `ind` sizes have the product of the others.
        ind: how many dimensions make the rows.
        out: tensor to write the result to.

    Returns:
        a tensor of shape A.shape[ind:] + A.shape[:ind].

    Raises:
        RuntimeError: if the sizes do not fit or the matrix is singular.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.tensorinv(torch.eye(6).reshape(6, 2, 3), ind=1).shape
        torch.Size([2, 3, 6])
    """
    tensor("linalg_tensorinv", "input", A)
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    if ind > A.ndim:
        raise RuntimeError(f"ArrayRef: invalid slice, N = {ind}; size = {A.ndim}")
    front, back = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n, m = math.prod(front), math.prod(back)
    if n != m:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but "
            f"got {m} != {n}"
        )
    found = reshaped(
        _inverse("linalg_tensorinv", "input", reshaped(A, (n, m)), "linalg.inv")[0], (*back, *front)
    )
    castable("tensorinv", "result", found, out)
    return deliver("linalg_tensorinv", found, out)


def tensorsolve(A: Any, B: Any = REQUIRED, dims: Any = None, *, out: Any = None) -> Any:
    """The solution X of tensordot(A, X, X.ndim) = B.

    Args:
        A: a tensor of shape B.shape + X.shape, the product of either part the same.
        B: the right-hand side.
        dims: dimensions of A to move to the end first.
        out: tensor to write the result to.

    Returns:
        X.

    Raises:
        RuntimeError: if the sizes do not fit or the matrix is singular.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.tensorsolve(torch.eye(6).reshape(6, 2, 3), torch.ones(6)).shape
        torch.Size([2, 3])
    """
    tensor("linalg_tensorsolve", "input", A)
    tensor("linalg_tensorsolve", "other", B, 2)
    if dims is not None:
        moved = check_dims(integers("linalg_tensorsolve", "dims", (dims,), 3), A.ndim)
        A = permute_dims(A, (*[d for d in range(A.ndim) if d not in moved], *moved))
    shape = tuple(A.shape[B.ndim :])
    n, m = B.numel(), math.prod(shape)
    if n != m:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {m} != {n}"
        )
    right = reshaped(B, (math.prod(B.shape),))
    found = _solution("linalg_tensorsolve", reshaped(A, (n, m)), right, True, "torch.linalg.solve")[0]
    castable("tensorsolve", "result", found, out)
    return deliver("linalg_tensorsolve", reshaped(found, shape), out)
