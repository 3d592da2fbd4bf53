"""Products of matrices and vectors.

The primitives are those of BLAS (dot, mv, mm, bmm and their accumulating forms); `matmul`, `linear`,
`outer`, ... reshape their operands for them as PyTorch does, so that graphs look the same.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..kernels import products as k
from ..kernels.shape import sum_to_size as fold
from . import views as v
from .arguments import REQUIRED, deliver_exact
from .fitting import check_vectors, product_fits, tensor_operands
from .history import history_first
from .table import bilinear, deliver, general, is_array, is_tensor, linear as linear_op
from .viewfronts import reshaped
from .views import expand_to, reshape_any, t_matrix, unsqueeze_at

adjoint_matrix: Any = linear_op(
    "adjoint_matrix(input)",
    k.adjoint,
    node="AdjointBackward0",
    batch="axes",
    input=lambda g: adjoint_matrix(g),
)
conj_of: Any = linear_op(
    "conj_of(input)", k.conj, node="ConjBackward0", batch="axes", input=lambda g: conj_of(g)
)


def _batch_products(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """mm, mv, dot and bmm under vmap: one product, of broadcast batches where both have examples."""
    if op is not bmm_of.op and None in dims:
        return _shared_product(op, size, tensors, dims)
    ready = []
    for t, d in zip(tensors, dims, strict=True):
        ready.append(t if d is None else v.permute_dims(t, (d, *[i for i in range(t.ndim) if i != d])))
    a, b = ready
    return product(a, b, tuple(d is not None for d in dims), op.public), 0


def _shared_product(op: Any, size: int, tensors: Any, dims: Any) -> Any:
    """mm, mv and dot with one operand for all examples: the examples side by side are one larger matrix."""
    (a, b), (at, bt) = tensors, dims
    if bt is None:
        a = v.permute_dims(a, (at, *[i for i in range(a.ndim) if i != at])) if at else a
        if op is dot_of.op:
            return mv_of(a, b), 0
        rows = tuple(a.shape)[1]
        flat = op.entry(reshape_any(a, (size * rows, a.shape[2])), b)
        return reshape_any(flat, (size, rows, *tuple(flat.shape)[1:])), 0
    if b.ndim == 2:  # of mv and dot: a vector for each example
        b = v.permute_dims(b, (1, 0)) if not bt else b
        return (mm_of(a, b), 1) if a.ndim == 2 else (mv_of(v.permute_dims(b, (1, 0)), a), 0)
    b = v.permute_dims(b, ((1, 0, 2), (0, 1, 2), (0, 2, 1))[bt])
    depth, _, columns = b.shape
    return reshape_any(mm_of(a, reshape_any(b, (depth, size * columns))), (a.shape[0], size, columns)), 1


def _right_gradient(g: Any, left: Any, turned: bool) -> Any:
    """Cotangent of a product's right operand, laid out as that is: a leaf takes it without a copy."""
    if turned:
        return t_matrix(mm_of(t_matrix(g), conj_of(left)))
    return mm_of(adjoint_matrix(left), g)


mm_of: Any = bilinear(
    "mm(input, mat2)",
    k.matmul,
    batch=_batch_products,
    input=lambda g, mat2: mm_of(g, adjoint_matrix(mat2)),
    mat2=lambda g, input, mat2_turned: _right_gradient(g, input, mat2_turned),
)
bmm_of: Any = bilinear(
    "bmm(input, mat2)",
    k.matmul,
    batch=_batch_products,
    input=lambda g, mat2: bmm_of(g, adjoint_matrix(mat2)),
    mat2=lambda g, input: bmm_of(adjoint_matrix(input), g),
)
mv_of: Any = bilinear(
    "mv(input, vec)",
    k.matmul,
    batch=_batch_products,
    input=lambda g, vec: outer_product(g, conj_of(vec)),
    vec=lambda g, input: mv_of(adjoint_matrix(input), g),
)
dot_of = bilinear(
    "dot(input, tensor)",
    k.matmul,
    batch=_batch_products,
    input=lambda g, tensor: g * conj_of(tensor),
    tensor=lambda g, input: g * conj_of(input),
)
vdot_of = bilinear(
    "vdot(input, other)",
    lambda a, b: k.matmul(k.conj(a), b),
    input=lambda g, other: conj_of(g) * other,
    other=lambda g, input: g * input,
)
outer_product: Any = bilinear(
    "outer_product(input, vec2)",
    np.multiply.outer,
    node="MulBackward0",
    public="outer",
    input=lambda g, vec2: mv_of(g, conj_of(vec2)),
    vec2=lambda g, input: mv_of(t_matrix(g), conj_of(input)),
)


