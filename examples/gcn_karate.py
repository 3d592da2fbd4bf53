"""Who goes with whom? A graph network on Zachary's karate club.

    python -m cotangent examples/gcn_karate.py

34 members of a karate club, and who met whom outside. The club split in two; the network is told the side
of the two who led the parts and finds the others' from the graph alone (T. Kipf and M. Welling,
"Semi-supervised classification with graph convolutional networks", 2017). The graph comes with networkx.
"""

import argparse

import networkx
import torch
from torch import nn
from torch.nn import functional as F

LEADERS = (0, 33)


class GraphConvolution(nn.Module):
    """Mixes features, then takes the weighted sum over each node's neighbours."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        """Features (nodes, outputs) from features (nodes, inputs); `graph` is a sparse matrix."""
        return torch.sparse.mm(graph, x @ self.weight) + self.bias


class GCN(nn.Module):
    """Two graph convolutions."""

    def __init__(self, nodes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first = GraphConvolution(nodes, width)
        self.second = GraphConvolution(width, 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, graph: torch.Tensor) -> torch.Tensor:
        """Scores of the two sides for each node."""
        return self.second(self.dropout(F.relu(self.first(x, graph))), graph)


def normalised(edges: list[tuple[int, int]], nodes: int) -> torch.Tensor:
    """The sparse matrix D^-1/2 (A + I) D^-1/2 of a graph without directions."""
    both = edges + [(b, a) for a, b in edges] + [(k, k) for k in range(nodes)]
    index = torch.tensor(both, dtype=torch.int64).t()
    degree = torch.zeros(nodes).index_add(0, index[0], torch.ones(index.shape[1]))
    weights = degree[index[0]].rsqrt() * degree[index[1]].rsqrt()
    return torch.sparse_coo_tensor(index, weights, (nodes, nodes), check_invariants=True).coalesce()


def main() -> None:
    """Train on two labels, print what the others got."""
    parser = argparse.ArgumentParser(description="Split the karate club with a graph network.")
    parser.add_argument("--steps", type=int, default=200, help="training steps (default 200)")
    parser.add_argument("--every", type=int, default=20, help="print the loss of every so many steps")
    parser.add_argument("--width", type=int, default=16, help="hidden features (default 16)")
    parser.add_argument("--dropout", type=float, default=0.3, help="dropout (default 0.3)")
    parser.add_argument("--lr", type=float, default=0.02, help="learning rate (default 0.02)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    club = networkx.karate_club_graph()
    sides = torch.tensor([int(club.nodes[k]["club"] != "Mr. Hi") for k in club])
    graph = normalised(list(club.edges()), len(club))
    features = torch.eye(len(club))
    told = torch.tensor(LEADERS)

    model = GCN(len(club), options.width, options.dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr, weight_decay=5e-3)
    for step in range(1, options.steps + 1):
        model.train()
        loss = F.cross_entropy(model(features, graph)[told], sides[told])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % options.every == 0:
            print(f"step {step}: loss {loss.item():.6f}", flush=True)

    model.eval()
    with torch.no_grad():
        found = model(features, graph).argmax(dim=1)
    print("".join("o*"[side] for side in found.tolist()), "found")
    print("".join("o*"[side] for side in sides.tolist()), "true")
    print(f"{(found == sides).sum().item()} of {len(club)} members on their side")


if __name__ == "__main__":
    main()
