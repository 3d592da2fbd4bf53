"""Parameters that get a gradient for each sample: `torch.nn.utils._expanded_weights`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...autograd.function import Function
from ...func import vjp, vmap
from ...tensor import Tensor
from .. import functional as F

__all__ = ["ExpandedWeight"]

# Functions whose parameters may be ExpandedWeights, with the dimensions of one sample (without features).
_HANDLED: Final = frozenset(
    ("linear", "conv1d", "conv2d", "conv3d", "embedding", "layer_norm", "group_norm", "instance_norm")
)
# What may be read of an ExpandedWeight itself.
_READ: Final = frozenset(("__get__", "size", "dim", "numel", "stride"))


class ExpandedWeight(Tensor):
    """A parameter as functions see it while gradients of samples are wanted.

    Args:
        orig_weight: the parameter.
        batch_size: number of samples.
        scale: what the gradients are multiplied with.
        batch_first: whether samples are along the first dimension, or the second.
    """

    orig_weight: Any
    batch_size: int
    scale: int
    batch_first: bool

    def __new__(cls, orig_weight: Any, batch_size: int, scale: int = 1, batch_first: bool = True) -> Any:
        made = orig_weight.detach().as_subclass(cls)
        made.orig_weight = orig_weight
        made.batch_size = batch_size
        made.scale = scale
        made.batch_first = batch_first
        return made

    def __init__(self, orig_weight: Any, batch_size: int, scale: int = 1, batch_first: bool = True) -> None:
        pass  # all is done in __new__, which as_subclass goes past

    @classmethod
    def __torch_function__(
        cls, func: Any, types: tuple[type, ...], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The function with the parameters themselves, and the gradients of samples on the way back."""
        name = getattr(func, "__name__", str(func))
        kwargs = kwargs or {}
        if name in _READ:
            return func(*(a.orig_weight if isinstance(a, cls) else a for a in args), **kwargs)
        if name not in _HANDLED:
            raise RuntimeError(f"Expanded Weights encountered but cannot handle function {name}")
        function = getattr(F, name)
        keys = tuple(kwargs)
        values = (*args, *kwargs.values())
        weights = [v for v in values if isinstance(v, cls)]
        if isinstance(values[0], cls):
            raise RuntimeError(f"Expanded Weights do not support an expanded weight as the input of {name}")

        def call(*given: Any) -> Any:
            return function(*given[: len(args)], **dict(zip(keys, given[len(args) :], strict=True)))

        plain = [v.orig_weight if isinstance(v, cls) else v for v in values]
        places = [k for k, v in enumerate(values) if isinstance(v, cls)]
        if plain[0].dim() < 2:
            least = "Input does not have a batch dimension. Expected input tensor of at least rank 2"
            raise RuntimeError(f"{least}, got of rank {plain[0].dim()}")
        dim = 0 if weights[0].batch_first or name == "embedding" else 1
        return _PerSample.apply(call, places, weights, dim, *plain)


class _PerSample(Function):
    """A function whose pullback to its parameters is taken sample by sample."""

    @staticmethod
    def forward(
        ctx: Any, call: Callable[..., Any], places: list[int], weights: Any, dim: int, *given: Any
    ) -> Any:
        ctx.call, ctx.places, ctx.weights, ctx.dim, ctx.given = call, places, weights, dim, given
        return call(*given)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        call, given, dim = ctx.call, ctx.given, ctx.dim
        input = given[0].detach()
        back = None
        if ctx.needs_input_grad[4]:
            (back,) = vjp(lambda x: call(x, *given[1:]), input)[1](g)
        wanted = [given[k].detach() for k in ctx.places]

        def of_sample(x: Any, cotangent: Any) -> Any:
            def run(*parameters: Any) -> Any:
                values = [x.unsqueeze(dim), *given[1:]]
                for place, value in zip(ctx.places, parameters, strict=True):
                    values[place] = value
                return call(*values)

            return vjp(run, *wanted)[1](cotangent.unsqueeze(dim))

        found = vmap(of_sample, in_dims=dim)(input, g)
        for weight, each in zip(ctx.weights, found, strict=True):
            parameter = weight.orig_weight
            each = each.detach() * weight.scale
            held = getattr(parameter, "grad_sample", None)
            parameter.grad_sample = each if held is None else held + each
        return (None,) * 4 + (back,) + (None,) * (len(given) - 1)
