"""torch.utils._pytree of both libraries, side by side."""

import collections
import warnings

import pytest

import cotangent
from cotangent.utils import _pytree as ours

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.utils import _pytree as theirs

Point = collections.namedtuple("Point", "x y")
TREES = (
    1, None, [], (), {}, [1, None], (1, [2, (3,)]), {"a": [1, (2, 3)], "b": None}, Point(1, [2]),
    collections.OrderedDict(x=1, y=[2]), collections.defaultdict(int, {"q": 5}),
    collections.deque([1, (2,)], maxlen=3), [{"a": Point(1, {"b": (2,)})}, 4],
)  # fmt: skip


def text(value):
    if isinstance(value, BaseException):
        return type(value).__name__, str(value)
    return str(value).replace("cotangent", "torch")


def outcome(f, *args, **kwargs):
    try:
        return text(f(*args, **kwargs))
    except (TypeError, ValueError) as error:
        return text(error)


CALLS = (
    lambda p, t: p.tree_flatten(t),
    lambda p, t: p.tree_unflatten(p.tree_leaves(t), p.tree_structure(t)),
    lambda p, t: p.tree_unflatten([1, 2], p.tree_structure(t)),
    lambda p, t: p.tree_map(lambda x: (x, 0), t),
    lambda p, t: p.tree_map(lambda x, y: (x, y), t, t),
    lambda p, t: p.tree_map(lambda x, y: (x, y), t, [1, 2]),
    lambda p, t: p.tree_map(lambda x, y: (x, y), t, {"a": 1}),
    lambda p, t: p.tree_map_only(int, lambda x: -x, t),
    lambda p, t: p.tree_map_only(lambda x: x is None, lambda x: "none", t),
    lambda p, t: p.tree_flatten_with_path(t),
    lambda p, t: [p.keystr(path) for path, _ in p.tree_leaves_with_path(t)],
    lambda p, t: [p.key_get(t, path) for path, _ in p.tree_leaves_with_path(t)],
    lambda p, t: p.tree_map_with_path(lambda path, x: (len(path), x), t),
    lambda p, t: p.tree_leaves(t, is_leaf=lambda x: isinstance(x, (list, dict))),
    lambda p, t: (p.tree_any(lambda x: x == 2, t), p.tree_all(lambda x: x is not None, t)),
    lambda p, t: (p.tree_any_only(int, lambda x: x > 3, t), p.tree_all_only(int, lambda x: x > 0, t)),
    lambda p, t: p._broadcast_to_and_flatten(t, p.tree_structure([{"a": [1, 2]}, 3])),
    lambda p, t: p._broadcast_to_and_flatten(7, p.tree_structure(t)),
    lambda p, t: (p.tree_structure(t).num_leaves, p.tree_structure(t).num_nodes, p.tree_is_leaf(t)),
    lambda p, t: (p.tree_structure(t) == p.tree_structure((1, [2, (3,)])), p.tree_structure(t).is_leaf()),
    lambda p, t: p.treespec_tuple([p.tree_structure(t), p.treespec_leaf()]),
    lambda p, t: p.tree_unflatten([1], t),
)


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_trees(tree):
    for call in CALLS:
        assert outcome(call, ours, tree) == outcome(call, theirs, tree)


def test_named_results_are_nodes():
    mine, spec = ours.tree_flatten(cotangent.max(cotangent.ones(2), 0))
    assert len(mine) == 2
    assert type(ours.tree_unflatten(mine, spec)).__name__ == "max"


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b


def test_classes_can_be_registered():
    for p in (ours, theirs):
        kind = type(f"Pair{p.__name__[0]}", (Pair,), {})
        p.register_pytree_node(kind, lambda x: ([x.a, x.b], None), lambda v, _, kind=kind: kind(*v))
        doubled = p.tree_map(lambda x: 2 * x, [kind(1, (2, 3))])
        assert (doubled[0].a, doubled[0].b) == (2, (4, 6))
        with pytest.raises(ValueError, match="already registered as pytree node"):
            p.register_pytree_node(kind, None, None)
        with pytest.raises(ValueError, match="Did not find a flatten_with_keys_fn"):
            p.tree_flatten_with_path(kind(1, 2))
