"""Where PyTorch keeps the choices of that loss."""

from ._sequence_losses import LinearCrossEntropyOptions

__all__ = ["LinearCrossEntropyOptions"]
