"""`torch.fx.passes.shape_prop`: the shapes of a graph's values."""

from __future__ import annotations

import traceback
from typing import Any

from ...tensor import Tensor
from .._metadata import TensorMetadata as TensorMetadata, extract_tensor_metadata as _extract_tensor_metadata
from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class ShapeProp(Interpreter):
    """Runs a graph and notes shape and dtype of each value in `meta["tensor_meta"]`.

    Args:
        gm: the module whose graph is run.
        fake_mode: None; values are computed.

    Raises:
        NotImplementedError: with a mode of fake tensors.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.passes.shape_prop import ShapeProp
        >>> gm = torch.fx.symbolic_trace(torch.nn.Linear(2, 3))
        >>> _ = ShapeProp(gm).propagate(torch.ones(4, 2))
        >>> gm.graph.output_node().meta["tensor_meta"].shape
        torch.Size([4, 3])
    """

    def __init__(self, gm: Any, fake_mode: Any = None) -> None:
        super().__init__(gm)
        if fake_mode is not None:
            raise NotImplementedError("ShapeProp computes values here; fake_mode has to be None")

    def run_node(self, n: Node) -> Any:
        """Run one node and note what its value is like.

        Args:
            n: the node.

        Raises:
            RuntimeError: if it fails; the error itself is printed.
        """
        try:
            result = super().run_node(n)
        except Exception as error:
            traceback.print_exc()
            raise RuntimeError(f"ShapeProp error for: node={n.format_node()} with meta={n.meta}") from error
        found = []

        def noted(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            found.append(value)
            return _extract_tensor_metadata(value)

        meta = map_aggregate(result, noted)
        if found:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph on example arguments.

        Args:
            args: the arguments.

        Returns:
            What the graph returns.
        """
        return super().run(*args)
