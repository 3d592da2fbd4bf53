"""Trees of containers, under the names that libraries written for PyTorch use (`torch.utils._pytree`)."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import types
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from .. import tree as trees
from ..size import Size
from ..tree import NODES, TreeSpec, node_type as _get_node_type

__all__ = [
    "GetAttrKey", "LeafSpec", "MappingKey", "PyTree", "PyTreeSpec", "SequenceKey", "TreeSpec", "key_get",
    "keystr", "register_dataclass", "register_pytree_node", "tree_all", "tree_all_only", "tree_any",
    "tree_any_only", "tree_flatten", "tree_flatten_with_path", "tree_is_leaf", "tree_iter", "tree_leaves",
    "tree_leaves_with_path", "tree_map", "tree_map_", "tree_map_only", "tree_map_only_", "tree_map_with_path",
    "tree_structure", "tree_unflatten", "treespec_dumps", "treespec_loads", "treespec_pprint",
]  # fmt: skip

PyTree = Any
Context = Any
IsLeaf = Callable[[Any], bool] | None
PyTreeSpec = TreeSpec
SUPPORTED_NODES: Final = NODES
BUILTIN_TYPES: Final = trees.BUILTIN
STANDARD_DICT_TYPES: Final = trees.MAPPINGS
is_namedtuple_class = trees.is_namedtuple_class


class _Serialized(NamedTuple):
    name: str
    dump: Callable[[Any], Any] | None
    load: Callable[[Any], Any] | None


_serialized: Final[dict[Any, _Serialized]] = {}
_with_keys: Final[dict[Any, Callable[[Any], tuple[list[tuple[Any, Any]], Any]]]] = {}


def LeafSpec() -> TreeSpec:
    """The structure of a leaf."""
    return trees.spec(None)


treespec_leaf = LeafSpec


def treespec_tuple(iterable: Iterable[TreeSpec] = (), /) -> TreeSpec:
    """The structure of a tuple with children of these structures."""
    children = list(iterable)
    if any(not isinstance(c, TreeSpec) for c in children):
        raise ValueError(f"Expected a tuple of TreeSpec values, got: {children!r}.")
    return TreeSpec(tuple, None, children)


def treespec_dict(
    mapping: Mapping[Any, TreeSpec] | Iterable[tuple[Any, TreeSpec]] = (), /, **kwargs: TreeSpec
) -> TreeSpec:
    """The structure of a dict with children of these structures."""
    children = dict(mapping, **kwargs)
    if any(not isinstance(c, TreeSpec) for c in children.values()):
        raise ValueError(f"Expected a dictionary of TreeSpec values, got: {children!r}.")
    return TreeSpec(dict, list(children), list(children.values()))


@dataclasses.dataclass(frozen=True, slots=True)
class SequenceKey:
    """A step of a path: into a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """What is there."""
        return sequence[self.idx]


@dataclasses.dataclass(frozen=True, slots=True)
class MappingKey:
    """A step of a path: into a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """What is there."""
        return mapping[self.key]


@dataclasses.dataclass(frozen=True, slots=True)
class GetAttrKey:
    """A step of a path: to an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """What is there."""
        return getattr(obj, self.name)


