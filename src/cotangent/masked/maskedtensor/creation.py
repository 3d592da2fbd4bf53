"""Making tensors of which a mask hides elements: `torch.masked.maskedtensor.creation`."""

from __future__ import annotations

from typing import Any

from .core import MaskedTensor, masked_from

__all__ = ["as_masked_tensor", "masked_tensor"]


def masked_tensor(data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
    """A MaskedTensor that is a leaf.

    Args:
        data, mask, requires_grad: as for `MaskedTensor`.

    Returns:
        the MaskedTensor.

    Raises:
        TypeError, ValueError: as for `MaskedTensor`.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> warnings.simplefilter("ignore")
        >>> x = torch.masked.masked_tensor(torch.arange(3), torch.tensor([True, False, True]))
        >>> x.sum()
        MaskedTensor(2, True)
    """
    made: MaskedTensor = MaskedTensor(data, mask, requires_grad)
    return made


def as_masked_tensor(data: Any, mask: Any) -> MaskedTensor:
    """A MaskedTensor whose gradients flow on to its numbers.

    Args:
        data, mask: as for `MaskedTensor`.

    Returns:
        the MaskedTensor.

    Raises:
        TypeError, ValueError: as for `MaskedTensor`.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> warnings.simplefilter("ignore")
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> torch.masked.as_masked_tensor(x, torch.tensor([True, False])).exp().sum().backward()
        >>> x.grad
        MaskedTensor(
          [  2.7183,       --]
        )
    """
    made: MaskedTensor = masked_from(data, mask)
    return made
