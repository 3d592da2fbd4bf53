"""How vertices and folded modules look: their size, and their drawing around the origin as SVG."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import Any, Final

from .numbers import shown
from .scopes import Scope
from .walk import Vertex

_DIGITS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NARROW: Final = frozenset("iljtfr.,:;'|!()[]{} ·1")
_WIDE: Final = frozenset("mwMW@%×")


def width_of(text: str, size: float, bold: bool = False) -> float:
    """About how wide a text is in a sans-serif font."""
    total = 0.0
    for c in text:
        if unicodedata.east_asian_width(c) in "WF":
            total += 1.0
        elif c in _NARROW:
            total += 0.38
        elif c in _WIDE:
            total += 0.95
        else:
            total += 0.7 if c.isupper() else 0.63
    return total * size * (1.08 if bold else 1.0)


def pretty(name: str) -> str:
    """A variable's name as mathematics writes it: x1 with its number below the line."""
    found = re.fullmatch(r"([A-Za-zα-ω]{1,3})_?(\d{1,2})", name)
    return found[1] + found[2].translate(_DIGITS) if found else name


def shape_text(shape: tuple[int, ...] | None) -> str:
    """A shape in one line."""
    if shape is None:
        return "?"
    return "×".join(map(str, shape)) if shape else "scalar"


