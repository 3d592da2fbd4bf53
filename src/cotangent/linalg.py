"""torch.linalg: products and powers of matrices."""

from __future__ import annotations

from .functions import matmul, matrix_power
from .ops.chains import multi_dot, vecdot
from .ops.moments import vector_norm
from .ops.products import linalg_cross as cross

__all__ = ["cross", "matmul", "matrix_power", "multi_dot", "vecdot", "vector_norm"]
