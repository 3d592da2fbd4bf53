"""Parts of vmap that libraries put together themselves."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from .._C._functorch import _add_batch_dim, _remove_batch_dim, _unwrap_batched, _vmap_increment_nesting
from ..autograd.base import TensorBase
from ..autograd.modes import modes
from ..func.mapping import check_randomness, vmap
from ..utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_map_, tree_unflatten

__all__ = ["restore_vmap", "unwrap_batched", "vmap_impl", "vmap_increment_nesting", "wrap_batched"]

in_dims_t = out_dims_t = Any
_check_randomness_arg = check_randomness


def vmap_impl(
    func: Callable[..., Any], in_dims: Any, out_dims: Any, randomness: str, chunk_size: int | None,
    *args: Any, **kwargs: Any,
) -> Any:  # fmt: skip
    """`vmap` and the call of what it returns."""
    return vmap(func, in_dims, out_dims, randomness, chunk_size=chunk_size)(*args, **kwargs)


@contextlib.contextmanager
def vmap_increment_nesting(batch_size: int, randomness: str) -> Iterator[int]:
    """For a block: a vmap runs; gives its number."""
    number = _vmap_increment_nesting(batch_size, randomness)
    level = modes.levels[-1]
    try:
        yield number
    finally:
        level.__exit__(None, None, None)


def wrap_batched(args: tuple[Any, ...], bdims: Any, level: int) -> tuple[Any, ...]:
    """Arguments as tensors of a level of vmap, by where their examples are."""
    leaves, structure = tree_flatten(args)
    dims = _broadcast_to_and_flatten(bdims, structure)
    assert dims is not None, "bdims does not fit the arguments"
    made = [a if d is None else _add_batch_dim(a, d, level) for a, d in zip(leaves, dims, strict=True)]
    wrapped: tuple[Any, ...] = tree_unflatten(made, structure)
    return wrapped


def unwrap_batched(args: Any, level: int) -> tuple[Any, Any]:
    """Tensors of a level of vmap as tensors of the level below, and where their examples are."""
    leaves, structure = tree_flatten(args)
    if not leaves:
        return args, ()
    pairs = [_unwrap_batched(a, level) if isinstance(a, TensorBase) else (a, None) for a in leaves]
    return tree_unflatten([p[0] for p in pairs], structure), tree_unflatten([p[1] for p in pairs], structure)


def restore_vmap(
    func: Callable[..., Any], in_dims: Any, batch_size: int, randomness: str
) -> Callable[..., tuple[Any, Any]]:
    """A vmap whose results stay where the function put the examples; returns that, too.

    Args:
        func: function of tensors, written for one example.
        in_dims: where the examples are in the arguments.
        batch_size: how many there are.
        randomness: as for `vmap`.

    Returns:
        a function of batched tensors that gives (outputs, where the examples are in them).

    Example:
        >>> import cotangent as torch
        >>> from cotangent._functorch.vmap import restore_vmap
        >>> restore_vmap(lambda x: x.t(), 2, 4, "error")(torch.ones(2, 3, 4))[1]
        0
    """

    @functools.wraps(func)
    def inner(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with vmap_increment_nesting(batch_size, randomness) as level:
            return unwrap_batched(func(*wrap_batched(args, in_dims, level), **kwargs), level)

    return inner


def get_chunk_sizes(total_elems: int, chunk_size: int) -> list[int]:
    """The sizes of pieces of at most `chunk_size`."""
    whole, rest = divmod(total_elems, chunk_size)
    return [chunk_size] * whole + ([rest] if rest else [])


_exported = (_remove_batch_dim, tree_map_)
