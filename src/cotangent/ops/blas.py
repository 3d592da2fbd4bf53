"""The primitives of BLAS: products of matrices and vectors, plain and accumulating, and their batching.

The functions users call are in `matmul.py` and `products.py`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..kernels import products as k
from ..kernels.shape import sum_to_size as fold
from . import views as v
from .copies import along
from .reduce import sum_dims
from .table import bilinear, blank, general, linear as linear_op
from .views import expand_to, reshape_any, reshaped, t_matrix, unsqueeze_at

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
        ready.append(t if d is None else _in_front(t, d))
    a, b = ready
    return product(a, b, tuple(d is not None for d in dims), op.public), 0


def _shared_product(op: Any, size: int, tensors: Any, dims: Any) -> Any:
    """mm, mv and dot with one operand for all examples: the examples side by side are one larger matrix."""
    (a, b), (at, bt) = tensors, dims
    if bt is None:
        a = _in_front(a, at)
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


def _product_like(a: Any, b: Any) -> Any:
    shape = (*a.shape[:-1], *b.shape[-1:]) if len(b.shape) > 1 else a.shape[:-1]
    return blank(shape, a)


mm_of: Any = bilinear(
    "mm(input, mat2)",
    k.matmul,
    infer=_product_like,
    batch=_batch_products,
    input=lambda g, mat2: mm_of(g, adjoint_matrix(mat2)),
    mat2=lambda g, input, mat2_turned: _right_gradient(g, input, mat2_turned),
)
bmm_of: Any = bilinear(
    "bmm(input, mat2)",
    k.matmul,
    infer=_product_like,
    batch=_batch_products,
    input=lambda g, mat2: bmm_of(g, adjoint_matrix(mat2)),
    mat2=lambda g, input: bmm_of(adjoint_matrix(input), g),
)
mv_of: Any = bilinear(
    "mv(input, vec)",
    k.matmul,
    infer=_product_like,
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
def _vectors(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """Batching of `vdot`."""
    a, b = (t if d is None else _in_front(t, d) for t, d in zip(tensors, dims, strict=True))
    return sum_dims(conj_of(a) * b, (1,), False), 0


vdot_of = bilinear(
    "vdot(input, other)",
    lambda a, b: k.matmul(k.conj(a), b),
    batch=_vectors,
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


def _in_front(t: Any, bdim: int) -> Any:
    return v.permute_dims(t, (bdim, *[i for i in range(t.ndim) if i != bdim])) if bdim else t


def _accumulated_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """beta * input + alpha * (a @ b) under vmap."""
    (c, a, b), (ct, at, bt), (beta, alpha) = tensors, dims, statics
    plain = {"addmm_of": mm_of, "baddbmm_of": bmm_of, "addmv_of": mv_of}[op.name]
    if plain is mm_of and at is not None and bt is None and ct is None and c.ndim < 2:
        _, rows, depth = tuple((a := _in_front(a, at)).shape)
        flat = op.entry(c, reshape_any(a, (size * rows, depth)), b, beta, alpha)
        return reshape_any(flat, (size, rows, b.shape[1])), 0
    if at is None and bt is None:
        found = unsqueeze_at(plain(a, b), 0)
    else:
        found = _in_front(*_batch_products(plain.op, size, (a, b), (at, bt), ()))
    found = scale(found, alpha)
    shape = (size, *tuple(found.shape)[1:])
    if beta == 0:
        return _broadcast(found, shape), 0
    if ct is not None:
        c = _in_front(c, ct)
        c = reshape_any(c, (size, *[1] * (found.ndim - c.ndim), *tuple(c.shape)[1:]))
    return _broadcast(found + scale(c, beta), shape), 0


def _sum_examples(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """`scale_sum` under vmap: dimensions that the shape lacks are summed first."""
    x, (shape, factor) = _in_front(tensors[0], dims[0]), statics
    lacking = x.ndim - 1 - len(shape)
    if lacking:
        x = sum_dims(x, tuple(range(1, lacking + 1)), False)
    return op.entry(x, (size, *shape), factor), 0


addmm_of = general(
    "addmm_of(input, mat1, mat2 | beta=1, alpha=1)",
    k.add_product,
    infer=lambda input, one, other, *numbers: _product_like(one, other),
    node="AddmmBackward0",
    public="addmm",
    misfit=MISFIT,
    batch=_accumulated_examples,
    jvp=_jvp_accumulate(mm_of),
    input=lambda g, input_shape, beta: scale_sum(g, input_shape, beta.conjugate()),
    mat1=lambda g, mat2, alpha: scale(mm_of(g, adjoint_matrix(mat2)), alpha.conjugate()),
    mat2=lambda g, mat1, mat2_turned, alpha: scale(_right_gradient(g, mat1, mat2_turned), alpha.conjugate()),
)
baddbmm_of = general(
    "baddbmm_of(input, batch1, batch2 | beta=1, alpha=1)",
    k.add_product,
    infer=lambda input, one, other, *numbers: _product_like(one, other),
    node="BaddbmmBackward0",
    public="baddbmm",
    misfit=MISFIT,
    batch=_accumulated_examples,
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
    batch=_accumulated_examples,
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
    batch=along,
    input=lambda g, factor: scale(g, factor.conjugate()),
)
scale_sum: Any = linear_op(
    "scale_sum(input | shape, factor)",
    lambda a, shape, factor: fold(a if factor == 1 else a * np.asarray(factor).astype(a.dtype), shape),
    infer=lambda a, shape, factor: blank(shape, a),
    node="SumBackward1",
    public="sum",
    batch=_sum_examples,
    input=lambda g, input_shape, factor: scale(expand_to(g, input_shape), factor.conjugate()),
)
