"""A small network learns from a large one: knowledge distillation.

    python -m cotangent examples/distillation.py

A teacher learns the digits that come with scikit-learn from their labels. A student with a tenth of the
weights gets few labelled images, and for all images what the teacher thinks of them, softened by a
temperature (G. Hinton, O. Vinyals and J. Dean, "Distilling the knowledge in a neural network", 2015).
Beside it a student of the same size learns from the few labels alone.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

TESTED = 360  # images kept apart for the test: a fifth


def network(width: int) -> nn.Sequential:
    """From images (N, 64) to scores (N, 10)."""
    return nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """How far the student's softened distribution is from the teacher's.

    The square of the temperature keeps gradients as large as those of the labels.
    """
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of images whose digit the model finds, in percent."""
    return 100 * (model(images).argmax(dim=1) == labels).float().mean().item()


def main() -> None:
    """Train the teacher, then both students."""
    parser = argparse.ArgumentParser(description="Distil a network for digits into a smaller one.")
    parser.add_argument("--steps", type=int, default=600, help="training steps of each network (default 600)")
    parser.add_argument("--every", type=int, default=100, help="print the loss of every so many steps")
    parser.add_argument("--batch", type=int, default=64, help="images in a step (default 64)")
    parser.add_argument("--labelled", type=int, default=60, help="labels that students get (default 60)")
    parser.add_argument("--teacher", type=int, default=128, help="width of the teacher (default 128)")
    parser.add_argument("--student", type=int, default=24, help="width of the students (default 24)")
    parser.add_argument("--temperature", type=float, default=4.0, help="temperature (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    digits = load_digits()
    order = torch.randperm(len(digits.data))
    images = torch.tensor(digits.data / 16.0, dtype=torch.float32)[order]
    labels = torch.tensor(digits.target, dtype=torch.int64)[order]
    test = images[:TESTED], labels[:TESTED]
    images, labels = images[TESTED:], labels[TESTED:]

    def train(name: str, model: nn.Module, known: int, teacher: nn.Module | None = None) -> None:
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for step in range(1, options.steps + 1):
            chosen = torch.randint(known, (options.batch,))
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            if teacher is not None:
                unlabelled = images[torch.randint(len(images), (options.batch,))]
                with torch.no_grad():
                    thoughts = teacher(unlabelled)
                loss = 0.1 * loss + distillation_loss(model(unlabelled), thoughts, options.temperature)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % options.every == 0:
                print(f"{name}, step {step}: loss {loss.item():.6f}", flush=True)
        size = sum(p.numel() for p in model.parameters())
        print(f"{name}: {size} weights, test accuracy {accuracy(model, *test):.2f} %")

    teacher = network(options.teacher)
    train("teacher", teacher, len(images))
    student = network(options.student)
    alone = network(options.student)
    alone.load_state_dict(student.state_dict())
    train("student with teacher", student, options.labelled, teacher)
    train("student alone", alone, options.labelled)


if __name__ == "__main__":
    main()
