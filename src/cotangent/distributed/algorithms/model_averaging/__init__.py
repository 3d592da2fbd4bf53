"""Averages of parameters now and then, in the place of gradients in every step."""

from . import averagers, hierarchical_model_averager, utils

__all__ = ["averagers", "hierarchical_model_averager", "utils"]
