"""Kill a rank at a random moment, many times: the others must name it in time, and training must go on as if.

    python tools/kill_ranks.py --runs 100

Each run starts a training program on several ranks (data-parallel, sharded, or a parameter server over RPC,
in turn), kills one with SIGKILL at a random moment of its training, waits for the others, and starts all of
them again, which go on from the last whole checkpoint. It checks that every other rank has ended within the
timeout with an error that names the one that was killed, and that the losses, from the checkpoint on, are
those of an undisturbed run.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PROGRAM = PROJECT / "tests/distributed/faults.py"
KINDS = ("ddp", "fully_shard", "rpc")


class Ranks:
    """A program that runs on several ranks.

    Args:
        kind: which program.
        size: on how many.
        folder: of its checkpoints.
        steps: how many steps it trains.
        timeout: of its collectives and calls, in seconds.
    """

    def __init__(self, kind: str, size: int, folder: Path, steps: int, timeout: float) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.outputs = [tempfile.TemporaryFile("w+") for _ in range(2 * size)]  # noqa: SIM115
        self.processes = []
        for rank in range(size):
            environment = {
                **os.environ, "RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "FAULT_TIMEOUT": str(timeout),
                "PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            }  # fmt: skip
            command = [sys.executable, "-u", "-m", "cotangent", str(PROGRAM), kind, str(folder), str(steps)]
            self.processes.append(
                subprocess.Popen(
                    command, env=environment, stdout=self.outputs[2 * rank], stderr=self.outputs[2 * rank + 1]
                )
            )

    def text(self, rank: int, errors: bool) -> str:
        """What a rank has printed."""
        file = self.outputs[2 * rank + errors]
        file.flush()
        return os.pread(file.fileno(), 1 << 20, 0).decode()

    def errors(self) -> str:
        """What all ranks have written about errors, and which still run."""
        return "\n".join(
            f"rank {rank} ({'running' if p.poll() is None else p.returncode}): {self.text(rank, True)}"
            for rank, p in enumerate(self.processes)
        )

    def losses(self) -> dict[int, str]:
        """The losses that rank 0 has printed, by step."""
        return {int(a): b for a, b in re.findall(r"^(\d+) (\S+)$", self.text(0, False), re.MULTILINE)}

    def wait(self, seconds: float) -> bool:
        """Whether all have ended within a time; those that have not are killed."""
        end = time.monotonic() + seconds
        for process in self.processes:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                for each in self.processes:
                    each.kill()
                    each.wait()
                return False
        return True

    def close(self) -> None:
        """Forget what they have printed."""
        for file in self.outputs:
            file.close()


def undisturbed(kind: str, size: int, steps: int) -> tuple[dict[int, str], float]:
    """The losses of a run that nobody disturbs, and how long a step takes."""
    folder = Path(tempfile.mkdtemp())
    ranks = Ranks(kind, size, folder, steps, 60)
    try:
        while "ready" not in ranks.text(0, False) and ranks.processes[0].poll() is None:
            time.sleep(0.01)
        start = time.monotonic()
        while len(ranks.losses()) < steps and ranks.processes[0].poll() is None:
            time.sleep(0.002)
        length = (time.monotonic() - start) / steps
        if not ranks.wait(120) or any(p.returncode for p in ranks.processes):
            raise SystemExit(f"{kind} on {size} ranks fails by itself:\n{ranks.text(0, True)}")
        return ranks.losses(), length
    finally:
        ranks.close()
        shutil.rmtree(folder)


def one_run(
    kind: str, size: int, steps: int, timeout: float, whole: dict[int, str], moment: tuple[int, float],
    victim: int,
) -> tuple[str, float, int]:  # fmt: skip
    """Kill a rank some seconds after the loss of a step, look at the others, go on.

    Returns:
        what is wrong ("" if nothing), how long the others took, and from which step training went on.
    """
    folder = Path(tempfile.mkdtemp())
    ranks = Ranks(kind, size, folder, steps, timeout)
    again = None
    try:
        while any("ready" not in ranks.text(r, False) for r in range(size)):
            if any(p.poll() for p in ranks.processes):
                return f"a rank failed before it was ready:\n{ranks.errors()}", 0.0, 0
            time.sleep(0.005)
        step, seconds = moment
        while len(ranks.losses()) < step and all(p.poll() is None for p in ranks.processes):
            time.sleep(0.001)
        time.sleep(seconds)
        if any(p.poll() is not None for p in ranks.processes):
            return "", 0.0, steps  # it was too late: nothing to see
        ranks.processes[victim].kill()
        start = time.monotonic()
        ended = ranks.wait(timeout + 10.0)
        took = time.monotonic() - start
        if not ended:
            return f"the others hang after rank {victim} was killed:\n{ranks.errors()}", took, 0
        for rank, process in enumerate(ranks.processes):
            text = ranks.text(rank, True)
            if rank != victim and process.returncode and not re.search(rf"\brank {victim}\b", text):
                return f"rank {rank} does not name rank {victim}:\n{text}", took, 0
            if rank != victim and not process.returncode and len(ranks.losses()) < steps:
                return f"rank {rank} ended as if nothing had happened", took, 0
        again = Ranks(kind, size, folder, steps, 60)
        if not again.wait(120) or any(p.returncode for p in again.processes):
            return f"training does not go on:\n{again.text(0, True)}", took, 0
        losses = again.losses()
        first = min(losses, default=steps)
        if any(losses[step] != whole[step] for step in range(first, steps)):
            return f"other losses from step {first} on: {losses}, not {whole}", took, first
        return "", took, first
    finally:
        ranks.close()
        if again is not None:
            again.close()
        shutil.rmtree(folder)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--ranks", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--timeout", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    known = {kind: undisturbed(kind, options.ranks, options.steps) for kind in KINDS[: options.runs]}
    bad, slowest, resumed, seen = 0, 0.0, 0, 0
    for number in range(options.runs):
        kind = KINDS[number % len(KINDS)]
        whole, length = known[kind]
        moment = draw.randrange(options.steps), draw.uniform(0, length)
        victim = draw.randrange(options.ranks)
        problem, took, first = one_run(
            kind, options.ranks, options.steps, options.timeout, whole, moment, victim
        )
        slowest = max(slowest, took)
        resumed += 0 < first < options.steps
        seen += took > 0
        bad += bool(problem)
        print(
            f"run {number}, {kind}, rank {victim} {moment[1]:.3f} s after {moment[0]} losses: "
            + (problem or f"the others ended in {took:.2f} s; went on from step {first}"),
            flush=True,
        )
    print(
        f"{options.runs} runs: {seen} with a rank killed while it trained, {bad} bad; the others ended within"
        f" {slowest:.1f} s; {resumed} went on from a checkpoint"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
