"""Batch normalisation in evaluation is affine, and can be multiplied into the linear map before it."""

from __future__ import annotations

import copy
from typing import Any

from ...functions import ones_like, rsqrt, zeros_like
from ..parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _check(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")


def _statistics(bn: Any) -> tuple[Any, Any, Any, Any, Any]:
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that does what a convolution and a batch normalisation after it do in evaluation.

    Args:
        conv: the convolution.
        bn: the normalisation.
        transpose: whether the convolution is transposed.

    Returns:
        A new convolution.

    Raises:
        AssertionError: in training, or without statistics.
    """
    _check(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(fused.weight, fused.bias, *_statistics(bn), transpose)
    return fused


def fuse_conv_bn_weights(
    conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of the fused convolution.

    Args:
        conv_w: weight of the convolution.
        conv_b: its bias or None.
        bn_rm: running mean.
        bn_rv: running variance.
        bn_eps: added to the variance.
        bn_w: weight of the normalisation or None.
        bn_b: its bias or None.
        transpose: whether the convolution is transposed.

    Returns:
        The weight and the bias.
    """
    kept = conv_w.dtype if conv_b is None else conv_b.dtype
    conv_b = zeros_like(bn_rm) if conv_b is None else conv_b
    bn_w = ones_like(bn_rm) if bn_w is None else bn_w
    bn_b = zeros_like(bn_rm) if bn_b is None else bn_b
    spread: Any = rsqrt(bn_rv + bn_eps)
    rest = [1] * (conv_w.dim() - 2)
    shape = [1, -1, *rest] if transpose else [-1, 1, *rest]
    weight = (conv_w * (bn_w * spread).reshape(shape)).to(dtype=conv_w.dtype)
    bias = ((conv_b - bn_rm) * spread * bn_w + bn_b).to(dtype=kept)
    return Parameter(weight, conv_w.requires_grad), Parameter(bias, conv_b.requires_grad)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear map that does what a linear map and a batch normalisation after it do in evaluation.

    Args:
        linear: the linear map.
        bn: the normalisation.

    Returns:
        A new linear map.

    Raises:
        AssertionError: in training, without statistics, or if their sizes do not fit.
    """
    _check(linear, bn)
    fused = copy.deepcopy(linear)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(fused.weight, fused.bias, *_statistics(bn))
    return fused


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused linear map.

    Args:
        linear_w: weight of the linear map.
        linear_b: its bias or None.
        bn_rm: running mean.
        bn_rv: running variance.
        bn_eps: added to the variance.
        bn_w: weight of the normalisation.
        bn_b: its bias.

    Returns:
        The weight and the bias.

    Example:
        >>> import cotangent as torch
        >>> one = torch.ones(1)
        >>> weight, bias = torch.nn.utils.fuse_linear_bn_weights(
        ...     torch.ones(1, 2), None, one, one, 0.0, 2 * one, one)
        >>> weight.tolist(), bias.tolist()
        ([[2.0, 2.0]], [-1.0])
    """
    kept = linear_w.dtype if linear_b is None else linear_b.dtype
    linear_b = zeros_like(bn_rm) if linear_b is None else linear_b
    factor = bn_w * rsqrt(bn_rv + bn_eps)
    weight = linear_w * factor.unsqueeze(-1).to(dtype=linear_w.dtype)
    bias = ((linear_b - bn_rm) * factor + bn_b).to(dtype=kept)
    return Parameter(weight, linear_w.requires_grad), Parameter(bias, linear_b.requires_grad)
