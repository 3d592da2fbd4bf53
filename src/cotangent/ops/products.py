"""Products built on those of `matmul.py`: outer, inner and cross products, contractions, accumulation."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import bad_argument, check_dim
from ..kernels import products as k
from .arguments import (
    IN_PLACE,
    REQUIRED,
    as_number,
    compiler_name,
    deliver_exact,
    in_old_order,
    integers,
    missing,
    numpy_named,
)
from .arithmetic import mul
from .batching import in_front, same_rank
from .blas import (
    addmv_of,
    adjoint_matrix,
    baddbmm_of,
    bmm_of,
    conj_of,
    dot_of,
    mm_of,
    mv_of,
    scale,
    scale_sum,
    vdot_of,
)
from .fitting import check_vectors
from .matmul import VECTORS_DIFFER, check_expands, check_fit
from .reduce import sum_dims
from .refusals import without
from .table import bilinear, deliver, general, is_tensor
from .views import expand_to, permute_dims, reshape_any, reshaped, unsqueeze_at


def _sums_of_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `addbmm` and `addr`, which are products of matrices: rows by (batch and) columns."""
    one, other = (in_front(t, d, size) for t, d in zip(tensors[1:], dims[1:], strict=True))
    if op.name == "addr_of":
        one, other = unsqueeze_at(one, 2), unsqueeze_at(other, 1)
    else:
        count, rows, inner = tuple(one.shape)[1:]
        one = reshape_any(permute_dims(one, (0, 2, 1, 3)), (size, rows, count * inner))
        other = reshape_any(other, (size, count * inner, other.shape[3]))
    c = in_front(tensors[0], dims[0], size)
    c = reshape_any(c, (size, *(1,) * (3 - c.ndim), *tuple(c.shape)[1:]))
    whole = expand_to(c, (size, one.shape[1], other.shape[2]))
    return baddbmm_of(whole, one, other, *statics), 0


addbmm_of = general(
    "addbmm_of(input, batch1, batch2 | beta=1, alpha=1)",
    k.add_sum_of_products,
    node="AddbmmBackward0",
    public="addbmm",
    batch=_sums_of_examples,
    input=lambda g, input_shape, beta: scale_sum(g, input_shape, beta.conjugate()),
    batch1=lambda g, batch1_shape, batch2, alpha: scale(
        bmm_of(expand_to(g, (batch1_shape[0], *g.shape)), adjoint_matrix(batch2)), alpha.conjugate()
    ),
    batch2=lambda g, batch1, batch1_shape, alpha: scale(
        bmm_of(adjoint_matrix(batch1), expand_to(g, (batch1_shape[0], *g.shape))), alpha.conjugate()
    ),
)
addr_of = general(
    "addr_of(input, vec1, vec2 | beta=1, alpha=1)",
    k.add_outer,
    node="AddrBackward0",
    public="addr",
    batch=_sums_of_examples,
    misfit="2D tensor expected, got {ndim}D tensor for input",
    input=lambda g, input_shape, beta: scale_sum(g, input_shape, beta.conjugate()),
    vec1=lambda g, vec2, alpha: scale(mv_of(g, conj_of(vec2)), alpha.conjugate()),
    vec2=lambda g, vec1, alpha: scale(mv_of(permute_dims(g, (1, 0)), conj_of(vec1)), alpha.conjugate()),
)
# The cross product is its own transpose up to the order of the factors: d(a x b) . g = da . (b x g).
cross_of: Any = bilinear(
    "cross_of(input, other | dim)",
    k.cross,
    node="LinalgCrossBackward0",
    public="linalg_cross",
    batch=same_rank,
    input=lambda g, input_shape, other, dim: scale_sum(cross_of(conj_of(other), g, dim), input_shape, 1),
    other=lambda g, input, other_shape, dim: scale_sum(cross_of(g, conj_of(input), dim), other_shape, 1),
)


def _need(function: str, **given: Any) -> None:
    for position, (name, value) in enumerate(given.items(), 1):
        if value is REQUIRED:
            missing(function, *[n for n, v in given.items() if v is REQUIRED])
        if not is_tensor(value):
            bad_argument(function, name, position, "Tensor", value)


