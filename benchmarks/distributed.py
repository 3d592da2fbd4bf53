"""Training and calls over several processes: cotangent against PyTorch, in one run.

    python benchmarks/distributed.py [--ranks 2] [--rounds 3] [--only mlp gpt memory rpc] [--mpi]

Every case is a program that says `import torch`; it runs under `python -m cotangent` and under `python`, in
turn, with one thread a rank. Printed are samples per second of data-parallel training, the share of the
all-reduce that backward hides, tensors and resident memory with and without `fully_shard`, and how long calls
take. `--mpi` adds cotangent under mpiexec. On a busy machine, read the processor time of a step.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CASES = ("mlp", "gpt", "memory", "rpc")


# -- what the ranks run --


def median_time(run: Callable[[], Any], count: int, warm: int = 3) -> float:
    """Seconds of the median run."""
    times = []
    for number in range(count + warm):
        start = time.perf_counter()
        run()
        if number >= warm:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def mlp(torch: Any) -> tuple[Any, Any, Any, int]:
    """784-1024-1024-10 and a batch of 128."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )
    return model, torch.randn(128, 784), torch.randint(0, 10, (128,)), 128


def gpt(torch: Any) -> tuple[Any, Any, Any, int]:
    """Four blocks of width 128 and 8 sequences of 64."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)
            self.qkv, self.out = nn.Linear(128, 384), nn.Linear(128, 128)
            self.mlp = nn.Sequential(nn.Linear(128, 512), nn.GELU(), nn.Linear(512, 128))

        def forward(self, x: Any) -> Any:
            q, k, v = (
                t.reshape(*x.shape[:2], 4, 32).transpose(1, 2) for t in self.qkv(self.norm(x)).split(128, -1)
            )
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(x.shape))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(256, 128), nn.Embedding(64, 128)
            self.blocks = nn.Sequential(*(Block() for _ in range(4)))
            self.last = nn.Linear(128, 256)

        def forward(self, x: Any) -> Any:
            return self.last(self.blocks(self.words(x) + self.places.weight)).flatten(0, 1)

    words = torch.randint(0, 256, (8, 65))
    return GPT(), words[:, :-1], words[:, 1:].flatten(), 8


def train(torch: Any, case: str, backend: str) -> dict[str, float]:
    """Data-parallel steps, steps without exchange, and the exchange by itself."""
    dist = torch.distributed
    dist.init_process_group(backend)
    torch.manual_seed(0)
    model, x, y, batch = {"mlp": mlp, "gpt": gpt}[case](torch)
    ddp = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(ddp.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(ddp(x), y).backward()
        optimizer.step()

    def alone() -> None:
        with ddp.no_sync():
            step()

    flat = torch.zeros(sum(p.numel() for p in model.parameters()))
    together = median_time(step, 30, 15)
    used = time.process_time()
    for _ in range(20):
        step()
    used = (time.process_time() - used) / 20
    by_itself = median_time(alone, 30, 5)
    exchange = median_time(lambda: dist.all_reduce(flat), 10)
    count = dist.get_world_size()
    dist.barrier()
    dist.destroy_process_group()
    return {
        "samples/s": batch * count / together,
        "step ms": together * 1e3,
        "processor ms of a step": used * 1e3,
        "step without exchange ms": by_itself * 1e3,
        "all-reduce ms": exchange * 1e3,
        "hidden %": 100 * min(1.0, max(0.0, 1 - (together - by_itself) / exchange)),
    }


def resident() -> float:
    """The most memory that this process has had, in MB."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def memory(torch: Any, how: str) -> dict[str, float]:
    """An 81 MB model with Adam: what a rank keeps."""
    dist, nn = torch.distributed, torch.nn
    dist.init_process_group("gloo")
    start = resident()
    model = nn.Sequential(*(nn.Linear(1420, 1420) for _ in range(10)), nn.Linear(1420, 10))
    if how == "sharded":
        from torch.distributed.fsdp import fully_shard

        for layer in model:
            fully_shard(layer)
        fully_shard(model)
    else:
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 1420)).sum().backward()
        optimizer.step()

    def megabytes(tensors: Any) -> float:
        local = (t.to_local() if hasattr(t, "to_local") else t for t in tensors)
        return sum(t.numel() * t.element_size() for t in local) / 2**20

    found = {
        "parameters MB": megabytes(model.parameters()),
        "gradients MB": megabytes(p.grad for p in model.parameters()),
        "state MB": megabytes(t for s in optimizer.state.values() for t in s.values() if torch.is_tensor(t)),
        "most resident MB": resident(),
        "of these before MB": start,
    }
    dist.barrier()
    dist.destroy_process_group()
    return found


