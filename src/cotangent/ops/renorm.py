"""renorm and norms of all but one dimension."""

from __future__ import annotations

from typing import Any, Final

from ..errors import check_dim
from .comparison import gt
from .moments import vector_norm
from .select import choose
from .table import deliver


def renorm(input: Any, p: Any, dim: int, maxnorm: Any, *, out: Any = None) -> Any:
    """The tensor with those slices along a dimension shrunk to `maxnorm` whose p-norm is larger.

    Args:
        input: two or more dimensions.
        p: order of the norm.
        dim: the dimension that counts the slices.
        maxnorm: the largest norm that is left as it is.
        out: tensor to write the result to.

    Returns:
        a tensor like `input`.

    Raises:
        RuntimeError: if p is not positive, maxnorm negative, or the input has less than two dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    if isinstance(p, complex) or p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if isinstance(maxnorm, complex) or maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    d = check_dim(dim, input.ndim)
    norm = vector_norm(input, p, tuple(i for i in range(input.ndim) if i != d), keepdim=True)
    factor = choose(gt(norm, maxnorm), maxnorm / (norm + 1e-7), 1.0)
    return deliver("renorm", input * factor.to(input.dtype), out)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """Norms over all dimensions but one, which keep the tensor's rank.

    Args:
        v: any shape.
        pow: order of the norm.
        dim: the dimension that is kept; -1 for none.

    Returns:
        a tensor with size 1 in the other dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), 2, 0)
        tensor([[5.],
                [2.]])
    """
    if dim == -1:
        return v.norm(pow)
    return vector_norm(v, pow, tuple(i for i in range(v.ndim) if i != dim), keepdim=True)


FUNCTIONS: Final = ("renorm", "norm_except_dim")
METHODS: Final = ("renorm",)
