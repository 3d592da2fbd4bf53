"""Weight normalisation by a hook, the older form."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from ...ops.renorm import norm_except_dim
from ..modules.module import Module
from ..parameter import Parameter
from ._norms import refuse_uninitialized, weight_norm_of

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]

AnyModule = TypeVar("AnyModule", bound=Module)


class WeightNorm:
    """The hook that computes a weight from its norms and its direction before each forward pass.

    Args:
        name: name of the weight.
        dim: the dimension along which each slice has a norm of its own; None for one norm of all.
    """

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """The weight.

        Args:
            module: whose weight it is.
        """
        return weight_norm_of(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Put the hook on a module.

        Args:
            module: the module.
            name: as in the class.
            dim: as in the class.

        Returns:
            The hook.

        Raises:
            RuntimeError: if there is one already.
        """
        warnings.warn(
            "`torch.nn.utils.weight_norm` is deprecated in favor of "
            "`torch.nn.utils.parametrizations.weight_norm`.",
            category=FutureWarning,
            stacklevel=3,
        )
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
        made = WeightNorm(name, dim)
        weight = getattr(module, name)
        refuse_uninitialized(weight, "WeightNorm", "weight")
        del module._parameters[name]
        norms = norm_except_dim(weight, 2, made.dim)
        module.register_parameter(name + "_g", Parameter(norms.data))
        module.register_parameter(name + "_v", Parameter(weight.data))
        setattr(module, name, made.compute_weight(module))
        module.register_forward_pre_hook(made)
        return made

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again.

        Args:
            module: whose weight it is.
        """
        weight = self.compute_weight(module)
        delattr(module, self.name)
        for suffix in ("_g", "_v"):
            del module._parameters[self.name + suffix]
        setattr(module, self.name, Parameter(weight.data))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """Train the norms of a weight apart from its direction; `parametrizations` has the newer form.

    Args:
        module: whose weight it is.
        name: its name.
        dim: the dimension along which each slice has a norm of its own; None for one norm of all.

    Returns:
        The module.

    Source: https://arxiv.org/abs/1602.07868
    """
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Make a weight that `weight_norm` split a parameter again.

    Args:
        module: whose weight it is.
        name: its name.

    Returns:
        The module.

    Raises:
        ValueError: if it was not split.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
