"""Compressed sparse tensors (CSR, CSC, BSR, BSC): from dense ones and coordinates and back; their parts."""

from __future__ import annotations

import math
from typing import Any, Final

from ..config import warn_once
from ..kernels import compressed as k
from .arguments import integers
from .sparse import coordinates_of, is_sparse, masked_of, raw_at_of, to_coordinates, to_dense_of
from .table import constant, linear

Compressed: Final = k.Compressed
BETA: Final = (
    "Sparse CSR tensor support is in beta state. If you miss a functionality in the sparse tensor "
    "support, please "
    "submit a feature request to https://github.com/pytorch/pytorch/issues."
)

# From dense ones, named as PyTorch names the nodes.
_FROM_DENSE: Final[dict[str, Any]] = {
    layout: linear(
        f"compressed_{kind}(input | layout, blocksize, batch)",
        k.compress,
        node=f"ToSparse{kind.capitalize()}Backward0",
        public=f"to_sparse_{kind}",
        input=lambda g: to_dense_of(g),
    )
    for layout in k.LAYOUTS
    for kind in (layout.rpartition("_")[2],)
}
dense_compressed_of: Any = linear(
    "dense_compressed_of(input | layout, blocksize, batch)",
    k.compress,
    node="ToSparseBackward1",
    public="to_sparse",
    input=lambda g: to_dense_of(g),
)
recompressed_of: Any = linear(
    "recompressed_of(input | layout, blocksize, batch)",
    k.compress,
    node="ToSparseBackward1",
    public="to_sparse",
    input=lambda g, input: masked_of(g, input, False),
)
compressed_of: Any = linear(
    "compressed_of(compressed, plain, values | shape, layout)",
    k.make,
    node="SparseCompressedTensorBackward0",
    public="sparse_compressed_tensor",
    values=lambda g, compressed, plain, values, shape, layout: raw_at_of(
        g, compressed_of(compressed, plain, values, shape, layout)
    ),
)


def _parts(name: str, input: Any, by_rows: bool) -> Any:
    """The payload of a tensor whose rows (or columns) are compressed."""
    data = input._data
    if not isinstance(data, Compressed) or k.LAYOUTS[data.layout][0] is not by_rows:
        which = "row" if by_rows else "column"
        raise RuntimeError(
            f"{name} expected sparse {which} compressed tensor layout but got {input.layout.kind}"
        )
    return data


def crow_indices(input: Any) -> Any:
    """Where the values of each row begin.

    Args:
        input: tensor in the layout CSR or BSR.

    Returns:
        (batch..., rows + 1), integers.

    Raises:
        RuntimeError: for another layout.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> with warnings.catch_warnings(action="ignore"):
        ...     x = torch.sparse_csr_tensor([0, 1, 3], [1, 0, 1], [1.0, 2.0, 3.0], (2, 2))
        >>> x.crow_indices()
        tensor([0, 1, 3])
    """
    return constant(_parts("crow_indices", input, True).compressed)


def col_indices(input: Any) -> Any:
    """The column of each value.

    Args:
        input: tensor in the layout CSR or BSR.

    Returns:
        (batch..., number of values), integers.

    Raises:
        RuntimeError: for another layout.
    """
    return constant(_parts("col_indices", input, True).plain)


def ccol_indices(input: Any) -> Any:
    """Where the values of each column begin.

    Args:
        input: tensor in the layout CSC or BSC.

    Returns:
        (batch..., columns + 1), integers.

    Raises:
        RuntimeError: for another layout.
    """
    return constant(_parts("ccol_indices", input, False).compressed)


def row_indices(input: Any) -> Any:
    """The row of each value.

    Args:
        input: tensor in the layout CSC or BSC.

    Returns:
        (batch..., number of values), integers.

    Raises:
        RuntimeError: for another layout.
    """
    return constant(_parts("row_indices", input, False).plain)


def _copied(function: Any) -> Any:
    def copy(input: Any, *, out: Any = None) -> Any:
        found = function(input).clone()
        return found if out is None else out.resize_(found.shape).copy_(found)

    copy.__name__ = copy.__qualname__ = f"{function.__name__}_copy"
    copy.__doc__ = f"A copy of what `{function.__name__}` gives."
    return copy


crow_indices_copy, col_indices_copy = _copied(crow_indices), _copied(col_indices)
ccol_indices_copy, row_indices_copy = _copied(ccol_indices), _copied(row_indices)


