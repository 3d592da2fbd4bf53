"""Places for the people of a novel: graph embeddings with negative sampling and sparse gradients.

    python -m cotangent examples/graph_embeddings.py

The graph, which comes with networkx, has the people of "Les Misérables" and says who meets whom how often.
Each gets a vector so that people who are near each other on random walks have a large product, and random
pairs a small one (B. Perozzi and others, "DeepWalk", 2014; T. Mikolov and others, "Distributed
representations of words and phrases", 2013). A step touches few rows of the tables, and only these have
gradients: `sparse=True`.
"""

import argparse

import networkx
import torch
from torch import nn
from torch.nn import functional as F


class SkipGram(nn.Module):
    """A vector for each node, and another for each node as somebody's neighbour."""

    def __init__(self, nodes: int, width: int) -> None:
        super().__init__()
        self.centres = nn.Embedding(nodes, width, sparse=True)
        self.contexts = nn.Embedding(nodes, width, sparse=True)
        nn.init.uniform_(self.centres.weight, -0.5 / width, 0.5 / width)
        nn.init.zeros_(self.contexts.weight)

    def forward(self, centre: torch.Tensor, context: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """The loss of pairs that occur, (N) and (N), against others that were drawn, (N, K)."""
        x = self.centres(centre)
        near = (x * self.contexts(context)).sum(dim=1)
        far = torch.einsum("nd,nkd->nk", x, self.contexts(others))
        return -(F.logsigmoid(near) + F.logsigmoid(-far).sum(dim=1)).mean()


def walks(weights: torch.Tensor, starts: torch.Tensor, length: int) -> torch.Tensor:
    """Random walks (N, length) over a graph whose edges have weights."""
    path = [starts]
    for _ in range(length - 1):
        path.append(torch.multinomial(weights[path[-1]], 1).squeeze(1))
    return torch.stack(path, dim=1)


def pairs(path: torch.Tensor, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Who is at most `window` steps from whom on these walks."""
    centres, contexts = [], []
    for distance in range(1, window + 1):
        ahead, behind = path[:, distance:].flatten(), path[:, :-distance].flatten()
        centres += [behind, ahead]
        contexts += [ahead, behind]
    return torch.cat(centres), torch.cat(contexts)


def main() -> None:
    """Train, and print who is near whom."""
    parser = argparse.ArgumentParser(description="Embed the people of Les Miserables.")
    parser.add_argument("--steps", type=int, default=400, help="training steps (default 400)")
    parser.add_argument("--every", type=int, default=50, help="print the loss of every so many steps")
    parser.add_argument("--walks", type=int, default=16, help="random walks in a step (default 16)")
    parser.add_argument("--length", type=int, default=10, help="people on a walk (default 10)")
    parser.add_argument("--window", type=int, default=2, help="steps between neighbours (default 2)")
    parser.add_argument("--negatives", type=int, default=5, help="random people for each pair (default 5)")
    parser.add_argument("--width", type=int, default=16, help="numbers in a vector (default 16)")
    parser.add_argument("--lr", type=float, default=0.02, help="learning rate (default 0.02)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    novel = networkx.les_miserables_graph()
    people = sorted(novel)
    weights = torch.tensor(networkx.to_numpy_array(novel, nodelist=people), dtype=torch.float32)
    often = weights.sum(dim=1) ** 0.75

    model = SkipGram(len(people), options.width)
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=options.lr)
    for step in range(1, options.steps + 1):
        starts = torch.randint(len(people), (options.walks,))
        centre, context = pairs(walks(weights, starts, options.length), options.window)
        drawn = torch.multinomial(often, len(centre) * options.negatives, replacement=True)
        loss = model(centre, context, drawn.view(len(centre), options.negatives))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % options.every == 0:
            print(f"step {step}: loss {loss.item():.6f}", flush=True)

    vectors = F.normalize(model.centres.weight.detach(), dim=1)
    for name in ("Valjean", "Marius", "Fantine", "Gavroche"):
        closeness = vectors @ vectors[people.index(name)]
        nearest = closeness.topk(5).indices.tolist()
        print(f"{name}: {', '.join(people[k] for k in nearest if people[k] != name)}")


if __name__ == "__main__":
    main()
