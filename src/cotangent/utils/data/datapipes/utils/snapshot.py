"""Winding a pipe forward to where a pickled one was."""

from __future__ import annotations

from typing import Any

from ...graph_settings import apply_random_seed
from ..datapipe import IterDataPipe, SnapshotState

__all__ = ["_simple_graph_snapshot_restoration"]


def _simple_graph_snapshot_restoration(datapipe: IterDataPipe, n_iterations: int, rng: Any = None) -> None:
    """Take samples of a pipe, so that its next iterator begins behind them."""
    if datapipe._snapshot_state is SnapshotState.Restored:
        raise RuntimeError(
            "Snapshot restoration cannot be applied. You can only restore simple snapshot to the graph if "
            "your graph has not been restored."
        )
    datapipe.reset()
    apply_random_seed(datapipe, rng)
    iterator = iter(datapipe)
    for _ in range(n_iterations):
        try:
            next(iterator)
        except StopIteration as error:
            raise RuntimeError(
                f"Fast-forward {datapipe} by {n_iterations} iterations exceeds the number of samples "
                "available."
            ) from error
    datapipe._fast_forward_iterator = iterator
    datapipe._snapshot_state = SnapshotState.Restored
