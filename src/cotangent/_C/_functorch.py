"""The levels of torch.func by number, as PyTorch's extension module offers them to libraries and tests.

A level's number is its place among the transforms that run, from 1 on.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from ..autograd.base import TensorBase
from ..autograd.modes import modes
from ..func.batched import VmapLevel, expanded
from ..func.dual import JvpLevel
from ..func.levels import GradLevel, Level
from ..func.mapping import moved

__all__ = ["RandomnessType", "TransformType", "get_unwrapped", "is_batchedtensor", "is_gradtrackingtensor"]


class TransformType(enum.Enum):
    """The kinds of transforms."""

    Torch = 0
    Vmap = 1
    Grad = 2
    Jvp = 3
    Functionalize = 4


class RandomnessType(enum.Enum):
    """What random operations do inside vmap."""

    Error = 0
    Same = 1
    Different = 2


class CInterpreter:
    """A running transform."""

    def __init__(self, level: Level) -> None:
        self._level = level

    def key(self) -> TransformType:
        """Its kind."""
        if isinstance(self._level, VmapLevel):
            return TransformType.Vmap
        return TransformType.Jvp if isinstance(self._level, JvpLevel) else TransformType.Grad

    def level(self) -> int:
        """Its number."""
        return self._level.depth


def _owner(t: Any) -> Any:
    return t._owner if isinstance(t, TensorBase) else None


def is_batchedtensor(tensor: Any) -> bool:
    """Whether a tensor holds the examples of a vmap."""
    return isinstance(_owner(tensor), VmapLevel)


def is_gradtrackingtensor(tensor: Any) -> bool:
    """Whether a tensor is one of grad, vjp or jvp."""
    owner = _owner(tensor)
    return owner is not None and owner.is_transform and not isinstance(owner, VmapLevel)


def is_functorch_wrapped_tensor(tensor: Any) -> bool:
    """Whether a tensor is one of a transform."""
    owner = _owner(tensor)
    return owner is not None and owner.is_transform


def is_functionaltensor(tensor: Any) -> bool:
    """False: functionalisation wraps nothing here."""
    return False


is_legacy_batchedtensor = is_functionaltensor


def is_dead_tensor_wrapper(tensor: Any) -> bool:
    """Whether the transform of a tensor has ended."""
    return is_functorch_wrapped_tensor(tensor) and _owner(tensor) not in modes.levels


def dlevel(tensor: Any) -> int:
    """The number of a tensor's level: 0 outside of transforms, -1 if its transform has ended."""
    if not is_functorch_wrapped_tensor(tensor):
        return 0
    return -1 if is_dead_tensor_wrapper(tensor) else int(_owner(tensor).depth)


def maybe_get_level(tensor: Any) -> int:
    """The number of a tensor's level, -1 outside of transforms, -2 if its transform has ended."""
    if not is_functorch_wrapped_tensor(tensor):
        return -1
    return -2 if is_dead_tensor_wrapper(tensor) else int(_owner(tensor).depth)


def maybe_get_bdim(tensor: Any) -> int:
    """The dimension that holds the examples; -1 if none does."""
    return int(tensor._data.bdim) if is_batchedtensor(tensor) else -1


def get_unwrapped(tensor: Any) -> Any:
    """The tensor one level down."""
    if not is_functorch_wrapped_tensor(tensor):
        raise RuntimeError("No wrappers present!")
    return tensor._data.value if is_batchedtensor(tensor) else tensor._owner.below(tensor)


def unwrap_if_dead(tensor: Any) -> Any:
    """A tensor without what ended transforms have wrapped it in."""
    while is_dead_tensor_wrapper(tensor):
        tensor = get_unwrapped(tensor)
    return tensor


def _running(number: int, size: int = 0) -> Any:
    """The transform of a number; a vmap beside all others, if none has it."""
    for level in modes.levels:
        if level.depth == number:
            return level
    level = VmapLevel(size)
    level.__enter__()
    level.__exit__()
    level.depth = number
    return level


def _add_batch_dim(tensor: Any, batch_dim: int, level: int) -> Any:
    """The examples along a dimension of a tensor, as a tensor of a level of vmap."""
    at = batch_dim + tensor.ndim if batch_dim < 0 else batch_dim
    return _running(level, tensor.shape[at]).batch(tensor, at)


