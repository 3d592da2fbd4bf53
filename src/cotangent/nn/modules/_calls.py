"""Calling a module: forward hooks and pre-hooks, backward hooks, and the order in which they run."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ...autograd.node import RemovableHandle
from ...tensor import Tensor
from ...utils.hooks import BackwardHook
from ._legacy_hooks import BoundHook, first_tensor, warn_if_incomplete

Hook = Callable[..., Any]


class _Global:
    """Hooks that hold for every module. One object, so that a call reads its state in one look-up."""

    __slots__ = (
        "backward",
        "backward_is_full",
        "backward_pre",
        "forward",
        "forward_always",
        "forward_kwargs",
        "forward_pre",
    )

    def __init__(self) -> None:
        self.backward: OrderedDict[int, Hook] = OrderedDict()
        self.backward_is_full: bool | None = None
        self.backward_pre: OrderedDict[int, Hook] = OrderedDict()
        self.forward: OrderedDict[int, Hook] = OrderedDict()
        self.forward_always: OrderedDict[int, bool] = OrderedDict()
        self.forward_kwargs: OrderedDict[int, bool] = OrderedDict()
        self.forward_pre: OrderedDict[int, Hook] = OrderedDict()


_everywhere = _Global()


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module.

    Args:
        hook: may return the arguments to use instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.modules.module import register_module_forward_pre_hook
        >>> with register_module_forward_pre_hook(lambda module, args: print(module)):
        ...     _ = torch.nn.ReLU()(torch.zeros(1))
        ReLU()
    """
    handle = RemovableHandle(_everywhere.forward_pre)
    _everywhere.forward_pre[handle.id] = hook
    return handle


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module.

    Args:
        hook: may return the output to use instead.
        with_kwargs: whether the hook also takes the keyword arguments, before the output.
        always_call: whether to call it even if forward raises.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.modules.module import register_module_forward_hook
        >>> with register_module_forward_hook(lambda module, args, output: output + 1):
        ...     torch.nn.ReLU()(torch.zeros(1))
        tensor([1.])
    """
    handle = RemovableHandle(_everywhere.forward, extra_dict=_everywhere.forward_always)
    _everywhere.forward[handle.id] = hook
    if with_kwargs:
        _everywhere.forward_kwargs[handle.id] = True
    if always_call:
        _everywhere.forward_always[handle.id] = True
    return handle


def _set_global_backward_kind(full: bool) -> None:
    if _everywhere.backward_is_full is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    _everywhere.backward_is_full = full


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` in the backward pass of every module; deprecated.

    It sees the last operation of a module only; use `register_module_full_backward_hook`.

    Args:
        hook: may return the grad_input to use instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Raises:
        RuntimeError: if a full backward hook was registered for every module before.
    """
    _set_global_backward_kind(False)
    handle = RemovableHandle(_everywhere.backward)
    _everywhere.backward[handle.id] = hook
    return handle


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward pass of every module.

    Args:
        hook: may return the grad_output to use instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.modules.module import register_module_full_backward_pre_hook
        >>> x = torch.ones(1, requires_grad=True)
        >>> with register_module_full_backward_pre_hook(lambda module, grad: print(grad)):
        ...     torch.nn.Tanh()(x).backward()
        (tensor([1.]),)
    """
    handle = RemovableHandle(_everywhere.backward_pre)
    _everywhere.backward_pre[handle.id] = hook
    return handle


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` in the backward pass of every module.

    Args:
        hook: may return the grad_input to use instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Raises:
        RuntimeError: if a non-full backward hook was registered for every module before.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.modules.module import register_module_full_backward_hook
        >>> x = torch.ones(1, requires_grad=True)
        >>> with register_module_full_backward_hook(lambda module, grad_in, grad_out: print(grad_out)):
        ...     torch.nn.ReLU()(x).backward()
        (tensor([1.]),)
    """
    _set_global_backward_kind(True)
    handle = RemovableHandle(_everywhere.backward)
    _everywhere.backward[handle.id] = hook
    return handle


