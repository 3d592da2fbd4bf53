"""The page: a graph with folding, search, details and an animated backward, in one file."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from . import looks, svg
from .scopes import BEND, INPUT, OUTPUT, SCOPE, VERTEX
from .words import WORDS, speaker

if TYPE_CHECKING:
    from .drawing import Graph

_SHOWN: Final = 18  # boxes to begin with: the reader unfolds what is of interest
_KINDS: Final = {VERTEX: 0, SCOPE: 1, INPUT: 2, OUTPUT: 3, BEND: 4}


@cache
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def data(graph: Graph, lang: str | None = None) -> dict[str, Any]:
    """The graph as the page's script reads it."""
    chosen = lang or graph.lang or ("zh" if graph.words("of") != "of" else "en")
    placing = graph.placing(speaker("en"))
    english, chinese = speaker("en"), speaker("zh")
    scopes = []
    within: list[list[int]] = [[] for _ in graph.scopes.all]
    for number, scope_number in enumerate(graph.scopes.of):
        for s in graph.scopes.above(scope_number):
            within[s].append(number)
    for scope in graph.scopes.all:
        widest = max(looks.folded(scope, words)[0][0] for words in (english, chinese))
        arts = [looks.folded(scope, words, widest) for words in (english, chinese)]
        scopes.append(
            {
                "path": scope.path,
                "title": scope.title,
                "parent": scope.parent,
                "size": arts[0][0],
                "art": [art for _, art in arts] if scope.number else [],
                "head": round(looks.width_of(scope.path.rpartition(".")[2], 13, True), 1),
                "items": [[_KINDS[item.kind], item.ref] for item in scope.items],
                "routes": [
                    {key: getattr(r, key) for key in ("source", "target", "value", "links", "chain")}
                    for r in scope.routes
                ],
                "layers": scope.layers,
                "ports": [scope.ports(INPUT), scope.ports(OUTPUT)],
                "all": within[scope.number] if scope.number else [],
            }
        )
    vertices = []
    for v, (size, art), label in zip(graph.vertices, graph.art, graph.names, strict=True):
        facts: dict[str, Any] = {
            "kind": v.kind, "title": v.title, "name": v.name, "label": label if graph.textbook else "",
            "module": v.module, "node": v.node, "shape": v.shape, "dtype": v.dtype, "value": v.value,
            "gradient": v.gradient, "bytes": v.nbytes, "place": v.place, "rule": v.rule,
            "settings": v.settings,
        }  # fmt: skip
        kept = {key: fact for key, fact in facts.items() if fact not in (None, "", {}, 0) or key == "shape"}
        kept |= {"order": v.order, "scope": graph.scopes.of[v.number], "size": size, "art": art}
        vertices.append(kept | {"faint": graph.faint(v.number)})
    links = []
    for k, link in enumerate(graph.links):
        facts = {"source": link.source, "target": link.target, "parameter": link.parameter}
        facts |= {"local": link.local, "gradient": link.gradient, "label": graph.labels.get(k)}
        if k in graph.labels:
            facts["width"] = round(looks.width_of(graph.labels[k], 12) + 14, 1)
        links.append({key: fact for key, fact in facts.items() if fact not in (None, "")})
    result = next(v for v in graph.vertices if v.kind == "result")
    return {
        "v": vertices, "l": links, "s": scopes, "open": sorted(graph.unfolded(most=_SHOWN)), "lang": chosen,
        "textbook": graph.textbook, "sideways": placing.sideways, "gap": placing.gap, "result": result.title,
        "words": WORDS,
    }  # fmt: skip


def html(graph: Graph, theme: str = "auto", lang: str | None = None) -> str:
    """The page of a graph; see `Graph.html`."""
    svg.style(theme)  # refuses what is no theme
    facts = data(graph, lang)
    words = speaker(facts["lang"])
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    light, dark = svg.variables(svg.LIGHT) + ";--dark:0", svg.variables(svg.DARK) + ";--dark:1"
    colours = (
        f":root{{{light};color-scheme:light}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark};color-scheme:dark}}}}"
        f":root[data-theme=light]{{{light};color-scheme:light}}:root[data-theme=dark]{{{dark};color-scheme:dark}}"
    )
    counts = [("operation", "operations"), ("parameter", "parameters")]
    about = " · ".join(
        f'{sum(v.kind == kind for v in graph.vertices)} <span data-word="{word}">{escape(words(word))}</span>'
        for kind, word in counts
        if any(v.kind == kind for v in graph.vertices)
    )
    chosen = "" if theme == "auto" else f' data-theme="{theme}"'
    warning = f'<div class="warn" data-word="freed">{escape(words("freed"))}</div>' if graph.freed else ""

    def button(name: str, label: str, title: str = "", word: str = "") -> str:
        more = f' data-title="{title}"' if title else f' data-word="{word}"' if word else ""
        return f'<button id="{name}" type="button"{more}>{label}</button>'

    return f"""<!doctype html>
<html lang="{facts["lang"]}"{chosen}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(words("graph"))}: {escape(facts["result"])}</title>
<style>{colours}
{svg.RULES}{_file("page.css")}</style>
</head>
<body>
<header>
<h1 data-word="graph">{escape(words("graph"))}</h1><span class="about">{about}</span>
<span class="room"></span>
<span class="about" id="found" aria-live="polite"></span><input id="search" type="search" aria-label="search">
{button("open", "", word="open")}{button("close", "", word="close")}{button("fit", "", word="fit")}
{button("theme", "◐", "theme")}{button("lang", "中文")}
</header>
{warning}<main>
<svg id="stage" class="ct" role="application">{svg.HEAD}
<g id="world"></g></svg>
<aside id="panel" hidden></aside>
</main>
<footer>
{button("first", "❙◀", "start")}{button("back", "◀❙", "back")}
{button("play", "▶", "play")}{button("next", "❙▶", "forward")}
<input id="at" type="range" min="0" value="0" data-title="steps"><span class="say" id="say"></span>
</footer>
<noscript>{graph.svg(lang=facts["lang"])}</noscript>
<script>const G={text};
{_file("page.js")}</script>
</body>
</html>
"""


def framed(graph: Graph) -> str:
    """The page inside a notebook's cell."""
    placing = graph.placing(graph.words)
    placed = placing.place(0, graph.unfolded(most=_SHOWN))
    height = min(max((placed.across if placing.sideways else placed.along) + 190, 340), 680)
    return (
        f'<iframe srcdoc="{escape(html(graph), quote=True)}" loading="lazy" '
        f'style="width:100%;height:{height:.0f}px;border:0;border-radius:10px"></iframe>'
    )
