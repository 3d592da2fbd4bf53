"""Tensors to print: drawn from a seed, and picked by hand where a rule has its edge.

Only `Random.random` is drawn from, and powers of ten are read from text: the same seed is the same case on
every machine and under every version of Python and NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

import ml_dtypes
import numpy as np

from cotangent import printing

INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
DTYPES = ("bool", *INTEGERS, *FLOATS, *FLOATS, *COMPLEX)  # floats twice: they have the most rules

ODD = (0.0, -0.0, math.nan, math.inf, -math.inf)
# Factors of 1000, 1e8 and 1e-4, met exactly and missed by a little.
EDGES = (
    (1000.0, 1.0, 0.3, 300.0, 301.0, 1e8, 1e8 + 8, 1e-4, 9.9999e-5, 1e5, 3e-4, 0.1, 100.0, 0.01),
    (0.0625, 62.5, 1 / 3, 1000 / 3, 1.00001e-4, 0.2, 200.0, 200.00001),
)
T = TypeVar("T")


@dataclass(frozen=True)
class PrintCase:
    """One tensor, what else its `repr` shows, and the options in force."""

    array: np.ndarray[Any, Any]
    options: dict[str, Any] = field(default_factory=dict)
    default_dtype: str = "float32"
    requires_grad: bool = False
    node: str | None = None  # the name of the Function that made it; the node's ends in "Backward"
    subclass: str | None = None

    @property
    def dtype_name(self) -> str:
        return self.array.dtype.name


def cotangent_text(case: PrintCase) -> str:
    """What cotangent prints for the case, or the exception it raises."""
    with printing.printoptions(**{"profile": "default"} | case.options):
        try:
            return printing.tensor_text(
                case.array,
                dtype_name=case.dtype_name,
                default_dtype=case.default_dtype,
                requires_grad=case.requires_grad,
                grad_fn_name=case.node and f"{case.node}Backward",
                prefix=f"{case.subclass or 'tensor'}(",
            )
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def array_of(values: Any, dtype: str) -> np.ndarray[Any, Any]:
    """An array of one of the dtypes, bfloat16 among them; what does not fit becomes infinite."""
    with np.errstate(all="ignore"):
        return np.array(values).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def drawn_case(seed: int) -> PrintCase:
    """The case of a seed: any dtype, 0 to 6 dimensions, often with options or suffixes."""
    random = Random(seed)
    dtype = pick(random, DTYPES)
    options = _options(random)
    dims = pick(random, (0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6))
    large = chance(random, 0.15) and options.get("threshold") != math.inf
    longest = (0, 3000, 60, 16, 8, 6, 5)[dims] if large else (0, 30, 12, 6, 4, 3, 3)[dims]
    lowest = 0 if chance(random, 0.05) else 1
    shape = [lowest + int(random.random() * longest) for _ in range(dims)]
    array = _elements(random, dtype, math.prod(shape)).reshape(shape)
    if chance(random, 0.2):
        array = array.swapaxes(0, -1) if dims > 1 else array[::-1] if dims else array
    subclass = node = None
    requires_grad = dtype in FLOATS + COMPLEX and chance(random, 0.4)
    if requires_grad and chance(random, 0.7):
        node = "Node" * int(1 + random.random() * 20)
    elif not requires_grad and chance(random, 0.1):
        subclass = "Sub" * int(1 + random.random() * 10)
    default = pick(random, ("float32",) * 6 + ("float64", "float16", "bfloat16"))
    return PrintCase(array, options, default, requires_grad, node, subclass)


def pick(random: Random, choices: Sequence[T]) -> T:
    return choices[int(random.random() * len(choices))]


def chance(random: Random, odds: float) -> bool:
    return random.random() < odds


def _options(random: Random) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if chance(random, 0.5):
        return options
    for name, odds, choices in (
        ("precision", 0.3, range(10)),
        ("threshold", 0.4, (0, 1, 5, 10, 50, math.inf)),
        ("edgeitems", 0.4, range(6)),
        ("linewidth", 0.4, range(161)),
        ("profile", 0.2, ("short", "default")),
        ("sci_mode", 0.3, (True, False)),
    ):
        if chance(random, odds):
            options[name] = pick(random, choices)
    return options


def _elements(random: Random, dtype: str, count: int) -> np.ndarray[Any, Any]:
    if dtype == "bool":
        odds = pick(random, (0.5, 1, 0, 0.9))
        return array_of([chance(random, odds) for _ in range(count)], dtype)
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        reach = pick(random, (3, 10, 100, 10**5, 10**20))
        low, high = max(limits.min, -reach), min(limits.max, reach)
        numbers = [low + int(random.random() * 2**53) * (high - low) // 2**53 for _ in range(count)]
        if chance(random, 0.1):
            numbers[:1] = numbers[:1] and [limits.min]
        return np.array(numbers, dtype)
    if dtype in COMPLEX:
        real, imag = _numbers(random, count), _numbers(random, count)
        return array_of([complex(*parts) for parts in zip(real, imag)], dtype)
    return array_of(np.array(_numbers(random, count), np.float64), dtype)


def _numbers(random: Random, count: int) -> list[float]:
    """Numbers that have something in common, as those of real tensors do."""
    kind = int(random.random() * 9)
    scale = int(random.random() * 25) - 12

    def spread(exponent: int) -> float:
        return (random.random() * 6 - 3) * float(f"1e{exponent}")

    if kind == 0:
        return [spread(0) for _ in range(count)]
    if kind == 1:
        return [float(round(spread(1))) for _ in range(count)]
    if kind == 2:
        return [spread(scale) for _ in range(count)]
    if kind == 3:
        return [spread(int(random.random() * 13) - 6) for _ in range(count)]
    if kind == 4:
        return [float(round(spread(abs(scale)))) for _ in range(count)]
    if kind == 5:
        return [spread(int(random.random() * 600) - 300) for _ in range(count)]
    if kind == 6:
        return [pick(random, ODD) if chance(random, 0.3) else spread(scale) for _ in range(count)]
    if kind == 7:
        return [pick(random, (*ODD, 1.0, 1.5, -2.0)) for _ in range(count)]
    edges = pick(random, EDGES)
    return [pick(random, edges) for _ in range(count)]


def _sweep() -> list[PrintCase]:
    """Suffixes that end just before, at and after the line's end."""
    return [
        PrintCase(array_of([1] * count, dtype), requires_grad=True, node="N" * letters)
        for count, dtype, reach in (
            (9, "float32", range(12, 22)),  # one suffix
            (1, "float64", range(22, 36)),  # the second of two
            (15, "float64", range(28, 44)),  # the second, where the first stands on a line of its own
        )
        for letters in reach
    ]


