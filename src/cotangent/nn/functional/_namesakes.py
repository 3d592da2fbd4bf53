"""Functions under `torch.NAME` whose arguments differ from those of their namesakes in `nn.functional`.

These are the names below PyTorch's Python layer: reductions are numbers (0 none, which is the default here
as it is there, 1 mean, 2 sum), dropout takes `train` without a default, and there are in-place forms. `NAMES`
holds the functions of equal signature too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...ops.embedding_bag import embedding_bag
from . import (
    _activation,
    _adaptive,
    _averages,
    _conv,
    _distance,
    _dropout,
    _embedding,
    _loss,
    _margin,
    _norm,
    _pooling,
    _recurrent,
    _sequence_loss,
    _triplet,
    _vision,
)

_REDUCTIONS: Final = ("none", "mean", "sum")


def _reduction(number: int) -> str:
    if not 0 <= number < len(_REDUCTIONS):
        raise ValueError(f"{number} is not a valid value for reduction")
    return _REDUCTIONS[number]


def _dropping(name: str, drop: Callable[..., Any], inplace: bool) -> Callable[..., Any]:
    def dropping(input: Any, p: float, train: bool) -> Any:
        return drop(input, p, train, inplace)

    dropping.__name__ = dropping.__qualname__ = name
    dropping.__module__ = "torch"
    where = " in place" if inplace else ""
    dropping.__doc__ = f"`torch.nn.functional.{drop.__name__}`{where}; `train` switches it on."
    return dropping


def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """Rows of `weight`, looked up by integer indices.

    Args:
        weight: (rows, width).
        indices: integers, any shape.
        padding_idx: row that gets no gradient; none if negative.
        scale_grad_by_freq: divide gradients by how often a row was looked up.
        sparse: not supported.

    Returns:
        the shape of `indices` followed by (width,).

    Example:
        >>> import cotangent as torch
        >>> torch.embedding(torch.eye(3), torch.tensor([2]))
        tensor([[0., 0., 1.]])
    """
    padding = None if padding_idx < 0 else padding_idx
    return _embedding.embedding(indices, weight, padding, None, 2.0, scale_grad_by_freq, sparse)


def kl_div(input: Any, target: Any, reduction: int = 0, *, log_target: bool = False) -> Any:
    """Kullback-Leibler divergence; `torch.nn.functional.kl_div` with a number for the reduction.

    Example:
        >>> import cotangent as torch
        >>> torch.kl_div(torch.zeros(2), torch.ones(2), 2)
        tensor(0.)
    """
    each = "none" if reduction == 1 else _reduction(reduction)
    losses = _loss.kl_div(input, target, reduction=each, log_target=log_target)
    return losses.mean() if reduction == 1 else losses  # `reduction="mean"` there warns of its meaning


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 0
) -> Any:
    """Cross-entropy of coins given by their log-odds; the reduction is a number.

    Example:
        >>> import cotangent as torch
        >>> torch.binary_cross_entropy_with_logits(torch.zeros(1), torch.ones(1))
        tensor([0.6931])
    """
    return _loss.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_reduction(reduction), pos_weight=pos_weight
    )


def poisson_nll_loss(input: Any, target: Any, log_input: bool, full: bool, eps: float, reduction: int) -> Any:
    """Negative log likelihood of counts; the reduction is a number.

    Example:
        >>> import cotangent as torch
        >>> torch.poisson_nll_loss(torch.zeros(1), torch.ones(1), True, False, 1e-8, 1)
        tensor(1.)
    """
    return _loss.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=_reduction(reduction))


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 0
) -> Any:
    """Loss of pairs by their cosine; the reduction is a number.

    Example:
        >>> import cotangent as torch
        >>> torch.cosine_embedding_loss(torch.eye(2), torch.eye(2), -torch.ones(2), reduction=1)
        tensor(1.)
    """
    return _triplet.cosine_embedding_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: int = 0) -> Any:
    """Loss of distances with a margin; the reduction is a number.

    Example:
        >>> import cotangent as torch
        >>> torch.hinge_embedding_loss(torch.tensor([0.5]), -torch.ones(1))
        tensor([0.5000])
    """
    return _margin.hinge_embedding_loss(input, target, margin, reduction=_reduction(reduction))


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: int = 0
) -> Any:
    """Loss of pairs that should be in order; the reduction is a number.

    Example:
        >>> import cotangent as torch
        >>> torch.margin_ranking_loss(torch.zeros(1), torch.ones(1), torch.ones(1))
        tensor([1.])
    """
    return _margin.margin_ranking_loss(input1, input2, target, margin, reduction=_reduction(reduction))


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 0,
) -> Any:
    """Loss of triplets; the reduction is a number.

    Example:
        >>> import cotangent as torch
        >>> torch.triplet_margin_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2)).item() < 1e-5
        True
    """
    return _triplet.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_reduction(reduction)
    )


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Any:
    """Loss of labels without an alignment; the reduction is a number.

    Example:
        >>> import cotangent as torch
        >>> torch.ctc_loss(torch.full((2, 1, 2), 0.5).log(), torch.tensor([[1]]), [2], [1], reduction=0)
        tensor([0.2877])
    """
    return _sequence_loss.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, _reduction(reduction), zero_infinity
    )


NAMES: Final[dict[str, Any]] = {
    **_recurrent.NAMES,
    **{
        name + "_" * inplace: _dropping(name + "_" * inplace, drop, inplace)
        for name, drop in (
            ("dropout", _dropout.dropout),
            ("alpha_dropout", _dropout.alpha_dropout),
            ("feature_alpha_dropout", _dropout.feature_alpha_dropout),
            ("feature_dropout", _dropout.feature_dropout),
        )
        for inplace in (False, True)
    },
    "ctc_loss": ctc_loss,
    "embedding": embedding,
    "embedding_renorm_": _embedding.embedding_renorm_,
    "embedding_bag": embedding_bag,
    "kl_div": kl_div,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "poisson_nll_loss": poisson_nll_loss,
    "cosine_embedding_loss": cosine_embedding_loss,
    "hinge_embedding_loss": hinge_embedding_loss,
    "margin_ranking_loss": margin_ranking_loss,
    "triplet_margin_loss": triplet_margin_loss,
    **{name: vars(_conv)[name] for name in (*_conv.__all__, "convolution")},
    "avg_pool1d": _averages.avg_pool1d,
    **{name: vars(_pooling)[name] for name in ("max_pool1d", "max_pool1d_with_indices")},
    **{name: vars(_pooling)[name] for name in ("max_pool2d", "max_pool3d")},
    "adaptive_avg_pool1d": _adaptive.adaptive_avg_pool1d,
    "adaptive_max_pool1d": _adaptive.adaptive_max_pool1d_with_indices,
    **{name: vars(_vision)[name] for name in _vision.__all__ if "shuffle" in name},
    "affine_grid_generator": _vision.affine_grid_generator,
    "grid_sampler": _vision.grid_sampler,
    "grid_sampler_2d": _vision.grid_sampler,
    "grid_sampler_3d": _vision.grid_sampler,
    "batch_norm": _norm.torch_batch_norm,
    "batch_norm_update_stats": _norm.batch_norm_update_stats,
    "group_norm": _norm.torch_group_norm,
    "instance_norm": _norm.torch_instance_norm,
    "native_batch_norm": _norm.native_batch_norm,
    "native_dropout": _dropout.native_dropout,
    "native_group_norm": _norm.native_group_norm,
    "native_layer_norm": _norm.native_layer_norm,
    "bilinear": _triplet.bilinear,
    "cosine_similarity": _distance.cosine_similarity,
    "pairwise_distance": _distance.pairwise_distance,
    "rms_norm": _distance.rms_norm,
    "rrelu": _activation.rrelu,
    "rrelu_": _activation.rrelu_,
}
