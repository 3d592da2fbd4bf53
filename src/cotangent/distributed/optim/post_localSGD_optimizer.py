"""PostLocalSGDOptimizer: an optimizer after whose steps parameters are averaged now and then."""

from __future__ import annotations

import warnings
from typing import Any

from ...optim.optimizer import Optimizer
from ..algorithms.model_averaging.averagers import ModelAverager

__all__ = ["PostLocalSGDOptimizer"]


class PostLocalSGDOptimizer(Optimizer):
    """Another optimizer, and an averager that is asked after each of its steps.

    Args:
        optim: the optimizer.
        averager: averages the parameters.

    Source: https://arxiv.org/abs/1808.07217

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
        >>> from cotangent.distributed.optim import PostLocalSGDOptimizer
        >>> store = torch.distributed.HashStore()
        >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        >>> w = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = PostLocalSGDOptimizer(torch.optim.SGD([w], 0.5), PeriodicModelAverager(4))
        >>> w.sum().backward()
        >>> optimizer.step()
        >>> w.data, optimizer.state_dict()["step"]
        (tensor([0.5000, 0.5000]), 1)
        >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, optim: Optimizer, averager: ModelAverager) -> None:
        self.optim = optim
        self.param_groups = optim.param_groups
        self.averager = averager

    @property
    def state(self) -> Any:  # type: ignore[override]
        """The state of the optimizer."""
        return self.optim.state

    def __repr__(self) -> str:
        return repr(self.optim)

    def state_dict(self) -> dict[str, Any]:
        """What the optimizer saves, with the count of the averager's steps as `step`."""
        found = self.optim.state_dict()
        found["step"] = self.averager.step
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gave; one without `step` begins to count anew, with a warning.

        Args:
            state_dict: what was saved.
        """
        self.optim.load_state_dict(state_dict)
        if "step" not in state_dict:
            warnings.warn(
                "Loaded state dict does not contain a step counter for an averager. Setting step counter to "
                "0.",
                stacklevel=2,
            )
        self.averager.step = state_dict.get("step", 0)

    def step(self) -> None:  # type: ignore[override]
        """Step, then average if it is time to."""
        self.optim.step()
        self.averager.average_parameters(self.param_groups)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients.

        Args:
            set_to_none: or make them zeros.
        """
        self.optim.zero_grad(set_to_none=set_to_none)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters to the optimizer.

        Args:
            param_group: the group.
        """
        self.optim.add_param_group(param_group)
