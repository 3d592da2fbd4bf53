"""The collectives of `torch.distributed` on tensors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from . import rings
from .arguments import ReduceOp, checked_tensor, checked_tensors, contiguous, fill, operation_name
from .group import ProcessGroup, Work, canonical_rank, monitored_wait, resolve

__all__ = [
    "ReduceOp", "all_gather", "all_gather_coalesced", "all_gather_into_tensor", "all_reduce",
    "all_reduce_coalesced", "all_to_all", "all_to_all_single", "barrier",
    "broadcast", "gather", "monitored_barrier", "reduce", "reduce_scatter",
    "reduce_scatter_tensor", "scatter",
]  # fmt: skip


def _absent(group: ProcessGroup) -> bool:
    """Whether this process does not belong to the group: then it does nothing."""
    return group.rank() < 0


def _root(group: ProcessGroup, number: int | None, group_rank: int | None) -> int:
    """The root's rank in the group: 0 is the default of what gathers and scatters."""
    if number is None and group_rank is None:
        number = 0
    return canonical_rank(group, number, group_rank)


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Every rank gets the reduction of all ranks' tensors, in place.

    Args:
        tensor: of one shape on all ranks.
        op: of ReduceOp.
        group: the group; all processes by default.
        async_op: whether to return a `Work` while it runs.

    Raises:
        RuntimeError: for an operation that Gloo lacks, or if a rank has ended.
    """
    t, operation, chosen = checked_tensor(tensor, "tensor"), operation_name(op), resolve(group)
    if _absent(chosen):
        return None

    def run() -> None:
        array = contiguous(t)
        rings.all_reduce(chosen.link, array, operation)
        fill(t, array)

    return chosen.submit(run, async_op, "ALLREDUCE", [t])


def all_reduce_coalesced(
    tensors: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """`all_reduce` of several tensors.

    Args:
        tensors: of the same shapes on all ranks.
        op, group, async_op: as there.
    """
    ts, operation, chosen = checked_tensors(tensors, "tensor"), operation_name(op), resolve(group)
    if _absent(chosen):
        return None

    def run() -> None:
        for t in ts:
            array = contiguous(t)
            rings.all_reduce(chosen.link, array, operation)
            fill(t, array)

    return chosen.submit(run, async_op, "ALLREDUCE_COALESCED", ts)


def reduce(
    tensor: Any, dst: int | None = None, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:  # fmt: skip
    """The rank `dst` gets the reduction of all ranks' tensors, in place.

    Args:
        tensor: of one shape on all ranks.
        dst: the process that gets it.
        op, group, async_op: as for `all_reduce`.
        group_dst: its rank in the group, instead.
    """
    t, operation, chosen = checked_tensor(tensor, "tensor"), operation_name(op), resolve(group)
    if _absent(chosen):
        return None
    root = canonical_rank(chosen, dst, group_dst)

    def run() -> None:
        array = contiguous(t).copy()
        rings.all_reduce(chosen.link, array, operation)
        if chosen.rank() == root:
            fill(t, array)

    return chosen.submit(run, async_op, "REDUCE", [t])


def broadcast(
    tensor: Any,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Every rank gets the tensor of the rank `src`, in place.

    Args:
        tensor: of one shape on all ranks.
        src: the process that has it.
        group, async_op: as for `all_reduce`.
        group_src: its rank in the group, instead.
    """
    t, chosen = checked_tensor(tensor, "tensor"), resolve(group)
    if _absent(chosen):
        return None
    root = canonical_rank(chosen, src, group_src)

    def run() -> None:
        array = contiguous(t)
        rings.broadcast(chosen.link, array, root)
        fill(t, array)

    return chosen.submit(run, async_op, "BROADCAST", [t])


