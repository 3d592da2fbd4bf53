"""Matrix products and convolutions: generated kernels against NumPy (OpenBLAS) and PyTorch, in one run.

    python benchmarks/contract.py [--threads 2] [--rounds 15] [--only conv]

Each line is one product; the contenders take turns, and the best of the rounds counts, since other processes
of the machine only ever make a round slower. With one thread the clock is that thread's CPU time. GF/s count
useful operations: two for each multiply-add. The peak is that of the multiply-add units, measured by the same
process. PyTorch is left out where it is not installed. The last line of a table has the geometric means of
the ratios.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import time
from collections.abc import Callable
from typing import Any

# (m, n, k, which operands are transposed in memory, how many)
PRODUCTS = [
    (256, 1024, 784, "", 1),
    (256, 1024, 784, "b", 1),
    (1024, 784, 256, "a", 1),
    (768, 128, 512, "", 1),
    (256, 10, 1024, "b", 1),
    (64, 256, 256, "b", 1),
    (64, 256, 256, "", 1),
    (256, 256, 64, "a", 1),
    (768, 384, 384, "b", 1),
    (768, 384, 384, "", 1),
    (384, 384, 768, "a", 1),
    (768, 1536, 384, "b", 1),
    (768, 384, 1536, "", 1),
    (1536, 384, 768, "a", 1),
    (768, 384, 1536, "b", 1),
    (16, 1024, 1024, "b", 1),
    (1024, 1024, 1024, "", 1),
    (64, 64, 32, "", 64),
    (64, 64, 32, "b", 64),
    (64, 32, 64, "", 64),
    (128, 128, 64, "b", 24),
]
# (examples, channels in, channels out, kernel, size, stride, padding, groups)
CONVOLUTIONS = [
    (32, 64, 64, 3, 32, 1, 1, 1),
    (64, 1, 32, 3, 28, 1, 0, 1),
    (64, 32, 64, 3, 26, 1, 0, 1),
    (32, 64, 128, 3, 32, 2, 1, 1),
    (32, 64, 256, 1, 16, 1, 0, 1),
    (8, 256, 256, 3, 8, 1, 1, 1),
    (16, 3, 64, 7, 64, 2, 3, 1),
    (32, 64, 64, 3, 16, 1, 1, 4),
]


def peak(jit: Any) -> float:
    """GF/s of one core: 16 chains of multiply-adds on vectors of float32."""
    lanes = jit.host().vector_bytes // 4
    kind, chains = f"<{lanes} x float>", 16
    lines = ["define void @kernel(ptr %out, i64 %n) {", "entry:", "  br label %loop", "loop:"]
    lines.append("  %i = phi i64 [0, %entry], [%j, %loop]")
    for c in range(chains):
        first = f"splat (float {c}.0)"  # all different, or the chains would be computed once
        lines.append(f"  %a{c} = phi {kind} [{first}, %entry], [%b{c}, %loop]")
    for c in range(chains):
        half = "splat (float 5.000000e-01)"
        lines.append(
            f"  %b{c} = call {kind} @llvm.fma.v{lanes}f32({kind} {half}, {kind} %a{c}, {kind} {half})"
        )
    lines += [
        "  %j = add i64 %i, 1",
        "  %more = icmp ult i64 %j, %n",
        "  br i1 %more, label %loop, label %done",
    ]
    lines.append("done:")
    for c in range(chains):
        lines.append(f"  %p{c} = getelementptr {kind}, ptr %out, i64 {c}")
        lines.append(f"  store {kind} %b{c}, ptr %p{c}, align 4")
    lines += ["  ret void", "}", f"declare {kind} @llvm.fma.v{lanes}f32({kind}, {kind}, {kind})"]
    address = jit.function("benchmark multiply-adds", lambda: "\n".join(lines) + "\n")
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)
    out, n = (ctypes.c_float * (lanes * chains))(), 200_000
    best = math.inf
    for _ in range(7):
        start = time.perf_counter()
        run(out, n)
        best = min(best, time.perf_counter() - start)
    return 2 * lanes * chains * n / best / 1e9


def race(contenders: list[Callable[[], Any]], rounds: int, clock: Callable[[], float]) -> list[float]:
    """The best time of each, in seconds, of rounds in which they take turns."""
    repeats = []
    for run in contenders:
        run()
        start = clock()
        run()
        repeats.append(max(1, int(5e-4 / max(clock() - start, 1e-7))))
    best = [math.inf] * len(contenders)
    for _ in range(rounds):
        for i, run in enumerate(contenders):
            start = clock()
            for _ in range(repeats[i]):
                run()
            best[i] = min(best[i], (clock() - start) / repeats[i])
    return best


class Table:
    """Lines of GF/s, and the ratios to the first contender."""

    def __init__(self, names: list[str], top: float) -> None:
        self.names, self.top = names, top
        self.logs: list[list[float]] = []
        print(
            f"{'':38}"
            + "".join(f"{n:>10}" for n in names)
            + "   of peak"
            + "".join(f"{'/ ' + n:>9}" for n in names[1:])
        )

    def line(self, title: str, operations: float, times: list[float]) -> None:
        speeds = [operations / t / 1e9 for t in times]
        ratios = [t / times[0] for t in times[1:]]
        self.logs.append([math.log(r) for r in ratios])
        cells = "".join(f"{s:10.1f}" for s in speeds) + f"{speeds[0] / self.top:10.0%}"
        print(f"{title:38}{cells}" + "".join(f"{r:9.2f}" for r in ratios), flush=True)

    def end(self) -> None:
        means = [math.exp(sum(column) / len(column)) for column in zip(*self.logs)]
        print(
            f"{'geometric mean':38}{'':{10 * len(self.names) + 10}}"
            + "".join(f"{m:9.2f}" for m in means)
            + "\n"
        )


def products(np: Any, torch: Any, top: float, rounds: int, clock: Any) -> None:
    from cotangent.kernels import contract_eager

    table = Table(["cotangent", "numpy", *(["torch"] if torch else [])], top)
    for m, n, k, turned, count in PRODUCTS:
        lead = (count,) if count > 1 else ()
        a, b = (np.random.rand(*lead, *s).astype(np.float32) for s in ((m, k), (k, n)))
        if "a" in turned:
            a = np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2)
        if "b" in turned:
            b = np.ascontiguousarray(b.swapaxes(-1, -2)).swapaxes(-1, -2)
        found = contract_eager.product(a, b)
        assert np.allclose(found, a @ b, rtol=1e-4)
        runs: list[Callable[[], Any]] = [
            lambda a=a, b=b: contract_eager.product(a, b),
            lambda a=a, b=b: np.matmul(a, b),
        ]
        if torch:
            pair = torch.from_numpy(a), torch.from_numpy(b)
            runs.append(lambda pair=pair: torch.matmul(*pair))
        marks = " ".join(f"{x}^T" for x in turned)
        title = f"{m} x {n} x {k} {marks}" + (f" batch {count}" if count > 1 else "")
        table.line(title, 2.0 * m * n * k * count, race(runs, rounds, clock))
    table.end()


def convolutions(np: Any, torch: Any, top: float, rounds: int, clock: Any) -> None:
    from cotangent.kernels import contract_eager_conv as fast, conv as slow

    table = Table(["cotangent", "numpy", *(["torch"] if torch else [])], top)
    for examples, inputs, outputs, kernel, size, stride, padding, groups in CONVOLUTIONS:
        x = np.random.rand(examples, inputs, size, size).astype(np.float32)
        w = np.random.rand(outputs, inputs // groups, kernel, kernel).astype(np.float32)
        statics = (stride,) * 2, (padding,) * 2, (1, 1), groups
        y = slow.convolve.__wrapped__(x, w, None, *statics)
        g = np.random.rand(*y.shape).astype(np.float32)
        calls = {
            "forward": ("convolve", (x, w, None, *statics), None),
            "input": ("convolve_transposed", (g, w, None, (size, size), *statics), [True, False, False]),
            "weight": ("convolve_weight", (g, x, (kernel, kernel), *statics), [False, True, False]),
        }
        for what, (name, arguments, mask) in calls.items():
            mine, theirs = getattr(fast, name), getattr(slow, name).__wrapped__
            if mine(*arguments) is None:
                continue
            runs = [lambda f=mine, a=arguments: f(*a), lambda f=theirs, a=arguments: f(*a)]
            if torch:
                tx, tw, tg = (torch.from_numpy(v) for v in (x, w, g))
                s, p, d, _ = statics
                if mask is None:
                    runs.append(lambda a=(tx, tw, None, s, p, d, groups): torch.conv2d(*a))
                else:
                    rest = (tg, tx, tw, [0], s, p, d, False, [0, 0], groups, mask)
                    runs.append(lambda a=rest: torch.ops.aten.convolution_backward(*a))
            title = f"{examples}x{inputs}>{outputs} k{kernel} {size} s{stride} p{padding} g{groups} {what}"
            table.line(title, 2.0 * y.size * w[0].size, race(runs, rounds, clock))
    table.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=["products", "conv"])
    options = parser.parse_args()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    import numpy as np

    from cotangent.kernels import jit, runtime

    try:
        import torch

        torch.set_num_threads(options.threads)
    except ImportError:
        torch = None
    if not runtime.ready():
        raise SystemExit("no machine code can be generated here")
    runtime.set_threads(options.threads)
    core = peak(jit)
    top = core * options.threads
    print(f"peak of the multiply-add units: {core:.1f} GF/s a core, {options.threads} threads")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}\n")
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    if options.only != "conv":
        products(np, torch, top, options.rounds, clock)
    if options.only != "products":
        convolutions(np, torch, top, options.rounds, clock)


if __name__ == "__main__":
    main()
