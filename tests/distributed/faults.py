"""Programs whose ranks are killed: they train, write checkpoints and go on from the last whole one.

`faults.py KIND FOLDER STEPS` prints "ready", then "STEP LOSS" for each step of rank 0. With FAULT_TIMEOUT in
the environment, collectives and calls wait so many seconds; FAULT_AT is the step before which rank 1 of a
launcher's first start kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed import rpc
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel as DDP

KIND, FOLDER, STEPS = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
RANK, SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
FAULT_AT = int(os.environ.get("FAULT_AT", "-1"))
TIMEOUT = float(os.environ.get("FAULT_TIMEOUT", "30"))


def make() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 30), nn.Tanh(), nn.Linear(30, 30), nn.Tanh(), nn.Linear(30, 2)).double()


def batch(step: int) -> tuple[Any, Any]:
    x = torch.sin(torch.arange(RANK * 24, RANK * 24 + 24, dtype=torch.float64) * (step + 1)).reshape(4, 6)
    return x, x[:, :2] * x[:, 2:4]


def meet() -> None:
    """Start, however late a busy machine lets the others come: TIMEOUT counts from when all are there."""
    patience = timedelta(seconds=120)
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    serves = RANK == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store: Any = dist.TCPStore(host, port, SIZE, serves, patience, wait_for_workers=False)
    store = dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    store.set(f"here {RANK}", "")
    store.wait([f"here {rank}" for rank in range(SIZE)], patience)
    dist.init_process_group(
        "gloo", store=store, rank=RANK, world_size=SIZE, timeout=timedelta(seconds=TIMEOUT)
    )


def collective() -> None:
    meet()
    model = make()
    if KIND == "fully_shard":
        fully_shard(model[0])
        fully_shard(model)
    else:
        model = DDP(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    states = get_state_dict(model, optimizer)
    state = {"model": states[0], "optimizer": states[1], "step": 0}
    last = [dcp.last_complete(FOLDER)]
    dist.broadcast_object_list(last, src=0)
    if last[0] is not None:
        dcp.load(state, checkpoint_id=last[0])
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    dist.barrier()
    print("ready", flush=True)
    for step in range(state["step"], STEPS):
        if RANK == 1 and os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0" and step == FAULT_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        x, y = batch(step)
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        mean = loss.detach() / SIZE
        dist.all_reduce(mean)
        if RANK == 0:
            print(step, repr(mean.item()), flush=True)
        if step % 3 == 2:
            states = get_state_dict(model, optimizer)
            dcp.save(
                {"model": states[0], "optimizer": states[1], "step": step + 1},
                checkpoint_id=FOLDER / f"step{step + 1}",
            )
    dist.barrier()
    dist.destroy_process_group()


class Server:
    """Parameters on rank 0; it writes the checkpoints."""

    def __init__(self) -> None:
        self.model = make()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.step = 0
        last = dcp.last_complete(FOLDER)
        states = get_state_dict(self.model, self.optimizer)
        if last is not None:
            state = {"model": states[0], "optimizer": states[1], "step": 0}
            dcp.load(state, checkpoint_id=last, no_dist=True)
            set_state_dict(
                self.model,
                self.optimizer,
                model_state_dict=state["model"],
                optim_state_dict=state["optimizer"],
            )
            self.step = state["step"]

    def apply(self, gradients: list[Any]) -> None:
        for p, g in zip(self.model.parameters(), gradients):
            p.grad = g
        self.optimizer.step()
        self.step += 1
        if self.step % 3 == 0:
            states = get_state_dict(self.model, self.optimizer)
            state = {"model": states[0], "optimizer": states[1], "step": self.step}
            dcp.save(state, checkpoint_id=FOLDER / f"step{self.step}", no_dist=True)


def gradients_of(parameters: list[Any], step: int) -> tuple[list[Any], float]:
    """On a trainer."""
    model = make()
    with torch.no_grad():
        for p, value in zip(model.parameters(), parameters):
            p.copy_(value)
    x, y = batch(step)
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    return [p.grad for p in model.parameters()], loss.item()


def served() -> None:
    options = rpc.TensorPipeRpcBackendOptions(rpc_timeout=TIMEOUT)
    rpc.init_rpc(f"worker{RANK}", rank=RANK, world_size=SIZE, rpc_backend_options=options)
    print("ready", flush=True)
    if RANK == 0:
        server = Server()
        for step in range(server.step, STEPS):
            parameters = [p.detach() for p in server.model.parameters()]
            calls = [rpc.rpc_async(f"worker{k}", gradients_of, (parameters, step)) for k in range(1, SIZE)]
            results = [call.wait() for call in calls]
            server.apply([sum(each) / len(results) for each in zip(*(r[0] for r in results))])
            print(step, repr(sum(r[1] for r in results) / len(results)), flush=True)
    rpc.shutdown()


if __name__ == "__main__":
    served() if KIND == "rpc" else collective()
