"""`torch.nn.functional`: the functions behind the modules, flat.

Functions that PyTorch also offers elsewhere, or that need no more than the table's operations, come from
`ops/`; those that take `inplace`, `reduction` or the older flags are defined in this package by family.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from types import ModuleType
from typing import Any, Final

from ... import lazy as _lazy
from ...autograd.base import world
from ...methods import public
from ...ops import embedding as _embedding_ops, normalize as _normalize_ops, padding as _padding_ops
from . import (
    _activation,
    _adaptive,
    _attention,
    _averages,
    _classes,
    _conv,
    _distance,
    _dropout,
    _embedding,
    _embedding_bag,
    _interpolate,
    _linear_loss,
    _loss,
    _margin,
    _norm,
    _pooling,
    _sequence_loss,
    _triplet,
    _unpooling,
    _vision,
)

__all__: list[str] = []
_scope: Final = globals()
_DEFINED_HERE: Final[tuple[ModuleType, ...]] = (
    _activation, _adaptive, _attention, _averages, _classes, _conv, _distance, _dropout, _embedding,
    _embedding_bag, _interpolate, _linear_loss, _loss, _margin, _norm, _pooling, _sequence_loss,
    _triplet, _unpooling, _vision,
)  # fmt: skip


def _gather() -> None:
    found = public("FUNCTIONAL") | {
        "layer_norm": _normalize_ops.layer_norm,
        "one_hot": _embedding_ops.one_hot,
        "pad": _padding_ops.pad,
    }
    for module in _DEFINED_HERE:
        found |= {name: vars(module)[name] for name in module.__all__}
    _scope.update(found)
    __all__.extend(found)


_gather()


_rare: Final[Any] = _lazy.module("cotangent.nn.functional._grouped")
_RARE: Final = frozenset(
    (
        "_pair", "_single", "_triple", "BroadcastingList1", "BroadcastingList2", "BroadcastingList3",
        "Callable", "DType", "Optional",
        "ScalingType", "SwizzleType", "TYPE_CHECKING", "Tensor", "assert_int_or_pair", "boolean_dispatch",
        "grouped_mm", "reproducibility_notes", "scaled_grouped_mm", "scaled_mm", "sparse_support_notes",
        "tf32_notes",
    )
)  # fmt: skip
# Names of `torch.overrides` that programs find here, too.
_OF_OVERRIDES: Final = frozenset(
    (
        "handle_torch_function", "has_torch_function", "has_torch_function_unary",
        "has_torch_function_variadic",
    )
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _RARE:
        return getattr(_rare, name)
    if name == "grad":
        return _import_module("cotangent.nn.grad")
    if name in _OF_OVERRIDES:
        return getattr(world.overrides, name)
    raise AttributeError(f"module 'torch.nn.functional' has no attribute '{name}'")
