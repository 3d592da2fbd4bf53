"""What the operations of linear algebra share: products of batches, vmap, checks with PyTorch's texts.

The primitives of this family take matrices whose batch dimensions agree; the functions that users call
broadcast before. So under vmap every one of them is one call with one more batch dimension.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import LinAlgError, bad_argument
from ..kernels import products as k
from ..kernels.lapack import first_failure
from .arguments import REQUIRED, missing, same_out
from .batching import in_front
from .blas import adjoint_matrix, conj_of
from .reduce import sum_dims
from .refusals import unsupported
from .table import bilinear, deliver, general, is_array, is_tensor
from .views import diagonal_backward, diagonal_of, expand_to, reshape_any, unsqueeze_at


def batch_rule(op: Any, size: int, tensors: Any, dims: Any, statics: Any) -> Any:
    """vmap of operations on the last dimensions: the batch in front of all tensors."""
    ready = [None if t is None else in_front(t, d, size) for t, d in zip(tensors, dims, strict=True)]
    return op.entry(*ready, *statics), 0


def probe(kernel: Any) -> Any:
    """Shapes and dtypes of a kernel's results, found out on unit matrices: those are never singular."""

    def infer(*payloads_and_statics: Any) -> Any:
        ready = []
        for value in payloads_and_statics:
            if hasattr(value, "ndim") and value.ndim >= 2:
                kind = getattr(value, "np_dtype", None) or value.dtype
                value = np.broadcast_to(np.eye(*value.shape[-2:], dtype=kind), value.shape)
            elif hasattr(value, "np_dtype"):
                value = np.ones(value.shape, value.np_dtype)
            ready.append(value)
        return kernel(*ready)

    return infer


def factorisation(signature: str, kernel: Any, *infos: int, **options: Any) -> Any:
    """Declare an operation of this family; `infos` are the outputs that carry no gradient."""
    return general(signature, kernel, batch=batch_rule, infer=probe(kernel), nondiff_outputs=infos, **options)


# -- what rules are written with ----------------------------------------------------------------------------

# The product of matrices in batches of one shape.
product: Any = bilinear(
    "product(input, other)",
    k.matmul,
    node="BmmBackward0",
    public="bmm",
    batch=batch_rule,
    input=lambda g, other: product(g, adjoint_matrix(other)),
    other=lambda g, input: product(adjoint_matrix(input), g),
)


def _inverse_gaps(values: Any) -> Any:
    gaps = values[..., None, :] - values[..., :, None]
    index = np.arange(values.shape[-1])
    gaps[..., index, index] = 1
    out = 1 / gaps
    out[..., index, index] = 0
    return out


def _gaps_rule(g: Any, out: Any) -> Any:
    weight = g * conj_of(out * out)
    return sum_dims(weight, (weight.ndim - 1,), False) - sum_dims(weight, (weight.ndim - 2,), False)


# 1 / (l_j - l_i), zero on the diagonal: what derivatives of eigenvectors are divided by.
inverse_gaps: Any = general(
    "inverse_gaps(values)",
    _inverse_gaps,
    node="ReciprocalBackward0",
    public="reciprocal",
    batch=batch_rule,
    infer=lambda v: np.broadcast_to(
        np.zeros((), getattr(v, "np_dtype", None) or v.dtype), (*v.shape, v.shape[-1])
    ),
    values=_gaps_rule,
)


def diagonal(a: Any) -> Any:
    """The diagonals of matrices."""
    return diagonal_of(a, 0, a.ndim - 2, a.ndim - 1)


def on_diagonal(values: Any) -> Any:
    """Square matrices with these diagonals."""
    n = values.shape[-1]
    return diagonal_backward(values, (*values.shape, n), 0, values.ndim - 1, values.ndim)


def columns(values: Any) -> Any:
    """Vectors as factors of the columns of matrices: (..., 1, n)."""
    return unsqueeze_at(values, values.ndim - 1)


def rows(values: Any) -> Any:
    """Vectors as factors of the rows of matrices: (..., n, 1)."""
    return unsqueeze_at(values, values.ndim)


def everywhere(values: Any) -> Any:
    """Numbers of a batch as factors of whole matrices: (..., 1, 1)."""
    return reshape_any(values, (*values.shape, 1, 1))


def trace_of_product(a: Any, b: Any) -> Any:
    """tr(A^H B), of every matrix of a batch."""
    return sum_dims(conj_of(a) * b, (a.ndim - 2, a.ndim - 1), False)


def transposed(a: Any) -> Any:
    """The transposed matrices, without conjugation."""
    return conj_of(adjoint_matrix(a))


# -- checks -------------------------------------------------------------------------------------------------