def register_pytree_node(
    cls: type[Any],
    flatten_fn: Callable[[Any], tuple[list[Any], Any]],
    unflatten_fn: Callable[[Any, Any], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Any], Any] | None = None,
    from_dumpable_context: Callable[[Any], Any] | None = None,
    flatten_with_keys_fn: Callable[[Any], tuple[list[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Make a class of containers known, here and to all transforms.

    Args:
        cls: the class.
        flatten_fn: takes a container apart: (children, what else is needed to put it together).
        unflatten_fn: makes one of (children, what `flatten_fn` gave besides).
        serialized_type_name: what `treespec_dumps` calls the class.
        to_dumpable_context, from_dumpable_context: to and from what JSON can hold; both or none.
        flatten_with_keys_fn: as `flatten_fn`, with a (key, child) for each child.

    Raises:
        ValueError: if the class is known already.

    Example:
        >>> from cotangent.utils import _pytree
        >>> class Pair:
        ...     def __init__(self, a, b): self.a, self.b = a, b
        >>> _pytree.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda c, _: Pair(*c))
        >>> _pytree.tree_leaves([Pair(1, 2), 3])
        [1, 2, 3]
    """
    if cls in NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or registered."
        )
    NODES[cls] = trees.Kind(flatten_fn, unflatten_fn)
    if flatten_with_keys_fn is not None:
        _with_keys[cls] = flatten_with_keys_fn
    if serialized_type_name is not None:
        _serialized[cls] = _Serialized(serialized_type_name, to_dumpable_context, from_dumpable_context)


_register_pytree_node = _private_register_pytree_node = register_pytree_node


def _register_namedtuple(cls: type[Any], *, serialized_type_name: str) -> None:
    """Give a class of named tuples, which are nodes anyway, the name that `treespec_dumps` writes."""
    _serialized[cls] = _Serialized(serialized_type_name, None, None)


def _deregister_pytree_node(cls: type[Any]) -> None:
    """Make instances of a class leaves again."""
    del NODES[cls]
    _with_keys.pop(cls, None)
    _serialized.pop(cls, None)


def register_dataclass(
    cls: type[Any], *, field_names: list[str] | None = None, drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:  # fmt: skip
    """Make a dataclass known: its fields are the children.

    Args:
        cls: the dataclass.
        field_names: its fields; all that `__init__` takes, if not given.
        drop_field_names: fields that are left out.
        serialized_type_name: what `treespec_dumps` calls the class.
    """
    if field_names is None:
        if not dataclasses.is_dataclass(cls):
            raise ValueError(
                "register_dataclass(cls, field_names): field_names must be specified if cls is not a "
                f"dataclass. Got cls={cls}"
            )
        field_names = [f.name for f in dataclasses.fields(cls) if f.init]
    names = [n for n in field_names if n not in (drop_field_names or ())]

    def parts(value: Any) -> tuple[list[str], list[str]]:
        return [n for n in names if getattr(value, n) is not None], [
            n for n in names if getattr(value, n) is None
        ]

    def flatten(value: Any) -> tuple[list[Any], Any]:
        given, absent = parts(value)
        return [getattr(value, n) for n in given], [given, absent]

    def flatten_with_keys(value: Any) -> tuple[list[tuple[Any, Any]], Any]:
        given, absent = parts(value)
        return [(GetAttrKey(n), getattr(value, n)) for n in given], [given, absent]

    def unflatten(children: Any, context: Any) -> Any:
        given, absent = context
        return cls(**dict(zip(given, children, strict=True)), **dict.fromkeys(absent))

    register_pytree_node(
        cls, flatten, unflatten, serialized_type_name=serialized_type_name,
        flatten_with_keys_fn=flatten_with_keys,
    )  # fmt: skip


class ConstantNode(NamedTuple):
    """What `register_constant` keeps of a value: the value."""

    value: Any


def register_constant(cls: type[Any]) -> None:
    """Take instances of a class for parts of the structure, not for leaves."""
    if vars(object)["__eq__"] is cls.__eq__:
        raise TypeError("register_constant(cls) expects `cls` to have a non-default `__eq__` implementation.")
    if cls.__hash__ is None:
        raise TypeError(
            "register_constant(cls) expects `cls` to have a non-default `__hash__` implementation."
        )
    register_pytree_node(cls, lambda value: ([], ConstantNode(value)), lambda _, context: context.value)


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether a value is a leaf: no container that is known, or what `is_leaf` says is one."""
    return (is_leaf is not None and is_leaf(tree)) or _get_node_type(tree) is None


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """(the leaves from left to right, the structure).

    Example:
        >>> from cotangent.utils._pytree import tree_flatten
        >>> tree_flatten([1, (2, 3)])[0]
        [1, 2, 3]
    """
    return trees.flatten(tree, is_leaf, exact=True)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The tree of a structure with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "Expected `treespec` to be an instance of PyTreeSpec but got item of type " + f"{type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """The leaves from left to right, one by one."""
    yield from tree_flatten(tree, is_leaf)[0]


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves from left to right."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree with `func` applied to every leaf, and to what stands in `rests` in its place.

    Example:
        >>> from cotangent.utils._pytree import tree_map
        >>> tree_map(lambda a, b: a + b, {"x": 1, "y": (2, 3)}, {"x": 10, "y": (20, 30)})
        {'x': 11, 'y': (22, 33)}
    """
    leaves, structure = tree_flatten(tree, is_leaf)
    columns = [leaves, *(structure.flatten_up_to(r) for r in rests)]
    return structure.unflatten([func(*row) for row in zip(*columns, strict=True)])


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """As `tree_map`, but returns the tree as it was: for functions that only do something."""
    leaves, structure = tree_flatten(tree, is_leaf)
    for row in zip(leaves, *(structure.flatten_up_to(r) for r in rests), strict=True):
        func(*row)
    return tree


def _predicate(what: Any) -> Callable[[Any], bool]:
    if isinstance(what, (type, tuple, types.UnionType)):
        return lambda x: isinstance(x, what)
    if callable(what):
        return lambda x: bool(what(x))
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(type_or_types_or_pred: Any, /) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """A decorator: the function is applied to values of these types only, others stay what they are."""
    chosen = _predicate(type_or_types_or_pred)

    def decorate(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return functools.wraps(func)(lambda x: func(x) if chosen(x) else x)

    return decorate


def tree_map_only(
    type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None
) -> Any:
    """`tree_map` over the leaves of some types; the others stay what they are."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None
) -> Any:
    """`tree_map_` over the leaves of some types."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether `pred` holds for a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None
) -> bool:
    """Whether `pred` holds for all leaves of some types."""
    return all(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None
) -> bool:
    """Whether `pred` holds for a leaf of some types."""
    return any(pred(x) for x in tree_leaves(tree, is_leaf) if isinstance(x, type_or_types))


def _broadcast_to_and_flatten(tree: Any, treespec: TreeSpec, is_leaf: IsLeaf = None) -> list[Any] | None:
    """Per leaf of a structure the value of a prefix of it; None if it is none."""
    return trees.broadcast(tree, treespec)


def arg_tree_leaves(*args: Any, **kwargs: Any) -> list[Any]:
    """The leaves of the arguments of a call."""
    return tree_leaves([args, kwargs])


def _children_with_keys(tree: Any, key: Any) -> list[tuple[Any, Any]]:
    if key in _with_keys:
        return _with_keys[key](tree)[0]
    if key not in BUILTIN_TYPES:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {key}. Please pass a flatten_with_keys_fn "
            "argument to register_pytree_node."
        )
    kind = NODES[key]
    children = kind.flatten(tree)[0]
    if key is namedtuple:
        return [(GetAttrKey(n), c) for n, c in zip(tree._fields, children, strict=True)]
    if kind.names is not None:
        return [(MappingKey(k), c) for k, c in zip(kind.names(tree), children, strict=True)]
    return [(SequenceKey(i), c) for i, c in enumerate(children)]


def _paths(path: tuple[Any, ...], tree: Any, is_leaf: IsLeaf) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    for key, child in _children_with_keys(tree, _get_node_type(tree)):
        yield from _paths((*path, key), child, is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[tuple[Any, ...], Any]]:
    """(path, leaf) for each leaf; a path is a tuple of keys, which `keystr` prints and `key_get` follows."""
    return list(_paths((), tree, is_leaf))


def tree_flatten_with_path(
    tree: Any, is_leaf: IsLeaf = None
) -> tuple[list[tuple[tuple[Any, ...], Any]], TreeSpec]:
    """((path, leaf) for each leaf, the structure)."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """As `tree_map`, with the path of a leaf as the first argument of `func`."""
    found, structure = tree_flatten_with_path(tree, is_leaf)
    others = [structure.flatten_up_to(r) for r in rests]
    return structure.unflatten(
        [func(path, leaf, *row) for (path, leaf), *row in zip(found, *others, strict=True)]
    )


def keystr(kp: Iterable[Any]) -> str:
    """A path as it is written in Python: `['x'][0]`."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: Iterable[Any]) -> Any:
    """What is at the end of a path."""
    for key in kp:
        obj = key.get(obj)
    return obj


treespec_pprint = trees.pprint
_NAMES: Final[dict[Any, str]] = {
    tuple: "builtins.tuple", list: "builtins.list", dict: "builtins.dict", deque: "collections.deque",
    OrderedDict: "collections.OrderedDict", defaultdict: "collections.defaultdict",
    namedtuple: "collections.namedtuple", Size: "torch.Size",
}  # fmt: skip


def _as_json(spec: TreeSpec) -> dict[str, Any]:
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    known = _serialized.get(spec.type, _Serialized(_NAMES.get(spec.type, ""), None, None))
    if not known.name:
        raise NotImplementedError(
            f"No registered serialization name for {spec.type} found. Please update your "
            "_register_pytree_node call with a `serialized_type_name` kwarg."
        )
    context = spec.context
    shown: Any
    if spec.type is defaultdict:
        factory, keys = context
        shown = {
            "default_factory_module": factory.__module__, "default_factory_name": factory.__qualname__,
            "dict_context": keys,
        }  # fmt: skip
    elif spec.type is namedtuple:
        if context not in _serialized:
            raise NotImplementedError(
                f"Can't serialize TreeSpec of namedtuple class {context} because we didn't register a "
                "serializated_type_name. Please register using `_register_namedtuple`."
            )
        shown = _serialized[context].name
    else:
        shown = known.dump(context) if known.dump else json.dumps(context)
    return {"type": known.name, "context": shown, "children_spec": [_as_json(c) for c in spec.children()]}


def _from_json(found: dict[str, Any]) -> TreeSpec:
    name = found["type"]
    if name is None:
        return LeafSpec()
    kinds = {s.name: k for k, s in _serialized.items()} | {n: k for k, n in _NAMES.items()}
    if name not in kinds:
        raise NotImplementedError(f"Deserializing {name} in pytree is not registered.")
    kind = kinds[name]
    known = _serialized.get(kind)
    context: Any = found["context"]
    if kind is defaultdict:
        home = importlib.import_module(context["default_factory_module"])
        context = [getattr(home, context["default_factory_name"]), context["dict_context"]]
    elif kind is namedtuple:
        context = kinds[context]
    else:
        context = known.load(context) if known and known.load else json.loads(context)
    return TreeSpec(kind, context, [_from_json(c) for c in found["children_spec"]])


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A structure as text, for `treespec_loads`."""
    if protocol not in (None, 1):
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")
    return json.dumps((1, _as_json(treespec)))


def treespec_loads(serialized: str) -> TreeSpec:
    """The structure of which `treespec_dumps` made the text."""
    protocol, found = json.loads(serialized)
    if protocol != 1:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")
    return _from_json(found)


def _keyed(key: Any) -> Callable[[Any], tuple[list[tuple[Any, Any]], Any]]:
    return lambda tree: (_children_with_keys(tree, key), NODES[key].flatten(tree)[1])


# Libraries register their own containers with the functions that take the standard ones apart.
for _name, _key in {
    "dict": dict, "odict": OrderedDict, "ordereddict": OrderedDict, "defaultdict": defaultdict, "list": list,
    "tuple": tuple, "namedtuple": namedtuple, "deque": deque,
}.items():  # fmt: skip
    globals()[f"_{_name}_flatten"] = NODES[_key].flatten
    globals()[f"_{_name}_unflatten"] = NODES[_key].unflatten
    globals()[f"_{_name}_flatten_with_keys"] = _keyed(_key)
