"""Generated kernels of eager mode, side by side with NumPy and PyTorch in one run, and with what the machine
allows.

    python benchmarks/eager_kernels.py [--threads N] [--cpu-time] [--only NAME ...]

Rounds of ours, NumPy's and PyTorch's are interleaved and the best of each is taken. The floor is the time
that the bytes an operation must read and write take at the memory bandwidth measured at the start (by summing
a large array, and by copying one). On a machine that others use, `--cpu-time` with `--threads 1` measures
processor time instead of time, which they disturb less. PyTorch is optional. Figures are times in
microseconds and ratios; read the ratios.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("COTANGENT_KERNELS", "1")

import numpy as np

import cotangent
from cotangent.kernels import sized

try:
    import torch
except ImportError:
    torch = None

Work = Callable[[], Any]
RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def gradient(t: Any, function: Callable[..., Any], arrays: list[Any], cotangent: Any) -> Work:
    """Forward and backward of a function of tensors, gradients dropped each time."""
    tensors = [t.tensor(a).requires_grad_() for a in arrays]
    g = t.tensor(cotangent)

    def work() -> None:
        for x in tensors:
            x.grad = None
        function(*tensors).backward(g)

    return work


def forward(t: Any, function: Callable[..., Any], arrays: list[Any]) -> Work:
    tensors = [t.tensor(a) for a in arrays]
    return lambda: function(*tensors)


def step(t: Any, name: str, fused: bool, **options: Any) -> Work:
    """An optimizer's step over the parameters of an MLP 784-1024-1024-10."""
    shapes = [(1024, 784), (1024,), (1024, 1024), (1024,), (10, 1024), (10,)]
    parameters = [t.nn.Parameter(t.tensor(numbers(*s))) for s in shapes]
    for p in parameters:
        p.grad = t.tensor(numbers(*p.shape))
    extra = {"fused": True} if fused and t is torch else {}
    optimizer = getattr(t.optim, name)(parameters, **options, **extra)
    return lambda: optimizer.step()


def cases() -> dict[str, tuple[Callable[[Any], Work], int]]:
    """Name -> (maker of the work for a library, bytes that must be moved)."""
    million, rows = numbers(1_000_000), numbers(4096, 1000)
    attention, tokens = numbers(24, 6, 128, 128), numbers(1024, 384)
    images = numbers(64, 64, 28, 28)
    weight, classes = np.ones(384, np.float32), RNG.integers(0, 1000, 4096)
    picked = RNG.integers(0, 4096, 8192)
    found: dict[str, tuple[Callable[[Any], Work], int]] = {}
    for name in ("exp", "log1p", "tanh", "sigmoid", "erf", "sin"):
        found[name] = (lambda t, n=name: forward(t, getattr(t, n), [np.abs(million)]), 8_000_000)
    for name in ("relu", "gelu", "silu", "tanh", "sigmoid"):

        def activation(t: Any, n: str = name) -> Work:
            function = getattr(t.nn.functional, n, None) or getattr(t, n)
            return gradient(t, function, [million], million)

        found[f"{name} and backward"] = (activation, 20_000_000)

    def softmax(t: Any) -> Work:
        return gradient(t, lambda x: t.softmax(x, -1), [attention], attention)

    def cross_entropy(t: Any) -> Work:
        y = t.tensor(classes)
        return gradient(t, lambda x: t.nn.functional.cross_entropy(x, y), [rows], np.float32(1))

    def layer_norm(t: Any) -> Work:
        function = t.nn.functional.layer_norm
        return gradient(t, lambda x, w, b: function(x, (384,), w, b), [tokens, weight, weight], tokens)

    def batch_norm(t: Any) -> Work:
        function = t.nn.functional.batch_norm
        affine = [np.ones(64, np.float32), np.zeros(64, np.float32)]
        return gradient(t, lambda x, w, b: function(x, None, None, w, b, True), [images, *affine], images)

    def embedding(t: Any) -> Work:
        index = t.tensor(picked)
        return gradient(t, lambda w: t.nn.functional.embedding(index, w), [rows], numbers(8192, 1000))

    found["softmax and backward"] = (softmax, 5 * attention.nbytes)
    found["cross entropy and backward"] = (cross_entropy, 3 * rows.nbytes)
    found["layer norm and backward"] = (layer_norm, 5 * tokens.nbytes)
    found["batch norm and backward"] = (batch_norm, 5 * images.nbytes)
    found["embedding and backward"] = (embedding, 5 * rows.nbytes)
    for axis in (0, 1):
        found[f"sum over {axis}"] = (lambda t, a=axis: forward(t, lambda x: x.sum(a), [rows]), rows.nbytes)
    found |= memory_cases()
    parameters = 4 * (784 * 1024 + 1024 * 1024 + 10 * 1024 + 2058)
    found["SGD step"] = (lambda t: step(t, "SGD", True, lr=1e-6), 3 * parameters)
    found["AdamW step"] = (lambda t: step(t, "AdamW", True, lr=1e-6), 7 * parameters)
    return found


