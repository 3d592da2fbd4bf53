"""Kullback-Leibler divergences: `torch.distributions.kl`."""

from . import across, multivariate, same  # noqa: F401  (they register their formulas)
from .registry import (
    _KL_MEMOIZE,  # noqa: F401
    _KL_REGISTRY,  # noqa: F401
    kl_divergence,
    register_kl,
)

__all__ = ["kl_divergence", "register_kl"]
