"""The layout: nothing overlaps, edges go forwards, crossings are counted, positions are the nearest ones."""

import itertools
import random
from typing import Any

import drawn
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import minimize

import cotangent as torch
from cotangent.viz import layout, place, scopes
from cotangent.viz.walk import Link, Vertex


def random_graph(seed: int, count: int) -> tuple[list[Vertex], list[Link]]:
    """A graph without circles over some modules, in an order in which it could have been computed."""
    draw = random.Random(seed)
    paths = ["", "m", "m.a", "m.a.x", "m.b", "n"]
    vertices = []
    links = []
    for k in range(count):
        kind = draw.choice(["operation"] * 6 + ["parameter", "constant", "leaf"]) if k else "leaf"
        vertices.append(Vertex(k, kind, f"op{k}", module=draw.choice(paths)))
        if kind == "operation":
            for s in draw.sample(range(k), min(k, draw.choice([1, 1, 2, 2, 3]))):
                links.append(Link(s, k))
    return vertices, links


def arranged(vertices: list[Vertex], links: list[Link]) -> scopes.Scopes:
    tree = scopes.Scopes(vertices, links, {})
    for scope in tree.all:
        layout.arrange(scope, vertices)
    return tree


def placing(tree: scopes.Scopes, sideways: bool) -> place.Placing:
    sizes = [(40.0 + 7 * (v.number % 5), 24.0 + 4 * (v.number % 3)) for v in tree.vertices]
    folded = [(90.0, 46.0)] * len(tree.all)

    def faint(v: int) -> bool:
        return tree.vertices[v].kind == "parameter"

    return place.Placing(tree.all, sizes, folded, faint, lambda v: sideways, sideways, 30.0)


def check(placed: place.Placed) -> None:
    """Nothing overlaps, everything is inside, routes go forwards and end at their items."""
    scope = placed.scope
    boxes = list(zip(placed.at, placed.size, strict=True))
    for (a, size_a), (b, size_b) in itertools.combinations(boxes, 2):
        apart = abs(a[0] - b[0]) - (size_a[0] + size_b[0]) / 2, abs(a[1] - b[1]) - (size_a[1] + size_b[1]) / 2
        assert max(apart) > -1e-6
    for (x, y), (w, h) in boxes:
        assert x - w / 2 > -1e-6 and x + w / 2 < placed.across + 1e-6
        assert y - h / 2 > -1e-6 and y + h / 2 < placed.along + 1e-6
    for layer in scope.layers:
        xs = [placed.at[i][0] for i in layer]
        assert xs == sorted(xs)
    for route, points in zip(scope.routes, placed.routes, strict=True):
        assert all(b[1] - a[1] > -1e-6 for a, b in itertools.pairwise(points))
        assert len(points) == 2 * len(route.chain)
        for i, (x, _) in ((route.source, points[0]), (route.target, points[-1])):
            assert abs(x - placed.at[i][0]) <= placed.size[i][0] / 2 + 1e-6
    for inner in placed.inner.values():
        check(inner)


@given(st.integers(0, 10**6), st.integers(2, 40), st.booleans())
@settings(max_examples=60)
def test_any_graph_is_laid_out_cleanly(seed: int, count: int, sideways: bool) -> None:
    tree = arranged(*random_graph(seed, count))
    places = placing(tree, sideways)
    everything = frozenset(range(1, len(tree.all)))
    for open_ in (frozenset(), everything, frozenset(s for s in everything if s % 2)):
        check(places.place(0, open_))


@given(st.integers(0, 10**6), st.integers(2, 40))
@settings(max_examples=60)
def test_every_link_is_drawn_once_from_end_to_end(seed: int, count: int) -> None:
    vertices, links = random_graph(seed, count)
    tree = arranged(vertices, links)
    drawn_links = [
        link if link >= 0 else -1 - link
        for scope in tree.all
        for route in scope.routes
        for link in route.links
    ]
    for number, link in enumerate(links):
        up, down = tree.above(tree.of[link.source]), tree.above(tree.of[link.target])
        common = next(s for s in up if s in down)
        assert drawn_links.count(number) == up.index(common) + down.index(common) + 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=14))
def test_crossings_are_counted_right(pairs: list[tuple[int, int]]) -> None:
    edges = sorted(set(pairs))
    layers = [list(range(6)), list(range(6, 12))]
    below: list[list[int]] = [[] for _ in range(12)]
    for a, b in edges:
        below[a].append(b + 6)
    both = itertools.combinations(edges, 2)
    crossing = sum((a < c and b > d) or (a > c and b < d) for (a, b), (c, d) in both)
    assert layout._crossings(layers, below) == crossing


def test_a_tangle_is_untangled() -> None:
    """A complete binary tree with its edges shuffled can be drawn without a crossing."""
    draw = random.Random(3)
    vertices = [Vertex(0, "leaf", "root")]
    links = []
    level = [0]
    for _ in range(4):
        fresh = []
        for parent in draw.sample(level, len(level)):
            for _ in range(2):
                vertices.append(Vertex(len(vertices), "operation", "f"))
                links.append(Link(parent, len(vertices) - 1))
                fresh.append(len(vertices) - 1)
        level = fresh
    draw.shuffle(links)
    tree = arranged(vertices, links)
    scope = tree.all[0]
    below: list[list[int]] = [[] for _ in scope.items]
    for route in scope.routes:
        for a, b in itertools.pairwise(route.chain):
            below[a].append(b)
    assert layout._crossings(scope.layers, below) == 0


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 8), st.floats(1, 30)), min_size=1, max_size=5))
@settings(max_examples=30)
def test_settled_positions_are_the_nearest(items: list[tuple[float, float, float]]) -> None:
    wanted, weights, room = (list(column) for column in zip(*items, strict=True))
    found = place.settled(wanted, weights, room)
    assert all(b - a > gap - 1e-9 for (a, b), gap in zip(itertools.pairwise(found), room[1:], strict=True))

    def cost(x: Any) -> float:
        return float(sum(w * (a - b) ** 2 for w, a, b in zip(weights, x, wanted, strict=True)))

    constraints = [
        {"type": "ineq", "fun": lambda x, k=k: x[k] - x[k - 1] - room[k]} for k in range(1, len(wanted))
    ]
    best = minimize(cost, np.sort(wanted) + np.cumsum(room), constraints=constraints, method="SLSQP")
    assert cost(found) <= best.fun + 1e-3 * (1 + best.fun)


def test_an_operation_stands_in_the_middle_of_its_operands() -> None:
    x, w = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    graph = torch.graph(x * w)
    placed = graph.placing(graph.words).place(0, frozenset())
    at = {graph.names[i.ref]: p for i, p in zip(placed.scope.items, placed.at, strict=True)}
    assert at["v₁"][0] == (at["x"][0] + at["w"][0]) / 2
    assert at["x"][1] == at["w"][1] < at["v₁"][1]


def test_lines_of_layers_are_straight() -> None:
    model, run = drawn.resnet()
    graph = torch.graph(run, names={"model": model})
    block = next(s for s in graph.scopes.all if s.path == "model.layer2.0")
    placed = graph.placing(graph.words).place(block.number, frozenset())
    names = {}
    for i, p in zip(placed.scope.items, placed.at, strict=True):
        if i.kind == "scope":
            names[graph.scopes.all[i.ref].path.rpartition(".")[2]] = p[0]
    assert names["conv1"] == pytest.approx(names["bn1"]) == pytest.approx(names["bn2"])
    assert abs(names["downsample"] - names["conv1"]) > 100
