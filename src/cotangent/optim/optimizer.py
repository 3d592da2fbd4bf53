"""`Optimizer`: parameter groups, state, hooks, saving and loading; what all optimizers share."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from ..autograd.modes import grad_enabled, set_recording
from ..autograd.node import RemovableHandle
from ..autograd.notes import annotate, recorded_at
from ..autograd.where import here
from ..dtypes import float32
from ..tensor import Tensor
from ..toplevel import typename
from ._authors import (
    _capturable_doc as _capturable_doc,
    _default_to_fused_or_foreach as _default_to_fused_or_foreach,
    _differentiable_doc as _differentiable_doc,
    _foreach_doc as _foreach_doc,
    _fused_doc as _fused_doc,
    _get_scalar_dtype as _get_scalar_dtype,
    _get_value as _get_value,
    _maximize_doc as _maximize_doc,
    _params_doc as _params_doc,
    _stack_if_compiling as _stack_if_compiling,
    _to_scalar as _to_scalar,
    _view_as_real as _view_as_real,
)

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

Hook = Callable[..., Any]

_step_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_step_post_hooks: OrderedDict[int, Hook] = OrderedDict()


class _RequiredParameter:
    """Default of an option that every parameter group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before the step of every optimizer.

    Args:
        hook: may return the pair of args and kwargs to use instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.optimizer import register_optimizer_step_pre_hook
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> with register_optimizer_step_pre_hook(lambda optimizer, args, kwargs: print("step")):
        ...     sgd.step()
        step
    """
    handle = RemovableHandle(_step_pre_hooks)
    _step_pre_hooks[handle.id] = hook
    return handle


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after the step of every optimizer.

    Args:
        hook: the hook.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.optim.optimizer import register_optimizer_step_post_hook
        >>> sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> with register_optimizer_step_post_hook(lambda optimizer, args, kwargs: print("done")):
        ...     sgd.step()
        done
    """
    handle = RemovableHandle(_step_post_hooks)
    _step_post_hooks[handle.id] = hook
    return handle


