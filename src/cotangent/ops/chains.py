"""Products of several matrices in the cheapest order, powers of a matrix, products of many vectors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import dtypes
from ..errors import check_dim
from .arguments import REQUIRED, compiler_name, deliver_exact, numpy_named
from .arithmetic import mul
from .blas import mm_of
from .complex import conjugated
from .indexing import copy_to
from .matmul import matmul
from .reduce import sum_dims
from .systems import linalg_inv
from .table import constant, deliver
from .views import dense_clone, expand_to, reshaped, unsqueeze_at


def multi_dot(tensors: Any, *, out: Any = None) -> Any:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The order is that of the classic dynamic programme (Cormen et al., Introduction to Algorithms, 15.2).

    Args:
        tensors: matrices; the first and the last may be vectors, a row and a column then.
        out: tensor to write the result to.

    Returns:
        the product, without the dimensions that vectors lack.

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
        tensor([12., 12.])
    """
    given = list(tensors)
    if len(given) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(given)}")
    for which, t in (("first", given[0]), ("last", given[-1])):
        if t.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {which} tensor must be 1D or 2D but got {t.ndim}D")
    shape = tuple(given[0].shape[:-1]) + tuple(given[-1].shape[1:])
    ready = list(given)
    if given[0].ndim == 1:
        ready[0] = unsqueeze_at(given[0], 0)
    if given[-1].ndim == 1:
        ready[-1] = unsqueeze_at(given[-1], 1)
    for i, t in enumerate(ready):
        if t.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {t.ndim}D")
        if t.dtype is not given[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{compiler_name(given[0].dtype)} and tensor {i} {compiler_name(t.dtype)}"
            )
    for i, (a, b) in enumerate(itertools.pairwise(ready)):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and {list(b.shape)} "
                "cannot be multiplied"
            )
    splits = _cheapest([ready[0].shape[0], *[t.shape[1] for t in ready]])
    return deliver_exact(
        "multi_dot",
        reshaped(_product(ready, splits, 0, len(ready) - 1), shape),
        out,
        "multi_dot(): expected out tensor to have dtype {cpp} but got {cpp_out}",
    )


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """After which matrix to split the product of matrices i to j; matrix i is sizes[i] by sizes[i + 1]."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)
            ]
            cost[i, j] = min(options)
            # Of equally cheap orders PyTorch takes the one found first; for three matrices (AB)C.
            at = options.index(cost[i, j])
            if length == 2 and options[0] == options[1]:
                at = 1
            splits[i, j] = i + at
    return splits


def _product(tensors: list[Any], splits: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return tensors[i]
    k = splits[i, j]
    return mm_of(_product(tensors, splits, i, k), _product(tensors, splits, k + 1, j))


def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of matrices; the older name of `torch.linalg.multi_dot`.

    Args:
        matrices: one or more matrices.
        out: tensor to write the result to.

    Returns:
        the product.

    Raises:
        RuntimeError: if shapes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.chain_matmul(torch.ones(1, 3), torch.ones(3, 2), torch.ones(2, 1))
        tensor([[6.]])
    """
    given = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)) else matrices
    for t in given:
        if t.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {t.ndim}, expected 2 instead.")
    if not given:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    return (
        deliver("chain_matmul", dense_clone(given[0]), out) if len(given) == 1 else multi_dot(given, out=out)
    )


@numpy_named
def vecdot(x: Any, y: Any = REQUIRED, *, dim: int = -1, out: Any = None) -> Any:
    """Sums of products along a dimension, the elements of the first tensor conjugated.

    Args:
        x: vectors.
        y: vectors that broadcast with them.
        dim: the dimension of the vectors.
        out: tensor to write the result to.

    Returns:
        the broadcast shape without `dim`.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.vecdot(torch.ones(2, 3), torch.arange(3.0))
        tensor([3., 3.])
    """
    products = mul(conjugated(x) if x.dtype.is_complex else x, y)
    return deliver_exact(
        "vecdot",
        sum_dims(products, (check_dim(dim, products.ndim),), False),
        out,
        "linalg.vecdot: Expected out of dtype{kind} but found {kind_out}",
    )


def matrix_power(input: Any, n: int, *, out: Any = None) -> Any:
    """A square matrix multiplied by itself, by repeated squaring.

    Args:
        input: (..., m, m).
        n: how many factors; 0 gives the identity, negative ones powers of the inverse.
        out: tensor to write the result to.

    Returns:
        (..., m, m).

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.matrix_power(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
        tensor([[1., 5.],
                [0., 1.]])
    """
    if input.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    rows, columns = input.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {rows} by {columns} "
            "matrices"
        )
    if out is not None and not dtypes.can_cast(input.dtype, out.dtype):
        raise RuntimeError(
            f"matrix_power: Expected result to be safely castable from {dtypes.SCALAR_NAME[input.dtype]} "
            f"dtype, but got result with dtype {dtypes.SCALAR_NAME[out.dtype]}"
        )
    return (deliver if n == 0 else deliver_exact)("matrix_power", _power(input, n), out)


def _power(a: Any, n: int) -> Any:
    if n == 0:
        one = constant(np.eye(a.shape[-1], dtype=a.dtype.np))
        return copy_to(a, expand_to(one, tuple(a.shape)))
    if n < 0:
        a, n = linalg_inv(a), -n
        if n == 1:
            return a
    if n == 1:
        return dense_clone(a)
    if n == 3:
        return matmul(matmul(a, a), a)
    square, result = a, None
    while n:
        if n % 2:
            result = square if result is None else matmul(result, square)
        n //= 2
        if n:
            square = matmul(square, square)
    return result
