"""Gradients of each sample of a batch by itself: `torch.nn.utils._per_sample_grad`.

The parameters of a module are replaced, for one call, by `ExpandedWeight`s. The functions that these are
given to run as they are; on the way back the pullback of each is mapped over the samples, and what belongs to
a parameter is left in its `grad_sample`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ...func import functional_call
from ...tensor import Tensor
from ...utils._pytree import tree_leaves
from ..modules.module import Module
from ._expanded_weights import ExpandedWeight

__all__ = ["call_for_per_sample_grads"]


def _size_of(batch_first: bool, *args: Any, **kwargs: Any) -> int:
    """The number of samples in the arguments of a call."""
    found = None
    for value in tree_leaves((args, kwargs)):
        if not isinstance(value, Tensor):
            continue
        size = value.shape[0 if batch_first else 1]
        if found is not None and found != size:
            raise RuntimeError(
                f"When computing batch size, found at least one input with batch size {found} and one with "
                f"batch size {size}. Please specify it explicitly using the batch size kwarg in "
                "call_for_per_sample_grads"
            )
        found = size
    if found is None:
        raise RuntimeError(
            "Unable to find a tensor in the passed args and kwargs. They may not be pytree-able and so "
            "ExpandedWeights cannot compute the batch size from the inputs. Please specify it explicitly"
        )
    return int(found)


def call_for_per_sample_grads(
    module: Any, *, batch_size: int | None = None, loss_reduction: str = "sum", batch_first: bool = True
) -> Callable[..., Any]:
    """A module's forward, whose backward leaves the gradients of each sample in `grad_sample`.

    Args:
        module: of linear and convolution layers, embeddings, layer, group and instance norms, and functions
            without parameters.
        batch_size: number of samples; that of the tensors in the call by default.
        loss_reduction: "mean" if the loss is averaged over the samples, which is undone; or "sum".
        batch_first: whether the samples are along the first dimension, or the second.

    Returns:
        the function to call in place of the module.

    Raises:
        RuntimeError: for other arguments, and for parameters that have such gradients already.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.utils._per_sample_grad import call_for_per_sample_grads
        >>> layer = torch.nn.Linear(2, 1)
        >>> call_for_per_sample_grads(layer)(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
        >>> layer.weight.grad_sample
        tensor([[[1., 2.]],
        <BLANKLINE>
                [[3., 4.]]])
    """
    if loss_reduction not in ("sum", "mean"):
        raise RuntimeError(f"Expected loss_reduction argument to be sum or mean, got {loss_reduction}")
    if not isinstance(module, Module):
        raise RuntimeError(f"Module passed must be nn.Module, got {type(module).__name__}")
    if not (batch_size is None or isinstance(batch_size, int)):
        raise RuntimeError(f"Batch size passed must be None or an integer, got {type(batch_size).__name__}")
    if batch_size is not None and batch_size < 1:
        raise RuntimeError(f"Batch size must be positive, got {batch_size}")
    for weight in module.parameters():
        if getattr(weight, "grad_sample", None) is not None:
            raise RuntimeError(
                "Current Expanded Weights accumulates the gradients, which will be incorrect for multiple "
                f"calls without clearing gradients. Please clear out the grad_sample parameter of {weight} "
                "or post an issue to pytorch/pytorch to prioritize correct behavior"
            )

    @functools.wraps(module.forward)
    def call(*args: Any, **kwargs: Any) -> Any:
        size = _size_of(batch_first, *args, **kwargs) if batch_size is None else batch_size
        scale = size if loss_reduction == "mean" else 1
        weights: dict[str, Any] = {
            name: ExpandedWeight(p, size, scale, batch_first) if p.requires_grad else p
            for name, p in module.named_parameters()
        }
        return functional_call(module, weights, args, kwargs)

    return call
