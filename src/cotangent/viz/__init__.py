"""Pictures of computation graphs: `cotangent.graph`."""

from .capture import capture
from .drawing import Graph, graph

__all__ = ["Graph", "capture", "graph"]
