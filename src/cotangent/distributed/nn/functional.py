"""Collectives that gradients flow through: the backward of each is the collective that is its adjoint.

    broadcast  <->  reduce         gather      <->  scatter             all_reduce  <->  all_reduce
                                   all_gather  <->  reduce_scatter      all_to_all  <->  all_to_all

All ranks run the backward, as they have run the forward. On a rank whose loss does not depend on a result,
add the result to it times 0.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ...autograd.function import Function
from ...factories import empty, empty_like, zeros_like
from .. import collectives
from ..arguments import ReduceOp
from ..group import get_rank, get_world_size, resolve

__all__ = [
    "all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "reduce",
    "reduce_scatter", "scatter",
]  # fmt: skip


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"torch.distributed.nn.functional.{name} is deprecated, use"
        f" torch.distributed._functional_collectives.{instead} instead.",
        FutureWarning,
        stacklevel=3,
    )


class _Broadcast(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, tensor: Any) -> Any:
        ctx.src, ctx.group = src, group
        result = tensor.clone()
        collectives.broadcast(result, src, group)
        return result

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        sums = _Reduce.apply(ctx.src, ReduceOp.SUM, ctx.group, g)
        return None, None, sums if get_rank() == ctx.src else sums * 0


class _Reduce(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, op: Any, group: Any, tensor: Any) -> Any:
        ctx.dst, ctx.group = dst, group
        result = tensor.clone()
        collectives.reduce(result, dst, op, group)
        return result

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, None, _Broadcast.apply(ctx.dst, ctx.group, g)


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, group: Any, tensor: Any) -> Any:
        ctx.dst, ctx.group = dst, group
        parts = [zeros_like(tensor) for _ in range(get_world_size(group))]
        collectives.gather(tensor, parts if get_rank() == dst else None, dst, group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        return None, None, _Scatter.apply(ctx.dst, ctx.group, *gs)


class _Scatter(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, *tensors: Any) -> Any:
        ctx.src, ctx.group = src, group
        result = zeros_like(tensors[0])
        collectives.scatter(result, list(tensors) if get_rank() == src else None, src, group)
        return result

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, *_Gather.apply(ctx.src, ctx.group, g)


class _AllReduce(Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensor: Any) -> Any:
        ctx.op, ctx.group = op, group
        result = tensor.clone()
        collectives.all_reduce(result, op, group)
        return result

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, _AllReduce.apply(ctx.op, ctx.group, g)


class _AllGather(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, tensor: Any) -> Any:
        ctx.group = group
        parts = [empty_like(tensor) for _ in range(get_world_size(group))]
        collectives.all_gather(parts, tensor, group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        own = resolve(ctx.group).rank()
        return None, _Reduce_Scatter.apply(ReduceOp.SUM, ctx.group, empty_like(gs[own]), *gs)


class _Reduce_Scatter(Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, result: Any, *tensors: Any) -> Any:
        ctx.group = group
        collectives.reduce_scatter(result, list(tensors), op, group)
        return result

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return None, None, None, *_AllGather.apply(ctx.group, g)


def _room(like: tuple[Any, Any]) -> Any:
    """Memory for a gradient; a graph keeps only what it is like."""
    shape, dtype = like
    return empty(shape, dtype=dtype)


class _AlltoAll(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, results: list[Any], *tensors: Any) -> Any:
        ctx.group = group
        ctx.like = [(t.shape, t.dtype) for t in tensors]
        collectives.all_to_all(results, list(tensors), group)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        return None, None, *_AlltoAll.apply(ctx.group, [_room(like) for like in ctx.like], *gs)


class _AlltoAllSingle(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, result: Any, lengths: Any, sent: Any, tensor: Any) -> Any:
        ctx.group, ctx.lengths, ctx.sent, ctx.like = group, lengths, sent, (tensor.shape, tensor.dtype)
        collectives.all_to_all_single(result, tensor, lengths, sent, group)
        return result

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        back = _AlltoAllSingle.apply(ctx.group, _room(ctx.like), ctx.sent, ctx.lengths, g)
        return None, None, None, None, back


def broadcast(tensor: Any, src: int, group: Any = None) -> Any:
    """One rank's tensor on all; its gradient is the sum of theirs.

    Args:
        tensor: of the same shape on all ranks.
        src: the rank.
        group: the ranks; all processes by default.

    Returns:
        a new tensor.
    """
    _deprecated("broadcast", "broadcast")
    return _Broadcast.apply(src, group, tensor)


def gather(tensor: Any, dst: int = 0, group: Any = None) -> tuple[Any, ...]:
    """The tensors of all ranks, on one.

    Args:
        tensor: of the same shape on all ranks.
        dst: the rank.
        group: as for `broadcast`.

    Returns:
        the tensors in the order of their ranks; on other ranks than `dst` zeros.
    """
    return tuple(_Gather.apply(dst, group, tensor))


def scatter(tensors: Sequence[Any], src: int = 0, group: Any = None) -> Any:
    """One rank's tensors, each on the rank that it is for.

    Args:
        tensors: as many as there are ranks; only those of `src` are read.
        src: the rank.
        group: as for `broadcast`.

    Returns:
        the tensor of this rank.
    """
    return _Scatter.apply(src, group, *tensors)


def reduce(tensor: Any, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The reduction of all ranks' tensors, on one.

    Args:
        tensor: of the same shape on all ranks.
        dst: the rank.
        op: the operation; gradients are those of a sum.
        group: as for `broadcast`.

    Returns:
        a new tensor; it holds the result on `dst`.
    """
    return _Reduce.apply(dst, op, group, tensor)


