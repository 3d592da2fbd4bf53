"""What a measurement is: the task, the times, their statistics and printed form (`torch.utils.benchmark`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ....toplevel import get_num_threads, set_num_threads

__all__ = [
    "Measurement", "TaskSpec", "ordered_unique", "select_unit", "set_torch_threads", "trim_sigfig",
    "unit_to_english",
]  # fmt: skip

_SCALES: Final[dict[str, float]] = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}
_BY_THOUSANDS: Final = {-3: "ns", -2: "us", -1: "ms"}
_ENGLISH: Final = {"ns": "nanosecond", "us": "microsecond", "ms": "millisecond", "s": "second"}
# Nothing is measured more exactly than this: a reading of the clock takes about as long.
_FINEST: Final = 25e-9
_Z: Final = 1.645  # of the normal distribution: 90 % of it is less than this from the mean
_MOST_FIGURES: Final = 4
_NOTABLE, _GROSS = 0.1, 0.25  # spread over median, from where on a measurement warns


def _log10(x: float) -> Any:
    """In single precision, as PyTorch computes all that decides on digits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(np.float32(x))


def magnitude(x: float) -> int:
    """The number of digits of `x` before the point; 0 or less for fractions.

    Args:
        x: a number; its sign does not matter.
    """
    return int(np.ceil(_log10(abs(x))))


