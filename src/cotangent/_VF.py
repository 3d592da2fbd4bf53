"""`torch._VF`: the functions of `torch`, from where recurrent layers by hand take them."""

from __future__ import annotations

from typing import Any

import cotangent


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'torch._VF' has no attribute {name!r}")
    return getattr(cotangent, name)
