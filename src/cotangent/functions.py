"""Every function of the `torch` namespace, flat: `from ..functions import zeros, matmul`."""

from __future__ import annotations

from typing import Any, Final

from . import creation
from .autograd.inplace import in_place
from .methods import FAMILIES, public

__all__: list[str] = []
_scope: Final = globals()


def _gather() -> None:
    found: dict[str, Any] = {name: vars(creation)[name] for name in creation.__all__}
    found |= public("FUNCTIONS")
    for family in FAMILIES:
        for name in vars(family).get("INPLACE_FUNCTIONS", ()):
            found[name + "_"] = in_place(vars(family)[name])
    _scope.update(found)
    __all__.extend(found)


_gather()


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'cotangent.functions' has no attribute {name!r}")
