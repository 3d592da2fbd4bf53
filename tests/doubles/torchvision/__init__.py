"""Stands in for torchvision where a program trains on handwritten digits; it has what such programs ask for.

It imports torch, as torchvision does: cotangent under `python -m cotangent`, else PyTorch.
"""

from . import datasets, models, transforms, utils

__all__ = ["datasets", "models", "transforms", "utils"]
