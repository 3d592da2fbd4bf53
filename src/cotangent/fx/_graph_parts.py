"""What graphs are made of besides nodes: places for new ones, their list, a table of them, and checks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ..nn.modules.module import Module
from ..toplevel import typename
from .node import LEGAL_OPS, Node

__all__ = ["InsertPoint", "LookupTable", "NodeList", "check", "is_there"]


class InsertPoint:
    """New nodes go to a place; as a context manager, until its end."""

    def __init__(self, graph: Any, new_insert: Callable[[Node], None]) -> None:
        self.graph = graph
        self.orig_insert, graph._insert = graph._insert, new_insert

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        self.graph._insert = self.orig_insert


class NodeList:
    """The nodes in their order; they may be erased and added while one walks over them."""

    def __init__(self, graph: Any, direction: str = "_next") -> None:
        if direction not in ("_next", "_prev"):
            raise AssertionError(f"direction must be '_next' or '_prev', got {direction}")
        self.graph = graph
        self.direction = direction

    def __len__(self) -> int:
        count: int = self.graph._len
        return count

    def _walk(self, direction: str) -> Iterator[Node]:
        root = node = self.graph._root
        while (node := getattr(node, direction)) is not root:
            if not node._erased:
                yield node

    def __iter__(self) -> Iterator[Node]:
        return self._walk(self.direction)

    def __reversed__(self) -> Iterator[Node]:
        return self._walk("_prev" if self.direction == "_next" else "_next")


class LookupTable:
    """The nodes by what they do."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, Any], dict[Node, None]] = {}

    def _of(self, node: Node) -> dict[Node, None]:
        key = (node.op, node.target if node.op == "call_function" else None)
        return self.table.setdefault(key, {})

    def __contains__(self, node: Node) -> bool:
        return node in self._of(node)

    def insert(self, node: Node) -> None:
        """Note a node."""
        self._of(node)[node] = None

    def remove(self, node: Node) -> None:
        """Forget a node."""
        self._of(node).pop(node)

    def find_nodes(self, *, op: str, target: Any = None) -> list[Node]:
        """The nodes with that op and target."""
        if op == "call_function":
            if target is None:
                raise AssertionError("target must not be None for call_function op")
            return [*self.table.get((op, target), ())]
        nodes = self.table.get((op, None), {})
        return [node for node in nodes if target is None or node.target == target]


def check(graph: Any) -> None:
    """Look whether a graph is well-formed.

    Args:
        graph: the graph.

    Raises:
        RuntimeError: if it is not.
    """
    values: set[Node] = set()
    names: set[str] = set()
    for node in graph.nodes:
        if node.op not in LEGAL_OPS:
            raise RuntimeError(f"Node {node} had unknown opcode {node.op}!")
        if node.graph is not graph:
            raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
        if node not in graph._find_nodes_lookup_table:
            raise RuntimeError(f"Node '{node}' is not added to the side table")
        for arg in node._input_nodes:
            if arg.graph is not graph:
                raise RuntimeError(
                    f"Argument '{arg}' of Node '{node}' does not belong to this Graph, but was used as an "
                    "argument! If you are copying nodes from another graph, make sure to use "
                    f"``arg_transform`` on node_copy() to remap values\n{graph}"
                )
            if arg not in values:
                raise RuntimeError(
                    f"Argument '{arg}' of Node '{node}' was used before it has been defined! Please check "
                    f"that Nodes in the graph are topologically ordered\n{graph}"
                )
        values.add(node)
        if node.name in names:
            raise RuntimeError(f"Node redefined name {node.name}!")
        names.add(node.name)
    if graph.owning_module is not None:
        for node in graph.nodes:
            _check_target(graph.owning_module, node)


def _check_target(owner: Any, node: Node) -> None:
    target = node.target
    wanted = "Callable" if node.op == "call_function" else "str"
    if not (callable(target) if wanted == "Callable" else isinstance(target, str)):
        raise ValueError(
            f"Node {node} target {target} has type {typename(target)} but a {wanted} is expected"
        )
    if node.op not in ("get_attr", "call_module"):
        return
    names = target.split(".")
    for k, name in enumerate(names):
        path = ".".join(names[:k])
        owner = getattr(owner, name, None)
        if owner is None:
            raise RuntimeError(
                f"Node {node} target {target} references nonexistent attribute {name} of {path}"
            )
        if node.op == "call_module" and not isinstance(owner, Module):
            raise RuntimeError(
                f"Node {node} target {target} {name} of {path} does not reference an nn.Module"
            )


def is_there(owner: Any, qualified_name: str) -> bool:
    """Whether a name is that of a submodule, parameter or buffer."""
    path, _, name = qualified_name.rpartition(".")
    try:
        module = owner.get_submodule(path)
    except AttributeError:
        warnings.warn(f"Failed to fetch module {path}!", stacklevel=3)
        return False
    return name in module._parameters or name in module._buffers or name in module._modules
