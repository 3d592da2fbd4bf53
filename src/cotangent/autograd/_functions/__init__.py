"""What is left of PyTorch's old functions."""

from . import utils

__all__ = ["utils"]
