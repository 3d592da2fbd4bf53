"""Coordinates: where the items of a scope stand, for the sizes they have.

Along the ranks that is a sum. Across them each rank is moved, again and again, to where its edges are
shortest: the least-squares position under the condition that items keep their order and distance, which is
isotonic regression (pool adjacent violators). Then lines are pulled straight. `page.js` has the same steps in
the same order, because a page places modules anew when they are opened; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from .scopes import BEND, INPUT, OUTPUT, SCOPE, VERTEX, Scope

# Lengths in pixels.
SPACE = 22.0  # between neighbours of a rank
BEND_SPACE = 12.0
PAD = 16.0  # inside the frame of a module
HEADER = 22.0
SLOT = 13.0  # between edges that end side by side


@dataclass
class Placed:
    """A scope with coordinates, in its own frame: `across` the ranks and `along` them.

    Attributes:
        across: its extent, and `along`.
        at: the centre of each item (across, along).
        size: the size of each item.
        top: where each rank begins and ends, along.
        routes: per route the points it goes through.
        ports: (kind, vertex) -> position across of a port, from the middle of the scope.
        inner: the open child scopes by number.
    """

    scope: Scope
    across: float = 0.0
    along: float = 0.0
    at: list[tuple[float, float]] = field(default_factory=list)
    size: list[tuple[float, float]] = field(default_factory=list)
    ranks: list[tuple[float, float]] = field(default_factory=list)
    routes: list[list[tuple[float, float]]] = field(default_factory=list)
    ports: dict[tuple[str, int], float] = field(default_factory=dict)
    inner: dict[int, Placed] = field(default_factory=dict)


class Placing:
    """Places scopes for one state of folding.

    Args:
        scopes: all of them.
        sizes: (width, height) of each vertex.
        folded: (width, height) of each scope when it is folded.
        faint: whether a vertex is a leaf that stands beside the main line.
        round_: vertices that edges aim at the middle of.
        sideways: ranks go from left to right instead of downwards.
        gap: between ranks.
    """

    def __init__(
        self,
        scopes: list[Scope],
        sizes: list[tuple[float, float]],
        folded: list[tuple[float, float]],
        faint: Callable[[int], bool],
        round_: Callable[[int], bool],
        sideways: bool,
        gap: float,
    ) -> None:
        self.scopes = scopes
        self.sizes = sizes
        self.folded = folded
        self.faint = faint
        self.round_ = round_
        self.sideways = sideways
        self.gap = gap

    def turned(self, size: tuple[float, float]) -> tuple[float, float]:
        """(width, height) as (across, along) and back."""
        return (size[1], size[0]) if self.sideways else size

    def frame(self) -> tuple[float, float, float, float]:
        """Room inside a module's frame: before and after its contents, across and along."""
        if self.sideways:
            return PAD + HEADER, PAD, PAD, PAD
        return PAD, PAD, PAD + HEADER, PAD

    def place(self, number: int, open_: frozenset[int] | set[int]) -> Placed:
        """Place a scope whose open descendants are `open_`."""
        scope = self.scopes[number]
        made = Placed(scope)
        before, after, lead, tail = self.frame()
        for item in scope.items:
            if item.kind == VERTEX:
                made.size.append(self.turned(self.sizes[item.ref]))
            elif item.kind == SCOPE and item.ref in open_:
                inner = made.inner[item.ref] = self.place(item.ref, open_)
                made.size.append((inner.across + before + after, inner.along + lead + tail))
            elif item.kind == SCOPE:
                made.size.append(self.turned(self.folded[item.ref]))
            else:
                made.size.append((2.0, 0.0))
        slots = self._slots(made)
        across = _across(made, slots, self.faint, self.sideways)
        self._along(made, across, slots)
        return made

    def _slots(self, made: Placed) -> list[tuple[float, float]]:
        """Per route where it leaves its source and enters its target, from their middles."""
        scope = made.scope
        place = {i: k for layer in scope.layers for k, i in enumerate(layer)}
        entering: dict[int, list[int]] = {}
        for k, route in enumerate(scope.routes):
            if scope.items[route.target].kind == VERTEX:
                entering.setdefault(route.target, []).append(k)
        enters: dict[int, float] = {}
        for target, routes in entering.items():
            routes.sort(key=lambda k: (place[scope.routes[k].chain[-2]], k))
            if self.round_(scope.items[target].ref):
                continue
            step = min(SLOT, 0.7 * made.size[target][0] / len(routes))
            for k, route_number in enumerate(routes):
                enters[route_number] = (k - (len(routes) - 1) / 2) * step
        found = []
        for k, route in enumerate(scope.routes):
            found.append(
                (self._port(made, route.source, OUTPUT, route.value),
                 enters.get(k, self._port(made, route.target, INPUT, route.value)))
            )  # fmt: skip
        return found

    def _port(self, made: Placed, i: int, kind: str, value: int) -> float:
        item = made.scope.items[i]
        if item.kind != SCOPE:
            return 0.0
        if item.ref in made.inner:
            before, after, _, _ = self.frame()
            return made.inner[item.ref].ports.get((kind, value), 0.0) + (before - after) / 2
        ports = self.scopes[item.ref].ports(kind)
        if value not in ports:
            return 0.0
        step = min(SLOT, 0.7 * made.size[i][0] / len(ports))
        return (ports.index(value) - (len(ports) - 1) / 2) * step

    def _along(self, made: Placed, across: list[float], slots: list[tuple[float, float]]) -> None:
        scope = made.scope
        left = min((x - s[0] / 2 for x, s in zip(across, made.size)), default=0.0)
        across = [x - left for x in across]
        made.across = max((x + s[0] / 2 for x, s in zip(across, made.size)), default=0.0)
        shift = [0.0] * len(scope.layers)
        rank = {i: r for r, layer in enumerate(scope.layers) for i in layer}
        for route, (leaves, enters) in zip(scope.routes, slots):
            for k, (a, b) in enumerate(pairwise(route.chain)):
                x = across[a] + (leaves if k == 0 else 0.0)
                y = across[b] + (enters if k == len(route.chain) - 2 else 0.0)
                shift[rank[a]] = max(shift[rank[a]], abs(x - y))
        top = 0.0
        for r, layer in enumerate(scope.layers):
            height = max((made.size[i][1] for i in layer), default=0.0)
            made.ranks.append((top, top + height))
            ports = INPUT if all(scope.items[i].kind == INPUT for i in layer) else ""
            if r + 1 < len(scope.layers) and all(scope.items[i].kind == OUTPUT for i in scope.layers[r + 1]):
                ports = OUTPUT
            least = 0.4 * self.gap if ports else self.gap
            top += height + max(least, min(0.18 * shift[r], 3.0 * self.gap))
        made.along = made.ranks[-1][1] if made.ranks else 0.0
        for i, x in enumerate(across):
            start, end = made.ranks[rank[i]]
            made.at.append((x, (start + end) / 2))
        for route, (leaves, enters) in zip(scope.routes, slots):
            made.routes.append(self._points(made, route.chain, rank, leaves, enters))
        for i, item in enumerate(scope.items):
            if item.kind in (INPUT, OUTPUT):
                made.ports[item.kind, item.ref] = made.at[i][0] - made.across / 2

    def _points(
        self, made: Placed, chain: list[int], rank: dict[int, int], leaves: float, enters: float
    ) -> list[tuple[float, float]]:
        """Points of an edge in pairs: straight within a rank, bent between the pairs."""
        first, last = chain[0], chain[-1]
        _, _, lead, tail = self.frame()
        x, y = made.at[first][0] + leaves, made.at[first][1] + made.size[first][1] / 2
        if made.scope.items[first].kind == INPUT:
            y = made.ranks[rank[first]][0] - lead  # from the frame
        points = [(x, y), (x, made.ranks[rank[first]][1])]
        for i in chain[1:-1]:
            start, end = made.ranks[rank[i]]
            points += [(made.at[i][0], start), (made.at[i][0], end)]
        x, y = made.at[last][0] + enters, made.at[last][1] - made.size[last][1] / 2
        if made.scope.items[last].kind == OUTPUT:
            y = made.ranks[rank[last]][1] + tail
        return [*points, (x, made.ranks[rank[last]][0]), (x, y)]


