"""Tensors from nothing or from another tensor's shape, and changes of dtype."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import ALL, NUMBERS, REAL, Dtype, Make, OpCase, S, Sample, Samples, V


def sized(*before: Any) -> Samples:
    """Samples of `f(size, *before, dtype=...)`."""

    def samples(make: Make) -> Iterator[Sample]:
        kind = Dtype(make.dtype)
        for size in ((2, 3), (), (0,), (4,), (2, 0, 3), (1, 2, 2)):
            yield V(size, *before, dtype=kind)

    return samples


def _full(make: Make) -> Iterator[Sample]:
    value = True if make.dtype == "bool" else 3
    yield from sized(value)(make)
    yield V((2,), value)
    yield V((2,), 1.5)
    yield V((2,), True)


def like(*before: Any) -> Samples:
    """Samples of `f(tensor, *before)`, with and without another dtype."""

    def samples(make: Make) -> Iterator[Sample]:
        for shape in ((2, 3), (), (0, 2)):
            yield V(make(*shape), *before)
        yield V(make(2, 3, layout="t"), *before)
        yield V(make(2, 3), *before, dtype=Dtype("float64"))

    return samples


def _new(*before: Any) -> Samples:
    def samples(make: Make) -> Iterator[Sample]:
        yield V(make(2), (2, 3), *before)
        yield V(make(2), (), *before)
        yield V(make(2), (0,), *before, dtype=Dtype("int64"))

    return samples


def _arange(make: Make) -> Iterator[Sample]:
    kind = Dtype(make.dtype)
    yield V(5, dtype=kind)
    yield V(2, 7, dtype=kind)
    yield V(1, 9, 3, dtype=kind)
    yield V(0, dtype=kind)
    if make.dtype != "uint8":
        yield V(5, -5, -2, dtype=kind)
    if make.floating:
        yield V(0, 1, 0.25, dtype=kind)
        yield V(0.1, 1.05, 0.1, dtype=kind)
    yield V(5)
    yield V(1.0, 3)
    yield V(0, 1, 0.3)


def _linspace(make: Make) -> Iterator[Sample]:
    kind = Dtype(make.dtype)
    yield V(0, 10, 5, dtype=kind)
    yield V(0, 10, 11, dtype=kind)
    yield V(3, 7, 1, dtype=kind)
    yield V(3, 7, 0, dtype=kind)
    yield V(10, 0, 6, dtype=kind)
    yield V(0, 1, 4)
    if make.inexact:
        yield V(-1.5, 2.5, 7, dtype=kind)
    if make.floating:
        yield V(-3, 3, 101, dtype=kind)


def _logspace(make: Make) -> Iterator[Sample]:
    kind = Dtype(make.dtype)
    yield V(0, 1, 4, dtype=kind)
    yield V(0, 2, 3, base=2, dtype=kind)
    yield V(0, 1, 0, dtype=kind)


def _eye(make: Make) -> Iterator[Sample]:
    kind = Dtype(make.dtype)
    yield V(3, dtype=kind)
    yield V(2, 4, dtype=kind)
    yield V(0, dtype=kind)


def _tri_indices(make: Make) -> Iterator[Sample]:
    kind = Dtype(make.dtype)
    yield V(3, 4, dtype=kind)
    yield V(3, 3, -1, dtype=kind)
    yield V(2, 4, 1, dtype=kind)


def _values(make: Make) -> Iterator[Sample]:
    yield V([1, 2, 3])
    yield V([[1.5, 2], [3, 4]])
    yield V(True)
    yield V([])
    yield V([1 + 2j, 3])
    yield V([[True, False]])
    yield V([2**40])
    yield V([0, 1], dtype=Dtype(make.dtype))


def _to(target: str) -> Samples:
    def samples(make: Make) -> Iterator[Sample]:
        real_target = target not in ("complex64", "complex128")
        if make.complex and real_target:
            return  # PyTorch warns there, once in a process: tests of warnings have it
        yield S(make(3, 4), Dtype(target))
        yield S(make(), Dtype(target))
        yield S(make(4, 3, layout="t"), Dtype(target))
        yield V(make(0, 2), Dtype(target))
        if make.floating and target in ("float16", "bfloat16", "float32", "float64", "bool"):
            yield V(make.extreme(), Dtype(target))

    return samples


def _type_method(make: Make) -> Iterator[Sample]:
    if not make.complex:
        yield S(make(3, 4))
        yield V(make(0))


def _view_as_real(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4))
    yield S(make())
    yield V(make(0))


def _view_as_complex(make: Make) -> Iterator[Sample]:
    yield S(make(3, 2))
    yield S(make(2))
    yield S(make(2, 3, 2))


def made(name: str, samples: Samples, dtypes: tuple[str, ...] = ALL, **flags: Any) -> OpCase:
    """A case for a function whose result depends on no tensor's values."""
    return OpCase(name, samples, dtypes, **{"grad": False, "vmap": False, "trace": False, **flags})


TARGETS = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
)
# Too coarse for finite differences of float64.
NARROW = ("float16", "bfloat16", "float32", "complex64", "float", "half")
METHODS = ("float", "double", "half", "bfloat16", "long", "int", "short", "bool")

CASES = [
    made("zeros", sized(), out=True),
    made("ones", sized(), out=True),
    made("full", _full),
    made("zeros_like", like()),
    made("ones_like", like()),
    made("full_like", like(1)),
    made("Tensor.new_zeros", _new()),
    made("Tensor.new_ones", _new()),
    made("Tensor.new_full", _new(1)),
    made("arange", _arange, tuple(d for d in NUMBERS if not d.startswith("complex")), out=True),
    made("linspace", _linspace, NUMBERS, out=True),
    made("logspace", _logspace, REAL, out=True),
    made("eye", _eye, out=True),
    made("tril_indices", _tri_indices, ("int32", "int64")),
    made("triu_indices", _tri_indices, ("int32", "int64")),
    made("tensor", _values),
    *(
        OpCase(
            f"Tensor.to {target}",
            _to(target),
            ALL,
            lambda xp, x, kind: x.to(kind),
            numeric=target not in NARROW,
        )
        for target in TARGETS
    ),
    *(OpCase(f"Tensor.{name}", _type_method, ALL, numeric=name not in NARROW) for name in METHODS),
    OpCase("view_as_real", _view_as_real, ("complex64", "complex128")),
    OpCase("view_as_complex", _view_as_complex, REAL),
]
