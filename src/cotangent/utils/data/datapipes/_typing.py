"""The types of what pipes give: `IterDataPipe[int]` is a class whose `type` tells."""

from __future__ import annotations

import collections.abc
import types
from typing import Any, TypeVar, Union, get_args, get_origin

__all__ = ["DataType", "TypedMeta"]


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of which a hint is a union; a type variable is what it is bound to."""
    if isinstance(hint, TypeVar):
        if hint.__constraints__:
            return hint.__constraints__
        return (Any,) if hint.__bound__ is None else _alternatives(hint.__bound__)
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(part for each in get_args(hint) for part in _alternatives(each))
    return (type(None),) if hint is None else (hint,)


def issubtype(left: Any, right: Any) -> bool:
    """Whether everything of one type is of the other.

    Args:
        left: a class or a hint.
        right: as well.
    """
    return all(
        any(_one_issubtype(mine, wanted) for wanted in _alternatives(right)) for mine in _alternatives(left)
    )


def _one_issubtype(left: Any, right: Any) -> bool:
    if right is Any or right is object:
        return True
    if left is Any:
        return False
    plain_left, plain_right = get_origin(left) or left, get_origin(right) or right
    if not (isinstance(plain_left, type) and isinstance(plain_right, type)):
        return bool(left == right)
    if not issubclass(plain_left, plain_right):
        return False
    wanted = get_args(right)
    mine = get_args(left)
    if not wanted or all(each is Any for each in wanted):
        return True
    if not mine:
        return all(each is Any or isinstance(each, TypeVar) for each in wanted)
    if plain_right is tuple:
        if wanted[-1] is Ellipsis:
            return all(issubtype(each, wanted[0]) for each in mine if each is not Ellipsis)
        if mine[-1] is Ellipsis:
            return False
    return len(mine) == len(wanted) and all(issubtype(a, b) for a, b in zip(mine, wanted))


def isinstance_of(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, looking into containers.

    Args:
        value: anything.
        hint: a class or a hint.
    """
    return any(_is_one(value, wanted) for wanted in _alternatives(hint))


def _is_one(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    plain: Any = get_origin(hint) or hint
    inner = get_args(hint)
    if not isinstance(plain, type) or not issubclass(type(value), plain):
        return False
    if not inner:
        return True
    if plain is tuple:
        if inner[-1] is Ellipsis:
            return all(isinstance_of(each, inner[0]) for each in value)
        return len(value) == len(inner) and all(isinstance_of(v, t) for v, t in zip(value, inner))
    if issubclass(plain, collections.abc.Mapping):
        return all(isinstance_of(k, inner[0]) and isinstance_of(v, inner[1]) for k, v in value.items())
    if issubclass(plain, (collections.abc.Sequence, collections.abc.Set)):
        return all(isinstance_of(each, inner[0]) for each in value)
    return True


class DataType:
    """What a pipe gives.

    Args:
        param: a class or a hint.
    """

    def __init__(self, param: Any) -> None:
        self.param = param

    def __repr__(self) -> str:
        param = self.param
        return getattr(param, "__name__", None) or str(param).removeprefix("typing.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DataType):
            return NotImplemented
        return issubtype(self.param, other.param) and issubtype(other.param, self.param)

    def __hash__(self) -> int:
        return hash(self.param)

    def issubtype(self, other: Any) -> bool:
        """Whether everything of this type is of the other.

        Args:
            other: a DataType, a class or a hint.
        """
        return issubtype(self.param, other.param if isinstance(other, DataType) else other)

    def issubtype_of_instance(self, other: Any) -> bool:
        """Whether a value is of this type.

        Args:
            other: the value.
        """
        return isinstance_of(other, self.param)


class TypedMeta(type):
    """Classes of pipes: `Pipe[int]` is a subclass that gives ints."""

    type: DataType

    def __getitem__(cls, param: Any) -> TypedMeta:
        if isinstance(param, tuple):
            raise TypeError("Too many parameters for a pipe of data, expected 1")
        if isinstance(param, TypeVar):
            return cls
        if cls.type != DataType(Any) and not issubtype(param, cls.type.param):
            raise TypeError(f"Can not subclass a DataPipe[{cls.type}] from DataPipe[{param}]")
        return TypedMeta(
            cls.__name__,
            (cls,),
            {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "type": DataType(param)},
        )
