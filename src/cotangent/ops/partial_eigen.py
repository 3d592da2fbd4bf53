"""A few of the largest or smallest eigenvalues of a symmetric matrix, by iteration."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import lazy
from ..kernels.lapack import flat
from .blas import adjoint_matrix
from .eigen import eigh_of
from .matrices import batch_rule, columns, product, rows
from .norms import zero_safe_ratio
from .table import general

_sparse = lazy.module("scipy.sparse.linalg")


def _iterated(a: Any, start: Any, helper: Any, largest: bool, tol: float, rounds: int) -> Any:
    """(eigenvalues, eigenvectors) by the method of Knyazev (2001), as SciPy has it."""
    size = start.shape[-1]
    values = np.empty((*a.shape[:-2], size), a.dtype)
    vectors = np.empty((*a.shape[:-1], size), a.dtype)
    helpers = [None] * len(flat(a)) if helper is None else flat(helper)
    for matrix, first, k, found, places in zip(
        flat(a), flat(start), helpers, flat(values, 1), flat(vectors), strict=True
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch returns what it has, too
            found[...], places[...] = _sparse.lobpcg(
                matrix, first, M=k, tol=tol, maxiter=rounds, largest=largest
            )
    return values, vectors


def _rule(g: Any, input: Any, out0: Any, out1: Any) -> Any:
    """That of all eigenvectors, of which these are some: dx_i has the part v_j (v_j^T dA x_i) / (e_i -
    l_j)."""
    total = None
    if g[0] is not None:
        total = product(out1 * columns(g[0]), adjoint_matrix(out1))
    if g[1] is not None:
        values, vectors = eigh_of(input, False)
        gaps = columns(out0) - rows(values)
        # The pairs of an eigenvalue with itself, as precisely as the iteration found it.
        apart = (gaps * gaps) > 1e-6 * (columns(out0) * columns(out0))
        weight = zero_safe_ratio(gaps * 0.0 + 1.0, gaps * apart)
        inner = product(adjoint_matrix(vectors), g[1]) * weight
        part = product(product(vectors, inner), adjoint_matrix(out1))
        total = part if total is None else total + part
    return None if total is None else (total + adjoint_matrix(total)) * 0.5


lobpcg_of: Any = general(
    "lobpcg_of(input, start, helper? | largest, tol, rounds)",
    _iterated,
    nout=2,
    batch=batch_rule,
    infer=lambda a, start, helper, largest, tol, rounds: (
        np.zeros((*a.shape[:-2], start.shape[-1]), getattr(a, "np_dtype", None) or a.dtype),
        np.zeros((*a.shape[:-1], start.shape[-1]), getattr(a, "np_dtype", None) or a.dtype),
    ),
    node="LOBPCGAutogradFunctionBackward",
    public="lobpcg",
    input=_rule,
)
