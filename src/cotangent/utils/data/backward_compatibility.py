"""What loaders used to be given: `torch.utils.data.backward_compatibility`."""

from __future__ import annotations

import warnings

__all__ = ["worker_init_fn"]


def worker_init_fn(worker_id: int) -> None:
    """Does nothing any more: loaders divide pipes among their workers by themselves.

    Args:
        worker_id: the worker's number.
    """
    warnings.warn(
        "Usage of `backward_compatibility.worker_init_fn` is deprecated as `DataLoader` automatically "
        "applies sharding in every worker",
        FutureWarning,
        stacklevel=2,
    )
