"""A parameter server: trainers compute gradients, one process keeps the parameters and steps them in batches.

    python -m cotangent examples/rpc/parameter_server.py

Each trainer sends its gradients and waits for the parameters of the next step. `async_execution` lets the
server answer all of them at once, when the last gradient of a step is in, without a thread that waits. The
averaged step equals one of a single process on all the data, which the program runs afterwards to compare.
"""

import socket
import threading

import torch
import torch.distributed.rpc as rpc
import torch.multiprocessing as mp

TRAINERS = 2
STEPS = 20


def make_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))


def make_data():
    x = torch.linspace(-1, 1, 64 * 8).reshape(64, 8)
    return x, (x**2).sum(1, keepdim=True).sin()


class Server:
    """Keeps the parameters; lives on worker "server"."""

    def __init__(self):
        self.model = make_model()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.lock = threading.Lock()
        self.next = torch.futures.Future()
        self.count = 0

    def parameters(self):
        return [p.detach() for p in self.model.parameters()]

    @staticmethod
    @rpc.functions.async_execution
    def step(server, gradients):
        self = server.local_value()
        with self.lock:
            for p, g in zip(self.model.parameters(), gradients):
                p.grad = g / TRAINERS if p.grad is None else p.grad + g / TRAINERS
            self.count += 1
            waiting = self.next
            if self.count == TRAINERS:
                self.optimizer.step()
                self.optimizer.zero_grad()
                self.count, self.next = 0, torch.futures.Future()
                waiting.set_result(self.parameters())
        return waiting


def train(server, number):
    """What a trainer does, on its share of the data."""
    x, y = (t[number::TRAINERS] for t in make_data())
    model = make_model()
    for _ in range(STEPS):
        model.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        gradients = [p.grad for p in model.parameters()]
        fresh = rpc.rpc_sync(server.owner(), Server.step, (server, gradients))
        with torch.no_grad():
            for p, new in zip(model.parameters(), fresh):
                p.copy_(new)
    return loss.item()


def alone():
    """The same training in one process."""
    x, y = make_data()
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def run(rank, port):
    options = rpc.TensorPipeRpcBackendOptions(init_method=f"tcp://127.0.0.1:{port}")
    name = "server" if rank == 0 else f"trainer{rank}"
    rpc.init_rpc(name, rank=rank, world_size=TRAINERS + 1, rpc_backend_options=options)
    if rank == 0:
        server = rpc.RRef(Server())
        training = [rpc.rpc_async(f"trainer{k + 1}", train, (server, k)) for k in range(TRAINERS)]
        losses = [future.wait() for future in training]
        print("last losses:", ", ".join(f"{loss:.4f}" for loss in losses))
        pairs = zip(server.local_value().parameters(), alone())
        print(f"largest distance from one process: {max((a - b).abs().max().item() for a, b in pairs):.0e}")
        del server
    rpc.shutdown()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mp.spawn(run, (port,), nprocs=TRAINERS + 1)
