"""`torch.fx.subgraph_rewriter`: another graph in the place of parts of one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..nn.modules.module import Module
from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule
from .node import Node
from .passes.utils.matcher_utils import InternalMatch, SubgraphMatcher

__all__ = ["Match", "ReplacedPatterns", "replace_pattern", "replace_pattern_with_filters"]


class Match(NamedTuple):
    """A place where the pattern was: its last node, and (node of the pattern, node of the graph)."""

    anchor: Node
    nodes_map: dict[Node, Any]


@dataclass
class ReplacedPatterns:
    """A place where the pattern was, and the nodes that are there now."""

    anchor: Node
    nodes_map: dict[Node, Any]
    replacements: list[Node]


def replace_pattern(gm: GraphModule, pattern: Any, replacement: Any) -> list[Match]:
    """Put another graph in the place of each occurrence of a pattern.

    Args:
        gm: the module whose graph is changed.
        pattern: a function, or a module with a graph. Its parameters stand for any values.
        replacement: the same, with as many parameters.

    Returns:
        The occurrences.

    Example:
        >>> import cotangent as torch
        >>> gm = torch.fx.symbolic_trace(lambda x, y: torch.relu(x + y) * 2)
        >>> matches = torch.fx.replace_pattern(
        ...     gm, lambda a, b: torch.relu(a + b), lambda a, b: torch.sigmoid(a - b)
        ... )
        >>> print(len(matches), gm.code.strip())
        1 def forward(self, x, y):
            sub = x - y;  x = y = None
            sigmoid = torch.sigmoid(sub);  sub = None
            mul = sigmoid * 2;  sigmoid = None
            return mul
    """
    return [
        Match(found.anchor, found.nodes_map)
        for found in replace_pattern_with_filters(gm, pattern, replacement)
    ]


def _graph_of(program: Any) -> Graph:
    if isinstance(program, Graph):
        return program
    return program.graph if isinstance(program, GraphModule) else symbolic_trace(program).graph


def replace_pattern_with_filters(
    gm: GraphModule,
    pattern: Any,
    replacement: Any = None,
    match_filters: list[Callable[[InternalMatch, Graph, Graph], bool]] | None = None,
    ignore_literals: bool = False,
    replacement_callback: Callable[[InternalMatch, Graph, Graph], Graph] | None = None,
    node_name_match: str = "",
) -> list[ReplacedPatterns]:
    """Put another graph in the place of those occurrences of a pattern that pass some tests.

    Args:
        gm: the module whose graph is changed.
        pattern: a function, a graph, or a module with one.
        replacement: the same.
        match_filters: tests of (occurrence, graph, pattern).
        ignore_literals: whether constants may differ from the pattern's.
        replacement_callback: makes the graph for an occurrence, in the place of `replacement`.
        node_name_match: a part of names that match whatever they do.

    Returns:
        The occurrences, and what is there now.

    Raises:
        AssertionError: if the replacement has another number of parameters or results.
    """
    graph = gm.graph
    wanted = _graph_of(pattern)
    matcher = SubgraphMatcher(wanted, ignore_literals=ignore_literals)
    matches = [
        match
        for match in matcher.match(graph, node_name_match=node_name_match)
        if all(accepts(match, graph, wanted) for accepts in match_filters or ())
    ]
    common = _graph_of(replacement) if replacement is not None else None
    if common is None and replacement_callback is None:
        raise AssertionError("Must provide either a replacement GraphModule or a replacement callback")
    changed: dict[Node, Any] = {}
    done = []
    for match in matches:
        made = common if replacement_callback is None else replacement_callback(match, graph, wanted)
        assert made is not None
        done.append(_replace(graph, wanted, match, made, changed))
    gm.recompile()
    if isinstance(replacement, Module):
        _replace_attributes(gm, replacement)
    return done


def _replace(
    graph: Graph, wanted: Graph, match: InternalMatch, made: Graph, changed: dict[Node, Any]
) -> ReplacedPatterns:
    parameters = [node for node in made.nodes if node.op == "placeholder"]
    if len(match.placeholder_nodes) != len(parameters):
        raise AssertionError(
            f"Placeholder count mismatch: {len(match.placeholder_nodes)} vs {len(parameters)}"
        )
    values: dict[Node, Any] = {}
    for k, (parameter, node) in enumerate(zip(parameters, match.placeholder_nodes)):
        values[parameter] = changed.get(node, node) if isinstance(node, Node) else node
        if values[parameter] is not node:  # replaced with an earlier occurrence
            match.placeholder_nodes[k] = values[parameter]
            key = next(pn for pn, gn in match.nodes_map.items() if gn is node)
            match.nodes_map[key] = values[parameter]
    with graph.inserting_before(_place(graph, match)):
        copied = graph.graph_copy(made, values)
    returned = (copied,) if isinstance(copied, Node) else copied
    replacements = [v for v in values.values() if v not in match.placeholder_nodes]
    if len(match.returning_nodes) != len(returned):
        raise AssertionError(
            f"Returning nodes count mismatch: {len(match.returning_nodes)} vs {len(returned)}"
        )
    for old, new in zip(match.returning_nodes, returned):
        old.replace_all_uses_with(new)
        changed[old] = new
    for node in reversed(wanted.nodes):
        if node.op not in ("placeholder", "output"):
            graph.erase_node(match.nodes_map[node])
    return ReplacedPatterns(match.anchors[0], match.nodes_map, replacements)


def _place(graph: Graph, match: InternalMatch) -> Node:
    """Before which node the replacement goes: the first that uses it, or the one after the occurrence."""
    users = {user for node in match.returning_nodes for user in node.users}
    if users:
        return min(users)
    after = None
    for node in reversed(graph.nodes):
        if node in match.returning_nodes:
            break
        after = node
    if after is None:
        raise AssertionError("The insert point can't be None")
    return after


def _replace_attributes(gm: GraphModule, replacement: Any) -> None:
    """Copy what the replacement's nodes name, and take away what no node names any more."""
    gm.delete_all_unused_submodules()
    if isinstance(replacement, GraphModule):
        replacement.graph.lint()

    def found(module: Any, target: str) -> Any:
        path, _, name = target.rpartition(".")
        try:
            return getattr(module.get_submodule(path), name, None)
        except AttributeError:
            return None

    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr") or found(gm, node.target) is not None:
            continue
        value = found(replacement, node.target)
        if value is None:
            raise RuntimeError(
                'Attempted to create a "',
                node.op,
                f'" node during subgraph rewriting with target {node.target}, but '
                "the referenced attribute does not exist in the replacement GraphModule",
            )
        if isinstance(value, Module):
            gm.add_submodule(node.target, copy.deepcopy(value))
        else:
            setattr(gm, node.target, copy.deepcopy(value))
    gm.graph.lint()
