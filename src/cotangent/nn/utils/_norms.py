"""What both forms of weight and spectral normalisation share."""

from __future__ import annotations

from typing import Any

from ...ops.renorm import norm_except_dim
from .. import modules


def weight_norm_of(v: Any, g: Any, dim: int = 0) -> Any:
    """`v` with its norms replaced by `g`."""
    return v * (g / norm_except_dim(v, 2, dim))


def matrix_of(weight: Any, dim: int) -> Any:
    """A weight as a matrix whose rows are along `dim`."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.dim()) if d != dim))
    return weight.reshape(weight.size(0), -1)


def usual_dim(module: Any, dim: int | None) -> int:
    """`dim`, or the dimension of a module's outputs if it is None."""
    if dim is not None:
        return dim
    names = ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")
    kinds = tuple(getattr(modules, name) for name in names if hasattr(modules, name))
    return 1 if isinstance(module, kinds) else 0
