"""ZeroRedundancyOptimizer: each rank keeps the optimizer's state of its share of the parameters.

Rajbhandari et al., 2020, https://arxiv.org/abs/1910.02054, stage 1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from ...autograd.base import bump, wrap
from ...autograd.modes import enable_grad
from ...autograd.where import here
from ...errors import type_name
from ...optim.adadelta import Adadelta
from ...optim.adagrad import Adagrad
from ...optim.adam import Adam
from ...optim.adamax import Adamax
from ...optim.adamw import AdamW
from ...optim.optimizer import Optimizer
from ...optim.rmsprop import RMSprop
from ...optim.rprop import Rprop
from ...optim.sgd import SGD
from ...tensor import Tensor
from .. import collectives, objects
from ..algorithms.join import Join, Joinable, JoinHook
from ..group import resolve

__all__ = ["ZeroRedundancyOptimizer"]

_logger: Final = logging.getLogger(__name__)
# Those that PyTorch has as functions, too, which overlapping needs.
_FUNCTIONAL: Final = (Adagrad, Adam, AdamW, SGD, Adadelta, RMSprop, Rprop, Adamax)


def _verified(params: Any) -> list[Any]:
    """Tensors or groups, in a list."""
    if isinstance(params, Tensor):
        raise TypeError(f"`params` argument should be an iterable of Tensors, but got {params.type()}")
    try:
        found = list(params)
    except TypeError as error:
        raise TypeError(
            f"`params` argument should be an iterable of Tensors or dicts, but got {type_name(params)}"
        ) from error
    if not found:
        raise ValueError("ZeroRedundancyOptimizer got an empty parameter list")
    if not all(isinstance(p, Tensor) for p in found) and not all(isinstance(p, dict) for p in found):
        raise TypeError("`params` argument should be an iterable of Tensors or dicts")
    if any(isinstance(p, dict) and "params" not in p for p in found):
        raise ValueError(
            "Each parameter group passed-in via `params` must have a 'params' key mapping to the parameters"
            " in the group"
        )
    return found


class ZeroRedundancyOptimizer(Optimizer, Joinable):
    """Steps the parameters of this rank's share and gets the others from the ranks that step them.

    Args:
        params: tensors or groups, the same on all ranks.
        optimizer_class: the optimizer of each share.
        process_group: the ranks; all processes by default.
        parameters_as_bucket_view: accepted as in PyTorch.
        overlap_with_ddp: the steps are a matter of `algorithms.ddp_comm_hooks.ddp_zero_hook`, whose hooks
            refuse this package's backends as PyTorch's refuse Gloo.
        defaults: options of the optimizer.

    Raises:
        ValueError: if there are no parameters.
        TypeError: for something else than tensors or groups.

    Example:
        >>> from cotangent.distributed.optim import ZeroRedundancyOptimizer
        >>> ZeroRedundancyOptimizer.__name__
        'ZeroRedundancyOptimizer'
    """

    def __init__(
        self,
        params: Iterable[Any],
        optimizer_class: type[Optimizer],
        process_group: Any = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        self._overlap_with_ddp = overlap_with_ddp
        if overlap_with_ddp and optimizer_class not in _FUNCTIONAL:
            raise ValueError(
                "Using `ddp_with_overlap=True` requires using a functional optimizer, but there is no"
                f" supported functional optimizer equivalent for {optimizer_class}"
            )
        self.process_group = resolve(process_group)
        self.rank = self.process_group.rank()
        self.world_size = self.process_group.size()
        self._optimizer_class = optimizer_class
        self._defaults = defaults
        self._complete = False
        self._consolidated: list[Any] | None = None
        super().__init__(_verified(params), defaults)
        self._split()
        self._complete = True

    def _split(self) -> None:
        """Give each rank parameters: the largest first, each to the rank that has least."""
        self._owner: dict[int, int] = {}
        shares: list[list[dict[str, Any]]] = [[] for _ in range(self.world_size)]
        sizes = [0] * self.world_size
        for group in self.param_groups:
            options = {key: value for key, value in group.items() if key != "params"}
            parts: list[list[Any]] = [[] for _ in range(self.world_size)]
            for parameter in sorted(group["params"], key=lambda p: p.numel(), reverse=True):
                rank = sizes.index(min(sizes))
                sizes[rank] += parameter.numel()
                parts[rank].append(parameter)
                self._owner[id(parameter)] = rank
            for rank, part in enumerate(parts):
                shares[rank].append({**options, "params": part})
        self._shares = shares
        self.optim = self._optimizer_class(shares[self.rank], **self._defaults)
        for group, local in zip(self.param_groups, self.optim.param_groups, strict=True):
            for key, value in local.items():  # the defaults of the optimizer's class
                group.setdefault(key, value)

    def _whole(self) -> None:
        """Refuse what needs the optimizer of this rank's share, where the hooks have not made it."""
        if self._overlap_with_ddp:
            raise RuntimeError(
                "This method should not be called until this ZeroRedundancyOptimizer instance has been fully"
                " initialized"
            )

    def _options_down(self) -> None:
        """Options that a schedule has set here are those of the share's optimizer."""
        for group, local in zip(self.param_groups, self.optim.param_groups, strict=True):
            local.update({key: value for key, value in group.items() if key != "params"})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, and give each rank a share of it.

        Args:
            param_group: the group.

        Raises:
            RuntimeError: with `overlap_with_ddp=True`.
        """
        if self._complete and self._overlap_with_ddp:
            raise RuntimeError(
                "ZeroRedundancyOptimizer with `overlap_with_ddp=True` only supports a single parameter group"
            )
        super().add_param_group(param_group)
        if self._complete:
            held = self.optim.state
            self._split()
            self.optim.state.update(
                {p: state for p, state in held.items() if self._owner[id(p)] == self.rank}
            )

    def step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        """Step this rank's share, and take the other shares from their ranks.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.
            kwargs: passed on.

        Returns:
            The loss, if there is a closure.
        """
        if self._overlap_with_ddp:
            _logger.warning(
                "`step()` should not be included in the training loop when `overlap_with_ddp=True`"
            )
            return None
        Join.notify_join_context(self)
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._options_down()
        if any(group["params"] for group in self.optim.param_groups):
            self.optim.step(**kwargs)
        self._exchange()
        self._consolidated = None
        return loss

    def _exchange(self) -> None:
        """Let all ranks have what each has stepped; what is of one rank and one dtype travels together."""
        shares: dict[tuple[int, Any], list[Any]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                shares.setdefault((self._owner[id(parameter)], parameter.dtype), []).append(parameter)
        for (owner, _), parameters in shares.items():
            flat = np.concatenate([p._data.reshape(-1) for p in parameters])
            collectives.broadcast(wrap(flat), group=self.process_group, group_src=owner)
            if owner == self.rank:
                continue
            start = 0
            for p in parameters:
                p._data[...] = flat[start : start + p._data.size].reshape(p._data.shape)
                start += p._data.size
                bump(p, *here())

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Bring the state of all shares to one rank, for `state_dict` there.

        Args:
            to: the rank.
        """
        self._whole()
        states: list[Any] = [None] * self.world_size
        objects.all_gather_object(states, self.optim.state_dict(), self.process_group)
        self._consolidated = states if self.rank == to else None
        self._to = to

    def state_dict(self) -> dict[str, Any]:
        """The state of the whole optimizer, on the rank that `consolidate_state_dict` has brought it to.

        Raises:
            RuntimeError: on another rank, or before.
        """
        self._whole()
        if self._consolidated is None:
            raise RuntimeError(
                "Optimizer state has not been consolidated on this rank. Please call"
                f" `consolidate_state_dict(to={self.rank})` on all ranks beforehand if you meant to save"
                " the global state."
            )
        whole = super().state_dict()
        numbers = {
            id(p): number
            for group, saved in zip(self.param_groups, whole["param_groups"], strict=True)
            for p, number in zip(group["params"], saved["params"], strict=True)
        }
        whole["state"] = {}
        for share, state in zip(self._shares, self._consolidated, strict=True):
            mine = [p for group in share for p in group["params"]]
            for local, kept in state["state"].items():
                whole["state"][numbers[id(mine[local])]] = kept
        return whole

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of a whole optimizer; each rank keeps its share.

        Args:
            state_dict: from `state_dict`, saved by any number of ranks.
        """
        self._whole()
        if len(state_dict["param_groups"]) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        saved = [number for group in state_dict["param_groups"] for number in group["params"]]
        parameters = [p for group in self.param_groups for p in group["params"]]
        by_number = dict(zip(saved, parameters, strict=True))
        for group, kept in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({key: value for key, value in kept.items() if key != "params"})
        mine = [p for group in self._shares[self.rank] for p in group["params"]]
        places = {id(p): place for place, p in enumerate(mine)}
        local = self.optim.state_dict()
        local["state"] = {
            places[id(by_number[number])]: state
            for number, state in state_dict["state"].items()
            if id(by_number[number]) in places
        }
        self.optim.load_state_dict(local)
        self._options_down()

    @property
    def join_process_group(self) -> Any:
        """The ranks."""
        return self.process_group

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What a rank without batches does: it steps its share with the others' gradients."""
        return _ZeroJoinHook(self)


class _ZeroJoinHook(JoinHook):
    def __init__(self, zero: ZeroRedundancyOptimizer) -> None:
        self.zero = zero

    def main_hook(self) -> None:
        """Step as the others do; DistributedDataParallel's hook has put the averaged gradients in place."""
        self.zero.step()
