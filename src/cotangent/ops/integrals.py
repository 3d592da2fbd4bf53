"""Derivatives and integrals of sampled functions: gradient, trapezoid rules."""

from __future__ import annotations

from typing import Any, Final

from .. import dtypes
from ..errors import check_dim, dims_of
from .arguments import NUMBER, as_number, no_match, numpy_named
from .join import cat
from .table import is_tensor


def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """Estimates of the derivative of sampled values along dimensions, by central differences.

    Args:
        input: any shape.
        spacing: distance of neighbouring samples: a number, one for each dimension, or for each a tensor of
            coordinates.
        dim: dimension or dimensions; all if None.
        edge_order: 1 or 2, the order of the one-sided estimates at the ends.

    Returns:
        a tuple of tensors like `input`, one for each dimension.

    Raises:
        RuntimeError: if there are too few samples, or the arguments do not fit each other.

    Example:
        >>> import cotangent as torch
        >>> torch.gradient(torch.tensor([1.0, 4.0, 9.0, 16.0]))
        (tensor([3., 4., 6., 7.]),)
    """
    given = None if dim is None else dims_of(dim)
    dims = tuple(range(input.ndim)) if given is None else tuple(check_dim(d, input.ndim) for d in given)
    steps = _steps(input, spacing, dims)
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    for k, d in enumerate(dims):
        if d in dims[:k]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    if any(input.shape[d] < edge_order + 1 for d in dims):
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple(_slope(input, d, step, edge_order) for d, step in zip(dims, steps, strict=True))


def _steps(input: Any, spacing: Any, dims: tuple[int, ...]) -> list[Any]:
    """The spacing of each dimension: a number or a tensor of coordinates."""
    if spacing is None:
        return [1.0] * len(dims)
    spacing = as_number("gradient", "spacing", 0, spacing)
    if isinstance(spacing, NUMBER):
        return [spacing] * len(dims)
    steps = list(spacing)
    if len(steps) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments "
            f"to have the same length, but got a spacing argument of length {len(steps)} and a dim argument "
            f"of length {len(dims)}."
        )
    for d, step in zip(dims, steps, strict=True):
        if is_tensor(step) and step.ndim and step.shape[0] != input.shape[d]:
            raise RuntimeError(
                "torch.gradient expected the length of each coordinate tensor to match the size of the "
                "corresponding dimension"
            )
    return steps


def _slope(x: Any, dim: int, step: Any, edge_order: int) -> Any:
    n = x.shape[dim]

    def at(i: int) -> Any:
        return x.narrow(dim, i, 1)

    if not is_tensor(step) or not step.ndim:
        middle = (x.narrow(dim, 2, n - 2) - x.narrow(dim, 0, n - 2)) / (step * 2) if n > 2 else None
        if edge_order == 1:
            first, last = (at(1) - at(0)) / step, (at(n - 1) - at(n - 2)) / step
        else:
            first = (at(0) * -1.5 + at(1) * 2 - at(2) * 0.5) / step
            last = (at(n - 3) * 0.5 - at(n - 2) * 2 + at(n - 1) * 1.5) / step
        return cat([first, last] if middle is None else [first, middle, last], dim)
    gaps = step.diff()
    before, after = gaps.narrow(0, 0, n - 2), gaps.narrow(0, 1, n - 2)
    shape = [-1 if d == dim else 1 for d in range(x.ndim)]
    left = (-after / (before * (before + after))).reshape(shape)
    centre = ((after - before) / (before * after)).reshape(shape)
    right = (before / (after * (before + after))).reshape(shape)
    inner = (x.narrow(dim, k, n - 2) for k in range(3))
    middle = sum(weight * part for weight, part in zip((left, centre, right), inner, strict=True))
    if edge_order == 1:
        first, last = (at(1) - at(0)) / gaps[0], (at(n - 1) - at(n - 2)) / gaps[n - 2]
    else:
        first = _edge(at(0), at(1), at(2), gaps[0], gaps[1])
        last = -_edge(at(n - 1), at(n - 2), at(n - 3), gaps[n - 2], gaps[n - 3])
    return cat([first, middle, last], dim)


def _edge(a: Any, b: Any, c: Any, near: Any, far: Any) -> Any:
    """The slope, at the first of three values, of the parabola through them."""
    both = near + far
    return a * (-(near + both) / (near * both)) + b * (both / (near * far)) - c * (near / (far * both))


