"""Products of matrices and vectors, as users call them.

`matmul`, `linear`, ... reshape their operands for the primitives in `blas.py` as PyTorch does, so that graphs
look the same.
"""

from __future__ import annotations

import math
from typing import Any, Final

from .. import dtypes
from ..errors import after_histories, noted
from . import views as v
from .arguments import IN_PLACE, REQUIRED, deliver_exact, in_old_order
from .blas import addmm_of, bmm_of, dot_of, matmul_batched, mm_of, mv_of
from .fitting import check_vectors, product_fits, tensor_operands
from .history import history_first
from .table import deliver, is_array, is_tensor
from .unmapped import refuse_ranks
from .views import reshape_any, t_matrix, unsqueeze_at, view_as_shape


def _same_scalars(a: Any, b: Any) -> None:
    if a.dtype is not b.dtype:
        text = f"expected scalar type {dtypes.SCALAR_NAME[a.dtype]} but found {dtypes.SCALAR_NAME[b.dtype]}"
        raise noted(RuntimeError(text), "dtypes", a=a.dtype, b=b.dtype)


def refuse_dtypes(a: Any, b: Any) -> None:
    """Raise what PyTorch says of a product of different dtypes of which one operand, or both, is sparse."""
    kinds = [getattr(t._data, "layout", None) for t in (a, b)]
    if kinds[0] == kinds[1] == "torch.sparse_coo":
        names = [dtypes.SCALAR_NAME[t.dtype] for t in (a, b)]
        raise RuntimeError(f"mat1 dtype {names[0]} does not match mat2 dtype {names[1]}")
    _same_scalars(*((b, a) if kinds[1] is not None else (a, b)))


def _same_dtype(a: Any, b: Any) -> None:
    if a.dtype is not b.dtype:
        if a.is_sparse or b.is_sparse:
            refuse_dtypes(a, b)
        names = [dtypes.CPP_NAME[t.dtype] + (" int" if t.dtype is dtypes.int64 else "") for t in (a, b)]
        error = RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}")
        raise noted(error, "dtypes", a=a.dtype, b=b.dtype)


