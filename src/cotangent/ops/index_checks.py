"""What PyTorch refuses of index tensors, keys and values that are copied."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import is_array


def check_place(key: Any) -> None:
    """Raise PyTorch's error for an integer or a slice as the key of a 0-d tensor."""
    if key.__class__ is slice:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if key.__class__ is int and key:
        raise IndexError(f"index {key} is out of bounds for dimension 0 with size 0")
    if key.__class__ is int:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
            "convert a 0-dim tensor to a number"
        )


def check_indices(x: Any, indices: list[Any], dims: list[int]) -> None:
    shapes = [tuple(i.shape) for i in indices]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise IndexError(
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(list(s)) for s in shapes)
        ) from None
    if any(not x.shape[d] for d in dims) and all(t.numel() for t in indices):
        raise IndexError("index is out of bounds for dimension with size 0")
    for number, (t, d) in enumerate(zip(indices, dims, strict=True)):
        data = t._data
        if not is_array(data) or not data.size:
            continue
        n = x.shape[d]
        low, high = int(data.min()), int(data.max())
        if low < -n or high >= n:
            raise IndexError(
                f"index {low if low < -n else high} is out of bounds for dimension {number} with size {n}"
            )


def check_fits(shape: tuple[int, ...], have: tuple[int, ...]) -> None:
    """Raise PyTorch's error unless a tensor of shape `have` broadcasts to `shape`."""
    for d in range(-1, -min(len(shape), len(have)) - 1, -1):
        if have[d] not in (1, shape[d]) and shape[d] != 1:
            raise RuntimeError(
                f"The size of tensor a ({shape[d]}) must match the size of tensor b ({have[d]}) at "
                "non-singleton "
                f"dimension {max(len(shape), len(have)) + d}"
            )
    common = np.broadcast_shapes(shape, have)
    if common != shape:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape {list(common)}"
        )
