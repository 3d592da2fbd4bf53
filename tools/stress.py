"""Compiled training under everything at once: threads, forks, interrupts, and far more threads than cores.

    python tools/stress.py [SECONDS] [--threads 8] [--trainers 2]

Some threads train compiled models, while a timer sends SIGINT to the process, children are forked that go on
training, and processes beside it keep the cores busy. Every loss is compared with those of an undisturbed
eager run (in float64). A step that an interrupt broke off is done again from the state before it. Ends with
one line of counts; any wrong loss, lost step or child that fails or hangs ends it with an error.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

import cotangent as torch
from cotangent import nn

STEPS = 30
# Longest that a child may take for three steps on a busy machine, in seconds.
PATIENCE = 60.0


class Trainer:
    """A small network with its data and optimizer, the same each time it is made."""

    def __init__(self, compiled: bool) -> None:
        rng = np.random.default_rng(0)
        self.x = torch.from_numpy(rng.standard_normal((96, 64)))
        self.y = torch.from_numpy(rng.integers(5, size=96))
        self.model = nn.Sequential(
            nn.Linear(64, 160), nn.Tanh(), nn.Linear(160, 160), nn.GELU(), nn.Linear(160, 5)
        )
        self.model.double()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.step: Callable[[], Any] = torch.compile(self._step) if compiled else self._step
        self.reset()

    def _step(self) -> Any:
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def reset(self) -> None:
        """Begin anew, with the parameters that `seed` 0 gives."""
        rng = np.random.default_rng(1)
        with torch.no_grad():
            for p in self.model.parameters():
                p.copy_(torch.from_numpy(rng.standard_normal(tuple(p.shape)) * 0.1))
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        self.number = 0

    def save(self) -> list[Any]:
        """What a step changes."""
        state = [v for s in self.optimizer.state.values() for v in s.values()]
        return [(t, t.detach().clone()) for t in (*self.model.parameters(), *state)]

    def restore(self, saved: list[Any]) -> None:
        """Put back what `save` kept; what the optimizer made since is as good as new."""
        known = {id(t) for t, _ in saved}
        with torch.no_grad():
            for t, value in saved:
                t.copy_(value)
            for state in self.optimizer.state.values():
                for value in state.values():
                    if id(value) not in known:
                        value.zero_()

    def go_on(self, wanted: list[float]) -> None:
        """One step, from the beginning again after the last one."""
        if self.number == STEPS:
            self.reset()
        found = float(self.step())
        if abs(found - wanted[self.number]) > 1e-9 * abs(wanted[self.number]):
            raise AssertionError(f"step {self.number}: loss {found!r}, undisturbed {wanted[self.number]!r}")
        self.number += 1


class Counts:
    """What has happened."""

    def __init__(self) -> None:
        self.steps = self.interrupts = self.children = 0
        self.errors: list[str] = []
        self.done = threading.Event()


def train(counts: Counts, wanted: list[float]) -> None:
    """Train in a thread beside the main one until told to stop."""
    trainer = Trainer(compiled=True)
    try:
        while not counts.done.is_set():
            trainer.go_on(wanted)
            counts.steps += 1
    except Exception as error:
        traceback.print_exc()
        counts.errors.append(f"thread: {error!r}")


def interrupt(counts: Counts) -> None:
    """Send SIGINT now and then."""
    rng = random.Random(1)
    while not counts.done.wait(rng.uniform(0.02, 0.5)):
        os.kill(os.getpid(), signal.SIGINT)


def child(trainer: Trainer, wanted: list[float]) -> int:
    """Fork, and go on training there; the process id."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 1
    try:
        for _ in range(3):
            trainer.go_on(wanted)
        other = Trainer(compiled=True)  # compiles in the child
        other.go_on(wanted)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def reap(pids: dict[int, float], counts: Counts, wait: bool) -> None:
    """Collect children that have ended; one that takes too long is an error."""
    while pids:
        for pid, started in list(pids.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del pids[pid]
                counts.children += 1
                if status:
                    counts.errors.append(f"a child ended with status {status}")
            elif time.monotonic() - started > PATIENCE:
                os.kill(pid, signal.SIGKILL)
                counts.errors.append("a child hung")
                del pids[pid]
                os.waitpid(pid, 0)
        if not wait:
            return
        time.sleep(0.01)


def main() -> None:
    """Run all of it for some seconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seconds", nargs="?", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=8, help="of the runtime, on whatever cores there are")
    parser.add_argument(
        "--trainers", type=int, default=2, help="Python threads that train beside the main one"
    )
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    undisturbed = Trainer(compiled=False)
    wanted = [float(undisturbed.step()) for _ in range(STEPS)]
    counts = Counts()
    trainer = Trainer(compiled=True)
    trainer.go_on(wanted)
    threads = [threading.Thread(target=train, args=(counts, wanted)) for _ in range(given.trainers)]
    threads.append(threading.Thread(target=interrupt, args=(counts,)))
    pids: dict[int, float] = {}
    end = time.monotonic() + given.seconds
    next_child = time.monotonic()

    def refused(*_: object) -> None:
        counts.interrupts += 1
        if armed:
            raise KeyboardInterrupt

    armed = False
    signal.signal(signal.SIGINT, refused)
    for thread in threads:
        thread.start()
    while time.monotonic() < end and not counts.errors:
        if trainer.number == STEPS:
            trainer.reset()
        saved, number = trainer.save(), trainer.number
        try:
            armed = True
            trainer.go_on(wanted)
            armed = False
            counts.steps += 1
        except KeyboardInterrupt:
            armed = False
            trainer.restore(saved)
            trainer.number = number
        except Exception as error:
            armed = False
            traceback.print_exc()
            counts.errors.append(f"main thread: {error}")
        if time.monotonic() > next_child:
            pids[child(trainer, wanted)] = time.monotonic()
            next_child = time.monotonic() + 1.0
        reap(pids, counts, wait=False)
    counts.done.set()
    for thread in threads:
        thread.join(PATIENCE)
        if thread.is_alive():
            counts.errors.append(f"{thread.name} hangs")
    reap(pids, counts, wait=True)
    done = f"{counts.steps} steps, {counts.interrupts} interrupts, {counts.children} children"
    print(f"{done}, {len(counts.errors)} errors")
    for error in counts.errors:
        print(error)
    os._exit(1) if any("hangs" in e for e in counts.errors) else sys.exit(bool(counts.errors))


if __name__ == "__main__":
    main()
