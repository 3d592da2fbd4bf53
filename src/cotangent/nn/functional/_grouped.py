"""Products of groups of matrices, and of scaled 8-bit ones; names that PyTorch's module happens to have."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING as TYPE_CHECKING, Any, Final, Optional as Optional

from ...dtypes import FLOATING, bfloat16, dtype as _dtype, float32, int32
from ...ops.join import cat, stack
from ...ops.matmul import matmul
from ...tensor import Tensor as Tensor
from ..modules._tuples import each

__all__ = ["ScalingType", "SwizzleType", "grouped_mm", "scaled_grouped_mm", "scaled_mm"]

DType: Final = int
BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = list
reproducibility_notes: Final[dict[str, str]] = {}
sparse_support_notes: Final[dict[str, str]] = {}
tf32_notes: Final[dict[str, str]] = {}


class ScalingType(Enum):
    """What one scale of a matrix of 8-bit floats belongs to."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(Enum):
    """How the scales of blocks are arranged in memory."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


def _single(x: Any) -> tuple[Any, ...]:
    """One number in a tuple."""
    return each(x, 1)


def _pair(x: Any) -> tuple[Any, ...]:
    """A number twice; two as they are."""
    return each(x, 2)


def _triple(x: Any) -> tuple[Any, ...]:
    """A number three times; three as they are."""
    return each(x, 3)


def assert_int_or_pair(arg: Any, arg_name: str, message: str) -> None:
    """Refuse what is neither a number nor a sequence of two."""
    assert isinstance(arg, int) or len(arg) == 2, message.format(arg_name)


def boolean_dispatch(
    arg_name: str, arg_index: int, default: bool, if_true: Callable[..., Any], if_false: Callable[..., Any],
    module_name: str, func_name: str,
) -> Callable[..., Any]:  # fmt: skip
    """A function that calls one of two others, as one of its arguments says.

    Args:
        arg_name, arg_index: the argument, by name and by position.
        default: what it is where it is not given.
        if_true, if_false: the functions.
        module_name, func_name: what the function is called.
    """

    def choose(*args: Any, **kwargs: Any) -> Any:
        given = kwargs.get(arg_name, args[arg_index] if arg_index < len(args) else default)
        return (if_true if given else if_false)(*args, **kwargs)

    choose.__doc__ = if_true.__doc__ or if_false.__doc__
    choose.__module__, choose.__name__ = module_name or choose.__module__, func_name or choose.__name__
    return choose


def _parts(offs: Any) -> list[tuple[int, int]]:
    ends = [int(end) for end in offs.tolist()]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _grouped(a: Any, b: Any, offs: Any) -> Any:
    """The products of the groups; of 2-d operands each group is a run of rows or columns."""
    if a.ndim == 3 and b.ndim == 3:
        return matmul(a, b)
    parts = _parts(offs)
    if a.ndim == 2 and b.ndim == 3:
        rows = [matmul(a[low:high], b[k]) for k, (low, high) in enumerate(parts)]
        rest = a.shape[0] - parts[-1][1]
        return cat([*rows, a.new_zeros(rest, b.shape[2])] if rest else rows, 0)
    if a.ndim == 3:
        columns = [matmul(a[k], b[:, low:high]) for k, (low, high) in enumerate(parts)]
        rest = b.shape[1] - parts[-1][1]
        return cat([*columns, a.new_zeros(a.shape[1], rest)] if rest else columns, 1)
    return stack([matmul(a[:, low:high], b[low:high]) for low, high in parts])


def grouped_mm(
    mat_a: Any, mat_b: Any, *, offs: Any = None, bias: Any = None, out_dtype: _dtype | None = None
) -> Any:
    """Products of groups of matrices, as of the experts of a mixture.

    Args:
        mat_a: (rows, m), its rows in groups one after the other, or (groups, n, m); with a 2-d `mat_b`, also
            (n, columns).
        mat_b: (groups, m, p), or (m, columns) with its columns in groups; with a 2-d `mat_a`, also (rows, p).
        offs: int32, where each group ends; only if a matrix is 2-d.
        bias: must be None.
        out_dtype: the dtype of `mat_a`, or None.

    Returns:
        (rows, p); (n, columns); of 2-d matrices one product for each group.

    Raises:
        RuntimeError: for offsets without a 2-d matrix, or the other way round.

    Example:
        >>> import cotangent as torch
        >>> import cotangent.nn.functional as F
        >>> experts = torch.stack([torch.eye(2), 2 * torch.eye(2)])
        >>> F.grouped_mm(torch.ones(3, 2), experts, offs=torch.tensor([1, 3], dtype=torch.int32))
        tensor([[1., 1.],
                [2., 2.],
                [2., 2.]])
    """
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    if (offs is None) != (mat_a.ndim == 3 and mat_b.ndim == 3):
        raise RuntimeError(
            "Have to provide offsets if there is a 2d matrix, or no offset if both matrices are 3d"
        )
    if offs is not None and offs.dtype is not int32:
        raise RuntimeError("Offsets have to be int32")
    if out_dtype not in (None, mat_a.dtype):
        raise RuntimeError("Grouped gemm output dtype must match `mat_a` dtype")
    return _grouped(mat_a, mat_b, offs)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value


def _unscaled(matrix: Any, scale: Any, recipe: Any) -> Any:
    scale, recipe = _first(scale), _first(recipe)
    if matrix.dtype.category != FLOATING or matrix.dtype.itemsize != 1:
        raise RuntimeError(f"Expected matrices of 8-bit floats, got {matrix.dtype}")
    if recipe not in (ScalingType.TensorWise, ScalingType.RowWise):
        raise NotImplementedError(f"scales by blocks ({recipe}) are for GPUs; use TensorWise or RowWise")
    if scale.dtype is not float32 or (recipe is ScalingType.TensorWise and scale.numel() != 1):
        raise RuntimeError(
            "Invalid scaling configuration.\n- For TensorWise scaling, a and b should be float8, scales "
            "should be "
            "float and singletons."
        )
    return matrix.to(float32) * scale


def scaled_mm(
    mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any,
    swizzle_a: Any = None, swizzle_b: Any = None, bias: Any = None, output_dtype: _dtype | None = bfloat16,
    contraction_dim: Any = (), use_fast_accum: bool = False,
) -> Any:  # fmt: skip
    """The product of two matrices of 8-bit floats with their scales, computed in float32.

    Args:
        mat_a: (n, m).
        mat_b: (m, p).
        scale_a, scale_b: float32, one number; or one for each row of `mat_a` (n, 1), and each column of
            `mat_b` (1, p).
        scale_recipe_a, scale_recipe_b: which of the two, a ScalingType.
        swizzle_a, swizzle_b: must be None or NO_SWIZZLE.
        bias: (p,), added.
        output_dtype: of the result.
        contraction_dim, use_fast_accum: accepted for PyTorch's sake.

    Returns:
        (n, p).

    Raises:
        RuntimeError: for matrices of other dtypes, or scales that do not fit.
        NotImplementedError: for scales of blocks.

    Example:
        >>> import cotangent as torch
        >>> import cotangent.nn.functional as F
        >>> a, whole = torch.eye(2).to(torch.float8_e4m3fn), F.ScalingType.TensorWise
        >>> F.scaled_mm(a, a, torch.tensor(2.0), whole, torch.tensor(3.0), whole, output_dtype=torch.float32)
        tensor([[6., 0.],
                [0., 6.]])
    """
    found = matmul(_unscaled(mat_a, scale_a, scale_recipe_a), _unscaled(mat_b, scale_b, scale_recipe_b))
    if bias is not None:
        found = found + bias.to(float32)
    return found.to(output_dtype or mat_a.dtype)


def scaled_grouped_mm(
    mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any,
    swizzle_a: Any = None, swizzle_b: Any = None, bias: Any = None, offs: Any = None,
    output_dtype: _dtype | None = bfloat16, contraction_dim: Any = (), use_fast_accum: bool = False,
) -> Any:  # fmt: skip
    """`grouped_mm` of matrices of 8-bit floats, with a scale for each row or column.

    Args:
        mat_a, mat_b, offs: as for `grouped_mm`.
        scale_a, scale_recipe_a, scale_b, scale_recipe_b, output_dtype: as for `scaled_mm`.
        swizzle_a, swizzle_b, bias: must be None.
        contraction_dim, use_fast_accum: accepted for PyTorch's sake.

    Returns:
        as `grouped_mm`.
    """
    if bias is not None:
        raise RuntimeError("Bias not supported yet")
    a, b = mat_a.to(float32), mat_b.to(float32)
    left, right = _first(scale_a), _first(scale_b)
    if ScalingType.RowWise in (_first(scale_recipe_a), _first(scale_recipe_b)):
        left, right = left.unsqueeze(-1), right.unsqueeze(-2)
    if a.ndim == b.ndim == 2:
        raise NotImplementedError("scaled_grouped_mm: one of the matrices must be 3-d")
    return _grouped(a * left, b * right, offs).to(output_dtype)
