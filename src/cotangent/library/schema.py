"""What operators of programs take and return: schemas, from annotations or from text."""

from __future__ import annotations

import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from .. import dtypes
from ..size import device
from ..tensor import Tensor
from .values import KINDS, Unfit, parts, taken

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
    count: int = 0  # of a list that one number may stand for

    @property
    def needed(self) -> bool:
        """Whether there is no default."""
        return self.default is _REQUIRED

    def text(self, short: bool) -> str:
        """The argument in a schema; floats are `2.` if `short`, and `2.0` otherwise."""
        kind = self.kind.replace("Tensor", f"Tensor({self.writes}!)", 1) if self.writes else self.kind
        kind = kind.replace("[]", f"[{self.count}]", 1) if self.count else kind
        if self.needed:
            return f"{kind} {self.name}"
        place = short and self.kind.startswith("Device")
        return f"{kind} {self.name}={self.default if place else _written(self.default, short)}"


def _written(value: Any, short: bool) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if short and isinstance(value, float):
        return f"{int(value)}." if value.is_integer() and abs(value) < 1e17 else f"{value:.17g}"
    if isinstance(value, device):
        return f'"{value}"'
    if isinstance(value, dtypes.dtype):
        return str(value).partition(".")[2]
    return str(value)


@dataclass(repr=False)
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

    __repr__ = __str__

    def text(self, short: bool) -> str:
        """The schema, as PyTorch's C++ (`short`) or its Python code writes it."""
        words = []
        for k, a in enumerate(self.arguments):
            if a.keyword and not any(b.keyword for b in self.arguments[:k]):
                words.append("*")
            words.append(a.text(short))
        return f"{self.name}({', '.join(words)}) -> {self.returns}"

    @property
    def base(self) -> str:
        """The name that all forms share."""
        return self.name.partition(".")[0]

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The values of all arguments: those by position, and the others by name.

        Raises:
            RuntimeError: if they do not fit.
        """
        positional = [a for a in self.arguments if not a.keyword]
        given = len(args) + len(kwargs)
        what = ""
        if given > len(self.arguments):
            what = f"expected at most {len(self.arguments)} argument(s) but received {given} argument(s). "
        elif len(args) > len(positional):
            what = f"takes {len(positional)} positional argument(s) but {len(args)} was/were given.  "
        if what:
            raise RuntimeError(f"{self.base}() {what}Declaration: {self}")
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
                    f"{self.base}() is missing value for argument '{a.name}'. Declaration: {self}"
                )
            try:
                value = taken(value, a.kind, a.count)
            except Unfit:
                self._refuse(k, a, value)
            if a.keyword:
                by_name[a.name] = value
            else:
                by_place.append(value)
        if rest:
            raise RuntimeError(
                f"Unknown keyword argument '{next(iter(rest))}' for operator '{self.base}'. Schema: {self}"
            )
        return by_place, by_name

    def _refuse(self, position: int, argument: Argument, value: Any) -> NoReturn:
        kind = _spoken(argument.kind)
        unable = f"{'Cannot' if kind == 'number' else 'Unable to'} cast {value!s}"
        raise RuntimeError(
            f"{self.base}() Expected a value of type '{kind}' for argument "
            f"'{argument.name}' but instead found type '{type(value).__name__}'.\nPosition: {position}\n"
            f"Value: {value!r}\nDeclaration: {self}\n"
            f"Cast error details: {unable} to {kind}"
        )


def _spoken(kind: str) -> str:
    if kind.endswith("?"):
        return f"Optional[{_spoken(kind[:-1])}]"
    if kind.endswith("[]"):
        return f"List[{_spoken(kind[:-2])}]"
    return {"SymInt": "int", "Scalar": "number", "ScalarType": "int"}.get(kind, kind)


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
    told = inspect.signature(function)

    def refuse(what: str) -> NoReturn:
        raise ValueError(f"infer_schema(func): {what} Got func with signature {told})")

    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        refuse(f"{error}: annotations must name types that can be found where the function is defined.")
    if mutates_args != "unknown" and isinstance(mutates_args, str):
        raise ValueError(
            "mutates_args must either be a sequence of the names of the arguments that are mutated or the "
            "string 'unknown'. "
        )
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
                f"Parameter {parameter.name} has unsupported type {parameter.annotation}. "
                f"{_instead_of_tuple(parameter.annotation)}The valid types are: [{names}]."
            )
        written = kind.startswith("Tensor") if mutates_args == "unknown" else parameter.name in mutates_args
        if written and not kind.startswith("Tensor"):
            refuse(
                f"Parameter {parameter.name} is in mutable_args but only Tensors or collections of Tensors "
                "can "
                "be mutated"
            )
        default = _REQUIRED if parameter.default is parameter.empty else parameter.default
        if default is not _REQUIRED and not isinstance(
            default, (int, float, bool, str, type(None), dtypes.dtype, device)
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


def _instead_of_tuple(annotation: Any) -> str:
    """What to write for a tuple among the parameters, if it is one."""
    if typing.get_origin(annotation) is not tuple:
        return ""
    inside = typing.get_args(annotation)
    same = len(set(inside)) == 1
    shown = f"For example, list[{getattr(inside[0], '__qualname__', inside[0])}]." if same else ""
    if same and isinstance(inside[0], type) and inside[0].__module__ != "builtins":
        shown = f"For example, list[{inside[0].__module__}.{inside[0].__qualname__}]."
    return (
        "We do not support Tuple inputs in schema. As a workaround, please try to use List instead. "
        f"{shown}\n\n"
    )


def _returned(annotation: Any, refuse: Callable[[str], NoReturn]) -> str:
    if annotation is None:
        return "()"
    found = _RETURNS.get(_plain(annotation))
    if found is not None:
        return found
    if typing.get_origin(annotation) is tuple:
        return "(" + ", ".join(_returned(part, refuse) for part in typing.get_args(annotation)) + ")"
    kinds = ", ".join(f"{k}: '{v}'" for k, v in _RETURNS.items())
    refuse(f"Return has unsupported type {annotation}. The valid types are: {{{kinds}}}.")


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
    _, dot, form = whole["name"].partition(".")
    if "." in form:
        at = text.index(".", text.index(".") + 1)
        raise RuntimeError(f"expected eof but found '.' here:\n{text}\n{' ' * at}~ <--- HERE\n")
    if form == "default" or (dot and not form):
        raise RuntimeError(f"{form} is not a legal overload name for aten operators")
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
        _check_kind(text, one["kind"])
        kind = one["kind"] + re.sub(r"\d+", "", one["more"])
        count = int("0" + "".join(re.findall(r"\d+", one["more"])[:1]))
        default = _REQUIRED if one["default"] is None else _read(one["default"], kind)
        written = one["alias"] if one["write"] else ""
        arguments.append(Argument(one["name"], kind, default, keyword, written, count))
    kinds = parts(whole["returns"])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        _check_kind(text, kind.rstrip("[]?"))
    return Schema(whole["name"], arguments, whole["returns"])


def _check_kind(text: str, kind: str) -> None:
    if kind not in KINDS:
        at = text.rfind(kind) if text.count(kind) == 1 else text.find(kind)
        raise RuntimeError(
            "\nunknown type specifier. Common valid schema types include Tensor, SymInt, int, float, bool, "
            "Scalar; for a full list, please see "
            "https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/README.md#func :\n"
            f"{text}\n{' ' * at}{'~' * len(kind)} <--- HERE\n"
        )


_DTYPES: Final = {d.name: d for d in dtypes.ALL} | {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "long": dtypes.int64,
    "int": dtypes.int32, "short": dtypes.int16,
}  # fmt: skip


def _read(text: str, kind: str) -> Any:
    named = {"None": None, "True": True, "False": False}
    if text in named:
        return named[text]
    if text[:1] in "\"'":
        return text[1:-1]
    if text[:1] == "[":
        return [_read(part.strip(), kind[:-2]) for part in text[1:-1].split(",") if part.strip()]
    if kind.startswith("ScalarType"):
        return _DTYPES[text]
    return float(text) if kind.startswith("float") or not re.fullmatch(r"-?\d+", text) else int(text)
