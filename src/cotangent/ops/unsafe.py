"""Sections as copies: unsafe_chunk, unsafe_split, unsafe_split_with_sizes."""

from __future__ import annotations

from typing import Any

from .split import chunk, split, split_with_sizes


def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """`chunk`, with copies for views.

    Example:
        >>> import cotangent as torch
        >>> torch.unsafe_chunk(torch.arange(3), 2)
        (tensor([0, 1]), tensor([2]))
    """
    return tuple(piece.clone() for piece in chunk(input, chunks, dim))


def unsafe_split(tensor: Any, split_size: int, dim: int = 0) -> tuple[Any, ...]:
    """`split` into sections of one size, with copies for views.

    Example:
        >>> import cotangent as torch
        >>> torch.unsafe_split(torch.arange(3), 2)
        (tensor([0, 1]), tensor([2]))
    """
    return tuple(piece.clone() for piece in split(tensor, split_size, dim))


def unsafe_split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> tuple[Any, ...]:
    """`split_with_sizes`, with copies for views.

    Example:
        >>> import cotangent as torch
        >>> torch.unsafe_split_with_sizes(torch.arange(3), [1, 2])
        (tensor([0]), tensor([1, 2]))
    """
    return tuple(piece.clone() for piece in split_with_sizes(input, split_sizes, dim))
