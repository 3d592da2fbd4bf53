"""Families whose parameter is a probability, given itself or as log odds."""

from __future__ import annotations

from numbers import Number
from typing import Any

from ..size import Size
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits

__all__ = ["ProbsOrLogits", "one_of"]


def one_of(probs: Any, logits: Any) -> tuple[str, Any]:
    """The name and the value of the one parameter that is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return ("logits", logits) if probs is None else ("probs", probs)


class ProbsOrLogits(Distribution):
    """A distribution with `probs` or `logits`; the other one is computed when it is asked for."""

    _given: str

    def _take(self, probs: Any, logits: Any) -> Size:
        """Keep the parameter that is given; returns the batch shape."""
        self._given, value = one_of(probs, logits)
        (kept,) = broadcast_all(value)
        setattr(self, self._given, kept)
        return Size() if isinstance(value, Number) else kept.size()

    def _take_counted(self, total_count: Any, probs: Any, logits: Any) -> Size:
        """Keep a number of trials beside the parameter, both of one shape; returns that shape."""
        self._given, value = one_of(probs, logits)
        total_count, kept = broadcast_all(total_count, value)
        self.total_count = total_count.type_as(kept)
        setattr(self, self._given, kept)
        found: Size = kept.size()
        return found

    @property
    def _param(self) -> Any:
        return getattr(self, self._given)

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._param.new(*args, **kwargs)

    @lazy_property
    def logits(self) -> Any:
        """The log odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        found: Size = self._param.size()
        return found
