"""What an operation costs beside its arithmetic: cotangent against PyTorch, in one run.

Each case is one function written against a module; rounds of the two engines are interleaved, so that a
slow moment of the machine hits both, and medians of the rounds are compared. Run it in an environment
that has both:

    python benchmarks/overhead.py [--rounds 15] [--only NAME]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

import cotangent

Case = tuple[str, Callable[[Any], Callable[[], Any]], int, float]
OPS = 200


def chain(shape: tuple[int, ...]) -> Callable[[Any], Callable[[], None]]:
    """Forward and backward through 200 operations: products, sums, tanh, a Python number."""

    def setup(xp: Any) -> Callable[[], None]:
        x = xp.full(shape, 0.3, requires_grad=True)
        w = xp.full(shape, 0.7, requires_grad=True)
        seed = xp.ones(shape)

        def run() -> None:
            y = x
            for _ in range(OPS // 4):
                y = y * w
                y = y + w
                y = y.tanh()
                y = y * 0.5
            y.backward(seed)
            x.grad = w.grad = None

        return run

    return setup


def descent(xp: Any) -> Callable[[], None]:
    """The tutorial's gradient descent: 5,000 steps on one number (000_s2, test03)."""

    def run() -> None:
        x = xp.tensor(10, requires_grad=True, dtype=xp.float64)
        for _ in range(5000):
            f = x**2
            if x.grad is not None:
                x.grad.data.zero_()
            f.backward()
            x.data = x.data - 0.001 * x.grad

    return run


def mlp(xp: Any) -> Callable[[], None]:
    """One SGD step of a 4-16-16-1 network on 8 examples."""
    xp.manual_seed(0)
    net = xp.nn.Sequential(
        xp.nn.Linear(4, 16), xp.nn.Tanh(), xp.nn.Linear(16, 16), xp.nn.Tanh(), xp.nn.Linear(16, 1)
    )
    step = xp.optim.SGD(net.parameters(), lr=0.01)
    x, y = xp.randn(8, 4), xp.randn(8, 1)

    def run() -> None:
        step.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        step.step()

    return run


CASES: list[Case] = [
    ("chain of 200 ops, ()", chain(()), OPS, 0.55),
    ("chain of 200 ops, (4,)", chain((4,)), OPS, 0.55),
    ("chain of 200 ops, (64, 64)", chain((64, 64)), OPS, 0.55),
    ("gradient descent, 5000 steps", descent, 5000, 0.6),
    ("MLP 4-16-16-1 step", mlp, 1, 0.6),
]


def timed(run: Callable[[], Any], least: float) -> float:
    """Seconds per call, from as many calls as take `least` seconds."""
    calls = 0
    start = time.perf_counter()
    while True:
        run()
        calls += 1
        spent = time.perf_counter() - start
        if spent >= least:
            return spent / calls


def compare(rounds: int, only: str | None) -> bool:
    """Run all cases; returns whether all targets were met."""
    good = True
    print(f"{'case':32s} {'cotangent':>12s} {'torch':>12s} {'ratio':>7s} {'target':>7s}")
    for name, setup, units, target in CASES:
        if only and only not in name:
            continue
        runs = [setup(cotangent), setup(torch)]
        for run in runs:
            timed(run, 0.05)
        times: list[list[float]] = [[], []]
        for _ in range(rounds):
            for which, run in enumerate(runs):
                times[which].append(timed(run, 0.04))
        ours, theirs = (statistics.median(t) / units * 1e6 for t in times)
        ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
        good &= ratio <= target
        print(f"{name:32s} {ours:9.2f} us {theirs:9.2f} us {ratio:7.2f} {target:7.2f}")
    return good


def depth() -> None:
    """Backward time per node for graphs of 100 to 100,000 nodes: it must not grow."""
    print("\nbackward, us per node")
    for count in (100, 1_000, 10_000, 100_000):
        best = float("inf")
        for _ in range(max(2, 20_000 // count)):
            x = cotangent.ones(4, requires_grad=True)
            y = x
            for _ in range(count):
                y = y * 1.0001
            seed = cotangent.ones(4)
            start = time.perf_counter()
            y.backward(seed)
            best = min(best, time.perf_counter() - start)
        print(f"{count:9d} nodes {best / count * 1e6:8.2f}")


def importing() -> None:
    """Import time against NumPy's, each in fresh interpreters, interleaved.

    NumPy's bytecode was written when it was installed. Ours is written by a first import here, so that both
    are read from bytecode, as on every start of a program but the first.
    """
    times: dict[str, list[float]] = {"numpy": [], "cotangent": []}
    code = "import time; s = time.perf_counter(); import {0}; print(time.perf_counter() - s)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", "import cotangent"], env=environment, check=True)
    for _ in range(21):
        for name, measured in times.items():
            out = subprocess.run(
                [sys.executable, "-c", code.format(name)],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            )
            measured.append(float(out.stdout))
    ours, numpy = (statistics.median(times[name]) * 1e3 for name in ("cotangent", "numpy"))
    print(
        f"\nimport cotangent {ours:.0f} ms, import numpy {numpy:.0f} ms, ratio {ours / numpy:.2f} (target "
        "1.60)"
    )


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", help="cases whose name contains this")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    compare(arguments.rounds, arguments.only)
    if not arguments.only:
        depth()
        importing()


if __name__ == "__main__":
    main()
