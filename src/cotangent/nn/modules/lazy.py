"""Modules whose parameters get their sizes from the first input."""

from __future__ import annotations

from typing import Any

from ..parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """To be put in front of a module's class: parameters may be uninitialised until the first call.

    That call runs `initialize_parameters` on the arguments of `forward`; then the module becomes one of the
    class `cls_to_become`, if there is one.

    Args:
        *args: go to the module's class.
        **kwargs: as `args`.

    Example:
        >>> import cotangent as torch
        >>> layer = torch.nn.LazyLinear(3)
        >>> layer
        LazyLinear(in_features=0, out_features=3, bias=True)
        >>> _ = layer(torch.zeros(2, 5))
        >>> layer
        Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        module: Any = self
        self._load_hook = module._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = module.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """As for any module, but uninitialised tensors go in as they are."""
        module: Any = self
        tensors = dict(module._parameters)
        for name, buffer in module._buffers.items():
            if name not in module._non_persistent_buffers_set:
                tensors[name] = buffer
        for name, value in tensors.items():
            if value is not None:
                destination[prefix + name] = value if is_lazy(value) or keep_vars else value.detach()

    def _lazy_load_hook(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Give uninitialised tensors the sizes of those that are about to be loaded."""
        module: Any = self
        for name, value in [*module._parameters.items(), *module._buffers.items()]:
            given = state_dict.get(prefix + name)
            if value is not None and given is not None and is_lazy(value) and not is_lazy(given):
                value.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their sizes, which follow from the arguments of `forward`; to be overridden.

        Args:
            *args: those of `forward`.
            **kwargs: as `args`.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no size yet.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.LazyLinear(3).has_uninitialized_params()
            True
        """
        module: Any = self
        tensors = (*module._parameters.values(), *module._buffers.values())
        return any(is_lazy(value) for value in tensors)

    def _infer_parameters(self, module: Any, args: tuple[Any, ...], kwargs: Any = None) -> None:
        """The hook that runs before the first `forward` and removes itself."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        delattr(module, "_initialize_hook")
        delattr(module, "_load_hook")
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