def compress(input: Any, layout: str, blocksize: Any, dense_dim: int | None, plain_name: bool = False) -> Any:
    """A tensor in a compressed layout.

    Args:
        input: dense or sparse tensor.
        layout: name of the layout.
        blocksize: sizes of a block, for the layouts that have them.
        dense_dim: how many trailing dimensions are dense.
        plain_name: whether the node is called as that of `to_sparse`.

    Returns:
        sparse tensor.

    Raises:
        RuntimeError: for sizes that do not fit.
    """
    warn_beta()
    blocked = k.LAYOUTS[layout][1]
    kind = layout.rpartition("_")[2]
    block: tuple[int, ...] = ()
    data = input._data
    if isinstance(data, Compressed):
        source, batch = "sparse_compressed", data.batch
        pair = (blocksize, blocksize) if isinstance(blocksize, int) else blocksize
        _check_conversion(data, layout, pair, "" if plain_name else f"_{kind}")
    elif is_sparse(input):
        source, batch = "sparse_coo", data.sparse_dim - 2
        if batch:
            raise RuntimeError(
                f"sparse_coo_to_sparse_{kind}: conversion from Sparse to "
                f"{layout.title().rpartition('.')[2]} for "
                f"input tensors with sparse_dim()!=2 is not supported, got sparse_dim()={data.sparse_dim}"
            )
    else:
        source, batch = "dense", input.ndim - 2 - (dense_dim or 0)
        if batch < 0:
            raise RuntimeError(
                f"to_sparse_{kind}: expected at least two dimensions beside {dense_dim or 0} dense ones, got "
                f"{input.ndim}"
            )
        if batch and not math.prod(input.shape[:batch]):
            raise RuntimeError(
                f"to_sparse_{kind}: Expected product of batch dimensions to be non-zero."
            )
    if blocked:
        block = integers(f"to_sparse_{kind}", "blocksize", (blocksize,)) if blocksize is not None else ()
        block *= 2 if isinstance(blocksize, int) else 1
        if len(block) != 2:
            raise RuntimeError(f"to_sparse_{kind}: blocksize needs two sizes, got {blocksize}")
        rows, columns = input.shape[batch : batch + 2]
        if min(block) < 1 or rows % block[0] or columns % block[1]:
            short = source.removeprefix("sparse_")
            name = f"{source}_to_sparse" if plain_name else f"{short}_to_sparse_{kind}"
            raise RuntimeError(
                f"{name}: tensor sparse size ({rows},{columns}) must be divisible by given blocksize "
                f"({block[0]},{block[1]})"
            )
    elif blocksize is not None:
        name = "dense_to_sparse" if source == "dense" else "to_sparse"
        have = "Strided" if source == "dense" else _title(repr(input.layout)).removesuffix("Coo")
        raise RuntimeError(
            f"{name}: conversion from {have} to {_title(layout)} with blocksize argument given is not "
            "supported"
        )
    if source != "dense":
        same = isinstance(data, Compressed) and data.layout == layout and data.blocksize == block
        return input if same else recompressed_of(input, layout, block, batch)
    if plain_name:
        return dense_compressed_of(input, layout, block, batch)
    return _FROM_DENSE[layout](input, layout, block, batch)


def _check_conversion(data: Any, layout: str, blocksize: Any, kind: str) -> None:
    """Refuse the conversions from one compressed layout into another that PyTorch does not have."""
    have, wanted = _title(data.layout), _title(layout)
    if not k.LAYOUTS[layout][1]:
        if data.blocksize:
            name = f"sparse_compressed_to_{layout.rpartition('.')[2]}"
            raise RuntimeError(f"{name}: expected SparseCsr or SparseCsc layout but got {have}")
        return
    if not data.blocksize:
        if data.batch:
            raise RuntimeError(
                f"sparse_compressed_to_sparse{kind}: conversion from {have} to {wanted} for batched inputs "
                "is not supported"
            )
        return
    if blocksize is not None and tuple(blocksize) != data.blocksize:
        name = "to_sparse" if data.layout == layout else "sparse_compressed_to_sparse"
        raise RuntimeError(
            f"{name}{kind}: conversion from {have} to {wanted} with blocksize changed from "
            f"{list(data.blocksize)} to {list(blocksize)} is not supported"
        )


def _title(layout: str) -> str:
    """PyTorch's other name of a layout: "SparseCsr"."""
    return layout.rpartition(".")[2].title().replace("_", "")


def warn_beta() -> None:
    """PyTorch's warning about such layouts, once."""
    warn_once(BETA, 4)


