"""What the functions of `torch.nn.attention` ask of queries, keys and values."""

from __future__ import annotations

from typing import Any


def check_operands(query: Any, key: Any, value: Any, mixed: bool = False) -> None:
    """Refuse operands that do not fit each other.

    Args:
        query, key, value: the tensors.
        mixed: whether their dtypes may differ.

    Raises:
        ValueError: with PyTorch's text.
    """
    if not mixed and not query.dtype is key.dtype is value.dtype:
        raise ValueError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {query.dtype}, "
            f"key.dtype: {key.dtype}, and value.dtype: {value.dtype} instead."
        )
    if query.device != key.device or query.device != value.device:
        raise ValueError(
            "Expected query, key, and value to have the same device type, but got query.device: "
            f"{query.device}, key.device: {key.device}, and value.device: {value.device} instead."
        )
    if min(query.dim(), key.dim(), value.dim()) < 2:
        raise ValueError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.dim()}, key.dim: {key.dim()} and value.dim: {value.dim()} instead."
        )


def check_heads(queries: int, keys: int, enable_gqa: bool) -> None:
    """Refuse numbers of heads that do not fit each other.

    Args:
        queries: heads of the queries.
        keys: heads of the keys and values.
        enable_gqa: whether a head of the keys may serve several of the queries.

    Raises:
        ValueError: with PyTorch's text.
    """
    if not enable_gqa and queries != keys:
        raise ValueError(
            "Expect query and key/value to have the same number of heads but got "
            f"Hq={queries} and Hkv={keys}. Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and queries % keys:
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={queries} and Hkv={keys}."
        )
