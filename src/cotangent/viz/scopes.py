"""The tree of modules over a graph, and for each module what is to be laid out in it.

A scope is a module (or the whole graph). Its items are the vertices that belong to it, its child scopes, and
ports: one at its beginning for each vertex outside that something inside reads, one at its end for each
vertex inside that something outside reads. So every scope is a small graph of its own, whatever is folded
elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .walk import Link, Vertex

VERTEX, SCOPE, INPUT, OUTPUT, BEND = "vertex", "scope", "input", "output", "bend"


@dataclass
class Item:
    """Something with a place in a scope.

    Attributes:
        kind: VERTEX, SCOPE, INPUT, OUTPUT or BEND (a point of a long edge).
        ref: number of the vertex or of the scope; for ports the vertex whose value passes.
    """

    kind: str
    ref: int


@dataclass
class Route:
    """An edge between two items of a scope.

    Attributes:
        source: index of an item.
        target: index of an item.
        value: the vertex whose value goes along, which tells the ports of scopes.
        links: the links of the graph it stands for.
        chain: indices of the items it passes, ends included (filled by the layout).
    """

    source: int
    target: int
    value: int
    links: list[int] = field(default_factory=list)
    chain: list[int] = field(default_factory=list)


@dataclass
class Scope:
    """A module, or the whole graph (number 0)."""

    number: int
    path: str
    title: str
    parent: int | None
    items: list[Item] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    layers: list[list[int]] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    count: int = 0  # vertices in it, at any depth
    parameters: int = 0  # elements of parameters in it
    nbytes: int = 0

    def ports(self, kind: str) -> list[int]:
        """The vertices whose values pass its border, in the order of the ports."""
        place = {i: k for layer in self.layers for k, i in enumerate(layer)}
        found = [i for i, item in enumerate(self.items) if item.kind == kind]
        return [self.items[i].ref for i in sorted(found, key=lambda i: place.get(i, i))]


def _plain(path: str) -> str:
    """A path without the numbers of calls."""
    return re.sub(r"·\d+", "", path)


class Scopes:
    """The tree."""

    def __init__(self, vertices: Sequence[Vertex], links: Sequence[Link], titles: dict[str, str]) -> None:
        self.vertices = vertices
        self.links = links
        self.titles = dict(titles)
        self._tell_calls_apart()
        self.all: list[Scope] = [Scope(0, "", "", None)]
        self.by_path = {"": 0}
        self.of: list[int] = []
        counts: dict[str, int] = {}
        for v in vertices:
            parts = v.module.split(".") if v.module else []
            for k in range(len(parts)):
                path = ".".join(parts[: k + 1])
                counts[path] = counts.get(path, 0) + 1
        for v in vertices:
            path = v.module
            while path and counts[path] < 2:  # a module of one operation is that operation
                path = path.rpartition(".")[0]
            self.of.append(self.scope(path))
        self._fill()

    def _tell_calls_apart(self) -> None:
        """A module called again on what became of its own result is one scope per call: `relu`, `relu·2`.

        Otherwise the folded module would stand before and behind what lies between.
        """
        after: list[list[int]] = [[] for _ in self.vertices]
        for link in self.links:
            after[link.source].append(link.target)
        members: dict[str, list[int]] = {}
        depth = 1
        while True:
            members.clear()
            for v in self.vertices:
                parts = v.module.split(".")
                if v.module and len(parts) >= depth:
                    members.setdefault(".".join(parts[:depth]), []).append(v.number)
            if not members:
                return
            for path, inside in members.items():
                self._calls_of(path, inside, after)
            depth += 1

    def _calls_of(self, path: str, inside: list[int], after: list[list[int]]) -> None:
        """Give the second and later calls of a module paths of their own."""
        within = set(inside)
        plain = [v for v in inside if self.vertices[v].kind == "operation"]
        group = {v: v for v in inside}

        def root(v: int) -> int:
            while group[v] != v:
                group[v] = group[group[v]]
                v = group[v]
            return v

        for v in plain:
            for t in after[v]:
                if t in within:
                    group[root(t)] = root(v)
        calls = list(dict.fromkeys(root(v) for v in plain))
        if len(calls) < 2:
            return
        number = dict.fromkeys(calls, 0)
        for k, call in enumerate(calls):  # oldest first
            seen = {v for v in plain if root(v) == call}
            stack = list(seen)
            while stack:
                for t in after[stack.pop()]:
                    if t not in seen:
                        seen.add(t)
                        stack.append(t)
            for later in calls[k + 1 :]:
                if later in seen or any(root(v) == later for v in seen & within):
                    number[later] = max(number[later], number[call] + 1)
        for v in inside:  # constants and parameters go with the first that reads them
            readers = [t for t in after[v] if t in within]
            call = root(v) if v in plain else root(readers[0]) if readers else calls[0]
            if number.get(call):
                again = f"{path}·{number[call] + 1}"
                self.titles[again] = self.titles.get(path, "")
                self.vertices[v].module = again + self.vertices[v].module[len(path) :]

    def scope(self, path: str) -> int:
        """The number of the scope at a path, made if need be."""
        if path not in self.by_path:
            parent = self.scope(path.rpartition(".")[0])
            title = self.titles.get(path) or self.titles.get(_plain(path), "")
            made = Scope(len(self.all), path, title, parent)
            self.all.append(made)
            self.by_path[path] = made.number
            self.all[parent].children.append(made.number)
        return self.by_path[path]

    def above(self, number: int | None) -> list[int]:
        """A scope and those around it, innermost first."""
        out = []
        while number is not None:
            out.append(number)
            number = self.all[number].parent
        return out

    def _fill(self) -> None:
        index: dict[tuple[int, str, int], int] = {}

        def item(scope: int, kind: str, ref: int) -> int:
            key = (scope, kind, ref)
            if key not in index:
                index[key] = len(self.all[scope].items)
                self.all[scope].items.append(Item(kind, ref))
            return index[key]

        routes: dict[tuple[int, int, int, int], Route] = {}

        def route(scope: int, source: int, target: int, value: int, link: int) -> None:
            key = (scope, source, target, value)
            if key not in routes:
                routes[key] = Route(source, target, value)
                self.all[scope].routes.append(routes[key])
            routes[key].links.append(link)

        for scope in self.all[1:]:
            item(scope.parent or 0, SCOPE, scope.number)
        for v, scope_number in zip(self.vertices, self.of, strict=True):
            item(scope_number, VERTEX, v.number)
            for s in self.above(scope_number):
                self.all[s].count += 1
                self.all[s].nbytes += v.nbytes
                if v.kind == "parameter" and v.shape is not None:
                    size = 1
                    for length in v.shape:
                        size *= length
                    self.all[s].parameters += size
        for number, link in enumerate(self.links):
            up, down = self.above(self.of[link.source]), self.above(self.of[link.target])
            common = next(s for s in up if s in down)
            at: Any = (VERTEX, link.source)
            for s in up[: up.index(common)]:
                route(s, item(s, *at), item(s, OUTPUT, link.source), link.source, number)
                at = (SCOPE, s)
            end: Any = (VERTEX, link.target)
            for s in down[: down.index(common)]:
                route(s, item(s, INPUT, link.source), item(s, *end), link.source, number)
                end = (SCOPE, s)
            route(common, item(common, *at), item(common, *end), link.source, number)
