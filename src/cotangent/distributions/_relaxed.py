"""Continuous relaxations of discrete variables: a transform of a distribution with a temperature."""

from __future__ import annotations

from typing import Any

from .transformed_distribution import TransformedDistribution

__all__ = ["Relaxed"]


class Relaxed(TransformedDistribution):
    """A relaxation whose base holds the parameters."""

    has_rsample = True

    @property
    def temperature(self) -> Any:
        """How far the values are from discrete ones."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Any:
        """The log odds, or the logarithms of the probabilities."""
        return self.base_dist.logits

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self.base_dist.probs
