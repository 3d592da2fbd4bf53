"""Keyword arguments of modules for the tensors they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KNOWN: Final = ("device", "dtype", "memory_format")


def factory_kwargs(kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a module passes on to functions like `torch.empty`, checked.

    Args:
        kwargs: `device`, `dtype` and `memory_format`, and `factory_kwargs` with more of these.

    Raises:
        TypeError: for other keys, and for one that is given in both ways.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.factory_kwargs({"factory_kwargs": {"dtype": torch.float64}})
        {'dtype': torch.float64}
    """
    if kwargs is None:
        return {}
    unknown = kwargs.keys() - {*_KNOWN, "factory_kwargs"}
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    made = dict(kwargs.get("factory_kwargs", {}))
    for key in _KNOWN:
        if key in kwargs:
            if key in made:
                raise TypeError(f"{key} specified twice, in **kwargs and in factory_kwargs")
            made[key] = kwargs[key]
    return made