def product(a: Any, b: Any, batched: tuple[bool, ...], name: str) -> Any:
    """One of mm, bmm, mv, dot on operands of which some have a batch dimension in front."""
    inner = {"mm": (2, 2), "bmm": (3, 3), "mv": (2, 1), "dot": (1, 1)}[name]
    column = inner[1] == 1
    row = inner[0] == 1
    if row:
        a = unsqueeze_at(a, a.ndim - 1)
    if column:
        b = unsqueeze_at(b, b.ndim)
    if name == "bmm":
        a, b = (x if n else unsqueeze_at(x, 0) for x, n in zip((a, b), batched, strict=True))
    out = matmul_batched(a, b)
    shape = tuple(out.shape)
    return reshape_any(out, shape[: len(shape) - row - column])


def matmul_batched(a: Any, b: Any) -> Any:
    """Product over the last two dimensions with the leading ones broadcast, through one bmm."""
    lead = np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))
    n, m, p = a.shape[-2], a.shape[-1], b.shape[-1]
    count = math.prod(lead)
    left = reshaped(_broadcast(a, (*lead, n, m)), (count, n, m))
    right = reshaped(_broadcast(b, (*lead, m, p)), (count, m, p))
    return reshape_any(bmm_of(left, right), (*lead, n, p))


def _broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    return x if tuple(x.shape) == shape else expand_to(x, shape)


def _scaled(g: Any, factor: Any) -> Any:
    return g if factor == 1 else g * factor


MISFIT: Final = "Bad in-place call: input tensor size {have} and output tensor size {wanted} should match"


def _jvp_accumulate(product_op: Any) -> Any:
    """Tangent of beta * input + alpha * (a @ b)."""

    def jvp(tangents: Any, args: Any, out: Any) -> Any:
        c, a, b = tangents
        _, left, right, beta, alpha = args
        total = None
        if c is not None:
            total = _broadcast(_scaled(c, beta), tuple(out.shape))
        for part in ((a, right), (left, b)):
            if part[0] is not None and part[1] is not None:
                term = _scaled(product_op(*part), alpha)
                total = term if total is None else total + term
        return total

    return jvp


addmm_of = general(
    "addmm_of(input, mat1, mat2 | beta=1, alpha=1)",
    k.add_product,
    node="AddmmBackward0",
    public="addmm",
    misfit=MISFIT,
    jvp=_jvp_accumulate(mm_of),
    input=lambda g, input_shape, beta: scale_sum(g, input_shape, beta.conjugate()),
    mat1=lambda g, mat2, alpha: scale(mm_of(g, adjoint_matrix(mat2)), alpha.conjugate()),
    mat2=lambda g, mat1, mat2_turned, alpha: scale(_right_gradient(g, mat1, mat2_turned), alpha.conjugate()),
)
baddbmm_of = general(
    "baddbmm_of(input, batch1, batch2 | beta=1, alpha=1)",
    k.add_product,
    node="BaddbmmBackward0",
    public="baddbmm",
    misfit=MISFIT,
    jvp=_jvp_accumulate(bmm_of),
    input=lambda g, input_shape, beta: scale_sum(g, input_shape, beta.conjugate()),
    batch1=lambda g, batch2, alpha: scale(bmm_of(g, adjoint_matrix(batch2)), alpha.conjugate()),
    batch2=lambda g, batch1, alpha: scale(bmm_of(adjoint_matrix(batch1), g), alpha.conjugate()),
)
addmv_of = general(
    "addmv_of(input, mat, vec | beta=1, alpha=1)",
    k.add_product,
    node="AddmvBackward0",
    public="addmv",
    misfit=MISFIT,
    jvp=_jvp_accumulate(mv_of),
    input=lambda g, input_shape, beta: scale_sum(g, input_shape, beta.conjugate()),
    mat=lambda g, vec, alpha: scale(outer_product(g, conj_of(vec)), alpha.conjugate()),
    vec=lambda g, mat, alpha: scale(mv_of(adjoint_matrix(mat), g), alpha.conjugate()),
)
scale: Any = linear_op(
    "scale(input | factor)",
    lambda a, factor: a if factor == 1 else np.asarray(a * np.asarray(factor).astype(a.dtype)),
    node="MulBackward0",
    public="mul",
    input=lambda g, factor: scale(g, factor.conjugate()),
)
scale_sum: Any = linear_op(
    "scale_sum(input | shape, factor)",
    lambda a, shape, factor: fold(a if factor == 1 else a * np.asarray(factor).astype(a.dtype), shape),
    node="SumBackward1",
    public="sum",
    input=lambda g, input_shape, factor: scale(expand_to(g, input_shape), factor.conjugate()),
)


