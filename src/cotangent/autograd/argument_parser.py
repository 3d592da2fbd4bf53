"""What PyTorch says of arguments that none of a function's signatures takes.

Functions here look at their arguments one by one, where they use them. PyTorch matches all of them with a
function's signatures before it does anything, and what it complains of depends on how many there are and on
where the first misfit stands. So when a function has found an argument that it does not take, the whole call
is matched here with PyTorch's signatures (`signatures.txt`, by tools/record_signatures.py). Nothing of this
is loaded before the first mistake. The order of the checks is that of PyTorch's `PythonArgParser`
(torch/csrc/utils/python_arg_parser.cpp), the form of its lists that of invalid_arguments.cpp there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import numpy as np

from ..dtypes import dtype
from ..errors import type_name
from ..size import device, layout, memory_format
from .base import TensorBase

_PARAMETER: Final = re.compile(r"(.+?)(?:\[(\d+)\])?(\?)? (\w+)(?: = (.*))?")
# Functions that take numbers for tensors.
_NUMBERS: Final = frozenset(
    ("add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "floor_divide", "copy")
)


class Misfit(Exception):
    """A signature does not take the arguments; the text says why."""


class Odd(Misfit):
    """A list holds what is no tensor: nothing else is tried."""


class Parameter(NamedTuple):
    """One parameter of a signature."""

    name: str
    kind: str
    size: int  # of a tuple for which one int serves, too; 0 if it does not
    optional: bool
    nullable: bool
    by_name: bool


class Signature(NamedTuple):
    """One signature: its parameters, and its text without the marks of the table."""

    text: str
    parameters: tuple[Parameter, ...]

    @property
    def places(self) -> int:
        """How many arguments may be given by position."""
        return sum(not p.by_name for p in self.parameters)

    @property
    def least(self) -> int:
        """How many arguments there must be."""
        return sum(not p.optional for p in self.parameters)


def _signature(text: str) -> Signature:
    found = []
    by_name = False
    for part in text.split(", ") if text else ():
        if part == "*":
            by_name = True
            continue
        match = _PARAMETER.fullmatch(part)
        assert match is not None, part
        kind, size, mark, name, default = match.groups()
        nullable = bool(mark) or default == "None"
        found.append(Parameter(name, kind, int(size or 0), default is not None, nullable, by_name))
    return Signature(re.sub(r"\[\d+\]|\?", "", text), tuple(found))


@cache
def _table() -> dict[str, str]:
    text = resources.files(__package__).joinpath("signatures.txt").read_text()
    return dict(line.split("\t", 1) for line in text.splitlines())


def refusal(
    name: str, method: bool, args: tuple[Any, ...], kwargs: dict[str, Any], owner: str = "Tensor"
) -> str | None:
    """The text of PyTorch's TypeError for a call, None if it takes the arguments (or is not known).

    Args:
        name: of the function as messages have it.
        method: whether it was called as a method of a tensor.
        args: the arguments by position, without the method's tensor.
        kwargs: those by name.
        owner: class whose method it is.
    """
    line = _table().get(f"{'m' if method else 'f'} {name}")
    if line is None:
        return None
    if line == "-":
        owner = owner if method else "torch"
        if kwargs:
            return f"{owner}.{name}() takes no keyword arguments"
        return f"{owner}.{name}() takes no arguments ({len(args)} given)" if args else None
    hidden = line.startswith("!")
    signatures = [_signature(text) for text in line.removeprefix("!").split("\t")]
    texts = []
    for signature in signatures:
        try:
            _match(name, signature, args, kwargs)
        except Odd as odd:
            return str(odd)
        except Misfit as misfit:
            texts.append(str(misfit))
        else:
            return None
    count = len(args) + len(kwargs)
    plausible = [t for s, t in zip(signatures, texts, strict=True) if s.least <= count <= len(s.parameters)]
    if len(plausible) == 1 or (len(texts) == 1 and not hidden):
        return texts[0] if len(texts) == 1 else plausible[0]
    return _listing(name, signatures, args, kwargs)


def _match(name: str, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Match the arguments with the parameters in turn.

    Raises:
        Misfit: for the first that does not fit.
    """
    parameters, places = signature.parameters, signature.places
    spread = places == 1 and parameters[0].kind == "tuple of ints"
    if len(args) > places and not spread:
        raise _too_many(name, signature, len(args))
    at, named = 0, len(kwargs)
    for number, p in enumerate(parameters):
        given, value = False, None
        if at < len(args):
            if p.by_name:
                raise _too_many(name, signature, len(args))
            given, value = True, args[at]
        else:
            key = next((k for k in (p.name, *_NUMPY.get(p.name, ())) if k in kwargs), None)
            if key is not None:
                given, value = True, kwargs[key]
        by_name = at >= len(args)
        if (not given and p.optional) or (given and value is None and p.nullable):
            pass
        elif not given:
            missing = [f'"{q.name}"' for q in parameters[number:] if not q.optional]
            raise Misfit(
                f"{name}() missing {len(missing)} required positional argument{'s' * (len(missing) == 1)}: "
                f"{', '.join(missing)}"
            )
        elif not _fits(name, p, value, number):
            if spread and not by_name and not at and _is_int(value):
                return _rest(name, parameters, kwargs)
            if len(args) > places:
                raise _too_many(name, signature, len(args))
            raise _wrong(name, p, value, at, by_name)
        if not by_name:
            at += 1
        elif given:
            named -= 1
    if named:
        raise _unexpected(name, parameters, kwargs, len(args))


