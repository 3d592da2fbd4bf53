"""Whole training steps: cotangent eager and compiled, PyTorch eager and compiled, JAX, side by side.

    python benchmarks/step.py [CASE ...] [--rounds N] [--peers NAME,...] [--json|--table|--plot FILE]
    python benchmarks/step.py [CASE ...] --check STEPS     compares the losses of eager and compiled steps
                                        [--double]         in float64: what rounding grows to is seen apart
    python benchmarks/step.py [CASE ...] --growth STEPS    the memory of a process before and after many steps

Each round runs every peer once, in a process of its own; figures are medians over the rounds of the medians
within them, ratios are against the fastest peer that is not cotangent. All peers start from the same
parameters and the same batch (both come from NumPy), and the losses of the first steps are compared. The
floor is the sum of flops / measured multiply-add peak and bytes / measured bandwidth of a compiled step.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import workloads
from workloads import WORKLOADS

THREADS = 2
PEERS = ("cotangent", "compiled", "torch", "torch.compile", "jax.jit")
CHECKED = 5

# name -> (kind, sizes, batch, steps of one round)
CASES: dict[str, tuple[str, Any, int, int]] = {
    "mlp small": ("mlp", (64, 256, 256, 10), 64, 300),
    "mlp large": ("mlp", (784, 1024, 1024, 10), 256, 40),
    "cnn": ("cnn", (), 64, 15),
    "gpt small": ("gpt", (65, 64, 4, 4, 128), 12, 15),
    "gpt large": ("gpt", (65, 128, 6, 6, 384), 4, 5),
}


def parameters(kind: str, sizes: Any) -> dict[str, Any]:
    """The same starting values for every peer."""
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {}

    def matrix(name: str, *shape: int) -> None:
        made[name] = (rng.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))).astype(workloads.REAL)

    def vector(name: str, n: int, value: float = 0.0) -> None:
        made[name] = np.full(n, value, workloads.REAL)

    if kind == "mlp":
        for k, (i, o) in enumerate(itertools.pairwise(sizes)):
            matrix(f"w{k}", o, i)
            vector(f"b{k}", o)
    elif kind == "cnn":
        matrix("c0", 32, 1, 3, 3)
        vector("d0", 32)
        matrix("c1", 64, 32, 3, 3)
        vector("d1", 64)
        for k, (i, o) in enumerate(((9216, 128), (128, 10))):
            matrix(f"w{k}", o, i)
            vector(f"b{k}", o)
    else:
        vocabulary, block, layers, _, width = sizes
        matrix("tokens", vocabulary, width)
        matrix("places", block, width)
        for k in range(layers):
            for norm in ("n1", "n2"):
                vector(f"{k}.{norm}.w", width, 1.0)
                vector(f"{k}.{norm}.b", width)
            for name, o, i in (("qkv", 3, 1), ("proj", 1, 1), ("fc", 4, 1), ("out", 1, 4)):
                matrix(f"{k}.{name}.w", o * width, i * width)
                vector(f"{k}.{name}.b", o * width)
        vector("n.w", width, 1.0)
        vector("n.b", width)
        matrix("head", vocabulary, width)
    return made


def batch(kind: str, sizes: Any, n: int) -> tuple[Any, Any]:
    """Inputs and targets."""
    rng = np.random.default_rng(1)
    if kind == "mlp":
        return rng.standard_normal((n, sizes[0])).astype(workloads.REAL), rng.integers(sizes[-1], size=n)
    if kind == "cnn":
        return rng.standard_normal((n, 1, 28, 28)).astype(workloads.REAL), rng.integers(10, size=n)
    return rng.integers(sizes[0], size=(n, sizes[1])), rng.integers(sizes[0], size=n * sizes[1])


# -- cotangent and PyTorch: the same program -------------------------------------------------------------


def loss_of(torch: Any, kind: str, sizes: Any, p: dict[str, Any], x: Any, y: Any) -> Any:
    """The loss, in PyTorch's words."""
    F = torch.nn.functional
    if kind == "mlp":
        last = len(sizes) - 2
        for k in range(last + 1):
            x = F.linear(x, p[f"w{k}"], p[f"b{k}"])
            x = x if k == last else F.relu(x)
        return F.cross_entropy(x, y)
    if kind == "cnn":
        x = F.relu(F.conv2d(x, p["c0"], p["d0"]))
        x = F.max_pool2d(F.relu(F.conv2d(x, p["c1"], p["d1"])), 2)
        x = F.relu(F.linear(torch.flatten(x, 1), p["w0"], p["b0"]))
        return F.cross_entropy(F.linear(x, p["w1"], p["b1"]), y)
    _, block, layers, heads, width = sizes
    n, t = x.shape
    mask = torch.tril(torch.ones(block, block)) == 0
    h = F.embedding(x, p["tokens"]) + F.embedding(torch.arange(block), p["places"])
    for k in range(layers):
        z = F.layer_norm(h, (width,), p[f"{k}.n1.w"], p[f"{k}.n1.b"])
        parts = F.linear(z, p[f"{k}.qkv.w"], p[f"{k}.qkv.b"]).split(width, dim=2)
        q, key, v = (a.view(n, t, heads, width // heads).transpose(1, 2) for a in parts)
        scores = (q @ key.transpose(-2, -1)) * (1.0 / math.sqrt(width // heads))
        scores = F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        z = (scores @ v).transpose(1, 2).contiguous().view(n, t, width)
        h = h + F.linear(z, p[f"{k}.proj.w"], p[f"{k}.proj.b"])
        z = F.layer_norm(h, (width,), p[f"{k}.n2.w"], p[f"{k}.n2.b"])
        z = F.gelu(F.linear(z, p[f"{k}.fc.w"], p[f"{k}.fc.b"]), approximate="tanh")
        h = h + F.linear(z, p[f"{k}.out.w"], p[f"{k}.out.b"])
    h = F.layer_norm(h, (width,), p["n.w"], p["n.b"])
    return F.cross_entropy(F.linear(h, p["head"]).view(n * t, -1), y)


def torch_step(torch: Any, kind: str, sizes: Any, n: int, wrap: Callable[..., Any]) -> Callable[[], float]:
    """A whole step with AdamW."""
    p = {name: torch.from_numpy(v).requires_grad_() for name, v in parameters(kind, sizes).items()}
    x, y = (torch.from_numpy(a) for a in batch(kind, sizes, n))
    optimizer = torch.optim.AdamW(p.values(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(torch, kind, sizes, p, x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    whole = wrap(step)
    run = lambda: float(whole(x, y))  # noqa: E731
    run.compiled = whole  # type: ignore[attr-defined]
    return run


# -- JAX -------------------------------------------------------------------------------------------------


def jax_step(kind: str, sizes: Any, n: int) -> Callable[[], float]:
    """The same step in JAX, with AdamW written out."""
    import jax
    import jax.numpy as jnp

    def linear(x: Any, w: Any, b: Any = None) -> Any:
        out = x @ w.T
        return out if b is None else out + b

    def norm(x: Any, w: Any, b: Any) -> Any:
        t = x - x.mean(-1, keepdims=True)
        return t * jax.lax.rsqrt((t * t).mean(-1, keepdims=True) + 1e-5) * w + b

    def cross_entropy(logits: Any, y: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

    def conv(x: Any, w: Any, b: Any) -> Any:
        return jax.lax.conv(x, w, (1, 1), "VALID") + b[:, None, None]

    def loss(p: Any, x: Any, y: Any) -> Any:
        if kind == "mlp":
            last = len(sizes) - 2
            for k in range(last + 1):
                x = linear(x, p[f"w{k}"], p[f"b{k}"])
                x = x if k == last else jax.nn.relu(x)
            return cross_entropy(x, y)
        if kind == "cnn":
            x = jax.nn.relu(conv(x, p["c0"], p["d0"]))
            x = jax.nn.relu(conv(x, p["c1"], p["d1"]))
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
            x = jax.nn.relu(linear(x.reshape(x.shape[0], -1), p["w0"], p["b0"]))
            return cross_entropy(linear(x, p["w1"], p["b1"]), y)
        _, block, layers, heads, width = sizes
        mask = jnp.tril(jnp.ones((block, block))) == 0
        h = p["tokens"][x] + p["places"][jnp.arange(block)]
        for k in range(layers):
            z = linear(norm(h, p[f"{k}.n1.w"], p[f"{k}.n1.b"]), p[f"{k}.qkv.w"], p[f"{k}.qkv.b"])
            q, key, v = (
                a.reshape(*x.shape, heads, width // heads).swapaxes(1, 2) for a in jnp.split(z, 3, 2)
            )
            scores = (q @ key.swapaxes(-2, -1)) / math.sqrt(width // heads)
            z = jax.nn.softmax(jnp.where(mask, -jnp.inf, scores), -1) @ v
            z = z.swapaxes(1, 2).reshape(h.shape)
            h = h + linear(z, p[f"{k}.proj.w"], p[f"{k}.proj.b"])
            z = linear(norm(h, p[f"{k}.n2.w"], p[f"{k}.n2.b"]), p[f"{k}.fc.w"], p[f"{k}.fc.b"])
            h = h + linear(jax.nn.gelu(z, approximate=True), p[f"{k}.out.w"], p[f"{k}.out.b"])
        h = norm(h, p["n.w"], p["n.b"])
        return cross_entropy(linear(h, p["head"]).reshape(y.shape[0], -1), y)

    def update(p: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        value, g = jax.value_and_grad(loss)(p, x, y)
        t = t + 1
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t

        def one(a: Any, ga: Any, ma: Any, va: Any) -> Any:
            ma, va = 0.9 * ma + 0.1 * ga, 0.999 * va + 0.001 * ga * ga
            return a * (1 - 1e-3 * 1e-2) - 1e-3 * (ma / c1) / (jnp.sqrt(va / c2) + 1e-8), ma, va

        moved = {name: one(p[name], g[name], m[name], v[name]) for name in p}
        p, m, v = ({name: triple[k] for name, triple in moved.items()} for k in range(3))
        return value, p, m, v, t

    p = {name: jnp.asarray(v) for name, v in parameters(kind, sizes).items()}
    zeros = {name: jnp.zeros_like(v) for name, v in p.items()}
    state = [p, zeros, {name: jnp.zeros_like(v) for name, v in p.items()}, jnp.float32(0)]
    x, y = (jnp.asarray(a) for a in batch(kind, sizes, n))
    call = jax.jit(update, donate_argnums=(0, 1, 2))

    def step() -> float:
        value, *state[:] = call(*state, x, y)
        return float(value)

    return step


# -- one peer in its process -----------------------------------------------------------------------------


def prepared(peer: str, case: str) -> tuple[Callable[[], float], int]:
    """A step of one peer in one case, and how many make a round."""
    if peer == "jax.jit":
        import jax as library
    elif peer.startswith("torch"):
        import torch as library
    else:
        import cotangent as library
    wrap = library.compile if peer in ("compiled", "torch.compile") else (lambda f: f)
    if peer != "jax.jit":
        library.set_num_threads(THREADS)
    if case in WORKLOADS:
        work = WORKLOADS[case]()
        count = work.count
        step = work.jax(library) if peer == "jax.jit" else work.torch(library, wrap)
    else:
        kind, sizes, n, count = CASES[case]
        step = jax_step(kind, sizes, n) if peer == "jax.jit" else torch_step(library, kind, sizes, n, wrap)
    return step, count


def measure(peer: str, case: str) -> dict[str, Any]:
    """Run one peer on one case."""
    start = time.perf_counter()
    step, count = prepared(peer, case)
    begun = time.perf_counter()
    losses = [step()]
    first = time.perf_counter() - begun
    again = time.perf_counter()  # of a compiled step often another program: an optimizer has its state now
    losses.append(step())
    second = time.perf_counter() - again
    losses += [step() for _ in range(CHECKED - 2)]
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    found = {"losses": losses, "first": first, "second": second}
    found |= {"median": statistics.median(times), "best": min(times)}
    found["setup"] = begun - start
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    if peer == "compiled":
        flops, moved = step.compiled.work()  # type: ignore[attr-defined]
        peak, bandwidth = machine()
        found["floor"] = flops / peak + moved / bandwidth
    return found


def machine() -> tuple[float, float]:
    """(flops a second of the best product found here, bytes a second of a copy)."""
    a = np.ones((1536, 1536), np.float32)
    seconds = min(_timed(lambda: a @ a) for _ in range(5))
    big, target = np.ones(1 << 24, np.float32), np.empty(1 << 24, np.float32)
    copying = min(_timed(lambda: np.copyto(target, big)) for _ in range(5))
    return 2 * 1536**3 / seconds, 2 * big.nbytes / copying


def _timed(f: Callable[[], Any]) -> float:
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def check(case: str, steps: int, double: bool) -> None:
    """Print how far the losses of compiled steps come to lie from those of eager ones."""
    if double:
        import cotangent

        workloads.REAL = np.float64
        cotangent.set_default_dtype(cotangent.float64)
    eager, compiled = ([step() for _ in range(steps)] for step in (prepared(p, case)[0] for p in PEERS[:2]))
    off = [abs(a - b) / max(abs(a), 1e-3) for a, b in zip(eager, compiled, strict=True)]
    apart = next((f"step {i + 1}" for i, d in enumerate(off) if d > 1e-4), "none")
    print(
        f"{case:16} {steps} steps, {eager[0]:.4f} to {eager[-1]:.4f}: largest relative difference "
        f"{max(off):.1e}, first above 1e-4: {apart}"
    )


def growth(peer: str, case: str, steps: int) -> None:
    """Print the resident memory after few and after many steps."""
    step, _ = prepared(peer, case)
    found = []
    for number in range(steps):
        step()
        if number in (9, steps - 1):
            found.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    print(f"{case:16} {peer:14} {found[0] / 1e6:.1f} MB after 10 steps, {found[-1] / 1e6:.1f} after {steps}")


# -- rounds ----------------------------------------------------------------------------------------------


def one(peer: str, case: str) -> dict[str, Any] | str:
    """Measure in a fresh process; what went wrong, if something did."""
    env = os.environ | {"OMP_NUM_THREADS": str(THREADS), "OPENBLAS_NUM_THREADS": str(THREADS)}
    env["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={THREADS}"
    done = subprocess.run(
        [sys.executable, __file__, "--one", peer, case], capture_output=True, text=True, env=env, check=False
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1][:110]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def main() -> None:
    """Run the rounds and print the table."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("cases", nargs="*", default=[*CASES, *WORKLOADS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--json", type=Path, help="write all figures")
    parser.add_argument("--table", type=Path, help="write a table in Markdown")
    parser.add_argument("--plot", type=Path, help="draw the ratios (needs matplotlib)")
    parser.add_argument(
        "--check", type=int, metavar="STEPS", help="compare eager and compiled losses instead"
    )
    parser.add_argument("--double", action="store_true", help="check in float64")
    parser.add_argument("--growth", type=int, metavar="STEPS", help="measure memory over many steps instead")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.cases) - {*CASES, *WORKLOADS}:
        parser.error(f"no such case: {', '.join(sorted(unknown))}; known: {', '.join([*CASES, *WORKLOADS])}")
    if given.one:
        print(json.dumps(measure(*given.one)))
        return
    if given.check:
        for case in given.cases:
            check(case, given.check, given.double)
        return
    if given.growth:
        for case in given.cases:
            for peer in given.peers.split(","):
                growth(peer, case, given.growth)
        return
    table: dict[str, Any] = {}
    for case in given.cases:
        rounds: dict[str, list[dict[str, Any]]] = {}
        failed: dict[str, str] = {}
        for _ in range(given.rounds):
            for peer in given.peers.split(","):
                if peer in failed:
                    continue
                found = one(peer, case)
                if isinstance(found, str):
                    failed[peer] = found
                else:
                    rounds.setdefault(peer, []).append(found)
        table[case] = report(case, rounds, failed)
    if given.json:
        given.json.write_text(json.dumps(table, indent=1))
    if given.table:
        given.table.write_text(markdown(table, given.peers.split(",")))
    if given.plot:
        plot(table, given.plot)
    print("\ngeometric means over the cases that all ran:")
    for peer in ("cotangent", "compiled"):
        for others in (("torch",), ("torch", "torch.compile", "jax.jit")):
            mean = geometric(table, peer, others)
            if mean == mean:
                print(f"  {peer:10} {mean:.2f} times as fast as the fastest of {', '.join(others)}")


def ratio(found: dict[str, Any], peer: str, others: tuple[str, ...]) -> float:
    """How many times as fast as the fastest of the others a peer was in one case; nan where unknown."""
    medians = found["median"]
    known = [medians[o] for o in others if o in medians]
    return min(known) / medians[peer] if known and peer in medians else math.nan


def geometric(table: dict[str, Any], peer: str, others: tuple[str, ...]) -> float:
    """The geometric mean of the ratios."""
    ratios = [r for r in (ratio(found, peer, others) for found in table.values()) if r == r]
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else math.nan


def markdown(table: dict[str, Any], peers: list[str]) -> str:
    """Medians in milliseconds, the floor, and the ratio of the compiled step, as a table."""
    rows = [["case", *peers, "floor", "compiled, times the fastest other"]]
    rows.append(["---"] * len(rows[0]))
    others = tuple(p for p in peers if p not in ("cotangent", "compiled"))
    for case, found in table.items():
        times = [f"{found['median'][p] * 1e3:.2f}" if p in found["median"] else "failed" for p in peers]
        rows.append([case, *times, f"{found['floor'] * 1e3:.2f}", f"{ratio(found, 'compiled', others):.2f}"])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def plot(table: dict[str, Any], path: Path) -> None:
    """Bars: how many times as fast as PyTorch's eager step every peer was."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    from matplotlib import pyplot

    peers = [p for p in PEERS if p != "torch" and any(p in found["median"] for found in table.values())]
    _, axes = pyplot.subplots(figsize=(max(6.0, 1.1 * len(table)), 4))
    width = 0.8 / max(len(peers), 1)
    for k, peer in enumerate(peers):
        heights = [ratio(found, peer, ("torch",)) for found in table.values()]
        axes.bar([i + k * width for i in range(len(table))], heights, width, label=peer)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log", base=2)
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(table))], list(table), rotation=30, ha="right")
    axes.set_ylabel("times as fast as PyTorch")
    axes.legend()
    pyplot.tight_layout()
    pyplot.savefig(path, dpi=120)


def report(case: str, rounds: dict[str, list[dict[str, Any]]], failed: dict[str, str]) -> dict[str, Any]:
    """Print one case."""
    medians = {peer: statistics.median(r["median"] for r in found) for peer, found in rounds.items()}
    best = {peer: min(r["best"] for r in found) for peer, found in rounds.items()}
    others = [m for peer, m in medians.items() if peer not in ("cotangent", "compiled")]
    fastest = min(others) if others else math.nan
    print(f"\n{case}")
    for peer, found in rounds.items():
        reference = next(iter(rounds.values()))[0]["losses"]
        pairs = zip(found[0]["losses"], reference, strict=True)
        off = max(abs(a - b) / max(abs(b), 0.1) for a, b in pairs)
        same = "same losses" if off < 1e-4 else f"LOSSES DIFFER by {off:.1e}"
        peak = max(r["peak"] for r in found) / 1e6
        print(
            f"  {peer:14} {medians[peer] * 1e3:9.3f} ms   best {best[peer] * 1e3:9.3f}   first call "
            f"{found[0]['first']:6.2f} s, second {found[0]['second']:5.2f} s   peak {peak:5.0f} MB   "
            f"{fastest / medians[peer]:5.2f} x the fastest other   {same}"
        )
    for peer, why in failed.items():
        print(f"  {peer:14} failed: {why}")
    floor = min((r["floor"] for r in rounds.get("compiled", [])), default=math.nan)
    if floor == floor:
        ratio = best["compiled"] / floor
        print(f"  floor          {floor * 1e3:9.3f} ms   the best compiled step takes {ratio:.2f} times that")
    return {"median": medians, "best": best, "floor": floor, "failed": failed}


if __name__ == "__main__":
    main()
