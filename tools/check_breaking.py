"""Call every operator on samples that break things, in cotangent and in PyTorch, and print what differs.

    python tools/check_breaking.py                     all operators under all changes, and the counts
    python tools/check_breaking.py sort median         these operators
    python tools/check_breaking.py --change "no rows"  one change
    python tools/check_breaking.py --drawn             of every operator the change that the tests draw
    python tools/check_breaking.py --strides           with the first strides that differ
    python tools/check_breaking.py --log FILE          keep what is found in FILE, and go on from there
    python tools/check_breaking.py --limit 60          give up a pair after so many seconds

Needs PyTorch and its tests' requirement `expecttest`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from opdb.breaking import CHANGES, Breaker, Count, drawn
from opdb.breaking_excused import EXCUSED
from opdb.catalogue import OPERATORS
from opdb.translate import Missing


class Slow(BaseException):
    """A pair has taken its time; no `except Exception` on the way keeps it."""


def _give_up(*_: Any) -> None:
    raise Slow


def timed(breaker: Breaker, change: str, limit: int) -> Count:
    """One change; a `Count` that says so if it takes longer than `limit` seconds (0: however long)."""
    signal.alarm(limit)
    try:
        return breaker.run(change)
    except Slow:
        return Count(first=f"{change}: not done in {limit} s")
    finally:
        signal.alarm(0)


def noted(log: Path | None, name: str, change: str, found: dict[str, Any] | None) -> None:
    """Write a line to the log: None for a pair that begins, what came of it when it ends."""
    if log:
        with log.open("a") as file:
            file.write(json.dumps([name, change, found]) + "\n")


def pairs(options: argparse.Namespace) -> Iterator[tuple[str, str, Count]]:
    """(operator, change, what came of it), from the log where it has been found before."""
    known: dict[tuple[str, str], Count] = {}
    if options.log and options.log.exists():
        for line in options.log.read_text().splitlines():
            name, change, found = json.loads(line)
            died = {"first": f"{change}: the process died"}  # unless another line says how it ended
            known[name, change] = Count(**(found or died))
    for name, op in OPERATORS.items():
        if options.names and not name.startswith(tuple(options.names)):
            continue
        breaker = None
        for change in [drawn(name)] if options.drawn else options.change or CHANGES:
            found = known.get((name, change))
            if found is None:
                try:
                    breaker = breaker or Breaker(op, options.samples)
                except Missing as missing:
                    print(f"{name:44}missing {missing}", flush=True)
                    break
                noted(options.log, name, change, None)
                found = timed(breaker, change, options.limit)
                noted(options.log, name, change, asdict(found))
            yield name, change, found


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
    parser.add_argument("--log", type=Path, help="file of what is found, to go on from")
    parser.add_argument("--limit", type=int, default=0, help="seconds a pair may take")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _give_up)
    counts: Counter[str] = Counter()
    start = time.perf_counter()
    for name, change, found in pairs(options):
        excused = change in EXCUSED.get(name, {})
        counts["pairs"] += bool(found.calls)
        counts["differ"] += bool(found.first) and not excused
        counts["excused"] += bool(found.first) and excused
        counts["strides"] += bool(found.strides)
        for kind in ("calls", "gradients", "refused"):
            counts[kind] += getattr(found, kind)
        if found.first and not excused:
            print(f"{name:36}{found.first}", flush=True)
        elif excused and found.calls and not found.first:
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
