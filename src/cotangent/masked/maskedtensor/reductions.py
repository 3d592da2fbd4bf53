"""Reductions of what a mask lets through: `torch.masked.maskedtensor.reductions`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ... import dtypes
from .. import _ops
from .core import MaskedTensor, data_of, masked_from
from .level import ADVICE

__all__: list[str] = []


def _any(mask: Any, dim: Any, keepdim: bool) -> Any:
    for d in sorted([dim] if isinstance(dim, int) else dim, reverse=True):
        mask = mask.any(dim=d, keepdim=keepdim)
    return mask


def _place(data: Any, stored: int) -> Any:
    """The number of a sparse tensor's element, counted through the whole tensor."""
    place = data.indices().unbind(1)[stored]
    number = 0
    for size, at in zip(data.size(), place.tolist(), strict=True):
        number = number * size + at
    return place.new_tensor(float(number), dtype=dtypes.float32)  # a float in PyTorch, too


def _reducing(name: str) -> Callable[..., Any]:
    """What `torch.NAME` does with a MaskedTensor: `torch.masked.NAME` with its mask."""

    def over(data: Any, mask: Any, **options: Any) -> Any:
        if name == "all":
            return data.masked_fill(~mask, True).all(**options)
        return getattr(_ops, name)(data, mask=mask, **options)

    def whole(input: Any) -> Any:
        data, mask = data_of(input), input.get_mask()
        if not input.is_sparse:
            return masked_from(over(data, mask), mask.any(), whole=True)
        values, shown = data.values(), mask.values()
        found = over(values, shown)
        if name in ("argmin", "argmax") and input.is_sparse_coo():
            found = _place(data, int(found))
        return masked_from(found, shown.any(), whole=True)

    def along(input: Any, dim: Any, keepdim: bool = False, dtype: Any = None) -> Any:
        if input.is_sparse:
            text = f"The sparse version of {name} is not implemented in reductions.\n{ADVICE}"
            warnings.warn(text, stacklevel=2)
            return NotImplemented
        mask = input.get_mask()
        options = {} if name == "all" else {"dtype": dtype}
        found = over(data_of(input), mask, dim=dim, keepdim=keepdim, **options)
        return masked_from(found, _any(mask, dim, keepdim), whole=True)

    def reduce(*args: Any, **kwargs: Any) -> Any:
        if name == "norm" and (args[1:] or kwargs):  # as it is in PyTorch, too
            raise TypeError("_reduce_dim_args() got an unexpected keyword argument 'p'")
        return whole(args[0]) if len(args) == 1 and not kwargs else along(*args, **kwargs)

    return reduce


for _name in ("sum", "mean", "amin", "amax", "argmin", "argmax", "prod", "all", "norm", "var", "std"):
    MaskedTensor.FUNCTIONS[_name] = _reducing(_name)
