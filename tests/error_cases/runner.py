"""Reads the bad-input snippets of this folder and runs one of them against a module called ``torch``.

A case file holds snippets of Python that say ``torch``. ``## name`` starts a case; ``## name [first line]``
says that only the first line of each message is compared (the rest lists C++ signatures or a traceback);
``## name [type]`` that only the exception's type is. ``## ok`` starts the case's positive twin: the same
call done right, which shows that nothing but the fault under test is wrong with the snippet.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

HEADER = re.compile(r"^## (?P<name>\w+)(?: \[(?P<compare>first line|type)\])?$")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
# PyTorch's C++ warnings end with the source line of its own build, which says nothing to a user.
ORIGIN = re.compile(r" ?\(Triggered internally at [^)]*\)")
# PyTorch's own imports deprecate each other; that is no answer to the snippet.
NOISE = ("`torch.jit.script` is deprecated",)


@dataclass(frozen=True)
class Case:
    """One snippet that goes wrong, and its twin that does not.

    Args:
        family: Name of the file the case stands in, without the suffix.
        name: The case's name, unique within its family.
        source: The snippet that raises or warns.
        compare: ``"text"``, ``"first line"`` or ``"type"``: how much of a message is compared.
        ok: The positive twin's source, or None.
    """

    family: str
    name: str
    source: str
    compare: str
    ok: str | None


def read_cases(folder: Path) -> list[Case]:
    """Every case of the ``.txt`` files in a folder, in file order.

    Args:
        folder: The folder of the case files.

    Returns:
        The cases.

    Raises:
        ValueError: A header does not parse, or a name stands twice in one family.
    """
    cases: list[Case] = []
    for path in sorted(folder.glob("*.txt")):
        parts: list[tuple[str, str, list[str]]] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("##"):
                header = HEADER.match(line)
                if header is None:
                    raise ValueError(f"{path.name}: bad header {line!r}")
                parts.append((header["name"], header["compare"] or "text", []))
            elif parts:
                parts[-1][2].append(line)
        seen: set[str] = set()
        for place, (name, compare, lines) in enumerate(parts):
            if name == "ok":
                continue
            if name in seen:
                raise ValueError(f"{path.name}: {name} stands twice")
            seen.add(name)
            follows = parts[place + 1] if place + 1 < len(parts) else None
            twin = "\n".join(follows[2]).strip() if follows is not None and follows[0] == "ok" else None
            cases.append(Case(path.stem, name, "\n".join(lines).strip(), compare, twin))
    return cases


def clean(text: str) -> str:
    """A message without what differs between two runs of the same program.

    Args:
        text: The message.

    Returns:
        The message with addresses replaced and the C++ source line removed.
    """
    return ORIGIN.sub("", ADDRESS.sub("0x0", text))


def run_snippet(source: str, torch: ModuleType) -> dict[str, Any]:
    """Runs one snippet and says what came of it.

    Args:
        source: Python source that uses the name ``torch``.
        torch: The module to run it against.

    Returns:
        ``type`` and ``text`` of the exception (None if none), ``warnings`` as [category, text] pairs
        without repeats, and ``result``, the repr of the last expression (None if there is none).
    """
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    names: dict[str, Any] = {"torch": torch, "__name__": "case"}
    error: Exception | None = None
    result: str | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.manual_seed(0)
        try:
            exec(compile(tree, "<case>", "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<case>", "eval"), names)
                result = clean(repr(value))
        except Exception as raised:
            error = raised
    told: list[list[str]] = []
    for warning in caught:
        pair = [warning.category.__name__, clean(str(warning.message))]
        if pair not in told and not pair[1].startswith(NOISE):
            told.append(pair)
    return {
        "type": type(error).__name__ if error is not None else None,
        "text": clean(str(error)) if error is not None else None,
        "warnings": told,
        "result": result,
    }
