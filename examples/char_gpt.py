"""Write like the Python reference, character by character: a small GPT.

    python -m cotangent examples/char_gpt.py

The text is the language reference that comes with Python (`pydoc_data`), about half a million characters.
The model is a transformer that sees up to `--block` characters and says how likely each character is as the
next one. At the end it writes some text of its own. `lora.py` goes on from the file that `--save` leaves.
"""

import argparse
import math
import time
from pathlib import Path
from pydoc_data.topics import topics

import torch
from torch import nn
from torch.nn import functional as F


def reference() -> str:
    """The language reference, one topic after the other, in printable ASCII."""
    text = "\n\n".join(topics[name] for name in sorted(topics))
    return "".join(c for c in text if c == "\n" or " " <= c <= "~")


ALPHABET = "\n" + "".join(chr(k) for k in range(ord(" "), ord("~") + 1))


def encode(text: str) -> torch.Tensor:
    """The characters as positions in ALPHABET."""
    return torch.tensor([ALPHABET.index(c) for c in text], dtype=torch.int64)


class Block(nn.Module):
    """Attention to what came before, then two layers for each position; each adds to what is there."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.before_layers = nn.LayerNorm(width)
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (batch, length, width) to the same shape."""
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.attention(self.before_attention(x)).split(width, dim=2)
        )
        seen = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0
        )
        x = x + self.projection(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.layers(self.before_layers(x))


class CharGPT(nn.Module):
    """Scores of the next character at each position."""

    def __init__(self, block: int, layers: int, heads: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.block = block
        self.characters = nn.Embedding(len(ALPHABET), width)
        self.positions = nn.Embedding(block, width)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, len(ALPHABET), bias=False)
        self.apply(self.initialise)
        for name, parameter in self.named_parameters():
            if name.endswith("projection.weight"):
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers))

    @staticmethod
    def initialise(module: nn.Module) -> None:
        """GPT-2's initialisation."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, characters: torch.Tensor) -> torch.Tensor:
        """Scores (batch, length, characters of the alphabet) for characters (batch, length)."""
        x = self.characters(characters) + self.positions(torch.arange(characters.shape[1]))
        return self.scores(self.norm(self.blocks(x)))

    @torch.no_grad()
    def write(self, start: str, count: int, temperature: float = 0.8) -> str:
        """Go on from `start` for `count` characters."""
        self.eval()
        characters = encode(start)[None]
        for _ in range(count):
            scores = self(characters[:, -self.block :])[:, -1] / temperature
            following = torch.multinomial(F.softmax(scores, dim=-1), 1)
            characters = torch.cat([characters, following], dim=1)
        self.train()
        return "".join(ALPHABET[k] for k in characters[0].tolist())


def batch_of(text: torch.Tensor, block: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces of the text, and the same pieces one character further."""
    starts = torch.randint(len(text) - block, (size,)).tolist()
    return (
        torch.stack([text[s : s + block] for s in starts]),
        torch.stack([text[s + 1 : s + block + 1] for s in starts]),
    )


def train(
    model: CharGPT, text: torch.Tensor, optimizer: torch.optim.Optimizer, steps: int, size: int, every: int
) -> None:
    """Train for some steps, and print the loss of every so many."""
    for step in range(1, steps + 1):
        inputs, targets = batch_of(text, model.block, size)
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        if step % every == 0:
            print(f"step {step}: loss {loss.item():.6f}", flush=True)


def main() -> None:
    """Train, save, write."""
    parser = argparse.ArgumentParser(description="Train a character GPT on the Python reference.")
    parser.add_argument("--steps", type=int, default=600, help="training steps (default 600)")
    parser.add_argument("--every", type=int, default=50, help="print the loss of every so many steps")
    parser.add_argument("--batch", type=int, default=16, help="pieces of text in a step (default 16)")
    parser.add_argument("--block", type=int, default=64, help="length of a piece (default 64)")
    parser.add_argument("--layers", type=int, default=4, help="transformer blocks (default 4)")
    parser.add_argument("--heads", type=int, default=4, help="attention heads (default 4)")
    parser.add_argument("--width", type=int, default=128, help="width of the model (default 128)")
    parser.add_argument("--dropout", type=float, default=0.0, help="dropout (default 0)")
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate (default 1e-3)")
    parser.add_argument("--write", type=int, default=300, help="characters to write at the end (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    parser.add_argument("--save", type=Path, help="file for the trained model")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    text = encode(reference())
    sizes = {"block": options.block, "layers": options.layers, "heads": options.heads, "width": options.width}
    model = CharGPT(**sizes, dropout=options.dropout)
    print(f"{len(text)} characters, {sum(p.numel() for p in model.parameters())} parameters")
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, betas=(0.9, 0.95), weight_decay=0.1)
    start = time.perf_counter()
    train(model, text, optimizer, options.steps, options.batch, options.every)
    print(f"{options.steps} steps in {time.perf_counter() - start:.1f} s")
    if options.write:
        print(model.write('The "for" statement', options.write))
    if options.save:
        torch.save({"sizes": sizes, "parameters": model.state_dict()}, options.save)


if __name__ == "__main__":
    main()
