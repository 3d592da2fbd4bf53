"""A function's value and gradient as a file of its own: `cotangent.source`."""

from .api import source

__all__ = ["source"]
