"""Masks of attention that say that it is causal: `torch.nn.attention.bias`."""

from __future__ import annotations

import warnings
from enum import IntEnum
from typing import Any

from ...dtypes import bool_
from ...functions import ones, tril
from ...tensor import Tensor
from ..functional import scaled_dot_product_attention
from ._checks import check_operands

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """Where the diagonal of a causal mask begins if there are more keys than queries, or fewer.

    `UPPER_LEFT`: at the first query and key. `LOWER_RIGHT`: it ends at the last query and key.
    """

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(Tensor):
    """A causal mask for `scaled_dot_product_attention`, which is told and not written out.

    Args:
        variant: where the diagonal lies.
        seq_len_q: number of queries.
        seq_len_kv: number of keys.

    Raises:
        AssertionError: if `variant` is no `CausalVariant`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.attention.bias import causal_lower_right
        >>> causal_lower_right(2, 3)
        tensor([[ True,  True, False],
                [ True,  True,  True]])
        >>> q, v = torch.zeros(1, 2, 4), torch.arange(12.0).reshape(1, 3, 4)
        >>> torch.nn.functional.scaled_dot_product_attention(q, v, v, causal_lower_right(2, 3))
        tensor([[[2., 3., 4., 5.],
                 [4., 5., 6., 7.]]])
    """

    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        super().__init__()
        self.variant = variant
        self.seq_len_q = seq_len_q
        self.seq_len_kv = seq_len_kv
        if seq_len_q > seq_len_kv and variant is CausalVariant.LOWER_RIGHT:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when seq_len_q > seq_len_kv!",
                stacklevel=2,
            )

    def _materialize(self, device: Any = None) -> Tensor:
        """The mask as booleans, (seq_len_q, seq_len_kv)."""
        shift = self.seq_len_kv - self.seq_len_q if self.variant is CausalVariant.LOWER_RIGHT else 0
        made: Tensor = tril(ones(self.seq_len_q, self.seq_len_kv, dtype=bool_), shift)
        return made

    @staticmethod
    def _dispatch(
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Any:
        """The attention under this mask; arguments as of `scaled_dot_product_attention`."""
        if is_causal:
            raise ValueError("CausalBias should not be used with causal=True")
        square = attn_mask.seq_len_q == attn_mask.seq_len_kv
        if square or attn_mask.variant is CausalVariant.UPPER_LEFT:
            return scaled_dot_product_attention(
                query, key, value, None, dropout_p, True, scale=scale, enable_gqa=enable_gqa
            )
        if attn_mask.variant is not CausalVariant.LOWER_RIGHT:
            raise ValueError(
                f"CausalBias.variant must be a CausalVariant type, but found: {attn_mask.variant}"
            )
        check_operands(query, key, value)
        mask = attn_mask._materialize()
        return scaled_dot_product_attention(
            query, key, value, mask, dropout_p, False, scale=scale, enable_gqa=enable_gqa
        )

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Takes over `scaled_dot_product_attention`; everything else is done as for any tensor."""
        if func is scaled_dot_product_attention:
            return cls._dispatch(*args, **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs)

    def __repr__(self) -> str:  # type: ignore[override]
        return repr(self._materialize())


def _sizes(name: str, size: tuple[int, ...]) -> tuple[int, int]:
    if len(size) != 2:
        raise AssertionError(f"{name} only supports 2D tensors")
    return size[0], size[1]


def causal_upper_left(*size: int) -> CausalBias:
    """A causal mask whose diagonal begins at the first query and key.

    Args:
        size: numbers of queries and keys.

    Raises:
        AssertionError: for another number of sizes.

    Example:
        >>> from cotangent.nn.attention.bias import causal_upper_left
        >>> causal_upper_left(2, 3)
        tensor([[ True, False, False],
                [ True,  True, False]])
    """
    return CausalBias(CausalVariant.UPPER_LEFT, *_sizes("causal_upper_left", size))


def causal_lower_right(*size: int) -> CausalBias:
    """A causal mask whose diagonal ends at the last query and key.

    Args:
        size: numbers of queries and keys.

    Raises:
        AssertionError: for another number of sizes.

    Example:
        >>> from cotangent.nn.attention.bias import causal_lower_right
        >>> causal_lower_right(2, 3)
        tensor([[ True,  True, False],
                [ True,  True,  True]])
    """
    return CausalBias(CausalVariant.LOWER_RIGHT, *_sizes("causal_lower_right", size))
