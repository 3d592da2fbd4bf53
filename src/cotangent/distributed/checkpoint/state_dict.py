"""`torch.distributed.checkpoint.state_dict`: states of models and optimizers by name, dealt out or whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...autograd.base import wrap
from ...autograd.modes import no_grad
from ...tensor import Tensor
from ..group import get_default_group, is_initialized
from ..objects import broadcast_object_list
from ..tensor.dtensor import DTensor, distribute_tensor, dtensor

__all__ = [
    "StateDictOptions", "get_model_state_dict", "get_optimizer_state_dict", "get_state_dict",
    "set_model_state_dict", "set_optimizer_state_dict", "set_state_dict",
]  # fmt: skip


@dataclass
class StateDictOptions:
    """How states are given and taken.

    Args:
        full_state_dict: whether tensors are whole.
        cpu_offload: with it, only rank 0 gets a whole state; the others get an empty one.
        ignore_frozen_params: whether to leave out parameters without a gradient.
        strict: as for `load_state_dict`.
        broadcast_from_rank0: whether rank 0's state is everybody's.
    """

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False
    dsd_fqn_modifiers: str = "_fqn_modifiers"


def _names(model: Any) -> dict[int, str]:
    """The names of the parameters as a program without wrappers would have them."""
    inner = model.module if hasattr(model, "require_backward_grad_sync") else model
    if hasattr(inner, "_fsdp_state"):
        for module in inner.modules():
            if hasattr(module, "_fsdp_state"):
                module._fsdp_state.reshard()
    return {id(p): name for name, p in inner.named_parameters()}


def _inner(model: Any) -> Any:
    return model.module if hasattr(model, "require_backward_grad_sync") else model


def _given(state: dict[str, Any], options: StateDictOptions) -> dict[str, Any]:
    """The state as the options want it."""
    if not options.full_state_dict:
        return state
    whole = _map(state, lambda t: t.full_tensor() if isinstance(t, DTensor) else t)
    if options.cpu_offload and is_initialized() and get_default_group().rank() != 0:
        return {}
    return whole  # type: ignore[no-any-return]


def _map(value: Any, function: Any) -> Any:
    if isinstance(value, dict):
        return {key: _map(v, function) for key, v in value.items()}
    if isinstance(value, list):
        return [_map(v, function) for v in value]
    return function(value) if isinstance(value, Tensor) else value


def _taken(state: Any, options: StateDictOptions) -> Any:
    """The state that all ranks load."""
    if options.broadcast_from_rank0 and is_initialized():
        held = [state if get_default_group().rank() == 0 else None]
        broadcast_object_list(held, src=0)
        return held[0]
    return state


def get_model_state_dict(
    model: Any, *, submodules: Any = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """The parameters and buffers of a model, by name. All ranks call it.

    Args:
        model: the model, also one that is sharded or wrapped.
        submodules: accepted as None.
        options: how.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.checkpoint.state_dict import get_model_state_dict
        >>> list(get_model_state_dict(torch.nn.Linear(1, 1)))
        ['weight', 'bias']
    """
    chosen = options or StateDictOptions()
    inner = _inner(model)
    names = _names(model)
    frozen = {name for p, name in zip(inner.parameters(), names.values()) if not p.requires_grad}
    state = {
        key: value
        for key, value in inner.state_dict().items()
        if not (chosen.ignore_frozen_params and key in frozen)
    }
    return _given(state, chosen)


def set_model_state_dict(
    model: Any, model_state_dict: dict[str, Any], *, options: StateDictOptions | None = None
) -> Any:
    """Load a state into a model, whole or dealt out as the model is. All ranks call it.

    Args:
        model: the model.
        model_state_dict: from `get_model_state_dict`.
        options: how.

    Returns:
        what `load_state_dict` returns.
    """
    chosen = options or StateDictOptions()
    _names(model)
    return _inner(model).load_state_dict(_taken(model_state_dict, chosen), strict=chosen.strict)


def get_optimizer_state_dict(
    model: Any, optimizers: Any, *, submodules: Any = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """The state of optimizers by the names of the model's parameters. All ranks call it.

    An optimizer that has not stepped makes its state first, so that a checkpoint can be read into it.

    Args:
        model: the model.
        optimizers: one optimizer, or several.
        submodules: accepted as None.
        options: how.
    """
    names = _names(model)
    state: dict[str, Any] = {}
    groups: list[dict[str, Any]] = []
    for optimizer in _listed(optimizers):
        _begun(optimizer)
        for group in optimizer.param_groups:
            kept = {key: value for key, value in group.items() if key != "params"}
            groups.append({**kept, "params": [names[id(p)] for p in group["params"]]})
            for p in group["params"]:
                if p in optimizer.state:
                    state[names[id(p)]] = {k: _as_rows(v, p) for k, v in optimizer.state[p].items()}
    return _given({"state": state, "param_groups": groups}, options or StateDictOptions())


def _begun(optimizer: Any) -> None:
    """Let an optimizer that has not stepped make its state; parameters stay as they are."""
    if optimizer.state:
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    kept = [(p, p._data.copy(), p._grad) for p in parameters]
    for p in parameters:
        zero = np.zeros_like(p._data)
        p._grad = dtensor(zero, p._mesh, p._whole, p._placements) if isinstance(p, DTensor) else wrap(zero)
    optimizer.step()
    for p, data, gradient in kept:
        p._data[...] = data
        p._grad = gradient


def _listed(optimizers: Any) -> list[Any]:
    return list(optimizers) if isinstance(optimizers, (list, tuple)) else [optimizers]


def _as_rows(value: Any, parameter: Any) -> Any:
    """State of a parameter's rows lies on the ranks as they do."""
    if (
        isinstance(parameter, DTensor)
        and isinstance(value, Tensor)
        and value._data.ndim
        and value._data.shape == parameter._data.shape
    ):
        return dtensor(value._data, parameter._mesh, parameter._whole, parameter._placements)
    return value