def _unwrap_batched(tensor: Any, level: int) -> tuple[Any, int | None]:
    """(the tensor one level down, the dimension of the examples or None)."""
    if is_batchedtensor(tensor) and tensor._owner.depth == level:
        return tensor._data.value, tensor._data.bdim
    return tensor, None


def _remove_batch_dim(tensor: Any, level: int, batch_size: int, out_dim: int) -> Any:
    """A tensor of a level of vmap as one of the level below, with the examples along `out_dim`."""
    value, bdim = _unwrap_batched(tensor, level)
    if bdim is None:
        value, bdim = expanded(tensor, batch_size), 0
    return moved(value, bdim, out_dim + value.ndim if out_dim < 0 else out_dim)


def _wrap_for_grad(tensor: Any, level: int) -> Any:
    """A tensor of a level of grad around a tensor."""
    return _running(level).wrap(tensor)


def _unwrap_for_grad(tensor: Any, level: int) -> Any:
    """What `_wrap_for_grad` had been given."""
    owner = _owner(tensor)
    return owner.below(tensor) if owner is not None and owner.depth == level else tensor


def _enter(level: Level) -> int:
    level.__enter__()
    return level.depth


def _leave() -> int:
    level = modes.levels[-1]
    level.__exit__(None, None, None)
    return int(level.depth)


def _vmap_increment_nesting(batch_size: int, randomness: str) -> int:
    """Enter a vmap; its number."""
    return _enter(VmapLevel(batch_size, randomness))


def _grad_increment_nesting() -> int:
    """Enter a grad; its number."""
    return _enter(GradLevel())


def _jvp_increment_nesting() -> int:
    """Enter a jvp; its number."""
    return _enter(JvpLevel())


_vmap_decrement_nesting = _grad_decrement_nesting = _jvp_decrement_nesting = _leave


def maybe_current_level() -> int | None:
    """The number of the innermost transform that runs, None if none does."""
    return modes.levels[-1].depth if modes.levels else None


def current_level() -> int:
    """The number of the innermost transform that runs."""
    found = maybe_current_level()
    if found is None:
        raise RuntimeError("No transform is running")
    return found


def get_dynamic_layer_stack_depth() -> int:
    """How many transforms run."""
    return len(modes.levels)


def peek_interpreter_stack() -> CInterpreter | None:
    """The innermost transform that runs."""
    return CInterpreter(modes.levels[-1]) if modes.levels else None


def get_interpreter_stack() -> list[CInterpreter] | None:
    """The transforms that run, outermost first."""
    return [CInterpreter(level) for level in modes.levels] or None


def reshape_dim_into(src: int, dst: int, x: Any) -> Any:
    """A dimension moved in front of another and joined with it."""
    src %= x.ndim
    dst %= x.ndim - 1
    x = x.movedim(src, dst)
    return x.reshape(*x.shape[:dst], x.shape[dst] * x.shape[dst + 1], *x.shape[dst + 2 :])


def reshape_dim_outof(src: int, size1: int, x: Any) -> Any:
    """A dimension split in two, the first of them of `size1`."""
    src %= x.ndim
    if x.shape[src] % size1:
        raise RuntimeError("Expected shape[src] % size1 == 0 to be true, but got false.")
    return x.reshape(*x.shape[:src], size1, x.shape[src] // size1, *x.shape[src + 1 :])


_flags: Final = {"warning": True, "fallback": True, "requires_grad": False, "single": False}


def _set_vmap_fallback_warning_enabled(enabled: bool) -> None:
    """Accepted: the loop that serves where an operation has no rule does not warn."""
    _flags["warning"] = enabled


def _set_vmap_fallback_enabled(enabled: bool) -> None:
    """Accepted: the loop always serves."""
    _flags["fallback"] = enabled


def _is_vmap_fallback_enabled() -> bool:
    """What was set."""
    return _flags["fallback"]


def set_inplace_requires_grad_allowed(allowed: bool) -> None:
    """Accepted: `requires_grad_` inside transforms is allowed anyway."""
    _flags["requires_grad"] = allowed


def get_inplace_requires_grad_allowed() -> bool:
    """What was set."""
    return _flags["requires_grad"]


def set_single_level_autograd_function_allowed(allowed: bool) -> None:
    """Accepted: Functions run at any level."""
    _flags["single"] = allowed


def get_single_level_autograd_function_allowed() -> bool:
    """What was set."""
    return _flags["single"]