def _rest(name: str, parameters: tuple[Parameter, ...], kwargs: dict[str, Any]) -> None:
    """What is left where all arguments by position are the ints of the first parameter."""
    known = {p.name for p in parameters[1:]}
    if any(key not in known for key in kwargs):
        raise _unexpected(name, parameters, kwargs, 1)


# NumPy's names of parameters.
_NUMPY: Final[dict[str, tuple[str, ...]]] = {
    "dim": ("axis",), "keepdim": ("keepdims",), "input": ("x", "a", "x1"), "other": ("x2",),
}  # fmt: skip


def _too_many(name: str, signature: Signature, count: int) -> Misfit:
    places, least = signature.places, signature.least
    if least != places:
        return Misfit(f"{name}() takes from {least} to {places} positional arguments but {count} were given")
    return Misfit(
        f"{name}() takes {places} positional argument{'s' * (places != 1)} but {count} "
        f"{'was' if count == 1 else 'were'} given"
    )


def _wrong(name: str, p: Parameter, value: Any, at: int, by_name: bool) -> Misfit:
    if by_name:
        return Misfit(f"{name}(): argument '{p.name}' must be {p.kind}, not {type_name(value)}")
    where = f"{name}(): argument '{p.name}' (position {at + 1}) must be {p.kind}"
    if p.kind == "tuple of ints" and isinstance(value, (tuple, list)):
        return Misfit(f"{where}, but found element of type {type_name(value[0])} at pos 0")
    return Misfit(f"{where}, not {type_name(value)}")


def _unexpected(name: str, parameters: tuple[Parameter, ...], kwargs: dict[str, Any], places: int) -> Misfit:
    names = [p.name for p in parameters]
    for key in kwargs:
        if key not in names:
            return Misfit(f"{name}() got an unexpected keyword argument '{key}'")
        if names.index(key) < places:
            return Misfit(f"{name}() got multiple values for argument '{key}'")
    return Misfit("invalid keyword arguments")


# -- what the kinds take ---------------------------------------------------------------------------------


def _fits(name: str, p: Parameter, value: Any, number: int) -> bool:
    if p.kind == "Tensor":
        if isinstance(value, (int, float, complex)) and name.rstrip("_") in _NUMBERS:
            return True
        return _is_tensor(value)
    if p.kind == "tuple of Tensors":
        if not isinstance(value, (tuple, list)):
            return False
        for k, item in enumerate(value):
            if not _is_tensor(item) and item is not None:
                raise Odd(
                    f"expected Tensor as element {k} in argument {number}, but got {type_name(item)}"
                )
        return True
    if p.kind == "tuple of ints" and p.size and _is_int(value):
        return True
    check = _KINDS.get(p.kind)
    return check is None or check(value)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, TensorBase) or hasattr(value, "__torch_function__")


