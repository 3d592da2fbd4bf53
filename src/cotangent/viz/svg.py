"""A placed graph as one SVG picture, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from . import looks
from .place import HEADER, PAD, Placed, Placing
from .scopes import SCOPE, VERTEX, Scopes
from .walk import Link, Vertex

_MARGIN: Final = 18.0
LIGHT: Final = {
    "bg": "#ffffff", "ink": "#1d2433", "soft": "#5f6b80", "line": "#8a94a6", "frame": "#c9d1de",
    "fill": "#ffffff",
    "mod": "#f3f6fb", "inside": "#f8fafd", "leaf": "#e8f1fe", "leafline": "#5b8def", "param": "#eef0f4",
    "const": "#fafafa", "out": "#1d2433", "outink": "#ffffff", "val": "#0a7d4f", "grad": "#c8323c",
    "loc": "#5a46b4", "pill": "#f1eefc", "hot": "#f59e0b", "product": "#3b82f6", "activation": "#f97316",
    "norm": "#14b8a6", "pool": "#06b6d4", "reduce": "#a855f7", "loss": "#ef4444", "shape": "#94a3b8",
    "other": "#64748b",
}  # fmt: skip
DARK: Final = {
    "bg": "#12161f", "ink": "#e6eaf2", "soft": "#98a3b8", "line": "#69748a", "frame": "#3a4356",
    "fill": "#1b212d",
    "mod": "#222a38", "inside": "#171c27", "leaf": "#1b2b47", "leafline": "#6ea0f7", "param": "#262c39",
    "const": "#181d27", "out": "#e6eaf2", "outink": "#12161f", "val": "#4ade9b", "grad": "#ff7b82",
    "loc": "#b7a8ff", "pill": "#2a2546", "hot": "#fbbf24", "product": "#60a5fa", "activation": "#fb923c",
    "norm": "#2dd4bf", "pool": "#22d3ee", "reduce": "#c084fc", "loss": "#f87171", "shape": "#64748b",
    "other": "#94a3b8",
}  # fmt: skip
FAMILY_NAMES: Final = ("product", "activation", "norm", "pool", "reduce", "loss", "shape", "other")

RULES: Final = (
    """
