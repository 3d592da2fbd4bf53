"""`torch.fx`, as far as libraries ask it whether a trace is on, or whether a module was made by one.

The graphs of Python calls that `symbolic_trace` makes in PyTorch are not here; `torch.compile` records
operations instead (see compile/), and `torch.graph` draws what a program has recorded.
"""

from typing import Any

from ..nn.modules.module import Module

__all__ = ["GraphModule"]


class GraphModule(Module):
    """The class of modules that PyTorch's `symbolic_trace` makes; nothing here makes one.

    Args:
        root: the module that was traced.
        graph: what was recorded of it.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, root: Any, graph: Any, class_name: str = "GraphModule") -> None:
        raise NotImplementedError(
            "torch.fx.GraphModule: cotangent records no graphs of Python calls. torch.compile(module) makes "
            "a module faster, torch.graph(output) shows what was computed"
        )
