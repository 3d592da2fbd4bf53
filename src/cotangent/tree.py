"""Nested containers of tensors: taking the leaves out and putting others in.

Tuples (named ones too), lists, dicts and OrderedDicts are nodes; everything else is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """(leaves from left to right, structure for `unflatten`)."""
    leaves: list[Any] = []
    return leaves, _walk(tree, leaves)


def _walk(tree: Any, leaves: list[Any]) -> Any:
    if isinstance(tree, (tuple, list)):
        return (type(tree), None, [_walk(v, leaves) for v in tree])
    if isinstance(tree, (dict, OrderedDict)):
        return (type(tree), list(tree), [_walk(v, leaves) for v in tree.values()])
    leaves.append(tree)
    return None


def unflatten(structure: Any, leaves: list[Any]) -> Any:
    """The tree of this structure with `leaves` in it."""
    feed = iter(leaves)
    return _build(structure, feed)


def _build(structure: Any, feed: Any) -> Any:
    if structure is None:
        return next(feed)
    kind, keys, children = structure
    values = [_build(c, feed) for c in children]
    if keys is not None:
        return kind(zip(keys, values, strict=True))
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def tree_map(function: Callable[..., Any], tree: Any) -> Any:
    """The tree with `function` applied to every leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])


def broadcast(prefix: Any, structure: Any) -> list[Any] | None:
    """Per leaf of `structure` the value of `prefix`, whose leaves may stand for whole subtrees.

    Returns:
        the values from left to right, or None if the prefix does not fit.
    """
    if structure is None:
        return None if isinstance(prefix, (tuple, list, dict)) else [prefix]
    kind, keys, children = structure
    if isinstance(prefix, (tuple, list, dict)):
        if not isinstance(prefix, kind if keys is not None else (tuple, list)) or len(prefix) != len(
            children
        ):
            return None
        parts = list(prefix.values()) if isinstance(prefix, dict) else list(prefix)
    else:
        parts = [prefix] * len(children)
    out: list[Any] = []
    for part, child in zip(parts, children, strict=True):
        found = broadcast(part, child)
        if found is None:
            return None
        out.extend(found)
    return out


def spec(value: Any) -> str:
    """A structure as PyTorch prints it: `TreeSpec(tuple, None, [*, *])`."""
    if isinstance(value, (tuple, list)):
        name = "tuple" if isinstance(value, tuple) else "list"
        return f"TreeSpec({name}, None, [{_specs(list(value))}])"
    if isinstance(value, dict):
        return f"TreeSpec(dict, {list(value)!r}, [{_specs(list(value.values()))}])"
    return "*"


def _specs(values: list[Any]) -> str:
    return ",\n  ".join(spec(v).replace("\n", "\n  ") for v in values)