def reduce_scatter(output: Any, input_list: Sequence[Any], op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The reduction of the tensors that all ranks have for this one.

    Args:
        output: filled and returned.
        input_list: a tensor for each rank.
        op: the operation; gradients are those of a sum.
        group: as for `broadcast`.
    """
    _deprecated("reduce_scatter", "reduce_scatter_single")
    return _Reduce_Scatter.apply(op, group, output, *input_list)


def all_gather(tensor: Any, group: Any = None) -> tuple[Any, ...]:
    """The tensors of all ranks, on all; the gradient is the sum of what all ranks have for it.

    Args:
        tensor: of the same shape on all ranks.
        group: as for `broadcast`.

    Returns:
        the tensors in the order of their ranks.
    """
    _deprecated("all_gather", "all_gather_single")
    return tuple(_AllGather.apply(group, tensor))


def all_to_all(
    output_tensor_list: list[Any], input_tensor_list: Sequence[Any], group: Any = None
) -> tuple[Any, ...]:
    """Each rank's tensors, each on the rank that it is for.

    Args:
        output_tensor_list: filled.
        input_tensor_list: a tensor for each rank.
        group: as for `broadcast`.

    Returns:
        the tensors that have come, in the order of their ranks.
    """
    return tuple(_AlltoAll.apply(group, output_tensor_list, *input_tensor_list))


def all_to_all_single(
    output: Any, input: Any, output_split_sizes: Any = None, input_split_sizes: Any = None, group: Any = None
) -> Any:
    """`all_to_all` of parts of one tensor along its first dimension.

    Args:
        output: filled and returned.
        input: what to send.
        output_split_sizes: lengths of the parts received; equal by default.
        input_split_sizes: lengths of the parts sent; equal by default.
        group: as for `broadcast`.
    """
    _deprecated("all_to_all_single", "all_to_all_single")
    return _AlltoAllSingle.apply(group, output, output_split_sizes, input_split_sizes, input)


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """The reduction of all ranks' tensors, on all; the gradient is the reduction of theirs.

    Args:
        tensor: of the same shape on all ranks.
        op: the operation.
        group: as for `broadcast`.

    Returns:
        a new tensor.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> from cotangent.distributed.nn.functional import all_reduce
        >>> x = torch.ones(2, requires_grad=True)
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     with warnings.catch_warnings(action="ignore"):
        ...         all_reduce(x).sum().backward()
        ...     torch.distributed.destroy_process_group()
        ...     assert x.grad.tolist() == [1.0, 1.0]
    """
    _deprecated("all_reduce", "all_reduce")
    return _AllReduce.apply(op, group, tensor)
