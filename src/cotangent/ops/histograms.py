"""Histograms of one and of several dimensions."""

from __future__ import annotations

import math
from typing import Any, Final

from .. import dtypes
from ..kernels import histogram as k
from .arguments import as_number, compiler_name, deliver_exact
from .refusals import unsupported
from .results import named_result
from .table import general, is_array, is_tensor

histogram_result = named_result("histogram", "hist", "bin_edges")
histogramdd_result = named_result("histogramdd", "hist", "bin_edges")

histc_of = general("histc_of(input | bins, low, high)", k.histc, public="histc")
edges_of = general("edges_of(points | direction, bins, ends)", k.edges, public="histogramdd")
grid_counts = general(
    "grid_counts(points, weight?, edges[] | density)",
    lambda points, weight, edges, density: k.histogram(points, weight, tuple(edges), density),
    public="histogramdd",
)


def histc(input: Any, bins: int = 100, min: Any = 0, max: Any = 0, *, out: Any = None) -> Any:
    """How many elements lie in each of equal intervals.

    Args:
        input: any shape.
        bins: number of intervals.
        min, max: ends of the range; those of the data if equal.
        out: tensor to write the result to.

    Returns:
        a tensor of `bins` counts, of the dtype of `input`.

    Raises:
        RuntimeError: if there are no bins, or the range is empty or not finite.

    Example:
        >>> import cotangent as torch
        >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    if bins <= 0:
        raise RuntimeError("bins must be > 0")
    if input.dtype.category != dtypes.FLOATING:
        raise unsupported("histogram_cpu", input.dtype)
    min, max = as_number("histc", "min", 3, min), as_number("histc", "max", 4, max)
    low, high = float(min), float(max)
    if low == high and input.numel() and is_array(input._data):
        low, high = float(input.min()), float(input.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"range of [{_shown(low)}, {_shown(high)}] is not finite")
    if low > high:
        raise RuntimeError("max must be larger than min")
    return deliver_exact("histc", histc_of(input, bins, float(min), float(max)), out)


def _shown(value: float) -> str:
    """A number as C++ prints it."""
    return f"{value:g}"


def _ends(range: Any, i: int) -> tuple[float, float] | None:
    """The ends of direction `i`, where a range is given."""
    if range is None:
        return None
    low, high = float(range[2 * i]), float(range[2 * i + 1])
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(
            f"torch.histogramdd: dimension {i}'s range [{_shown(low)}, {_shown(high)}] is not finite"
        )
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {_shown(low)} max {_shown(high)} for "
            f"dimension {i}"
        )
    return low, high


def _check_edges(edges: Any, i: int, input: Any) -> None:
    if edges.dtype is not input.dtype:
        raise RuntimeError(
            "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with "
            f"dtype {compiler_name(input.dtype)} and bins for dimension {i} with dtype "
            f"{compiler_name(edges.dtype)}"
        )
    if edges.ndim != 1:
        raise RuntimeError(
            f"torch.histogramdd: bins tensor should have one dimension, but got {edges.ndim} dimensions in "
            f"the bins tensor for dimension {i}"
        )
    if not edges.numel():
        raise RuntimeError(
            "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins "
            f"tensor for dimension {i}"
        )


def histogramdd(
    input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False
) -> Any:
    """How many points fall in each cell of a grid.

    Args:
        input: (..., d) points.
        bins: number of intervals of every direction, one for each, or the ascending edges of each.
        range: 2 d numbers, the ends of each direction; those of the data by default.
        weight: what each point counts.
        density: divide by the total and by the cells' sizes.

    Returns:
        `(hist, bin_edges)`.

    Raises:
        RuntimeError: if the bins do not fit the points.

    Example:
        >>> import cotangent as torch
        >>> torch.histogramdd(torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), bins=[2, 1]).hist
        tensor([[1.],
                [2.]])
    """
    if input.ndim < 2:
        raise RuntimeError(
            f"torch.histogramdd: input tensor should have at least 2 dimensions, but got {input.ndim}"
        )
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise unsupported("histogramdd", input.dtype)
    d = input.shape[-1]
    each = [bins] * d if isinstance(bins, int) else list(bins)
    if len(each) != d:
        if is_tensor(each[0] if each else None):
            raise RuntimeError(
                f"torch.histogramdd: Expected {d} sequences of bin edges for a {d}-dimensional histogram but "
                f"got {len(each)}"
            )
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    for i, given in enumerate(each):
        if is_tensor(given):
            _check_edges(given, i, input)
        elif given <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {given} for dimension {i}")
    points = input.reshape(-1, d) if input.numel() else input.reshape(math.prod(input.shape[:-1]), d)
    edges = [
        given if is_tensor(given) else edges_of(points, i, given, _ends(range, i))
        for i, given in enumerate(each)
    ]
    if weight is not None:
        _check_weight(weight, input)
    flat = None if weight is None else weight.reshape(-1)
    return histogramdd_result(grid_counts(points, flat, edges, density), tuple(edges))


def _check_weight(weight: Any, input: Any) -> None:
    beginning = "torch.histogramdd: if weight tensor is provided"
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"{beginning}, input tensor and weight tensor should have the same dtype, but got "
            f"input({dtypes.CPP_NAME[input.dtype]}), and weight({dtypes.CPP_NAME[weight.dtype]})"
        )
    if weight.shape != input.shape[:-1]:
        raise RuntimeError(
            f"{beginning} it should have the same shape as the input tensor excluding its innermost "
            f"dimension, "
            f"but got input with shape {list(input.shape)} and weight with shape {list(weight.shape)}"
        )


_HIST_DTYPE: Final = (
    "torch.histogram: input tensor and hist tensor should have the same dtype, but got input {cpp} and hist "
    "{cpp_out}"
)
_EDGES_DTYPE: Final = (
    "torch.histogram: input tensor and bin_edges tensor should have the same dtype, but got input {cpp} and "
    "bin_edges {cpp_out} for dimension 0"
)


def histogram(
    input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False, out: Any = None
) -> Any:
    """How many elements lie in each interval.

    Args:
        input: any shape.
        bins: number of equal intervals, or their ascending edges.
        range: two numbers, the ends; those of the data by default.
        weight: what each element counts.
        density: divide by the total and by the intervals' lengths.
        out: pair of tensors to write the results to.

    Returns:
        `(hist, bin_edges)`.

    Raises:
        RuntimeError: if range or bins make no sense.

    Example:
        >>> import cotangent as torch
        >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 3.0)).hist
        tensor([2., 1.])
    """
    flat = input.reshape(-1, 1)
    given = [bins] if is_tensor(bins) else bins
    if weight is not None and weight.shape == input.shape:
        weight = weight.reshape(-1)
    hist, edges = histogramdd(flat, given, range=range, weight=weight, density=density)
    found = histogram_result(hist, edges[0])
    if out is not None and out[0].dtype is hist.dtype:
        deliver_exact("histogram", edges[0], out[1], _EDGES_DTYPE)
    return deliver_exact("histogram", found, out, _HIST_DTYPE)
