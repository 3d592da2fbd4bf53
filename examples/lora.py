"""Teach a trained model something new with few parameters: LoRA.

    python -m cotangent examples/char_gpt.py --save gpt.pt
    python -m cotangent examples/lora.py gpt.pt

Takes the character GPT of `char_gpt.py` and lets it learn the Zen of Python. Its own weights stay as they
are; to each linear layer of the blocks comes the product of two narrow matrices (E. Hu and others, "LoRA:
Low-Rank Adaptation of Large Language Models", 2021). Only these are trained, and only they are saved.
Without a file it starts from a model that has learned nothing.
"""

import argparse
import codecs
import contextlib
import io
import math
from pathlib import Path

import torch
from char_gpt import CharGPT, encode, train
from torch import nn


def zen() -> str:
    """The Zen of Python, five times, which `import this` would print."""
    with contextlib.redirect_stdout(io.StringIO()):
        import this
    return 5 * (codecs.decode(this.s, "rot13") + "\n\n")


class LoRA(nn.Module):
    """A linear layer that stays as it is, plus a product of rank `rank` that learns.

    `up` begins as zero, so the model begins as it was.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Parameter(torch.empty(rank, layer.in_features))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the layer gives, corrected."""
        return self.layer(x) + (x @ self.down.T) @ self.up.T * self.scale

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that does the same, for when the training is over."""
        self.layer.weight += self.scale * self.up @ self.down
        return self.layer


def add_lora(model: nn.Module, rank: int, alpha: float) -> None:
    """Freeze the model and put a LoRA in the place of each linear layer."""
    model.requires_grad_(False)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, LoRA(child, rank, alpha))


def merge_lora(model: nn.Module) -> None:
    """Put plain linear layers back."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LoRA):
                setattr(module, name, child.merged())


def main() -> None:
    """Load, adapt, train, write."""
    parser = argparse.ArgumentParser(description="Fine-tune a character GPT with LoRA.")
    parser.add_argument("model", type=Path, nargs="?", help="file that char_gpt.py --save left")
    parser.add_argument("--steps", type=int, default=300, help="training steps (default 300)")
    parser.add_argument("--every", type=int, default=25, help="print the loss of every so many steps")
    parser.add_argument("--batch", type=int, default=16, help="pieces of text in a step (default 16)")
    parser.add_argument("--rank", type=int, default=8, help="rank of the products (default 8)")
    parser.add_argument("--alpha", type=float, default=16.0, help="their scale is alpha / rank (default 16)")
    parser.add_argument("--lr", type=float, default=3e-3, help="learning rate (default 3e-3)")
    parser.add_argument("--write", type=int, default=300, help="characters to write at the end (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    parser.add_argument("--save", type=Path, help="file for the trained products")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    if options.model:
        file = torch.load(options.model)
        model = CharGPT(**file["sizes"])
        model.load_state_dict(file["parameters"])
    else:
        model = CharGPT(block=32, layers=2, heads=2, width=32)
    add_lora(model.blocks, options.rank, options.alpha)
    model.requires_grad_(False)
    trained = {}
    for name, parameter in model.named_parameters():
        if name.endswith((".up", ".down")):
            trained[name] = parameter.requires_grad_()
    total = sum(p.numel() for p in model.parameters())
    print(f"training {sum(p.numel() for p in trained.values())} of {total} parameters")

    optimizer = torch.optim.AdamW(trained.values(), lr=options.lr, weight_decay=0.0)
    train(model, encode(zen()), optimizer, options.steps, options.batch, options.every)
    if options.save:
        torch.save({name: parameter.detach() for name, parameter in trained.items()}, options.save)
    merge_lora(model)
    if options.write:
        print(model.write("Beautiful", options.write))


if __name__ == "__main__":
    main()
