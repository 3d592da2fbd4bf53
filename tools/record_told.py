"""Records what the programs of tests/autograd, nn, optim and utils say under PyTorch, into tests/data.

Run with an interpreter that has PyTorch 2.13 (the ``oracle`` extra): ``python tools/record_told.py``.
``--show NAME`` prints what one program says, without writing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import torch  # noqa: E402
from told import DATA, SOURCES, told  # noqa: E402


def main() -> None:
    """Writes the files, or shows one program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", help="name of a program")
    parser.add_argument("areas", nargs="*", help="record these areas only")
    arguments = parser.parse_args()
    wanted = arguments.show
    torch.set_num_threads(1)
    for area in arguments.areas or SOURCES:
        modules = SOURCES[area]
        sys.path.insert(0, str(ROOT / "tests" / area))
        lines = {}
        for module in modules:
            for name, program in importlib.import_module(module).PROGRAMS.items():
                if wanted in (None, name):
                    lines[name] = told(program, torch)
        if wanted is None:
            text = json.dumps(lines, indent=0, ensure_ascii=False)
            (DATA / f"told_{area}.json").write_text(text + "\n", encoding="utf-8")
            print(f"{area}: {len(lines)} programs, {sum(map(len, lines.values()))} lines")
        else:
            print(*(line for told_lines in lines.values() for line in told_lines), sep="\n")


if __name__ == "__main__":
    main()
