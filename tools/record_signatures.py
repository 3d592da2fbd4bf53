"""Record what PyTorch's functions and methods take: the signatures that its argument errors print.

Functions of several signatures are called with more arguments than any of them takes, and the error lists
them. Those of one signature print none; theirs is put together from the operator's schema. In the table,
`[n]` behind a type says that one int serves too, `?` that None does; `!` says that there are signatures which
nothing prints, `-` that a method takes no arguments. Run with PyTorch installed:

    python tools/record_signatures.py src/cotangent/autograd/signatures.txt
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch

_KINDS: Final = {
    "Tensor": "Tensor", "number": "Number", "int": "int", "float": "float", "bool": "bool", "str": "str",
    "ScalarType": "torch.dtype", "Layout": "torch.layout", "Device": "torch.device",
    "MemoryFormat": "torch.memory_format", "Generator": "torch.Generator", "List[Tensor]": "tuple of Tensors",
    "List[Optional[Tensor]]": "tuple of Tensors", "List[float]": "tuple of floats",
    "List[number]": "tuple of Scalars", "List[int]": "tuple of ints",
}  # fmt: skip
_SEVERAL: Final = re.compile(r"^ \* \((.*)\)$", re.M)
_ONE: Final = re.compile(r"but expected \((.*)\)")


class _Nothing:
    """What no function takes."""


def _owners() -> Iterator[tuple[str, str, Any]]:
    """(kind, name in messages, function) of all that is written in C++."""
    for name in sorted(vars(torch)):
        if type(vars(torch)[name]).__name__ == "builtin_function_or_method":
            yield "function", name, vars(torch)[name]
    for module, prefix in ((torch.special, "special_"), (torch.linalg, "linalg_"), (torch.fft, "fft_")):
        for name in sorted(vars(module)):
            if type(vars(module)[name]).__name__ == "builtin_function_or_method" and name[0] != "_":
                yield "function", prefix + name.removeprefix(prefix), vars(module)[name]
    for name in sorted(dir(torch.Tensor)):
        if type(getattr(torch.Tensor, name)).__name__ == "method_descriptor":
            yield "method", name, getattr(torch.Tensor, name)


def _kind(argument: Any) -> str | None:
    """The type of a schema's argument as the errors print it; `[n]`: or one int; `?`: or None."""
    text = str(argument.real_type)
    optional = text.startswith("Optional[")
    text = text.removeprefix("Optional[").removesuffix("]") if optional else text
    if text not in _KINDS:
        return None
    return _KINDS[text] + f"[{argument.N}]" * (argument.N is not None) + "?" * optional


def _default(argument: Any) -> str:
    if not argument.has_default_value():
        return ""
    return f" = {argument.default_value!r}".replace(", ", ",")


def _of_schemas(name: str, kind: str, schemas: list[Any]) -> str | None:
    """The one signature of an operator with one overload, besides that which takes `out`."""
    plain = [s for s in schemas if not any(a.is_out for a in s.arguments)]
    if len(plain) != 1:
        return None
    parts, starred = [], False
    for number, argument in enumerate(plain[0].arguments):
        shown = _kind(argument)
        if shown is None:
            return None
        own = "input" if argument.name == "self" and not number else argument.name
        if kind == "method" and argument.name == "self":
            continue
        if argument.kwarg_only and not starred:
            parts.append("*")
            starred = True
        parts.append(f"{shown} {own}{_default(argument)}")
    if kind == "function" and len(schemas) > 1:
        several = max(sum(a.is_out for a in s.arguments) for s in schemas) > 1
        parts += ([] if starred else ["*"]) + [f"{'tuple of Tensors' if several else 'Tensor'} out = None"]
    return ", ".join(parts)


def _sizes(schemas: list[Any]) -> dict[str, str]:
    """Names of arguments that are ints as well, or that must be given but may be None -> their kinds."""
    found = {}
    for schema in schemas:
        for argument in schema.arguments:
            shown = _kind(argument)
            if shown and ("[" in shown or (shown.endswith("?") and not argument.has_default_value())):
                found[argument.name] = shown
    return found


def _refined(signature: str, sizes: dict[str, str]) -> str:
    def put(match: re.Match[str]) -> str:
        wanted = sizes.get(match[2])
        return f"{wanted} {match[2]}" if wanted and wanted.rstrip("?").split("[")[0] == match[1] else match[0]

    return re.sub(r"(?<![\w.])((?:tuple of \w+)|[\w.]+) (\w+)", put, signature)


def main(path: str) -> None:
    """Write the table."""
    schemas: dict[str, list[Any]] = defaultdict(list)
    for schema in torch._C._jit_get_all_schemas():
        kinds = [str(a.real_type) for a in schema.arguments[:1]]
        if schema.name.startswith("aten::") and kinds and "Tensor" in kinds[0]:
            schemas[schema.name.removeprefix("aten::")].append(schema)
    lines = []
    for kind, name, function in _owners():
        given = [_Nothing()] * 20
        try:
            function(torch.ones(1), *given) if kind == "method" else function(*given)
        except Exception as error:
            text = str(error)
        else:
            continue
        known = schemas.get(name, [])
        found = _SEVERAL.findall(text) or ["!" + one for one in _ONE.findall(text)]
        if found:
            found = [_refined(one, _sizes(known)) for one in found]
        elif "takes no arguments" in text:
            found = ["-"]
        elif "positional argument" in text and (one := _of_schemas(name, kind, known)) is not None:
            found = [one]
        if found and name[0] != "_" and (found == ["-"] or text.startswith(name)):
            lines.append(f"{kind[0]} {name}\t" + "\t".join(found))
    Path(path).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
