"""The module that `torch.compile(module)` gives back."""

from __future__ import annotations

from typing import Any

from .modules.module import Module

__all__ = ["OptimizedModule"]


class OptimizedModule(Module):
    """Stands for a module whose call is compiled; parameters, attributes and modes are those of the module.

    Args:
        mod: the module.
        compiled: its compiled call.
    """

    _orig_mod: Any

    def __init__(self, mod: Any, compiled: Any) -> None:
        super().__init__()
        self._orig_mod = mod
        object.__setattr__(self, "_compiled", compiled)
        object.__setattr__(self, "training", mod.training)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The compiled call of the module."""
        return self._compiled(*args, **kwargs)

    __call__ = forward

    def train(self, mode: bool = True) -> OptimizedModule:
        """Set the mode of the module, and of what stands for it."""
        super().train(mode)
        return self

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_orig_mod" or "_orig_mod" not in self.__dict__.get("_modules", {}) or name == "training":
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)
