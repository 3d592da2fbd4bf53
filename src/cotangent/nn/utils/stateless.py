"""Older place of `functional_call`."""

from __future__ import annotations

import warnings
from typing import Any

from ...func.stateless import functional_call as _functional_call
from ...tensor import Tensor
from ..modules.module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Deprecated: `torch.func.functional_call` under an older name.

    Args:
        module: as there.
        parameters_and_buffers: as there, one dictionary.
        args: as there.
        kwargs: as there.
        tie_weights: as there.
        strict: as there.

    Returns:
        What the module returns.
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a "
        "future version of PyTorch. Please use `torch.func.functional_call` instead which is a drop-in "
        "replacement.",
        category=FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
