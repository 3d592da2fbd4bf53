"""A graph in text: a tree for terminals, DOT, Mermaid."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

from .. import lazy
from .looks import bytes_text, count_text, item_text, shape_text
from .scopes import Scopes
from .walk import Link, Vertex

rich_tree: Any = lazy.module("rich.tree")
rich_text: Any = lazy.module("rich.text")
rich_console: Any = lazy.module("rich.console")

_DEEPEST: Final = 4000


def _line(v: Vertex, result: str, with_module: bool = True) -> Any:
    """A vertex in a line."""
    line = rich_text.Text()
    value = item_text(v.value)
    if v.kind == "operation":
        line.append(v.symbol if value else v.title, "bold")
        if v.name:
            line.append(f" {v.name}", "italic")
    else:
        line.append(v.name or v.title, {"leaf": "bold blue", "result": "bold reverse"}.get(v.kind, "blue"))
    if value:
        line.append(f" = {value}", "green")
    else:
        line.append(f"  [{shape_text(v.shape)}]", "dim")
    gradient = item_text(v.gradient)
    if v.kind not in ("result", "constant") and v.gradient is not None:
        if gradient:
            line.append(f"  ∂{result}/∂ = {gradient}", "red")
        elif "norm" in v.gradient:
            line.append(f"  |∂| = {v.gradient['norm']:g}", "red")
    if v.nbytes:
        line.append(f"  {bytes_text(v.nbytes)}", "magenta")
    if v.module and with_module:
        line.append(f"  {v.module}", "cyan")
    if v.place is not None and not v.place[0].startswith("<"):
        line.append(f"  {v.place[0].replace(chr(92), '/').rpartition('/')[2]}:{v.place[1]}", "dim")
    return line


# Up to so many operations a graph without modules is shown as nested expressions.
_NESTED: Final = 40


def tree(scopes: Scopes, words: Callable[[str], str]) -> Any:
    """The graph as a rich tree: of expressions if it is small, else of modules, in the order of forward."""
    operations = sum(v.kind == "operation" for v in scopes.vertices)
    if len(scopes.all) == 1 and operations <= _NESTED:
        return _expressions(scopes.vertices, scopes.links, words)
    return _by_module(scopes, words)


def _by_module(scopes: Scopes, words: Callable[[str], str]) -> Any:
    vertices = scopes.vertices
    result = next(v for v in vertices if v.kind == "result").name
    into: dict[int, list[int]] = {}
    for link in scopes.links:
        into.setdefault(link.target, []).append(link.source)
    first = {0: -1}
    for v in reversed(vertices):
        for number in scopes.above(scopes.of[v.number]):
            if v.kind == "operation":
                first[number] = v.number

    def called(v: Vertex) -> str:
        own = v.name or v.title
        return own if v.kind in ("leaf", "parameter", "constant") else f"{own}#{v.number}"

    def fill(number: int, branch: Any) -> None:
        scope = scopes.all[number]
        inside: list[tuple[int, Any]] = [(first.get(c, len(vertices)), scopes.all[c]) for c in scope.children]
        inside += [(v.number, v) for v in vertices if scopes.of[v.number] == number]
        for _, part in sorted(inside, key=lambda pair: pair[0]):
            if isinstance(part, Vertex):
                if part.kind == "operation" or (part.kind == "result" and part.value is not None):
                    line = _line(part, result, False)
                    reads = ", ".join(called(vertices[s]) for s in into.get(part.number, ()))
                    if part.kind == "operation":
                        line = rich_text.Text(f"#{part.number} ", "dim") + line
                    branch.add(line + rich_text.Text(f"  ← {reads}" if reads else "", "cyan"))
                continue
            head = rich_text.Text(part.path.rpartition(".")[2], "bold")
            head.append(f" {part.title}", "yellow")
            if part.parameters:
                head.append(f"  {count_text(part.parameters)} {words('parameters')}", "dim")
            if part.nbytes:
                head.append(f"  {bytes_text(part.nbytes)}", "magenta")
            fill(part.number, branch.add(head))

    top = rich_tree.Tree(rich_text.Text(words("graph"), "bold"))
    fill(0, top)
    return top


def _expressions(vertices: Sequence[Vertex], links: Sequence[Link], words: Callable[[str], str]) -> Any:
    """The graph as a rich tree from the results to the leaves; what was shown before is named only."""
    into: dict[int, list[int]] = {}
    for link in links:
        into.setdefault(link.target, []).append(link.source)
    results = [v for v in vertices if v.kind == "result"]
    name = results[0].name
    top: Any = None
    if len(results) > 1:
        top = rich_tree.Tree(words("graph"))
    above = "(above)" if words("of") == "of" else "(见上)"
    seen: set[int] = set()
    made: Any = top
    for result in results:
        root = rich_tree.Tree(_line(result, name)) if top is None else top.add(_line(result, name))
        made = made or root
        stack: list[tuple[Any, int]] = [(root, s) for s in reversed(into.get(result.number, []))]
        while stack:
            parent, number = stack.pop()
            v = vertices[number]
            if number in seen and v.kind != "constant":
                parent.add(rich_text.Text(f"{v.name or v.symbol} {above}", "dim"))
                continue
            seen.add(number)
            branch = parent.add(_line(v, name))
            sources = into.get(number, [])
            stack.extend((branch, s) for s in reversed(sources))
    return made


def plain(shown: Any) -> str:
    """A rich tree as plain text."""
    out = io.StringIO()
    console = rich_console.Console(file=out, width=_DEEPEST, color_system=None, force_terminal=False)
    console.print(shown, soft_wrap=True)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _label(v: Vertex) -> str:
    value = item_text(v.value) or shape_text(v.shape)
    name = v.name or v.title
    if v.kind == "operation":
        return f"{v.title}{' ' + v.name if v.name else ''}\n{value}"
    return f"{name}\n{value}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


_DOT: Final = {
    "operation": 'shape=box, style="rounded,filled", fillcolor="#ffffff"',
    "leaf": 'shape=box, style="rounded,filled", fillcolor="#e8f1fe"',
    "parameter": 'shape=box, style="rounded,filled", fillcolor="#eef0f4"',
    "constant": 'shape=box, style="rounded,dashed"',
    "result": 'shape=box, style="rounded,filled", fillcolor="#1d2433", fontcolor="#ffffff"',
}


def dot(vertices: Sequence[Vertex], scopes: Scopes) -> str:
    """The graph in the DOT language."""
    lines = ["digraph cotangent {", '  node [fontname="Helvetica", fontsize=11]', '  edge [color="#8a94a6"]']

    def write(number: int, indent: str) -> None:
        scope = scopes.all[number]
        for v in vertices:
            if scopes.of[v.number] == number:
                lines.append(f"{indent}n{v.number} [label={_quoted(_label(v))}, {_DOT[v.kind]}]")
        for child in scope.children:
            inner = scopes.all[child]
            title = f"{inner.path.rpartition('.')[2]} {inner.title}".strip()
            lines.append(f"{indent}subgraph cluster_{child} {{")
            lines.append(f'{indent}  label={_quoted(title)}; style=rounded; color="#c9d1de"')
            write(child, indent + "  ")
            lines.append(indent + "}")

    write(0, "  ")
    for link in scopes.links:
        local = item_text(link.local)
        label = f" [label={_quoted('∂ = ' + local)}]" if local else ""
        lines.append(f"  n{link.source} -> n{link.target}{label}")
    return "\n".join([*lines, "}"]) + "\n"


_MERMAID: Final = {
    "operation": ("(", ")"), "leaf": ("([", "])"), "parameter": ("([", "])"), "constant": ("([", "])"),
    "result": ("[[", "]]"),
}  # fmt: skip


def mermaid(vertices: Sequence[Vertex], scopes: Scopes) -> str:
    """The graph as a Mermaid flowchart."""
    lines = ["flowchart TB"]

    def words(text: str) -> str:
        for sign, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
            text = text.replace(sign, code)
        return '"' + text.replace("\n", "<br/>") + '"'

    def write(number: int, indent: str) -> None:
        scope = scopes.all[number]
        for v in vertices:
            if scopes.of[v.number] == number:
                begin, end = _MERMAID[v.kind]
                lines.append(f"{indent}n{v.number}{begin}{words(_label(v))}{end}:::{v.kind}")
        for child in scope.children:
            inner = scopes.all[child]
            title = f"{inner.path.rpartition('.')[2]} {inner.title}".strip()
            lines.append(f"{indent}subgraph s{child} [{words(title)}]")
            write(child, indent + "  ")
            lines.append(indent + "end")

    write(0, "  ")
    for link in scopes.links:
        local = item_text(link.local)
        label = f"|{words('∂ = ' + local)}|" if local else ""
        lines.append(f"  n{link.source} -->{label} n{link.target}")
    lines += [
        "  classDef operation fill:#ffffff,stroke:#8a94a6,color:#1d2433",
        "  classDef leaf fill:#e8f1fe,stroke:#5b8def,color:#1d2433",
        "  classDef parameter fill:#eef0f4,stroke:#c9d1de,color:#1d2433",
        "  classDef constant fill:#fafafa,stroke:#8a94a6,color:#1d2433,stroke-dasharray:4 3",
        "  classDef result fill:#1d2433,stroke:#1d2433,color:#ffffff",
    ]
    return "\n".join(lines) + "\n"
