"""A linear map and the cross entropy of its logits in one."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any, Final

from ...dtypes import dtype as Dtype, float32, int64
from ...ops.matmul import linear
from ._classes import cross_entropy

__all__ = ["LinearCrossEntropyOptions", "linear_cross_entropy"]

_POLICIES: Final = ("auto", "accurate", "balanced", "compact")
_WIDTHS: Final = ("float16", "bfloat16", "float32", "float64")


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch divides `linear_cross_entropy` into chunks of its batch; checked and kept here.

    The choice changes how much memory PyTorch needs, not what is computed; here all rows come at once.

    Args:
        allow_retain_graph: whether a second backward pass is possible; it always is, here.
        batch_chunk_size: rows of a chunk, or None.
        chunking_method: "auto", "aspect_ratio", "aspect_ratio:N" or None.
        acc_policy: "auto", "accurate", "balanced" or "compact".
        acc_dtype: dtype of sums, or None.

    Raises:
        ValueError: for values other than these.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2).batch_chunk_size
        2
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Dtype | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method is not None and self.chunking_method != "auto":
            name, colon, factor = self.chunking_method.partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor))):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype.name not in _WIDTHS:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, "
                f"torch.float64}}, got {self.acc_dtype!r}. Pass acc_dtype=None to let the op pick "
                "automatically."
            )


def _check(input: Any, weight: Any, bias: Any) -> None:
    if not 1 <= input.dim() <= 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if weight.dim() < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {weight.dim()}")
    features = input.shape[-1]
    if features != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{features} and {weight.shape[-1]}, respectively"
        )
    rows = tuple(weight.shape[:-1])
    if bias is not None and tuple(bias.shape) != rows:
        raise RuntimeError(f"expected linear_bias shape {rows}, got {tuple(bias.shape)}")
    if len(rows) > 1 and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched "
            f"input, (N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Any:
    """`cross_entropy` of the logits that a linear map makes of the input.

    Args:
        input: (in_features,) or (N, in_features).
        linear_weight: (C, d1, ..., in_features).
        target: classes (N, d1, ...), or probabilities (N, C, d1, ...).
        linear_bias: (C, d1, ...) or None.
        weight: weight of each class, (C,), or None.
        reduction: "mean" (over the weights of the targets), "sum" or "none".
        ignore_index: class that counts for nothing, or None; not with probabilities.
        label_smoothing: share of the target that is spread evenly over the classes, 0 to 1.
        options: how PyTorch divides the work; changes no numbers.

    Returns:
        the reduced loss, or the losses in the shape of the classes.

    Raises:
        RuntimeError: for shapes that do not fit, or classes to ignore among probabilities.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.linear_cross_entropy(torch.ones(1, 2), torch.zeros(3, 2), torch.tensor([1]))
        tensor(1.0986)
    """
    _check(input, linear_weight, linear_bias)
    batch, features = tuple(input.shape[:-1]), input.shape[-1]
    classes, *positions = linear_weight.shape[:-1]
    shape = (*batch, classes, *positions)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    plain = reduction in ("mean", "sum", "none") and label_smoothing == 0.0 and target.dtype is int64
    if options is not None and (positions or not plain):
        bias_shape = tuple(linear_bias.shape) if linear_bias is not None else None
        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in "
            "{'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == (). Got "
            f"reduction={reduction!r}, label_smoothing={label_smoothing}, target.dtype={target.dtype}, "
            f"out_features={tuple(positions)}, tracing=False, linear_bias.shape={bias_shape}.",
            stacklevel=2,
        )
    wide = options is not None and (
        options.acc_dtype is float32 or (options.acc_dtype is None and options.acc_policy == "auto")
    )
    if wide and plain and not positions and input.dtype.itemsize == 2:
        return linear_cross_entropy(
            input.float(),
            linear_weight.float(),
            target,
            linear_bias=None if linear_bias is None else linear_bias.float(),
            weight=None if weight is None else weight.float(),
            reduction=reduction,
            ignore_index=ignore_index,
        ).to(input.dtype)
    if positions:
        rows = math.prod(positions, start=classes)
        linear_weight = linear_weight.reshape((rows, features))
        linear_bias = None if linear_bias is None else linear_bias.reshape(rows)
    return cross_entropy(
        linear(input, linear_weight, linear_bias).reshape(shape),
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )
