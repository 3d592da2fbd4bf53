"""`torch.sparse_csr_tensor` and its kin: compressed sparse tensors of their parts."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .creation import as_tensor, tensor
from .dtypes import INTEGRAL, SCALAR_NAME, dtype as _dtype
from .kernels.compressed import LAYOUTS
from .ops.arguments import integers
from .ops.compressed import compressed_of, warn_beta
from .ops.sparse import check_place, told_unchecked
from .ops.table import is_tensor
from .size import COMPRESSED

__all__ = [
    "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor", "sparse_csc_tensor",
    "sparse_csr_tensor",
]  # fmt: skip

_SORTED: Final = (
    "`{plain}[..., {compressed}[..., i - 1]:{compressed}[..., i]] for all i = 1, ..., {n} are sorted and "
    "distinct "
    "along the last dimension values` is not satisfied."
)


def _indices(value: Any) -> Any:
    return as_tensor(value).detach()


def _fail(what: str) -> None:
    raise RuntimeError(f"`{what}` is not satisfied.")


def _check(layout: str, compressed: Any, plain: Any, values: Any, shape: tuple[int, ...]) -> None:
    """Refuse parts that do not fit each other, with PyTorch's texts."""
    by_rows, blocked, _ = LAYOUTS[layout]
    names = ("crow_indices", "col_indices") if by_rows else ("ccol_indices", "row_indices")
    if compressed.ndim != plain.ndim:
        raise RuntimeError(
            f"{names[0]} and {names[1]} dimensionalities must be equal but got {compressed.ndim} and "
            f"{plain.ndim}, "
            "respectively"
        )
    if compressed.ndim < 1:
        raise RuntimeError(f"{names[0]} must have dimensionality >= 1 but got 0")
    batch, block = compressed.ndim - 1, 2 if blocked else 0
    dense = values.ndim - batch - 1 - block
    if dense < 0:
        raise RuntimeError(
            f"values must have dimensionality > sum of batch and block dimensionalities (={batch} + "
            f"{block}) but got "
            f"{values.ndim}"
        )
    if len(shape) != batch + 2 + dense:
        raise RuntimeError(
            "tensor dimensionality must be sum of batch, base, and dense dimensionalities "
            f"(={batch} + 2 + {dense}) but got {len(shape)}"
        )
    for t in (compressed, plain, values):
        if tuple(t.shape[:batch]) != shape[:batch]:
            raise RuntimeError(
                f"all batch dimensions of {names[0]} (={list(compressed.shape[:batch])}), {names[1]} "
                f"(={list(plain.shape[:batch])}), and values (={list(values.shape[:batch])}) must be "
                f"equal to tensor "
                f"batch dimensions (={list(shape[:batch])})"
            )
    if tuple(values.shape[batch + 1 + block :]) != shape[batch + 2 :]:
        raise RuntimeError(
            f"values.shape[{batch + 1 + block}:] must be equal to the tensor's dense sizes "
            f"(={list(shape[batch + 2 :])})"
            f", but got {list(values.shape[batch + 1 + block :])}"
        )
    count = values.shape[batch]
    if plain.shape[-1] != count:
        raise RuntimeError(
            f"{names[1]}.shape[-1] must be equal to nnz (={count}) as defined by values.shape[{batch}], "
            f"but got "
            f"{plain.shape[-1]}"
        )
    sizes = tuple(values.shape[batch + 1 : batch + 3]) if blocked else (1, 1)
    if blocked:
        for size, step, name in zip(shape[batch : batch + 2], sizes, ("row", "column"), strict=True):
            if step < 1 or size % step:
                raise RuntimeError(
                    f"tensor.shape[{batch + (name == 'column')}] (={size}) must be divisible with blocksize"
                    f"[{int(name == 'column')}] (={step}) as defined by values shape"
                )
    rows, columns = (s // b for s, b in zip(shape[batch : batch + 2], sizes, strict=True))
    major, minor = (rows, columns) if by_rows else (columns, rows)
    if compressed.shape[-1] != major + 1:
        what = f"number of {'row' if by_rows else 'column'}{' block' if blocked else ''}s + 1 (={major + 1})"
        raise RuntimeError(
            f"{names[0]}.shape[-1] must be equal to the {what}, but got {compressed.shape[-1]}"
        )
    if compressed.dtype is not plain.dtype:
        raise RuntimeError(
            f"{names[0]} and {names[1]} must have the same dtype, bot got "
            f"{SCALAR_NAME[compressed.dtype]} and "
            f"{SCALAR_NAME[plain.dtype]}, respectively"
        )
    if compressed.dtype.category != INTEGRAL or compressed.dtype.itemsize < 4:
        raise RuntimeError(
            f"{names[0]} and {names[1]} must be an int32 or int64 type, but got "
            f"{SCALAR_NAME[compressed.dtype]}"
        )
    _check_numbers(names, "ncols" if by_rows else "nrows", compressed._data, plain._data, major, minor)


def _check_numbers(
    names: tuple[str, str], size_name: str, compressed: Any, plain: Any, major: int, minor: int
) -> None:
    examples = math.prod(compressed.shape[:-1])
    starts, places = compressed.reshape(examples, major + 1), plain.reshape(examples, plain.shape[-1])
    lines = "nrows" if size_name == "ncols" else "ncols"
    for begins, at in zip(starts, places, strict=True):
        if len(begins) and begins[0] != 0:
            _fail(f"{names[0]}[..., 0] == 0")
        if len(begins) and begins[-1] != len(at):
            _fail(f"{names[0]}[..., -1] == nnz")
        steps = np.diff(begins)
        if len(at) and (at.min() < 0 or at.max() >= minor):
            _fail(f"0 <= {names[1]} < {size_name}")
        if len(steps) and (steps.min() < 0 or steps.max() > minor):
            _fail(f"0 <= {names[0]}[..., 1:] - {names[0]}[..., :-1] <= {size_name}")
        rising = np.diff(at) > 0
        inner = begins[1:-1]
        rising[inner[(inner > 0) & (inner < len(at))] - 1] = True
        if not rising.all():
            raise RuntimeError(_SORTED.format(plain=names[1], compressed=names[0], n=lines))


def sparse_compressed_tensor(
    compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, *,
    dtype: _dtype | None = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, check_invariants: bool | None = None,
) -> Any:  # fmt: skip
    """A compressed sparse tensor of its parts; gradients pass to the values.

    Args:
        compressed_indices: (batch..., rows + 1), where the values of each row (or column) begin.
        plain_indices: (batch..., count), the column (or row) of each value.
        values: (batch..., count, block..., dense...).
        size: the shape; by default the smallest that holds all.
        dtype: dtype of the values.
        layout: `torch.sparse_csr`, `torch.sparse_csc`, `torch.sparse_bsr` or `torch.sparse_bsc`.
        device: "cpu" or None.
        pin_memory: accepted for PyTorch's sake.
        requires_grad: whether the tensor is a leaf that collects a gradient.
        check_invariants: the parts are checked in any case; naming a choice silences a warning.

    Returns:
        sparse tensor.

    Raises:
        RuntimeError: for parts that do not fit each other.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> with warnings.catch_warnings(action="ignore"):
        ...     torch.sparse_compressed_tensor([0, 1, 2], [1, 0], [3.0, 4.0], layout=torch.sparse_csr)
        tensor(crow_indices=tensor([0, 1, 2]),
               col_indices=tensor([1, 0]),
               values=tensor([3., 4.]), size=(2, 2), nnz=2, layout=torch.sparse_csr)
    """
    wanted = repr(layout)
    if wanted not in LAYOUTS:
        got = "none" if layout is None else layout.kind
        raise RuntimeError(f"sparse_compressed_tensor expected sparse compressed tensor layout but got {got}")
    warn_beta()
    told_unchecked(check_invariants)
    check_place(device)
    compressed, plain = _indices(compressed_indices), _indices(plain_indices)
    given = values if is_tensor(values) else tensor(values)
    if dtype is not None:
        given = given.to(dtype)
    by_rows, blocked, _ = LAYOUTS[wanted]
    if size is None:
        batch = compressed.ndim - 1
        sizes = tuple(given.shape[batch + 1 : batch + 3]) if blocked else (1, 1)
        major = compressed.shape[-1] - 1
        minor = int(plain._data.max()) + 1 if plain.numel() else 0
        pair = (major, minor) if by_rows else (minor, major)
        shape = (
            *compressed.shape[:batch],
            *(n * b for n, b in zip(pair, sizes, strict=True)),
            *given.shape[batch + 1 + (2 if blocked else 0) :],
        )
    else:
        shape = integers("sparse_compressed_tensor", "size", (size,))
    _check(wanted, compressed, plain, given, shape)
    made = compressed_of(compressed, plain, given, shape, wanted)
    return made.detach().requires_grad_() if requires_grad else made


def _validate_sparse_compressed_tensor_args(
    compressed_indices: Any, plain_indices: Any, values: Any, size: Any, layout: Any, *_: Any
) -> None:
    """Refuse parts of a compressed tensor that do not fit each other."""
    shape = integers("_validate_sparse_compressed_tensor_args", "size", (size,))
    _check(repr(layout), compressed_indices, plain_indices, values, shape)


def _validator(kind: str) -> Any:
    def validate(compressed_indices: Any, plain_indices: Any, values: Any, size: Any, *_: Any) -> None:
        layout = COMPRESSED[f"torch.sparse_{kind}"]
        _validate_sparse_compressed_tensor_args(compressed_indices, plain_indices, values, size, layout)

    return validate


def _constructor(kind: str, first: str, second: str) -> Any:
    layout = f"torch.sparse_{kind}"

    def make(
        compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, **options: Any
    ) -> Any:
        return sparse_compressed_tensor(
            compressed_indices, plain_indices, values, size, layout=COMPRESSED[layout], **options
        )

    def named(*args: Any, **options: Any) -> Any:
        given = dict(zip(("compressed_indices", "plain_indices", "values", "size"), args, strict=False))
        for name, inner in ((first, "compressed_indices"), (second, "plain_indices")):
            if name in options:
                given[inner] = options.pop(name)
        options.pop("layout", None)
        return make(**given, **options)

    named.__name__ = named.__qualname__ = f"sparse_{kind}_tensor"
    named.__doc__ = (
        f"`sparse_compressed_tensor` in the layout `{layout}`, of {first}, {second}, values and size."
    )
    return named


sparse_csr_tensor = _constructor("csr", "crow_indices", "col_indices")
sparse_csc_tensor = _constructor("csc", "ccol_indices", "row_indices")
sparse_bsr_tensor = _constructor("bsr", "crow_indices", "col_indices")
sparse_bsc_tensor = _constructor("bsc", "ccol_indices", "row_indices")
for _kind in ("csr", "csc", "bsr", "bsc"):
    globals()[f"_validate_sparse_{_kind}_tensor_args"] = _validator(_kind)
