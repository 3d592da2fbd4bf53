"""Other parameters and states in an optimizer, for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer,
    swapin_parameters: Mapping[str, Any],
    swapin_optim_state: Mapping[str, Any],
) -> Iterator[None]:
    """While the context lasts, an optimizer has these parameters, states and options.

    Args:
        optimizer: an optimizer that has a state.
        swapin_parameters: tensors by name, in the order of the optimizer's own parameters.
        swapin_optim_state: of the form of `optimizer.state_dict()`. In-place changes of its tensors stay;
            what is put in anew does not reach it.

    Raises:
        ValueError: if numbers of parameters or groups differ.

    Example:
        >>> import cotangent as torch
        >>> mine, other = torch.zeros(1, requires_grad=True), torch.ones(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([mine], lr=0.5)
        >>> other.grad = torch.ones(1)
        >>> swapped = torch.optim.swap_in_optimizer_params_and_state
        >>> with swapped(optimizer, {"p": other}, optimizer.state_dict()):
        ...     optimizer.step()
        >>> mine.item(), other.item()
        (0.0, 0.5)
    """
    groups = swapin_optim_state["param_groups"]
    parameters = list(swapin_parameters.values())
    counts = [len(group["params"]) for group in optimizer.param_groups]
    if [len(group["params"]) for group in groups] != counts or len(parameters) != sum(counts):
        raise ValueError(
            f"the optimizer has groups of {counts} parameters, got {len(parameters)} parameters and "
            f"groups of {[len(group['params']) for group in groups]}"
        )
    before = [dict(group) for group in optimizer.param_groups]
    state = optimizer.state
    swapped: defaultdict[Any, Any] = defaultdict(dict)
    feed = iter(parameters)
    try:
        for live, group in zip(optimizer.param_groups, groups):
            chosen = [next(feed) for _ in group["params"]]
            for parameter, number in zip(chosen, group["params"]):
                swapped[parameter] = dict(swapin_optim_state["state"].get(number, {}))
            live.update({**group, "params": chosen})
        optimizer.state = swapped
        yield
    finally:
        for live, group in zip(optimizer.param_groups, before):
            live.clear()
            live.update(group)
        optimizer.state = state