# -- what users call ------------------------------------------------------------------------------------


def _same_scalars(a: Any, b: Any) -> None:
    if a.dtype is not b.dtype:
        names = dtypes.SCALAR_NAME
        raise RuntimeError(f"expected scalar type {names[a.dtype]} but found {names[b.dtype]}")


def _same_dtype(a: Any, b: Any) -> None:
    if a.dtype is not b.dtype:
        names = [dtypes.CPP_NAME[t.dtype] + (" int" if t.dtype is dtypes.int64 else "") for t in (a, b)]
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}")


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
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    _check_inner(input, mat2)
    return deliver_exact("mm", mm_of(input, mat2), out)


def _check_sizes(a: Any, b: Any) -> None:
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
            f"{b.shape[0]}x{b.shape[1]})"
        )


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
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    if input.shape[1] != vec.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({input.shape[0]}), mat ({input.shape[0]}x{input.shape[1]}), vec "
            f"({vec.shape[0]})"
        )
    if input.dtype is not vec.dtype:
        mat, same = dtypes.SCALAR_NAME[input.dtype], dtypes.SCALAR_NAME[vec.dtype]
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {same}, {mat}, and {same}")
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
    flat = reshape_any(left, (math.prod(shape[:-1]), shape[-1]))
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
    input: Any, mat1: Any = REQUIRED, mat2: Any = REQUIRED, *, beta: Any = 1, alpha: Any = 1, out: Any = None
) -> Any:
    """`beta * input + alpha * (mat1 @ mat2)`.

    Args:
        input: broadcast to (n, p).
        mat1: (n, m).
        mat2: (m, p).
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
            raise RuntimeError(
                f"{name} and mat2 must have the same dtype, but got "
                f"{dtypes.SCALAR_NAME[t.dtype]} and {dtypes.SCALAR_NAME[mat2.dtype]}"
            )
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
    if weight.ndim == 1:
        return matmul(input, weight) if bias is None else matmul(input, weight) + bias
    transposed = t_matrix(weight)
    if input.ndim == 2:
        return matmul(input, transposed) if bias is None else addmm(bias, input, transposed)
    shape = tuple(input.shape)
    if bias is None:
        return matmul(input, transposed)
    flat = reshape_any(input, (math.prod(shape[:-1]), shape[-1]))
    return reshape_any(addmm(bias, flat, transposed), (*shape[:-1], weight.shape[0]))


def matmul_of(input: Any, other: Any) -> Any:
    """`other @ input` for Python's operator."""
    return matmul(other, input)


FUNCTIONS: Final = ("mm", "bmm", "mv", "dot", "matmul", "addmm")
METHODS: Final = FUNCTIONS
INPLACE: Final = ("addmm",)
FUNCTIONAL: Final = ("linear",)
DUNDERS: Final = {"__matmul__": "matmul", "__rmatmul__": "matmul_of"}
