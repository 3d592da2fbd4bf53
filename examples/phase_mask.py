"""Make light draw a picture: inverse design of a phase mask.

    python -m cotangent examples/phase_mask.py

A laser beam passes a mask that delays the light by another phase at every point, and then travels to a
screen. The program finds the phases for which the picture on the screen is as wanted. The way to the screen
is the angular spectrum method: a Fourier transform, a phase for every plane wave, and a transform back (J.
Goodman, "Introduction to Fourier optics", chapter 3). All of that is differentiable, so the gradient of the
image's error says how to turn every phase. Lengths are in micrometres.
"""

import argparse
import math

import torch

SHADES = " .:-=+*#%@"


def spectrum(size: int, pitch: float, wavelength: float, distance: float) -> torch.Tensor:
    """What each plane wave is multiplied by on its way, complex (size, size).

    exp(i 2 pi z sqrt(1 / wavelength^2 - fx^2 - fy^2)); waves that do not travel are left out.
    """
    frequency = torch.fft.fftfreq(size, d=pitch, dtype=torch.float64)
    squares = wavelength**-2 - frequency[:, None] ** 2 - frequency[None, :] ** 2
    phase = 2 * math.pi * distance * squares.clamp(min=0).sqrt()
    return torch.polar((squares > 0).double(), phase).to(torch.complex64)


def propagate(field: torch.Tensor, transfer: torch.Tensor) -> torch.Tensor:
    """The field on the screen."""
    return torch.fft.ifft2(torch.fft.fft2(field) * transfer)


def ring_and_cross(size: int) -> torch.Tensor:
    """The picture that is wanted: a ring with a cross in it, mean 1."""
    y, x = torch.meshgrid(*2 * [torch.linspace(-1, 1, size)], indexing="ij")
    ring = ((x.square() + y.square()).sqrt() - 0.6).abs() < 0.08
    cross = torch.minimum(x.abs(), y.abs()).lt(0.06) & torch.maximum(x.abs(), y.abs()).lt(0.35)
    picture = (ring | cross).float()
    return picture / picture.mean()


def show(intensity: torch.Tensor, characters: int = 32) -> str:
    """The picture in characters."""
    small = torch.nn.functional.adaptive_avg_pool2d(intensity[None, None], characters)[0, 0]
    shades = (small / small.max() * (len(SHADES) - 0.01)).int().tolist()
    return "\n".join("".join(2 * SHADES[v] for v in row) for row in shades)


def main() -> None:
    """Find the mask."""
    parser = argparse.ArgumentParser(description="Find a phase mask that draws a picture with light.")
    parser.add_argument("--steps", type=int, default=200, help="optimization steps (default 200)")
    parser.add_argument("--every", type=int, default=20, help="print the error of every so many steps")
    parser.add_argument("--size", type=int, default=128, help="points of the mask along a side (default 128)")
    parser.add_argument("--pitch", type=float, default=8.0, help="distance of the points (default 8 um)")
    parser.add_argument("--wavelength", type=float, default=0.633, help="of the light (default 0.633 um)")
    parser.add_argument("--distance", type=float, default=2e4, help="to the screen (default 20,000 um)")
    parser.add_argument("--lr", type=float, default=0.1, help="learning rate (default 0.1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    wanted = ring_and_cross(options.size)
    transfer = spectrum(options.size, options.pitch, options.wavelength, options.distance)
    line = torch.linspace(-1, 1, options.size)
    beam = torch.exp(-(line[:, None].square() + line[None, :].square()) / (2 * 0.5**2))
    beam = beam / beam.square().mean().sqrt()

    mask = (0.1 * torch.randn(options.size, options.size)).requires_grad_()
    optimizer = torch.optim.Adam([mask], lr=options.lr)

    def image() -> torch.Tensor:
        return propagate(torch.polar(beam, mask), transfer).abs().square()

    for step in range(1, options.steps + 1):
        loss = (image() - wanted).square().mean() / wanted.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % options.every == 0:
            print(f"step {step}: loss {loss.item():.6f}", flush=True)

    with torch.no_grad():
        intensity = image()
        inside = intensity[wanted > 0].sum() / intensity.sum()
    print(show(intensity))
    print(f"light where it is wanted: {100 * inside.item():.1f} %")


if __name__ == "__main__":
    main()
