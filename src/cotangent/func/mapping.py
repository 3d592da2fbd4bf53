"""`vmap`: the public function, its argument checks, chunks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import tree
from ..autograd.base import TensorBase
from ..autograd.inplace import replace
from ..errors import check_dim
from ..functions import cat
from ..kernels.rng import default_stream
from ..ops.table import TABLE
from .batched import VmapLevel


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Vectorise `func`: the result maps over a dimension of its inputs.

    Args:
        func: function of tensors, written for one example.
        in_dims: dimension to map over, for all inputs or per input (nested as the inputs are); None: not
            mapped.
        out_dims: where the mapped dimension goes in the outputs.
        randomness: "error", "same" or "different": what random operations inside do.
        chunk_size: map over at most so many examples at a time.

    Returns:
        a function of batched tensors.

    Raises:
        ValueError: when called with inputs that `in_dims` does not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.func.vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
        tensor([3., 3.])
    """
    check_randomness(randomness)
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        _check_out_dims(func, out_dims)
        leaves, structure, dims, size = mapped_inputs(func, in_dims, args)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, structure, dims, size, out_dims, randomness, kwargs)
        return _in_chunks(func, leaves, structure, dims, size, out_dims, randomness, chunk_size, kwargs)

    return mapped


def check_randomness(randomness: str) -> None:
    """Refuse what random operations inside vmap cannot do."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )


def _name(func: Any) -> str:
    if isinstance(func, str):
        return func
    if isinstance(func, functools.partial) and not hasattr(func, "__name__"):
        return f"functools.partial({_name(func.func)}, ...)"
    return getattr(func, "__name__", repr(func))


def _check_out_dims(func: Any, out_dims: Any) -> None:
    for dim in tree.flatten(out_dims)[0]:
        if dim is not None and not isinstance(dim, int):
            raise ValueError(
                f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python "
                "collection of ints representing where in the outputs the vmapped dimension should appear."
            )


def mapped_inputs(
    func: Any, in_dims: Any, args: tuple[Any, ...]
) -> tuple[list[Any], Any, list[int | None], int]:
    """(leaves, structure, mapped dimension of each, batch size)."""
    name = _name(func)
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially "
            f"nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
            "vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, structure = tree.flatten(args)
    dims = tree.broadcast(in_dims, structure)
    if dims is None:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure "
            f"of `inputs`. in_dims has structure {tree.spec(in_dims)} but inputs has structure "
            f"{tree.spec(args)}."
        )
    sizes = []
    head = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): "
    for i, (leaf, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(dim, int):
            raise ValueError(
                head
                + f"Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(leaf, TensorBase):
            raise ValueError(
                head
                + f"Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        n = leaf.ndim  # type: ignore[attr-defined]
        if not -n <= dim < n:
            raise ValueError(
                head
                + f"Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {n} so "
                "expected in_dim "
                f"to satisfy -{n} <= in_dim < {n}."
            )
        dims[i] = dim + n if dim < 0 else dim
        sizes.append(leaf.shape[dims[i]])  # type: ignore[attr-defined]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return leaves, structure, dims, sizes[0]


def _run(
    func: Any, leaves: list[Any], structure: Any, dims: list[int | None], size: int, out_dims: Any,
    randomness: str, kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    with VmapLevel(size, randomness) as level:
        inside = [
            leaf if dim is None else level.batch(leaf, dim) for leaf, dim in zip(leaves, dims, strict=True)
        ]
        result = func(*tree.unflatten(structure, inside), **kwargs)
        _write_back(level, leaves, inside, dims)
        outputs, shape = tree.flatten(result)
        where = _where(func, out_dims, result)
        return tree.unflatten(shape, [_out(func, level, o, d) for o, d in zip(outputs, where, strict=True)])


def _where(func: Any, out_dims: Any, result: Any) -> list[Any]:
    """Where the batch goes in each output."""
    found = tree.broadcast(out_dims, tree.spec(result))
    alone = isinstance(result, TensorBase) and isinstance(out_dims, tuple) and len(out_dims) == 1
    if found is None and alone:
        return list(out_dims)
    if found is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with "
            f"the structure of `outputs`. out_dims has structure {tree.spec(out_dims)} but outputs has "
            f"structure {tree.spec(result)}."
        )
    return found


def _write_back(level: VmapLevel, leaves: list[Any], inside: list[Any], dims: list[int | None]) -> None:
    """Give arguments that the function wrote to in place their new values; they are the outputs' memory."""
    for leaf, t, dim in zip(leaves, inside, dims, strict=True):
        if dim is None or t._data.value is leaf:
            continue
        leaf.copy_(moved(t._data.value, t._data.bdim, dim))
        replace(t, level.batch(leaf, dim))


def moved(value: Any, bdim: int, at: int) -> Any:
    """`value` with its batch dimension at `at` instead of `bdim`."""
    if bdim == at:
        return value
    order = [d for d in range(value.ndim) if d != bdim]
    order.insert(at, bdim)
    return TABLE["permute_dims"].entry(value, tuple(order))


def _out(func: Any, level: VmapLevel, t: Any, dim: int | None) -> Any:
    """An output with its batch dimension at `dim`."""
    if not isinstance(t, TensorBase):
        if dim is None:
            return t
        raise ValueError(
            f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(t)}. Did "
            "you mean to set out_dims= to None for output?"
        )
    if not level.owns(t):
        if dim is None:
            return t
        shape = (level.size, *tuple(t.shape))  # type: ignore[attr-defined]
        value, bdim = TABLE["expand_to"].entry(TABLE["unsqueeze_at"].entry(t, 0), shape), 0
    elif dim is None:
        raise ValueError(
            f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None"
        )
    else:
        value, bdim = t._data.value, t._data.bdim
    return moved(value, bdim, check_dim(dim, value.ndim))


def _in_chunks(
    func: Any, leaves: list[Any], structure: Any, dims: list[int | None], size: int, out_dims: Any,
    randomness: str, chunk: int, kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """Map over pieces of the batch and join the results."""
    parts: list[list[Any]] = []
    shape: Any = None
    where: Any = None
    state = default_stream().get_state() if randomness == "same" else None
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        piece = [
            leaf if dim is None else TABLE["slice_of"].entry(leaf, dim, start, stop, 1)
            for leaf, dim in zip(leaves, dims, strict=True)
        ]
        if state is not None:
            default_stream().set_state(state)
        result = _run(func, piece, structure, dims, stop - start, out_dims, randomness, kwargs)
        outputs, shape = tree.flatten(result)
        where = _where(func, out_dims, result)
        parts.append(outputs)
    joined = [cat(list(column), d) for column, d in zip(zip(*parts, strict=True), where, strict=True)]
    return tree.unflatten(shape, joined)