def to_sparse(
    input: Any,
    sparse_dim: Any = None,
    *,
    layout: Any = None,
    blocksize: Any = None,
    dense_dim: int | None = None,
) -> Any:
    """A tensor as a sparse one; of a dense one what is not zero is stored.

    Args:
        input: any tensor.
        sparse_dim: how many leading dimensions are sparse, for `torch.sparse_coo`; all by default.
        layout: `torch.sparse_coo` (the default) or a compressed one.
        blocksize: sizes of a block, for `torch.sparse_bsr` and `torch.sparse_bsc`.
        dense_dim: how many trailing dimensions are dense, for compressed layouts.

    Returns:
        sparse tensor.

    Raises:
        RuntimeError: for options that do not go with the layout.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([[0.0, 5.0]]).to_sparse().indices()
        tensor([[0],
                [1]])
    """
    wanted = repr(layout)
    if wanted in k.LAYOUTS:
        return compress(input, wanted, blocksize, dense_dim, plain_name=True)
    if wanted == "torch.strided":
        return input.to_dense()
    if wanted not in ("None", "torch.sparse_coo"):
        raise RuntimeError(
            f"to_sparse: unexpected layout {wanted}; accepted: torch.sparse_coo, torch.sparse_csr, ..."
        )
    if blocksize is not None or (dense_dim is not None and is_sparse(input)):
        if isinstance(input._data, Compressed):
            name, have = "sparse_compressed_to_sparse", _title(input._data.layout)
        else:
            name, have = ("to_sparse", "Sparse") if is_sparse(input) else ("dense_to_sparse", "Strided")
        given = "dense_dim" if blocksize is None else "blocksize"
        raise RuntimeError(
            f"{name}: conversion from {have} to Sparse with {given} argument given is not supported"
        )
    if dense_dim is not None:
        if not 0 <= dense_dim <= input.ndim:
            raise RuntimeError(
                f"dense_to_sparse: dense_dim argument must be in [0,{input.ndim}] range, but {dense_dim} is "
                "given"
            )
        if dense_dim == input.ndim > 0:
            raise RuntimeError("dense_to_sparse: dense_dim argument must be !=self.dim() when self.dim()>0")
        sparse_dim = input.ndim - dense_dim
    if isinstance(input._data, Compressed):
        if sparse_dim not in (None, 2):
            raise RuntimeError(
                f"sparse_compressed_to_sparse: conversion from {_title(input._data.layout)} to Sparse with "
                "sparse_dim argument !=2 is not supported"
            )
        return coordinates_of(input)
    return to_coordinates(input, sparse_dim)


def to_sparse_coo(input: Any) -> Any:
    """`to_sparse`.

    Args:
        input: any tensor.
    """
    return to_sparse(input)


def to_sparse_csr(input: Any, dense_dim: int | None = None) -> Any:
    """The tensor row by row: only what is not zero, with its columns.

    Args:
        input: (batch..., rows, columns, dense...), dense or sparse.
        dense_dim: how many dense dimensions there are.

    Returns:
        sparse tensor.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> with warnings.catch_warnings(action="ignore"):
        ...     x = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).to_sparse_csr()
        >>> x.crow_indices(), x.values()
        (tensor([0, 1, 3]), tensor([1., 2., 3.]))
    """
    return compress(input, "torch.sparse_csr", None, dense_dim)


def to_sparse_csc(input: Any, dense_dim: int | None = None) -> Any:
    """The tensor column by column: only what is not zero, with its rows.

    Args:
        input: (batch..., rows, columns, dense...), dense or sparse.
        dense_dim: how many dense dimensions there are.

    Returns:
        sparse tensor.
    """
    return compress(input, "torch.sparse_csc", None, dense_dim)


def to_sparse_bsr(input: Any, blocksize: Any, dense_dim: int | None = None) -> Any:
    """The tensor in blocks, row by row: only blocks that are not all zero.

    Args:
        input: (batch..., rows, columns, dense...), dense or sparse.
        blocksize: rows and columns of a block.
        dense_dim: how many dense dimensions there are.

    Returns:
        sparse tensor.
    """
    return compress(input, "torch.sparse_bsr", blocksize, dense_dim)


def to_sparse_bsc(input: Any, blocksize: Any, dense_dim: int | None = None) -> Any:
    """The tensor in blocks, column by column: only blocks that are not all zero.

    Args:
        input: (batch..., rows, columns, dense...), dense or sparse.
        blocksize: rows and columns of a block.
        dense_dim: how many dense dimensions there are.

    Returns:
        sparse tensor.
    """
    return compress(input, "torch.sparse_bsc", blocksize, dense_dim)
