"""Parameters that become their average over ranks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ....functions import cat
from ....nn.parameter import Parameter
from ...collectives import all_reduce
from ...group import NON_GROUP_MEMBER, resolve

__all__ = ["average_parameters", "average_parameters_or_parameter_groups", "get_params_to_average"]


def average_parameters(params: Iterable[Any], process_group: Any) -> None:
    """Replace parameters by their averages, which travel as one tensor.

    Args:
        params: the parameters, on all ranks of the same shapes.
        process_group: the ranks; all if None. A rank that is not among them does nothing.
    """
    group = resolve(process_group)
    if group == NON_GROUP_MEMBER:
        return
    held = list(params)
    flat = cat([p.data.reshape(-1) for p in held])
    flat /= group.size()
    all_reduce(flat, group=group)
    for p, part in zip(held, flat.split([p.numel() for p in held]), strict=True):
        p.data = part.view_as(p).type_as(p)


def get_params_to_average(params: Iterable[Any]) -> list[Any]:
    """Those parameters that have a gradient.

    Args:
        params: parameters, or groups of an optimizer.

    Raises:
        NotImplementedError: for anything else.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.algorithms.model_averaging.utils import get_params_to_average
        >>> net = torch.nn.Linear(2, 3)
        >>> net.weight.sum().backward()
        >>> [tuple(p.shape) for p in get_params_to_average(net.parameters())]
        [(3, 2)]
    """
    found: list[Any] = []
    for given in params:
        if not isinstance(given, (Parameter, dict)):
            raise NotImplementedError(f"Parameter input of type {type(given)} is not supported")
        found += given["params"] if isinstance(given, dict) else [given]
    return [p for p in found if p.grad is not None]


def average_parameters_or_parameter_groups(params: Iterable[Any], process_group: Any) -> None:
    """Replace those parameters that have a gradient by their averages.

    Args:
        params: parameters, or groups of an optimizer.
        process_group: the ranks.
    """
    average_parameters(get_params_to_average(params), process_group)