def mm(input: Any, mat2: Any = REQUIRED, *, out: Any = None) -> Any:
    """Product of two matrices.

    Args:
        input: (n, m).
        mat2: (m, p).
        out: tensor to write the result to.

    Returns:
        (n, p).

    Raises:
        RuntimeError: if they are no matrices, do not fit or differ in dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.mm(torch.ones(2, 3), torch.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    if out is None and product_fits(input, mat2, 2):
        return mm_of(input, mat2)
    tensor_operands("mm", input=input, mat2=mat2)
    refuse_ranks("mm", input, mat2, (2, 2))
    if input.ndim != 2:
        raise after_histories(RuntimeError("self must be a matrix"))
    if mat2.ndim != 2:
        raise after_histories(RuntimeError("mat2 must be a matrix"))
    _check_inner(input, mat2)
    return deliver_exact("mm", mm_of(input, mat2), out)


def _check_sizes(a: Any, b: Any) -> None:
    if a.shape[1] != b.shape[0]:
        sizes = f"{a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]}"
        raise after_histories(RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({sizes})"))


def _check_inner(a: Any, b: Any) -> None:
    _check_sizes(a, b)
    _same_dtype(a, b)


def bmm(input: Any, mat2: Any = REQUIRED, *, out: Any = None) -> Any:
    """Products of two batches of matrices.

    Args:
        input: (b, n, m).
        mat2: (b, m, p).
        out: tensor to write the result to.

    Returns:
        (b, n, p).

    Raises:
        RuntimeError: if they are no batches of matrices, do not fit or differ in dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()
        tensor([3., 3.])
    """
    if out is None and product_fits(input, mat2, 3):
        return bmm_of(input, mat2)
    tensor_operands("bmm", input=input, mat2=mat2)
    refuse_ranks("bmm", input, mat2, (3, 3))
    check_fit(input, mat2)
    _same_scalars(input, mat2)
    return deliver_exact("bmm", bmm_of(input, mat2), out)


def check_fit(a: Any, b: Any) -> None:
    if a.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if b.ndim != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if tuple(b.shape[:2]) != (a.shape[0], a.shape[2]):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] "
            f"but got: [{b.shape[0]}, {b.shape[1]}]."
        )


def mv(input: Any, vec: Any = REQUIRED, *, out: Any = None) -> Any:
    """Product of a matrix and a vector.

    Args:
        input: (n, m).
        vec: (m,).
        out: tensor to write the result to.

    Returns:
        (n,).

    Raises:
        RuntimeError: if they are no matrix and vector, do not fit or differ in dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.mv(torch.ones(2, 3), torch.ones(3))
        tensor([3., 3.])
    """
    tensor_operands("mv", input=input, vec=vec)
    refuse_ranks("mv", input, vec, (2, 1))
    if input.is_sparse and out is None:
        return mv_of(input, vec)
    if not input.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({input.shape[0]}), mat ({input.shape[0]}x{input.shape[1]}), vec "
            f"({vec.shape[0]})"
        )
    if input.dtype is not vec.dtype:
        mat, same = dtypes.SCALAR_NAME[input.dtype], dtypes.SCALAR_NAME[vec.dtype]
        text = f"addmv input tensors must have the same dtype, but got {same}, {mat}, and {same}"
        raise noted(RuntimeError(text), "dtypes", a=input.dtype, b=vec.dtype)
    return deliver_exact(
        "mv",
        mv_of(input, vec),
        out,
        "addmv input tensors must have the same dtype, but got {kind_out}, {kind}, and {kind}",
    )


VECTORS_DIFFER: Final = "result dtype {kind_out} does not match input dtype {kind}"


@history_first("dot")
def dot(input: Any, tensor: Any = REQUIRED, *, out: Any = None) -> Any:
    """Sum of the products of two vectors' elements (no conjugation).

    Args:
        input: (n,).
        tensor: (n,).
        out: tensor to write the result to.

    Returns:
        a 0-d tensor.

    Raises:
        RuntimeError: if they are no vectors, or differ in length or dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.dot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        tensor(11.)
    """
    if out is None and product_fits(input, tensor, 1):
        return dot_of(input, tensor)
    tensor_operands("dot", input=input, tensor=tensor)
    check_vectors("dot", input, tensor)
    return deliver_exact("dot", dot_of(input, tensor), out, VECTORS_DIFFER)


def matmul(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Product of matrices, vectors, or broadcast batches of matrices, by the number of dimensions.

    Args:
        input: (m,), (n, m) or (..., n, m).
        other: (m,), (m, p) or (..., m, p).
        out: tensor to write the result to.

    Returns:
        the product; a dimension that a vector lacks is left out.

    Raises:
        RuntimeError: if an operand is 0-d, they do not fit or differ in dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.matmul(torch.ones(4, 2, 3), torch.ones(3)).shape
        torch.Size([4, 2])
    """
    try:
        a, b = input._data, other._data
        m, n = a.ndim, b.ndim
    except AttributeError:
        tensor_operands("matmul", input=input, other=other)
        raise
    if m == 2 and n == 2:
        if a.shape[1] != b.shape[0] or a.dtype != b.dtype:
            _check_inner(input, other)
        return mm_of(input, other) if out is None else deliver_exact("matmul", mm_of(input, other), out)
    if not m or not n:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {m}D and {n}D")
    if m == 1 and n == 1:
        return dot(input, other, out=out)
    if m == 2 and n == 1:
        return mv(input, other, out=out)
    if m == 1 and n == 2:
        row = unsqueeze_at(input, 0)
        _check_inner(row, other)
        result = v.squeezed_product(mm_of(row, other))
        if out is None and result._vc is None:
            result._vc = [1, None]  # `squeeze_` counts as a write
        return deliver_exact("matmul", result, out)
    if _folds(input, other):
        return deliver_exact("matmul", _folded(input, other), out)
    if m == 3 and n == 3 and input.shape[0] != other.shape[0]:
        # A single matrix that wants a gradient is not copied for every other one.
        if input.shape[0] == 1 and input._req:
            return matmul(v.squeeze_dims(input, (0,)), other, out=out)
        if other.shape[0] == 1 and other._req:
            return matmul(input, v.squeeze_dims(other, (0,)), out=out)
    if n == 1:
        _check_vector(input, other)
        result = matmul_batched(input, unsqueeze_at(other, 1))
        return deliver_exact("matmul", reshape_any(result, tuple(result.shape)[:-1]), out)
    left = input if m > 1 else unsqueeze_at(input, 0)
    check_lead = _lead(tuple(left.shape[:-2]), tuple(other.shape[:-2]))
    if left.shape[-1] != other.shape[-2]:
        count = math.prod(check_lead)
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {left.shape[-1]}] but "
            f"got: [{count}, {other.shape[-2]}]."
        )
    _same_scalars(input, other)
    result = matmul_batched(left, other)
    if m == 1:
        shape = tuple(result.shape)
        result = reshape_any(result, shape[:-2] + shape[-1:])
    return deliver_exact("matmul", result, out)


