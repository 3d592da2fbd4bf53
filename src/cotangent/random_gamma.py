"""Gamma and Dirichlet numbers: what `torch.distributions` draws with."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import lazy
from .drawing import drawn
from .kernels.rng import default_stream
from .ops.gamma import dirichlet_around, dirichlet_moved, gamma_around
from .random import depending

gamma: Any = lazy.module("cotangent.kernels.gamma")

__all__ = ["_sample_dirichlet", "_standard_gamma", "simplex_points"]


def _made(kernel: str, input: Any, generator: Any) -> Any:
    stream = default_stream() if generator is None else generator._stream

    def make(shape: Any, parameters: Any) -> Any:
        return getattr(gamma, kernel)(stream, np.broadcast_to(parameters, (*shape, *parameters.shape)))

    return drawn(stream, make, (), input)


def _standard_gamma(self: Any, generator: Any = None) -> Any:
    """Gamma numbers of rate one, with the shapes in `self`; gradients move the numbers with their shapes.

    Args:
        self: the shapes, float32 or float64.
        generator: source of the numbers.

    Returns:
        a tensor like `self`.

    Raises:
        NotImplementedError: for another dtype.

    Example:
        >>> import cotangent as torch
        >>> _ = torch.manual_seed(0)
        >>> torch._standard_gamma(torch.tensor([0.5, 20.0]))
        tensor([7.8936e-04, 1.5292e+01])
    """
    return depending(gamma_around, _made("standard_gamma", self, generator), self)


def _sample_dirichlet(self: Any, generator: Any = None) -> Any:
    """Points of a simplex with the concentrations in the last dimension of `self`; without gradients.

    Args:
        self: the concentrations, float32 or float64, of shape (..., parts).
        generator: source of the numbers.

    Returns:
        a tensor like `self`.

    Raises:
        NotImplementedError: for another dtype.

    Example:
        >>> import cotangent as torch
        >>> torch._sample_dirichlet(torch.tensor([1.0, 2.0])).sum()
        tensor(1.)
    """
    return depending(dirichlet_around, _made("dirichlet", self, generator), self)


def simplex_points(concentration: Any) -> Any:
    """Points of a simplex that gradients move with their concentrations.

    Args:
        concentration: float32 or float64, of shape (..., parts).

    Returns:
        a tensor like `concentration`.
    """
    return depending(dirichlet_moved, _made("dirichlet", concentration, None), concentration)
