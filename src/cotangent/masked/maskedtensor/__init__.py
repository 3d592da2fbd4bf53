"""Tensors of which a mask hides elements: `torch.masked.maskedtensor`."""

from . import functions as functions, reductions as reductions
from .core import MaskedTensor, is_masked_tensor
from .creation import as_masked_tensor, masked_tensor

__all__ = ["MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor"]
