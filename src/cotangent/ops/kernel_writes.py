"""What PyTorch's kernels do to their own results while they make them.

It shows in one place. Outside inference mode nothing shields what a kernel does when all its tensors were
made inside that mode: writes into the result count in its `_version`, a copy inside is recorded if the input
asks for gradients, and calls of `out=` forms refuse it then. The facts are PyTorch 2.13's (CPU), observed;
operations that are not named here make their result in one go.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..dtypes import FLOATING
from .views import diagonal_of, slice_of

Count = int | Callable[..., int]
# What comes of an input that requires a gradient.
IGNORED, COPIED, SAVED = "", "copied", "saved"


class Inside(NamedTuple):
    """What a kernel does.

    Args:
        writes: how often it writes into the result, or a function of the operation's arguments that says so.
        grad: IGNORED; COPIED (recorded as a copy of the first tensor); SAVED (refused: it would be kept); or
            the name of the function whose `out=` form refuses it.
        base: the shape of the tensor that the result is a view of, as a function of the arguments; None
            from that where it is no view.
        place: where in the result the first tensor is copied to, as a function of the result and of the
            arguments after that tensor; None from that where nothing is recorded.
    """

    writes: Count
    grad: str = IGNORED
    base: Callable[..., tuple[int, ...] | None] | None = None
    place: Callable[..., Any] | None = None

    def count(self, arguments: tuple[Any, ...]) -> int:
        """The number of writes for these arguments."""
        return self.writes if isinstance(self.writes, int) else int(self.writes(*arguments))


def _whole(x: Any) -> bool:
    return bool(x.dtype.category < FLOATING)


def _left(x: Any, dims: Any) -> int:
    """The number of elements that a reduction leaves."""
    return math.prod(n for d, n in enumerate(x._data.shape) if dims is not None and d not in dims)


def _spread(x: Any, dims: Any, *options: Any) -> int:
    if x.dtype.is_complex:
        return 2
    return int(_left(x, dims) == 1 or 0 in x._data.shape)


def _best(x: Any, dim: int, keepdim: bool) -> int:
    shape = x._data.shape
    return (2 if math.prod(shape) else 0) if shape else 1


def _place(x: Any, dim: Any, keepdim: bool) -> int:
    return int(dim is not None and bool(x._data.shape) and x._data.shape[dim] == 1)


def _flipped(x: Any, dims: Any) -> int:
    shape = x._data.shape
    return int(0 in shape or all(shape[d] == 1 for d in dims if shape))


def _pads(x: Any, widths: Any, value: Any) -> int:
    return 2 if any(width > 0 for pair in widths for width in pair) else 1


def _padded(made: Any, widths: Any, value: Any) -> Any:
    if any(width < 0 for pair in widths for width in pair) or not any(map(any, widths)):
        return None
    shape = made._data.shape
    for d, (low, high) in enumerate(widths):
        if low or high:
            made = slice_of(made, d, low, shape[d] - high, 1)
    return made


def _joined(tensors: Any, dim: int) -> tuple[int, ...] | None:
    shape = tensors[0]._data.shape
    return (*shape[:dim], len(tensors) * shape[dim], *shape[dim + 1 :]) if dim < len(shape) else None


def _repeated(x: Any, times: Any) -> tuple[int, ...]:
    shape = x._data.shape
    return tuple(n * r for n, r in zip((1,) * (len(times) - len(shape)) + shape, times, strict=True))


def _reduced(x: Any, target: Any, *options: Any) -> int:
    reduction = next(option for option in options if option.__class__ is int)  # none, mean, sum
    return 2 if reduction and x._data.ndim else int(reduction != 0)


def _scattered(x: Any, src: Any, index: Any, dim: int, reduce: str, include_self: bool) -> int:
    return 2 + (reduce == "mean") + (not include_self)


def _contracted(a: Any, b: Any) -> int:
    return int(a._data.shape[-1] == 0 and a._data.shape[-2] > 0 and b._data.shape[-1] > 0)


_ONE: Final = Inside(1)
_COPY: Final = Inside(1, COPIED)
_OF_POINT: Final = Inside(lambda x, *statics: not x._data.ndim or 0 in x._data.shape, COPIED)
_OF_WHOLE: Final = Inside(_whole)

KERNELS: Final[dict[str, Inside]] = {
    **dict.fromkeys(
        (
            "logical_not", "logical_and", "logical_or", "logical_xor", "conj_physical", "sum_dims", "sum_all",
            "nansum_of", "prod_dim", "prod_all", "max_all", "min_all", "any_of",
            "all_of", "diagonal_copied", "reflection_pad2d", "dot",
            "vdot",
        ),
        _ONE,
    ),
    **dict.fromkeys(
        (
            "clone_of", "clone_for_grad", "dense_clone", "ordered_clone", "cast", "sort_of", "sort_stable",
            "scatter_along", "scatter_number", "scatter_add_along", "copy_rows", "addmm_of", "baddbmm_of",
        ),
        _COPY,
    ),
    **dict.fromkeys(("cumsum_of", "cumprod_of", "logcumsumexp_of"), _OF_POINT),
    **dict.fromkeys(("ceil", "floor", "trunc", "round_whole", "isposinf", "isneginf"), _OF_WHOLE),
    **dict.fromkeys(("max_dim", "min_dim"), Inside(_best)),
    **dict.fromkeys(("argmax_of", "argmin_of"), Inside(_place)),
    **dict.fromkeys(
        (
            "fill_rows", "fill_rows_with", "index_put_at", "masked_fill_number", "masked_fill_with",
            "put_masked",
        ),
        Inside(2, SAVED),
    ),
    **dict.fromkeys(("mean_all", "mean_dims"), Inside(2, "sum")),
    **dict.fromkeys(("std_of", "var_of", "var_of_too_few"), Inside(_spread, "sum")),
    **dict.fromkeys(("abs", "abs_complex"), Inside(1, "abs")),
    **dict.fromkeys(("relu6_of", "hardtanh_of"), Inside(1, "hardtanh")),
    **dict.fromkeys(("mse_of", "smooth_l1_of", "binary_cross_entropy_of"), Inside(_reduced)),
    **dict.fromkeys(("mm", "bmm"), Inside(_contracted)),
    "amax_dims": Inside(lambda x, dims, keepdim: min(_left(x, dims), 1)),
    "amin_dims": Inside(lambda x, dims, keepdim: 0 if _whole(x) else min(_left(x, dims), 1)),
    "isfinite": Inside(lambda x: x.dtype.is_complex),
    "isinf": Inside(lambda x: x.dtype.is_complex),
    "flip_dims": Inside(_flipped, COPIED),
    "topk_of": Inside(lambda x, *statics: not x._data.ndim, COPIED),
    "norm_of": Inside(lambda x, *statics: math.prod(x._data.shape) < 2),
    "deg2rad": Inside(1, "deg2rad"),
    "rad2deg": Inside(1, "rad2deg"),
    "angle_complex": Inside(1, "angle"),
    "nan_to_num_of": Inside(1, "nan_to_num"),
    "pow_scalar": Inside(lambda x, exponent: exponent in (0, 1), COPIED),
    "pow_base": Inside(1, "pow"),
    "complex": Inside(1, "complex"),
    "polar": Inside(1, "polar"),
    "logsumexp_of": Inside(1, "logsumexp"),
    "median_dim": Inside(1, "median"),
    "kth_of": Inside(1, "kthvalue"),
    "cummax_of": Inside(1, "cummax"),
    "cummin_of": Inside(1, "cummin"),
    "aminmax_of": Inside(lambda x, dims, keepdim: 1 if len(dims) == x._data.ndim != 1 else 2),
    "rot90_plane": Inside(lambda x, k, dims: 0 if k % 4 == 2 else 1),
    "repeat_by": Inside(1, base=_repeated),
    "stack": Inside(0, base=_joined),
    "roll_by": Inside(
        lambda x, *statics: 0 in x._data.shape,
        COPIED,
        lambda x, shifts, dims: None if dims or x._data.ndim < 2 else (math.prod(x._data.shape),),
    ),
    "diag_embed_of": Inside(2, COPIED, place=diagonal_of),
    "pad_constant_by": Inside(_pads, COPIED, place=_padded),
    "scatter_reduce_of": Inside(_scattered, COPIED),
    "add_rows": Inside(lambda x, *others: 2 if x._data.ndim else 1, SAVED),
    "mv": Inside(1, SAVED),
    "one_hot_of": Inside(2),
}
