"""Ranks that Ray places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import RunPython

from cotangent.distributed import ray

PROGRAM = """
import os, sys
import torch, torch.distributed as dist
from torch.distributed import rpc
from cotangent.distributed import ray as placed

def tell(*what):
    print("told:", *what)  # Ray's own words are between these

def train(rank, target):
    "Data-parallel steps; what they come to."
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.linspace(-1, 1, 24).reshape(8, 3)[rank::2]
    for _ in range(5):
        optimizer.zero_grad()
        ((net(x) - target) ** 2).mean().backward()
        optimizer.step()
    dist.destroy_process_group()
    return net.module.weight.detach(), os.environ["LOCAL_RANK"], os.environ["LOCAL_WORLD_SIZE"]

def call(rank):
    rpc.init_rpc(f"worker{rank}", rank=rank, world_size=2)
    found = rpc.rpc_sync(f"worker{1 - rank}", torch.add, (torch.ones(2), rank))
    rpc.shutdown()
    return found

def fails(rank, how):
    if rank == 1:
        if how == "raise":
            raise ValueError("on purpose")
        os._exit(3)
    dist.init_process_group("gloo")  # the other one never comes

if __name__ == "__main__":
    import ray
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    results = placed.spawn(train, (torch.tensor(0.5),), nprocs=2)
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        ((net(torch.linspace(-1, 1, 24).reshape(8, 3)) - 0.5) ** 2).mean().backward()
        optimizer.step()
    tell([bool((w - net.weight).abs().max() < 1e-6) for w, _, _ in results], [r[1:] for r in results])
    tell([t.tolist() for t in placed.spawn(call, nprocs=2)])
    for how in ("raise", "exit"):
        try:
            placed.spawn(fails, (how,), nprocs=2)
        except torch.multiprocessing.ProcessException as error:
            tell(type(error).__name__, error.error_index, "ValueError: on purpose" in str(error))
    try:
        placed.spawn(print, nprocs=3, timeout=1)
    except RuntimeError as error:
        tell(str(error)[:68])
    ray.shutdown()
"""


@pytest.mark.skipif(not ray.is_available(), reason="needs ray")
def test_the_same_code_runs_in_actors(
    run_python: RunPython, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    (tmp_path / "placed.py").write_text(PROGRAM)
    result = run_python("-m", "cotangent", "placed.py")
    told = [line[6:] for line in result.stdout.splitlines() if line.startswith("told: ")]
    assert told == [
        "[True, True] [('0', '2'), ('1', '2')]",
        "[[1.0, 1.0], [2.0, 2.0]]",
        "ProcessRaisedException 1 True",
        "ProcessExitedException 1 False",
        "the Ray cluster has had no room within 1 s for 3 ranks with 1 CPUs e",
    ], result.stderr


def test_it_says_so_when_ray_is_missing(tmp_path: Path, run_python: Any) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('no ray here')")
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from cotangent.distributed import ray\n"
        "print(ray.is_available())\n"
        "try: ray.spawn(print)\n"
        "except RuntimeError as error: print(error)\n"
    )
    result = run_python("-c", code)
    assert result.stdout == (
        "False\ncotangent.distributed.ray needs the package ray: pip install cotangent[ray]\n"
    ), result.stderr
