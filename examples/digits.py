"""Recognise handwritten digits: an ordinary PyTorch program.

    python -m cotangent examples/digits.py

trains a small network on the 1,797 images of 8 x 8 pixels that come with scikit-learn, prints the accuracy on
images it has not seen, and leaves two files in the current directory (or the one named by --out): the
parameters, `digits.pt`, and a picture of the loss, `digits_loss.png`. Nothing here is special to cotangent;
`python examples/digits.py` runs the same file on PyTorch.
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

matplotlib.use("Agg")  # draws to files; needs no screen
from matplotlib import pyplot as plt

TESTED = 360  # images kept apart for the test: a fifth


class Classifier(nn.Module):
    """Two hidden layers on the 64 grey values."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.4),
            nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the ten digits, shape (N, 10), for images of shape (N, 64)."""
        return self.layers(x)


def load() -> tuple[TensorDataset, TensorDataset]:
    """The images and their labels, shuffled: for training and for the test."""
    digits = load_digits()
    images = torch.tensor(digits.data / 16.0, dtype=torch.float32)  # grey values 0 ... 16 -> 0 ... 1
    labels = torch.tensor(digits.target, dtype=torch.int64)
    order = torch.randperm(len(images))
    images, labels = images[order], labels[order]
    return (
        TensorDataset(images[TESTED:], labels[TESTED:]),
        TensorDataset(images[:TESTED], labels[:TESTED]),
    )


def train(model: nn.Module, data: TensorDataset, epochs: int) -> list[float]:
    """Train for some rounds through the data; returns the loss of each step."""
    loader = DataLoader(data, batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    losses = []
    columns = (
        TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    model.train()
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=epochs * len(loader), loss=float("nan"))
        for _ in range(epochs):
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                progress.update(bar, advance=1, loss=losses[-1])
            schedule.step()
    return losses


@torch.no_grad()
def accuracy(model: nn.Module, data: TensorDataset) -> float:
    """The share of images whose digit the model finds."""
    images, labels = data.tensors
    model.eval()
    return (model(images).argmax(dim=1) == labels).float().mean().item()


def draw(losses: list[float], path: Path) -> None:
    """Draw the loss of each step and its running mean."""
    window = min(45, len(losses))
    mean = np.convolve(losses, np.ones(window) / window, mode="valid")
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(losses, color="tab:blue", alpha=0.3, linewidth=0.8, label="each step")
    axes.plot(np.arange(window - 1, len(losses)), mean, color="tab:blue", label=f"mean of {window}")
    axes.set(xlabel="step", ylabel="cross-entropy", yscale="log", title="Handwritten digits: training loss")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Train, test, save."""
    parser = argparse.ArgumentParser(description="Train a classifier of handwritten digits.")
    parser.add_argument("--epochs", type=int, default=60, help="rounds through the data (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    parser.add_argument("--out", type=Path, default=Path(), help="directory for the files (default: here)")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs must be at least 1, got {options.epochs}")
    options.out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(options.seed)
    training, test = load()
    model = Classifier()
    start = time.perf_counter()
    losses = train(model, training, options.epochs)
    seconds = time.perf_counter() - start
    print(f"{len(losses)} steps in {seconds:.1f} s, final loss {losses[-1]:.4f}")
    print(f"test accuracy: {100 * accuracy(model, test):.2f} % of {len(test)} images")

    torch.save(model.state_dict(), options.out / "digits.pt")
    draw(losses, options.out / "digits_loss.png")
    print(f"saved {options.out / 'digits.pt'} and {options.out / 'digits_loss.png'}")


if __name__ == "__main__":
    main()