def memory_cases() -> dict[str, tuple[Callable[[Any], Work], int]]:
    """What picks, orders, runs along, divides and converts: name -> (maker, bytes that must move)."""
    a, b = numbers(512, 512), numbers(512, 512)
    places = RNG.integers(0, 512, (512, 512))
    images, grid = numbers(8, 16, 32, 32), (RNG.random((8, 32, 32, 2)) * 2 - 1).astype(np.float32)
    one = a.nbytes

    def simple(function: Callable[..., Any], *arrays: Any) -> Callable[[Any], Work]:
        return lambda t: forward(t, lambda *x: function(t, *x), list(arrays))

    def both(function: Callable[..., Any]) -> Callable[[Any], Work]:
        return lambda t: gradient(t, lambda x: function(t, x, t.tensor(places)), [a], b)

    def sampled(t: Any, x: Any, at: Any) -> Any:
        return t.nn.functional.grid_sample(x, at, align_corners=False)

    return {
        "floor_divide": (simple(lambda t, x, y: x // y, a, b), 3 * one),
        "remainder": (simple(lambda t, x, y: x.remainder(y), a, b), 3 * one),
        "fmod": (simple(lambda t, x, y: x.fmod(y), a, b), 3 * one),
        "lgamma": (simple(lambda t, x: x.lgamma(), np.abs(a)), 2 * one),
        "huber_loss": (simple(lambda t, x, y: t.nn.functional.huber_loss(x, y), a, b), 2 * one),
        "group_norm": (simple(lambda t, x: t.nn.functional.group_norm(x, 4), images), 2 * images.nbytes),
        "cumsum": (simple(lambda t, x: x.cumsum(1), a), 2 * one),
        "cumsum over 0": (simple(lambda t, x: x.cumsum(0), a), 2 * one),
        "cumsum and backward": (lambda t: gradient(t, lambda x: x.cumsum(1), [a], b), 4 * one),
        "cummax": (simple(lambda t, x: x.cummax(1), a), 4 * one),
        "sort": (simple(lambda t, x: t.sort(x, 1), a), 4 * one),
        "median": (simple(lambda t, x: x.median(1), a), one),
        "gather": (simple(lambda t, x, i: x.gather(1, i), a, places), 4 * one),
        "gather and backward": (both(lambda t, x, i: x.gather(1, i)), 8 * one),
        "scatter_add": (simple(lambda t, x, y, i: x.scatter_add(1, i, y), a, b, places), 5 * one),
        "index pairs": (simple(lambda t, x, i: x[i, i], a, places[0]), 1 << 13),
        "transposed copy": (simple(lambda t, x: x.t().contiguous(), a), 2 * one),
        "channels last": (simple(lambda t, x: x.permute(0, 2, 3, 1).contiguous(), images), 2 * images.nbytes),
        "to bfloat16": (simple(lambda t, x: x.bfloat16(), a), 3 * one // 2),
        "to float16": (simple(lambda t, x: x.half(), a), 3 * one // 2),
        "grid_sample": (simple(sampled, images, grid), 2 * images.nbytes),
        "grid_sample and backward": (
            lambda t: gradient(t, lambda x: sampled(t, x, t.tensor(grid)), [images], images),
            4 * images.nbytes,
        ),
    }


def bandwidth(clock: Callable[[], int]) -> float:
    """Bytes a nanosecond, the better of reading and copying."""
    source = np.ones(10_000_000, np.float32)
    target = np.empty_like(source)
    best = 0.0
    for moved, work in (
        (source.nbytes, lambda: cotangent.tensor(source).sum()),
        (2 * source.nbytes, lambda: np.copyto(target, source)),
    ):
        best = max(best, *(moved / timed(work, clock) for _ in range(7)))
    return best


def timed(work: Work, clock: Callable[[], int]) -> int:
    start = clock()
    work()
    return max(clock() - start, 1)


def use_kernels(on: bool) -> None:
    """Generated kernels, or NumPy alone."""
    sized._state.off = not on
    sized._state.on = sized._state.on and on
    if on:
        sized.worthwhile(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    clock = time.process_time_ns if options.cpu_time else time.perf_counter_ns
    if options.threads:
        cotangent.set_num_threads(options.threads)
        if torch is not None:
            torch.set_num_threads(options.threads)
    use_kernels(True)
    speed = bandwidth(clock)
    print(f"{cotangent.get_num_threads()} threads, {speed:.1f} GB/s; times in us")
    heads = ("", "ours", "numpy", "torch", "floor", "torch/ours", "ours/floor")
    print("{:28s}{:>10s}{:>10s}{:>10s}{:>10s}{:>12s}{:>12s}".format(*heads))
    for name, (make, moved) in cases().items():
        if options.only and not any(word in name for word in options.only):
            continue
        works = {"ours": make(cotangent), "numpy": make(cotangent)}
        if torch is not None:
            works["torch"] = make(torch)
        best = dict.fromkeys(("ours", "numpy", "torch"), float("inf"))
        for _ in range(options.rounds):
            for label, work in works.items():
                if label != "torch":
                    use_kernels(label == "ours")
                best[label] = min(best[label], timed(work, clock) / 1000)
        floor = moved / speed / 1000
        print(
            f"{name:28s}{best['ours']:10.0f}{best['numpy']:10.0f}{best['torch']:10.0f}{floor:10.0f}"
            f"{best['torch'] / best['ours']:12.2f}{best['ours'] / floor:12.2f}"
        )


if __name__ == "__main__":
    main()
