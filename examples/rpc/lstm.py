"""A language model whose tables live on one process and whose LSTM lives on another.

    python -m cotangent examples/rpc/lstm.py

The embedding and the decoder, large and rarely touched, stay on the parameter server; the trainer has the
LSTM. Every step calls the server twice inside one distributed autograd context. The program then trains the
same model in one process, to compare.
"""

import socket

import torch
import torch.distributed.autograd as dist_autograd
import torch.distributed.rpc as rpc
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.optim import DistributedOptimizer

WORDS, WIDTH, HIDDEN = 20, 8, 12
STEPS = 8


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        # Other calls may draw numbers at the same time: a generator of its own keeps them apart.
        nn.init.normal_(self.embedding.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, words):
        return self.embedding(words)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(HIDDEN, WORDS, bias=False)
        nn.init.normal_(self.linear.weight, std=0.3, generator=torch.Generator().manual_seed(1))

    def forward(self, x):
        return self.linear(x)


def make_lstm():
    torch.manual_seed(2)
    return nn.LSTM(WIDTH, HIDDEN)


def make_data():
    words = torch.arange(24).reshape(8, 3) * 7 % WORDS
    return words[:-1], words[1:]


def parameter_rrefs(module):
    return [rpc.RRef(p) for p in module.local_value().parameters()]


def values_of(module):
    return [p.detach() for p in module.local_value().parameters()]


def train():
    table, decoder = rpc.remote("server", Table), rpc.remote("server", Decoder)
    lstm = make_lstm()
    rrefs = [rpc.RRef(p) for p in lstm.parameters()]
    for module in (table, decoder):
        rrefs += rpc.rpc_sync("server", parameter_rrefs, (module,))
    optimizer = DistributedOptimizer(torch.optim.SGD, rrefs, lr=0.5)
    words, following = make_data()
    hidden = None
    for _ in range(STEPS):
        with dist_autograd.context() as context_id:
            output, hidden = lstm(table.rpc_sync().forward(words), hidden)
            scores = decoder.rpc_sync().forward(output)
            loss = nn.functional.cross_entropy(scores.reshape(-1, WORDS), following.reshape(-1))
            dist_autograd.backward(context_id, [loss])
            optimizer.step(context_id)
        hidden = tuple(h.detach() for h in hidden)
    values = [p.detach() for p in lstm.parameters()]
    for module in (table, decoder):
        values += rpc.rpc_sync("server", values_of, (module,))
    return loss.item(), values


def alone():
    """The same training in one process."""
    table, decoder, lstm = Table(), Decoder(), make_lstm()
    parameters = [*lstm.parameters(), *table.parameters(), *decoder.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.5)
    words, following = make_data()
    hidden = None
    for _ in range(STEPS):
        optimizer.zero_grad()
        output, hidden = lstm(table(words), hidden)
        scores = decoder(output)
        nn.functional.cross_entropy(scores.reshape(-1, WORDS), following.reshape(-1)).backward()
        optimizer.step()
        hidden = tuple(h.detach() for h in hidden)
    return [p.detach() for p in parameters]


def run(rank, port):
    options = rpc.TensorPipeRpcBackendOptions(init_method=f"tcp://127.0.0.1:{port}")
    name = "trainer" if rank == 0 else "server"
    rpc.init_rpc(name, rank=rank, world_size=2, rpc_backend_options=options)
    if rank == 0:
        loss, values = train()
        print(f"last loss: {loss:.4f}")
        pairs = zip(values, alone())
        print(f"largest distance from one process: {max((a - b).abs().max().item() for a, b in pairs):.0e}")
    rpc.shutdown()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mp.spawn(run, (port,), nprocs=2)
