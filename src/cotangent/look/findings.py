"""What the doctor finds, and how it says so: in English, Chinese or both, as plain text or through rich."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any, Final

from .. import lazy
from ..autograd.where import Place
from ..config import settings
from .texts import LABELS, TEXTS

__all__ = ["Finding", "Report"]

rich_console: Final[Any] = lazy.module("rich.console")
rich_panel: Final[Any] = lazy.module("rich.panel")
rich_text: Final[Any] = lazy.module("rich.text")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a training step.

    Args:
        kind: which thing, a short name such as "zero-grad-missing".
        place: the line it is about, or None where no line of the program is.
        names: what it is about: parameters, layers, variables.
        facts: numbers and words that the sentences mention.
        second: another line that belongs to it, or None.
    """

    kind: str
    place: Place | None
    names: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    second: Place | None = None

    @property
    def file(self) -> str | None:
        """The file of the line."""
        return None if self.place is None else self.place.file

    @property
    def line(self) -> int | None:
        """The number of the line."""
        return None if self.place is None else self.place.line

    def message(self, language: str | None = None) -> str:
        """What is wrong, in one sentence."""
        return self._filled(0, language)

    def fix(self, language: str | None = None) -> str:
        """The smallest change that helps."""
        return self._filled(1, language)

    def _filled(self, which: int, language: str | None) -> str:
        texts = TEXTS[self.kind][language or settings.languages()[0]]
        names = ", ".join(self.names[:6]) + (f" (+{len(self.names) - 6})" if len(self.names) > 6 else "")
        return texts[which].format(names=names, **self.facts)

    def lines(self) -> list[tuple[str, str]]:
        """The finding as (role, text) lines; the roles are "kind", "place", "code", "why", "fix"."""
        out = [("kind", self.kind)]
        for at in (self.place, self.second):
            if at is not None:
                out.append(("place", f"{at.file}:{at.line}"))
                if at.text.strip():
                    out.append(("code", at.text.strip()))
        for language in settings.languages():
            out.append(("why", self.message(language)))
            out.append(("fix", f"{LABELS[language]['fix']}: {self.fix(language)}"))
        return out

    def __str__(self) -> str:
        indent = {"kind": "", "place": "  ", "code": "      ", "why": "  ", "fix": "  "}
        return "\n".join(indent[role] + text for role, text in self.lines())


class Report:
    """What the doctor found in a training step.

    Args:
        findings: the findings, the most important first.
        runs: how often the step was run.
    """

    def __init__(self, findings: list[Finding], runs: int) -> None:
        self.findings = findings
        self.runs = runs

    @property
    def kinds(self) -> list[str]:
        """The kinds of the findings."""
        return [finding.kind for finding in self.findings]

    def _head(self) -> str:
        count = len(self.findings)
        texts = [
            LABELS[language]["none" if not count else "one" if count == 1 else "some"]
            for language in settings.languages()
        ]
        return "\n".join(text.format(count=count, runs=self.runs) for text in texts)

    def __str__(self) -> str:
        parts = [self._head()]
        parts += [f"{number}. {finding}" for number, finding in enumerate(self.findings, 1)]
        return "\n\n".join(parts)

    __repr__ = __str__

    def __rich__(self) -> Any:
        """The report as rich shows it in a terminal."""
        styles = {"kind": "bold red", "place": "cyan", "code": "bold", "why": "", "fix": "green"}
        body = rich_text.Text()
        for number, finding in enumerate(self.findings, 1):
            for role, text in finding.lines():
                lead = f"{number}. " if role == "kind" else "     " if role == "code" else "   "
                body.append(lead)
                body.append(text + "\n", style=styles[role])
            if number < len(self.findings):
                body.append("\n")
        border = "red" if self.findings else "green"
        inner = body if self.findings else rich_text.Text(self._head(), style="green")
        title = self._head() if self.findings else "cotangent.doctor"
        return rich_panel.Panel(inner, title=title, border_style=border)

    def show(self, file: Any = None) -> None:
        """Print the report: through rich in a terminal, else as plain text.

        Args:
            file: where to; standard output by default.
        """
        file = file or sys.stdout
        if file.isatty():
            rich_console.Console(file=file, highlight=False).print(self)
        else:
            print(self, file=file)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __iter__(self) -> Any:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)