def _grid(*shape: int) -> np.ndarray[Any, Any]:
    return array_of(np.arange(math.prod(shape)).reshape(shape), "float32")


PICKED = [
    *(
        PrintCase(array_of(values, "float32"))
        for values in (
            0.0, -0.0, 1.0, 1.5, 1e-5, 1e9, math.nan, -math.inf, [0, math.nan], [-0.0, 1, math.nan, math.inf],
            [1.5, math.nan], [1, math.nan], [1e-5, 0], [1e8, 1e6], [1e8 + 8, 1e6], [1001, 1], [1000, 1],
            [1e5, 2.5], [0.3, 300], [1e-4, 0.05], [9.999e-5, 0.05], [1e-38, 3e38],
        )
    ),
    *(PrintCase(array_of([least, 0.05], "float64")) for least in (1e-4, 9.999e-5)),
    *(
        PrintCase(array_of(values, "complex64"))
        for values in (
            1 + 2j, 0j, complex(1, -0.0), [complex(1, 0.0), 2 + 1.5j],
            [complex(math.nan, math.inf), 1.5 - 1e9j],
            [1e-9 + 1j, 3], [1e-9j + 1.5, 3], [100 - 12.25j, 1], complex(-math.inf, math.nan),
        )
    ),
    *(PrintCase(array_of([np.iinfo(name).min, np.iinfo(name).max, 0], name)) for name in INTEGERS),
    *(
        PrintCase(array_of(np.zeros(shape), dtype), default_dtype=default)
        for shape in ((0,), (2, 0))
        for dtype in ("float32", "float64", "complex64", "int64", "bool")
        for default in ("float32", "float64")
    ),
    *(
        PrintCase(array_of(0.5, dtype), default_dtype=default)
        for dtype in (*FLOATS, *COMPLEX)
        for default in FLOATS
    ),
    *_sweep(),
    # Every bit pattern's leading part: the float16 and bfloat16 numbers at their full range.
    PrintCase(np.arange(0, 65536, 97).astype(np.uint16).view(np.float16)),
    PrintCase(np.arange(0, 65536, 97).astype(np.uint16).view(ml_dtypes.bfloat16)),
    *(
        PrintCase(array, {"threshold": 5, "edgeitems": edge})
        for edge in (0, False, 1, True, -1, -2, 1.5, "a")
        for array in (_grid(), _grid(5), _grid(12), _grid(1, 10), _grid(10, 2), _grid(0, 2))
    ),
    *(
        PrintCase(array, options)
        for options in (
            {"threshold": -1}, {"threshold": "a"}, {"linewidth": 30.5}, {"linewidth": "a"}, {"linewidth": -9},
            {"linewidth": math.inf}, {"linewidth": math.nan}, {"sci_mode": "x"}, {"sci_mode": 0},
        )
        for array in (_grid(), _grid(8), array_of([0.5, 2e4], "float64"), _grid(0))
    ),
]  # fmt: skip