def count_text(n: int) -> str:
    """A large count in short."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if n >= size:
            return f"{n / (1000 if unit == 'k' else size):.3g}{unit}"
    return str(n)


def bytes_text(n: int) -> str:
    """A number of bytes in short."""
    value = float(n)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{int(value)} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def text(x: float, y: float, cls: str, content: str, anchor: str = "middle") -> str:
    """A text element, placed by its `anchor`: "start", "middle" or "end"."""
    place = "" if anchor == "middle" else " " + anchor
    return f'<text x="{x:g}" y="{y:g}" class="{cls}{place}">{escape(content)}</text>'


def item_text(facts: dict[str, Any] | None) -> str:
    """A number, or a few, as they are written at a vertex; "" if there are none."""
    if facts and len(facts.get("values", ())) in (1, 2, 3):
        return f"({', '.join(map(shown, facts['values']))})"
    return shown(facts["item"]) if facts and "item" in facts else ""


RADIUS: Final = 21.0


def textbook_names(vertices: Sequence[Vertex]) -> list[str]:
    """A short name for each vertex of a graph of scalars; operations without one are numbered: v₁, v₂, ..."""
    taken = {v.name for v in vertices}
    letter = next((c for c in "vuzrs" if not any(re.fullmatch(rf"{c}_?\d*", name) for name in taken)), "t")
    found, count = [], 0
    for v in vertices:
        if v.kind == "operation" and not v.name:
            count += 1
            found.append(pretty(f"{letter}{count}"))
        else:
            found.append(pretty(v.name or v.title))
    return found


def textbook(v: Vertex, name: str) -> tuple[tuple[float, float], str]:
    """A scalar vertex as textbooks draw it: a circle, its value above, its gradient below.

    Returns:
        ((width, height), SVG around the middle of the circle).
    """
    label = v.symbol if v.kind == "operation" else pretty(v.name or v.title)
    if v.title == "select" and "index" in v.settings:
        label = f"[{v.settings['index']}]"
    if v.kind == "constant" and not v.name:
        label = item_text(v.value) or v.title
    value, gradient = item_text(v.value), item_text(v.gradient)
    if v.kind == "result":
        width = width_of(label, 17) + 16
        return (width, 2 * RADIUS), text(0, 5.5, "math", label)
    above = value if v.kind != "constant" or v.name else ""
    if v.kind == "operation":
        above = f"{name} = {value}" if value else name
    half = max(RADIUS, width_of(label, 17) / 2 + 9)
    cls = {"operation": "op", "leaf": "leaf", "parameter": "leaf", "constant": "const"}[v.kind]
    parts = []
    if half == RADIUS:
        parts.append(f'<circle r="{RADIUS:g}" class="n {cls}"/>')
    else:
        parts.append(
            f'<rect x="{-half:g}" y="{-RADIUS:g}" width="{2 * half:g}" height="{2 * RADIUS:g}" '
            f'rx="{RADIUS:g}" class="n {cls}"/>'
        )
    sign = v.kind == "operation" and len(label) == 1 and not label.isalpha()
    parts.append(text(0, 8 if sign else 5.5, "sign" if sign else "math", label))
    if above:
        parts.append(text(0, -RADIUS - 7, "val", above))
    if gradient and v.kind != "constant":
        parts.append(text(0, RADIUS + 16, "grad", gradient))
    return (2 * half, 2 * RADIUS + 46), "".join(parts)


def box(v: Vertex) -> tuple[tuple[float, float], str]:
    """A vertex of a graph of tensors.

    Returns:
        ((width, height), SVG around its middle).
    """
    shape = shape_text(v.shape)
    if v.kind in ("parameter", "leaf", "constant"):
        name = pretty(v.name) if v.name else v.title
        if v.value is not None and "item" in v.value and not v.shape:
            shape = item_text(v.value)
        width = width_of(name, 12) + width_of(shape, 11) + 30
        cls = {"parameter": "param", "leaf": "leaf", "constant": "const"}[v.kind]
        left = -width / 2 + 11
        return (width, 24.0), (
            f'<rect x="{-width / 2:g}" y="-12" width="{width:g}" height="24" rx="12" class="n {cls}"/>'
            + text(left, 4, "pname", name, "start")
            + text(width / 2 - 10, 4, "dim", shape, "end")
        )
    if v.kind == "result":
        value = item_text(v.value) or shape
        line = f"{pretty(v.name or v.title)} = {value}" if "item" in (v.value or {}) else pretty(v.title)
        width = max(width_of(line, 13, True) + 34, 70)
        return (width, 32.0), (
            f'<rect x="{-width / 2:g}" y="-16" width="{width:g}" height="32" rx="16" class="n out"/>'
            + text(0, 4.5, "title", line)
        )
    title = v.title
    second = shape + ("" if v.dtype in ("float32", "") else f" {v.dtype}")
    if v.value is not None and "item" in v.value and not v.shape:
        second = item_text(v.value)
    name = pretty(v.name) if v.name else ""
    head = width_of(title, 13, True) + (width_of(name, 12) + 12 if name else 0)
    width = max(head, width_of(second, 11)) + 30
    width = max(width, 64)
    left = -width / 2 + 14
    parts = [
        f'<rect x="{-width / 2:g}" y="-20" width="{width:g}" height="40" rx="7" class="n op"/>',
        f'<path d="M{-width / 2 + 5:g} -20h-1a4 4 0 0 0 -4 4v32a4 4 0 0 0 4 4h1z" class="bar {v.family}"/>',
        text(left, -3, "title", title, "start"),
        text(left, 12, "dim", second, "start"),
    ]
    if name:
        parts.append(text(width / 2 - 10, -3, "name", name, "end"))
    return (width, 40.0), "".join(parts)


def folded(scope: Scope, words: Any, least: float = 0.0) -> tuple[tuple[float, float], str]:
    """A folded module, at least so wide.

    Returns:
        ((width, height), SVG around its middle).
    """
    name = scope.path.rpartition(".")[2]
    second = f"{scope.count} {words('nodes')}"
    if scope.parameters:
        second += f" · {count_text(scope.parameters)} {words('parameters')}"
    head = width_of(name, 13, True) + width_of(scope.title, 12) + 22
    width = max(max(head, width_of(second, 11)) + 42, least)
    left = -width / 2 + 28
    return (width, 46.0), (
        f'<rect x="{-width / 2 + 4:g}" y="-19" width="{width:g}" height="46" rx="8" class="shade"/>'
        f'<rect x="{-width / 2:g}" y="-23" width="{width:g}" height="46" rx="8" class="n mod"/>'
        f'<path d="M{-width / 2 + 11:g} 0h9m-4.5 -4.5v9" class="plus"/>'
        + text(left, -4, "title", name, "start")
        + text(left + width_of(name, 13, True) + 8, -4, "cls", scope.title, "start")
        + text(left, 13, "dim", second, "start")
    )
