"""Write docs/derivatives.md from what the checks of every operator in every world say.

    python tools/write_derivatives.py              all operators
    python tools/write_derivatives.py sort median  these alone; the other rows stay
    python tools/write_derivatives.py --show sort  print one operator's row and what fails; write nothing

Needs PyTorch and its tests' requirement `expecttest`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import torch
from opdb import page
from opdb.catalogue import OPERATORS
from opdb.worlds import KINDS, NO, row


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="operators whose rows are made anew; all by default")
    parser.add_argument("--show", action="store_true", help="print the rows, write nothing")
    options = parser.parse_args()
    before = page.read(page.PAGE.read_text(encoding="utf-8")) if options.names else {}
    rows = {name: before.get(name, {}) for name in OPERATORS}
    for name in options.names or OPERATORS:
        rows[name], failures = row(OPERATORS[name])
        if options.show or NO in rows[name].values():
            print(f"{name:44}", " | ".join(rows[name][kind] for kind in KINDS), flush=True)
            for kind, failure in failures.items():
                print(f"    {kind}: {failure}")
    if not options.show:
        page.PAGE.write_text(page.text(rows, torch.__version__.partition("+")[0]), encoding="utf-8")
        print("\n".join(page.summary(rows)))


if __name__ == "__main__":
    main()
