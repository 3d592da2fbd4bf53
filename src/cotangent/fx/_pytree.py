"""`torch.fx._pytree`: the leaves of containers of a structure that is known."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any, Final

from ..utils import _pytree as trees

__all__ = ["register_pytree_flatten_spec", "tree_flatten_spec"]

SUPPORTED_NODES: Final[dict[Any, Callable[[Any, Any], list[Any]]]] = {}
SUPPORTED_NODES_EXACT_MATCH: Final[dict[Any, Callable[[Any, Any], bool] | None]] = {}


def register_pytree_flatten_spec(
    cls: Any,
    flatten_fn_spec: Callable[[Any, Any], list[Any]],
    flatten_fn_exact_match_spec: Callable[[Any, Any], bool] | None = None,
) -> None:
    """Say how the children of a container are found when its structure is known.

    Args:
        cls: its class.
        flatten_fn_spec: (container, structure) -> children.
        flatten_fn_exact_match_spec: (container, structure) -> whether it has as many.
    """
    SUPPORTED_NODES[cls] = flatten_fn_spec
    SUPPORTED_NODES_EXACT_MATCH[cls] = flatten_fn_exact_match_spec


def tree_flatten_spec(pytree: Any, spec: Any) -> list[Any]:
    """The leaves of a tree that has at least the structure `spec`.

    Args:
        pytree: the tree.
        spec: a structure.

    Returns:
        The leaves, from left to right.

    Raises:
        RuntimeError: if a container of another class has another structure.

    Example:
        >>> from cotangent.fx._pytree import tree_flatten_spec
        >>> from cotangent.utils._pytree import tree_structure
        >>> tree_flatten_spec({"b": 1, "a": [2, 3]}, tree_structure({"a": [0, 0], "b": 0}))
        [2, 3, 1]
    """
    if spec.is_leaf():
        return [pytree]
    flatten = SUPPORTED_NODES.get(spec.type)
    if flatten is None:
        leaves, real_spec = trees.tree_flatten(pytree)
        if spec != real_spec:
            raise RuntimeError(
                f"Real spec {real_spec} of object {pytree} is different from expected spec {spec}. "
                "Please file an issue at "
                "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml"
            )
        return leaves
    found: list[Any] = []
    for child, child_spec in zip(flatten(pytree, spec), spec.children()):
        found += tree_flatten_spec(child, child_spec)
    return found


def _by_key(d: Any, spec: Any) -> list[Any]:
    return [d[key] for key in spec.context]


def _by_index(d: Any, spec: Any) -> list[Any]:
    return [d[k] for k in range(spec.num_children)]


def _as_many(d: Any, spec: Any) -> bool:
    return bool(len(d) == spec.num_children)


register_pytree_flatten_spec(dict, _by_key, _as_many)
for _kind in (list, tuple, namedtuple):
    register_pytree_flatten_spec(_kind, _by_index, _as_many)
