"""`vmap` and `grad`, and vmap by the number of pieces."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..func.mapping import mapped_inputs, vmap
from ..func.transforms import grad, grad_and_value

__all__ = ["chunk_vmap", "grad", "grad_and_value", "vmap"]


def chunk_vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", chunks: int = 2
) -> Callable[..., Any]:
    """`vmap` in `chunks` pieces.

    Args:
        func, in_dims, out_dims, randomness: as for `vmap`.
        chunks: the number of pieces.

    Returns:
        a function of batched tensors.

    Example:
        >>> import cotangent as torch
        >>> from cotangent._functorch.apis import chunk_vmap
        >>> chunk_vmap(torch.sum, chunks=3)(torch.ones(4, 2))
        tensor([2., 2., 2., 2.])
    """
    if chunks == 1:
        return vmap(func, in_dims, out_dims, randomness)

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        size = mapped_inputs(func, in_dims, args)[3]
        each = -(-size // chunks)
        return vmap(func, in_dims, out_dims, randomness, chunk_size=each)(*args, **kwargs)

    return mapped
