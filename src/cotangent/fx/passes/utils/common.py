"""`torch.fx.passes.utils.common`: parts of graphs as modules, and whether graphs are the same."""

from __future__ import annotations

from typing import Any

from ....nn.modules.module import Module
from ...graph import Graph
from ...graph_module import GraphModule
from .matcher_utils import SubgraphMatcher

__all__ = ["HolderModule", "compare_graphs", "lift_subgraph_as_module"]


class HolderModule(Module):
    """A module that holds others.

    Args:
        d: modules by name.
    """

    def __init__(self, d: dict[str, Any]) -> None:
        super().__init__()
        for name, module in d.items():
            self.add_module(name, module)


def lift_subgraph_as_module(
    gm: GraphModule, subgraph: Graph, comp_name: str = "", class_name: str = "GraphModule"
) -> tuple[GraphModule, dict[str, str]]:
    """A module that runs a graph whose nodes are copies of some of another module's.

    Args:
        gm: the other module; what the nodes name is taken from it.
        subgraph: the graph.
        comp_name: the name under which the module will be known.
        class_name: the name of its class.

    Returns:
        (the module, names there by names in the other module).
    """
    holder = HolderModule({})
    names: dict[str, str] = {}
    for node in subgraph.nodes:
        if node.op not in ("call_module", "get_attr"):
            continue
        *path, last = node.target.split(".")
        there: Any = gm
        here: Any = holder
        for name in path:
            if not hasattr(here, name):
                here.add_module(name, HolderModule({}))
            here, there = getattr(here, name), getattr(there, name)
        names[node.target] = f"{comp_name}.{node.target}"
        setattr(here, last, getattr(there, last))
    return GraphModule(holder, subgraph, class_name), names


def compare_graphs(left: Graph, right: Graph) -> bool:
    """Whether two graphs have the same nodes, connected in the same way.

    Args:
        left: a graph.
        right: a graph.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.passes.utils.common import compare_graphs
        >>> a, b = (torch.fx.symbolic_trace(f).graph for f in (lambda x: x + 1, lambda y: y + 1))
        >>> compare_graphs(a, b)
        True
    """
    return len(SubgraphMatcher(left, match_output=True, match_placeholder=True).match(right)) > 0
