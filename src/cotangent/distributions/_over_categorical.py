"""Families that are made of a categorical distribution and have its parameters."""

from __future__ import annotations

from typing import Any

from .distribution import Distribution

__all__ = ["OverCategorical"]


class OverCategorical(Distribution):
    """A distribution of vectors with an entry for each class."""

    _categorical: Any

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._categorical._new(*args, **kwargs)

    @property
    def _param(self) -> Any:
        return self._categorical._param

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._categorical.param_shape
