"""What `FullyShardedDataParallel` makes of `state_dict`: names without wrappers, and whole tensors."""

from __future__ import annotations

from typing import Any, Final

from ..tensor.dtensor import DTensor
from .api import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    LocalOptimStateDictConfig,
    LocalStateDictConfig,
    OptimStateDictConfig,
    ShardedOptimStateDictConfig,
    ShardedStateDictConfig,
    StateDictConfig,
    StateDictType,
)
from .optim_state import PREFIX

__all__ = ["DEPRECATED", "after_state_dict", "before_load", "checked"]

_CONFIGS: Final[dict[StateDictType, tuple[type[StateDictConfig], type[OptimStateDictConfig]]]] = {
    StateDictType.FULL_STATE_DICT: (FullStateDictConfig, FullOptimStateDictConfig),
    StateDictType.LOCAL_STATE_DICT: (LocalStateDictConfig, LocalOptimStateDictConfig),
    StateDictType.SHARDED_STATE_DICT: (ShardedStateDictConfig, ShardedOptimStateDictConfig),
}
DEPRECATED: Final = (
    "FSDP.state_dict_type() and FSDP.set_state_dict_type() are being deprecated. Please use APIs,"
    " get_state_dict() and set_state_dict(), which can support different parallelisms, FSDP1, FSDP2, DDP."
    " API doc: https://pytorch.org/docs/stable/distributed.checkpoint.html"
    "#torch.distributed.checkpoint.state_dict.get_state_dict .Tutorial:"
    " https://pytorch.org/tutorials/recipes/distributed_checkpoint_recipe.html ."
)


def checked(
    kind: StateDictType, config: Any, optim_config: Any
) -> tuple[StateDictConfig, OptimStateDictConfig]:
    """The settings for a kind of state, those by default where None is given.

    Raises:
        RuntimeError: if they are those of another kind.
    """
    wanted, wanted_optim = _CONFIGS[kind]
    config = wanted() if config is None else config
    optim_config = wanted_optim() if optim_config is None else optim_config
    if type(config) is not wanted:
        raise RuntimeError(f"Expected state_dict_config of type {wanted} but got {type(config)}")
    if type(optim_config) is not wanted_optim:
        raise RuntimeError(
            f"Expected optim_state_dict_config of type {wanted_optim} but got {type(optim_config)}"
        )
    return config, optim_config


def after_state_dict(module: Any, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Give what is in the dictionary the names of the wrapped module, and make it whole if that is wanted."""
    if module._state_dict_type is StateDictType.LOCAL_STATE_DICT:
        raise NotImplementedError(
            "FullyShardedDataParallel: LOCAL_STATE_DICT is not there; accepted: FULL_STATE_DICT,"
            " SHARDED_STATE_DICT"
        )
    whole = module._state_dict_type is StateDictType.FULL_STATE_DICT
    drop = whole and module._state_dict_config.rank0_only and module.rank != 0
    start, made = prefix + PREFIX, {}
    places = {(id(m), name): dtype for m, name, dtype in module._own_buffers}
    dtypes = {
        start + (f"{path}.{name}" if path else name): dtype
        for path, m in module._fsdp_wrapped_module.named_modules(remove_duplicate=False)
        for (number, name), dtype in places.items()
        if number == id(m)
    }
    for key in [key for key in state if key.startswith(start)]:
        value = state.pop(key)
        if whole and isinstance(value, DTensor):
            rows = id(value._data)
            if rows not in made:  # tied parameters are gathered once
                made[rows] = value.full_tensor()
            value = made[rows]
            if drop:
                continue
        elif key in dtypes:
            if drop:
                continue
            value = value.to(dtypes[key])
        state[prefix + key[len(start) :]] = value


def before_load(state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Give what is in the dictionary the names below the wrapper."""
    for key in [key for key in state if key.startswith(prefix) and not key.startswith(prefix + PREFIX)]:
        state[prefix + PREFIX + key[len(prefix) :]] = state.pop(key)
