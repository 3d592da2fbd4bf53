"""Batch normalisation that transforms can follow."""

from ..func.surroundings import replace_all_batch_norm_modules_

__all__ = ["replace_all_batch_norm_modules_"]