.ct{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC",sans-serif}
.ct .bg{fill:var(--bg)}
.ct .n{fill:var(--fill);stroke:var(--line);stroke-width:1.3}
.ct .mod{fill:var(--mod)}
.ct .shade{fill:var(--mod);stroke:var(--frame)}
.ct .plus{stroke:var(--soft);stroke-width:1.6;fill:none}
.ct .leaf{fill:var(--leaf);stroke:var(--leafline)}
.ct .param{fill:var(--param);stroke:var(--frame)}
.ct .const{fill:var(--const);stroke-dasharray:4 3}
.ct .out{fill:var(--out);stroke:var(--out)}
.ct text{fill:var(--ink);text-anchor:middle;font-size:13px}
.ct text.start{text-anchor:start}
.ct text.end{text-anchor:end}
.ct .title{font-weight:600}
.ct .out~text{fill:var(--outink)}
.ct .cls,.ct .name{font-size:12px;fill:var(--soft)}
.ct .name,.ct .math{font-family:"STIX Two Text","Cambria","Latin Modern Roman","Noto Serif",Georgia,serif;"""
    """font-style:italic}
.ct .math{font-size:17px}
.ct .sign{font-size:23px}
.ct .dim{font-size:11px;fill:var(--soft)}
.ct .pname{font-size:12px}
.ct .val{fill:var(--val);font-size:13px;font-weight:600}
.ct .grad{fill:var(--grad);font-size:13px;font-weight:600}
.ct .e{fill:none;stroke:var(--line);stroke-width:1.5}
.ct .e.faint{stroke:var(--frame)}
.ct .head{fill:var(--line)}
.ct .pill{fill:var(--pill)}
.ct .loc{fill:var(--loc);font-size:12px;font-weight:600}
.ct .frame{fill:var(--inside);stroke:var(--frame);stroke-width:1.2}
.ct .bar{stroke:none}
""" + "".join(f".ct .bar.{f}{{fill:var(--{f})}}\n" for f in FAMILY_NAMES)
)


# The arrow head.
HEAD: Final = (
    '<defs><marker id="ct-head" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" '
    'markerWidth="10" markerHeight="10" orient="auto-start-reverse">'
    '<path d="M0 .8 7.4 4 0 7.2z" class="head"/></marker></defs>'
)


def variables(theme: dict[str, str]) -> str:
    """Colours as CSS variables."""
    return ";".join(f"--{key}:{value}" for key, value in theme.items())


def style(theme: str) -> str:
    """The style sheet of a picture: "light", "dark", or "auto" as the reader's system is."""
    if theme == "auto":
        dark = f"@media (prefers-color-scheme:dark){{.ct{{{variables(DARK)}}}}}"
        return f".ct{{{variables(LIGHT)}}}\n{dark}{RULES}"
    if theme not in ("light", "dark"):
        raise ValueError(f"theme must be 'auto', 'light' or 'dark', got {theme!r}")
    return f".ct{{{variables(LIGHT if theme == 'light' else DARK)}}}{RULES}"


class Picture:
    """Draws one state of folding."""

    def __init__(
        self,
        scopes: Scopes,
        placing: Placing,
        vertex_art: Sequence[str],
        scope_art: Sequence[str],
        labels: dict[int, str],
    ) -> None:
        self.scopes = scopes
        self.placing = placing
        self.vertex_art = vertex_art
        self.scope_art = scope_art
        self.labels = labels
        self.frames: list[str] = []
        self.edges: list[str] = []
        self.nodes: list[str] = []
        self.pills: list[str] = []

    def draw(self, open_: frozenset[int], theme: str, legend: Sequence[tuple[str, str]], title: str) -> str:
        """The picture.

        Args:
            open_: the scopes that are unfolded.
            theme: see `style`.
            legend: (class of a text, words) for the line below.
            title: for readers who cannot see.
        """
        placed = self.placing.place(0, open_)
        width, height = self.point(placed.across, placed.along)
        self._scope(placed, _MARGIN, _MARGIN)
        below = 30.0 if legend else 0.0
        least = 40.0 + sum(looks.width_of(words, 12) + 34 for _, words in legend)
        shift = max(0.0, (least - width - 2 * _MARGIN) / 2)
        full_width, full_height = width + 2 * _MARGIN + 2 * shift, height + 2 * _MARGIN + below
        body = "".join([*self.frames, *self.edges, *self.pills, *self.nodes])
        if shift:
            body = f'<g transform="translate({shift:.1f} 0)">{body}</g>'
        x = full_width / 2 - (least - 40) / 2
        for cls, words in legend:
            body += f'<circle cx="{x + 6:.1f}" cy="{full_height - 20:.1f}" r="5" style="fill:var(--{cls})"/>'
            body += looks.text(round(x + 17, 1), round(full_height - 16, 1), "dim", words, "start")
            x += looks.width_of(words, 12) + 34
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ct" '
            f'viewBox="0 0 {full_width:.1f} {full_height:.1f}" '
            f'width="{full_width:.0f}" height="{full_height:.0f}" role="img"><title>{escape(title)}</title>'
            f"<style>{style(theme)}</style>"
            f"{HEAD}"
            f'<rect class="bg" width="100%" height="100%" rx="10"/>{body}</svg>'
        )

    def point(self, across: float, along: float) -> tuple[float, float]:
        """(x, y) of a point."""
        return (along, across) if self.placing.sideways else (across, along)

    def _scope(self, placed: Placed, x: float, y: float) -> None:
        scope = placed.scope
        for route, points in zip(scope.routes, placed.routes):
            target = scope.items[route.target]
            ends = target.kind == VERTEX or (target.kind == SCOPE and target.ref not in placed.inner)
            vertex = self.scopes.vertices[route.value]
            faint = vertex.kind in ("parameter", "constant")
            self._edge([self.point(a, b) for a, b in points], x, y, ends, faint, route.links)
        for item, (a, b), size in zip(scope.items, placed.at, placed.size):
            px, py = self.point(a, b)
            if item.kind == VERTEX:
                self.nodes.append(_moved(self.vertex_art[item.ref], x + px, y + py))
            elif item.kind == SCOPE and item.ref not in placed.inner:
                self.nodes.append(_moved(self.scope_art[item.ref], x + px, y + py))
            elif item.kind == SCOPE:
                w, h = self.point(*size)
                child = self.scopes.all[item.ref]
                left, top = x + px - w / 2, y + py - h / 2
                name = child.path.rpartition(".")[2]
                line, behind = round(top + 17, 1), round(left + 18 + looks.width_of(name, 13, True), 1)
                self.frames.append(
                    _rect(left, top, w, h, "frame")
                    + looks.text(round(left + 12, 1), line, "title", name, "start")
                    + looks.text(behind, line, "cls", child.title, "start")
                )
                self._scope(placed.inner[item.ref], left + PAD, top + PAD + HEADER)

    def _edge(
        self, points: list[tuple[float, float]], x: float, y: float, ends: bool, faint: bool, links: list[int]
    ) -> None:
        moved = [(x + a, y + b) for a, b in points]
        end = ' marker-end="url(#ct-head)"' if ends else ""
        self.edges.append(
            f'<path d="{path(moved, self.placing.sideways)}" class="e{" faint" if faint else ""}"{end}/>'
        )
        labels = [self.labels[k] for k in links if k in self.labels]
        if labels:
            (x0, y0), (x1, y1) = moved[1], moved[2]
            words = ", ".join(labels)
            w = looks.width_of(words, 12) + 14
            cx, cy = x0 + 0.5 * (x1 - x0), y0 + 0.5 * (y1 - y0)
            self.pills.append(
                _rect(cx - w / 2, cy - 10, w, 20, "pill")
                + looks.text(round(cx, 1), round(cy + 4.2, 1), "loc", words)
            )


