"""Shapes in old custom functions: `torch.autograd._functions.utils`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["maybe_unexpand", "maybe_view"]


def maybe_view(tensor: Any, size: Sequence[int], check_same_size: bool = True) -> Any:
    """A tensor of a given size with the same elements.

    Args:
        tensor: the tensor.
        size: the shape wanted.
        check_same_size: whether a tensor that has it already is given back itself.

    Returns:
        the tensor, or a view of it, or of a copy where it is not contiguous.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.autograd._functions.utils import maybe_view
        >>> maybe_view(torch.ones(2, 2), (4,))
        tensor([1., 1., 1., 1.])
    """
    same = check_same_size and tensor.size() == size
    return tensor if same else tensor.contiguous().view(size)


def maybe_unexpand(tensor: Any, old_size: Sequence[int], check_same_size: bool = True) -> Any:
    """Undo `expand` for a gradient: sum over the dimensions that were stretched.

    Args:
        tensor: the gradient of the expanded tensor.
        old_size: the shape before.
        check_same_size: whether a gradient of that shape is given back itself.

    Returns:
        the gradient of the tensor before.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.autograd._functions.utils import maybe_unexpand
        >>> maybe_unexpand(torch.ones(3, 2), (1,))
        tensor([6.])
    """
    if check_same_size and tensor.size() == old_size:
        return tensor
    added = tensor.dim() - len(old_size)
    stretched = [d for d, old in enumerate(old_size) if tensor.size(added + d) != old]
    for _ in range(added):
        tensor = tensor.sum(0)
    for d in stretched:
        tensor = tensor.sum(d, keepdim=True)
    return tensor