_FORMS: Final = ("Tensor y, Tensor x, *, int dim = -1", "Tensor y, *, Number dx = 1, int dim = -1")


def _check_form(name: str, y: Any, x: Any, dx: Any, dim: Any) -> None:
    """Refuse arguments that are of neither form: with points, or with a distance."""
    fits = is_tensor(y) and (x is None or (is_tensor(x) and dx is None)) and hasattr(dim, "__index__")
    if fits and (dx is None or isinstance(dx, NUMBER)):
        return
    given = (y,) if x is None or dx is not None else (y, x)
    named = {"x": x if dx is not None else None, "dx": dx, "dim": None if dim == -1 else dim}
    no_match(name, given, *_FORMS, **{key: value for key, value in named.items() if value is not None})


def _check_real(name: str, dx: Any) -> None:
    if isinstance(dx, (bool, complex)):
        raise RuntimeError(f"{name}: Currently, we only support dx as a real number.")


def _pieces(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    """Twice the areas of the trapezoids along a dimension, which is returned too."""
    d = check_dim(dim, y.ndim)
    if y.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    n = y.shape[d]
    if x is None:
        return (y.narrow(d, 1, n - 1) + y.narrow(d, 0, n - 1)) * (1 if dx is None else dx), d
    if x.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `x`, but bool is not supported")
    if x.ndim == 1:
        if x.shape[0] != n:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        shape = [1] * y.ndim
        shape[d] = n
        x = x.reshape(shape)
        across = d
    else:
        x = x.reshape([1] * (y.ndim - x.ndim) + list(x.shape))
        across = d
    gaps = x.narrow(across, 1, x.shape[across] - 1) - x.narrow(across, 0, x.shape[across] - 1)
    return gaps * (y.narrow(d, 1, n - 1) + y.narrow(d, 0, n - 1)), d


@numpy_named
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral of sampled values along a dimension, by the trapezoid rule.

    Args:
        y: values.
        x: where they were sampled: 1-d or broadcasting with `y`.
        dx: distance of neighbouring samples if `x` is not given; 1 by default.
        dim: the dimension.

    Returns:
        a tensor without that dimension.

    Raises:
        RuntimeError: if `x` does not fit, or for bool values.

    Example:
        >>> import cotangent as torch
        >>> torch.trapezoid(torch.tensor([1.0, 5.0, 10.0]))
        tensor(10.5000)
    """
    dx = as_number("trapezoid", "dx", 0, dx)
    _check_form("trapezoid", y, x, dx, dim)
    _check_real("trapezoid", dx)
    if y.ndim and not y.shape[check_dim(dim, y.ndim)]:
        return y.sum(dim) * 1.0
    if x is None and y.ndim and y.dtype is not dtypes.bool_:
        ends = y.select(dim, 0) + y.select(dim, -1)
        return (y.sum(dim) - ends * 0.5) * (1.0 if dx is None else dx)
    pieces, d = _pieces("trapezoid", y, x, dx, dim)
    return pieces.sum(d) / 2.0


@numpy_named
def trapz(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Another name of `trapezoid`.

    Example:
        >>> import cotangent as torch
        >>> torch.trapz(torch.tensor([1.0, 2.0]), dx=2)
        tensor(3.)
    """
    return trapezoid(y, x, dx=dx, dim=dim)


@numpy_named
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Running integrals of sampled values along a dimension, by the trapezoid rule.

    Args:
        y, x, dx, dim: as for `trapezoid`.

    Returns:
        a tensor shorter by one along `dim`.

    Example:
        >>> import cotangent as torch
        >>> torch.cumulative_trapezoid(torch.tensor([1.0, 5.0, 10.0]))
        tensor([ 3.0000, 10.5000])
    """
    dx = as_number("cumulative_trapezoid", "dx", 0, dx)
    _check_form("cumulative_trapezoid", y, x, dx, dim)
    _check_real("cumulative_trapezoid", dx)
    points = x is not None and x.ndim == 1 and x.shape[0]  # as many as there are samples, or refused below
    if y.ndim and not y.shape[check_dim(dim, y.ndim)] and not points:
        return y * (x if x is not None and x.shape == y.shape else 1.0)
    pieces, d = _pieces("cumulative_trapezoid", y, x, dx, dim)
    return pieces.cumsum(d) / 2.0
