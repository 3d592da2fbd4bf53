"""Sequences of random calls, as data: what test_rng and test_rng_oracle draw and tools/record_rng.py records.

A call is `[name, dtype, size, arguments]`. `ours` answers it from a Stream; PyTorch's answer is in
tools/record_rng.py.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

import ml_dtypes
import numpy as np

from cotangent.kernels import counts, discrete, sampling
from cotangent.kernels.rng import Stream

Call = list[Any]

SIZES = (0, 1, 5, 15, 16, 17, 31, 100, 1000)
WIDE = ("float32", "float64")
REAL = ("float16", "bfloat16", *WIDE)
FLOATS = (*REAL, "complex64", "complex128")
COUNTING = ("uint8", "int8", "int16", "int32", "int64")
INTEGRAL = (*COUNTING, "bool")

# name -> the dtypes that it is called with, and choices of arguments.
TABLE: dict[str, tuple[tuple[str, ...], list[list[Any]]]] = {
    "uniform": (FLOATS, [[0, 1], [-1, 1], [0.1, 0.7], [-0.37, 0.37], [3, 1000.1]]),
    "normal": (FLOATS, [[0, 1], [0, 0.02], [1.5, 1], [-0.3, 0.7], [2, 3.3]]),
    "normal_strided": (REAL, [[0, 1], [0.3, 0.7]]),
    "normal_around": (WIDE, [["both"], ["mean"], ["std"]]),
    "log_normal": (REAL, [[1, 2], [0.3, 0.7]]),
    "exponential": (REAL, [[1], [2.7]]),
    "cauchy": (REAL, [[0, 1], [0.3, 0.7]]),
    "trunc_normal": (REAL, [[0, 1, -2, 2], [0, 0.02, -0.04, 0.04], [0, 1, 2, 3], [0, 1, 0.1, 0.2]]),
    "randint": (
        ("int64",),
        [[0, 10], [-5, 7], [0, 2**28 - 1], [0, 2**28], [-(2**60), 2**62], [-(2**63), None]],
    ),
    "randint_small": ((*REAL, *COUNTING), [[0, 2], [3, 127], [0, 100], [5, None]]),
    "random_full": ((*REAL, *INTEGRAL), [[]]),
    "randperm": (("int64", "int32"), [[]]),
    "bernoulli": ((*REAL, *INTEGRAL), [[0], [0.3], [1]]),
    "bernoulli_around": (REAL, [[]]),
    "dropout": (REAL, [[0.1], [0.5], [0.9]]),
    "rrelu": (("bfloat16", *WIDE), [[0.1, 0.4]]),
    "geometric": ((*REAL, *COUNTING), [[0.3], [0.6]]),
    "poisson": (REAL, [[1], [8], [30], [1000]]),
    "binomial": (WIDE, [[1], [8], [30], [1000]]),
    "multinomial": (WIDE, [[1, False], [3, False], [1, True], [50, True]]),
}
# Answers of these hold only the arithmetic of IEEE 754; the others call the C library's functions, whose
# last digit is another machine's own business.
EXACT = {
    "uniform", "randint", "randint_small", "random_full", "randperm", "bernoulli", "bernoulli_around",
    "dropout", "rrelu",
}  # fmt: skip


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def is_exact(call: Call) -> bool:
    """Whether the answer is the same on every machine, whatever its C library."""
    name, dtype, size, arguments = call
    in_blocks = name == "normal" and size >= 16 and dtype not in ("float64", "complex128")
    return name in EXACT or in_blocks or (name == "multinomial" and arguments[0] > 1 and arguments[1])


def sequence(seed: int, length: int) -> list[Call]:
    """`length` calls in a row, chosen by `seed`; every name occurs in 20 in a row."""
    choose = random.Random(seed)
    calls: list[Call] = []
    while len(calls) < length:
        names = list(TABLE)
        choose.shuffle(names)
        for name in names:
            dtypes, arguments = TABLE[name]
            size = choose.choice(SIZES[3:] if name == "multinomial" else SIZES)
            calls.append([name, choose.choice(dtypes), size, choose.choice(arguments)])
    return calls[:length]


def weights(size: int, dtype: str) -> np.ndarray[Any, Any]:
    """Numbers in (0, 1) without a pattern: the fractions of multiples of the golden ratio."""
    values = (np.arange(1, size + 1) * 0.6180339887498949) % 1.0
    return values.astype(np.float32).astype(numpy_dtype(dtype)) if dtype != "float64" else values


def ours(stream: Stream, call: Call) -> np.ndarray[Any, Any]:
    """What cotangent draws for `call`."""
    name, dtype_name, size, arguments = call
    dtype, shape = numpy_dtype(dtype_name), (size,)
    if name == "normal_strided":
        return sampling.normal(stream, shape, dtype, *arguments, contiguous=False)
    if name == "normal_around":
        mean, std = weights(size, dtype_name), weights(size, dtype_name)[::-1]
        which = arguments[0]
        return sampling.normal_around(
            stream, 0.25 if which == "std" else mean, 0.5 if which == "mean" else std, dtype
        )
    if name == "randperm":
        return discrete.randperm(stream, size, dtype)
    if name == "randint_small":
        return discrete.randint(stream, shape, dtype, *arguments)
    if name == "bernoulli_around":
        return discrete.bernoulli_around(stream, weights(size, dtype_name), dtype)
    if name == "dropout":
        return discrete.dropout_mask(stream, shape, dtype, *arguments)
    if name == "rrelu":
        x = weights(size, dtype_name) - dtype.type(0.5)
        slopes = sampling.rrelu_slopes(stream, x, *arguments)
        return np.asarray((x.astype(slopes.dtype) * slopes).astype(dtype))
    if name == "poisson":
        return counts.poisson(stream, weights(size, dtype_name) * dtype.type(arguments[0]))
    if name == "binomial":
        trials = np.floor(weights(size, dtype_name)[::-1] * dtype.type(arguments[0] * 10))
        return counts.binomial(stream, trials, weights(size, dtype_name))
    if name == "multinomial":
        return counts.multinomial(stream, weights(size, dtype_name), *arguments)
    home = next(module for module in (sampling, discrete, counts) if hasattr(module, name))
    drawn: np.ndarray[Any, Any] = getattr(home, name)(stream, shape, dtype, *arguments)
    return drawn


def bits(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The values as signed integers, by whose differences one can count units in the last place."""
    flat = np.ascontiguousarray(values).ravel()
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    return flat.view(f"i{flat.dtype.itemsize}")


def digest(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def picked(values: np.ndarray[Any, Any]) -> list[int]:
    """Bits of five elements spread over the array (of all, if there are fewer)."""
    all_bits = bits(values)
    last = all_bits.size - 1
    return [int(all_bits[i]) for i in sorted({last * quarter // 4 for quarter in range(5)}) if last >= 0]