def use_grad_for_differentiable(step: Callable[..., Any]) -> Callable[..., Any]:
    """Run a step unrecorded, or recorded if the optimizer is differentiable.

    Args:
        step: the method.

    Returns:
        The method under that mode.
    """

    @functools.wraps(step)
    def in_mode(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        before = grad_enabled()
        set_recording(self.defaults["differentiable"])
        try:
            return step(self, *args, **kwargs)
        finally:
            set_recording(before)

    return in_mode


_use_grad_for_differentiable = use_grad_for_differentiable  # the name that authors of optimizers import


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step of a class, between the hooks."""

    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if not (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _step_pre_hooks
            or _step_post_hooks
        ):
            return step(self, *args, **kwargs)
        # PyTorch counts the optimizer itself among the args that hooks see.
        given: tuple[Any, ...] = (self, *args)
        for hook in chain(_step_pre_hooks.values(), self._optimizer_step_pre_hooks.values()):
            result = hook(self, given, kwargs)
            if result is None:
                continue
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError(
                    f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                )
            given, kwargs = result
        out = step(*given, **kwargs)
        for hook in chain(self._optimizer_step_post_hooks.values(), _step_post_hooks.values()):
            hook(self, given, kwargs)
        return out

    hooked.hooked = True  # type: ignore[attr-defined]
    return hooked


class Optimizer:
    """Base class of optimizers.

    Args:
        params: tensors to optimize, or pairs of name and tensor, or dictionaries, each a group with
            `"params"` and options of its own.
        defaults: the options of groups that do not give them.

    Raises:
        TypeError: if `params` is a tensor, a set, or holds something that is no tensor.
        ValueError: if there are no parameters, or they do not fit together.

    Example:
        >>> import cotangent as torch
        >>> w = torch.tensor([1.0], requires_grad=True)
        >>> class Step(torch.optim.Optimizer):
        ...     def step(self, closure=None):
        ...         for group in self.param_groups:
        ...             for p in group["params"]:
        ...                 p.data -= group["lr"] * p.grad
        >>> optimizer = Step([w], {"lr": 0.5})
        >>> w.backward()
        >>> optimizer.step()
        >>> w.detach()
        tensor([0.5000])
    """

    _optimizer_step_pre_hooks: OrderedDict[int, Hook]
    _optimizer_step_post_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook]

    _HOOK_TABLES = (
        "_optimizer_step_pre_hooks",
        "_optimizer_step_post_hooks",
        "_optimizer_state_dict_pre_hooks",
        "_optimizer_state_dict_post_hooks",
        "_optimizer_load_state_dict_pre_hooks",
        "_optimizer_load_state_dict_post_hooks",
    )

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for table in self._HOOK_TABLES:
            setattr(self, table, OrderedDict())
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + typename(params)
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for table in self._HOOK_TABLES:
            self.__dict__.setdefault(table, OrderedDict())
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def _patch_step_function(self) -> None:
        # On the class, when it is first used: a subclass defines `step` and knows nothing of hooks.
        cls = type(self)
        if not getattr(cls.step, "hooked", None):
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            options = "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            text += f"\nParameter Group {i}\n{options}"
        return text + ")"

    # ---------------------------------------------------------------- stepping

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once; each optimizer defines its own.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            The loss, if there is a closure.
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters.

        Args:
            set_to_none: whether to drop the tensors, instead of filling them with zeros.

        Example:
            >>> import cotangent as torch
            >>> w = torch.tensor([1.0], requires_grad=True)
            >>> w.backward()
            >>> torch.optim.SGD([w]).zero_grad()
            >>> w.grad is None
            True
        """
        for group in self.param_groups:
            for parameter in group["params"]:
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

    # ---------------------------------------------------------------- hooks

    def _register(self, table: str, hook: Hook, prepend: bool = False) -> RemovableHandle:
        hooks: OrderedDict[int, Hook] = getattr(self, table)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step.

        Args:
            hook: may return the pair of args and kwargs to use instead.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return self._register("_optimizer_step_pre_hooks", hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step.

        Args:
            hook: the hook.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return self._register("_optimizer_step_post_hooks", hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`.

        Args:
            hook: the hook.
            prepend: whether to run it before the hooks already there.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return self._register("_optimizer_state_dict_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`.

        Args:
            hook: may change the dictionary or return another.
            prepend: whether to run it before the hooks already there.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return self._register("_optimizer_state_dict_post_hooks", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before `load_state_dict`.

        Args:
            hook: may change the dictionary, a shallow copy, or return another.
            prepend: whether to run it before the hooks already there.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return self._register("_optimizer_load_state_dict_pre_hooks", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict`.

        Args:
            hook: the hook.
            prepend: whether to run it before the hooks already there.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return self._register("_optimizer_load_state_dict_post_hooks", hook, prepend)

    # ---------------------------------------------------------------- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """State and options, with parameters replaced by numbers in the order of the groups.

        Returns:
            A dictionary with `"state"` and `"param_groups"`; its tensors are the optimizer's own.

        Example:
            >>> import cotangent as torch
            >>> w = torch.tensor([1.0], requires_grad=True)
            >>> torch.optim.SGD([w], lr=0.1).state_dict()["param_groups"][0]["params"]
            [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        packed_groups = []
        start = 0
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for i, parameter in enumerate(group["params"], start):
                numbers.setdefault(id(parameter), i)
            packed["params"] = [numbers[id(parameter)] for parameter in group["params"]]
            start += len(packed["params"])
            packed_groups.append(packed)
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        result: dict[str, Any] = {"state": state, "param_groups": packed_groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replacement = hook(self, result)
            if replacement is not None:
                result = replacement
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over state and options from a dictionary made by `state_dict`.

        Args:
            state_dict: the dictionary; PyTorch's own fit, too.

        Raises:
            ValueError: if the number of groups or of parameters differs.

        Example:
            >>> import cotangent as torch
            >>> w = torch.tensor([1.0], requires_grad=True)
            >>> optimizer = torch.optim.SGD([w], lr=0.1)
            >>> optimizer.load_state_dict(torch.optim.SGD([w], lr=0.5).state_dict())
            >>> optimizer.param_groups[0]["lr"]
            0.5
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replacement = hook(self, state_dict)
            if replacement is not None:
                state_dict = replacement
        groups = self.param_groups
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(groups, saved_groups)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        parameters: dict[Any, Any] = {}
        policies: dict[Any, dict[str, Any]] = {}
        for group, saved in zip(groups, saved_groups):
            for number, parameter in zip(saved["params"], group["params"]):
                parameters[number] = parameter
                policies[number] = saved
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in parameters:
                state[parameters[key]] = _fit(parameters[key], value, policies[key], None)
            else:
                state[key] = value
        for group, saved in zip(groups, saved_groups):
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ---------------------------------------------------------------- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters.

        Args:
            param_group: `"params"`, and options that differ from the defaults; it is completed in place.

        Raises:
            TypeError: if it is no dictionary, the parameters have no order, or are no tensors.
            ValueError: if a parameter is the result of an operation, is in another group, or only some
                have names.

        Example:
            >>> import cotangent as torch
            >>> a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
            >>> optimizer = torch.optim.SGD([a], lr=0.1)
            >>> optimizer.add_param_group({"params": [b], "lr": 0.01})
            >>> [group["lr"] for group in optimizer.param_groups]
            [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, Tensor):
            given = [given]
        elif isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        elements = list(given)
        names = [element[0] for element in elements if isinstance(element, tuple)]
        params = [element[1] if isinstance(element, tuple) else element for element in elements]
        param_group["params"] = params
        if names:
            if len(names) != len(params):
                raise ValueError(
                    "all optimizer params should be with/without names. Some param names are missing"
                )
            param_group["param_names"] = names
        for parameter in params:
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is " + typename(parameter)
                )
            if not (self.defaults.get("differentiable") or parameter.is_leaf or parameter.retains_grad):
                error = ValueError("can't optimize a non-leaf Tensor")
                annotate(error, "optimizer_nonleaf", recorded=recorded_at(parameter.grad_fn), here=here())
                raise error
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        ids = {id(parameter) for parameter in params}
        if len(ids) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                "an error; see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        named = "param_names" in param_group
        for group in self.param_groups:
            if named != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if named else 'without'} names to the optimizer"
                )
        if any(id(parameter) in ids for group in self.param_groups for parameter in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)


def _fit(parameter: Tensor, value: Any, group: dict[str, Any], key: Any) -> Any:
    """Loaded state in the dtype of its parameter; the step count keeps its own."""
    if isinstance(value, Tensor):
        if key == "step":
            return value.to(float32) if group.get("capturable") or group.get("fused") else value
        return value.to(parameter.dtype) if parameter.is_floating_point() else value
    if isinstance(value, dict):
        return {k: _fit(parameter, v, group, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return type(value)(_fit(parameter, v, group, None) for v in value)  # type: ignore[call-arg]
    return value
