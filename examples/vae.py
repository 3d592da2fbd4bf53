"""Draw digits that nobody wrote: a variational autoencoder.

    python -m cotangent examples/vae.py

Learns a distribution of `--latent` numbers from which the 8 x 8 images that come with scikit-learn can be
drawn (D. Kingma and M. Welling, "Auto-encoding variational Bayes", 2014), and prints images drawn at
random.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

SHADES = " .:-=+*#%@"


class VAE(nn.Module):
    """Images to a normal distribution of codes, and codes to images."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.SiLU(), nn.Linear(width, 64))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits of the pixels for images (N, 64) by way of a code; mean and log variance of the code."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(code), mean, log_variance


def negative_bound(
    logits: torch.Tensor, images: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor
) -> torch.Tensor:
    """Minus the lower bound of the log likelihood, per image: reconstruction plus divergence from N(0, 1)."""
    reconstruction = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    divergence = -0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp())
    return (reconstruction + divergence) / len(images)


def picture(images: torch.Tensor) -> str:
    """Images of values 0 ... 1, side by side, in characters."""
    shades = (images.view(-1, 8, 8) * (len(SHADES) - 0.01)).int().tolist()
    return "\n".join(
        "  ".join("".join(2 * SHADES[v] for v in image[row]) for image in shades) for row in range(8)
    )


def main() -> None:
    """Train and draw."""
    parser = argparse.ArgumentParser(description="Train a variational autoencoder on digits.")
    parser.add_argument("--steps", type=int, default=2000, help="training steps (default 2000)")
    parser.add_argument("--every", type=int, default=200, help="print the loss of every so many steps")
    parser.add_argument("--batch", type=int, default=128, help="images in a step (default 128)")
    parser.add_argument("--latent", type=int, default=8, help="numbers in a code (default 8)")
    parser.add_argument("--width", type=int, default=128, help="hidden width (default 128)")
    parser.add_argument("--lr", type=float, default=2e-3, help="learning rate (default 2e-3)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    images = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
    model = VAE(options.latent, options.width)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    for step in range(1, options.steps + 1):
        batch = images[torch.randint(len(images), (options.batch,))]
        logits, mean, log_variance = model(batch)
        loss = negative_bound(logits, batch, mean, log_variance)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % options.every == 0:
            print(f"step {step}: loss {loss.item():.6f}", flush=True)

    with torch.no_grad():
        drawn = torch.sigmoid(model.decoder(torch.randn(5, options.latent)))
    print(picture(drawn))


if __name__ == "__main__":
    main()
