"""The optimizer's state of a `FullyShardedDataParallel` model: whole tensors by names, and back to rows."""

from __future__ import annotations

import copy
from typing import Any

from ...autograd.base import wrap
from ...tensor import Tensor
from ..group import resolve
from ..objects import broadcast_object_list
from ..tensor.dtensor import DTensor, dtensor, rows_of

__all__ = ["PREFIX", "gathered", "named", "rekeyed", "rows_again"]

PREFIX = "_fsdp_wrapped_module."


def named(model: Any) -> dict[str, Any]:
    """The parameters of a model, dealt out, by the names that they have without wrappers."""
    for module in model.modules():
        state = vars(module).get("_fsdp_state")
        if state is not None:
            state.reshard()
    return {name.replace(PREFIX, ""): p for name, p in model.named_parameters()}


def _names_by_number(model: Any, optim: Any) -> list[str]:
    names = {id(p): name for name, p in named(model).items()}
    listed = [p for group in optim.param_groups for p in group["params"]]
    for p in listed:
        if id(p) not in names:
            raise ValueError(
                "FullyShardedDataParallel: the optimizer has a parameter that the model has not; build it"
                f" after wrapping: {p}"
            )
    return [names[id(p)] for p in listed]


def rekeyed(state: dict[str, Any], keys: dict[Any, Any]) -> dict[str, Any]:
    """An optimizer's state with other keys for parameters.

    Args:
        state: as `Optimizer.state_dict` gives it.
        keys: the new key for each old one.
    """
    groups = copy.deepcopy(state["param_groups"])
    for group in groups:
        group["params"] = sorted(keys[key] for key in group["params"])
    return {"state": {keys[key]: value for key, value in state["state"].items()}, "param_groups": groups}


def numbers(model: Any, optim: Any) -> dict[str, int]:
    """The number that the optimizer's state has for the parameter of each name."""
    return {name: number for number, name in enumerate(_names_by_number(model, optim))}


def gathered(model: Any, optim: Any, state: dict[str, Any], whole: bool, keep: bool) -> dict[str, Any]:
    """An optimizer's state by names. All ranks call it.

    Args:
        model: whose parameters they are.
        optim: the optimizer.
        state: what it gave.
        whole: whether tensors are gathered; otherwise they become `DTensor`s.
        keep: whether this rank wants the result.
    """
    order = _names_by_number(model, optim)
    parameters = named(model)
    found: dict[str, Any] = {}
    for name, number in sorted(zip(order, range(len(order)), strict=True)):
        if number not in state["state"]:
            continue
        p = parameters[name]
        values = {}
        for key, value in state["state"][number].items():
            if isinstance(p, DTensor) and isinstance(value, Tensor) and value._data.ndim:
                if value._data.shape != p._data.shape:
                    raise RuntimeError(
                        f"FullyShardedDataParallel: {key} of {name} has the shape {list(value._data.shape)},"
                        f" and not that of this rank's rows, {list(p._data.shape)}"
                    )
                rows = dtensor(value._data, p._mesh, p._whole, p._placements)
                value = rows.full_tensor() if whole else rows.clone()
            elif isinstance(value, Tensor):
                value = value.detach().clone()
            values[key] = value
        found[name] = values
    if not keep:
        return {}
    groups = copy.deepcopy(state["param_groups"])
    for group in groups:
        group["params"] = [order[number] for number in group["params"]]
    return {"state": found, "param_groups": groups}


def rows_again(model: Any, optim: Any, state: dict[str, Any], from_first: bool, group: Any) -> dict[str, Any]:
    """What an optimizer can load, from a state by names.

    Args:
        model: whose parameters they are.
        optim: the optimizer.
        state: by names, of whole tensors or of `DTensor`s.
        from_first: whether only rank 0 has it.
        group: the ranks; all by default.
    """
    if from_first:
        box: list[Any] = [state if resolve(group).rank() == 0 else None]
        broadcast_object_list(box, group=group, group_src=0)
        state = box[0]
    parameters = named(model)
    cut: dict[str, Any] = {}
    for name, values in state["state"].items():
        if name not in parameters:
            raise ValueError(f"FullyShardedDataParallel: the model has no parameter {name!r}")
        cut[name] = {key: _rows(value, parameters[name]) for key, value in values.items()}
    keys = numbers(model, optim)
    missing = [name for g in state["param_groups"] for name in g["params"] if name not in keys]
    if missing:
        raise ValueError(f"FullyShardedDataParallel: the optimizer has no parameters {missing}")
    return rekeyed({"state": cut, "param_groups": state["param_groups"]}, keys)


def _rows(value: Any, p: Any) -> Any:
    if isinstance(value, DTensor):
        return value.to_local()
    if not isinstance(value, Tensor) or not isinstance(p, DTensor) or not value.dim():
        return value
    if tuple(value.shape) != p._whole:
        raise ValueError(
            f"FullyShardedDataParallel: a tensor of the optimizer's state has the shape {list(value.shape)},"
            f" and its parameter {list(p._whole)}"
        )
    group = p._mesh.get_group(p.sharding())
    return wrap(value._data[rows_of(p._whole[0], group.size(), group.rank())].copy())