def _across(
    made: Placed, slots: list[tuple[float, float]], faint: Callable[[int], bool], centred: bool
) -> list[float]:
    """Positions across the ranks; `centred` puts what joins edges in their middle, as trees are drawn."""
    scope = made.scope
    items, layers = scope.items, scope.layers
    above: list[list[tuple[int, float, float]]] = [[] for _ in items]
    below: list[list[tuple[int, float, float]]] = [[] for _ in items]
    for route, (leaves, enters) in zip(scope.routes, slots):
        for k, (a, b) in enumerate(pairwise(route.chain)):
            bends = (items[a].kind == BEND) + (items[b].kind == BEND)
            weight = 8.0 if bends == 2 else 2.0 if bends else 1.0
            if items[a].kind == VERTEX and faint(items[a].ref):
                weight = 0.1
            shift = (leaves if k == 0 else 0.0) - (enters if k == len(route.chain) - 2 else 0.0)
            below[a].append((b, -shift, weight))
            above[b].append((a, shift, weight))
    room: list[list[float]] = []
    x = [0.0] * len(items)
    for layer in layers:
        gaps = [0.0]
        for a, b in pairwise(layer):
            space = BEND_SPACE if items[a].kind == BEND or items[b].kind == BEND else SPACE
            gaps.append((made.size[a][0] + made.size[b][0]) / 2 + space)
        total = sum(gaps)
        at = -total / 2
        for i, gap in zip(layer, gaps):
            at += gap
            x[i] = at
        room.append(gaps)
    for sweep in range(17 if centred else 16):
        down = sweep % 2 == 0
        for r in range(len(layers)) if down else range(len(layers) - 1, -1, -1):
            wanted, weights = [], []
            for i in layers[r]:
                total = weight = 0.0
                edges = above[i] + below[i] if 8 <= sweep < 16 else above[i] if down else below[i]
                for other, shift, w in edges:
                    total += w * (x[other] + shift)
                    weight += w
                if weight:
                    wanted.append(total / weight)
                    weights.append(weight)
                else:
                    wanted.append(x[i])
                    weights.append(0.05)
            for i, value in zip(layers[r], settled(wanted, weights, room[r])):
                x[i] = value
    _straighten(scope, x, room, above, below)
    return x


