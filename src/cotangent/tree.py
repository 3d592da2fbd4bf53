"""Nested containers of tensors: taking the leaves out and putting others in.

Tuples (named ones too), lists, dicts, OrderedDicts, defaultdicts and deques are nodes, and what
`torch.utils._pytree.register_pytree_node` has been told of; everything else is a leaf. What `flatten` meets
of unregistered subclasses of these it takes for nodes, too, as modules return such; `exact=True` leaves them
whole.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from .size import Size


class Kind(NamedTuple):
    """How a type of containers is taken apart, `(children, context)`, and put together."""

    flatten: Callable[[Any], tuple[list[Any], Any]]
    unflatten: Callable[[Any, Any], Any]
    names: Callable[[Any], list[Any]] | None = None  # the keys of a mapping's children; None: their positions


class TreeSpec:
    """The structure of a tree: what is left when the leaves are taken out.

    Args:
        type: the type of the outermost node, None for a leaf.
        context: what else its kind needs to put it together.
        children_specs: the structures of its children.

    Example:
        >>> from cotangent import tree
        >>> tree.flatten((1, {"a": 2}))[1]
        TreeSpec(tuple, None, [*,
          TreeSpec(dict, ['a'], [*])])
    """

    __slots__ = ("_children", "context", "num_children", "num_leaves", "num_nodes", "type")
    num_nodes: int
    num_leaves: int

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type = type
        self.context = context
        self._children = children_specs
        self.num_children = len(children_specs)
        self.num_nodes = 1 + sum(c.num_nodes for c in children_specs)
        self.num_leaves = 1 if type is None else sum(c.num_leaves for c in children_specs)

    def is_leaf(self) -> bool:
        """Whether it is that of a leaf."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """The structures of the children."""
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        """The structure of a child."""
        return self._children[index]

    @property
    def children_specs(self) -> list[TreeSpec]:
        """The structures of the children."""
        return self._children

    def __repr__(self, indent: int = 0) -> str:
        if self.type is None:
            return "*"
        inner = indent + 2
        shown = (",\n" + " " * inner).join(c.__repr__(inner) for c in self._children)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{shown}])"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (
            str(self.type) == str(other.type)
            and self.context == other.context
            and self._children == other._children
        )

    def __hash__(self) -> int:
        return hash((self.type, self.num_children, tuple(self._children)))

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with `leaves` in it.

        Raises:
            ValueError: if there are too many or too few.
        """
        leaves = leaves if isinstance(leaves, (list, tuple)) else list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to a "
                f"pytree that holds {self.num_leaves} items ({self})."
            )
        return _build(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The subtrees that stand in `tree` where this structure has leaves.

        Raises:
            ValueError: if `tree` differs from this structure before that.
        """
        found: list[Any] = []
        _cut(self, tree, found)
        return found


def _registry() -> dict[Any, Kind]:
    def mapping(make: Callable[[Any, Any], Any]) -> Kind:
        return Kind(lambda d: (list(d.values()), list(d)), lambda v, keys: make(keys, v), list)

    return {
        tuple: Kind(lambda t: (list(t), None), lambda v, _: tuple(v)),
        list: Kind(lambda t: (list(t), None), lambda v, _: list(v)),
        Size: Kind(lambda t: (list(t), None), lambda v, _: Size(v)),
        deque: Kind(lambda t: (list(t), t.maxlen), lambda v, maxlen: deque(v, maxlen)),
        namedtuple: Kind(lambda t: (list(t), type(t)), lambda v, kind: kind(*v)),
        dict: mapping(lambda keys, v: dict(zip(keys, v, strict=True))),
        OrderedDict: mapping(lambda keys, v: OrderedDict(zip(keys, v, strict=True))),
        defaultdict: Kind(
            lambda d: (list(d.values()), [d.default_factory, list(d)]),
            lambda v, context: defaultdict(context[0], zip(context[1], v, strict=True)),
            list,
        ),
    }


NODES: Final = _registry()
BUILTIN: Final = frozenset(NODES)
MAPPINGS: Final = frozenset((dict, OrderedDict, defaultdict))
_LEAF: Final = TreeSpec(None, None, [])
# Subclasses of the built-in containers that `flatten` has met.
_adopted: Final[dict[type, Kind]] = {}


def is_namedtuple_class(cls: Any) -> bool:
    """Whether a class was made by `namedtuple`, or is derived from one that was."""
    fields = getattr(cls, "_fields", None)
    return (
        isinstance(cls, type)
        and issubclass(cls, tuple)
        and isinstance(fields, tuple)
        and all(type(field) is str for field in fields)
        and callable(getattr(cls, "_make", None))
        and callable(getattr(cls, "_asdict", None))
    )


def node_type(value: Any) -> Any:
    """The key in `NODES` of a value that is a node; None for a leaf."""
    cls = type(value)
    if cls in NODES:
        return cls
    return namedtuple if is_namedtuple_class(cls) else None


def _near_type(value: Any) -> Any:
    """`node_type`, also of a value whose class is only derived from one that is known."""
    found = node_type(value)
    if found is not None or not isinstance(value, (tuple, list, dict)):
        return found
    cls = type(value)
    if cls not in _adopted:
        if isinstance(value, dict):
            _adopted[cls] = Kind(
                lambda d: (list(d.values()), list(d)), lambda v, keys: cls(zip(keys, v, strict=True)), list
            )
        else:
            _adopted[cls] = Kind(lambda t: (list(t), None), lambda v, _: cls(v))
    return cls


def kind_of(key: Any) -> Kind:
    """How the nodes of a type are taken apart."""
    return NODES[key] if key in NODES else _adopted[key]


def flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None, exact: bool = False
) -> tuple[list[Any], TreeSpec]:
    """(leaves from left to right, structure for `unflatten`)."""
    leaves: list[Any] = []
    return leaves, _walk(tree, leaves, is_leaf, node_type if exact else _near_type)


def _walk(
    tree: Any, leaves: list[Any], is_leaf: Callable[[Any], bool] | None, key_of: Callable[[Any], Any]
) -> TreeSpec:
    key = None if is_leaf is not None and is_leaf(tree) else key_of(tree)
    if key is None:
        leaves.append(tree)
        return _LEAF
    children, context = kind_of(key).flatten(tree)
    return TreeSpec(key, context, [_walk(c, leaves, is_leaf, key_of) for c in children])


def unflatten(structure: TreeSpec, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with `leaves` in it."""
    return _build(structure, iter(leaves))


def _build(structure: TreeSpec, feed: Any) -> Any:
    if structure.type is None:
        return next(feed)
    children = [_build(c, feed) for c in structure._children]
    return kind_of(structure.type).unflatten(children, structure.context)


def tree_map(function: Callable[..., Any], tree: Any) -> Any:
    """The tree with `function` applied to every leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])


def _cut(structure: TreeSpec, tree: Any, found: list[Any]) -> None:
    if structure.type is None:
        found.append(tree)
        return
    wanted, key = structure.type, _near_type(tree)
    dicts = wanted in MAPPINGS and key in MAPPINGS
    if key != wanted and not dicts:
        what = "Node type" if wanted in BUILTIN else "Type"
        got = type(tree) if key is None else key
        raise ValueError(f"{what} mismatch; expected {wanted!r}, but got {got!r}.")
    children, context = kind_of(key).flatten(tree)
    if len(children) != structure.num_children:
        raise ValueError(f"Node arity mismatch; expected {structure.num_children}, but got {len(children)}.")
    if dicts:
        keys = structure.context[1] if wanted is defaultdict else structure.context
        missing, extra = set(keys) - set(tree), set(tree) - set(keys)
        if missing or extra:
            text = f"; missing key(s): {missing}" if missing else ""
            text += f"; extra key(s): {extra}" if extra else ""
            raise ValueError(f"Node keys mismatch{text}.")
        children = [tree[k] for k in keys]
    elif key is not deque and context != structure.context:
        raise ValueError(
            f"Node context mismatch for node type {wanted!r}; expected {structure.context!r}, but got "
            f"{context!r}."
            if wanted in BUILTIN
            else f"Node context mismatch for custom node type {wanted!r}."
        )
    for child, part in zip(structure._children, children, strict=True):
        _cut(child, part, found)


def broadcast(prefix: Any, structure: TreeSpec) -> list[Any] | None:
    """Per leaf of `structure` the value of `prefix`, whose leaves may stand for whole subtrees.

    Returns:
        the values from left to right, or None if the prefix does not fit.
    """
    leaves, shape = flatten(prefix)
    whole = unflatten(structure, range(structure.num_leaves))
    try:
        parts = shape.flatten_up_to(whole)
    except ValueError:
        return None
    return [leaf for leaf, part in zip(leaves, parts, strict=True) for _ in flatten(part)[0]]


def spec(value: Any) -> TreeSpec:
    """The structure of a tree; PyTorch's errors print it: `TreeSpec(tuple, None, [*, *])`."""
    return flatten(value)[1]


class _Star:
    def __repr__(self) -> str:
        return "*"


def pprint(structure: TreeSpec) -> str:
    """A structure with stars for the leaves: `(*, [*])`."""
    return repr(unflatten(structure, [_Star()] * structure.num_leaves))
