"""Optimizers that are given gradients, and do not read those of the parameters."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from ... import optim
from ...autograd.modes import no_grad
from ...functions import empty

__all__ = ["FUNCTIONAL", "FunctionalOptimizer"]


class FunctionalOptimizer:
    """An optimizer of one group whose gradients are arguments. The subclasses name the optimizer.

    Args:
        params: the parameters.
        args, kwargs: the options of the optimizer, some of which have other defaults.
        _allow_empty_param_list: whether `params` may be empty, for `step_param`.

    Raises:
        TypeError, ValueError: for options that the optimizer does not take, and if there are no parameters.
    """

    _kind: ClassVar[type]
    # Their order, and the defaults that are others than the optimizer's own.
    _order: ClassVar[tuple[str, ...]]
    _defaults: ClassVar[dict[str, Any]] = {}
    # Accepted as in PyTorch, where they change nothing either.
    _without_effect: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, params: Sequence[Any], *args: Any, _allow_empty_param_list: bool = False, **kwargs: Any
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(
                "`TorchScript` support for functional optimizers is deprecated and will be removed in a "
                "future PyTorch release. Consider using the `torch.compile` optimizer instead.",
                DeprecationWarning,
                stacklevel=2,
            )
        placed = dict(zip(self._order, args, strict=False))
        if len(args) > len(self._order) or placed.keys() & kwargs.keys():
            raise TypeError(f"{type(self).__name__}() got too many arguments")
        options = {**self._defaults, **placed, **kwargs}
        for name in self._without_effect:
            options.pop(name, None)
        if not params and not _allow_empty_param_list:
            raise ValueError("optimizer got an empty parameter list")
        self._optimizer = self._kind([empty(0)], **options)
        self.param_group: dict[str, Any] = self._optimizer.param_groups[0]
        self.param_group["params"] = params
        self.defaults: dict[str, Any] = self._optimizer.defaults

    @property
    def state(self) -> Any:
        """What the optimizer keeps of each parameter."""
        return self._optimizer.state

    def step(self, gradients: Sequence[Any]) -> None:
        """Step all parameters.

        Args:
            gradients: one for each; those whose gradient is None stay as they are.

        Raises:
            ValueError: if they are not as many as the parameters.
        """
        params = self.param_group["params"]
        if len(params) != len(gradients):
            raise ValueError(
                "the gradients passed in does not equal to the size of the parameters!Params length: "
                f"{len(params)}. Gradients length: {len(gradients)}"
            )
        before = [p.grad for p in params]
        try:
            for p, g in zip(params, gradients, strict=True):
                p.grad = g
            with no_grad():
                self._optimizer.step()
        finally:
            for p, g in zip(params, before, strict=True):
                p.grad = g

    def step_param(self, param: Any, grad: Any) -> None:
        """Step one parameter, which need not be one of the group's.

        Args:
            param: the parameter.
            grad: its gradient.
        """
        params = self.param_group["params"]
        self.param_group["params"] = [param]
        try:
            self.step([grad])
        finally:
            self.param_group["params"] = params


class _FunctionalAdadelta(FunctionalOptimizer):
    _kind = optim.Adadelta
    _order = ("lr", "rho", "eps", "weight_decay", "foreach", "maximize")


class _FunctionalAdagrad(FunctionalOptimizer):
    _kind = optim.Adagrad
    _without_effect = ("warmup_lr_multiplier", "warmup_num_iters", "coalesce_grad")
    _order = (
        "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "warmup_lr_multiplier",
        "warmup_num_iters", "eps", "coalesce_grad", "foreach", "fused", "maximize",
    )  # fmt: skip


class _FunctionalAdam(FunctionalOptimizer):
    _kind = optim.Adam
    _order = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "foreach", "fused")


class _FunctionalAdamax(FunctionalOptimizer):
    _kind = optim.Adamax
    _defaults: ClassVar[dict[str, Any]] = {"lr": 1e-3}
    _order = ("lr", "betas", "eps", "weight_decay", "foreach", "maximize")


class _FunctionalAdamW(FunctionalOptimizer):
    _kind = optim.AdamW
    _order = _FunctionalAdam._order


class _FunctionalRMSprop(FunctionalOptimizer):
    _kind = optim.RMSprop
    _order = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "foreach", "maximize")


class _FunctionalRprop(FunctionalOptimizer):
    _kind = optim.Rprop
    _order = ("lr", "etas", "step_sizes", "foreach", "maximize")


class _FunctionalSGD(FunctionalOptimizer):
    _kind = optim.SGD
    _defaults: ClassVar[dict[str, Any]] = {"lr": 1e-2}
    _order = (
        "lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize", "foreach", "fused"
    )  # fmt: skip


FUNCTIONAL: dict[Any, Any] = {
    kind._kind: kind
    for kind in (
        _FunctionalAdagrad,
        _FunctionalAdam,
        _FunctionalAdamW,
        _FunctionalSGD,
        _FunctionalAdadelta,
        _FunctionalRMSprop,
        _FunctionalRprop,
        _FunctionalAdamax,
    )
}
