"""`torch._tensor`: the home of Tensor in PyTorch."""

from .tensor import Tensor

__all__ = ["Tensor"]
