"""docs/derivatives.md: what is on the page, and how it is written from what the checks say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from running import PROJECT

from .worlds import ALONE, KINDS, NO, NOT, NOT_APPLICABLE, YES

PAGE: Final[Path] = PROJECT / "docs" / "derivatives.md"
Rows = Mapping[str, Mapping[str, str]]

_HEAD: Final = f"""# Every operator, every derivative

One row for each operator of PyTorch {{version}}'s own table of operators (`op_db`), one cell for each kind of
derivative and for each transform. This page is written by `python tools/write_derivatives.py` from what the
checks in `tests/opdb/worlds.py` say, and `tests/oracle/test_derivatives_page.py` runs the same checks and
fails where a cell claims anything else. Nobody edits it by hand.

- **{YES}**: checked on PyTorch's own sample inputs. Derivatives are held against finite differences along
  random directions in double precision (real, and complex where PyTorch takes complex numbers), of a function
  that is curved even where the operator is linear; forward mode also against reverse mode; vmap against one
  call a lane, in values and in gradients; a tape against the call itself, on other values.
- **{ALONE}**: the same, where PyTorch has none of its own: finite differences are the only judge.
- **{NOT}**: does not apply: no floating-point argument that the result depends on smoothly, no tensor
  argument at all, or one of the reasons below the table.
- {NO}: does not work.

Whether values, dtypes, shapes, strides and first gradients are PyTorch's is another matter, which
`python tools/check_op_db.py` shows.

"""


def summary(rows: Rows) -> list[str]:
    """The table of counts."""
    lines = ["| | " + " | ".join(KINDS) + " |", "|---|" + "---|" * len(KINDS)]
    counts = {kind: Counter(cells[kind] for cells in rows.values()) for kind in KINDS}
    for cell in (YES, ALONE, NOT, NO):
        lines.append(f"| {cell} | " + " | ".join(str(counts[kind][cell]) for kind in KINDS) + " |")
    return lines


def text(rows: Rows, version: str) -> str:
    """The page."""
    lines = [_HEAD.format(version=version) + "\n".join(summary(rows)), "", "## Operators", ""]
    lines += ["| operator | " + " | ".join(KINDS) + " |", "|---|" + "---|" * len(KINDS)]
    lines += [
        f"| `{name}` | " + " | ".join(cells[kind] for kind in KINDS) + " |" for name, cells in rows.items()
    ]
    lines += ["", "## Why cells do not apply", ""]
    reasons: dict[str, dict[str, list[str]]] = {}
    for name, apart in NOT_APPLICABLE.items():
        for kind, reason in apart.items():
            reasons.setdefault(reason, {}).setdefault(name, []).append(kind)
    for reason, names in reasons.items():
        whole = [
            f"`{name}`" + ("" if len(kinds) > 3 else f" ({', '.join(kinds)})")
            for name, kinds in names.items()
        ]
        lines.append(f"- {reason[0].upper()}{reason[1:]}: {', '.join(whole)}.")
    return "\n".join(lines) + "\n"


def read(page: str) -> dict[str, dict[str, str]]:
    """The rows of a page."""
    rows: dict[str, dict[str, str]] = {}
    for line in page.splitlines():
        parts = [part.strip() for part in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(parts) == len(KINDS) + 1:
            rows[parts[0].strip("`")] = dict(zip(KINDS, parts[1:], strict=True))
    return rows
