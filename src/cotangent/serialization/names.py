"""The names by which pickles call things: PyTorch's, in both directions.

A class of cotangent is written into files under the name it has in PyTorch, so that PyTorch can read
them; a PyTorch name in a file is looked up here.
"""

from __future__ import annotations

import importlib
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from .. import dtypes
from ..nn.parameter import _rebuild_parameter, _rebuild_parameter_with_state
from ..size import Size, device, layout, memory_format
from ..storage import CLASSES, TypedStorage, UntypedStorage
from ..tensor import Tensor
from . import rebuild

HOME: Final = __package__.partition(".")[0]

# Modules that PyTorch does not divide as finely.
_MOVED: Final = {
    "nn.modules._margin_losses": "nn.modules.loss",
    "nn.modules._loss_base": "nn.modules.loss",
    "nn.modules._softmax": "nn.modules.activation",
    "nn.modules.attention": "nn.modules.activation",
    "nn.modules._sequence_losses": "nn.modules.loss",
    "nn.modules.parameter_container": "nn.modules.container",
    "optim.lr_scheduler": "optim.lr_scheduler",
    "optim.adafactor": "optim",
    "optim.muon": "optim",
    "nn.functional._linear_loss": "nn.modules.linear_cross_entropy_options",
}

# What pickles name and what stands for it here.
_REBUILDERS: Final[dict[tuple[str, str], Any]] = {
    ("torch._utils", "_rebuild_tensor"): rebuild.rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild.rebuild_tensor_v2,
    ("torch._utils", "_rebuild_tensor_v3"): rebuild.rebuild_tensor_v3,
    ("torch._utils", "_rebuild_sparse_tensor"): rebuild.rebuild_sparse_tensor,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): rebuild.rebuild_meta_tensor,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): rebuild.rebuild_from_numpy,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter_with_state,
    ("torch._tensor", "_rebuild_from_type_v2"): rebuild.rebuild_from_type_v2,
    ("torch.serialization", "_get_layout"): rebuild.layout_of,
}
_CLASSES: Final[dict[tuple[str, str], Any]] = {
    ("torch", "Tensor"): Tensor,
    ("torch", "Size"): Size,
    ("torch", "device"): device,
    ("torch.storage", "UntypedStorage"): UntypedStorage,
    ("torch.storage", "TypedStorage"): TypedStorage,
    **{("torch", name): kind for name, kind in CLASSES.items()},
}
_CONSTANTS: Final = {("torch", d.name): d for d in dtypes.ALL}

KNOWN: Final = _REBUILDERS | _CLASSES | _CONSTANTS
_WRITTEN: Final = {id(value): name for name, value in (_REBUILDERS | _CLASSES).items()}


def written_name(obj: Any, name: str | None = None) -> tuple[str, str] | None:
    """The module and name that a file calls `obj` by.

    Args:
        obj: a class, function or constant.
        name: the name it gives itself when pickled.

    Returns:
        PyTorch's name of what belongs to this package, None for anything else.
    """
    found = _WRITTEN.get(id(obj))
    if found is not None:
        return found
    if isinstance(obj, (dtypes.dtype, layout, memory_format)):
        return "torch", str(name)
    if not isinstance(obj, (type, FunctionType, BuiltinFunctionType)):
        return None
    module = str(obj.__module__)
    if module == HOME:
        return "torch", obj.__qualname__
    if not module.startswith(HOME + "."):
        return None
    inner = module[len(HOME) + 1 :]
    for ours, theirs in _MOVED.items():
        if inner == ours or inner.startswith(ours + "."):
            inner = theirs
    return f"torch.{inner}", obj.__qualname__


def is_torch(module: str) -> bool:
    """Whether a name in that module is PyTorch's."""
    return module == "torch" or module.startswith("torch.")


def find(module: str, name: str) -> Any:
    """What one of PyTorch's names in a file stands for.

    Args:
        module: the module a pickle names.
        name: the name in it.

    Returns:
        the object here.

    Raises:
        AttributeError: if cotangent has no such thing.
    """
    found = KNOWN.get((module, name))
    if found is not None:
        return found
    path = HOME + module[len("torch") :]
    while True:
        try:
            return _attribute(importlib.import_module(path), name)
        except (AttributeError, ModuleNotFoundError):
            # A package here names whatever its modules hold, however it is divided.
            path = path.rpartition(".")[0]
            if not path:
                raise AttributeError(
                    f"the file names {module}.{name}, which cotangent does not have (yet)"
                ) from None


def _attribute(scope: Any, name: str) -> Any:
    for part in name.split("."):
        scope = getattr(scope, part)
    return scope
