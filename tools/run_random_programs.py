"""Draw many random programs, run them on PyTorch and cotangent, and group what differs.

    python tools/run_random_programs.py 20000 --processes 2 --report differences.txt

Needs PyTorch. `--self` runs PyTorch against itself, which shows that the programs themselves are sound.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from programs.compare import Difference, compare, death
from programs.grammar import draw, random_raw
from programs.interpreter import run
from programs.program import Program
from programs.reduction import reduce
from programs.rounding import within_rounding

CHUNK = 250


@dataclass(slots=True)
class Count:
    """What came of some programs."""

    programs: int = 0
    steps: int = 0
    raising: int = 0
    died: int = 0
    rounded: int = 0
    families: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[Program, Difference]] = field(default_factory=dict)

    def add(self, other: Count) -> None:
        """Take another count in; of two examples of a cause the shorter one stays."""
        self.programs += other.programs
        self.steps += other.steps
        self.raising += other.raising
        self.died += other.died
        self.rounded += other.rounded
        self.families += other.families
        self.causes += other.causes
        for cause, example in other.examples.items():
            self.offer(cause, *example)

    def offer(self, cause: str, program: Program, found: Difference) -> None:
        """Keep an example if it is the shortest of its cause."""
        known = self.examples.get(cause)
        if known is None or len(program.steps) < len(known[0].steps):
            self.examples[cause] = program, found


def work(job: tuple[int, int, str, bool]) -> Count:
    """Draw and compare one chunk of programs.

    Args:
        job: seed, number of programs, name of the library to compare with PyTorch, see `compare`.

    Returns:
        The counts.
    """
    seed, number, library, structure = job
    torch, other = importlib.import_module("torch"), importlib.import_module(library)
    torch.set_num_threads(1)
    generator = Random(seed)
    result = Count()
    for turn in range(number):
        program = draw(torch, random_raw(generator), watched=turn % 2 == 0)
        records = run(torch, program)
        result.programs += 1
        result.steps += len(records)
        result.raising += sum(record.error is not None for record in records)
        result.families.update(step.family for step in program.steps)
        result.died += death(records) < len(records)
        found = compare(program, records, run(other, program), structure)
        if found and within_rounding(program, found, torch):
            result.rounded += 1
        elif found:
            cause = found.cause(program)
            result.causes[cause] += 1
            result.offer(cause, Program(program.steps[: found.step + 1], program.watched), found)
    return result


def report(total: Count, library: str, structure: bool) -> str:
    """The causes, most frequent first, each with a short example.

    Args:
        total: all counts.
        library: name of the library that was compared with PyTorch.
        structure: see `compare`.

    Returns:
        Text of many lines.
    """
    torch, other = importlib.import_module("torch"), importlib.import_module(library)
    lines = []
    for cause, number in total.causes.most_common():
        program, found = reduce(*total.examples[cause], torch, other, structure)
        lines += [f"### {number}x  {cause}", program.source(), found.describe(program), ""]
    return "\n".join(lines)


def main() -> int:
    """Parse the arguments, share the work out, print the counts.

    Returns:
        0 where nothing differs, else 1.
    """
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("programs", type=int, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other programs")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--self", action="store_true", help="compare PyTorch with itself")
    more = "compare the graph's edges and the layouts, too"
    parser.add_argument("--structure", action="store_true", help=more)
    parser.add_argument("--report", type=Path, help="write the differences there instead of printing them")
    arguments = parser.parse_args()

    library = "torch" if arguments.self else "cotangent"
    count, first = arguments.programs, arguments.seed * 1_000_003
    chunks = [(first + start, min(CHUNK, count - start)) for start in range(0, count, CHUNK)]
    jobs = [(*chunk, library, arguments.structure) for chunk in chunks]
    total = Count()
    began = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, context) as pool:
        for done in pool.map(work, jobs):
            total.add(done)
            differ = sum(total.causes.values())
            print(f"\r{total.programs} programs, {differ} differ", end="", file=sys.stderr)
    seconds = time.perf_counter() - began

    print(file=sys.stderr)
    print(f"{total.programs} programs, {total.steps} steps, {total.raising} of them raising, {seconds:.0f} s")
    print(f"{total.died} programs compared up to where one of PyTorch's own assertions failed")
    print(f"{total.rounded} programs compared up to where PyTorch's own rounding is as large as the value")
    rules = ", ".join(f"{name} {number}" for name, number in total.families.most_common())
    print("steps by rule:", rules)
    print(f"{sum(total.causes.values())} programs differ, {len(total.causes)} causes")
    if arguments.report:
        arguments.report.write_text(report(total, library, arguments.structure), encoding="utf-8")
    elif total.causes:
        print(report(total, library, arguments.structure))
    return 1 if total.causes else 0


if __name__ == "__main__":
    sys.exit(main())
