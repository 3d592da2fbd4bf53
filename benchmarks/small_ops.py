"""Time of single operations on tiny tensors, cotangent beside PyTorch.

On tensors this small the arithmetic costs next to nothing: what is measured is what a call costs. The
two engines take turns, round by round, so that a busy machine slows both alike; the table shows the
medians over the rounds in microseconds, and their ratio (below 1: cotangent is faster). Without
PyTorch installed, its columns stay empty.

    python benchmarks/small_ops.py [--only WORD] [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

Case = Callable[[], Any]


def operations(m: Any) -> dict[str, Case]:
    """What is measured of engine `m`, by the name the table shows."""
    F = m.nn.functional
    a, b = m.ones(10), m.ones(10)
    p = m.ones(10, requires_grad=True)
    x, y, row = m.ones(4, 5), m.ones(5, 4), m.ones(5)
    w, bias, square = m.ones(3, 5), m.ones(3), m.ones(4, 4)
    batch = m.ones(2, 4, 5)
    rows, marks, labels = m.tensor([0, 1]), m.tensor([True, False, True, False]), m.tensor([0, 1, 2, 3])
    where = m.zeros(4, 5) > 1
    column = m.zeros(4, 1, dtype=m.int64)
    target, values, one, flag = m.zeros(4, 5), m.ones(2, 5), m.ones(1), m.tensor(True)
    gamma, table = m.ones(5), m.ones(7, 3)
    scalar, lead = m.ones(()), m.ones(1, 4, 5)

    def descend() -> None:
        with m.no_grad():
            p.add_(b, alpha=-0.1)

    def backward() -> None:
        p.sum().backward()

    def assign(key: Any, value: Any) -> Case:
        return lambda: target.__setitem__(key, value)

    return {
        "x + x": lambda: x + x,
        "x * row (broadcast)": lambda: x * row,
        "x * 2.0": lambda: x * 2.0,
        "x > 0": lambda: x > 0,
        "int + int": lambda: rows + rows,
        "x.exp()": lambda: x.exp(),
        "x.clone()": lambda: x.clone(),
        "x.detach()": lambda: x.detach(),
        "x[0]": lambda: x[0],
        "x[:, 1]": lambda: x[:, 1],
        "x[1:3]": lambda: x[1:3],
        "x[0, 1]": lambda: x[0, 1],
        "x[..., None]": lambda: x[..., None],
        "x[index]": lambda: x[rows],
        "x[mask]": lambda: x[marks],
        "x[0] = 1.0": assign(0, 1.0),
        "x[0] = row": assign(0, row),
        "x[index] = v": assign(rows, values),
        "x[mask] = 1.0": assign(marks, 1.0),
        "reshape": lambda: x.reshape(-1),
        "view": lambda: x.view(20),
        "view(5, 4)": lambda: x.view(5, 4),
        "t": lambda: x.t(),
        "x.T": lambda: x.T,
        "transpose": lambda: x.transpose(0, 1),
        "permute": lambda: x.permute(1, 0),
        "expand": lambda: row.expand(4, 5),
        "unsqueeze": lambda: x.unsqueeze(0),
        "squeeze": lambda: lead.squeeze(0),
        "flatten": lambda: x.flatten(),
        "matmul": lambda: x @ y,
        "mm": lambda: m.mm(x, y),
        "bmm": lambda: m.bmm(batch, batch.transpose(1, 2)),
        "linear": lambda: F.linear(x, w, bias),
        "addmm": lambda: m.addmm(square, x, y),
        "dot": lambda: m.dot(a, b),
        "sum": lambda: x.sum(),
        "sum(1)": lambda: x.sum(1),
        "sum(dim=1, keepdim)": lambda: x.sum(dim=1, keepdim=True),
        "mean": lambda: x.mean(),
        "mean(1)": lambda: x.mean(1),
        "max": lambda: x.max(),
        "max(1)": lambda: x.max(1),
        "argmax(1)": lambda: x.argmax(1),
        "relu": lambda: F.relu(x),
        "sigmoid": lambda: x.sigmoid(),
        "gelu": lambda: F.gelu(x),
        "softmax": lambda: F.softmax(x, dim=1),
        "log_softmax": lambda: F.log_softmax(x, dim=1),
        "cross_entropy": lambda: F.cross_entropy(x, labels),
        "mse_loss": lambda: F.mse_loss(a, b),
        "layer_norm": lambda: F.layer_norm(x, (5,), gamma, gamma),
        "embedding": lambda: F.embedding(rows, table),
        "dropout": lambda: F.dropout(x, 0.5),
        "cat": lambda: m.cat([x, x]),
        "stack": lambda: m.stack([x, x]),
        "split": lambda: x.split(2),
        "chunk": lambda: x.chunk(2),
        "unbind": lambda: x.unbind(0),
        "item": lambda: one.item(),
        "float(t)": lambda: float(one),
        "bool(t)": lambda: bool(flag),
        "x.shape": lambda: x.shape,
        "x.size(0)": lambda: x.size(0),
        "x.size()": lambda: x.size(),
        "x.dtype": lambda: x.dtype,
        "x.float()": lambda: x.float(),
        "int.float()": lambda: rows.float(),
        "x.to(float64)": lambda: x.to(m.float64),
        "zeros(4, 5)": lambda: m.zeros(4, 5),
        "ones(4, 5)": lambda: m.ones(4, 5),
        "zeros_like": lambda: m.zeros_like(x),
        "tensor([1., 2.])": lambda: m.tensor([1.0, 2.0]),
        "tensor(1.0)": lambda: m.tensor(1.0),
        "arange(5)": lambda: m.arange(5),
        "randn(4, 5)": lambda: m.randn(4, 5),
        "rand(4, 5)": lambda: m.rand(4, 5),
        "no_grad p.add_(alpha)": descend,
        "add_(alpha)": lambda: a.add_(b, alpha=-0.1),
        "add_": lambda: a.add_(b),
        "mul_(1.0)": lambda: a.mul_(1.0),
        "copy_": lambda: a.copy_(b),
        "fill_": lambda: a.fill_(1.0),
        "zero_": lambda: target.zero_(),
        "where": lambda: m.where(where, x, target),
        "gather": lambda: x.gather(1, column),
        "masked_fill": lambda: x.masked_fill(where, 0.0),
        "clamp": lambda: x.clamp(0.0, 1.0),
        "pow 2": lambda: x**2,
        "scalar + scalar": lambda: scalar + scalar,
        "p * p (recorded)": lambda: p * p,
        "p[0] (recorded)": lambda: p[0],
        "p.sum() (recorded)": lambda: p.sum(),
        "p.sum().backward()": backward,
    }


def network(m: Any, adam: bool) -> Case:
    """One training step of a perceptron 4-16-16-1."""
    m.manual_seed(0)
    nn = m.nn
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = m.optim.Adam(model.parameters()) if adam else m.optim.SGD(model.parameters(), lr=0.01)
    x, y = m.randn(8, 4), m.randn(8, 1)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()

    return step


def loader(m: Any) -> Case:
    """One pass over 64 samples in batches of 8."""
    data = m.utils.data.TensorDataset(m.ones(64, 4), m.ones(64))
    batches = m.utils.data.DataLoader(data, batch_size=8)
    return lambda: [None for _ in batches]


def cases(m: Any) -> dict[str, Case]:
    """All cases of engine `m`."""
    return operations(m) | {
        "MLP step, SGD": network(m, False),
        "MLP step, Adam": network(m, True),
        "DataLoader, 8 batches": loader(m),
    }


def measure(case: Case, calls: int) -> float:
    """Microseconds per call."""
    start = time.perf_counter()
    for _ in range(calls):
        case()
    return (time.perf_counter() - start) / calls * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="cases whose name contains this word")
    parser.add_argument("--rounds", type=int, default=15, help="rounds per case and engine")
    arguments = parser.parse_args()
    ours = cases(importlib.import_module("cotangent"))
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        theirs: dict[str, Case] = {}
    else:
        importlib.import_module("torch.utils.data")
        theirs = cases(torch)
    print(f"{'operation':24s} {'cotangent':>10s} {'PyTorch':>10s} {'ratio':>7s}")
    ratios: list[float] = []
    for name, own in ours.items():
        if arguments.only not in name:
            continue
        pair = [own, theirs[name]] if theirs else [own]
        for case in pair:
            measure(case, 3)  # first calls generate code
        calls = max(3, int(1000 / max(measure(own, 20), 0.1)))  # about a millisecond a round
        samples = [[measure(case, calls) for case in pair] for _ in range(arguments.rounds)]
        medians = [statistics.median(column) for column in zip(*samples, strict=True)]
        text = f"{name:24s} {medians[0]:10.2f}"
        if theirs:
            ratios.append(medians[0] / medians[1])
            text += f" {medians[1]:10.2f} {ratios[-1]:7.2f}"
        print(text, flush=True)
    if ratios:
        print(f"{'geometric mean':24s} {statistics.geometric_mean(ratios):29.2f}")


if __name__ == "__main__":
    main()
