"""Statistics by rank: mode, nanmedian, quantile, nanquantile."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .. import dtypes
from ..errors import check_dim
from ..kernels import ranks as k
from .arguments import deliver_exact, numpy_named, renamed
from .extremes import median, of_all, pick_at, place_at
from .refusals import without
from .results import namedtuple_of
from .select import lerp
from .table import constant, deliver, general, is_tensor


def _picked(signature: str, kernel: Any, node: str, public: str) -> Any:
    """Values and their positions along a dimension: the cotangent goes to the positions."""
    return general(
        signature,
        kernel,
        node=node,
        public=public,
        nout=2,
        nondiff_outputs=(1,),
        batch="axes",
        jvp=lambda tangents, args, out: (pick_at(tangents[0], out[1], args[-2], args[-1]), None),
        input=lambda g, out1, input_shape, dim, keepdim: place_at(g[0], out1, input_shape, dim, keepdim),
    )


mode_of = _picked("mode_of(input | dim, keepdim)", k.mode, "ModeBackward0", "mode")
nanmedian_dim = _picked(
    "nanmedian_dim(input | dim, keepdim)", k.nanmedian, "NanmedianBackward1", "nanmedian"
)


nanmedian_all = of_all(
    "nanmedian_all(input)",
    lambda a, dims, keepdim: k.nanmedian(a.reshape(-1), 0, False)[0],
    "NanmedianBackward0",
    "nanmedian",
)


_MODE: Final = "expected scalar type '{kind}' but got '{kind_out}' for values output"


def mode(input: Any, dim: int = -1, keepdim: bool = False, *, out: Any = None, **numpy: Any) -> Any:
    """The most frequent values along a dimension (the least of several), with a position of each.

    Args:
        input: any shape.
        dim: the dimension.
        keepdim: keep the reduced dimension with size 1.
        out: pair of tensors to write the results to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        `(values, indices)`.

    Raises:
        RuntimeError: for complex numbers; IndexError for an empty dimension.

    Example:
        >>> import cotangent as torch
        >>> torch.mode(torch.tensor([3, 1, 3, 2])).values
        tensor(3)
    """
    if numpy:
        return mode(**renamed("mode", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    d = check_dim(dim, input.ndim)
    if input.ndim and not input.shape[d]:
        raise IndexError(f"mode(): Expected reduction dim {d} to have non-zero size.")
    without("mode_cpu", input, dtypes.COMPLEX)
    if out is not None and out[0].dtype is input.dtype and out[1].dtype is not dtypes.int64:
        kind = dtypes.SCALAR_NAME[out[1].dtype]
        raise RuntimeError(f"expected scalar type 'Long' but got '{kind}' for indices output")
    return deliver_exact("mode", namedtuple_of("mode", *mode_of(input, d, keepdim)), out, _MODE)


def nanmedian(
    input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None, **numpy: Any
) -> Any:
    """The median of what is not nan (the lower of two middle elements), of all or along a dimension.

    Args:
        input: any shape.
        dim: dimension; all if None.
        keepdim: keep the reduced dimension with size 1.
        out: tensor (or pair) to write the result to.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        a tensor, or `(values, indices)`.

    Example:
        >>> import cotangent as torch
        >>> torch.nanmedian(torch.tensor([1.0, float("nan"), 3.0]))
        tensor(1.)
    """
    if numpy:
        return nanmedian(**renamed("nanmedian", numpy, input=input, dim=dim, keepdim=keepdim, out=out))
    if dim is None:
        flat = input.reshape(-1)
        if not flat.numel():
            if input.dtype.category < dtypes.FLOATING:  # nothing is nan
                return deliver("nanmedian", median(input), out)
            return deliver("nanmedian", input.sum() * float("nan"), out)
        without("median_cpu", input, dtypes.BOOL, dtypes.COMPLEX)
        return deliver("nanmedian", nanmedian_all(input), out)
    d = check_dim(dim, input.ndim)
    if input.ndim and not input.shape[d]:
        raise IndexError(f"median(): Expected reduction dim {d} to have non-zero size.")
    without("median_out", input, dtypes.BOOL, dtypes.COMPLEX)
    return deliver("nanmedian", namedtuple_of("nanmedian", *nanmedian_dim(input, d, keepdim)), out)


def _quantile(
    name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, out: Any, skip_nan: bool
) -> Any:
    if isinstance(q, int | float):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        q = constant(np.asarray(q, input.dtype.np))
    if not input.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    if is_tensor(q) and isinstance(q._data, np.ndarray) and not ((q._data >= 0) & (q._data <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    flat = dim is None or not input.ndim
    d = 0 if dim is None else check_dim(dim, input.ndim)
    x = input.reshape(-1) if flat else input.movedim(d, -1)
    found = _at_ranks(x.sort(-1)[0], q, interpolation, skip_nan).movedim(-1, 0)
    if keepdim:
        found = found.reshape([found.shape[0]] + [1] * input.ndim) if flat else found.unsqueeze(d + 1)
    error = "quantile() out tensor must be same dtype as the input tensor"
    return deliver_exact(name, found if q.ndim else found.squeeze(0), out, error)


def _at_ranks(ordered: Any, q: Any, interpolation: str, skip_nan: bool) -> Any:
    """The elements at the ranks q (n - 1) of the last dimension, in between as `interpolation` says."""
    q = q.reshape(-1)
    n = ordered.shape[-1]
    if skip_nan:
        count = (ordered == ordered).sum(-1, keepdim=True)
        ranks = q * (count - 1)
        ranks = ranks.masked_fill(ranks < 0, 0)
    else:
        ranks = (q * (n - 1)).expand([*ordered.shape[:-1], q.shape[0]])
        # A row with nan has nan for every quantile: nan stands last, so its own rank finds it.
        ranks = ranks.masked_fill((ordered != ordered).any(-1, keepdim=True), n - 1)
    if interpolation == "lower":
        ranks = ranks.floor()
    elif interpolation == "higher":
        ranks = ranks.ceil()
    elif interpolation == "nearest":
        ranks = ranks.round()
    below = ranks.detach().to(dtypes.int64)
    low = ordered.gather(-1, below)
    if interpolation not in ("linear", "midpoint"):
        return low
    high = ordered.gather(-1, ranks.detach().ceil().to(dtypes.int64))
    weight = 0.5 if interpolation == "midpoint" else ranks - below
    return lerp(low, high, weight)


@numpy_named
def quantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Any:
    """Quantiles of all elements or along a dimension.

    Args:
        input: float32 or float64, any shape.
        q: number between 0 and 1, or 1-d tensor of such numbers.
        dim: the dimension; all if None.
        keepdim: keep the reduced dimension with size 1.
        interpolation: "linear", "lower", "higher", "midpoint" or "nearest".
        out: tensor to write the result to.

    Returns:
        a tensor; with one more dimension in front if `q` is 1-d.

    Raises:
        RuntimeError: for arguments out of range or dtypes that do not fit.

    Example:
        >>> import cotangent as torch
        >>> torch.quantile(torch.tensor([1.0, 2.0, 4.0]), 0.75)
        tensor(3.)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out, False)


@numpy_named
def nanquantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Any:
    """`quantile` of what is not nan.

    Args:
        input, q, dim, keepdim, interpolation, out: as for `quantile`.

    Returns:
        a tensor; with one more dimension in front if `q` is 1-d.

    Example:
        >>> import cotangent as torch
        >>> torch.nanquantile(torch.tensor([1.0, float("nan"), 2.0]), 0.5)
        tensor(1.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out, True)
