"""Blocks of memory that several processes see: anonymous files mapped into memory.

A process that is forked sees the blocks of its parent; any other gets a block by the descriptor of its file.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from typing import Any, Final

import numpy as np

from .shape import owner

__all__ = ["Block", "block_of", "shared_block"]

_MAKE: Final = getattr(os, "memfd_create", None)


class Block(mmap.mmap):
    """A block of shared memory; `descriptor` is its file, open as long as the block lives."""

    descriptor: int

    @classmethod
    def over(cls, descriptor: int, size: int) -> Block:
        """The block of a file.

        Args:
            descriptor: the open file, which the block closes at its end.
            size: bytes, at least 1.
        """
        made = cls(descriptor, size)
        made.descriptor = descriptor
        weakref.finalize(made, os.close, descriptor)
        return made

    def array(self) -> np.ndarray[Any, Any]:
        """Its bytes."""
        return np.frombuffer(self, np.uint8)


def shared_block(size: int) -> Block:
    """A new block of zeros.

    Args:
        size: bytes.
    """
    size = max(size, 1)  # a mapping cannot be empty
    if _MAKE is not None:
        descriptor = _MAKE("cotangent")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, size)
    return Block.over(descriptor, size)


def block_of(a: np.ndarray[Any, Any]) -> Block | None:
    """The block that an array looks into; None for memory of this process alone."""
    base: Any = owner(a).base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, Block) else None
