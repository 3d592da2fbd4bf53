"""`torch.fx.passes.utils.fuser_utils`: questions about sets of nodes that are to become one."""

from __future__ import annotations

from typing import Any

__all__ = ["topo_sort", "validate_partition"]


def topo_sort(nodes: list[Any]) -> list[Any]:
    """The nodes in an order in which each comes after those that it uses, otherwise as they are.

    Args:
        nodes: nodes of a graph.

    Raises:
        AssertionError: if they use each other in a circle.
    """
    waiting, inside, done = list(nodes), set(nodes), []
    ready: set[Any] = set()
    while waiting:
        for node in waiting:
            if all(value in ready for value in node.all_input_nodes if value in inside):
                break
        else:
            raise AssertionError("topological sorted nodes doesn't have same length as input nodes")
        waiting.remove(node)
        ready.add(node)
        done.append(node)
    return done


def validate_partition(partition: list[Any]) -> bool:
    """Whether nodes can become one: no way leads out of them and back.

    Args:
        partition: nodes of a graph.
    """
    inside = set(partition)
    stack = [user for node in partition for user in node.users if user not in inside]
    seen: set[Any] = set()
    while stack:
        node = stack.pop()
        if node in inside:
            return False
        if node not in seen:
            seen.add(node)
            stack.extend(node.users)
    return True