def set_optimizer_state_dict(
    model: Any, optimizers: Any, optim_state_dict: dict[str, Any], *, options: StateDictOptions | None = None
) -> None:
    """Load a state into optimizers, whole or dealt out. All ranks call it.

    Args:
        model: the model.
        optimizers: one optimizer, or several.
        optim_state_dict: from `get_optimizer_state_dict`, also of another number of ranks.
        options: how.

    Raises:
        RuntimeError: if the groups are others.
    """
    names = _names(model)
    given = _taken(optim_state_dict, options or StateDictOptions())
    groups = iter(given["param_groups"])
    for optimizer in _listed(optimizers):
        for group in optimizer.param_groups:
            found = next(groups, None)
            mine = [names[id(p)] for p in group["params"]]
            if found is None or found["params"] != mine:
                raise RuntimeError(
                    f"set_optimizer_state_dict: the saved group has parameters {found and found['params']},"
                    f" the optimizer's has {mine}"
                )
            group.update({key: value for key, value in found.items() if key != "params"})
            for p, name in zip(group["params"], mine, strict=True):
                if name in given["state"]:
                    optimizer.state[p] = {k: _local(v, p) for k, v in given["state"][name].items()}


def _local(value: Any, parameter: Any) -> Any:
    """The part of a state that the parameter's rows need."""
    if not isinstance(value, Tensor):
        return value
    with no_grad():
        if isinstance(value, DTensor):
            return value.to_local().clone()
        if isinstance(parameter, DTensor) and value.dim() and tuple(value.shape) == parameter._whole:
            return distribute_tensor(value, parameter._mesh, parameter._placements).to_local()
        return value.detach().clone()


def get_state_dict(
    model: Any, optimizers: Any, *, submodules: Any = None, options: StateDictOptions | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The states of a model and of its optimizers. All ranks call it.

    Args:
        model, optimizers, submodules, options: as for the two functions that it joins.
    """
    return (
        get_model_state_dict(model, options=options),
        get_optimizer_state_dict(model, optimizers, options=options) if _listed(optimizers) else {},
    )


def set_state_dict(
    model: Any,
    optimizers: Any,
    *,
    model_state_dict: dict[str, Any],
    optim_state_dict: dict[str, Any],
    options: StateDictOptions | None = None,
) -> Any:
    """Load the states of a model and of its optimizers. All ranks call it.

    Args:
        model, optimizers, options: as for the two functions that it joins.
        model_state_dict: the model's.
        optim_state_dict: the optimizers'.
    """
    result = set_model_state_dict(model, model_state_dict, options=options)
    set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return result
