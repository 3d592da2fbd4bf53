"""torch.masked: reductions and normalisations of the elements that a mask lets through."""

from __future__ import annotations

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

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean",
    "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip
