"""Bounding gradients before an optimizer's step."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from ...autograd.modes import no_grad
from ...functions import clamp, stack, tensor
from ...ops.matrix_norms import norm
from ...tensor import Tensor

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Tensors) -> list[Any]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """The norm of several tensors as if they were one vector.

    Args:
        tensors: the tensors.
        norm_type: exponent of the norm, may be infinite.
        error_if_nonfinite: whether a norm that is infinite or not a number is an error.
        foreach: accepted for compatibility.

    Returns:
        The norm, 0-dimensional.

    Raises:
        RuntimeError: if the norm is not finite and `error_if_nonfinite` is set.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
        tensor(5.)
    """
    listed = _listed(tensors)
    norm_type = float(norm_type)
    if not listed:
        return tensor(0.0)
    with no_grad():
        norms = [norm(t, norm_type) for t in listed if not hasattr(t, "norms")]
        sharded: list[Any] = [t for t in listed if hasattr(t, "norms")]
        if sharded:  # DTensors, of which each process has a part
            norms += sharded[0].norms(sharded, norm_type)
        total = norm(stack(norms), norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, "
            "set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """Scale gradients down by `max_norm / total_norm`, if that is below 1.

    Args:
        parameters: whose gradients to scale.
        max_norm: the wanted bound.
        total_norm: the present norm, from `get_total_norm`.
        foreach: accepted for compatibility.

    Example:
        >>> import cotangent as torch
        >>> p = torch.zeros(1, requires_grad=True)
        >>> p.grad = torch.tensor([8.0])
        >>> torch.nn.utils.clip_grads_with_norm_(p, 1.0, torch.tensor(8.0))
        >>> p.grad
        tensor([1.0000])
    """
    gradients = _gradients(parameters)
    if not gradients:
        return
    # Always multiplied, even by 1: no look at the value is needed, which matters when tracing.
    with no_grad():
        factor = clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
        for gradient in gradients:
            gradient.mul_(factor)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale gradients so that their total norm is at most a bound.

    Args:
        parameters: whose gradients to scale.
        max_norm: the bound.
        norm_type: exponent of the norm, may be infinite.
        error_if_nonfinite: whether a norm that is infinite or not a number is an error.
        foreach: accepted for compatibility.

    Returns:
        The total norm before scaling, 0-dimensional.

    Raises:
        RuntimeError: if the norm is not finite and `error_if_nonfinite` is set.

    Example:
        >>> import cotangent as torch
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.tensor([3.0, 4.0])
        >>> torch.nn.utils.clip_grad_norm_([p], 1.0)
        tensor(5.)
        >>> p.grad
        tensor([0.6000, 0.8000])
    """
    listed = _listed(parameters)
    if isinstance(parameters, types.GeneratorType) and not listed:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Deprecated name of `clip_grad_norm_`.

    Args:
        parameters: as there.
        max_norm: as there.
        norm_type: as there.
        error_if_nonfinite: as there.
        foreach: as there.

    Returns:
        The total norm before scaling.
    """
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        category=FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Cut each element of the gradients off at +-`clip_value`.

    Args:
        parameters: whose gradients to cut.
        clip_value: the bound.
        foreach: accepted for compatibility.

    Example:
        >>> import cotangent as torch
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.tensor([3.0, -0.5])
        >>> torch.nn.utils.clip_grad_value_([p], 1.0)
        >>> p.grad
        tensor([ 1.0000, -0.5000])
    """
    bound = float(clip_value)
    with no_grad():
        for gradient in _gradients(parameters):
            gradient.clamp_(min=-bound, max=bound)
