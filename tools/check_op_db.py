"""Hold cotangent's operators against PyTorch's own sample inputs, and say for each: missing, differs, agrees.

    python tools/check_op_db.py                    all operators, and the counts
    python tools/check_op_db.py linalg. sort       those with such a name (prefix) or exactly that name
    python tools/check_op_db.py --samples 0 sort   on all samples
    python tools/check_op_db.py --errors sort      with the first wrong call that raises something else
    python tools/check_op_db.py --prune            and take those that agree off the list of excused operators

Needs PyTorch and its tests' requirement `expecttest`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import opdb.excused
from opdb.catalogue import OPERATORS, SAMPLES
from opdb.excused import EXCUSED, EXCUSED_ERRORS
from opdb.judge import Judge, Verdict


def chosen(names: list[str]) -> list[str]:
    """The operators asked for: exact names, names with any variant, or prefixes ending in a dot."""
    if not names:
        return list(OPERATORS)
    return [
        operator for operator in OPERATORS
        if any(operator == n or operator.partition(":")[0] == n or (n.endswith((".", "*")) and
               operator.startswith(n.rstrip("*"))) for n in names)
    ]  # fmt: skip


def told(verdict: Verdict, options: argparse.Namespace) -> None:
    """Print one operator's line, if it is wanted."""
    if options.only and verdict.state != options.only:
        return
    errors = f" errors {verdict.errors_same}/{verdict.errors}" if verdict.errors else ""
    counts = f"{verdict.samples} samples, {verdict.gradients} gradients{errors}"
    print(f"{verdict.state:8}{verdict.name:44}{verdict.first or counts}", flush=True)
    if options.errors and verdict.error:
        print(f"        error   {verdict.error}")
    if options.strides and verdict.strides:
        print(f"        strides {verdict.strides}")


def prune(agreeing: set[str], raising: set[str]) -> None:
    """Take operators off the lists in `tests/opdb/excused.py`."""
    path = Path(opdb.excused.__file__)
    kept: list[str] = []
    gone: set[str] = set()
    for line in path.read_text().splitlines(keepends=True):
        gone = (
            raising if line.startswith("EXCUSED_ERRORS") else agreeing if line.startswith("EXCUSED") else gone
        )
        name = line.strip().partition('": "')[0].removeprefix('"')
        if not (line.startswith('    "') and name in gone):
            kept.append(line)
    path.write_text("".join(kept))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="samples an operator gets in each dtype")
    parser.add_argument("--only", choices=("missing", "differs", "agrees"), help="print only these")
    parser.add_argument("--errors", action="store_true", help="print the first error that differs")
    parser.add_argument("--strides", action="store_true", help="print the first strides that differ")
    parser.add_argument("--slow", type=float, default=0.0, help="print operators that take this many seconds")
    parser.add_argument("--prune", action="store_true", help="take agreeing operators off the excused ones")
    options = parser.parse_args()
    states: Counter[str] = Counter()
    errors = same = strides = 0
    agreeing: set[str] = set()
    raising: set[str] = set()
    start = time.perf_counter()
    for name in chosen(options.names):
        began = time.perf_counter()
        verdict = Judge(OPERATORS[name], options.samples or 10**9).run()
        took = time.perf_counter() - began
        told(verdict, options)
        if options.slow and took > options.slow:
            print(f"        took {took:.1f} s")
        states[verdict.state] += 1
        errors, same = errors + verdict.errors, same + verdict.errors_same
        strides += bool(verdict.strides)
        if verdict.state == "agrees":
            agreeing.add(name)
        if verdict.errors_same == verdict.errors:
            raising.add(name)
    if options.prune:
        prune(agreeing, raising)
    elif agreeing & EXCUSED.keys() or raising & EXCUSED_ERRORS.keys():
        print("need not be excused any more (--prune):", *sorted(agreeing & EXCUSED.keys()))
        print("nor their errors:", *sorted(raising & EXCUSED_ERRORS.keys()))
    total = sum(states.values())
    print(
        f"{total} operators: {states['agrees']} agree ({100 * states['agrees'] / max(total, 1):.1f} %), "
        f"{states['differs']} differ, {states['missing']} missing; "
        f"{same} of {errors} wrong calls raise the same; strides differ in {strides}; "
        f"{time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
