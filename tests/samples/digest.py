"""Results in a few characters each: what is recorded from PyTorch and compared where it is not installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Array, Bound, OpCase, outputs
from .compare import as_array, dtype_name
from .gradients import differentiated

DIGITS = 6


def digest(array: Array) -> tuple[float, float]:
    """A weighted sum of the finite entries, and the sum of its terms' magnitudes.

    The weights differ from place to place, so entries that changed places are noticed.
    """
    flat = array.reshape(-1)
    weights = np.cos(np.arange(1, flat.size + 1))
    halves = [flat.real, 0.7 * flat.imag] if array.dtype.kind == "c" else [flat]
    terms = [weights * moderate(half.astype(np.float64)) for half in halves]
    return float(sum(term.sum() for term in terms)), float(sum(np.abs(term).sum() for term in terms))


def moderate(numbers: Array) -> Array:
    """Zero for nan and infinity; the ends of float64's range a little drawn in, so that sums stay finite."""
    return np.clip(np.where(np.isfinite(numbers), numbers, 0), -1e300, 1e300)


def unusual(array: Array) -> str:
    """How many entries are nan, infinite, negative infinite: `nan1 inf2`, or nothing."""
    if array.dtype.kind not in "fc":
        return ""
    parts = np.stack([array.real, array.imag]) if array.dtype.kind == "c" else array
    counts = {"nan": np.isnan(parts).sum(), "inf": np.isposinf(parts).sum(), "-inf": np.isneginf(parts).sum()}
    return " ".join(f"{name}{count}" for name, count in counts.items() if count)


def summary(library: Any, result: Any) -> list[Any]:
    """What is recorded of one result: dtype, shape, digest and, if any, its unusual entries."""
    if not isinstance(result, library.Tensor):
        return [repr(result)]
    array = as_array(library, result)
    short = [dtype_name(result), ",".join(map(str, array.shape)), float(f"{digest(array)[0]:.{DIGITS}g}")]
    odd = unusual(array)
    return [*short, odd] if odd else short


def results(library: Any, case: OpCase, bound: Bound) -> list[Any]:
    """The operator's results on a sample: its tensors, or what it returned if that is none."""
    result = bound.apply(library, case.function(library), bound.lifted(library))
    return outputs(library, result) or [result]


def gradients(library: Any, case: OpCase, bound: Bound) -> list[Any]:
    """The gradients of all differentiable results; None for an input that has none."""
    return differentiated(library, bound, case.function(library)).gradients


def recorded(
    library: Any, case: OpCase, dtype: str, of: Callable[..., list[Any]], *, grad: bool
) -> list[Any]:
    """For each of the case's samples (those fit for gradients, if `grad`) the summaries of its results."""
    return [
        [summary(library, result) for result in of(library, case, Bound(case, sample))]
        for sample in case.sampled(dtype)
        if sample.grad or not grad
    ]
