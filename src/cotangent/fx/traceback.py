"""`torch.fx.traceback`: what is noted of nodes while other programs run or make them."""

from __future__ import annotations

import copy
import functools
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final

from .node import Node

__all__ = [
    "NodeSource", "NodeSourceAction", "annotate", "annotate_fn", "format_stack", "get_current_meta",
    "get_current_replay_node", "has_preserved_node_meta", "preserve_node_meta", "set_current_meta",
    "set_current_replay_node", "set_stack_trace",
]  # fmt: skip

current_meta: dict[str, Any] = {}
current_replay_node: Node | None = None
should_preserve_node_meta = False

# What goes from `current_meta` to new nodes.
_COPIED: Final = (
    "nn_module_stack", "torch_fn", "source_fn_stack", "original_aten", "recompute", "ac_graph_id",
    "has_backward_hook", "from_node", "quantization_tag", "_numeric_debug_handle", "custom",
    "partitioner_tag",
)  # fmt: skip


class NodeSourceAction(Enum):
    """What made a node of another."""

    CREATE = "create"
    REPLACE = "replace"


class NodeSource:
    """Which node another was made from, and by what.

    Args:
        node: the node it was made from.
        pass_name: what made it.
        action: how.
    """

    class NodeInfo:
        """Name, target and graph of a node that may be gone."""

        def __init__(self, name: str, target: str, graph_id: int) -> None:
            self.name, self.target, self.graph_id = name, target, graph_id

    def __init__(
        self,
        node: Node | None,
        pass_name: str = "",
        action: NodeSourceAction | list[NodeSourceAction] | None = None,
    ) -> None:
        self.pass_name = pass_name
        actions = action if isinstance(action, list) else [] if action is None else [action]
        for one in actions:
            if not isinstance(one, NodeSourceAction):
                raise AssertionError(f"Expected NodeSourceAction, got {type(one)}")
        self.action = actions
        self.node_info: NodeSource.NodeInfo | None = None
        self.from_node: list[NodeSource] = []
        if node:
            self.node_info = self.NodeInfo(node.name, str(node.target), id(node.graph))
            self.from_node = copy.deepcopy(node.meta.get("from_node", []))

    @property
    def name(self) -> str:
        """The name of the node it was made from."""
        return self.node_info.name if self.node_info else ""

    @property
    def target(self) -> str:
        """What that node called or read."""
        return self.node_info.target if self.node_info else ""

    @property
    def graph_id(self) -> int:
        """Which graph it was in."""
        return self.node_info.graph_id if self.node_info else -1

    def _get_action_string(self) -> str:
        return "+".join(one.name.lower() for one in self.action)

    def __repr__(self) -> str:
        return self.print_readable()

    def print_readable(self, indent: int = 0) -> str:
        """The line of descent, a line for each node.

        Args:
            indent: how far lines are moved to the right.
        """
        if indent > 9:
            return ""
        own = (
            f"{' ' * indent * 4}(name={self.name}, pass_name={self.pass_name}, "
            f"action={self._get_action_string()}, graph_id={self.graph_id})\n"
        )
        return own + "".join(before.print_readable(indent + 1) for before in self.from_node)

    def to_dict(self) -> dict[str, Any]:
        """The same as a dictionary."""
        return {
            "name": self.name,
            "target": self.target,
            "graph_id": self.graph_id,
            "pass_name": self.pass_name,
            "action": self._get_action_string(),
            "from_node": [before.to_dict() for before in self.from_node],
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NodeSource) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.print_readable())


@contextmanager
def preserve_node_meta(enable: bool = True) -> Iterator[None]:
    """Within it, new nodes get what is noted of the node that runs.

    Args:
        enable: False for the opposite.
    """
    global should_preserve_node_meta, current_meta
    before = should_preserve_node_meta, current_meta.copy()
    try:
        should_preserve_node_meta = enable
        yield
    finally:
        should_preserve_node_meta, current_meta = before


def has_preserved_node_meta() -> bool:
    """Whether new nodes get what is noted of the node that runs."""
    return should_preserve_node_meta


def get_current_meta() -> dict[str, Any]:
    """What is noted of the node that runs."""
    return current_meta


def set_stack_trace(stack: list[str]) -> None:
    """Set the stack that new nodes get.

    Args:
        stack: its lines; none take it away.
    """
    if should_preserve_node_meta:
        if stack:
            current_meta["stack_trace"] = "".join(stack)
        else:
            current_meta.pop("stack_trace", None)


def format_stack() -> list[str]:
    """The stack that new nodes get; where nothing is preserved, that of the caller."""
    if should_preserve_node_meta:
        return [current_meta.get("stack_trace", "")]
    return traceback.format_list(traceback.extract_stack()[:-1])


@contextmanager
def annotate(annotation_dict: dict[str, Any]) -> Iterator[None]:
    """Within it, new nodes have these values in `meta["custom"]`, where meta is preserved.

    Args:
        annotation_dict: the values.
    """
    before = current_meta.get("custom")
    current_meta["custom"] = {**(before or {}), **annotation_dict}
    try:
        yield
    finally:
        if before is None:
            del current_meta["custom"]
        else:
            current_meta["custom"] = before


def annotate_fn(annotation_dict: dict[str, Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that runs a function within `annotate`.

    Args:
        annotation_dict: the values.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def annotated(*args: Any, **kwargs: Any) -> Any:
            with annotate(annotation_dict):
                return function(*args, **kwargs)

        return annotated

    return decorate


@contextmanager
def set_current_meta(node: Node, pass_name: str = "") -> Iterator[None]:
    """Within it, a node runs: its `meta` goes to new nodes, where meta is preserved.

    Args:
        node: the node.
        pass_name: what makes new nodes of it.
    """
    global current_meta
    if not (should_preserve_node_meta and node.meta):
        yield
        return
    before = current_meta
    try:
        current_meta = node.meta.copy()
        source = NodeSource(node, pass_name, NodeSourceAction.CREATE)
        current_meta["from_node"] = [source]
        yield
    finally:
        current_meta = before


@contextmanager
def set_current_replay_node(node: Node | None) -> Iterator[None]:
    """Within it, a node is made again.

    Args:
        node: the node.
    """
    global current_replay_node
    before, current_replay_node = current_replay_node, node
    try:
        yield
    finally:
        current_replay_node = before


def get_current_replay_node() -> Node | None:
    """The node that is made again; None otherwise."""
    return current_replay_node


def preserve(node: Node) -> None:
    """Give a new node what is noted of the one that runs.

    Args:
        node: the new node.
    """
    if current_meta.get("stack_trace"):
        node.stack_trace = current_meta["stack_trace"]
    for field in _COPIED:
        if field in current_meta:
            node.meta[field] = copy.copy(current_meta[field])
