"""The operations: every primitive declared once, composites written over them."""

from typing import Any

from .. import lazy
from .registered import NAMESPACES

# `torch.ops.aten` for programs; it stands on most of the other modules here and waits for its first use.
aten = lazy.module("cotangent.ops.aten")


def __getattr__(name: str) -> Any:
    if name in NAMESPACES:
        return NAMESPACES[name]
    raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
