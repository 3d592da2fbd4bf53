"""Modules with graphs as packages that Python imports."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Final

from .. import nn
from ..serialization import save
from ._names import package
from ._namespace import CUSTOM_BUILTINS

__all__ = ["addindent", "write"]

# Modules whose `repr` makes them again.
_REBUILT: Final = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
)  # fmt: skip


def addindent(text: str, count: int) -> str:
    """The text with all lines but the first moved to the right.

    Args:
        text: some lines.
        count: by how many columns.
    """
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * count + line if line.strip() else "" for line in rest)])


def _imports() -> str:
    """The lines that give the program its names; `torch` in them is this package, by the name it has."""
    name = package.__name__
    known = [builtin.import_str for builtin in CUSTOM_BUILTINS.values()]
    if name != "torch":
        known = [
            line.replace("from torch", f"from {name}").replace("import torch.", f"import {name}.")
            for line in known
        ]
        known = [f"import {name} as torch" if line == "import torch" else line for line in known]
    first = next(line for line in known if line.startswith("import") and "." not in line)
    return "\n".join([first, *known]) + f"\n\nfrom {name}.nn import *\n"


def write(module: Any, folder: str | os.PathLike[str], module_name: str) -> None:
    """Write a module as a package: its program, and its values in files beside it.

    Args:
        module: a module with a graph.
        folder: the package's folder.
        module_name: the name of the class in it.
    """
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    save(module.state_dict(), folder / "state_dict.pt")
    lines = [
        f"class {module_name}(torch.nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
    ]
    start = " " * 8
    pickled = []
    for name, child in module.named_children():
        if type(child) in _REBUILT:
            lines.append(f"{start}setattr(self, '{name}', {child!r})")
            continue
        file = folder / f"{name}.pt"
        save(child, file)
        pickled.append(name)
        shown = repr(child).replace("\r", " ").replace("\n", " ")
        lines.append(f"{start}setattr(self, '{name}', torch.load(r'{file}', weights_only=False)) # {shown}")
    for name, value in module._buffers.items():
        if value is not None:
            made = f"torch.empty({list(value.shape)}, dtype={value.dtype})"
            lines.append(f"{start}self.register_buffer('{name}', {made})")
    for name, value in module._parameters.items():
        if value is not None:
            made = f"torch.empty({list(value.shape)}, dtype={value.dtype})"
            lines.append(f"{start}setattr(self, '{name}', torch.nn.Parameter({made}))")
    lines.append(f"{start}self.load_state_dict(torch.load(r'{folder}/state_dict.pt'))")
    body = "\n".join([*lines, addindent(module.code, 4), ""])
    (folder / "module.py").write_text(f"\n{_imports()}{body}")
    (folder / "__init__.py").write_text("from .module import *")
    if pickled:
        warnings.warn(
            "Was not able to save the following children modules as reprs -"
            f"saved as pickled files instead: {pickled}",
            stacklevel=3,
        )
