"""Random numbers as results of their parameters, whose gradients are zeros or refused."""

from __future__ import annotations

from typing import Any

from .table import general
from .views import sum_to_size


def underivable(name: str) -> Any:
    """A rule for numbers that PyTorch does not differentiate."""

    def rule(g: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return rule


normal_around: Any = general(
    "normal_around(numbers, parameter)",
    lambda numbers, parameter: numbers,
    node="NormalBackward1",
    public="normal",
    parameter=lambda g, parameter_shape: sum_to_size(g * 0.0, parameter_shape),
)
normal_around_both: Any = general(
    "normal_around_both(numbers, mean, std)",
    lambda numbers, mean, std: numbers,
    node="NormalBackward3",
    public="normal",
    mean=lambda g, mean_shape: sum_to_size(g * 0.0, mean_shape),
    std=lambda g, std_shape: sum_to_size(g * 0.0, std_shape),
)
bernoulli_around: Any = general(
    "bernoulli_around(numbers, input)",
    lambda numbers, input: numbers,
    node="BernoulliBackward0",
    public="bernoulli",
    input=lambda g: g * 0.0,
)
poisson_around: Any = general(
    "poisson_around(numbers, input)",
    lambda numbers, input: numbers,
    node="PoissonBackward0",
    public="poisson",
    input=lambda g: g * 0.0,
)
binomial_around: Any = general(
    "binomial_around(numbers, count, prob)",
    lambda numbers, count, prob: numbers,
    node="NotImplemented",
    public="binomial",
    count=underivable("binomial"),
    prob=underivable("binomial"),
)
