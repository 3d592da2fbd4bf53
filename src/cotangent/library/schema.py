"""What operators of programs take and return: schemas, from annotations or from text."""

from __future__ import annotations

import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from .. import dtypes
from ..size import device
from ..tensor import Tensor

_REQUIRED: Final = object()
_SCALAR: Final = int | float | bool
# What an annotation may be -> its name in a schema.
_BASES: Final[tuple[tuple[Any, str, str], ...]] = (
    (Tensor, "Tensor", "list optional"),
    (int, "SymInt", "list optional"),
    (float, "float", "list optional"),
    (bool, "bool", "list optional"),
    (_SCALAR, "Scalar", "list optional"),
    (str, "str", "optional"),
    (dtypes.dtype, "ScalarType", "optional"),
    (device, "Device", "optional"),
)
_RETURNS: Final = {
    Tensor: "Tensor", list[Tensor]: "Tensor[]", int: "SymInt", float: "float", bool: "bool",
    _SCALAR: "Scalar",
}  # fmt: skip


def _plain(annotation: Any) -> Any:
    """An annotation in one spelling: `X | None` for Optional, `list[X]` for all sequences."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        union = _plain(inside[0])
        for part in inside[1:]:
            union = union | _plain(part)
        return union
    if origin in (list, collections.abc.Sequence) and len(inside) == 1:
        return _listed(_plain(inside[0]))
    return annotation


def _listed(kind: Any) -> Any:
    return types.GenericAlias(list, (kind,))


def _known() -> dict[Any, str]:
    found: dict[Any, str] = {}
    for kind, name, forms in _BASES:
        found[kind] = name
        if "list" in forms:
            found[_listed(kind)] = f"{name}[]"
            found[_listed(kind) | None] = f"{name}[]?"
        found[kind | None] = f"{name}?"
    found[list[Tensor | None]] = "Tensor?[]"
    return found


_PARAMETERS: Final = _known()


@dataclass
class Argument:
    """One argument of an operator."""

    name: str
    kind: str
    default: Any = _REQUIRED
    keyword: bool = False
    writes: str = ""

    @property
    def needed(self) -> bool:
        """Whether there is no default."""
        return self.default is _REQUIRED

    def text(self, short: bool) -> str:
        """The argument in a schema; floats are `2.` if `short`, and `2.0` otherwise."""
        kind = self.kind.replace("Tensor", f"Tensor({self.writes}!)", 1) if self.writes else self.kind
        return f"{kind} {self.name}" + ("" if self.needed else f"={_written(self.default, short)}")


def _written(value: Any, short: bool) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if short and isinstance(value, float) and value.is_integer():
        return f"{int(value)}."
    if isinstance(value, dtypes.dtype):
        return str(value).partition(".")[2]
    return str(value)


@dataclass
class Schema:
    """The signature of an operator."""

    name: str
    arguments: list[Argument]
    returns: str

    @property
    def is_mutable(self) -> bool:
        """Whether an argument is written."""
        return any(a.writes for a in self.arguments)

    def __str__(self) -> str:
        return self.text(True)

    def text(self, short: bool) -> str:
        """The schema, as PyTorch's C++ (`short`) or its Python code writes it."""
        words = []
        for k, a in enumerate(self.arguments):
            if a.keyword and not any(b.keyword for b in self.arguments[:k]):
                words.append("*")
            words.append(a.text(short))
        return f"{self.name}({', '.join(words)}) -> {self.returns}"

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The values of all arguments: those by position, and the others by name.

        Raises:
            RuntimeError: if they do not fit.
        """
        positional = [a for a in self.arguments if not a.keyword]
        if len(args) > len(positional):
            most, have = len(positional), len(args)
            if len(positional) == len(self.arguments):
                what = f"expected at most {most} argument(s) but received {have} argument(s). "
            else:
                what = f"takes {most} positional argument(s) but {have} was/were given.  "
            raise RuntimeError(f"{self.name}() {what}Declaration: {self}")
        rest = dict(kwargs)
        by_place: list[Any] = []
        by_name: dict[str, Any] = {}
        for k, a in enumerate(self.arguments):
            if not a.keyword and k < len(args):
                value = args[k]
            elif a.name in rest:
                value = rest.pop(a.name)
            elif not a.needed:
                value = a.default
            else:
                raise RuntimeError(
                    f"{self.name}() is missing value for argument '{a.name}'. Declaration: {self}"
                )
            if not _fits(value, a.kind):
                self._refuse(k, a, value)
            if a.keyword:
                by_name[a.name] = value
            else:
                by_place.append(value)
        if rest:
            raise RuntimeError(
                f"Unknown keyword argument '{next(iter(rest))}' for operator '{self.name}'. Schema: {self}"
            )
        return by_place, by_name

    def _refuse(self, position: int, argument: Argument, value: Any) -> None:
        raise RuntimeError(
            f"{self.name}() Expected a value of type '{_spoken(argument.kind)}' for argument "
            f"'{argument.name}' "
            f"but instead found type '{type(value).__name__}'.\nPosition: {position}\nValue: {value!r}\n"
            f"Declaration: {self}\nCast error details: Unable to cast {value} to {_spoken(argument.kind)}"
        )


def _spoken(kind: str) -> str:
    if kind.endswith("?"):
        return f"Optional[{_spoken(kind[:-1])}]"
    if kind.endswith("[]"):
        return f"List[{_spoken(kind[:-2])}]"
    return {"SymInt": "int", "Scalar": "number", "ScalarType": "int"}.get(kind, kind)


def _fits(value: Any, kind: str) -> bool:
    if kind.endswith("?"):
        return value is None or _fits(value, kind[:-1])
    if kind.endswith("[]"):
        return isinstance(value, (list, tuple)) and all(_fits(v, kind[:-2]) for v in value)
    if kind == "Tensor":
        return isinstance(value, Tensor)
    if kind in ("SymInt", "int"):
        return isinstance(value, int) or hasattr(value, "__index__")
    if kind in ("float", "Scalar"):
        return isinstance(value, (int, float, complex if kind == "Scalar" else float, Tensor))
    return not (kind == "str" and not isinstance(value, str))


def infer_schema(
    prototype_function: Callable[..., Any],
    /,
    *,
    mutates_args: str | Iterable[str],
    op_name: str | None = None,
) -> str:
    """The schema of a function with annotations.

    Args:
        prototype_function: the function.
        mutates_args: names of the arguments that it writes; "unknown" for all tensors.
        op_name: a name to begin with.

    Returns:
        the text.

    Raises:
        ValueError: for annotations and defaults that operators cannot have.

    Example:
        >>> import cotangent as torch
        >>> def scaled(x: torch.Tensor, by: float = 2.0) -> torch.Tensor: ...
        >>> torch.library.infer_schema(scaled, mutates_args=())
        '(Tensor x, float by=2.0) -> Tensor'
    """
    return schema_of(prototype_function, mutates_args, op_name or "").text(False)


def schema_of(function: Callable[..., Any], mutates_args: str | Iterable[str], name: str) -> Schema:
    """The schema of a function with annotations; see `infer_schema`."""
    signature, told = inspect.signature(function, eval_str=True), inspect.signature(function)

    def refuse(what: str) -> None:
        raise ValueError(f"infer_schema(func): {what} Got func with signature {told})")

    if mutates_args != "unknown" and isinstance(mutates_args, str):
        raise ValueError("mutates_args must either be a sequence of the names of the arguments or 'unknown'.")
    arguments: list[Argument] = []
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            refuse("We do not support positional-only args, varargs, or varkwargs.")
        if parameter.annotation is parameter.empty:
            refuse(f"Parameter {parameter.name} must have a type annotation.")
        kind = _PARAMETERS.get(_plain(parameter.annotation))
        if kind is None:
            names = ", ".join(str(k) for k in _PARAMETERS)
            refuse(
                f"Parameter {parameter.name} has unsupported type {parameter.annotation}. The valid types "
                "are: "
                f"[{names}]."
            )
        assert kind is not None
        written = kind.startswith("Tensor") if mutates_args == "unknown" else parameter.name in mutates_args
        if written and not kind.startswith("Tensor"):
            refuse(
                f"Parameter {parameter.name} is in mutable_args but only Tensors or collections of Tensors "
                "can "
                "be mutated"
            )
        default = _REQUIRED if parameter.default is parameter.empty else parameter.default
        if default is not _REQUIRED and not isinstance(
            default, (int, float, bool, str, type(None), dtypes.dtype)
        ):
            refuse(
                f"Parameter {parameter.name} has an unsupported default value type {type(default)}. Please "
                "file "
                "an issue on GitHub so we can prioritize this."
            )
        arguments.append(
            Argument(
                parameter.name,
                kind,
                default,
                parameter.kind is parameter.KEYWORD_ONLY,
                f"a{len(arguments)}" if written else "",
            )
        )
    if mutates_args != "unknown":
        missing = set(mutates_args) - set(signature.parameters)
        if missing:
            refuse(
                f"{missing} in mutates_args were not found in the custom op's signature. mutates_args should "
                "contain the names of all args that the custom op mutates, or just the string 'unknown' if "
                "you "
                "don't know."
            )
    if signature.return_annotation is signature.empty:
        refuse("No return type annotation was provided. Please add one.")
    return Schema(name, arguments, _returned(signature.return_annotation, refuse))


def _returned(annotation: Any, refuse: Callable[[str], None]) -> str:
    if annotation is None:
        return "()"
    found = _RETURNS.get(_plain(annotation))
    if found is not None:
        return found
    if typing.get_origin(annotation) is tuple:
        return "(" + ", ".join(_returned(part, refuse) for part in typing.get_args(annotation)) + ")"
    kinds = ", ".join(f"{k}: '{v}'" for k, v in _RETURNS.items())
    refuse(f"Return has unsupported type {annotation}. The valid types are: {{{kinds}}}.")
    return ""


_WHOLE: Final = re.compile(r"\s*(?P<name>[\w.:]*)\s*\((?P<arguments>.*)\)\s*->\s*(?P<returns>.+?)\s*$", re.S)
_ONE: Final = re.compile(
    r"(?P<kind>\w+)(\((?P<alias>\w+)(?P<write>!?)[^)]*\))?(?P<more>[\[\]\d?]*)\s+(?P<name>\w+)"
    r"(\s*=\s*(?P<default>.+))?$"
)


def parsed(text: str) -> Schema:
    """A schema from its text.

    Raises:
        RuntimeError: if it is none.
    """
    whole = _WHOLE.match(text)
    if whole is None:
        raise RuntimeError(f"Expected a schema like 'name(Tensor x) -> Tensor' but got '{text}'")
    arguments: list[Argument] = []
    keyword = False
    for part in re.split(r",\s*(?![^\[(]*[\])])", whole["arguments"]):
        word = part.strip()
        if not word:
            continue
        if word == "*":
            keyword = True
            continue
        one = _ONE.match(word)
        if one is None:
            raise RuntimeError(f"Expected an argument like 'Tensor x' but got '{word}' in '{text}'")
        kind = one["kind"] + re.sub(r"\d+", "", one["more"])
        default = _REQUIRED if one["default"] is None else _read(one["default"], kind)
        arguments.append(Argument(one["name"], kind, default, keyword, one["alias"] if one["write"] else ""))
    return Schema(whole["name"], arguments, whole["returns"])


def _read(text: str, kind: str) -> Any:
    named = {"None": None, "True": True, "False": False}
    if text in named:
        return named[text]
    if text[:1] in "\"'":
        return text[1:-1]
    if text[:1] == "[":
        return [_read(part.strip(), kind[:-2]) for part in text[1:-1].split(",") if part.strip()]
    if kind.startswith("ScalarType"):
        return getattr(dtypes, text)
    return float(text) if kind.startswith("float") or not re.fullmatch(r"-?\d+", text) else int(text)
