"""Runs published training programs, unchanged, under PyTorch and under cotangent and compares their losses.

    python tools/run_published.py DIRECTORY [--only WORD ...] [--itself] [--double]

DIRECTORY holds checkouts named nanoGPT, minGPT (of karpathy) and examples (of pytorch). Every `backward()` of
a program is noted, and the run ends after 20 of them; the table has the largest relative difference of these
losses. `--itself` runs PyTorch a second time without oneDNN, which sums in another order: what changes then
is rounding. `--double` makes float64 the default dtype of both. What stands in for torchvision, gymnasium and
requests is in tests/doubles, the programs' options and data are in tools/published.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from published import PROGRAMS, Program

DOUBLES: Final = Path(__file__).resolve().parent.parent / "tests" / "doubles"
UPDATES: Final = 20
# Relative differences of losses that rounding explains.
LIMIT: Final = 1e-4
LOSSES: Final = "losses.json"
ORACLE, OURS, OTHER_ORDER = "torch", "cotangent", "torch, other order"


class Enough(SystemExit):
    """The program has made as many updates as are compared."""


def record(path: str, options: list[str], *, double: bool, other_order: bool) -> None:
    """Run the program in this process, where `import torch` has been settled, and write down its losses."""
    import numpy
    import torch

    torch.set_num_threads(1)
    if other_order:
        torch.backends.mkldnn.set_flags(False)
    if double:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign,assignment]
        torch.float = torch.float32 = torch.float64
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):  # for programs that forget to
        seed(0)
    losses: list[float] = []
    moments: list[float] = []
    backward: Any = torch.Tensor.backward

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        losses.append(self.item())
        moments.append(time.process_time())
        backward(self, *args, **kwargs)
        if len(losses) == UPDATES:
            raise Enough

    torch.Tensor.backward = noted  # type: ignore[method-assign]
    sys.path.insert(0, str(Path(path).parent))
    sys.argv = [path, *options]
    try:
        runpy.run_path(path, run_name="__main__")
    except Enough:
        pass
    seconds = moments[-1] - moments[0] if moments else 0.0
    Path(LOSSES).write_text(json.dumps({"losses": losses, "seconds": seconds}), encoding="utf-8")


@dataclass(frozen=True)
class Run:
    """What a run left: its losses, and the time of the processor from the first to the last of them."""

    losses: list[float]
    seconds: float


def run(who: str, program: Path, options: str, searched: Sequence[Path], place: Path, double: bool) -> Run:
    """Run a program in a process of its own, in the folder `place`."""
    command = [sys.executable, *(("-m", "cotangent") if who == OURS else ()), __file__, str(program)]
    command += ["--record", *["--double"] * double, *["--itself"] * (who == OTHER_ORDER)]
    command += ["--", *shlex.split(options)]
    folders = [str(DOUBLES), *map(str, searched), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(folders),
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # time_sequence_prediction loads an array of NumPy
        "OMP_NUM_THREADS": "1",  # NumPy's BLAS, which asks nobody else
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place, env=environment)
    if done.returncode:
        raise SystemExit(f"{program} under {who}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    found = json.loads((place / LOSSES).read_text(encoding="utf-8"))
    return Run(found["losses"], found["seconds"])


def runs(program: Program, sources: Path, whos: Sequence[str], double: bool) -> dict[str, Run]:
    """The program under each library, each in a folder of its own with the same files."""
    found: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as scratch:
        start = Path(scratch, "start")
        start.mkdir()
        if program.data is not None:
            program.data(start, sources)
        path = sources / program.path
        before = sources / (program.first_path or program.path)
        searched = [sources / folder for folder in program.folders]
        if program.first is not None and program.first_by is not None:
            run(program.first_by, before, program.first, searched, start, double)
        for who in whos:
            place = Path(scratch, who.replace(" ", "_"))
            shutil.copytree(start, place)
            if program.first is not None and program.first_by is None:
                run(who, before, program.first, searched, place, double)
            found[who] = run(who, path, program.options, searched, place, double)
    return found


def apart(mine: Run, other: Run) -> float:
    """The largest relative difference; infinite if one of them made fewer updates."""
    if len(mine.losses) != len(other.losses) or not mine.losses:
        return float("inf")
    return max(abs(a - b) / max(abs(b), 1e-30) for a, b in zip(mine.losses, other.losses, strict=True))


def main() -> int:
    """Run all and print the table; the exit status says whether losses agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("directory", help="where the checkouts are")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only programs with such names")
    parser.add_argument("--itself", action="store_true", help="PyTorch against itself, too")
    parser.add_argument("--double", action="store_true", help="with float64 as the default dtype")
    parser.add_argument("--record", action="store_true", help=argparse.SUPPRESS)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    given = parser.parse_args(words[:end])
    if given.record:
        record(given.directory, words[end + 1 :], double=given.double, other_order=given.itself)
        return 0
    whos = [ORACLE, OURS, *([OTHER_ORDER] if given.itself else [])]
    worst = 0.0
    heads = f"{'program':38} updates  first loss -> last         apart{'  itself' * given.itself}"
    print(f"{heads}  seconds: torch, ours")
    for program in PROGRAMS:
        if given.only and not any(word in program.name for word in given.only):
            continue
        found = runs(program, Path(given.directory).resolve(), whos, given.double)
        theirs, ours = found[ORACLE], found[OURS]
        off = apart(ours, theirs)
        worst = max(worst, off)
        itself = f"  {apart(found[OTHER_ORDER], theirs):.0e}" if given.itself else ""
        print(
            f"{program.name:38} {len(ours.losses):7d}  {ours.losses[0]:10.5g} -> {ours.losses[-1]:<10.5g} "
            f"{off:.0e}{itself}  {theirs.seconds:7.2f} {ours.seconds:7.2f}",
            flush=True,
        )
    print(f"largest relative difference {worst:.1e}, limit {LIMIT:.0e}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
