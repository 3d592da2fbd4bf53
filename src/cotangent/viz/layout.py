"""Layered layout of a scope: which rank each item has, and the order within a rank with few crossings.

The steps are those of Sugiyama, Tagawa and Toda (1981) in the form of Gansner, Koutsofios, North and Vo, "A
Technique for Drawing Directed Graphs" (1993): ranks with short edges, bends for edges over several ranks,
weighted medians and transpositions. What follows from sizes, the coordinates, is in `place`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .scopes import BEND, INPUT, OUTPUT, VERTEX, Item, Route, Scope
from .walk import Vertex

_SWEEPS = 24


def arrange(scope: Scope, vertices: Sequence[Vertex]) -> None:
    """Fill in `layers` of a scope and the `chain` of its routes; bends are added to its items."""
    rank = _ranks(scope, vertices)
    layers: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for i, r in enumerate(rank):
        layers[r].append(i)
    above: list[list[int]] = [[] for _ in scope.items]
    below: list[list[int]] = [[] for _ in scope.items]
    bends: dict[tuple[int, int, int], list[int]] = {}
    for route in scope.routes:
        route.chain = [route.source]
        for r in range(rank[route.source] + 1, rank[route.target]):
            route.chain.append(_bend(scope, layers, above, below, r))
        route.chain.append(route.target)
        bends[route.source, route.target, route.value] = route.chain
        for a, b in pairwise(route.chain):
            below[a].append(b)
            above[b].append(a)
    scope.layers = _ordered(_first_order(layers, below, scope.routes), above, below)


def _bend(scope: Scope, layers: Any, above: Any, below: Any, r: int) -> int:
    scope.items.append(Item(BEND, 0))
    above.append([])
    below.append([])
    layers[r].append(len(scope.items) - 1)
    return len(scope.items) - 1


def _ranks(scope: Scope, vertices: Sequence[Vertex]) -> list[int]:
    count = len(scope.items)
    out: list[list[int]] = [[] for _ in range(count)]
    into: list[list[int]] = [[] for _ in range(count)]
    for route in scope.routes:
        out[route.source].append(route.target)
        into[route.target].append(route.source)
    waiting = [len(i) for i in into]
    ready = [i for i in range(count) if not waiting[i]]
    order: list[int] = []
    while ready:
        at = ready.pop()
        order.append(at)
        for t in out[at]:
            waiting[t] -= 1
            if not waiting[t]:
                ready.append(t)
    if len(order) < count:
        order = _broken(scope, into, out, order)
    rank = [0] * count
    for i in order:
        rank[i] = max((rank[s] + 1 for s in into[i]), default=0)
    kinds = [item.kind for item in scope.items]
    last = max((rank[i] for i in range(count) if kinds[i] != OUTPUT), default=0)
    if INPUT in kinds and any(rank[i] == 0 and kinds[i] == "scope" for i in range(count)):
        rank = [r if k == INPUT else r + 1 for r, k in zip(rank, kinds)]
        last += 1
    if OUTPUT in kinds:
        last += 1
    for _ in range(4):  # shorten edges where there is room
        before = list(rank)
        for i in reversed(order):
            if kinds[i] == INPUT or not out[i]:
                continue
            limit = min(rank[t] for t in out[i]) - 1
            if len(out[i]) > len(into[i]) or (kinds[i] == VERTEX and not into[i]):
                rank[i] = max(rank[i], limit)
        for i in order:
            if kinds[i] not in (INPUT, OUTPUT) and into[i] and len(into[i]) > len(out[i]):
                rank[i] = max(rank[s] + 1 for s in into[i])
        if rank == before:
            break
    for i in range(count):
        if kinds[i] == OUTPUT:
            rank[i] = last
    low = min(rank, default=0)
    return [r - low for r in rank]


def _broken(scope: Scope, into: Any, out: Any, order: list[int]) -> list[int]:
    """Modules that call each other in turns make circles of scopes: leave out the edges that close them."""
    done = set(order)
    placed = {i: k for k, i in enumerate(order)}
    rest = sorted((i for i in range(len(scope.items)) if i not in done), key=lambda i: len(into[i]))
    state: dict[int, int] = {}
    found: list[int] = []
    for root in rest:
        if root in state:
            continue
        stack = [(root, iter(out[root]))]
        state[root] = 1
        while stack:
            at, successors = stack[-1]
            for t in successors:
                if t not in state and t not in done:
                    state[t] = 1
                    stack.append((t, iter(out[t])))
                    break
            else:
                found.append(at)
                stack.pop()
    order = [*order, *reversed(found)]
    placed = {i: k for k, i in enumerate(order)}
    kept: list[Route] = []
    for route in scope.routes:
        if placed[route.source] > placed[route.target]:
            route.source, route.target = route.target, route.source
            route.links = [-1 - link for link in route.links]  # drawn against its direction
        if route.source != route.target:
            kept.append(route)
    scope.routes[:] = kept
    for i in range(len(scope.items)):
        out[i] = [r.target for r in kept if r.source == i]
        into[i] = [r.source for r in kept if r.target == i]
    return order


def _first_order(layers: list[list[int]], below: list[list[int]], routes: list[Route]) -> list[list[int]]:
    """Depth first from the top, so that what hangs together stands together."""
    rank = {i: r for r, layer in enumerate(layers) for i in layer}
    seen: set[int] = set()
    found: list[list[int]] = [[] for _ in layers]
    both: dict[int, list[int]] = {}
    for i, targets in enumerate(below):
        for t in targets:
            both.setdefault(i, []).append(t)
            both.setdefault(t, []).append(i)
    for layer in layers:
        for root in layer:
            stack = [root]
            while stack:
                at = stack.pop()
                if at in seen:
                    continue
                seen.add(at)
                found[rank[at]].append(at)
                stack.extend(sorted((t for t in both.get(at, ()) if t not in seen), reverse=True))
    return found


def _ordered(layers: list[list[int]], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    since = 0
    for sweep in range(_SWEEPS):
        if not fewest or since > 6:
            break
        down = sweep % 2 == 0
        neighbours = above if down else below
        rows = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        for r in rows:
            other = {i: k for k, i in enumerate(layers[r - 1 if down else r + 1])}
            layers[r] = _by_median(layers[r], neighbours, other, sweep % 4 < 2)
        _transpose(layers, above, below)
        crossings = _crossings(layers, below)
        since += 1
        if crossings < fewest:
            best, fewest, since = [list(layer) for layer in layers], crossings, 0
    return best


def _by_median(layer: list[int], neighbours: Any, other: dict[int, int], ties: bool) -> list[int]:
    keys: dict[int, float] = {}
    for i in layer:
        at = sorted(other[t] for t in neighbours[i])
        if not at:
            keys[i] = -1.0
        elif len(at) % 2:
            keys[i] = float(at[len(at) // 2])
        elif len(at) == 2:
            keys[i] = (at[0] + at[1]) / 2
        else:
            m = len(at) // 2
            left, right = at[m - 1] - at[0], at[-1] - at[m]
            keys[i] = (at[m - 1] * right + at[m] * left) / (left + right) if left + right else at[m]
    free = [i for i in layer if keys[i] >= 0]
    free = sorted(free if ties else free[::-1], key=lambda i: keys[i])
    supply = iter(free)
    return [i if keys[i] < 0 else next(supply) for i in layer]


def _pair(a: int, b: int, neighbours: Any, other: dict[int, int]) -> int:
    """How many more crossings `a` before `b` has than `b` before `a`."""
    difference = 0
    for s in neighbours[a]:
        for t in neighbours[b]:
            difference += (other[s] > other[t]) - (other[s] < other[t])
    return difference


def _transpose(layers: list[list[int]], above: Any, below: Any) -> None:
    """Swap neighbours while that takes crossings away."""
    for _ in range(4):
        changed = False
        for r, layer in enumerate(layers):
            up = {i: k for k, i in enumerate(layers[r - 1])} if r else {}
            down = {i: k for k, i in enumerate(layers[r + 1])} if r + 1 < len(layers) else {}
            for k in range(len(layer) - 1):
                a, b = layer[k], layer[k + 1]
                gain = (_pair(a, b, above, up) if r else 0) + (_pair(a, b, below, down) if down else 0)
                if gain > 0:
                    layer[k], layer[k + 1] = b, a
                    changed = True
        if not changed:
            return


def _crossings(layers: list[list[int]], below: list[list[int]]) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        place = {i: k for k, i in enumerate(lower)}
        ends = [k for i in upper for k in sorted(place[t] for t in below[i])]
        tree = [0] * (len(lower) + 1)
        for seen, k in enumerate(ends):
            at, smaller = k + 1, 0
            while at:
                smaller += tree[at]
                at &= at - 1
            total += seen - smaller
            at = k + 1
            while at <= len(lower):
                tree[at] += 1
                at += at & -at
    return total