def settled(wanted: list[float], weights: list[float], room: list[float]) -> list[float]:
    """The positions nearest to the wanted ones (weighted squares) that keep order and distances.

    Args:
        wanted: per item.
        weights: per item.
        room: the least distance of each item from the one before.
    """
    offset = 0.0
    offsets = []
    blocks: list[list[float]] = []  # [mean, weight, count]
    for want, weight, gap in zip(wanted, weights, room):
        offset += gap
        offsets.append(offset)
        block = [want - offset, weight, 1.0]
        while blocks and blocks[-1][0] > block[0]:
            mean, w, count = blocks.pop()
            block = [(mean * w + block[0] * block[1]) / (w + block[1]), w + block[1], count + block[2]]
        blocks.append(block)
    found: list[float] = []
    for mean, _, count in blocks:
        for _ in range(int(count)):
            found.append(mean + offsets[len(found)])
    return found


def _straighten(
    scope: Scope,
    x: list[float],
    room: list[list[float]],
    above: list[list[tuple[int, float, float]]],
    below: list[list[tuple[int, float, float]]],
) -> None:
    """Put the items of a line, in which each leads to the next only, behind each other where there is room.

    Bends of long edges are such lines, too. A line is put in line with what comes before or after it.
    """
    where = {i: (r, k) for r, layer in enumerate(scope.layers) for k, i in enumerate(layer)}
    outs = [[(b, -shift) for b, shift, w in edges if w > 0.1] for edges in below]
    ins = [[(a, shift) for a, shift, w in edges if w > 0.1] for edges in above]
    lines: list[list[tuple[int, float]]] = []
    for layer in scope.layers:
        for first in layer:
            if len(ins[first]) == 1 and len(outs[ins[first][0][0]]) == 1:
                continue  # in the middle of one
            line = [(first, 0.0)]
            while len(outs[line[-1][0]]) == 1 and len(ins[outs[line[-1][0]][0][0]]) == 1:
                at, offset = line[-1]
                line.append((outs[at][0][0], offset + outs[at][0][1]))
            if len(line) > 1 or scope.items[first].kind == BEND:
                lines.append(line)
    lines.sort(key=lambda line: -len(line))
    for line in lines:
        low, high, total = -1e18, 1e18, 0.0
        for i, offset in line:
            r, k = where[i]
            layer = scope.layers[r]
            if k:
                low = max(low, x[layer[k - 1]] + room[r][k] - offset)
            if k + 1 < len(layer):
                high = min(high, x[layer[k + 1]] - room[r][k + 1] - offset)
            total += x[i] - offset
        if low > high:
            continue
        target = total / len(line)
        before, after = ins[line[0][0]], outs[line[-1][0]]
        ends = [x[a] + shift for a, shift in before] if len(before) == 1 else []
        ends += [x[b] - shift - line[-1][1] for b, shift in after] if len(after) == 1 else []
        for end in ends:
            if low <= end <= high and abs(end - target) < 60.0:
                target = end
                break
        target = min(max(target, low), high)
        for i, offset in line:
            x[i] = target + offset