def echo(x: Any) -> Any:
    """What a call gives back."""
    return x


def nested(names: list[str], depth: int) -> int:
    """Calls within calls, to and fro."""
    from torch.distributed import rpc

    return 0 if not depth else 1 + rpc.rpc_sync(names[depth % 2], nested, (names, depth - 1))


def calls(torch: Any) -> dict[str, float]:
    """Calls of several kinds, in milliseconds."""
    from torch.distributed import autograd, rpc

    rank = int(os.environ["RANK"])
    options = rpc.TensorPipeRpcBackendOptions(
        init_method=f"tcp://127.0.0.1:{os.environ['MASTER_PORT']}", _transports=["uv"]
    )
    rpc.init_rpc(f"worker{rank}", rank=rank, world_size=2, rpc_backend_options=options)
    found = {}
    if rank == 0:
        small, big, names = torch.ones(2), torch.ones(25 * 2**18), ["worker0", "worker1"]
        x = torch.ones(3, 3, requires_grad=True)

        def through(count: int) -> None:
            with autograd.context() as number:
                y = x
                for _ in range(count):
                    y = rpc.rpc_sync("worker1", torch.add, (y, x))
                autograd.backward(number, [y.sum()])

        for name, run, count in (
            ("call", lambda: rpc.rpc_sync("worker1", echo, (small,)), 300),
            ("25 MB there and back", lambda: rpc.rpc_sync("worker1", echo, (big,)), 10),
            ("12 calls within each other", lambda: rpc.rpc_sync("worker1", nested, (names, 12)), 40),
            ("remote, to_here", lambda: rpc.remote("worker1", torch.add, (small, 1)).to_here(), 150),
            ("backward through one call", lambda: through(1), 80),
            ("backward through four", lambda: through(4), 40),
        ):
            found[f"{name} ms"] = median_time(run, count) * 1e3
    rpc.shutdown()
    return found


def work(case: str, output: str, backend: str) -> None:
    """What a rank runs; rank 0 writes what it found."""
    import torch

    torch.set_num_threads(1)
    if case in ("mlp", "gpt"):
        found = train(torch, case, backend)
        rank = int(os.environ.get("RANK", os.environ.get("PMI_RANK", "0")))
    else:
        found = calls(torch) if case == "rpc" else memory(torch, case.partition(" ")[2])
        rank = int(os.environ["RANK"])
    if rank == 0:
        Path(output).write_text(json.dumps(found), encoding="utf-8")


# -- the command --


def run(engine: str, case: str, ranks: int) -> dict[str, float]:
    """Run a case on several ranks."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "found.json")
        program = [*(["-m", "cotangent"] if engine != "PyTorch" else []), __file__]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks)}
        command = [sys.executable, *program, "--work", case, "--output", output]
        if engine == "cotangent, MPI":
            mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or "mpiexec"
            processes = [
                subprocess.Popen([mpiexec, "-n", str(ranks), *command, "--backend", "mpi"], env=environment)
            ]
        else:
            processes = [
                subprocess.Popen(command, env={**environment, "RANK": str(rank)}, stderr=subprocess.DEVNULL)
                for rank in range(ranks)
            ]
        for process in processes:
            process.wait(600)
        found: dict[str, float] = json.loads(Path(output).read_text(encoding="utf-8"))
        return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=CASES, choices=CASES)
    parser.add_argument("--mpi", action="store_true")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    parser.add_argument("--backend", default="gloo", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.output, options.backend)
        return
    cases = [c for c in options.only if c != "memory"]
    if "memory" in options.only:
        cases += ["memory whole", "memory sharded"]
    for case in cases:
        engines = ["cotangent", "PyTorch"]
        if options.mpi and case in ("mlp", "gpt"):
            engines.append("cotangent, MPI")
        rounds: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
        ranks = 2 if case == "rpc" else options.ranks
        for _ in range(1 if "memory" in case else options.rounds):
            for engine in engines:
                rounds[engine].append(run(engine, case, ranks))
        print(f"{case}, {ranks} ranks" + "".join(f"{engine:>18}" for engine in engines))
        for name in rounds[engines[0]][0]:
            medians = [statistics.median(r[name] for r in rounds[engine]) for engine in engines]
            print(f"  {name:28}" + "".join(f"{value:18.4g}" for value in medians), flush=True)


if __name__ == "__main__":
    main()
