"""Tables of measurements: rows are variants, columns are implementations (`torch.utils.benchmark`)."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from .common import Measurement, magnitude, ordered_unique, select_unit, trim_sigfig, unit_to_english

__all__ = ["Colorize", "Compare"]

_BETWEEN: Final = "  |  "
_BOLD, _PLAIN = "\033[1m", "\033[0m"
_GREEN, _BLUE, _FAINT_RED, _RED = "\033[92m", "\033[34m", "\033[2m\033[91m", "\033[31m"
_LEGEND: Final = "(! XX%) Measurement has high variance, where XX is the IQR / median * 100.\n"

_Key = tuple[int, str, str]  # of a row: threads, environment, name


class Colorize(enum.Enum):
    """What the colours of a table compare."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class _Column:
    """How the numbers of one column are written: all with the same digits."""

    def __init__(self, cells: list[Measurement], scale: float, trim: bool, warn: bool) -> None:
        self.scale, self.trim = scale, trim
        self.warn = warn and any(cell.has_warnings for cell in cells)
        digits = [magnitude(cell.median / scale) for cell in cells]
        self.decimals = 1
        if trim:
            spare = (cell.significant_figures - n for cell, n in zip(cells, digits, strict=True))
            self.decimals = min(max(n, 0) for n in spare)
        self.width = max(digits) + self.decimals + (self.decimals > 0)

    def write(self, cell: Measurement | None) -> str:
        """The text of a cell, or as many blanks."""
        if cell is None:
            blank = max(self.width, len(f"{1:.{self.decimals}f}"))
            return " " * (blank + 7 * self.warn)
        value = cell.median / self.scale
        if self.trim:
            value = trim_sigfig(value, cell.significant_figures)
        text = f"{value:>{max(self.width, 0)}.{self.decimals}f}"
        if not self.warn:
            return text
        spread = f" (! {cell.iqr / cell.median * 100:.0f}%)" if cell.has_warnings else ""
        return text + spread.rjust(7)


def _coloured(text: str, time: float, best: float) -> str:
    """A cell in the colour of how its time compares with the best one."""
    if time <= best * 1.01 or time <= best + 1e-7:
        start = _GREEN + _BOLD
    elif time <= best * 1.1:
        start = _BLUE + _BOLD
    elif time >= best * 5:
        start = _RED + _BOLD
    elif time >= best * 2:
        start = _FAINT_RED
    else:
        return text
    return start + text + _PLAIN * 2


def _key(m: Measurement) -> _Key:
    spec = m.task_spec
    return spec.num_threads, spec.env or "", m.as_row_name


class _Table:
    """One table: the measurements that have the same label.

    Args:
        results: at least one, each of another task.
        options: of the comparison.
    """

    def __init__(self, results: list[Measurement], options: Compare) -> None:
        self.options = options
        self.results = results
        self.unit, scale = select_unit(min(m.median for m in results))
        # Sorted by threads and environment; rows of the same keep the order in which they came.
        self.keys: list[_Key] = sorted(ordered_unique(map(_key, results)), key=lambda key: key[:2])
        self.names: list[str] = ordered_unique(m.task_spec.description or "" for m in results)
        self.cells = {(_key(m), m.task_spec.description or ""): m for m in results}
        self.columns = {
            name: _Column(
                [m for (_, column), m in self.cells.items() if column == name],
                scale, options._trim_significant_figures, options._highlight_warnings,
            )
            for name in self.names
        }  # fmt: skip

    def _row_names(self) -> list[str]:
        """The first cells: environments are shown where there are several, each in its first row."""
        environments = {key[1] for key in self.keys}
        longest = max(map(len, environments)) if len(environments) > 1 else 0
        names, before = [], None
        for key in self.keys:
            shown = f"({key[1]})" if longest and key[:2] != before else ""
            before = key[:2]
            names.append("  " + shown.ljust(longest + 4) + key[2])
        return names

    def _best(self, key: _Key, name: str) -> float:
        """The time that a cell's colour compares with."""
        if self.options._colorize is Colorize.ROWWISE:
            rivals = [m for (row, _), m in self.cells.items() if row == key]
        else:
            rivals = [m for (row, n), m in self.cells.items() if n == name and row[0] == key[0]]
        return min(m.median for m in rivals)

    def _cell(self, key: _Key, name: str, text: str) -> str:
        cell = self.cells.get((key, name))
        if cell is None or self.options._colorize is Colorize.NONE:
            return text
        return _coloured(text, cell.median, self._best(key, name))

    def render(self) -> str:
        """The table as text."""
        firsts = self._row_names()
        grid = [
            [self.columns[name].write(self.cells.get((key, name))) for name in self.names]
            for key in self.keys
        ]  # fmt: skip
        widths = [
            max(len(name), *(len(row[at]) for row in grid)) for at, name in enumerate(self.names)
        ]  # fmt: skip
        first = max(map(len, firsts))
        head = _BETWEEN.join(
            (" " * first, *(n.center(w) for n, w in zip(self.names, widths, strict=True)))
        )  # fmt: skip
        title = f" {self.results[0].task_spec.label or ''} "
        lines = [f"[{title.center(len(head) - 2, '-')}]", head]
        threads = None
        for key, row_name, row in zip(self.keys, firsts, grid, strict=True):
            if key[0] != threads:
                threads = key[0]
                lines.append(f"{threads} threads: ".ljust(len(head), "-"))
            texts = [
                self._cell(key, name, text.center(width))
                for name, text, width in zip(self.names, row, widths, strict=True)
            ]
            lines.append(_BETWEEN.join((row_name.ljust(first), *texts)))
        warned = self.options._highlight_warnings and any(m.has_warnings for m in self.results)
        legend = _LEGEND if warned else ""
        return "\n".join((*lines, "", f"Times are in {unit_to_english(self.unit)}s ({self.unit}).", legend))


class Compare:
    """Measurements side by side: a table for each label, in it a row for each `sub_label`.

    Each `description` has a column.

    Args:
        results: the measurements; those of equal tasks are put together.

    Raises:
        ValueError: for anything that is no Measurement.

    Example:
        >>> from cotangent.utils.benchmark import Compare, Measurement, TaskSpec
        >>> spec = lambda name: TaskSpec("f(x)", "pass", label="f", description=name)
        >>> Compare([Measurement(1, [0.002], spec("new")), Measurement(1, [0.005], spec("old"))]).print()
        [---------- f -----------]
                    |  new  |  old
        1 threads: ---------------
              f(x)  |  2.0  |  5.0
        <BLANKLINE>
        Times are in milliseconds (ms).
        <BLANKLINE>
    """

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim_significant_figures = False
        self._colorize = Colorize.NONE
        self._highlight_warnings = False

    def __str__(self) -> str:
        by_label: dict[str | None, list[Measurement]] = {}
        for m in Measurement.merge(self._results):
            by_label.setdefault(m.task_spec.label, []).append(m)
        return "\n".join(_Table(results, self).render() for results in by_label.values())

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Take in more measurements.

        Args:
            results: the measurements.

        Raises:
            ValueError: for anything that is no Measurement.
        """
        results = list(results)
        for m in results:
            if not isinstance(m, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(m)} instead.")
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Show only digits that mean something."""
        self._trim_significant_figures = True

    def colorize(self, rowwise: bool = False) -> None:
        """Colour the times by how they compare with the best.

        Args:
            rowwise: with the best in the row, else in the column.
        """
        self._colorize = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """Mark times that differ by more than a tenth."""
        self._highlight_warnings = True

    def print(self) -> None:
        """Print the tables."""
        print(str(self))
