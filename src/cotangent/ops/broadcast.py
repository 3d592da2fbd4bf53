"""Dimensions of one: expand, broadcast, squeeze, unsqueeze."""

from __future__ import annotations

from typing import Any, Final

from ..errors import after_histories, check_dim, check_dims
from ..size import Size
from .arguments import REQUIRED, integer, integers, no_match, rank, renamed, whole
from .viewfronts import shape_of
from .views import expand_to, squeeze_all, squeeze_dim, squeeze_dims, unsqueeze_at


def expand(input: Any, *args: Any, size: Any = REQUIRED, implicit: bool = False) -> Any:
    """Dimensions of one repeated without copying; new dimensions come in front.

    Args:
        input: tensor.
        args: the new sizes; -1 keeps a size.
        size: the same as a keyword.
        implicit: accepted as in PyTorch, without effect.

    Returns:
        a view in which several elements may share one place in memory, so write to a clone of it.

    Raises:
        RuntimeError: if a size does not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([[1], [2]]).expand(-1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    return expanded(input, integers("expand", "size", args or (size,)))


def expanded(input: Any, shape: tuple[int, ...]) -> Any:
    """`input` expanded to `shape`, in which -1 keeps a size."""
    have = input._data.shape
    lead = len(shape) - len(have)
    if lead >= 0 and shape[lead:] == have and (not lead or min(shape) >= 0):
        return expand_to(input, shape)
    if lead < 0:
        error = RuntimeError(
            f"expand({input.dtype.cpp_type}{{{list(have)}}}, size={list(shape)}): the number of sizes "
            f"provided ({len(shape)}) must be greater or equal to the number of dimensions in the tensor "
            f"({len(have)})"
        )
        raise after_histories(error)
    out = list(shape)
    for i in range(len(shape) - 1, -1, -1):
        n = shape[i]
        if i < lead:
            if n == -1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing "
                    f"dimension {i}"
                )
        elif n == -1:
            out[i] = have[i - lead]
        elif n != have[i - lead] and have[i - lead] != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have[i - lead]}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(have)}"
            )
        if n < -1:
            raise RuntimeError("numel: integer multiplication overflow")
    return expand_to(input, tuple(out))


def expand_as(input: Any, other: Any = REQUIRED) -> Any:
    """`input` expanded to the shape of `other`.

    Args:
        input: tensor.
        other: tensor whose shape is wanted.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(3, 1).expand_as(torch.ones(3, 4)).shape
        torch.Size([3, 4])
    """
    return expanded(input, shape_of("expand_as", other))


def broadcast_to(input: Any, size: Any = REQUIRED) -> Any:
    """`input` expanded to `size`.

    Args:
        input: tensor.
        size: the shape wanted.

    Example:
        >>> import cotangent as torch
        >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    rank("broadcast_to", input)
    return expanded(input, integers("broadcast_to", "size", (size,), 2))


def squeeze(input: Any, *args: Any, dim: Any = REQUIRED, axis: Any = REQUIRED) -> Any:
    """Without dimensions of one.

    Args:
        input: tensor.
        args: nothing (all of them go), a dimension, or several as a tuple; those of other sizes stay.
        dim: the same as a keyword.
        axis: NumPy's name of `dim`.

    Returns:
        a view.

    Raises:
        IndexError: if a dimension is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.squeeze(torch.ones(1, 2, 1), 0).shape
        torch.Size([2, 1])
    """
    n = rank("squeeze", input)
    if not args:
        if dim is REQUIRED:
            dim = axis
        if dim is REQUIRED:
            return squeeze_all(input)
        args = (dim,)
    if len(args) == 1:
        only = args[0]
        if only.__class__ is int:
            return squeeze_dim(input, check_dim(only, n))
        if not isinstance(only, (tuple, list)):
            if not whole(only):
                no_match("squeeze", args, "", "int dim", "tuple of ints dim")
            return squeeze_dim(input, check_dim(integer("squeeze", "dim", 1, only), n))
    return squeeze_dims(input, check_dims(integers("squeeze", "dim", args), n))


def unsqueeze(input: Any, dim: Any = REQUIRED, **numpy: Any) -> Any:
    """With a dimension of size one at `dim`.

    Args:
        input: tensor of n dimensions.
        dim: where it goes, from -n-1 to n.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a view.

    Raises:
        IndexError: if `dim` is out of range.

    Example:
        >>> import cotangent as torch
        >>> torch.unsqueeze(torch.ones(3), -1).shape
        torch.Size([3, 1])
    """
    if numpy:
        return unsqueeze(**renamed("unsqueeze", numpy, input=input, dim=dim))
    n = rank("unsqueeze", input)
    if dim.__class__ is not int:
        dim = integer("unsqueeze", "dim", 1, dim)
    return unsqueeze_at(input, check_dim(dim, n + 1))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to.

    Args:
        shapes: tuples of sizes, or ints.

    Raises:
        RuntimeError: if they do not fit together.

    Example:
        >>> import cotangent as torch
        >>> torch.broadcast_shapes((2,), (3, 1))
        torch.Size([3, 2])
    """
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    out = [1] * max((len(s) for s in given), default=0)
    for at, shape in enumerate(given):
        for i in range(-1, -len(shape) - 1, -1):
            n = shape[i]
            if n == 1 or n == out[i]:
                continue
            if out[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {n} at {i}! Mismatching argument at "
                    f"index {at} had {shapes[at]}; but expected shape should be broadcastable to {out}"
                )
            out[i] = n
    return Size(out)


METHODS: Final = ("expand", "expand_as", "broadcast_to", "squeeze", "unsqueeze")
FUNCTIONS: Final = ("broadcast_to", "broadcast_shapes", "squeeze", "unsqueeze")
INPLACE: Final = ("squeeze", "unsqueeze")