@dataclass(frozen=True)
class TaskSpec:
    """What is measured: the statement, and the names that tables show for it.

    Args:
        stmt: the statement.
        setup: what runs before it.
        global_setup: for other languages than Python.
        label: what the statement does.
        sub_label: of which variant, such as a size.
        description: of which implementation.
        env: in which environment.
        num_threads: on how many threads.
    """

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The labels, or the statement where there is none."""
        if self.label is None and "\n" in self.stmt:
            return _named("stmt", self.stmt, self.sub_label)
        named = self.stmt if self.label is None else self.label
        return f"{named}: {self.sub_label}" if self.sub_label else named

    def setup_str(self) -> str:
        """The setup as it is shown, empty where nothing is set up."""
        return "" if self.setup in ("", "pass") else _named("setup", self.setup)

    def summarize(self) -> str:
        """The lines about the task in a printed measurement."""
        parts = filter(None, (self.title, self.description, self.setup_str()))
        return "\n".join(part + "\n" * ("\n" in part) for part in parts)


def _named(name: str, code: str, variant: str | None = None) -> str:
    """Code under its name: on the same line where it is one line."""
    lines = code.split("\n")
    head = f"{name}: ({variant})" if variant else f"{name}:"
    return f"{head} {code}" if len(lines) == 1 else "\n  ".join((head, *lines))


@dataclass(repr=False)
class Measurement:
    """Times of a statement, with their statistics.

    Args:
        number_per_run: how often the statement ran for each time.
        raw_times: the times, in seconds.
        task_spec: what was measured; its fields can be read here, too.
        metadata: anything.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.benchmark import Measurement, TaskSpec
        >>> m = Measurement(10, [0.02, 0.03, 0.04], TaskSpec("f(x)", "pass"))
        >>> m.median, m.meets_confidence()
        (0.003, False)
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if name in TaskSpec.__dataclass_fields__:
            return getattr(self.task_spec, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def times(self) -> list[float]:
        """Seconds for one run of the statement, in the order measured."""
        return [time / self.number_per_run for time in self.raw_times]

    def _quantile(self, share: float) -> float:
        return float(np.quantile(self.times, share)) if self.raw_times else -1.0

    @property
    def median(self) -> float:
        """Half of the times are shorter; -1 where there are none."""
        return self._quantile(0.5)

    @property
    def mean(self) -> float:
        """The mean time; -1 where there are none."""
        return float(np.mean(self.times)) if self.raw_times else -1.0

    @property
    def iqr(self) -> float:
        """The range in which the middle half of the times lies."""
        return self._quantile(0.75) - self._quantile(0.25)

    @property
    def significant_figures(self) -> int:
        """How many digits of the median mean something, 1 to 4, by the spread of the times."""
        count = len(self.raw_times)
        middle = np.array(sorted(self.times)[count // 4 : -(-3 * count // 4)], np.float32)
        uncertain = max(_Z * float(middle.std()) / len(middle) ** 0.5, _FINEST)
        return min(max(int(np.floor(_log10(self.median / uncertain))), 1), _MOST_FIGURES)

    def _warning(self) -> str:
        if not self.raw_times or self.meets_confidence(_NOTABLE):
            return ""
        reason = "could indicate system fluctuation"
        if not self.meets_confidence(_GROSS):
            reason = "suggests significant environmental influence"
        percent = f"{self.iqr / self.median * 100:.1f}%"
        return (
            f"  WARNING: Interquartile range is {percent} of the median measurement.\n"
            f"           This {reason}."
        )

    @property
    def has_warnings(self) -> bool:
        """Whether the times differ by more than a tenth."""
        return self._warning() != ""

    def meets_confidence(self, threshold: float = _NOTABLE) -> bool:
        """Whether the middle half of the times differs by less than a share of the median.

        Args:
            threshold: the share.
        """
        return self.iqr / self.median < threshold

    @property
    def title(self) -> str:
        """The title of the task."""
        return self.task_spec.title

    @property
    def as_row_name(self) -> str:
        """What a row of a table is called that shows this."""
        spec = self.task_spec
        return spec.sub_label or spec.stmt or "[Unknown]"

    def __repr__(self) -> str:
        count = len(self.raw_times)
        unit, scale = select_unit(self.median)
        several = count > 1
        threads = self.task_spec.num_threads
        shown = {share: f"{self._quantile(share) / scale:.2f}" for share in (0.25, 0.5, 0.75)}
        # PyTorch's name of the module, which is what programs know.
        module = "torch" + type(self).__module__.removeprefix("cotangent")
        lines = [
            f"<{module}.{type(self).__qualname__} object at {id(self):#x}>",
            self.task_spec.summarize(),
            f"  {'Median: ' if several else ''}{shown[0.5]} {unit}",
        ]
        if count >= 4:
            lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit} ({shown[0.25]} to {shown[0.75]})")
        lines.append(
            f"  {count} measurement{'s' if several else ''}, {self.number_per_run} runs "
            f"{'per measurement,' if several else ','} {threads} thread{'s' if threads > 1 else ''}"
        )
        lines.append(self._warning())
        return "\n".join(lines).strip()

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Put the times of equal tasks together, each for one run of the statement.

        Args:
            measurements: in any order.

        Returns:
            One measurement for each task, in the order in which they first come.
        """
        times: dict[TaskSpec, list[float]] = {}
        for measurement in measurements:
            times.setdefault(measurement.task_spec, []).extend(measurement.times)
        return [Measurement(1, found, spec) for spec, found in times.items()]


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which a time is a number with few digits before the point.

    Args:
        t: seconds.

    Returns:
        The unit's name and its length in seconds.

    Example:
        >>> from cotangent.utils.benchmark import select_unit
        >>> select_unit(0.002)
        ('ms', 0.001)
    """
    unit = _BY_THOUSANDS.get(int(float(_log10(t)) // 3), "s")
    return unit, _SCALES[unit]


def unit_to_english(u: str) -> str:
    """The word for a unit of time.

    Args:
        u: "ns", "us", "ms" or "s".

    Raises:
        KeyError: for anything else.

    Example:
        >>> from cotangent.utils.benchmark import unit_to_english
        >>> unit_to_english("us")
        'microsecond'
    """
    return _ENGLISH[u]


def trim_sigfig(x: float, n: int) -> float:
    """Round a number to so many digits, in single precision.

    Args:
        x: the number, not zero.
        n: how many digits stay.

    Example:
        >>> from cotangent.utils.benchmark import trim_sigfig
        >>> trim_sigfig(1234.5, 2)
        1200.0
    """
    place = 10 ** (magnitude(x) - n)
    return float(np.round(np.float32(x / place)) * np.float32(place))


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Each element once, in the order in which they first come.

    Args:
        elements: anything hashable.
    """
    return list(dict.fromkeys(elements))


@contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """Compute on `n` threads for a block.

    Args:
        n: how many.
    """
    before = get_num_threads()
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)