def _check_vector(a: Any, b: Any) -> None:
    """Refuse a vector of another length than the rows have: one of length 1 would be stretched."""
    if a.shape[-1] != b.shape[0]:
        count = math.prod(tuple(a.shape[:-2]))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {a.shape[-1]}] but "
            f"got: [{count}, {b.shape[0]}]."
        )


def _folds(a: Any, b: Any) -> bool:
    """Whether the batch of one operand is folded into its rows, so that one mm or mv does it all."""
    larger, other = (a, b) if a.ndim >= b.ndim else (b, a)
    if larger.ndim < 3 or other.ndim > 2:
        return False
    if other._req:
        return True  # a copy now, but no sum over a batch of gradients later
    if a.ndim == 2:
        return False
    data = larger._data
    if not is_array(data) or not data.size:
        return True
    shape, steps = list(data.shape), list(data.strides)
    if larger is b:
        shape[-2:], steps[-2:] = shape[:-3:-1], steps[:-3:-1]
    return all(steps[i] == steps[i + 1] * shape[i + 1] for i in range(len(shape) - 2))


def _folded(a: Any, b: Any) -> Any:
    """The product of (..., n, m), as (prod, m), and a matrix or vector; or the other way round."""
    turned = b.ndim > a.ndim
    left = v.transpose_dims(b, b.ndim - 2, b.ndim - 1) if turned else a
    right = (t_matrix(a) if a.ndim == 2 else a) if turned else b
    shape = tuple(left.shape)
    flat = v.reshaped(left, (math.prod(shape[:-1]), shape[-1]))
    if right.ndim == 1:
        return reshape_any(mv(flat, right), shape[:-1])
    result = reshape_any(mm(flat, right), (*shape[:-1], right.shape[1]))
    if not turned:
        return result
    result = v.transpose_dims(result, result.ndim - 2, result.ndim - 1)
    data = result._data
    return result if is_array(data) and data.flags.c_contiguous else v.dense_clone(result)


