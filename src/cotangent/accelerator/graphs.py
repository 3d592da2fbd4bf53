"""Recorded work of an accelerator: `torch.accelerator.graphs`."""

from __future__ import annotations

from typing import Any

from ._none import refuse

__all__ = ["Graph"]


class Graph:
    """Work of an accelerator, recorded to be run again.

    Args:
        keep_graph, pool, capture_error_mode: as in PyTorch.

    Raises:
        RuntimeError: always; there is no accelerator.
    """

    def __init__(
        self, keep_graph: bool = False, *, pool: Any = None, capture_error_mode: str = "default"
    ) -> None:
        refuse()