def _is_single(value: Any) -> bool:
    """Whether a tensor serves as a number."""
    return isinstance(value, TensorBase) and not value._data.shape and not value._req


def _is_int(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return False
    if isinstance(value, TensorBase):
        return _is_single(value) and hasattr(value, "__index__") and _whole(value)
    return hasattr(value, "__index__")


def _whole(value: Any) -> bool:
    try:
        value.__index__()
    except TypeError:
        return False
    return True


def _is_float(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) or _is_single(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (complex, np.bool_)) or _is_float(value)


def _ints(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and (not value or _is_int(value[0]))


_KINDS: Final[dict[str, Callable[[Any], bool]]] = {
    "Number": _is_number,
    "float": _is_float,
    "int": _is_int,
    "bool": lambda value: isinstance(value, (bool, np.bool_)),
    "str": lambda value: isinstance(value, str),
    "tuple of ints": _ints,
    "tuple of floats": lambda value: isinstance(value, (tuple, list)) and all(map(_is_float, value)),
    "tuple of Scalars": lambda value: isinstance(value, (tuple, list)) and all(map(_is_number, value)),
    "torch.dtype": lambda value: isinstance(value, dtype) or value in (int, float, bool, complex),
    "torch.device": lambda value: isinstance(value, (str, int, device)),
    "torch.Generator": lambda value: type(value).__name__ == "Generator",
    "torch.layout": lambda value: isinstance(value, layout),
    "torch.memory_format": lambda value: isinstance(value, memory_format),
}


# -- lists of signatures -----------------------------------------------------------------------------------


def _listing(name: str, signatures: list[Signature], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The error that lists all signatures, and marks the arguments where their number is right."""
    shown = [type_name(value) for value in args]
    named = [f"{key}={type_name(value)}" for key, value in reversed(kwargs.items())]
    got = ", ".join(shown + named) + (", " if named and not shown else "")
    head = f"{name}() received an invalid combination of arguments - "
    if len(signatures) == 1:
        parts = signatures[0].text.split(", ")
        if unknown := _unknown(parts, kwargs):
            return f"{head}got unrecognized keyword arguments: {', '.join(unknown)}"
        if len(parts) == len(args) + len(kwargs):
            got = _marked(parts, args, kwargs)
        return f"{head}got ({got}), but expected ({signatures[0].text})"
    lines = [f"{head}got ({got}), but expected one of:"]
    for signature in signatures:
        lines.append(f" * ({signature.text})")
        parts = signature.text.split(", ")
        if len(parts) != len(args) + len(kwargs):
            continue
        if unknown := _unknown(parts, kwargs):
            lines.append(
                f"      didn't match because some of the keywords were incorrect: {', '.join(unknown)}"
            )
        else:
            marked = _marked(parts, args, kwargs)
            lines.append(
                f"      didn't match because some of the arguments have invalid types: ({marked})"
            )
    return "\n".join(lines) + "\n"


def _unknown(parts: list[str], kwargs: dict[str, Any]) -> list[str]:
    """Names given that are not among the last parts, in PyTorch's reading: a default hides the name."""
    last = {part.rpartition(" ")[2] for part in parts[max(len(parts) - len(kwargs), 0) :]}
    return [key for key in reversed(kwargs) if key not in last]


def _marked(parts: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    found = []
    for number, part in enumerate(parts):
        kind, _, name = part.rpartition(" ")
        if number < len(args):
            value, start = args[number], ""
        else:
            value, start = kwargs[name], f"{name}="
        text = start + _typed(value)
        fits = type_name(value) == kind or (kind == "float" and type_name(value) == "int")
        found.append(text if fits else f"!{text}!")
    return ", ".join(found) + (", " if kwargs and not args else "")


def _typed(value: Any) -> str:
    """A value's type, of lists and tuples with those of their elements."""
    name = type_name(value)
    if name not in ("list", "tuple"):
        return name
    of = " of ({})" if name == "tuple" else " of [{}]"
    return name + of.format(", ".join(map(type_name, value)))
