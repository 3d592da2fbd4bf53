"""Recognise handwritten digits with convolutions.

    python -m cotangent examples/cnn_digits.py

A small convolutional network with batch normalisation on the 1,797 images of 8 x 8 pixels that come with
scikit-learn. Training images are shifted by up to one pixel. `--onnx FILE` writes the trained network as an
ONNX file.
"""

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

TESTED = 360  # images kept apart for the test: a fifth


def network(width: int) -> nn.Sequential:
    """From images (N, 1, 8, 8) to scores (N, 10)."""

    def convolution(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *convolution(1, width),
        *convolution(width, width),
        nn.MaxPool2d(2),
        *convolution(width, 2 * width),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(8 * width, 10),
    )


def load() -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, 8, 8) and labels, shuffled."""
    digits = load_digits()
    order = torch.randperm(len(digits.images))
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    return images[order], torch.tensor(digits.target, dtype=torch.int64)[order]


def shifted(images: torch.Tensor) -> torch.Tensor:
    """The images, moved by up to one pixel: all of them the same way."""
    right, down = (torch.randint(-1, 2, (2,))).tolist()
    return F.pad(images, (1, 1, 1, 1))[:, :, 1 + down : 9 + down, 1 + right : 9 + right]


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser(description="Train a convolutional network on digits.")
    parser.add_argument("--steps", type=int, default=600, help="training steps (default 600)")
    parser.add_argument("--every", type=int, default=50, help="print the loss of every so many steps")
    parser.add_argument("--batch", type=int, default=64, help="images in a step (default 64)")
    parser.add_argument("--width", type=int, default=16, help="channels of the first layers (default 16)")
    parser.add_argument("--lr", type=float, default=0.05, help="highest learning rate (default 0.05)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    parser.add_argument("--onnx", type=Path, help="file for the trained network")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    images, labels = load()
    model = network(options.width)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.lr, total_steps=options.steps)
    for step in range(1, options.steps + 1):
        chosen = TESTED + torch.randint(len(images) - TESTED, (options.batch,))
        loss = F.cross_entropy(model(shifted(images[chosen])), labels[chosen], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % options.every == 0:
            print(f"step {step}: loss {loss.item():.6f}", flush=True)

    model.eval()
    with torch.no_grad():
        right = (model(images[:TESTED]).argmax(dim=1) == labels[:TESTED]).sum().item()
    print(f"test accuracy: {100 * right / TESTED:.2f} % of {TESTED} images")
    if options.onnx:
        torch.onnx.export(
            model, (images[:1],), options.onnx, input_names=["images"], output_names=["scores"],
            dynamic_axes={"images": {0: "n"}, "scores": {0: "n"}}, dynamo=False,
        )  # fmt: skip
        print(f"saved {options.onnx}")


if __name__ == "__main__":
    main()