def tensor(function: str, name: str, value: Any, position: int = 1) -> None:
    """Refuse what is no tensor."""
    if value is REQUIRED:
        missing(function, name)
    if not is_tensor(value):
        bad_argument(function, name, position, "Tensor", value)


def at_least_matrix(function: str, a: Any, name: str = "A") -> None:
    """Refuse tensors of fewer than two dimensions."""
    if a.ndim < 2:
        raise RuntimeError(f"{function}: The input tensor {name} must have at least 2 dimensions.")


def square(function: str, a: Any, name: str = "A") -> None:
    """Refuse what is no batch of square matrices."""
    at_least_matrix(function, a, name)
    m, n = a.shape[-2:]
    if m != n:
        raise RuntimeError(
            f"{function}: {name} must be batches of square matrices, but they are {m} by {n} matrices"
        )


def inexact(function: str, a: Any, *, narrow: bool = True) -> None:
    """Refuse integers, and 16-bit floats unless `narrow`."""
    if a.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"{function}: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.SCALAR_NAME[a.dtype]}"
        )
    if not narrow and a.dtype in NARROW:
        raise RuntimeError(
            f"{function}: Low precision dtypes not supported. Got {dtypes.SCALAR_NAME[a.dtype]}"
        )


NARROW: Final = (dtypes.float16, dtypes.bfloat16)


def supported(kernel: str, a: Any) -> None:
    """Refuse dtypes for which PyTorch's kernel of that name has no variant."""
    if a.dtype.category < dtypes.FLOATING or a.dtype in NARROW:
        raise unsupported(kernel, a.dtype)


def same_dtype(text: str, a: Any, b: Any) -> None:
    """Refuse two tensors of different dtypes; the text may name them as {a} and {b}."""
    if a.dtype is not b.dtype:
        raise RuntimeError(text.format(a=dtypes.SCALAR_NAME[a.dtype], b=dtypes.SCALAR_NAME[b.dtype]))


def broadcast_lead(a: Any, b: Any, inner: int = 2, turned: bool = False) -> tuple[int, ...]:
    """The common batch shape of two tensors whose last dimensions are matrices (`b` may have vectors).

    `turned`: which of them PyTorch's error names first.
    """
    one, other = tuple(a.shape[:-2]), tuple(b.shape[: b.ndim - inner])
    if one == other:
        return one
    n = max(len(one), len(other))
    first, second = (1,) * (n - len(one)) + one, (1,) * (n - len(other)) + other
    for d in range(n - 1, -1, -1):
        if first[d] != second[d] and 1 not in (first[d], second[d]):
            x, y = (second[d], first[d]) if turned else (first[d], second[d])
            raise RuntimeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) at "
                f"non-singleton dimension {d}"
            )
    return tuple(y if x == 1 else x for x, y in zip(first, second, strict=True))


def with_lead(a: Any, lead: tuple[int, ...], inner: int = 2) -> Any:
    """`a` expanded to a batch shape."""
    shape = (*lead, *a.shape[a.ndim - inner :])
    return a if tuple(a.shape) == shape else expand_to(a, shape)


def concrete(t: Any) -> Any:
    """The array behind a tensor of any level; None while tracing, when there are no numbers."""
    data = t._data
    while not is_array(data):
        inner = getattr(data, "_data", None)
        if inner is None:
            inner = getattr(data, "value", None)
        if inner is None:
            inner = getattr(data, "primal", None)
        if inner is None:
            return None
        data = inner
    return data


def raise_for(info: Any, function: str, text: str, kind: Any = LinAlgError) -> None:
    """Raise the error of the first matrix whose info is not 0; the text may name the info as {0}."""
    found = concrete(info)
    failed = None if found is None else first_failure(found)
    if failed is not None:
        where, order = failed
        raise kind(f"{function}: {where}{text.format(order)}")


def deliver_each(function: str, values: Any, out: Any) -> Any:
    """The named results, or `out` after they were stored in it; all of `out` must have the results'
    dtypes."""
    if out is None:
        return values
    for value, place in zip(values, out, strict=True):
        same_out(value, place)
    return deliver(function, values, out)


def deliver_castable(function: str, which: str, value: Any, out: Any) -> Any:
    """A result stored in `out`, whose dtype must be able to hold it."""
    castable(f"torch.linalg.{function}", which, value, out)
    return deliver(f"linalg_{function}", value, out)


def castable(name: str, which: str, value: Any, out: Any) -> None:
    """Raise what PyTorch's linear algebra says of an `out=` that cannot hold the result."""
    if out is not None and not dtypes.can_cast(value.dtype, out.dtype):
        raise RuntimeError(
            f"{name}: Expected {which} to be safely castable from "
            f"{dtypes.SCALAR_NAME[value.dtype]} dtype, but got {which} with dtype "
            f"{dtypes.SCALAR_NAME[out.dtype]}"
        )

