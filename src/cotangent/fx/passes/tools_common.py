"""`torch.fx.passes.tools_common`: graphs in topological order, and what nodes call."""

from __future__ import annotations

import heapq
import operator
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...tensor import Tensor
from .._names import qualified_name, type_name
from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node

__all__ = ["get_node_target", "is_node_output_tensor", "legalize_graph", "stable_topological_sort"]

CALLABLE_NODE_OPS: Final = {"call_module", "call_function", "call_method"}
# Nodes with these come as early as they can.
_FIRST: Final = tuple(
    vars(operator)[name]
    for name in ("add", "mul", "sub", "floordiv", "truediv", "mod", "le", "lt", "ge", "gt", "eq", "ne")
)


def get_node_target(submodules: Mapping[str, Any], node: Node) -> str:
    """The name of the class or function that a node calls, or of the method.

    Args:
        submodules: modules by name.
        node: the node.

    Raises:
        AssertionError: if it calls nothing.
    """
    if node.op not in CALLABLE_NODE_OPS:
        raise AssertionError(f"Expect op types of {', '.join(CALLABLE_NODE_OPS)}, but found {node.op}")
    if node.op == "call_module":
        module = submodules[node.target]
        return type_name(getattr(module, "_base_class_origin", type(module)))
    return qualified_name(node.target) if node.op == "call_function" else str(node.target)


def is_node_output_tensor(node: Node) -> bool:
    """Whether `ShapeProp` has found that a node's value is a tensor.

    Args:
        node: the node.
    """
    kind = node.meta.get("type")
    return kind is not None and issubclass(kind, Tensor)


def _with_order(gm: GraphModule, order: list[Node]) -> GraphModule:
    graph = Graph()
    copies: dict[Node, Node] = {}
    for node in order:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph._codegen = gm.graph._codegen
    gm.graph = graph
    return gm


def _waits(gm: GraphModule) -> dict[Node, int]:
    """How many nodes each node uses, in the order of the graph."""
    return {node: len(node.all_input_nodes) for node in gm.graph.nodes}


def _released(node: Node, waits: dict[Node, int]) -> Iterator[Node]:
    """The users of a node that waited for nothing else."""
    for user in node.users:
        waits[user] -= 1
        if waits[user] == 0:
            yield user


def legalize_graph(gm: GraphModule) -> GraphModule:
    """Put the nodes of a graph in an order in which each comes after those that it uses.

    Args:
        gm: the module with the graph.

    Returns:
        The module.

    Raises:
        RuntimeError: if there is no such order.
    """
    waits = _waits(gm)
    ready = deque(node for node in waits if waits[node] == 0)
    order = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for user in _released(node, waits):
            first = user.op == "call_function" and user.target in _FIRST
            (ready.appendleft if first else ready.append)(user)
    if len(order) < len(gm.graph.nodes):
        raise RuntimeError(f"Input graph has cycles, unable to add {[n for n in waits if waits[n] != 0]}")
    return _with_order(gm, order)


def stable_topological_sort(gm: GraphModule) -> GraphModule:
    """The same as `legalize_graph`; nodes stay as they are as far as they can.

    Args:
        gm: the module with the graph.

    Returns:
        The module.

    Raises:
        AssertionError: if there is no such order.
    """
    place = {node: k for k, node in enumerate(gm.graph.nodes)}
    waits = _waits(gm)
    ready = [(place[node], node) for node in place if waits[node] == 0]
    order = []
    while ready:
        node = heapq.heappop(ready)[1]
        order.append(node)
        for user in _released(node, waits):
            heapq.heappush(ready, (place[user], user))
    if len(order) != len(place):
        raise AssertionError(f"Input graph has cycles, unable to add {[n for n in waits if waits[n] != 0]}")
    return _with_order(gm, order)
