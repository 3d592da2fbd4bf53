"""Training steps of recurrent layers and of attention, side by side with PyTorch on one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/recurrent.py [seconds]

Prints processor time, the lower quartile of as many steps as fit: other work on the machine counts little.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch

import cotangent


def layer(xp: Any, name: str) -> Callable[[], None]:
    """A step of 64 -> 256, 64 steps, batch 32."""
    xp.manual_seed(0)
    module = getattr(xp.nn, name)(64, 256)
    x = xp.randn(64, 32, 64)
    optimizer = xp.optim.SGD(module.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        module(x)[0].square().mean().backward()
        optimizer.step()

    return step


def attention(xp: Any, length: int) -> Callable[[], None]:
    """Forward and backward of causal attention, batch 4, 8 heads of 64."""
    xp.manual_seed(0)
    q, k, v = (xp.randn(4, 8, length, 64).requires_grad_() for _ in range(3))

    def step() -> None:
        for t in (q, k, v):
            t.grad = None
        xp.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()

    return step


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else 30.0
    torch.set_num_threads(1)
    cotangent.set_num_threads(1)
    work = {name: [layer(xp, name) for xp in (torch, cotangent)] for name in ("LSTM", "GRU", "RNN")}
    for length in (128, 512):
        work[f"attention {length}"] = [attention(xp, length) for xp in (torch, cotangent)]
    times: dict[str, list[list[float]]] = {name: [[], []] for name in work}
    for steps in work.values():
        for step in steps * 3:
            step()
    end = time.time() + seconds
    while time.time() < end:
        for name, steps in work.items():
            for step, seen in zip(steps, times[name], strict=True):
                start = time.thread_time()
                step()
                seen.append(time.thread_time() - start)
    print(f"{'':16}{'PyTorch':>10}{'cotangent':>11}{'ratio':>8}")
    for name, both in times.items():
        theirs, ours = (sorted(seen)[len(seen) // 4] * 1e3 for seen in both)
        print(f"{name:16}{theirs:8.1f} ms{ours:8.1f} ms{ours / theirs:8.2f}")


if __name__ == "__main__":
    main()
