"""Choices among tensors with masks, and their other layouts, each with its own way for gradients."""

from __future__ import annotations

from typing import Any

from ...autograd.function import Function, forward_and_context
from ...ops.select import where
from ...overriding import DisableTorchFunctionSubclass
from ...size import sparse_coo, strided
from .core import MaskedTensor
from .level import MASKED

__all__: list[str] = []


def _chosen(condition: Any, input: Any, other: Any) -> Any:
    """The level's own choice, past what MaskedTensor does with `torch.where`."""
    with DisableTorchFunctionSubclass():
        return where(condition, input, other)


class _MaskedWhere(Function):
    """A choice; what was not chosen has a hidden gradient."""

    @staticmethod
    def forward(ctx: Any, condition: Any, input: Any, other: Any) -> Any:
        ctx.save_for_backward(condition)
        return _chosen(condition, input, other)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (condition,) = ctx.saved_tensors
        hidden = MASKED.made(g._data.data, g._data.mask & False)
        return None, _chosen(condition, g, hidden), _chosen(condition, hidden, g)


class _Relaid(Function):
    """A MaskedTensor in another layout."""

    @staticmethod
    def forward(ctx: Any, input: Any, data: Any, mask: Any) -> Any:
        ctx.back = input.layout
        return MASKED.made(data, mask)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        if ctx.back is strided:
            back = _to_dense(g)
        else:
            back = _to_sparse(g) if ctx.back is sparse_coo else _to_sparse_csr(g)
        return back, None, None


def _relaid(input: Any, data: Any, mask: Any) -> Any:
    return forward_and_context(_Relaid, (input, data, mask), {})[0]


def _where(*args: Any, **kwargs: Any) -> Any:
    prefix = "__torch_function__, torch.where"
    if len(args) != 3:
        raise ValueError(f"{prefix}: len(args) must be 3 but got {len(args)}")
    if kwargs:
        raise ValueError(f"{prefix}: len(kwargs) must be 0 but got {len(kwargs)}")
    return forward_and_context(_MaskedWhere, args, {})[0]


def _to_dense(input: Any, *args: Any, **kwargs: Any) -> Any:
    shown = input._data
    if shown.data.layout is strided:
        return input
    return _relaid(input, shown.data.to_dense(), shown.mask.to_dense())


def _to_sparse(input: Any, *args: Any, **kwargs: Any) -> Any:
    shown = input._data
    if shown.data.layout is sparse_coo:
        return input
    mask = shown.mask.to_dense().to_sparse().coalesce()
    return _relaid(input, shown.data.to_dense().sparse_mask(mask), mask)


def _to_sparse_csr(input: Any, *args: Any, **kwargs: Any) -> Any:
    shown = input._data
    if shown.ndim != 2:
        raise ValueError(
            f"Only 2D tensors can be converted to the SparseCsr layout but got shape: {shown.data.size()}"
        )
    if input.is_sparse_csr():
        return input
    mask = shown.mask.to_dense().to_sparse_csr()
    return _relaid(input, shown.data.to_dense().sparse_mask(mask), mask)


def _ones_like(input: Any, **kwargs: Any) -> Any:
    return MASKED.made(input._data.data.new_ones(input.shape, **kwargs), input._data.mask)


def _zeros_like(input: Any, **kwargs: Any) -> Any:
    MASKED.refuse("zeros_like")


MaskedTensor.FUNCTIONS.update(
    ones_like=_ones_like, zeros_like=_zeros_like, where=_where, to_dense=_to_dense,
    to_sparse=_to_sparse, to_sparse_csr=_to_sparse_csr,
)
