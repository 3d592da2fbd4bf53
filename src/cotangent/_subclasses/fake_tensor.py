"""Tensors without numbers that PyTorch's compiler traces with; no tensor here is one."""

from typing import Any

__all__ = ["FakeTensor", "is_fake"]


class FakeTensor:
    """A class that no tensor belongs to: libraries ask whether one does."""


def is_fake(x: Any) -> bool:
    """Whether a tensor is one of those: no.

    Args:
        x: anything.
    """
    return isinstance(x, FakeTensor)
