"""Fit a curve with second-order steps that need no Hessian.

    python -m cotangent examples/hessian_free.py

Each step solves (G + damping) d = -gradient with conjugate gradients, where G = J^T J is the Gauss-Newton
matrix of the squared error. G itself is never made: G v is one forward-mode derivative (`jvp`) followed by
one in reverse mode (`vjp`), as in J. Martens, "Deep learning via Hessian-free optimization", 2010. The
damping follows Levenberg and Marquardt: less where the quadratic model predicted the improvement well, more
where it did not.
"""

import argparse
from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, jvp, vjp

Parameters = dict[str, torch.Tensor]


def dot(a: Parameters, b: Parameters) -> torch.Tensor:
    """The inner product of two sets of parameters."""
    return sum((a[name] * b[name]).sum() for name in a)


def moved(a: Parameters, scale: torch.Tensor | float, b: Parameters) -> Parameters:
    """a + scale * b."""
    return {name: a[name] + scale * b[name] for name in a}


def conjugate_gradients(
    product: Callable[[Parameters], Parameters], right: Parameters, rounds: int, tolerance: float
) -> Parameters:
    """Solve `product(x) = right` for a symmetric positive definite product."""
    x = {name: torch.zeros_like(value) for name, value in right.items()}
    residual = direction = right
    square = first = dot(residual, residual)
    for _ in range(rounds):
        image = product(direction)
        step = square / dot(direction, image)
        x = moved(x, step, direction)
        residual = moved(residual, -step, image)
        before, square = square, dot(residual, residual)
        if square < tolerance**2 * first:
            break
        direction = moved(residual, square / before, direction)
    return x


def main() -> None:
    """Fit a sine whose frequency grows."""
    parser = argparse.ArgumentParser(description="Hessian-free fitting of a curve.")
    parser.add_argument("--steps", type=int, default=60, help="steps (default 60)")
    parser.add_argument("--every", type=int, default=5, help="print the loss of every so many steps")
    parser.add_argument("--points", type=int, default=200, help="points of the curve (default 200)")
    parser.add_argument("--width", type=int, default=24, help="hidden width (default 24)")
    parser.add_argument("--rounds", type=int, default=40, help="conjugate gradients in a step (default 40)")
    parser.add_argument("--damping", type=float, default=1.0, help="first damping (default 1)")
    parser.add_argument("--noise", type=float, default=0.02, help="noise in the data (default 0.02)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    torch.set_default_dtype(torch.float64)
    x = torch.linspace(-1, 1, options.points)[:, None]
    y = torch.sin(6 * x * (1 + x)) + options.noise * torch.randn(options.points, 1)
    model = nn.Sequential(
        nn.Linear(1, options.width), nn.Tanh(), nn.Linear(options.width, options.width), nn.Tanh(),
        nn.Linear(options.width, 1),
    )  # fmt: skip
    parameters: Parameters = {name: p.detach() for name, p in model.named_parameters()}

    def error(p: Parameters) -> torch.Tensor:
        return (functional_call(model, p, (x,)) - y) / options.points**0.5

    damping = options.damping
    for step in range(1, options.steps + 1):
        here, pull = vjp(error, parameters)
        (gradient,) = pull(here)
        loss = 0.5 * here.square().sum()

        def product(
            v: Parameters, at: Parameters = parameters, pull=pull, damping: float = damping
        ) -> Parameters:
            _, change = jvp(error, (at,), (v,))
            return moved(pull(change)[0], damping, v)

        downhill = {name: -g for name, g in gradient.items()}
        d = conjugate_gradients(product, downhill, options.rounds, 1e-4)
        promised = -dot(gradient, d) - 0.5 * dot(d, moved(product(d), -damping, d))
        there = moved(parameters, 1.0, d)
        gained = loss - 0.5 * error(there).square().sum()
        if gained > 0:
            parameters = there
        ratio = (gained / promised).item()
        damping *= 0.5 if ratio > 0.75 else 4.0 if ratio < 0.25 else 1.0
        if step % options.every == 0:
            print(f"step {step}: loss {loss.item():.8f}", flush=True)
    print(f"root mean square error: {error(parameters).square().sum().sqrt().item():.4f}")


if __name__ == "__main__":
    main()
