"""Names for the values of a graph, each used once and none that Python has already."""

from __future__ import annotations

import builtins
import keyword
import math
import re
from typing import Any, Final, NamedTuple

from ..size import device
from ..utils import _pytree as trees
from . import _pytree as fx_trees
from ._names import package

__all__ = ["CUSTOM_BUILTINS", "Namespace", "snake_case"]


class CustomBuiltin(NamedTuple):
    """A name that every generated program may use, and how a file of its own gets it."""

    import_str: str
    obj: Any


CUSTOM_BUILTINS: Final[dict[str, CustomBuiltin]] = {
    "inf": CustomBuiltin("from math import inf", math.inf),
    "nan": CustomBuiltin("from math import nan", math.nan),
    "NoneType": CustomBuiltin("NoneType = type(None)", type(None)),
    "torch": CustomBuiltin("import torch", package),
    "device": CustomBuiltin("from torch import device", device),
    "fx_pytree": CustomBuiltin("import torch.fx._pytree as fx_pytree", fx_trees),
    "pytree": CustomBuiltin("import torch.utils._pytree as pytree", trees),
}
_TAKEN: Final[dict[str, Any]] = {
    **{name: object() for name in keyword.kwlist},
    **vars(builtins),
    **{name: known.obj for name, known in CUSTOM_BUILTINS.items()},
}

_HUMP: Final = re.compile("(?<=[a-z])([A-Z])")
_NO_NAME: Final = re.compile("[^0-9a-zA-Z_]+")
_NUMBERED: Final = re.compile(r"([a-zA-Z_][0-9a-zA-Z_]*?)(?:_(\d+))?")


def snake_case(s: str) -> str:
    """A name with underscores in the place of humps.

    Args:
        s: the name.

    Example:
        >>> from cotangent.fx._namespace import snake_case
        >>> snake_case("TensorPair")
        'tensor_pair'
    """
    return _HUMP.sub(r"_\1", s).lower()


class Namespace:
    """Names of objects, each once.

    Example:
        >>> from cotangent.fx._namespace import Namespace
        >>> space = Namespace()
        >>> space.create_name("add", None), space.create_name("add", None), space.create_name("max", None)
        ('add', 'add_1', 'max_1')
    """

    def __init__(self) -> None:
        self._obj_to_name: dict[Any, str] = {}
        self._used_names: set[str] = set()
        self._base_count: dict[str, int] = {}

    def create_name(self, candidate: str, obj: Any) -> str:
        """A name like `candidate` that nothing has yet.

        Args:
            candidate: the wish.
            obj: what it is for; asked for again, it has the same name. None: nothing.
        """
        if obj is not None and obj in self._obj_to_name:
            return self._obj_to_name[obj]
        parts = _NUMBERED.fullmatch(candidate)
        if parts is None:
            candidate = _NO_NAME.sub("_", candidate) or "_unnamed"
            if candidate[0].isdigit():
                candidate = f"_{candidate}"
            parts = _NUMBERED.fullmatch(candidate)
            assert parts is not None
        base, written = parts.groups()
        if written is None or candidate in self._used_names:
            number = self._base_count.get(base, 0)
            if _TAKEN.get(candidate, obj) is not obj:
                number += 1
                candidate = f"{base}_{number}"
        else:
            number = int(written)
        while candidate in self._used_names:
            number += 1
            candidate = f"{base}_{number}"
        self._used_names.add(candidate)
        self._base_count[base] = number
        if obj is not None:
            self._obj_to_name[obj] = candidate
        return candidate

    def associate_name_with_obj(self, name: str, obj: Any) -> None:
        """Note that an object has a name.

        Args:
            name: the name.
            obj: the object.
        """
        if self._obj_to_name.setdefault(obj, name) is not name:
            raise AssertionError("obj is already associated")

    def _rename_object(self, obj: Any, name: str) -> None:
        if obj not in self._obj_to_name:
            raise AssertionError(f"Object {obj} is not in _obj_to_name")
        self._obj_to_name[obj] = name
        self._used_names.add(name)
