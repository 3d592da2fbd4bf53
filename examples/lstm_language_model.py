"""Guess the next word: an LSTM that reads a text from the beginning to the end.

    python -m cotangent examples/lstm_language_model.py

The text is the documentation of the data sets that come with scikit-learn. It is cut into `--batch` columns
that are read side by side, `--bptt` words at a time; the state goes from one piece to the next without its
history (truncated backpropagation through time). Input and output share one matrix of words.
"""

import argparse
import math
import re
from collections import Counter

import torch
from sklearn import datasets
from torch import nn
from torch.nn import functional as F

NAMES = ("iris", "digits", "wine", "breast_cancer", "diabetes", "linnerud")


def words() -> list[str]:
    """The documentation as a list of words and punctuation."""
    text = " ".join(getattr(datasets, f"load_{name}")().DESCR for name in NAMES)
    return re.findall(r"[a-z]+|\d|[^\sa-z\d]", text.lower())


class Model(nn.Module):
    """Words to vectors, LSTM layers, scores of the next word."""

    def __init__(self, vocabulary: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, layers, dropout=dropout)
        self.scores = nn.Linear(width, vocabulary)
        self.scores.weight = self.embedding.weight
        self.dropout = nn.Dropout(dropout)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.scores.bias)

    def forward(
        self, text: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Scores (length, batch, vocabulary) for words (length, batch), and the state after them."""
        seen, state = self.lstm(self.dropout(self.embedding(text)), state)
        return self.scores(self.dropout(seen)), state


def main() -> None:
    """Train, and print the perplexity."""
    parser = argparse.ArgumentParser(description="Train a word-level LSTM language model.")
    parser.add_argument("--steps", type=int, default=600, help="training steps (default 600)")
    parser.add_argument("--every", type=int, default=50, help="print the loss of every so many steps")
    parser.add_argument("--batch", type=int, default=16, help="columns of text (default 16)")
    parser.add_argument("--bptt", type=int, default=24, help="words of a column in a step (default 24)")
    parser.add_argument("--width", type=int, default=96, help="width of the model (default 96)")
    parser.add_argument("--layers", type=int, default=2, help="LSTM layers (default 2)")
    parser.add_argument("--dropout", type=float, default=0.2, help="dropout (default 0.2)")
    parser.add_argument("--lr", type=float, default=5e-3, help="learning rate (default 5e-3)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    text = words()
    vocabulary = {word: k for k, (word, _) in enumerate(Counter(text).most_common())}
    numbers = torch.tensor([vocabulary[word] for word in text])
    length = len(numbers) // options.batch
    columns = numbers[: length * options.batch].view(options.batch, length).t().contiguous()
    print(f"{len(text)} words, {len(vocabulary)} different ones")

    model = Model(len(vocabulary), options.width, options.layers, options.dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    state, position = None, 0
    running = math.log(len(vocabulary))
    for step in range(1, options.steps + 1):
        if position + options.bptt >= length:
            state, position = None, 0
        piece = columns[position : position + options.bptt]
        following = columns[position + 1 : position + 1 + options.bptt]
        position += options.bptt
        scores, state = model(piece, state)
        state = tuple(s.detach() for s in state)
        loss = F.cross_entropy(scores.flatten(0, 1), following.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        running += 0.05 * (loss.item() - running)
        if step % options.every == 0:
            print(f"step {step}: loss {loss.item():.6f}", flush=True)
    print(f"perplexity while training: {math.exp(running):.1f}")


if __name__ == "__main__":
    main()
