"""What both forms of weight and spectral normalisation share."""

from __future__ import annotations

from typing import Any

from ...ops.renorm import norm_except_dim
from .. import modules
from ..parameter import is_lazy


def refuse_uninitialized(weight: Any, name: str, what: str) -> None:
    """Refuse weights of lazy modules that have no size yet.

    Raises:
        ValueError: for such a weight.
    """
    if is_lazy(weight):
        raise ValueError(
            f"The module passed to `{name}` can't have uninitialized parameters. Make sure to run the dummy "
            f"forward before applying {what} normalization"
        )


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