class ModuleCalls:
    """The part of `Module` that is about being called."""

    forward: Callable[..., Any]
    _backward_hooks: OrderedDict[int, Hook]
    _backward_pre_hooks: OrderedDict[int, Hook]
    _is_full_backward_hook: bool | None
    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward.

        Args:
            hook: may return new arguments (one value, or a tuple); with `with_kwargs` it is called as
                `hook(module, args, kwargs)` and may return the pair of both.
            prepend: whether to run it before the hooks already there.
            with_kwargs: whether the hook takes the keyword arguments.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import cotangent as torch
            >>> relu = torch.nn.ReLU()
            >>> handle = relu.register_forward_pre_hook(lambda module, args: args[0] + 1)
            >>> relu(torch.zeros(1))
            tensor([1.])
        """
        handle = RemovableHandle(self._forward_pre_hooks, extra_dict=self._forward_pre_hooks_with_kwargs)
        _enter(self._forward_pre_hooks, handle, hook, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward.

        Args:
            hook: may return the output to use instead; with `with_kwargs` it is called as
                `hook(module, args, kwargs, output)`.
            prepend: whether to run it before the hooks already there.
            with_kwargs: whether the hook takes the keyword arguments.
            always_call: whether to call it even if forward raises.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import cotangent as torch
            >>> relu = torch.nn.ReLU()
            >>> handle = relu.register_forward_hook(lambda module, args, output: output + 1)
            >>> relu(torch.zeros(1))
            tensor([1.])
        """
        handle = RemovableHandle(
            self._forward_hooks,
            extra_dict=[self._forward_hooks_with_kwargs, self._forward_hooks_always_called],
        )
        _enter(self._forward_hooks, handle, hook, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's gradients are computed.

        Args:
            hook: may return the grad_output to use instead.
            prepend: whether to run it before the hooks already there.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import cotangent as torch
            >>> x, relu = torch.ones(1, requires_grad=True), torch.nn.ReLU()
            >>> handle = relu.register_full_backward_pre_hook(lambda module, grad: (grad[0] * 2,))
            >>> relu(x).backward()
            >>> x.grad
            tensor([2.])
        """
        handle = RemovableHandle(self._backward_pre_hooks)
        _enter(self._backward_pre_hooks, handle, hook, prepend)
        return handle

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the module's gradients were computed.

        Args:
            hook: may return the grad_input to use instead.
            prepend: whether to run it before the hooks already there.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: if the module has a non-full backward hook.

        Example:
            >>> import cotangent as torch
            >>> x, relu = torch.ones(1, requires_grad=True), torch.nn.ReLU()
            >>> handle = relu.register_full_backward_hook(lambda module, gin, gout: (gin[0] * 3,))
            >>> relu(x).backward()
            >>> x.grad
            tensor([3.])
        """
        self._set_backward_kind(True)
        handle = RemovableHandle(self._backward_hooks)
        _enter(self._backward_hooks, handle, hook, prepend)
        return handle

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` at the module's last operation; deprecated.

        Use `register_full_backward_hook`, which sees the whole module.

        Args:
            hook: may return the grad_input to use instead.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: if the module has a full backward hook.
        """
        self._set_backward_kind(False)
        handle = RemovableHandle(self._backward_hooks)
        self._backward_hooks[handle.id] = hook
        return handle

    def _set_backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. "
                "Please use only one of them."
            )
        self._is_full_backward_hook = full

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        everywhere = _everywhere
        if (
            self._backward_hooks
            or self._backward_pre_hooks
            or self._forward_hooks
            or self._forward_pre_hooks
            or everywhere.backward_pre
            or everywhere.backward
            or everywhere.forward
            or everywhere.forward_pre
        ):
            return _HookedCall(self, args, kwargs).run()
        return self.forward(*args, **kwargs)


def _enter(hooks: OrderedDict[int, Hook], handle: RemovableHandle, hook: Hook, prepend: bool) -> None:
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)


class _HookedCall:
    """One call of a module that has hooks."""

    __slots__ = ("args", "called", "kwargs", "module", "result")

    def __init__(self, module: ModuleCalls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.called: set[int] = set()

    def run(self) -> Any:
        try:
            return self._run()
        except Exception:
            self._call_the_always_called()
            raise

    def _run(self) -> Any:
        module = self.module
        # Read before anything runs: hooks that hooks register take part from the next call on.
        pre_backward = [*_everywhere.backward_pre.values(), *module._backward_pre_hooks.values()]
        full: list[Hook] = []
        partial: list[Hook] = []
        for is_full, hooks in (
            (_everywhere.backward_is_full, _everywhere.backward),
            (module._is_full_backward_hook, module._backward_hooks),
        ):
            if is_full is not None:
                (full if is_full else partial).extend(hooks.values())
        self._before_forward()
        border: BackwardHook | None = None
        if full or pre_backward:
            border = BackwardHook(module, full, pre_backward)
            self.args = border.setup_input_hook(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        self._after_forward()
        if border is not None:
            if not isinstance(self.result, (Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                    f"but received {type(self.result)}",
                    stacklevel=4,
                )
            self.result = border.setup_output_hook(self.result)
        if partial:
            last = first_tensor(self.result).grad_fn
            if last is not None:
                for hook in partial:
                    last.register_hook(BoundHook(hook, module))
                warn_if_incomplete(self.args, self.result, last)
        return self.result

    def _before_forward(self) -> None:
        module = self.module
        for key, hook in (*_everywhere.forward_pre.items(), *module._forward_pre_hooks.items()):
            if key in module._forward_pre_hooks_with_kwargs:
                both = hook(module, self.args, self.kwargs)
                if both is None:
                    continue
                if not (isinstance(both, tuple) and len(both) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {both}."
                    )
                self.args, self.kwargs = both
            else:
                new = hook(module, self.args)
                if new is not None:
                    self.args = new if isinstance(new, tuple) else (new,)

    def _after_forward(self) -> None:
        module = self.module
        for key, hook in (*_everywhere.forward.items(), *module._forward_hooks.items()):
            if key in module._forward_hooks_always_called or key in _everywhere.forward_always:
                self.called.add(key)
            self._call_forward_hook(key, hook)

    def _call_forward_hook(self, key: int, hook: Hook) -> None:
        module = self.module
        if key in module._forward_hooks_with_kwargs or key in _everywhere.forward_kwargs:
            new = hook(module, self.args, self.kwargs, self.result)
        else:
            new = hook(module, self.args, self.result)
        if new is not None:
            self.result = new

    def _call_the_always_called(self) -> None:
        """After an exception: the hooks that asked for it and have not had their turn."""
        module = self.module
        for hooks, always, what in (
            (_everywhere.forward, _everywhere.forward_always, "global module forward hook"),
            (module._forward_hooks, module._forward_hooks_always_called, "module forward hook"),
        ):
            for key, hook in hooks.items():
                if key not in always or key in self.called:
                    continue
                try:
                    self._call_forward_hook(key, hook)
                except Exception as error:
                    warnings.warn(
                        f"{what} with ``always_call=True`` raised an exception that was silenced as another "
                        f"error was raised in forward: {error!s}",
                        stacklevel=4,
                    )
