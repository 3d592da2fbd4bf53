"""The arguments that handlers of `__torch_function__` see.

PyTorch's functions in Python hand their parameters on by name, with defaults filled in: `relu(x)` arrives as
`relu(x, inplace=False)`. Those of the extension modules arrive as they were called. How many parameters of a
function are handed on without their names was read off the calls themselves.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, Final

from .ops.arguments import REQUIRED

__all__ = ["handed_on"]

# How many -> the functions of torch.nn.functional.
_FUNCTIONAL: Final = {
    1: "dropout alpha_dropout dropout1d dropout2d dropout3d feature_alpha_dropout relu glu hardtanh relu6 "
    "elu "
    "selu celu leaky_relu rrelu tanhshrink softsign softmin softmax gumbel_softmax log_softmax "
    "hardsigmoid silu "
    "mish hardswish instance_norm interpolate normalize",
    2: "fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d "
    "fractional_max_pool3d_with_indices max_pool1d max_pool1d_with_indices max_pool2d "
    "max_pool2d_with_indices "
    "max_pool3d max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool1d_with_indices "
    "adaptive_max_pool2d adaptive_max_pool2d_with_indices adaptive_max_pool3d "
    "adaptive_max_pool3d_with_indices "
    "adaptive_avg_pool2d adaptive_avg_pool3d embedding embedding_bag layer_norm rms_norm group_norm "
    "local_response_norm nll_loss poisson_nll_loss kl_div cross_entropy binary_cross_entropy "
    "binary_cross_entropy_with_logits smooth_l1_loss huber_loss l1_loss mse_loss hinge_embedding_loss "
    "multilabel_margin_loss soft_margin_loss multilabel_soft_margin_loss multi_margin_loss grid_sample "
    "affine_grid pad unfold",
    3: "max_unpool1d max_unpool2d max_unpool3d lp_pool1d lp_pool2d lp_pool3d threshold batch_norm "
    "gaussian_nll_loss linear_cross_entropy margin_ranking_loss cosine_embedding_loss triplet_margin_loss "
    "triplet_margin_with_distance_loss fold",
    4: "ctc_loss",
    13: "multi_head_attention_forward",
}
_TORCH: Final = {
    1: "unique unique_consecutive norm unravel_index",
    2: "layer_norm split stft tensordot cdist",
}
_TENSOR: Final = {1: "norm lu unique unique_consecutive", 2: "stft istft split"}
_COUNTS: Final[dict[str, int]] = {
    f"{home}.{name}": count
    for home, table in (("torch.nn.functional", _FUNCTIONAL), ("torch", _TORCH), ("torch.Tensor", _TENSOR))
    for count, names in table.items()
    for name in names.split()
}

# Parameters that are not handed on.
_KEPT_BACK: Final = {"torch.Tensor.norm": "out", "torch.nn.functional.l1_loss": "weight"}


@cache
def _signature(function: Any) -> inspect.Signature:
    return inspect.signature(function)


def handed_on(
    name: str | None, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call as PyTorch's function hands it on.

    Args:
        name: the full name of what was called.
        function: the function itself.
        args: its positional arguments.
        kwargs: the others.

    Returns:
        The arguments of the handler.
    """
    if name == "torch.meshgrid":
        tensors = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
        return tuple(tensors), {"indexing": None, **kwargs}
    count = None if name is None else _COUNTS.get(name)
    if count is None:
        return args, kwargs
    try:
        bound = _signature(function).bind(*args, **kwargs)
    except TypeError:  # the function itself will say what is wrong
        return args, kwargs
    bound.apply_defaults()
    named = {key: value for key, value in bound.arguments.items() if value is not REQUIRED}
    if (kept_back := _KEPT_BACK.get(name or "")) is not None and named.get(kept_back) is None:
        named.pop(kept_back, None)
    first = [named.pop(parameter) for parameter in list(named)[:count]]
    return tuple(first), named
