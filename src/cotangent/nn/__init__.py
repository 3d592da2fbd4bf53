"""Neural networks: modules, parameters, losses, first values: `torch.nn`."""

from importlib import import_module as _import_module
from typing import Any as _Any

from . import attention, functional, init, modules, parameter, utils
from ._factory import factory_kwargs
from .modules import *  # noqa: F403  # its list of names is the one list
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "factory_kwargs",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]
__all__ += modules.__all__


def __getattr__(name: str) -> _Any:
    """Modules that most programs never need, such as those for several processes."""
    if name in ("common_types", "grad", "parallel"):
        return _import_module(f"cotangent.nn.{name}")
    if name == "DataParallel":
        return _import_module("cotangent.nn.parallel").DataParallel
    raise AttributeError(f"module 'cotangent.nn' has no attribute {name!r}")
