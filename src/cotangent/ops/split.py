"""Cutting a tensor into several views: split, chunk, unbind and their relatives; iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .. import dtypes
from ..errors import after_histories, check_dim
from ..kernels import shape as k
from .arguments import REQUIRED, integer, integers, missing, no_match, numpy_named, rank, renamed, whole
from .join import cat_of, stack_of, zeros_of
from .table import is_tensor, linear
from .views import slice_of

# -- primitives ------------------------------------------------------------------------------------------


def _split_rule(g: Any, input_shape: Any, split_size: int, dim: int) -> Any:
    like = next(part for part in g if part is not None)
    parts = []
    for part, n in zip(g, k.even_lengths(input_shape[dim], split_size), strict=True):
        shape = (*input_shape[:dim], n, *input_shape[dim + 1 :])
        parts.append(zeros_of(like, shape) if part is None else part)
    return cat_of(parts, dim)


def _split_sizes_rule(g: Any, input_shape: Any, split_sizes: tuple[int, ...], dim: int) -> Any:
    like = next(part for part in g if part is not None)
    parts = []
    for part, n in zip(g, split_sizes, strict=True):
        shape = (*input_shape[:dim], n, *input_shape[dim + 1 :])
        parts.append(zeros_of(like, shape) if part is None else part)
    return cat_of(parts, dim)


def _unbind_rule(g: Any, dim: int) -> Any:
    like = next(part for part in g if part is not None)
    return stack_of([zeros_of(like, like.shape) if part is None else part for part in g], dim)


split_by: Any = linear(
    "split_by(input | split_size, dim)",
    lambda a, split_size, dim: k.pieces(a, dim, k.even_lengths(a.shape[dim], split_size)),
    node="SplitBackward0",
    public="split",
    nout=0,
    multi_view=True,
    batch="axes",
    input=_split_rule,
)
split_lengths: Any = linear(
    "split_lengths(input | split_sizes, dim)",
    lambda a, split_sizes, dim: k.pieces(a, dim, split_sizes),
    node="SplitWithSizesBackward0",
    public="split_with_sizes",
    nout=0,
    multi_view=True,
    batch="axes",
    input=_split_sizes_rule,
)
unbind_dim: Any = linear(
    "unbind_dim(input | dim)",
    k.slices,
    node="UnbindBackward0",
    public="unbind",
    nout=0,
    multi_view=True,
    batch="axes",
    input=_unbind_rule,
)

# -- functions -------------------------------------------------------------------------------------------


def split(
    tensor: Any, split_size_or_sections: Any = REQUIRED, dim: Any = 0, *, split_size: Any = REQUIRED
) -> tuple[Any, ...]:
    """Sections of a given size (the last may be shorter), or of the sizes in a list.

    Args:
        tensor: tensor of at least one dimension.
        split_size_or_sections: elements per section, or the size of every section.
        dim: the dimension to cut.
        split_size: the name of the second argument in `Tensor.split`.

    Returns:
        views.

    Raises:
        RuntimeError: if the sizes do not add up to the dimension's.

    Example:
        >>> import cotangent as torch
        >>> torch.split(torch.arange(5), [1, 4])
        (tensor([0]), tensor([1, 2, 3, 4]))
    """
    given = split_size if split_size_or_sections is REQUIRED else split_size_or_sections
    if given.__class__ is not int:
        if given is REQUIRED:
            raise TypeError("Tensor.split() missing 1 required positional argument: 'split_size'")
        if isinstance(given, (tuple, list)) or not whole(given):
            return split_with_sizes(tensor, given, dim)
        given = int(given)
    if not is_tensor(tensor):
        raise AttributeError(f"'{type(tensor).__name__}' object has no attribute 'split'")
    n = len(tensor._data.shape)
    if not n:
        raise after_histories(RuntimeError("split expects at least a 1-dimensional tensor"))
    d = check_dim(integer("split", "dim", 2, dim), n)
    if given < 0:
        raise after_histories(
            RuntimeError(f"split expects split_size be non-negative, but got split_size={given}")
        )
    size = tensor._data.shape[d]
    if given == 0 and size:
        raise RuntimeError(
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}"
        )
    return split_by(tensor, given, d)  # type: ignore[no-any-return]


def split_with_sizes(input: Any, split_sizes: Any, dim: Any = 0) -> tuple[Any, ...]:
    """Sections of these sizes.

    Args:
        input: tensor of at least one dimension.
        split_sizes: the size of every section; they add up to the dimension's.
        dim: the dimension to cut.

    Returns:
        views.

    Raises:
        RuntimeError: if the sizes do not add up.

    Example:
        >>> import cotangent as torch
        >>> torch.split_with_sizes(torch.arange(3), [1, 2])
        (tensor([0]), tensor([1, 2]))
    """
    n = rank("split_with_sizes", input)
    lengths = integers("split_with_sizes", "split_sizes", (split_sizes,), 2)
    if not n:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    d = check_dim(integer("split_with_sizes", "dim", 3, dim), n)
    if min(lengths, default=0) < 0:
        raise RuntimeError(
            "split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={list(lengths)}"
        )
    size = input._data.shape[d]
    if sum(lengths) != size:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at "
            f"dimension {d}), but got split_sizes={list(lengths)}"
        )
    return split_lengths(input, lengths, d)  # type: ignore[no-any-return]


def chunk(input: Any, chunks: Any = REQUIRED, dim: Any = 0, **numpy: Any) -> tuple[Any, ...]:
    """At most `chunks` sections of equal size (the last may be shorter).

    Args:
        input: tensor of at least one dimension.
        chunks: how many.
        dim: the dimension to cut.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        views.

    Raises:
        RuntimeError: if `chunks` is not positive.

    Example:
        >>> import cotangent as torch
        >>> torch.chunk(torch.arange(5), 2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if numpy:
        return chunk(
            **renamed("chunk", numpy, input=input, chunks=chunks, dim=dim)
        )
    n = rank("chunk", input)
    count = integer("chunk", "chunks", 1, chunks)
    if not n:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if count <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {count}")
    d = check_dim(integer("chunk", "dim", 2, dim), n)
    size = input._data.shape[d]
    length = -(-size // count)
    if not length:
        return split_lengths(input, (0,) * count, d)  # type: ignore[no-any-return]
    return split_by(input, length, d)  # type: ignore[no-any-return]


@numpy_named
def tensor_split(
    input: Any, indices_or_sections: Any = REQUIRED, dim: int = 0, *, sections: Any = None,
    indices: Any = None, tensor_indices_or_sections: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Sections of almost equal size, or cut before given indices.

    Args:
        input: tensor of at least one dimension.
        indices_or_sections: how many sections, or the indices to cut before (a list, or a tensor of int64).
        dim: the dimension to cut.
        sections: how many, as a keyword.
        indices: the indices, as a keyword.
        tensor_indices_or_sections: the tensor, as a keyword.

    Returns:
        views.

    Raises:
        RuntimeError: if the number of sections is not positive.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor_split(torch.arange(5), 3)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    for keyword in (sections, indices, tensor_indices_or_sections):
        if keyword is not None:
            indices_or_sections = keyword
    n = rank("tensor_split", input)
    if not n:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    d = check_dim(dim, n)
    if is_tensor(indices_or_sections):
        given = indices_or_sections
        if given.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                f"one-dimensional tensor, but got a tensor with {given.ndim} dims"
            )
        if given.dtype is not dtypes.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{dtypes.SCALAR_NAME[given.dtype]}"
            )
        indices_or_sections = given.tolist()
    if isinstance(indices_or_sections, (tuple, list)):
        return _cut(input, integers("tensor_split", "indices", (indices_or_sections,), 2), d)
    if indices_or_sections is REQUIRED or not whole(indices_or_sections):
        no_match(
            "tensor_split", () if indices_or_sections is REQUIRED else (indices_or_sections,),
            "tuple of ints indices, int dim = 0", "Tensor tensor_indices_or_sections, int dim = 0",
            "int sections, int dim = 0",
        )  # fmt: skip
    count = int(indices_or_sections)
    if count <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {count}")
    each, rest = divmod(input._data.shape[d], count)
    ends = [each * (i + 1) + min(i + 1, rest) for i in range(count - 1)]
    return _cut(input, tuple(ends), d)


def _cut(input: Any, ends: tuple[int, ...], d: int) -> tuple[Any, ...]:
    """Sections that end before each of the indices, and the rest."""
    size = input._data.shape[d]
    out, start = [], 0
    for end in (*ends, size):
        first, last, _ = slice(start, end).indices(size)
        out.append(slice_of(input, d, first, max(first, last), 1))
        start = end
    return tuple(out)


def _fixed_split(function: str, input: Any, given: Any, least: int, dim: int) -> tuple[Any, ...]:
    n = rank(function, input)
    if given is REQUIRED:
        missing(function, "indices_or_sections")
    if n < least:
        raise RuntimeError(
            f"torch.{function} requires a tensor with at least {least} dimension, but got a tensor with {n} "
            "dimensions!"
        )
    if isinstance(given, int):
        size = input._data.shape[dim]
        if given == 0 or size % given:
            raise RuntimeError(
                f"torch.{function} attempted to split along dimension {dim}, but the size of the dimension "
                f"{size} is not divisible by the split_size {given}!"
            )
    elif not isinstance(given, (tuple, list)) and not is_tensor(given):
        shown = ("Tensor input, int sections", "Tensor input, tuple of ints indices")
        no_match(function, (input, given), *shown)
    return tensor_split(input, given, dim)


def hsplit(input: Any, indices_or_sections: Any = REQUIRED) -> tuple[Any, ...]:
    """`tensor_split` along the second dimension (of vectors the first), in sections of equal size.

    Args:
        input: tensor of at least one dimension.
        indices_or_sections: how many sections, or the indices to cut before.

    Example:
        >>> import cotangent as torch
        >>> torch.hsplit(torch.arange(4), 2)
        (tensor([0, 1]), tensor([2, 3]))
    """
    return _fixed_split("hsplit", input, indices_or_sections, 1, 0 if rank("hsplit", input) == 1 else 1)


def vsplit(input: Any, indices_or_sections: Any = REQUIRED) -> tuple[Any, ...]:
    """`tensor_split` along the first dimension, in sections of equal size.

    Args:
        input: tensor of at least two dimensions.
        indices_or_sections: how many sections, or the indices to cut before.

    Example:
        >>> import cotangent as torch
        >>> torch.vsplit(torch.ones(4, 2), 2)[0].shape
        torch.Size([2, 2])
    """
    return _fixed_split("vsplit", input, indices_or_sections, 2, 0)


def dsplit(input: Any, indices_or_sections: Any = REQUIRED) -> tuple[Any, ...]:
    """`tensor_split` along the third dimension, in sections of equal size.

    Args:
        input: tensor of at least three dimensions.
        indices_or_sections: how many sections, or the indices to cut before.

    Example:
        >>> import cotangent as torch
        >>> torch.dsplit(torch.ones(1, 2, 4), 2)[0].shape
        torch.Size([1, 2, 2])
    """
    return _fixed_split("dsplit", input, indices_or_sections, 3, 2)


def unbind(input: Any, dim: Any = 0, **numpy: Any) -> tuple[Any, ...]:
    """The elements of a dimension, as tensors without it.

    Args:
        input: tensor of at least one dimension.
        dim: the dimension.
        numpy: NumPy's names of `dim` and `keepdim`.

    Returns:
        views.

    Raises:
        IndexError: if there is no such dimension.

    Example:
        >>> import cotangent as torch
        >>> torch.unbind(torch.tensor([[1, 2], [3, 4]]), 1)
        (tensor([1, 3]), tensor([2, 4]))
    """
    if numpy:
        return unbind(**renamed("unbind", numpy, input=input, dim=dim))
    n = rank("unbind", input)
    wanted = integer("unbind", "dim", 2, dim)
    d = check_dim(wanted, n)
    if not n:
        raise IndexError(f"Dimension specified as {wanted} but tensor has no dimensions")
    return unbind_dim(input, d)  # type: ignore[no-any-return]


def iterate(input: Any) -> Iterator[Any]:
    """Iterate over the elements of the first dimension."""
    if not input._data.shape:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind_dim(input, 0))


def contains(input: Any, element: Any) -> bool:
    """Whether any element equals `element` (or one of its elements, if that is a tensor)."""
    if is_tensor(element) or isinstance(element, (int, float, complex)):
        return bool((element == input).any().item())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


METHODS: Final = (
    "split", "split_with_sizes", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "unbind",
)  # fmt: skip
FUNCTIONS: Final = METHODS
DUNDERS: Final = {"__iter__": "iterate", "__contains__": "contains"}
