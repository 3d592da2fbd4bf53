"""`torch.ops.aten.NAME.OVERLOAD`: names of operations as objects, for policies."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .table import TABLE, Primitive, emitter

# Functions that have such a name and are neither public functions nor operations.
NAMED: Final[dict[str, Any]] = {}
# What dispatch modes have put around calls of overloads, once there was one.
AROUND: Final[list[Callable[..., Any]]] = []

# Operations whose usual form has a name of its own in PyTorch; the others' is `default`.
_USUAL: Final = {
    **dict.fromkeys(
        (
            "add", "sub", "mul", "div", "remainder", "fmod", "floor_divide", "eq", "ne", "lt", "le",
            "gt", "ge", "bitwise_and", "bitwise_or", "bitwise_xor", "copysign", "xlogy", "clamp", "fill",
        ),
        "Tensor",
    ),
    "where": "self",
    "select": "int",
    "slice": "Tensor",
    "transpose": "int",
    "std": "correction",
    "var": "correction",
    "pow": "Tensor_Scalar",
}  # fmt: skip


class NamedSchema(NamedTuple):
    """What is known of an overload's signature.

    Args:
        name: with the namespace, "aten::add".
        overload_name: "Tensor"; "" for the default.
        is_mutable: whether it writes to its first argument.
    """

    name: str
    overload_name: str
    is_mutable: bool


class OpOverload:
    """One form of an operation; the same object for the same names, and callable.

    Example:
        >>> import cotangent as torch
        >>> torch.ops.aten.mm.default
        <OpOverload(op='aten.mm', overload='default')>
        >>> torch.ops.aten.mm.default(torch.ones(1, 2), torch.ones(2, 1))
        tensor([[2.]])
    """

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.__module__ = "torch._ops.aten"
        self.overloadpacket = packet
        self._overloadname = overload

    def name(self) -> str:
        """The name with its namespace."""
        return f"aten::{self.overloadpacket.__name__}" + (
            "" if self._overloadname == "default" else f".{self._overloadname}"
        )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return AROUND[0](self, args, kwargs) if AROUND else self.run(*args, **kwargs)

    def run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Do what it is for, whatever modes there are."""
        return self.overloadpacket(*args, **kwargs)

    @property
    def _schema(self) -> NamedSchema:
        """Its names, and whether it writes; its arguments are not listed."""
        name = self.overloadpacket.__name__
        form = "" if self._overloadname == "default" else self._overloadname
        return NamedSchema(f"aten::{name}", form, name.endswith("_") and not name.startswith("__"))

    @property
    def namespace(self) -> str:
        """The place of all these names."""
        return "aten"

    @property
    def __name__(self) -> str:
        return f"{self.overloadpacket.__name__}.{self._overloadname}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpOverload) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return f"aten.{self.overloadpacket.__name__}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='aten.{self.overloadpacket.__name__}', overload='{self._overloadname}')>"


class OpOverloadPacket:
    """All forms of an operation.

    Args:
        name: PyTorch's name of the operation.
        entry: the function.
        own: whether it is that function, whatever else has the name.
    """

    def __init__(self, name: str, entry: Any, own: bool = False) -> None:
        self.__name__ = name
        self._entry = entry
        self._own = own

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("__"):
            raise AttributeError(overload)
        made = OpOverload(self, overload)
        setattr(self, overload, made)
        return made

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if "self" in kwargs:
            args = (kwargs.pop("self"), *args)
        entry = self._entry if self._own else NAMED.get(self.__name__, self._entry)
        return entry(*args, **kwargs)

    def __str__(self) -> str:
        return f"aten.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self.__name__}')>"


@functools.cache
def packet(name: str) -> OpOverloadPacket:
    """The operation of a name.

    Args:
        name: PyTorch's name.

    Raises:
        AttributeError: if there is no operation of that name.

    Example:
        >>> from cotangent.ops.overloads import packet
        >>> packet("bmm")
        <OpOverloadPacket(op='aten.bmm')>
    """
    entry = getattr(emitter.package, name, None) or getattr(emitter.package.Tensor, name, None)
    if name not in NAMED and (not callable(entry) or isinstance(entry, type) or name.startswith("__")):
        op = TABLE.get(name) or next((op for op in TABLE.values() if op.public == name), None)
        if op is None:
            raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{name}'")
        entry = op.entry
    return OpOverloadPacket(name, entry)


def overload_of(op: Primitive) -> OpOverload:
    """The name under which a policy meets an operation of the table.

    Args:
        op: the operation.

    Example:
        >>> from cotangent.ops.overloads import overload_of
        >>> from cotangent.ops.table import TABLE
        >>> str(overload_of(TABLE["add"]))
        'aten.add.Tensor'
    """
    found: OpOverload = getattr(packet(op.public), _USUAL.get(op.public, "default"))
    return found
