"""Handles of registered hooks, and the pair of autograd hooks behind a module's backward hooks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from ..autograd.function import Function
from ..autograd.modes import grad_enabled
from ..autograd.node import RemovableHandle
from ..tensor import Tensor

__all__ = ["BackwardHook", "RemovableHandle", "unserializable_hook"]


class BackwardHookFunction(Function):
    """Identity whose node marks the border of a module in the graph."""

    @staticmethod
    def forward(ctx: Any, *args: Tensor) -> tuple[Tensor, ...]:
        ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
        return args

    @staticmethod
    def backward(ctx: Any, *args: Tensor | None) -> tuple[Tensor | None, ...]:
        return args


class _Border:
    """The tensors among the values that cross one side of a module, and where they stand."""

    __slots__ = ("count", "places")

    def __init__(self, count: int, places: list[int] | None) -> None:
        self.count = count
        self.places = places

    def spread(self, gradients: Iterable[Any]) -> tuple[Any, ...]:
        """Gradients of the tensors, at the tensors' places, with None for what is no tensor."""
        spread: list[Any] = [None] * self.count
        for place, gradient in zip(self.places or (), gradients, strict=True):
            spread[place] = gradient
        return tuple(spread)

    def gather(self, gradients: Any) -> tuple[Any, ...]:
        """The inverse of `spread`."""
        return tuple(gradients[place] for place in self.places or ())


class BackwardHook:
    """Runs a module's backward pre-hooks and full backward hooks during the backward pass of one call.

    The inputs and the outputs of the call each pass through an identity node. The output's node
    remembers grad_output when it runs; the input's node then has grad_input, and calls the hooks.

    Args:
        module: given to the hooks as first argument.
        user_hooks: hooks `(module, grad_input, grad_output) -> grad_input or None`.
        user_pre_hooks: hooks `(module, grad_output) -> grad_output or None`.
    """

    def __init__(self, module: Any, user_hooks: list[Any], user_pre_hooks: list[Any]) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: Any = None
        self._inputs = _Border(-1, None)
        self._outputs = _Border(-1, None)

    def setup_input_hook(self, args: tuple[Any, ...]) -> Any:
        """Pass the call's arguments through the input border.

        Args:
            args: the positional arguments of the call.

        Returns:
            The arguments to call `forward` with.
        """
        passed, places = _pass_through(args, self._at_input)
        self._inputs = _Border(len(args), places)
        return passed

    def setup_output_hook(self, args: Any) -> Any:
        """Pass the call's result through the output border.

        Args:
            args: a tensor or a tuple.

        Returns:
            The result to give to the caller.
        """
        outputs = args if isinstance(args, tuple) else (args,)
        passed, places = _pass_through(outputs, self._at_output)
        self._outputs = _Border(len(outputs), places)
        return passed if isinstance(args, tuple) else passed[0]

    def _at_input(self, grad_input: tuple[Any, ...], _: Any) -> tuple[Any, ...] | None:
        if self.grad_outputs is None:
            # Only a part of the graph behind the outputs was asked for: there is nothing to report.
            return None
        gradients: Any = self._inputs.spread(grad_input)
        for hook in self.user_hooks:
            replaced = hook(self.module, gradients, self.grad_outputs)
            if replaced is None:
                continue
            if len(replaced) != len(gradients):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(replaced)}, but expected {len(gradients)}"
                )
            gradients = replaced
        self.grad_outputs = None
        return self._inputs.gather(gradients)

    def _at_output(self, _: Any, grad_output: tuple[Any, ...]) -> tuple[Any, ...]:
        gradients: Any = self._outputs.spread(grad_output)
        expected = len(gradients)
        for hook in self.user_pre_hooks:
            replaced = hook(self.module, gradients)
            if replaced is None:
                continue
            if len(replaced) != expected:
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(replaced)}, but expected {expected}"
                )
            gradients = replaced
        self.grad_outputs = gradients
        if self._inputs.places is None:
            self._report_without_inputs()
        return self._outputs.gather(gradients)

    def _report_without_inputs(self) -> None:
        """No input takes part in the graph, so there is no input border to call the hooks from."""
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since "
            "no inputs require gradients. See "
            "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook "
            "for more details.",
            stacklevel=5,
        )
        nothing = (None,) * self._inputs.count
        for hook in self.user_hooks:
            answer = hook(self.module, nothing, self.grad_outputs)
            if answer is not None and not (isinstance(answer, tuple) and all(g is None for g in answer)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None "
                    "or None for all gradients."
                )
        self.grad_outputs = None


def _pass_through(args: Any, hook: Callable[..., Any]) -> tuple[Any, list[int] | None]:
    """Send the tensors among `args` through one identity node that carries `hook`."""
    places = [place for place, arg in enumerate(args) if isinstance(arg, Tensor)]
    if not (grad_enabled() and any(args[place].requires_grad for place in places)):
        return args, None
    passed = BackwardHookFunction.apply(*(args[place] for place in places))
    border = next((t.grad_fn for t in passed if t.grad_fn is not None), None)
    if border is None:
        raise RuntimeError(
            "Error while setting up backward hooks. Please open an issue with a code sample "
            "to reproduce this."
        )
    border.register_hook(hook)
    replaced = list(args)
    for place, tensor in zip(places, passed, strict=True):
        replaced[place] = tensor
    # A named tuple keeps its type.
    return (tuple(replaced) if type(args) is tuple else type(args)(*replaced)), places


def unserializable_hook(f: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a hook that need not be saved with its tensor, so that saving does not warn of it.

    Args:
        f: the hook.

    Returns:
        the hook.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.hooks.unserializable_hook(lambda grad: grad).__torch_unserializable__
        True
    """
    f.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return f
