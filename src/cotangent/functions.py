"""Every function of the `torch` namespace, flat: `from ..functions import zeros, matmul`."""

from __future__ import annotations

from typing import Any, Final

from . import conversion, creation, factories, late, new_tensors, random, random_fill, ranges
from .autograd.inplace import in_place
from .methods import FAMILIES, public
from .tensor import Tensor

__all__: list[str] = []
_scope: Final = globals()


def _gather() -> None:
    found: dict[str, Any] = {}
    for module in (creation, factories, ranges, conversion, random):
        found |= {name: vars(module)[name] for name in module.__all__}
    found |= conversion.LEGACY
    found |= public("FUNCTIONS")
    for family in FAMILIES:
        names = vars(family).get("INPLACE_FUNCTIONS", ())
        aliases = {o: n for o, n in vars(family).get("ALIASES", {}).items() if n in names}
        for name, target in [(n, n) for n in names] + list(aliases.items()):
            written = vars(family).get("WRITTEN", {}).get(target, target)
            found[name + "_"] = in_place(vars(family)[written])
    _scope.update(found)
    __all__.extend(found)


for _name in new_tensors.METHODS:
    setattr(Tensor, _name, vars(new_tensors)[_name])
for _name in random_fill.METHODS:
    setattr(Tensor, _name, vars(random_fill)[_name])
_gather()


def __getattr__(name: str) -> Any:
    if name in late.FUNCTIONS:
        found = _scope[name] = late.function(name)
        return found
    raise AttributeError(f"module 'cotangent.functions' has no attribute {name!r}")
