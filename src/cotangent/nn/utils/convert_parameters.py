"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...functions import cat
from ...tensor import Tensor
from ...toplevel import typename

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """The elements of all parameters, one after the other.

    Args:
        parameters: the parameters.

    Returns:
        A vector; gradients flow through it.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.parameters_to_vector([torch.zeros(1, 2), torch.ones(1)])
        tensor([0., 0., 1.])
    """
    return cat([parameter.view(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give parameters the elements of a vector, whose memory they then share.

    Args:
        vec: the vector.
        parameters: the parameters.

    Raises:
        TypeError: if `vec` is not a tensor.

    Example:
        >>> import cotangent as torch
        >>> p = torch.zeros(1, 2)
        >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0]), [p])
        >>> p
        tensor([[1., 2.]])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {typename(vec)}")
    vector: Any = vec
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = vector[start:end].view_as(parameter).data
        start = end
