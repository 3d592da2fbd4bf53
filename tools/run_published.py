"""Runs a published training program under cotangent and under PyTorch and compares its losses.

    python tools/run_published.py path/to/reinforcement_learning/reinforce.py --updates 20

The program is not changed: every `backward()` is noted, and the run ends after so many. What stands in for
packages that the program imports (gymnasium) is in tests/doubles. Options after `--` are the program's.
"""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

DOUBLES = Path(__file__).resolve().parent.parent / "tests" / "doubles"
# Relative differences of losses that rounding explains.
LIMIT = 1e-4


def record(library: str, program: str, updates: int, options: list[str]) -> None:
    """Run the program in this process and print the losses of its first updates as JSON."""
    if library == "cotangent":
        from cotangent import torch_alias

        torch_alias.install()
    import torch

    losses: list[float] = []
    backward: Any = torch.Tensor.backward

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        losses.append(self.item())
        backward(self, *args, **kwargs)
        if len(losses) == updates:
            raise SystemExit

    torch.Tensor.backward = noted  # type: ignore[method-assign]
    sys.path[:0] = [str(Path(program).parent), str(DOUBLES)]
    sys.argv = [program, *options]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit:
        pass
    print("\n" + json.dumps(losses))


def losses_of(library: str, program: str, updates: int, options: list[str]) -> list[float]:
    """The losses of a run in a process of its own."""
    command = [sys.executable, __file__, program, "--updates", str(updates), "--record", library]
    command += ["--", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{library}: {done.stderr}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Run both and print the losses side by side; the exit status says whether they agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--record", choices=("cotangent", "torch"), help=argparse.SUPPRESS)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:end])
    asked = given.program, given.updates, words[end + 1 :]
    if given.record:
        record(given.record, *asked)
        return 0
    ours, theirs = (losses_of(library, *asked) for library in ("cotangent", "torch"))
    worst = 0.0
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True), 1):
        apart = abs(mine - other) / max(abs(other), 1e-6)
        worst = max(worst, apart)
        print(f"{number:4d}  {mine:14.7g} {other:14.7g}  {apart:.1e}")
    print(f"worst relative difference {worst:.1e}, limit {LIMIT:.0e}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
