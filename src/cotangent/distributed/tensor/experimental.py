"""`torch.distributed.tensor.experimental`: distributed and ordinary tensors in one computation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["implicit_replication"]


@contextlib.contextmanager
def implicit_replication() -> Iterator[None]:
    """For a block: ordinary tensors beside distributed ones count as replicated; here they always do.

    Example:
        >>> from cotangent.distributed.tensor.experimental import implicit_replication
        >>> with implicit_replication():
        ...     pass
    """
    yield
