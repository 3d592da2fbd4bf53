"""A model split over two workers, fed with small batches so that both compute at once.

    python -m cotangent examples/rpc/pipeline.py

The batch is cut into pieces. While the second worker has one piece the first has the next. The outputs come
back as tensors with a history, and `dist_autograd.backward` goes through both workers; `DistributedOptimizer`
steps the parameters where they are. The program then trains the same model in one process, to compare.
"""

import socket

import torch
import torch.distributed.autograd as dist_autograd
import torch.distributed.rpc as rpc
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.optim import DistributedOptimizer

PIECES = 4
STEPS = 10


def make_part(number):
    torch.manual_seed(number)
    if number == 0:
        return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16))
    return nn.Sequential(nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 3))


def make_data():
    x = torch.linspace(-2, 2, 32 * 6).reshape(32, 6).sin()
    return x, torch.arange(32) % 3


class Part:
    """Half of the model, on its worker."""

    def __init__(self, number):
        self.module = make_part(number)

    def forward(self, x):
        """Takes a reference, so that activations go from worker to worker and not through the trainer."""
        return self.module(x.to_here())

    def parameter_rrefs(self):
        return [rpc.RRef(p) for p in self.module.parameters()]

    def values(self):
        return [p.detach() for p in self.module.parameters()]


def train():
    parts = [rpc.remote(f"part{k}", Part, (k,)) for k in (0, 1)]
    optimizer = DistributedOptimizer(
        torch.optim.AdamW, [p for part in parts for p in part.rpc_sync().parameter_rrefs()], lr=0.02
    )
    x, y = make_data()
    for _ in range(STEPS):
        with dist_autograd.context() as context_id:
            outputs = []
            for piece in x.chunk(PIECES):
                middle = parts[0].remote().forward(rpc.RRef(piece))
                outputs.append(parts[1].rpc_async().forward(middle))
            loss = nn.functional.cross_entropy(torch.cat([o.wait() for o in outputs]), y)
            dist_autograd.backward(context_id, [loss])
            optimizer.step(context_id)
    return loss.item(), [value for part in parts for value in part.rpc_sync().values()]


def alone():
    """The same training in one process."""
    model = nn.Sequential(make_part(0), make_part(1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    x, y = make_data()
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def run(rank, port):
    options = rpc.TensorPipeRpcBackendOptions(init_method=f"tcp://127.0.0.1:{port}")
    name = "trainer" if rank == 0 else f"part{rank - 1}"
    rpc.init_rpc(name, rank=rank, world_size=3, rpc_backend_options=options)
    if rank == 0:
        loss, values = train()
        print(f"last loss: {loss:.4f}")
        pairs = zip(values, alone())
        print(f"largest distance from one process: {max((a - b).abs().max().item() for a, b in pairs):.0e}")
    rpc.shutdown()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mp.spawn(run, (port,), nprocs=3)
