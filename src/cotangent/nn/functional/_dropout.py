"""Dropout and its relatives; they draw the random numbers that PyTorch draws."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from ...autograd.modes import modes
from ...dtypes import bool_
from ...errors import bad_argument
from ...functions import empty_like, zeros
from ...ops.dropout import native_dropout_of
from ...ops.table import is_tensor
from ...random_fill import coins

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

# The value that selu saturates at, which alpha dropout puts in the place of dropped elements.
_SATURATION = 1.7580993408473766


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _coins(p: float, place: Callable[[], Any]) -> Any:
    """Ones of probability p in a new tensor; inside vmap one that is mapped if its numbers are to differ."""
    if modes.vmaps:
        made = place()
        return coins(p, tuple(made.shape), made.dtype.np)
    return place().bernoulli_(p)


def _dropped(
    function: str, input: Any, p: float, training: bool, inplace: bool, *, features: bool, alpha: bool
) -> Any:
    """Elements (or whole channels) zeroed with probability p, or replaced by selu's lowest value."""
    _check(p)
    if not is_tensor(input):
        bad_argument(function, "input", 1, "Tensor", input)
    if not training or p == 0 or not input.numel():
        return input
    if p == 1:
        nothing = zeros((), dtype=input.dtype)
        return input.mul_(nothing) if inplace else input * nothing
    if features:
        if input.dim() < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        shape = (*input.shape[:2], *[1] * (input.dim() - 2))
        noise = _coins(1 - p, lambda: input.new_empty(shape))
    else:
        noise = _coins(1 - p, lambda: empty_like(input))
    if not alpha:
        noise.div_(1 - p)
        return input.mul_(noise) if inplace else input * noise
    a = 1 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
    shift = noise.add(-1).mul_(_SATURATION * a).add_(_SATURATION * a * p)
    noise.mul_(a)
    return input.mul_(noise).add_(shift) if inplace else input * noise + shift


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Elements zeroed at random, the others scaled so that the mean stays.

    Args:
        input: any shape.
        p: probability of an element to be zeroed.
        training: whether to do anything.
        inplace: whether to write into the input.

    Raises:
        ValueError: unless p is a probability.

    Source: https://arxiv.org/abs/1207.0580

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.dropout(torch.ones(2), training=False)
        tensor([1., 1.])
    """
    return _dropped("dropout", input, p, training, inplace, features=False, alpha=False)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout for selu: mean and variance stay.

    Args:
        input: any shape.
        p: probability of an element to be dropped.
        training: whether to do anything.
        inplace: whether to write into the input.

    Raises:
        ValueError: unless p is a probability.

    Source: https://arxiv.org/abs/1706.02515

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.alpha_dropout(torch.ones(2))
        tensor([1., 1.])
    """
    return _dropped("alpha_dropout", input, p, training, inplace, features=False, alpha=True)


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """`alpha_dropout` of whole channels.

    Args:
        input: (N, C, ...).
        p: probability of a channel to be dropped.
        training: whether to do anything.
        inplace: whether to write into the input.

    Raises:
        ValueError: unless p is a probability.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.feature_alpha_dropout(torch.ones(1, 2))
        tensor([[1., 1.]])
    """
    return _dropped("feature_alpha_dropout", input, p, training, inplace, features=True, alpha=True)


def feature_dropout(input: Any, p: float, training: bool, inplace: bool = False) -> Any:
    """`dropout` of whole channels.

    Args:
        input: (N, C, ...).
        p: probability of a channel to be zeroed.
        training: whether to do anything.
        inplace: whether to write into the input.

    Raises:
        ValueError: unless p is a probability.

    Example:
        >>> import cotangent as torch
        >>> torch.feature_dropout(torch.ones(1, 2), 0.5, False)
        tensor([[1., 1.]])
    """
    return _dropped("feature_dropout", input, p, training, inplace, features=True, alpha=False)


def native_dropout(input: Any, p: float, train: bool | None) -> tuple[Any, Any]:
    """`dropout` together with which elements stayed.

    Args:
        input: any shape.
        p: probability of an element to be zeroed.
        train: whether to do anything; None means yes.

    Returns:
        (result, mask).

    Example:
        >>> import cotangent as torch
        >>> torch.native_dropout(torch.ones(2), 0.5, False)
        (tensor([1., 1.]), tensor([True, True]))
    """
    if train is False:
        whole = empty_like(input, dtype=bool_).fill_(True)
        return native_dropout_of(input, whole, 1.0), whole
    mask = _coins(1 - p, lambda: empty_like(input, dtype=bool_))
    return native_dropout_of(input, mask, 0.0 if p == 1 else 1 / (1 - p)), mask


def _channels(input: Any, p: float, training: bool, inplace: bool, single: bool) -> Any:
    """Dropout of whole channels; a `single` example has no batch dimension."""
    if single:
        input = input.unsqueeze_(0) if inplace else input.unsqueeze(0)
    result = _dropped("feature_dropout", input, p, training, inplace, features=True, alpha=False)
    if single:
        result = result.squeeze_(0) if inplace else result.squeeze(0)
    return result


def _rank_warning(name: str, given: int, spatial: str, wanted: str) -> None:
    warnings.warn(
        f"{name}: Received a {given}-D input to {name}, which is deprecated and will result in an error in a "
        "future release. To retain the behavior and silence this warning, please use dropout instead. Note "
        f"that {name} exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a "
        f"channel dimension, and an optional batch dimension (i.e. {wanted} inputs).",
        stacklevel=3,
    )


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels zeroed at random.

    Args:
        input: (N, C, L) or (C, L).
        p: probability of a channel to be zeroed.
        training: whether to do anything.
        inplace: whether to write into the input.

    Raises:
        ValueError: unless p is a probability.
        RuntimeError: for another number of dimensions.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.dropout1d(torch.ones(1, 2), training=False)
        tensor([[1., 1.]])
    """
    _check(p)
    n = input.dim()
    if n not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {n}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an "
            "optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _channels(input, p, training, inplace, n == 2)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels zeroed at random.

    Args:
        input: (N, C, H, W); three dimensions are read as (N, C, L).
        p: probability of a channel to be zeroed.
        training: whether to do anything.
        inplace: whether to write into the input.

    Raises:
        ValueError: unless p is a probability.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.dropout2d(torch.ones(1, 1, 1, 2), training=False)
        tensor([[[[1., 1.]]]])
    """
    _check(p)
    n = input.dim()
    if n not in (3, 4):
        _rank_warning("dropout2d", n, "2", "3D or 4D")
    if n == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior "
            "is desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior "
            "will change in a future release to interpret the input as one without a batch dimension, i.e. "
            "shape (C, H, W). To maintain the 1D channel-wise dropout behavior, please switch to using "
            "dropout1d instead.",
            stacklevel=2,
        )
    return _channels(input, p, training, inplace, False)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Whole channels zeroed at random.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        p: probability of a channel to be zeroed.
        training: whether to do anything.
        inplace: whether to write into the input.

    Raises:
        ValueError: unless p is a probability.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.functional.dropout3d(torch.ones(1, 1, 1, 2), training=False)
        tensor([[[[1., 1.]]]])
    """
    _check(p)
    n = input.dim()
    if n not in (4, 5):
        _rank_warning("dropout3d", n, "3", "4D or 5D")
    return _channels(input, p, training, inplace, n != 5)
