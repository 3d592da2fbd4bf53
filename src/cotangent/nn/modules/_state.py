"""Saving a module's parameters and buffers as a dictionary, and loading them back."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...autograd.modes import no_grad
from ...autograd.node import RemovableHandle
from ...config import settings
from ...tensor import Tensor
from ...utils.swapping import swap_tensors
from ..parameter import Parameter, is_lazy
from ._legacy_hooks import BoundHook
from ._members import ModuleMembers, tensor_like

Hook = Callable[..., Any]

_LEFT_BEHIND = (
    "for {}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, "
    "which is a no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary to their "
    "corresponding key in the module instead of copying them in place?)"
)
_EXTRA_STATE_KEY_SUFFIX = "_extra_state"

_NEVER_CALLED = (
    "Reached a code path in Module.{}() that should never be called. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug."
)


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found missing in the dictionary, and what it could not place."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class _IncompatibleKeys(IncompatibleKeys):
    """The same with a short printed form when all is well."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateDict(OrderedDict[str, Any]):
    """A plain ordered dictionary that can carry `_metadata`, the versions of the modules it is from."""

    _metadata: Any


class ModuleState(ModuleMembers):
    """The part of `Module` that saves and loads."""

    # Saved in the metadata; a module that changes what it saves counts it up and converts on load.
    _version: int = 1
    _state_dict_hooks: OrderedDict[int, Hook]
    _state_dict_pre_hooks: OrderedDict[int, Hook]
    _load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _load_state_dict_post_hooks: OrderedDict[int, Hook]

    def get_extra_state(self) -> Any:
        """To be overridden, with `set_extra_state`, by a module that saves more than tensors.

        Returns:
            What is saved under the key `_extra_state`; it should be picklable.

        Raises:
            RuntimeError: always, as this one is only a place to override.
        """
        raise RuntimeError(_NEVER_CALLED.format("get_extra_state"))

    def set_extra_state(self, state: Any) -> None:
        """To be overridden, with `get_extra_state`, by a module that saves more than tensors.

        Args:
            state: what `get_extra_state` returned when the module was saved.

        Raises:
            RuntimeError: always, as this one is only a place to override.
        """
        raise RuntimeError(_NEVER_CALLED.format("set_extra_state"))

    # ---------------------------------------------------------------- saving

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        """As `register_state_dict_post_hook`, but the hook may return another dictionary."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via register_state_dict_post_hook"
            )
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after `state_dict` was filled.

        Args:
            hook: may change the dictionary in place; must return None.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Linear(1, 1)
            >>> handle = net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.clear())
            >>> net.state_dict()
            OrderedDict()
        """
        hook._from_public_api = True  # type: ignore[attr-defined]
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` is filled.

        Args:
            hook: may change the module.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Linear(1, 1)
            >>> handle = net.register_state_dict_pre_hook(lambda m, prefix, keep_vars: print("saving"))
            >>> list(net.state_dict())
            saving
            ['weight', 'bias']
        """
        handle = RemovableHandle(self._state_dict_pre_hooks)
        self._state_dict_pre_hooks[handle.id] = hook
        return handle

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Save this module's own members, not those of its submodules."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if _overrides(self, "get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by dotted name; they share memory with the module.

        Args:
            *args: the three others by position; deprecated.
            destination: a dictionary to fill, instead of a new one.
            prefix: put before every name.
            keep_vars: whether to give the parameters themselves, not detached from the graph.

        Returns:
            The dictionary.

        Example:
            >>> import cotangent as torch
            >>> list(torch.nn.Sequential(torch.nn.Linear(1, 1)).state_dict())
            ['0.weight', '0.bias']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict "
                "for details.",
                FutureWarning,
                stacklevel=2,
            )
            destination = args[0] if destination is None else destination
            if len(args) > 1 and prefix == "":
                prefix = args[1]
            if len(args) > 2 and keep_vars is False:
                keep_vars = args[2]
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            replacement = hook(self, destination, prefix, local_metadata)
            if replacement is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = replacement
        return destination

    # ---------------------------------------------------------------- loading

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> RemovableHandle:
        """As the public one; the module is the first argument only if asked for."""
        handle = RemovableHandle(self._load_state_dict_pre_hooks)
        self._load_state_dict_pre_hooks[handle.id] = BoundHook(hook, self if with_module else None)
        return handle

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call a hook before this module's part of a dictionary is loaded.

        Args:
            hook: called as `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
                unexpected_keys, error_msgs)`; may change the dictionary and the lists.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Linear(1, 1)
            >>> handle = net.register_load_state_dict_pre_hook(lambda module, state, *rest: print(len(state)))
            >>> net.load_state_dict(net.state_dict())
            2
            <All keys matched successfully>
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after this module was loaded.

        Args:
            hook: may change the two lists in place; must return None.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Linear(1, 1)
            >>> handle = net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
            >>> net.load_state_dict({})
            <All keys matched successfully>
        """
        handle = RemovableHandle(self._load_state_dict_post_hooks)
        self._load_state_dict_post_hooks[handle.id] = hook
        return handle

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own members, not those of its submodules."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        members: dict[str, Any] = {name: p for name, p in self._parameters.items() if p is not None}
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                members[name] = buffer
        for name, member in members.items():
            key = prefix + name
            if key in state_dict:
                self._load_member(name, member, key, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if _overrides(self, "set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)

        if strict:
            for key in state_dict:
                if not key.startswith(prefix) or key == extra_key:
                    continue
                name, dot, _ = key[len(prefix) :].partition(".")
                # A dotted rest belongs to a submodule, which will look at it itself.
                if name not in (self._modules if dot else members):
                    unexpected_keys.append(key)

    def _load_member(
        self, name: str, member: Tensor, key: str, value: Any, assign: bool, error_msgs: list[str]
    ) -> None:
        if not tensor_like(value):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object '
                f"from checkpoint but received {type(value)}"
            )
            return
        if is_lazy(member):
            if not is_lazy(value):
                error_msgs.append(f'the parameter "{key}" has no size yet')
            return
        if len(member.shape) == 0 and len(value.shape) == 1 and value.shape[0] == 1:
            # Files of early versions hold one-element tensors where scalars are now.
            value = value[0]
        if value.shape != member.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {member.shape}."
            )
            return
        try:
            if member.is_meta and not value.is_meta and not assign:
                warnings.warn(_LEFT_BEHIND.format(key), stacklevel=2)
            with no_grad():
                if settings.swap_params:
                    _swap_in(member, value, assign)
                    return
                if not assign:
                    member.copy_(value)
                    return
                if isinstance(member, Parameter):
                    if isinstance(value, Parameter):
                        value.requires_grad_(member.requires_grad)
                    else:
                        value = Parameter(value, requires_grad=member.requires_grad)
                setattr(self, name, value)
        except Exception as error:
            action = "swapping" if settings.swap_params else "copying"
            error_msgs.append(
                f'While {action} the parameter named "{key}", whose dimensions in the model are '
                f"{member.size()} and whose dimensions in the checkpoint are {value.size()}, "
                f"an exception occurred : {error.args}."
            )

    def _load_part(
        self, part: Any, prefix: str, metadata: Any, assign: bool, found: tuple[list[str], ...]
    ) -> None:
        """Load this module's entries, then those of the modules below; `found` collects what is wrong.

        No function within `load_state_dict`: such a one would refer to itself, and keep tensors alive.
        """
        local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
        if assign:
            local_metadata["assign_to_params_buffers"] = assign
        # Always strict: what is missing is reported to the caller even if it is no error.
        self._load_from_state_dict(part, prefix, local_metadata, True, *found)
        for name, child in self._modules.items():
            if child is not None:
                lead = f"{prefix}{name}."
                below = {k: v for k, v in part.items() if k.startswith(lead)}
                child._load_part(below, lead, metadata, assign, found)
        keys = _IncompatibleKeys(*found[:2])
        for hook in self._load_state_dict_post_hooks.values():
            if hook(self, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                    "return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Take over parameters and buffers from a dictionary made by `state_dict`.

        Args:
            state_dict: tensors by dotted name.
            strict: whether missing and unexpected names are errors.
            assign: whether to put the dictionary's tensors in place of the module's own, instead of
                copying the values.

        Returns:
            The pair `(missing_keys, unexpected_keys)`.

        Raises:
            RuntimeError: listing everything that did not fit.
            TypeError: if `state_dict` is not a mapping.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Linear(1, 1)
            >>> net.load_state_dict(torch.nn.Linear(1, 1).state_dict())
            <All keys matched successfully>
            >>> net.load_state_dict({"weight": torch.zeros(1, 1)}, strict=False)
            _IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing_keys: list[str] = []
        unexpected_keys: list[str] = []
        error_msgs: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        # A copy, which hooks may change.
        local = StateDict(state_dict)
        if metadata is not None:
            local._metadata = metadata

        self._load_part(local, "", metadata, assign, (missing_keys, unexpected_keys, error_msgs))
        if strict:
            for keys, what in ((unexpected_keys, "Unexpected"), (missing_keys, "Missing")):
                if keys:
                    listed = ", ".join(f'"{key}"' for key in keys)
                    error_msgs.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if error_msgs:
            listed = "\n\t".join(error_msgs)
            raise RuntimeError(f"Error(s) in loading state_dict for {self._get_name()}:\n\t{listed}")
        return _IncompatibleKeys(missing_keys, unexpected_keys)


def _overrides(module: ModuleState, method: str) -> bool:
    return getattr(type(module), method) is not getattr(ModuleState, method)


def _swap_in(member: Any, value: Any, assign: bool) -> None:
    """Let a parameter or buffer become what it makes of the value that is loaded."""
    made = member.module_load(value, assign=assign)
    if made is value or made is member:
        raise RuntimeError(
            "module_load returned one of self or other, please .detach() the result if returning one of the "
            "inputs in module_load"
        )
    if isinstance(member, Parameter):
        if isinstance(made, Parameter):
            made.requires_grad_(member.requires_grad)
        else:
            made = Parameter(made, requires_grad=member.requires_grad)
    swap_tensors(member, made)
