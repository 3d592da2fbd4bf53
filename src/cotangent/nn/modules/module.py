"""`Module`, the base of everything with parameters."""

from __future__ import annotations

import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any, Self

from ...autograd.modes import no_grad
from ...config import settings
from ...conversion import check_to
from ...dtypes import dtype as Dtype
from ...errors import NO_DATA
from ...functions import empty_like
from ...size import check_device, device as Device, strided
from ...tensor import Tensor
from ...utils.swapping import swap_tensors
from ..parameter import Parameter, is_lazy
from ._calls import (
    ModuleCalls,
    _everywhere,
    register_module_backward_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from ._members import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ._state import _EXTRA_STATE_KEY_SUFFIX, ModuleState, _IncompatibleKeys

__all__ = [
    "Module",
    "_EXTRA_STATE_KEY_SUFFIX",
    "_IncompatibleKeys",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

# Attributes made by __init__, and by __setstate__ where an older pickle lacks them.
_HOOK_TABLES = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def _forward_unimplemented(self: Module, *input: Any) -> None:
    """Stand-in for the `forward` that a subclass has to define.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


def _addindent(s_: str, numSpaces: int) -> str:
    """Indent all lines but the first; empty lines stay empty."""
    first, *rest = s_.split("\n")
    return "\n".join([first, *(" " * numSpaces + line if line.strip() else "" for line in rest)])


class Module(ModuleCalls, ModuleState):
    """Base class of neural network modules.

    Assigning a `Parameter`, a `Buffer` or another `Module` to an attribute registers it, so that
    `parameters()`, `to()`, `state_dict()` and the like find it.

    Args:
        *args: none, unless `call_super_init` is set; then they go to the next class's `__init__`.
        **kwargs: as `args`.

    Raises:
        TypeError: if arguments are given.

    Example:
        >>> import cotangent as torch
        >>> class Scale(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = torch.nn.Parameter(torch.tensor(2.0))
        ...     def forward(self, x):
        ...         return self.factor * x
        >>> Scale()(torch.ones(2))
        tensor([2., 2.], grad_fn=<MulBackward0>)
    """

    dump_patches: bool = False
    call_super_init: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but "
                    f"{len(args) + 1} were given"
                )
        # Written straight into __dict__: __setattr__ needs these to be there.
        own = self.__dict__
        own["training"] = True
        own["_parameters"] = {}
        own["_buffers"] = {}
        own["_non_persistent_buffers_set"] = set()
        for table in _HOOK_TABLES:
            own[table] = OrderedDict()
            if table == "_backward_hooks":
                own["_is_full_backward_hook"] = None
        own["_modules"] = {}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _forward_unimplemented

    # ---------------------------------------------------------------- changing all tensors

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the data of every parameter, gradient and buffer by what `fn` makes of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, parameter in self._parameters.items():
            if parameter is None:
                continue
            gradient = parameter.grad
            with no_grad():
                moved = fn(parameter)
                if settings.swap_params:
                    self._exchange(name, parameter, moved, None if gradient is None else fn(gradient))
                    continue
                if settings.overwrite_params or _other_kind(parameter, moved):  # then it is a new one
                    self._parameters[name] = made = Parameter(moved, parameter.requires_grad)
                    if gradient is not None:
                        made.grad = fn(gradient).requires_grad_(gradient.requires_grad)
                    continue
                parameter.data = moved
                if gradient is not None:
                    gradient.data = fn(gradient)
                    parameter.grad = gradient
        for name, buffer in self._buffers.items():
            if buffer is None:
                continue
            moved = fn(buffer)
            if is_lazy(buffer):
                buffer.data = moved  # it stays one that gets its size later
            else:
                self._buffers[name] = moved
        return self

    def _exchange(self, name: str, parameter: Parameter, moved: Tensor, gradient: Tensor | None) -> None:
        """Let a parameter, and its gradient, become what they have been converted to."""
        held = parameter.grad
        try:
            parameter.grad = None
            swap_tensors(parameter, Parameter(moved, parameter.requires_grad))
        except Exception as error:
            parameter.grad = held
            raise RuntimeError(f"_apply(): Couldn't swap {self._get_name()}.{name}") from error
        if held is None or gradient is None:
            return
        gradient.requires_grad_(held.requires_grad)
        try:
            swap_tensors(held, gradient)
        except Exception as error:
            raise RuntimeError(f"_apply(): Couldn't swap {self._get_name()}.{name}.grad") from error
        parameter.grad = held

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call a function on every module below this one, then on this one.

        Args:
            fn: takes a module.

        Returns:
            This module.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())
            >>> _ = net.apply(lambda module: print(type(module).__name__))
            ReLU
            Tanh
            Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def cuda(self, device: Any = None) -> Self:
        """Move to a CUDA device; fails as `Tensor.cuda` does, there is none.

        Args:
            device: index of the device.
        """
        return self._apply(lambda t: t.cuda(device))

    def share_memory(self) -> Self:
        """Move all tensors to memory that processes started from now on share; see `Tensor.share_memory_`.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.Linear(2, 2).share_memory().weight.is_shared()
            True
        """
        return self._apply(lambda t: t.share_memory_())

    def cpu(self) -> Self:
        """Move to the CPU, where everything is."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> Self:
        """Cast all parameters and buffers.

        Args:
            dst_type: a dtype or the name of a tensor type.
        """
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Self:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device without copying the values.

        Args:
            device: where to.
            recurse: whether to include submodules.
        """
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Cast or move all parameters and buffers.

        Args:
            *args: a device, a dtype, both, or a tensor whose device and dtype to take; then `non_blocking`.
            **kwargs: `device`, `dtype`, `non_blocking`, `memory_format`.

        Returns:
            This module.

        Raises:
            TypeError: if the dtype is neither floating-point nor complex.
            RuntimeError: if a copy is asked for.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.Linear(2, 2).to(torch.float64).weight.dtype
            torch.float64
        """
        if check_to(args, kwargs):
            raise RuntimeError(".to() does not accept copy argument")
        target = kwargs.get("dtype")
        for arg in args:
            if isinstance(arg, Dtype):
                target = arg
            elif isinstance(arg, Tensor):
                target = arg.dtype
        if target is not None:
            if not (target.is_floating_point or target.is_complex):
                raise TypeError(
                    "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                    f"dtype={target}"
                )
            if target.is_complex:
                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, and "
                    "some modules might not work as expected when using complex tensors as parameters or "
                    "buffers. Please file an issue at "
                    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a complex "
                    "module does not work as expected.",
                    stacklevel=2,
                )

        layout = kwargs.pop("memory_format", None)
        named = kwargs.get("device", args[0] if args and isinstance(args[0], (str, Device)) else None)
        where = None if named is None else check_device(named)

        def convert(t: Tensor) -> Tensor:
            if where is not None and where.type != t.device.type == "meta":
                raise NotImplementedError(
                    f"{NO_DATA} Please use torch.nn.Module.to_empty() instead "
                    "of torch.nn.Module.to() when moving module from meta to a different device."
                )
            # Integer tensors, such as counters, keep their dtype.
            numeric = t.is_floating_point() or t.is_complex()
            given = args or kwargs
            converted: Tensor = t if not given or (not numeric and where is None) else (
                t.to(*args, **kwargs) if numeric else t.to(where)
            )
            if layout is not None and t.dim() in (4, 5):  # images; others have no channels to put last
                converted = converted.to(memory_format=layout)
            return converted

        return self._apply(convert)

    # ---------------------------------------------------------------- state of training

    def train(self, mode: bool = True) -> Self:
        """Set training mode, which dropout, batch norm and the like obey.

        Args:
            mode: true for training, false for evaluation.

        Returns:
            This module.

        Raises:
            ValueError: if `mode` is not a bool.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.Dropout().train(False).training
            False
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say for all parameters whether gradients are collected.

        Args:
            requires_grad: the new value.

        Returns:
            This module.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.Linear(1, 1).requires_grad_(False).weight.requires_grad
            False
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: whether to drop the tensors, instead of filling them with zeros.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Linear(1, 1)
            >>> net(torch.ones(1)).backward()
            >>> net.zero_grad()
            >>> net.weight.grad is None
            True
        """
        for parameter in self.parameters():
            gradient = parameter.grad
            if gradient is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            if gradient.grad_fn is not None:
                gradient.detach_()
            else:
                gradient.requires_grad_(False)
            gradient.zero_()

    # ---------------------------------------------------------------- printing and pickling

    def extra_repr(self) -> str:
        """What stands between the parentheses in the printed form; to be overridden."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(extra_lines) == 1 and not child_lines:
            inside = extra_lines[0]
        elif extra_lines or child_lines:
            inside = "\n  " + "\n  ".join(extra_lines + child_lines) + "\n"
        else:
            inside = ""
        return f"{self._get_name()}({inside})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = self.__dict__
        own.update(state)
        own.setdefault("_non_persistent_buffers_set", set())
        own.setdefault("_is_full_backward_hook", None)
        for table in _HOOK_TABLES:
            own.setdefault(table, OrderedDict())


def _shown(name: str) -> property:
    """A variable of this module that is a field of the hooks for all modules."""
    return property(
        lambda self: getattr(_everywhere, name), lambda self, value: setattr(_everywhere, name, value)
    )


def _other_kind(before: Tensor, after: Tensor) -> bool:
    """Whether a tensor cannot get the memory of another and stay the object that it is."""
    return before.device != after.device or (before.layout is strided) is not (after.layout is strided)


class _WithHooks(ModuleType):
    """This module, with the hooks for all modules as variables of PyTorch's names, for tests to reset."""

    _global_backward_hooks = _shown("backward")
    _global_backward_pre_hooks = _shown("backward_pre")
    _global_is_full_backward_hook = _shown("backward_is_full")
    _global_forward_hooks = _shown("forward")
    _global_forward_hooks_always_called = _shown("forward_always")
    _global_forward_hooks_with_kwargs = _shown("forward_kwargs")
    _global_forward_pre_hooks = _shown("forward_pre")


sys.modules[__name__].__class__ = _WithHooks
