"""What libraries use of torch.func's inside: trees, levels by number, functorch's names, in both."""

from __future__ import annotations

import collections
import functools
import importlib
import warnings
from typing import Any

import pytest
import torch
from samples.library import xp

Pair = collections.namedtuple("Pair", "a b")
TREES = [
    (1, [2, {"b": 1, "a": 2}]), collections.OrderedDict(a=1), collections.defaultdict(list, {"a": 1}),
    collections.deque([1, 2], maxlen=3), Pair(1, [2]), [], (), {}, None, [[1, [2, 3]], {"a": (1, 2)}],
]  # fmt: skip


def module(library: Any, name: str) -> Any:
    """`torch.NAME`, or cotangent's."""
    return importlib.import_module(f"{library.__name__}.{name}")


def told(call: Any) -> Any:
    """What comes of a call, as text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(call())
        except Exception as error:  # whatever PyTorch raises is what is asked for
            return type(error).__name__, str(error)


@pytest.mark.parametrize("number", range(len(TREES)))
def test_a_tree_is_taken_apart_and_put_together(number: int) -> None:
    found = []
    for library in (torch, xp):
        p = module(library, "utils._pytree")
        leaves, spec = p.tree_flatten(TREES[number])
        assert p.tree_unflatten(leaves, spec) == TREES[number]
        assert spec == p.tree_structure(TREES[number])
        paths = [(p.keystr(path), leaf) for path, leaf in p.tree_leaves_with_path(TREES[number])]
        written = told(lambda p=p, spec=spec: p.treespec_dumps(spec))
        if isinstance(written, str):
            assert p.treespec_loads(written) == spec
        counts = (spec.num_nodes, spec.num_leaves, spec.num_children, spec.is_leaf())
        found.append((str(spec), leaves, p.treespec_pprint(spec), paths, written, counts))
    assert found[0] == found[1]


def test_trees_that_do_not_fit() -> None:
    pairs = [
        ((1, 2), (1, 2, 3)), ((1, 2), [1, 2]), ({"a": 1}, {"b": 1}), ({"a": 1, "b": 2}, {"b": 1, "a": 3}),
        (1, (2, 3)), ([1, (2,)], [3, (4, 5)]),
    ]  # fmt: skip
    for pair in pairs:
        texts = [told(functools.partial(_zipped, library, *pair)) for library in (torch, xp)]
        assert texts[0] == texts[1]


def _zipped(library: Any, one: Any, other: Any) -> Any:
    return module(library, "utils._pytree").tree_map(lambda a, b: (a, b), one, other)


def test_registered_classes_are_nodes_to_transforms() -> None:
    for library in (torch, xp):
        p = module(library, "utils._pytree")

        class Box:
            def __init__(self, inside: Any) -> None:
                self.inside = inside

        p.register_pytree_node(Box, lambda b: ([b.inside], None), lambda c, _: Box(*c))
        x = library.ones(3)
        assert library.vmap(lambda b: Box(b.inside * 2))(Box(x)).inside.tolist() == [2.0, 2.0, 2.0]
        grad = library.func.grad(lambda b: (b.inside**2).sum())(Box(x))
        assert grad.inside.tolist() == [2.0, 2.0, 2.0]
        with pytest.raises(ValueError, match="already registered"):
            p.register_pytree_node(Box, lambda b: ([b.inside], None), lambda c, _: Box(*c))
        p._deregister_pytree_node(Box)


def test_levels_by_number() -> None:
    found = []
    for library in (torch, xp):
        v, c = module(library, "_functorch.vmap"), module(library, "_C._functorch")
        seen: list[Any] = []

        def look(x: Any, c: Any = c, seen: list[Any] = seen) -> Any:
            told = (
                c.is_batchedtensor(x),
                c.is_gradtrackingtensor(x),
                c.maybe_get_level(x),
                c.maybe_get_bdim(x),
            )
            seen.append((*told, c.current_level(), tuple(c.get_unwrapped(x).shape)))
            return x.sum()

        x = library.ones(2, 3)
        library.vmap(library.func.grad(look))(x)
        out, dims = v.restore_vmap(lambda a, b: {"a": a[0] + a[1], "b": b}, ((0, 0), 1), 2, "error")(
            (x, library.ones(2)), library.ones(4, 2)
        )
        seen.append(({k: t.tolist() for k, t in out.items()}, dims))
        seen.append(c.reshape_dim_into(0, 1, x[None]).shape == (2, 3))
        seen.append(tuple(c.reshape_dim_outof(1, 3, x).shape))
        seen.append((c.maybe_get_level(x), c.peek_interpreter_stack(), c.maybe_current_level()))
        chunks = module(library, "_functorch.apis").chunk_vmap(lambda a: a.sum(), chunks=2)(
            library.ones(5, 2)
        )
        found.append((seen, chunks.tolist()))
    assert found[0] == found[1]


def test_functional_modules_of_functorch() -> None:
    for library in (torch, xp):
        m = module(library, "_functorch.make_functional")
        x = library.ones(3, 2)
        linear = library.nn.Linear(2, 1)
        f, parameters = m.make_functional(linear)
        assert f(parameters, x).tolist() == linear(x).tolist()
        f, parameters, buffers = m.combine_state_for_ensemble([library.nn.Linear(2, 1) for _ in range(4)])
        assert tuple(library.vmap(f, (0, 0, None))(parameters, buffers, x).shape) == (4, 3, 1)
        with pytest.raises(RuntimeError, match="has buffers"):
            m.make_functional(library.nn.BatchNorm1d(2))
        weights, run, names = m.functional_init(library.nn.Linear, (2,))(2, 1)
        assert [tuple(w.shape) for w in weights] == [(2, 1, 2), (2, 1)]
        assert tuple(names) == ("weight", "bias")
        assert tuple(library.vmap(run, (0, None))(weights, (x,)).shape) == (2, 3, 1)


def test_functorch_warns() -> None:
    old = module(xp, "functorch")
    with pytest.warns(FutureWarning, match="Please use `torch.vmap`"):
        old.vmap(xp.sin)
    with pytest.warns(FutureWarning, match="Please use `torch.func.grad`"):
        assert old.grad(xp.sin)(xp.tensor(0.0)).item() == 1.0
