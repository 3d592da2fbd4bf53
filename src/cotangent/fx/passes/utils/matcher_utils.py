"""`torch.fx.passes.utils.matcher_utils`: where in a graph another graph occurs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from ....tensor import Tensor
from ...graph import Graph
from ...graph_module import _get_attr
from ...node import Node
from .fuser_utils import validate_partition

__all__ = ["InternalMatch", "SubgraphMatcher"]

_OUTSIDE = ("placeholder", "output")


@dataclass
class InternalMatch:
    """One place where the pattern occurs.

    Attributes:
        anchors: the last nodes of the pattern, from which it was looked for.
        nodes_map: (node of the pattern, node of the graph).
        placeholder_nodes: what stands in the graph for the pattern's parameters.
        returning_nodes: what stands there for what it returns.
        name_node_map: nodes of the graph by names.
    """

    anchors: list[Node]
    nodes_map: dict[Node, Any] = field(default_factory=dict)
    placeholder_nodes: list[Any] = field(default_factory=list)
    returning_nodes: list[Node] = field(default_factory=list)
    name_node_map: dict[str, Node] = field(default_factory=dict)

    def __copy__(self) -> InternalMatch:
        return InternalMatch(
            self.anchors, self.nodes_map.copy(), self.placeholder_nodes.copy(), self.returning_nodes.copy()
        )


class SubgraphMatcher:
    """Looks for a graph in others, from the pattern's last nodes upwards.

    Args:
        pattern: the graph to look for.
        match_output: whether its output has to be an output.
        match_placeholder: whether its parameters have to be parameters; otherwise they stand for anything.
        remove_overlapping_matches: whether of places that share nodes only the first counts.
        ignore_literals: whether numbers and other constants may differ.

    Raises:
        ValueError: for an empty pattern.
        AssertionError: if the pattern has nodes that nobody uses.
    """

    def __init__(
        self,
        pattern: Graph,
        match_output: bool = False,
        match_placeholder: bool = False,
        remove_overlapping_matches: bool = True,
        ignore_literals: bool = False,
    ) -> None:
        self.pattern = pattern
        self.match_output = match_output
        self.match_placeholder = match_placeholder
        self.remove_overlapping_matches = remove_overlapping_matches
        self.ignore_literals = ignore_literals
        if len(pattern.nodes) == 0:
            raise ValueError("SubgraphMatcher cannot be initialized with an empty pattern")
        for node in pattern.nodes:
            if node.op != "output" and not node.is_impure() and not node.users:
                raise AssertionError("SubgraphMatcher cannot be initialized with an pattern with dead code")
        self.pattern_placeholder_nodes = [n for n in pattern.nodes if n.op == "placeholder"]
        output = next(iter(reversed(pattern.nodes)))
        self.pattern_returning_nodes = output.all_input_nodes
        last = [n for n in self.pattern_returning_nodes if len(n.users) == 1]
        self.pattern_anchors = [output] if match_output else last

    def _match_attributes(self, pn: Node, gn: Node) -> bool:
        wanted = _get_attr(pn.graph.owning_module, pn.target)
        there = _get_attr(gn.graph.owning_module, gn.target)
        if type(wanted) is not type(there):
            return False
        if not isinstance(wanted, Tensor):
            raise RuntimeError(f"Unsupported type {wanted} when matching attributes")
        return True

    def _nodes_are_equal(self, pn: Node, gn: Node, node_name_match: str = "") -> bool:
        if not self.match_placeholder and pn.op == "placeholder":
            return True
        if node_name_match and node_name_match in gn.name:
            return True
        if pn.op != gn.op:
            return False
        if pn.op in _OUTSIDE:
            return True
        return self._match_attributes(pn, gn) if pn.op == "get_attr" else bool(pn.target == gn.target)

    def _is_contained(self, nodes_map: dict[Node, Any]) -> bool:
        """Whether values within a match are used outside of it only where the pattern returns them."""
        inside = {gn: pn for pn, gn in nodes_map.items() if pn.op != "placeholder"}
        return all(
            pn in self.pattern_returning_nodes or all(user in inside for user in gn.users)
            for gn, pn in inside.items()
        )

    def _first_of_overlapping(self, matches: list[InternalMatch]) -> list[InternalMatch]:
        kept: list[InternalMatch] = []
        taken: set[Any] = set()
        for match in matches:
            own = {gn for pn, gn in match.nodes_map.items() if pn.op not in _OUTSIDE}
            if not own & taken:
                kept.append(match)
                taken |= own
        return kept

    def _match_literals(self, pn: Any, gn: Any, match: InternalMatch) -> bool:
        if isinstance(pn, Node):
            if pn.op != "placeholder":
                return False
            if pn in match.nodes_map:
                return bool(match.nodes_map[pn] == gn)
            match.nodes_map[pn] = gn
            return True
        return not isinstance(gn, Node) and type(gn) is type(pn) and bool(gn == pn)

    def _match_args(self, wanted: Any, there: Any, match: InternalMatch) -> bool:
        if len(wanted) != len(there):
            return False
        for a, b in zip(wanted, there):
            if isinstance(a, Node) and isinstance(b, Node):
                matched = self._match_nodes(a, b, match)
            elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
                matched = self._match_args(a, b, match)
            else:
                matched = self._match_literals(a, b, match) or self.ignore_literals
            if not matched:
                return False
        return True

    def _match_nodes(self, pn: Node, gn: Node, match: InternalMatch, node_name_match: str = "") -> bool:
        if pn in match.nodes_map:
            return match.nodes_map[pn] is gn
        if any(gn is known for known in match.nodes_map.values()):
            return False
        if not self._nodes_are_equal(pn, gn, node_name_match):
            return False
        match.nodes_map[pn] = gn
        if pn.op == "placeholder":
            return True
        if len(pn.args) != len(gn.args) or list(pn.kwargs) != list(gn.kwargs):
            return False
        wanted, there = [*pn.args, *pn.kwargs.values()], [*gn.args, *gn.kwargs.values()]
        return self._match_args(wanted, there, match)

    def match(self, graph: Graph, node_name_match: str = "") -> list[InternalMatch]:
        """The places where the pattern occurs.

        Args:
            graph: where to look.
            node_name_match: a part of names that match whatever they do.

        Returns:
            The places. Their values are used outside only where the pattern returns them.
        """
        candidates = [
            (anchor, found)
            for anchor in self.pattern_anchors
            if (found := [n for n in graph.nodes if self._nodes_are_equal(anchor, n, node_name_match)])
        ]
        matches: list[InternalMatch] = []

        def search(k: int, match: InternalMatch) -> None:
            if k == len(candidates):
                match.placeholder_nodes = [match.nodes_map[pn] for pn in self.pattern_placeholder_nodes]
                match.returning_nodes = [match.nodes_map[pn] for pn in self.pattern_returning_nodes]
                matches.append(match)
                return
            anchor, nodes = candidates[k]
            for node in nodes:
                tried = copy.copy(match)
                if self._match_nodes(anchor, node, tried, node_name_match):
                    search(k + 1, tried)

        if candidates:
            search(0, InternalMatch(anchors=self.pattern_anchors))
        matches = [match for match in matches if self._is_contained(match.nodes_map)]
        matches = [
            match
            for match in matches
            if validate_partition([gn for pn, gn in match.nodes_map.items() if pn.op not in _OUTSIDE])
        ]
        return self._first_of_overlapping(matches) if self.remove_overlapping_matches else matches
