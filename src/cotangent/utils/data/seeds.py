"""Seeds for what draws numbers outside of tensors."""

from __future__ import annotations

from typing import Any

from ...dtypes import int64
from ...functions import empty

__all__ = ["drawn_seed"]


def drawn_seed(generator: Any = None) -> int:
    """A seed, drawn from a generator as PyTorch draws them.

    Args:
        generator: the default generator if left out.
    """
    return int(empty((), dtype=int64).random_(generator=generator).item())
