"""Random numbers as results of their parameters, whose gradients are zeros."""

from __future__ import annotations

from typing import Any

from .table import general
from .views import sum_to_size

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
