"""Puts together the namespaces that PyTorch spreads over several modules: `torch.autograd` first of all.

`cotangent.autograd` is the engine's package; its public face includes functions that stand on higher
floors (gradcheck needs tensors), so the names are entered here, from above.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from . import autograd, lazy
from .autograd import absorbing, anomaly, function, graph, modes
from .autograd.api import BATCHED_GRAD, backward, grad
from .autograd.recorded import SavedTensor
from .autograd.variable import Variable
from .ops.table import emitter

# These stand on higher floors and wait for their first use.
_gradcheck: Final[Any] = lazy.deferred("cotangent.autograd.gradcheck")
_functional: Final[Any] = lazy.deferred("cotangent.autograd.functional")
_forward_ad: Final[Any] = lazy.deferred("cotangent.autograd.forward_ad")
_profiler: Final[Any] = lazy.deferred("cotangent.autograd.profiler")
_nan: Final[Any] = lazy.deferred("cotangent.look.nan")
_stepping: Final[Any] = lazy.deferred("cotangent.autograd.stepping")

# Not `deferred`: looking for a module inside a package would run the package.
_gradients: Final[Any] = lazy.module("cotangent.func.gradients")
_transforms: Final[Any] = lazy.module("cotangent.func.transforms")


class _Autograd(ModuleType):
    """`torch.autograd`, where `gradcheck` is a function although a module has the same name.

    The import system binds a module in its package when it loads it; the setter lets that pass by.
    """

    @property
    def gradcheck(self) -> Callable[..., bool]:
        """The function of that name."""
        found: Callable[..., bool] = _gradcheck.gradcheck
        return found

    @gradcheck.setter
    def gradcheck(self, module: ModuleType) -> None:
        pass

    @property
    def gradgradcheck(self) -> Callable[..., bool]:
        """The function of that name."""
        found: Callable[..., bool] = _gradcheck.gradgradcheck
        return found

    @property
    def explain_nan(self) -> Callable[..., Any]:
        """The function of that name."""
        found: Callable[..., Any] = _nan.explain_nan
        return found

    @property
    def steps(self) -> Callable[..., Any]:
        """The function of that name."""
        found: Callable[..., Any] = _stepping.steps
        return found

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), "explain_nan", "gradcheck", "gradgradcheck", "steps"])


# Modules of `torch.autograd` that few programs touch, imported when they are first asked for.
_LATER: Final = frozenset(("_functions", "anomaly_mode", "grad_mode", "profiler_legacy", "profiler_util"))


def _later(name: str) -> ModuleType:
    if name in _LATER:
        return import_module(f"{autograd.__name__}.{name}")
    raise AttributeError(f"module {autograd.__name__!r} has no attribute {name!r}")


def fill_autograd() -> None:
    """Enter the names of `torch.autograd`."""
    names = {
        "Function": function.Function,
        "NestedIOFunction": function.NestedIOFunction,
        "Variable": Variable,
        "backward": backward,
        "grad": grad,
        "no_grad": modes.no_grad,
        "enable_grad": modes.enable_grad,
        "set_grad_enabled": modes.set_grad_enabled,
        "inference_mode": modes.inference_mode,
        "absorbing_zeros": absorbing.absorbing_zeros,
        "detect_anomaly": anomaly.detect_anomaly,
        "set_detect_anomaly": anomaly.set_detect_anomaly,
        "forward_ad": _forward_ad,
        "functional": _functional,
        "profiler": _profiler,
        "graph": graph,
        "function": function,
        "enforce_grad_layout_policy": modes.enforce_grad_layout_policy,
        "set_multithreading_enabled": modes.set_multithreading_enabled,
        "is_multithreading_enabled": modes.is_multithreading_enabled,
        "_force_original_view_tracking": modes._force_original_view_tracking,
        "is_view_replay_enabled": modes.is_view_replay_enabled,
        "__getattr__": _later,
        "SavedTensor": SavedTensor,
        "kineto_available": lambda: False,
        "_profiler_enabled": lambda: bool(_profiler._running),
        "torch": sys.modules[__name__.rpartition(".")[0]],
    }
    for name, value in names.items():
        setattr(autograd, name, value)
    autograd.__class__ = _Autograd
    BATCHED_GRAD.append(_gradients)
    emitter.vjp = lambda function, *primals: _transforms.vjp(function, *primals)
