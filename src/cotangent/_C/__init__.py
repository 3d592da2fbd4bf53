"""What programs reach for in PyTorch's extension module: questions to the running engine, and a few nodes."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any, Final

from .. import lazy
from ..autograd.base import TensorBase, cell_of, not_taken_over, world
from ..autograd.modes import grad_enabled, modes, set_recording
from ..autograd.node import AccumulateGrad, Node
from ..autograd.recorded import SavedTensor, alias
from ..autograd.refusing import UndefinedGradBackward, refusing
from ..autograd.running import (
    current_graph_task_id,
    current_node,
    execution_order,
    keeps_graph,
    will_execute,
)
from ..config import settings
from ..errors import check_broadcast
from ..size import Size, device as _Device

__all__ = ["is_grad_enabled"]


class _WeakTensorRef:
    """Tells whether a tensor is still there."""

    def __init__(self, tensor: Any) -> None:
        self._reference = weakref.ref(tensor)

    def expired(self) -> bool:
        """Whether it is gone."""
        return self._reference() is None


def _set_fwd_grad_enabled(enabled: bool) -> None:
    """Switch the computing of tangents on or off in this thread."""
    modes.tangents = enabled


class _UndefinedGrad:
    """An identity whose gradient is undefined: what is before it gets None.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> torch._C._functions.UndefinedGrad()(x * 2).backward()
        >>> x.grad is None
        True
    """

    def __call__(self, *tensors: Any) -> Any:
        if len(tensors) != 1:
            raise TypeError(f"expected 1 arguments, got {len(tensors)} instead")
        t = tensors[0]
        return alias(t, UndefinedGradBackward(tensors)) if t._req else t


class _DelayedError(Node):
    """Identities of `count` tensors whose backward raises a RuntimeError that says `message`."""

    __slots__ = ("message", "count")

    def __init__(self, message: str | bytes, count: int) -> None:
        self.message = message
        self.count = count

    def __call__(self, *tensors: Any, **_: Any) -> Any:
        if len(tensors) != self.count:
            raise TypeError(f"expected {self.count} arguments, got {len(tensors)} instead")
        message = self.message.decode() if isinstance(self.message, bytes) else self.message
        made = refusing(message, tensors)
        return made[0] if len(made) == 1 else made


def _unsafe_set_version_counter(tensors: Any, versions: Any) -> None:
    """Set the counts of writes of tensors (one, or several) to what the caller says."""
    if isinstance(tensors, TensorBase):
        tensors, versions = (tensors,), (versions,)
    for t, version in zip(tensors, versions, strict=True):
        cell_of(t)[0] = version


def _get_deterministic_fill_uninitialized_memory() -> bool:
    """Whether unwritten memory is filled while deterministic algorithms are asked for."""
    return settings.fill_uninitialized


def _set_deterministic_fill_uninitialized_memory(mode: bool) -> None:
    """Switch that."""
    settings.fill_uninitialized = mode


def _infer_size(first: Any, second: Any) -> Size:
    """The shape that two shapes broadcast to."""
    return Size(check_broadcast([tuple(first), tuple(second)]))


_functions: Final = SimpleNamespace(
    AccumulateGrad=AccumulateGrad, DelayedError=_DelayedError, UndefinedGrad=_UndefinedGrad
)
_autograd: Final = SimpleNamespace(
    SavedTensor=SavedTensor,
    _get_current_graph_task_keep_graph=keeps_graph,
    _saved_tensors_hooks_is_enabled=lambda: modes.extras.saving_disabled is None,
    _saved_tensors_hooks_get_disabled_error_message=lambda: modes.extras.saving_disabled,
    _unsafe_set_version_counter=_unsafe_set_version_counter,
)
is_grad_enabled = grad_enabled
_set_grad_enabled = set_recording
_current_autograd_node = current_node
_current_graph_task_execution_order = execution_order
_current_graph_task_id = current_graph_task_id
_will_engine_execute_node = will_execute

# What of `__torch_function__` programs look for here; the module is not run for less.
overriding = lazy.module("cotangent.overriding")
backends = lazy.module("cotangent.backends")
_nn = lazy.module("cotangent._C._nn")
zipfiles = lazy.module("cotangent.serialization.zipfiles")


class _Prefixed:
    """A namespace whose functions carry its name: `_linalg.linalg_norm`."""

    def __init__(self, name: str) -> None:
        self._prefix = f"{name}_"
        self._module = lazy.module(f"cotangent.{name}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name.removeprefix(self._prefix))


_fft, _linalg, _special = _Prefixed("fft"), _Prefixed("linalg"), _Prefixed("special")
_disabled_torch_function_impl = not_taken_over


def __getattr__(name: str) -> Any:
    if name in ("_BlasBackend", "_LinalgBackend"):
        return getattr(backends, name)
    if name in ("DisableTorchFunction", "DisableTorchFunctionSubclass", "_EnableTorchFunction"):
        return getattr(overriding, name)
    if name == "PyTorchFileReader":
        return zipfiles.PyTorchFileReader
    if name == "_TensorMeta":
        return type(world.Tensor)
    raise AttributeError(f"module 'torch._C' has no attribute {name!r}")


def _get_accelerator() -> _Device:
    """The device that takes part in computations: the CPU."""
    return _Device("cpu")


def _get_tracing_state() -> None:
    """What `torch.jit.trace` is writing down in PyTorch: here a trace is none of the program's matter."""


def _log_api_usage_once(event: str) -> None:
    """PyTorch counts the use of its parts; here nobody counts."""


def _is_torch_function_enabled() -> bool:
    """Whether classes take over calls in this thread."""
    state = overriding.state
    return bool(state.all and state.classes)


def _is_torch_function_all_disabled() -> bool:
    """Whether neither classes nor modes take over calls in this thread."""
    return not overriding.state.all


def _is_torch_function_mode_enabled() -> bool:
    """Whether modes take over calls in this thread."""
    state = overriding.state
    return bool(state.all and state.modes)


def _len_torch_function_stack() -> int:
    """How many modes are entered in this thread."""
    return len(overriding.state.modes)


def _get_function_stack_at(level: int) -> Any:
    """The entered mode at that place, the outermost first."""
    return overriding.state.modes[level]


def _push_on_torch_function_stack(mode: Any) -> None:
    """Enter a mode."""
    overriding.activate()
    overriding.state.modes.append(mode)


def _pop_torch_function_stack() -> Any:
    """Leave the innermost mode, which is returned."""
    return overriding.state.modes.pop()
