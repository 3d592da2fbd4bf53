"""`absorbing_zeros`: a gradient that is exactly zero stays zero, whatever it is multiplied by.

`torch.where(x > 0, x.sqrt(), 0)` gives the masked-out square root the gradient 0, and its derivative at 0 is
inf: 0 * inf is nan, although that branch had no influence. Inside this block the product is 0.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np

from ..ops.table import TABLE
from .base import active
from .modes import Decorator, modes


class absorbing_zeros(Decorator):
    """Inside, a zero gradient stays zero in the backward of elementwise operations (and in their jvp).

    So `where` with a singular branch that is masked out has finite gradients. It is the backward (or jvp)
    that has to run inside the block; the forward pass may run anywhere. Off, it costs nothing.

    Returns:
        A context manager, which also decorates functions.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([0.0, 4.0], requires_grad=True)
        >>> y = torch.where(x > 0, x.sqrt(), 0.0).sum()
        >>> torch.autograd.grad(y, x, retain_graph=True)
        (tensor([   nan, 0.2500]),)
        >>> with torch.autograd.absorbing_zeros():
        ...     torch.autograd.grad(y, x)
        (tensor([0.0000, 0.2500]),)
    """

    def __enter__(self) -> None:
        self._before = modes.extras.absorbing
        modes.extras.absorbing = True
        active.absorbing += 1

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        active.absorbing -= 1
        modes.extras.absorbing = self._before


def absorbing() -> bool:
    """Whether zeros are absorbing in this thread; callers look at `active.absorbing` first."""
    return modes.extras.absorbing


def absorbed(g: Any, value: Any, tensors: bool) -> Any:
    """What a rule made of `g`, with zeros where `g` is zero, in either world."""
    if tensors:
        return TABLE["where"].entry(TABLE["eq"].entry(g, 0), TABLE["zeros_like"].entry(value), value)
    zero = np.equal(g, 0)
    return np.where(zero, value.dtype.type(0), value) if zero.any() else value
