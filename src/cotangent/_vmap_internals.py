"""The name that `vmap` had in PyTorch before `torch.func`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .func import vmap

__all__ = ["vmap"]


def _vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, allow_none_pass_through: bool = False
) -> Callable[..., Any]:
    """`vmap`, whose function may return None beside tensors if it is allowed to.

    Args:
        func: function of tensors.
        in_dims: which dimension of each argument is mapped over.
        out_dims: where that dimension is in the results.
        allow_none_pass_through: whether results may be None.
    """
    if not allow_none_pass_through:
        return vmap(func, in_dims, out_dims)

    def mapped(*args: Any) -> Any:
        shape: list[Any] = []

        def tensors(*inner: Any) -> tuple[Any, ...]:
            found = func(*inner)
            alone = not isinstance(found, (tuple, list))
            shape[:] = [alone, [value is None for value in ((found,) if alone else found)]]
            return tuple(value for value in ((found,) if alone else found) if value is not None)

        results = iter(vmap(tensors, in_dims, out_dims)(*args))
        alone, missing = shape
        filled = tuple(None if absent else next(results) for absent in missing)
        return filled[0] if alone else filled

    return mapped
