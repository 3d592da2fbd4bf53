"""Attention over sequences of several lengths behind each other: `torch.nn.attention.varlen`.

PyTorch computes it on GPUs only; what it says on the CPU is what is said here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...uncommon import no_backend
from ._checks import check_heads

__all__ = ["AuxRequest", "varlen_attn", "varlen_attn_out"]


class AuxRequest(NamedTuple):
    """What `varlen_attn` shall return beside the attention: the logarithm of its denominators."""

    lse: bool = False


def _check(query: Any, key: Any, window_size: Any, enable_gqa: bool, block_table: Any) -> None:
    check_heads(query.size(1), key.size(1 if block_table is None else 2), enable_gqa)
    if len(window_size) != 2:
        raise ValueError(f"window_size must have length 2, got {len(window_size)}")


def varlen_attn(
    query: Any,
    key: Any,
    value: Any,
    cu_seq_q: Any,
    cu_seq_k: Any,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Any = None,
    block_table: Any = None,
    num_splits: int | None = None,
) -> Any:
    """Attention within each of several sequences; PyTorch has it on GPUs only.

    Args:
        query: (all queries, heads, features).
        key: (all keys, heads, features).
        value: as `key`.
        cu_seq_q: where each sequence of queries begins, and the end.
        cu_seq_k: the same for the keys.
        max_q: length of the longest sequence of queries.
        max_k: the same for the keys.
        return_aux: what to return beside the attention.
        scale: factor of the scores.
        window_size: how far a query sees to the left and right; -1 is any distance.
        enable_gqa: whether a head of the keys may serve several of the queries.
        seqused_k: how many keys of each sequence count.
        block_table: where pages of keys lie.
        num_splits: into how many parts the keys are split.

    Raises:
        ValueError: for heads that do not fit.
        NotImplementedError: always, with PyTorch's text for the CPU. `flex_attention`, or attention of nested
            tensors, does the same there.
    """
    _check(query, key, window_size, enable_gqa, block_table)
    raise no_backend("_flash_attention_forward")


def varlen_attn_out(
    out: Any,
    query: Any,
    key: Any,
    value: Any,
    cu_seq_q: Any,
    cu_seq_k: Any,
    max_q: int,
    max_k: int,
    *,
    return_aux: AuxRequest | None = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: Any = None,
    block_table: Any = None,
    num_splits: int | None = None,
) -> Any:
    """`varlen_attn`, written into `out`; PyTorch has it on GPUs only.

    Args:
        out: as `query`; the others as for `varlen_attn`.

    Raises:
        ValueError: for heads that do not fit.
        NotImplementedError: always, with PyTorch's text for the CPU.
    """
    _check(query, key, window_size, enable_gqa, block_table)
    raise no_backend("_flash_attention_forward_no_dropout_inplace")