def outer(input: Any, vec2: Any = REQUIRED, *, out: Any = None) -> Any:
    """Products of every element of one vector with every element of another.

    Args:
        input: (n,).
        vec2: (m,).
        out: tensor to write the result to.

    Returns:
        (n, m).

    Raises:
        RuntimeError: if one of them is no vector.

    Example:
        >>> import cotangent as torch
        >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4, 5]))
        tensor([[ 3,  4,  5],
                [ 6,  8, 10]])
    """
    _need("outer", input=input, vec2=vec2)
    for name, t in (("self", input), ("vec2", vec2)):
        if t.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {t.ndim}-D")
    return deliver("outer", mul(reshaped(input, (input.shape[0], 1)), vec2), out)


def vdot(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Sum of the products of two vectors' elements, those of the first conjugated.

    Args:
        input: (n,).
        other: (n,).
        out: tensor to write the result to.

    Returns:
        a 0-d tensor.

    Raises:
        RuntimeError: if they are no vectors, or differ in length or dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.vdot(torch.tensor([1j, 2]), torch.tensor([1j, 1]))
        tensor(3.+0.j)
    """
    _need("vdot", input=input, other=other)
    check_vectors("dot", input, other)
    return deliver_exact("vdot", vdot_of(input, other), out, VECTORS_DIFFER)


def inner(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Sums of products over the last dimension of both tensors.

    Args:
        input: (..., n), or a 0-d tensor.
        other: (..., n), or a 0-d tensor.
        out: tensor to write the result to.

    Returns:
        the dimensions of `input` but its last, followed by those of `other` but its last; the product where
        one of them is 0-d.

    Raises:
        RuntimeError: if the last dimensions differ.

    Example:
        >>> import cotangent as torch
        >>> torch.inner(torch.tensor([1, 2, 3]), torch.tensor([0, 2, 1]))
        tensor(7)
    """
    _need("inner", input=input, other=other)
    if not input.ndim or not other.ndim:
        return deliver("inner", mul(input, other), out)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return deliver_exact(
        "inner", _contracted(input, other, (input.ndim - 1,), (other.ndim - 1,)), out, _OTHER_DTYPE
    )


_OTHER_DTYPE: Final = (
    "tensordot: Expected the output tensor to have dtype {kind}, but got an output tensor with dtype "
    "{kind_out}"
)


def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Sums of products over several dimensions of both tensors.

    Args:
        a: tensor of any shape.
        b: tensor of any shape.
        dims: how many (the last ones of `a`, the first ones of `b`), or the two lists of dimensions.
        out: tensor to write the result to.

    Returns:
        the other dimensions of `a`, followed by those of `b`.

    Raises:
        RuntimeError: if the sizes of the contracted dimensions differ, or the dtypes.

    Example:
        >>> import cotangent as torch
        >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(3, 4, 5), dims=2).shape
        torch.Size([2, 5])
    """
    if not isinstance(dims, (int, tuple, list)) and not is_tensor(dims):
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing "
            f"two lists, but got dims={dims}"
        )
    if is_tensor(dims):
        dims = dims.tolist() if dims.numel() > 1 else int(dims)
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left: Any = list(range(-dims, 0))
        right: Any = list(range(dims))
    else:
        left, right = dims
        for name, listed in (("dims_self", left), ("dims_other", right)):
            if isinstance(listed, int):
                bad_argument("tensordot", name, 3 + (name == "dims_other"), "tuple of ints", listed)
    left = integers("tensordot", "dims_self", (left,), 3)
    right = integers("tensordot", "dims_other", (right,), 4)
    return deliver_exact("tensordot", _contraction(a, b, left, right), out, _OTHER_DTYPE)


def _contraction(a: Any, b: Any, left: tuple[int, ...], right: tuple[int, ...]) -> Any:
    """Check what is to be contracted; dimensions of one are summed over in the other tensor first."""
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    lonely: tuple[list[int], list[int]] = ([], [])
    for d, e in zip(left, right, strict=True):
        n, m = a.shape[check_dim(d, a.ndim)], b.shape[check_dim(e, b.ndim)]
        if m == 1 != n:
            lonely[0].append(check_dim(d, a.ndim))
        elif n == 1 != m:
            lonely[1].append(check_dim(e, b.ndim))
        elif n != m:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {d} and second has size "
                f"{m} in dim {e}"
            )
    if lonely[0]:
        a = sum_dims(a, tuple(lonely[0]), True)
    if lonely[1]:
        b = sum_dims(b, tuple(lonely[1]), True)
    return _contracted(
        a, b, tuple(check_dim(d, a.ndim) for d in left), tuple(check_dim(d, b.ndim) for d in right)
    )


def _contracted(a: Any, b: Any, left: tuple[int, ...], right: tuple[int, ...]) -> Any:
    """One product of matrices: the contracted dimensions of `a` moved back, those of `b` to the front."""
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    rows = [d for d in range(a.ndim) if d not in left]
    columns = [d for d in range(b.ndim) if d not in right]
    shape_a, shape_b = tuple(a.shape), tuple(b.shape)
    n = math.prod(shape_a[d] for d in rows)
    m = math.prod(shape_a[d] for d in left)
    p = math.prod(shape_b[d] for d in columns)
    shape = tuple(shape_a[d] for d in rows) + tuple(shape_b[d] for d in columns)
    first = permute_dims(a, (*rows, *left)) if a.ndim else a
    second = permute_dims(b, (*right, *columns)) if b.ndim else b
    if not rows and not columns:
        flat = [t if t.ndim == 1 else reshaped(t, (m,)) for t in (first, second)]
        return reshaped(dot_of(*flat), shape)
    return reshaped(mm_of(reshaped(first, (n, m)), reshaped(second, (m, p))), shape)


def kron(input: Any, other: Any = REQUIRED, *, out: Any = None) -> Any:
    """Kronecker product: a copy of `other` in place of every element of `input`, multiplied by it.

    Args:
        input: tensor of any shape.
        other: tensor of any shape; the shorter shape gets dimensions of one in front.
        out: tensor to write the result to.

    Returns:
        sizes are the products of the sizes.

    Example:
        >>> import cotangent as torch
        >>> torch.kron(torch.eye(2), torch.ones(1, 2))
        tensor([[1., 1., 0., 0.],
                [0., 0., 1., 1.]])
    """
    _need("kron", input=input, other=other)
    rank = max(input.ndim, other.ndim)
    a = (1,) * (rank - input.ndim) + tuple(input.shape)
    b = (1,) * (rank - other.ndim) + tuple(other.shape)
    first = reshape_any(input, tuple(n for size in a for n in (size, 1)))
    second = reshape_any(other, tuple(n for size in b for n in (1, size)))
    result = reshape_any(mul(first, second), tuple(x * y for x, y in zip(a, b, strict=True)))
    return deliver("kron", result, out)


@numpy_named
def cross(input: Any, other: Any = REQUIRED, dim: int | None = None, *, out: Any = None) -> Any:
    """Cross products of vectors of three elements.

    Args:
        input: tensor with a dimension of 3.
        other: tensor that broadcasts with it.
        dim: the dimension; the first of size 3 if None.
        out: tensor to write the result to.

    Returns:
        the broadcast shape.

    Raises:
        RuntimeError: if the dimension is not of size 3.

    Example:
        >>> import cotangent as torch
        >>> torch.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0]), dim=0)
        tensor([0, 0, 1])
    """
    _need("cross", input=input, other=other)
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim, out=out)


@numpy_named
def linalg_cross(input: Any, other: Any = REQUIRED, *, dim: int = -1, out: Any = None) -> Any:
    """Cross products of vectors of three elements, on the last dimension unless told otherwise.

    Args:
        input: tensor of size 3 in `dim`.
        other: tensor of as many dimensions that broadcasts with it.
        dim: the dimension of the vectors.
        out: tensor to write the result to.

    Returns:
        the broadcast shape.

    Raises:
        RuntimeError: if a size does not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.linalg.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0]))
        tensor([0, 0, 1])
    """
    _need("linalg_cross", input=input, other=other)
    without("cross", input, dtypes.BOOL)
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    at = check_dim(dim, input.ndim)
    if (input.shape[at], other.shape[at]) != (3, 3):
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[at]} and "
            f"{other.shape[at]}"
        )
    for d in range(input.ndim - 1, -1, -1):
        if input.shape[d] != other.shape[d] and 1 not in (input.shape[d], other.shape[d]):
            raise RuntimeError(
                f"The size of tensor a ({input.shape[d]}) must match the size of tensor b ({other.shape[d]}) "
                f"at non-singleton dimension {d}"
            )
    return deliver_exact("cross", cross_of(input, other, at), out)


# -- beta * input + alpha * product ---------------------------------------------------------------------


def addmv(
    input: Any, mat: Any = REQUIRED, vec: Any = REQUIRED, *more: Any,
    beta: Any = 1, alpha: Any = 1, out: Any = None,
) -> Any:  # fmt: skip
    """`beta * input + alpha * (mat @ vec)`.

    Args:
        input: broadcast to (n,).
        mat: (n, m).
        vec: (m,).
        more: in PyTorch's old order the numbers stand among the tensors.
        beta: factor of `input`; at 0 nan and inf in it are ignored.
        alpha: factor of the product.
        out: tensor to write the result to.

    Returns:
        (n,).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.addmv(torch.ones(2), torch.ones(2, 3), torch.ones(3))
        tensor([4., 4.])
    """
    if more:
        input, mat, vec, beta, alpha = in_old_order(
            "addmv" + IN_PLACE, ("mat", "vec"), (input, mat, vec, *more)
        )
    _need("addmv", input=input, mat=mat, vec=vec)
    if mat.ndim != 2 or vec.ndim != 1 or input.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}")
    n, m = mat.shape
    size = input.shape[0] if input.ndim else 1
    if m != vec.shape[0] and not input.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if m != vec.shape[0] or size not in (1, n):
        raise RuntimeError(f"size mismatch, got input ({size}), mat ({n}x{m}), vec ({vec.shape[0]})")
    if not input.dtype is mat.dtype is vec.dtype:
        names = [dtypes.SCALAR_NAME[t.dtype] for t in (input, mat, vec)]
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {names[0]}, {names[1]}, and {names[2]}"
        )
    return deliver_exact("addmv", addmv_of(input, mat, vec, beta, alpha), out)


def addr(
    input: Any, vec1: Any = REQUIRED, vec2: Any = REQUIRED, *more: Any,
    beta: Any = 1, alpha: Any = 1, out: Any = None,
) -> Any:  # fmt: skip
    """`beta * input + alpha * outer(vec1, vec2)`.

    Args:
        input: broadcast to (n, m).
        vec1: (n,).
        vec2: (m,).
        more: in PyTorch's old order the numbers stand among the tensors.
        beta: factor of `input`; at 0 nan and inf in it are ignored.
        alpha: factor of the product.
        out: tensor to write the result to.

    Returns:
        (n, m), in the dtype the three promote to.

    Raises:
        RuntimeError: if shapes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.addr(torch.zeros(2, 2), torch.tensor([1.0, 2.0]), torch.ones(2))
        tensor([[1., 1.],
                [2., 2.]])
    """
    if more:
        input, vec1, vec2, beta, alpha = in_old_order(
            "addr" + IN_PLACE, ("vec1", "vec2"), (input, vec1, vec2, *more)
        )
    _need("addr", input=input, vec1=vec1, vec2=vec2)
    for name, t in (("vec1", vec1), ("vec2", vec2)):
        if t.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {t.ndim}-D")
    check_expands(input, (vec1.shape[0], vec2.shape[0]))
    common = dtypes.promote_types(dtypes.promote_types(input.dtype, vec1.dtype), vec2.dtype)
    beta, alpha = as_number("addr", "beta", 0, beta), as_number("addr", "alpha", 0, alpha)
    for name, factor in (("beta", beta), ("alpha", alpha)):
        if isinstance(factor, bool) and common is not dtypes.bool_:
            raise RuntimeError(f"Boolean {name} only supported for Boolean results.")
        if common.category < dtypes.FLOATING and not isinstance(factor, (int, np.integer)):
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number."
            )
    if common.category == dtypes.FLOATING and any(isinstance(f, complex) for f in (beta, alpha)):
        raise RuntimeError("value cannot be converted to type float without overflow")
    given = [t if t.dtype is common else t.to(common) for t in (vec1, vec2)]
    if input.dtype is not common:
        return deliver("addr", addr_of(input.to(common), *given, beta, alpha), out)
    return deliver("addr", addr_of(input, *given, beta, alpha), out)


def addbmm(
    input: Any, batch1: Any = REQUIRED, batch2: Any = REQUIRED, *more: Any,
    beta: Any = 1, alpha: Any = 1, out: Any = None,
) -> Any:  # fmt: skip
    """`beta * input + alpha * (batch1 @ batch2).sum(0)`.

    Args:
        input: broadcast to (n, p).
        batch1: (b, n, m).
        batch2: (b, m, p).
        more: in PyTorch's old order the numbers stand among the tensors.
        beta: factor of `input`; at 0 nan and inf in it are ignored.
        alpha: factor of the sum of products.
        out: tensor to write the result to.

    Returns:
        (n, p).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.addbmm(torch.ones(1), torch.ones(2, 1, 3), torch.ones(2, 3, 2))
        tensor([[7., 7.]])
    """
    if more:
        input, batch1, batch2, beta, alpha = in_old_order(
            "addbmm" + IN_PLACE, ("batch1", "batch2"), (input, batch1, batch2, *more)
        )
    _need("addbmm", input=input, batch1=batch1, batch2=batch2)
    shape = (_size(batch1, 1), _size(batch2, 2))
    check_expands(input, shape)
    for name, t in (("batch1", batch1), ("batch2", batch2)):
        if t.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError(
            f"batch1 and batch2 must have same number of batches, got {batch1.shape[0]} and {batch2.shape[0]}"
        )
    if batch1.shape[2] != batch2.shape[1]:
        raise RuntimeError(
            f"Incompatible matrix sizes for bmm ({shape[0]}x{batch1.shape[2]} and "
            f"{batch2.shape[1]}x{shape[1]})"
        )
    if not input.dtype is batch1.dtype is batch2.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{dtypes.SCALAR_NAME[input.dtype]} and {dtypes.SCALAR_NAME[batch2.dtype]}"
        )
    return deliver_exact(
        "addbmm",
        addbmm_of(input, batch1, batch2, beta, alpha),
        out,
        "self and mat2 must have the same dtype, but got {kind_out} and {kind}",
    )


def baddbmm(
    input: Any, batch1: Any = REQUIRED, batch2: Any = REQUIRED, *more: Any,
    beta: Any = 1, alpha: Any = 1, out: Any = None,
) -> Any:  # fmt: skip
    """`beta * input + alpha * (batch1 @ batch2)`.

    Args:
        input: broadcast to (b, n, p).
        batch1: (b, n, m).
        batch2: (b, m, p).
        more: in PyTorch's old order the numbers stand among the tensors.
        beta: factor of `input`; at 0 nan and inf in it are ignored.
        alpha: factor of the products.
        out: tensor to write the result to.

    Returns:
        (b, n, p).

    Raises:
        RuntimeError: if shapes or dtypes do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.baddbmm(torch.ones(1), torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()
        tensor([4., 4.])
    """
    if more:
        input, batch1, batch2, beta, alpha = in_old_order(
            "baddbmm" + IN_PLACE, ("batch1", "batch2"), (input, batch1, batch2, *more)
        )
    _need("baddbmm", input=input, batch1=batch1, batch2=batch2)
    check_expands(input, (_size(batch1, 0), _size(batch1, 1), _size(batch2, 2)))
    check_fit(batch1, batch2)
    if not input.dtype is batch1.dtype is batch2.dtype:
        names = [compiler_name(t.dtype) for t in (input, batch1, batch2)]
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {names[0]}, batch1: {names[1]}, batch2: {names[2]}"
        )
    return deliver_exact("baddbmm", baddbmm_of(input, batch1, batch2, beta, alpha), out)


def _size(t: Any, dim: int) -> int:
    return int(t.shape[check_dim(dim, t.ndim)])
