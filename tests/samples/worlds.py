"""Samples as functions of tensors alone, which is what gradcheck, jvp, vmap and tracing take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Array, Bound, OpCase, Sample, outputs, tensor
from .library import xp

# More numbers than this make a numerical Jacobian slow without telling anything new.
FEW = 40


def spread(samples: list[Sample], count: int) -> list[tuple[int, Sample]]:
    """`count` of the samples with their positions: the first ones' neighbours are alike, so evenly spaced."""
    if len(samples) <= count:
        return list(enumerate(samples))
    step = len(samples) / count
    return [(int(k * step), samples[int(k * step)]) for k in range(count)]


def gradient_samples(case: OpCase, dtype: str, count: int) -> list[tuple[int, Sample]]:
    """A few small samples of the case that gradients can be checked on."""
    numbered = [
        sample for sample in case.sampled(dtype) if sample.grad and sample.slope and _small(case, sample)
    ]
    return spread(numbered, count)


def _small(case: OpCase, sample: Sample) -> bool:
    bound = Bound(case, sample)
    sizes = [array.size for array in bound.arrays]
    return any(bound.differentiable) and min(sizes) > 0 and sum(sizes) <= FEW


class Function:
    """A sample as a function of its differentiable tensors, returning its differentiable results.

    Args:
        case, sample: the operator and its arguments.
        every: take all arrays, integers and constants included, as arguments; and return all results.
    """

    def __init__(self, case: OpCase, sample: Sample, *, every: bool = False) -> None:
        self.bound = Bound(case, sample)
        self.operator = case.function(xp)
        self.every = every
        self.constants = self.bound.lifted(xp)
        self.kept: list[int] | None = None
        if not every:
            results = outputs(xp, self.bound.apply(xp, self.operator, self.bound.lifted(xp, grad=True)))
            self.kept = [k for k, result in enumerate(results) if result.requires_grad]

    @property
    def arrays(self) -> list[Array]:
        """The arrays it takes as tensors."""
        pairs = zip(self.bound.arrays, self.bound.differentiable, strict=True)
        return [array for array, differentiable in pairs if differentiable or self.every]

    def tensors(self, *, grad: bool = False) -> list[Any]:
        """New tensors for those arrays."""
        return [tensor(xp, array, grad=grad) for array in self.arrays]

    def __call__(self, *given: Any) -> tuple[Any, ...]:
        supply = iter(given)
        tensors = [
            next(supply) if differentiable or self.every else constant
            for constant, differentiable in zip(self.constants, self.bound.differentiable, strict=True)
        ]
        results = outputs(xp, self.bound.apply(xp, self.operator, tensors))
        return tuple(results if self.kept is None else [results[k] for k in self.kept])


def squared(function: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """A real number made of the function's results: curved even where the function is linear."""

    def scalar(*given: Any) -> Any:
        total = 0
        for result in function(*given):
            power = (result * result.conj()).real if result.is_complex() else result * result
            weights = np.linspace(0.5, 1.5, max(result.numel(), 1))[: result.numel()].reshape(
                tuple(result.shape)
            )
            total = total + (power * xp.from_numpy(weights)).sum()
        return total

    return scalar


def rolled(array: Array, by: int) -> Array:
    """The same entries in other places: other values, and still within the operator's domain."""
    return np.roll(np.ascontiguousarray(array).reshape(-1), by).reshape(array.shape)
