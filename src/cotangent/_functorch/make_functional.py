"""Modules as functions of their parameters, as functorch offered them before `torch.func.functional_call`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..func.stateless import functional_call
from ..functions import stack
from ..nn import Module

__all__ = [
    "FunctionalModule", "FunctionalModuleWithBuffers", "combine_state_for_ensemble", "functional_init",
    "functional_init_with_buffers", "make_functional", "make_functional_with_buffers",
]  # fmt: skip


class FunctionalModuleWithBuffers(Module):
    """What `make_functional_with_buffers` returns: called with parameters, buffers and the arguments."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.stateless_model = model
        self.param_names = tuple(name for name, _ in model.named_parameters())
        self.buffer_names = tuple(name for name, _ in model.named_buffers())

    def forward(self, params: Iterable[Any], buffers: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """Run the model with this state."""
        state = dict(zip((*self.param_names, *self.buffer_names), (*params, *buffers), strict=True))
        return functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """What `make_functional` returns: called with parameters and the arguments."""

    def forward(self, params: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """Run the model with these parameters."""
        return super().forward(params, (), *args, **kwargs)


def _taken(model: Any, disable_autograd_tracking: bool) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """A copy of the model, its parameters and its buffers."""
    copied = copy.deepcopy(model)
    parameters = tuple(copied.parameters())
    if disable_autograd_tracking:
        for p in parameters:
            p.requires_grad_(False)
    return copied, parameters, tuple(copied.buffers())


def make_functional(
    model: Any, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModule, tuple[Any, ...]]:
    """A function of a model's parameters and arguments, and copies of its parameters.

    Args:
        model: a module without buffers.
        disable_autograd_tracking: whether the copies require no gradients.

    Returns:
        (function, parameters).

    Raises:
        RuntimeError: if the model has buffers.

    Example:
        >>> import cotangent as torch
        >>> from cotangent._functorch.make_functional import make_functional
        >>> f, parameters = make_functional(torch.nn.Linear(2, 1))
        >>> f(parameters, torch.ones(3, 2)).shape
        torch.Size([3, 1])
    """
    copied, parameters, buffers = _taken(model, disable_autograd_tracking)
    if buffers:
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) "
            "instead."
        )
    return FunctionalModule(copied), parameters


def make_functional_with_buffers(
    model: Any, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, tuple[Any, ...], tuple[Any, ...]]:
    """A function of a model's parameters, buffers and arguments, and copies of these.

    Args:
        model: a module.
        disable_autograd_tracking: whether the copies of the parameters require no gradients.

    Returns:
        (function, parameters, buffers).
    """
    copied, parameters, buffers = _taken(model, disable_autograd_tracking)
    return FunctionalModuleWithBuffers(copied), parameters, buffers


def transpose_stack(tuple_of_tuple_of_tensors: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    """The tensors at the same place stacked, without history."""
    return tuple(stack(list(shards)).detach() for shards in zip(*tuple_of_tuple_of_tensors, strict=True))


def combine_state_for_ensemble(
    models: Sequence[Any],
) -> tuple[FunctionalModuleWithBuffers, tuple[Any, ...], tuple[Any, ...]]:
    """A function for `vmap` of several models of one class, and their parameters and buffers stacked.

    Raises:
        RuntimeError: if there are none, or they differ in class or in training mode.
    """
    models = list(models)
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if len({bool(m.training) for m in models}) > 1:
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("combine_state_for_ensemble: Expected all models to be of the same class.")
    made = [make_functional_with_buffers(m) for m in models]
    return made[0][0], transpose_stack(m[1] for m in made), transpose_stack(m[2] for m in made)


def _several(ensemble_shape: tuple[int, ...], build: Callable[[], Any]) -> list[Any]:
    if len(ensemble_shape) >= 2:
        raise ValueError("NYI: ensemble_shape with more than 1 element")
    if ensemble_shape and ensemble_shape[0] <= 0:
        raise ValueError(f"num_models {ensemble_shape[0]} should be > 0")
    return [build() for _ in range(ensemble_shape[0] if ensemble_shape else 1)]


def functional_init(
    model_class: type[Any], ensemble_shape: tuple[int, ...] = (), device: Any = "cpu"
) -> Callable[..., Any]:
    """A function of a class's arguments that gives (parameters, function of parameters and data, names).

    Args:
        model_class: a class of modules without buffers.
        ensemble_shape: () for one model, (n,) for n whose parameters are stacked.
        device: where the parameters are.
    """

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        models = _several(ensemble_shape, lambda: model_class(*args, **kwargs).to(device))
        made = [make_functional(m) for m in models]
        call = made[0][0]
        weights = transpose_stack(m[1] for m in made) if ensemble_shape else made[0][1]
        return weights, lambda weights, data: call(weights, *data), call.param_names

    return wrapped


def functional_init_with_buffers(
    model_class: type[Any], ensemble_shape: tuple[int, ...] = (), device: Any = "cpu"
) -> Callable[..., Any]:
    """As `functional_init`; gives (parameters, buffers, function, names of parameters, names of buffers)."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        models = _several(ensemble_shape, lambda: model_class(*args, **kwargs).to(device))
        made = [make_functional_with_buffers(m) for m in models]
        call = made[0][0]
        weights, buffers = (
            (transpose_stack(m[i] for m in made) if ensemble_shape else made[0][i]) for i in (1, 2)
        )

        def run(weights: Any, buffers: Any, data: Any) -> Any:
            return call(weights, buffers, *data)

        return weights, buffers, run, call.param_names, call.buffer_names

    return wrapped
