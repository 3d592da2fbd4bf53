"""Where PyTorch keeps the loss of a linear layer."""

from ._sequence_losses import LinearCrossEntropyLoss

__all__ = ["LinearCrossEntropyLoss"]
