"""Compare modules with PyTorch's on the inputs of its `module_db`, and print what differs.

    python tools/check_module_db.py [nn.Linear Transformer ...] [--dtype float32]

Needs PyTorch.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "oracle"))

from module_db import MODULES, dtypes, failures, known


def main() -> int:
    """Compare and print; the exit status is 1 if a module differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="modules, with or without `nn.`; all by default")
    parser.add_argument("--dtype", help="float32 or float64; by default the widest that a module knows")
    parser.add_argument("--all", action="store_true", help="print all differences, not the first three")
    options = parser.parse_args()
    wanted = {name.removeprefix("nn.") for name in options.names}
    right, total, cases = 0, 0, 0
    for info in MODULES:
        if wanted and info.name.removeprefix("nn.") not in wanted:
            continue
        total += 1
        if not known(info):
            print(f"{info.name:32} missing")
            continue
        told: list[str] = []
        start = time.perf_counter()
        agree, excused, differ = failures(info, options.dtype or dtypes(info)[0], told.append)
        cases += agree
        right += not differ
        extra = f", {excused} excused" if excused else ""
        print(
            f"{info.name:32} {agree} agree{extra}, {differ} differ ({time.perf_counter() - start:.1f} s)",
            flush=True,
        )
        for line in told if options.all else told[:3]:
            print("    " + line[:600])
    print(f"{right} of {total} modules agree, in {cases} cases")
    return int(right < total)


if __name__ == "__main__":
    sys.exit(main())