def path(points: list[tuple[float, float]], sideways: bool) -> str:
    """The curve through the points of an edge: straight between the points of a pair, bent between pairs."""
    x, y = points[0]
    out = f"M{x:.1f} {y:.1f}"
    for (x0, y0), (x1, y1), (x2, y2) in zip(points[1::2], points[2::2], points[3::2]):
        # An empty piece at the end would leave the arrow head without a direction.
        if abs(x0 - x) + abs(y0 - y) > 0.05:
            out += f"L{x0:.1f} {y0:.1f}"
        if sideways:
            m = (x1 - x0) * 0.5
            out += f"C{x0 + m:.1f} {y0:.1f} {x1 - m:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        else:
            m = (y1 - y0) * 0.5
            out += f"C{x0:.1f} {y0 + m:.1f} {x1:.1f} {y1 - m:.1f} {x1:.1f} {y1:.1f}"
        if abs(x2 - x1) + abs(y2 - y1) > 0.05:
            out += f"L{x2:.1f} {y2:.1f}"
        x, y = x2, y2
    return out


def _rect(x: float, y: float, width: float, height: float, cls: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {place} rx="10" class="{cls}"/>'


def _moved(art: str, x: float, y: float) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f})">{art}</g>'


def local_labels(vertices: Sequence[Vertex], links: Sequence[Link], names: Sequence[str]) -> dict[int, str]:
    """What stands on the edges of a graph of scalars: derivatives of results by operands."""
    found = {}
    for k, link in enumerate(links):
        value = looks.item_text(link.local)
        if not value:
            continue
        of, by = (names[vertices[number].number] for number in (link.target, link.source))
        found[k] = f"∂{of}/∂{by} = {value}" if len(of) + len(by) <= 10 else f"∂ = {value}"
    return found


def legend_of(words: Any, result: str) -> list[tuple[str, str]]:
    """The line below a graph of scalars."""
    return [("val", words("value")), ("grad", f"{words('gradient')} ∂{result}/∂·"), ("loc", words("local"))]