def all_gather(tensor_list: Any, tensor: Any, group: Any = None, async_op: bool = False) -> Work | None:
    """Every rank gets the tensors of all ranks.

    Args:
        tensor_list: one tensor for each rank, filled.
        tensor: this rank's, of one shape on all.
        group, async_op: as for `all_reduce`.
    """
    outs, t, chosen = (
        checked_tensors(tensor_list, "tensor_list"),
        checked_tensor(tensor, "tensor"),
        resolve(group),
    )
    if _absent(chosen):
        return None
    if len(outs) != chosen.size():
        raise RuntimeError(f"all_gather: {chosen.size()} output tensors are needed, got {len(outs)}")

    def run() -> None:
        for out, array in zip(outs, rings.all_gather(chosen.link, contiguous(t)), strict=True):
            fill(out, array)

    return chosen.submit(run, async_op, "ALLGATHER", outs)


def all_gather_coalesced(
    output_tensor_lists: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """`all_gather` of several tensors.

    Args:
        output_tensor_lists: for each rank one tensor for each input, filled.
        input_tensor_list: this rank's.
        group, async_op: as for `all_reduce`.
    """
    outs = [checked_tensors(each, "output_tensor_lists") for each in output_tensor_lists]
    ts, chosen = checked_tensors(input_tensor_list, "tensor_list"), resolve(group)
    if _absent(chosen):
        return None

    def run() -> None:
        for number, t in enumerate(ts):
            for rank, array in enumerate(rings.all_gather(chosen.link, contiguous(t))):
                fill(outs[rank][number], array)

    return chosen.submit(run, async_op, "ALLGATHER_COALESCED", ts)


def all_gather_into_tensor(
    output_tensor: Any, input_tensor: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """Every rank gets the tensors of all ranks in one.

    Args:
        output_tensor: as many times as long as there are ranks, filled.
        input_tensor: this rank's.
        group, async_op: as for `all_reduce`.
    """
    out, t, chosen = (
        checked_tensor(output_tensor, "output_tensor"),
        checked_tensor(input_tensor, "input_tensor"),
        resolve(group),
    )
    if _absent(chosen):
        return None
    if out.numel() != t.numel() * chosen.size():
        raise RuntimeError("output tensor size must be equal to world_size times input tensor size")
    return chosen.submit(
        lambda: fill(out, rings.all_gather(chosen.link, contiguous(t))), async_op, "ALLGATHER_BASE", [out]
    )


def gather(
    tensor: Any, gather_list: Any = None, dst: int | None = None, group: Any = None, async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:  # fmt: skip
    """The rank `dst` gets the tensors of all ranks.

    Args:
        tensor: this rank's, of one shape on all.
        gather_list: on that rank one tensor for each rank, filled.
        dst, group_dst: as for `reduce`.
        group, async_op: as for `all_reduce`.

    Raises:
        ValueError: if `gather_list` is missing there or given elsewhere.
    """
    t, chosen = checked_tensor(tensor, "tensor"), resolve(group)
    if _absent(chosen):
        return None
    root = _root(chosen, dst, group_dst)
    if chosen.rank() == root:
        if not gather_list:
            raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
        outs = checked_tensors(gather_list, "gather_list")
    elif gather_list:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")

    def run() -> None:
        found = rings.gather(chosen.link, contiguous(t), root)
        if found is not None:
            for out, array in zip(outs, found, strict=True):
                fill(out, array)

    return chosen.submit(run, async_op, "GATHER", [t])


def scatter(
    tensor: Any, scatter_list: Any = None, src: int | None = None, group: Any = None, async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:  # fmt: skip
    """Each rank gets one of the tensors of the rank `src`.

    Args:
        tensor: filled.
        scatter_list: on that rank one tensor for each rank.
        src, group_src: as for `broadcast`.
        group, async_op: as for `all_reduce`.

    Raises:
        ValueError: if `scatter_list` is missing there or given elsewhere.
    """
    t, chosen = checked_tensor(tensor, "tensor"), resolve(group)
    if _absent(chosen):
        return None
    root = _root(chosen, src, group_src)
    arrays: list[Any] = []
    if chosen.rank() == root:
        if not scatter_list:
            raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
        arrays = [contiguous(each) for each in checked_tensors(scatter_list, "scatter_list")]
    elif scatter_list:
        raise ValueError("Argument ``scatter_list`` must NOT be specified on non-source ranks.")

    def run() -> None:
        array = contiguous(t)
        rings.scatter(chosen.link, arrays, array, root)
        fill(t, array)

    return chosen.submit(run, async_op, "SCATTER", [t])


def reduce_scatter(
    output: Any, input_list: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Each rank gets the reduction of the tensors with its number.

    Args:
        output: filled.
        input_list: one tensor for each rank.
        op, group, async_op: as for `all_reduce`.
    """
    out, ts = checked_tensor(output, "output"), checked_tensors(input_list, "input_list")
    operation, chosen = operation_name(op), resolve(group)
    if _absent(chosen):
        return None
    return chosen.submit(
        lambda: fill(out, rings.reduce_scatter(chosen.link, [contiguous(t) for t in ts], operation)),
        async_op,
        "REDUCE_SCATTER",
        [out],
    )


def reduce_scatter_tensor(
    output: Any, input: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """`reduce_scatter` of one tensor, in equal parts along the first dimension.

    Args:
        output: filled.
        input: as many times as long as there are ranks.
        op, group, async_op: as for `all_reduce`.
    """
    chosen = resolve(group)
    if _absent(chosen):
        return None
    parts = list(checked_tensor(input, "input").reshape(chosen.size(), -1).unbind(0))
    return reduce_scatter(output, parts, op, group, async_op)


def all_to_all(
    output_tensor_list: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """Tensor r of each rank goes to rank r.

    Args:
        output_tensor_list: one for each rank, filled.
        input_tensor_list: one for each rank.
        group, async_op: as for `all_reduce`.
    """
    outs, ts = (
        checked_tensors(output_tensor_list, "output_tensor_list"),
        checked_tensors(input_tensor_list, "input_tensor_list"),
    )
    chosen = resolve(group)
    if _absent(chosen):
        return None

    def run() -> None:
        arrays = [contiguous(out) for out in outs]
        rings.all_to_all(chosen.link, [contiguous(t) for t in ts], arrays)
        for out, array in zip(outs, arrays, strict=True):
            fill(out, array)

    return chosen.submit(run, async_op, "ALLTOALL", outs)


def all_to_all_single(
    output: Any, input: Any, output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None, group: Any = None, async_op: bool = False,
) -> Work | None:  # fmt: skip
    """`all_to_all` of parts of one tensor along its first dimension.

    Args:
        output: filled.
        input: what to send.
        output_split_sizes: lengths of the parts received; equal by default.
        input_split_sizes: lengths of the parts sent; equal by default.
        group, async_op: as for `all_reduce`.
    """
    chosen = resolve(group)
    if _absent(chosen):
        return None
    parts = []
    for t, sizes in ((output, output_split_sizes), (input, input_split_sizes)):
        lengths = list(sizes) if sizes else [t.shape[0] // chosen.size()] * chosen.size()
        parts.append(list(checked_tensor(t, "tensor").split(lengths, 0)))
    return all_to_all(parts[0], parts[1], group, async_op)


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Wait until all ranks are here.

    Args:
        group, async_op: as for `all_reduce`.
        device_ids: accepted as in PyTorch.
    """
    chosen = resolve(group)
    if _absent(chosen):
        return None
    return chosen.submit(lambda: rings.barrier(chosen.link), async_op, "BARRIER")


_barriers: Final = itertools.count()


def monitored_barrier(
    group: Any = None, timeout: timedelta | None = None, wait_all_ranks: bool = False
) -> None:
    """Wait until all ranks are here, and say which is not.

    Args:
        group: the group; all processes by default.
        timeout: how long; the group's by default.
        wait_all_ranks: whether to name all that are missing, or the first.

    Raises:
        RuntimeError: if one does not come; it names it.
    """
    chosen = resolve(group)
    if _absent(chosen):
        return
    monitored_wait(chosen, f"monitored/{next(_barriers)}", timeout or chosen.timeout, wait_all_ranks)
