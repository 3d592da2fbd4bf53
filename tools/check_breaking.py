"""Call every operator on samples that break things, in cotangent and in PyTorch, and print what differs.

    python tools/check_breaking.py                     all operators under all changes, and the counts
    python tools/check_breaking.py sort median         these operators
    python tools/check_breaking.py --change "no rows"  one change
    python tools/check_breaking.py --drawn             of every operator the change that the tests draw
    python tools/check_breaking.py --strides           with the first strides that differ

Needs PyTorch and its tests' requirement `expecttest`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from opdb.breaking import CHANGES, Breaker, drawn
from opdb.breaking_excused import EXCUSED
from opdb.catalogue import OPERATORS
from opdb.translate import Missing


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="operators, or beginnings of their names; all by default")
    parser.add_argument("--change", choices=CHANGES, action="append", help="a change; all by default")
    parser.add_argument("--samples", type=int, default=3, help="samples an operator gets in each dtype")
    parser.add_argument("--drawn", action="store_true", help="only the change that the tests draw")
    parser.add_argument("--strides", action="store_true", help="print the first strides that differ")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    start = time.perf_counter()
    for name, op in OPERATORS.items():
        if options.names and not name.startswith(tuple(options.names)):
            continue
        try:
            breaker = Breaker(op, options.samples)
        except Missing as missing:
            print(f"{name:44}missing {missing}", flush=True)
            continue
        for change in [drawn(name)] if options.drawn else options.change or CHANGES:
            found = breaker.run(change)
            excused = change in EXCUSED.get(name, {})
            counts["pairs"] += bool(found.calls)
            counts["differ"] += bool(found.first) and not excused
            counts["excused"] += bool(found.first) and excused
            counts["strides"] += bool(found.strides)
            for kind in ("calls", "gradients", "refused"):
                counts[kind] += getattr(found, kind)
            if found.first and not excused:
                print(f"{name:36}{found.first}", flush=True)
            elif excused and not found.first:
                print(f"{name:36}{change}: agrees, need not be excused", flush=True)
            if options.strides and found.strides:
                print(f"{name:36}{found.strides}", flush=True)
    print(
        f"{counts['pairs']} pairs of operator and change, {counts['calls']} calls "
        f"({counts['refused']} refused by PyTorch), "
        f"{counts['gradients']} gradients: {counts['differ']} pairs differ, {counts['excused']} "
        f"are excused, strides differ in {counts['strides']}; {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
