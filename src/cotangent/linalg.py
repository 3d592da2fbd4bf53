"""torch.linalg: decompositions of matrices, systems of equations, norms, and functions of matrices."""

from __future__ import annotations

from .errors import LinAlgError
from .functions import matmul
from .ops.chains import matrix_power, multi_dot, vecdot
from .ops.cholesky import linalg_cholesky as cholesky, linalg_cholesky_ex as cholesky_ex
from .ops.eigen import eig, eigh, eigvals, eigvalsh
from .ops.ldl import ldl_factor, ldl_factor_ex, ldl_solve
from .ops.lu import (
    linalg_lu as lu,
    linalg_lu_factor as lu_factor,
    linalg_lu_factor_ex as lu_factor_ex,
    linalg_lu_solve as lu_solve,
)
from .ops.matrix_exponential import linalg_matrix_exp as matrix_exp
from .ops.matrix_norms import cond, linalg_norm as norm, matrix_norm
from .ops.norms import vector_norm
from .ops.products import linalg_cross as cross
from .ops.pseudoinverse import lstsq, matrix_rank, pinv
from .ops.qr import householder_product, linalg_qr as qr
from .ops.singular import linalg_svd as svd, svdvals
from .ops.systems import (
    linalg_det as det,
    linalg_inv as inv,
    linalg_inv_ex as inv_ex,
    linalg_slogdet as slogdet,
    linalg_solve as solve,
    linalg_solve_ex as solve_ex,
    tensorinv,
    tensorsolve,
)
from .ops.triangular import solve_triangular
from .ops.vandermonde import linalg_diagonal as diagonal, linalg_vander as vander

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
    "eigvalsh", "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq",
    "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power",
    "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular",
    "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip
