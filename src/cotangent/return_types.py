"""torch.return_types: the classes of results whose parts have names."""

from __future__ import annotations

from typing import Any

from . import functions, late, lazy
from .ops.results import CLASSES, PLAIN, class_of

linalg: Any = lazy.module("cotangent.linalg")


def __getattr__(name: str) -> Any:
    """The class of the results of the function of that name (`linalg_qr` is that of `torch.linalg.qr`)."""
    if name in PLAIN:
        return class_of(name)
    if name not in CLASSES:  # its family has not been loaded yet
        if name.startswith("linalg_"):
            getattr(linalg, name.removeprefix("linalg_"), None)
        elif name in late.FUNCTIONS:
            late.function(name)
        else:
            getattr(functions, name, None)
    if name not in CLASSES:
        raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
    return CLASSES[name]
