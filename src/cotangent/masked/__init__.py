"""torch.masked: reductions and normalisations of the elements that a mask lets through."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import _ops as _ops
from ._masks import (
    _canonical_dim as _canonical_dim,
    _combine_input_and_mask as _combine_input_and_mask,
    _input_mask as _input_mask,
    _output_mask as _output_mask,
    _reduction_identity as _reduction_identity,
    _where as _where,
)
from ._ops import (
    amax,
    amin,
    argmax,
    argmin,
    cumprod,
    cumsum,
    log_softmax,
    logaddexp,
    logsumexp,
    mean,
    median,
    norm,
    normalize,
    prod,
    softmax,
    softmin,
    std,
    sum,
    var,
)
from .maskedtensor import MaskedTensor, as_masked_tensor, is_masked_tensor, masked_tensor


def _with_its_mask(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, for MaskedTensors, too: of their numbers, with their mask unless another is given."""

    @functools.wraps(function)
    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(input, MaskedTensor):
            kwargs["mask"] = input.get_mask() if kwargs.get("mask") is None else kwargs["mask"]
            input = input.get_data()
        return function(input, *args, **kwargs)

    return call


for _name in (
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
):  # fmt: skip
    globals()[_name] = _with_its_mask(globals()[_name])

__all__ = [
    "MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor",
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean",
    "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
