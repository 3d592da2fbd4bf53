"""Where PyTorch keeps the states of pipes."""

from .datapipe import SnapshotState as _SnapshotState

__all__ = ["_SnapshotState"]