def _lead(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Common shape of the batch dimensions."""
    n = max(len(a), len(b))
    x, y = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    for d in range(n - 1, -1, -1):
        if x[d] != y[d] and 1 not in (x[d], y[d]):
            raise RuntimeError(
                f"The size of tensor a ({x[d]}) must match the size of tensor b ({y[d]}) at non-singleton "
                f"dimension {d}"
            )
    return tuple(max(p, q) if 0 not in (p, q) else 0 for p, q in zip(x, y, strict=True))


def addmm(
    input: Any, mat1: Any = REQUIRED, mat2: Any = REQUIRED, *more: Any,
    beta: Any = 1, alpha: Any = 1, out: Any = None,
) -> Any:  # fmt: skip
    """`beta * input + alpha * (mat1 @ mat2)`.

    Args:
        input: broadcast to (n, p).
        mat1: (n, m).
        mat2: (m, p).
        more: in PyTorch's old order the numbers stand among the tensors.
        beta: factor of `input`; at 0 nan and inf in it are ignored.
        alpha: factor of the product.
        out: tensor to write the result to.

    Returns:
        (n, p).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.addmm(torch.ones(1), torch.ones(1, 3), torch.ones(3, 2))
        tensor([[4., 4.]])
    """
    if more:
        input, mat1, mat2, beta, alpha = in_old_order(
            "addmm" + IN_PLACE, ("mat1", "mat2"), (input, mat1, mat2, *more)
        )
    try:
        a, b, c = mat1._data, mat2._data, input._data
    except AttributeError:
        tensor_operands("addmm", input=input, mat1=mat1, mat2=mat2)
        raise
    if (
        out is None and a.ndim == 2 and b.ndim == 2 and a.shape[1] == b.shape[0]
        and (c.shape == b.shape[1:] or c.shape == (a.shape[0], b.shape[1])) and a.dtype == b.dtype == c.dtype
    ):  # fmt: skip
        return addmm_of(input, mat1, mat2, beta, alpha)
    if mat1.ndim != 2 or mat2.ndim != 2:
        which, t = ("mat1", mat1) if mat1.ndim != 2 else ("mat2", mat2)
        raise RuntimeError(f"{which} must be a matrix, got {t.ndim}-D tensor")
    _check_sizes(mat1, mat2)
    check_expands(input, (mat1.shape[0], mat2.shape[1]))
    for name, t in (("self", input), ("mat1", mat1)):
        if t.dtype is not mat2.dtype:
            error = RuntimeError(
                f"{name} and mat2 must have the same dtype, but got "
                f"{dtypes.SCALAR_NAME[t.dtype]} and {dtypes.SCALAR_NAME[mat2.dtype]}"
            )
            raise noted(error, "dtypes", a=t.dtype, b=mat2.dtype)
    return deliver_exact("addmm", addmm_of(input, mat1, mat2, beta, alpha), out)


def check_expands(t: Any, shape: tuple[int, ...]) -> None:
    have = tuple(t.shape)
    if len(have) > len(shape):
        raise RuntimeError(
            f"expand({t.dtype.cpp_type}{{{list(have)}}}, size={list(shape)}): the number of sizes "
            f"provided ({len(shape)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(have)})"
        )
    lead = len(shape) - len(have)
    for d, n in enumerate(have):
        if n not in (1, shape[lead + d]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[lead + d]}) must match the existing size ({n}) at "
                f"non-singleton dimension {lead + d}.  Target sizes: {list(shape)}.  Tensor sizes: "
                f"{list(have)}"
            )


def linear(input: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Any:
    """`input @ weight.T + bias`, on the last dimension.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features), or (in_features,).
        bias: (out_features,) or None.
        out: tensor to store the result in.

    Returns:
        (..., out_features).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.linear(torch.ones(2, 3), torch.ones(1, 3), torch.ones(1))
        tensor([[4.],
                [4.]])
    """
    if out is not None:
        return deliver("linear", linear(input, weight, bias), out)
    if not is_tensor(input) or not is_tensor(weight):
        tensor_operands("linear", input=input, weight=weight)
    if not input.ndim or not weight.ndim:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and {weight.ndim}D"
        )
    transposed = t_matrix(weight)
    if bias is None:
        return matmul(input, transposed)
    if weight.ndim == 1:
        if input.ndim == 2:
            raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
        return matmul(input, transposed) + bias
    if input.ndim == 2:
        return addmm(bias, input, transposed)
    if not input.is_contiguous():
        return matmul(input, transposed) + bias
    shape = tuple(input.shape)
    flat = view_as_shape(input, (math.prod(shape[:-1]), shape[-1]))
    return view_as_shape(addmm(bias, flat, transposed), (*shape[:-1], weight.shape[0]))


def matmul_of(input: Any, other: Any) -> Any:
    """`other @ input` for Python's operator."""
    return matmul(other, input)


FUNCTIONS: Final = ("mm", "bmm", "mv", "dot", "matmul", "addmm")
METHODS: Final = FUNCTIONS
INPLACE: Final = ("addmm",)
FUNCTIONAL: Final = ("linear",)
DUNDERS: Final = {"__matmul__": "matmul", "__rmatmul__": "matmul_of"}
