"""The collectives of `torch.distributed` on tensors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np

from ..autograd.base import bump
from ..autograd.where import here
from ..kernels.sparse import Coo
from ..tensor import Tensor
from . import rings
from .arguments import (
    ReduceOp,
    Reduction,
    checked_tensor,
    checked_tensors,
    complex_checked,
    contiguous,
    fill,
    of_one_dtype,
    of_one_size,
    outside,
)
from .group import ProcessGroup, Work, canonical_rank, resolve
from .store import DistStoreError

__all__ = [
    "ReduceOp", "all_gather", "all_gather_coalesced", "all_gather_into_tensor", "all_reduce",
    "all_reduce_coalesced", "all_to_all", "all_to_all_single", "barrier",
    "broadcast", "gather", "monitored_barrier", "reduce", "reduce_scatter",
    "reduce_scatter_tensor", "scatter",
]  # fmt: skip


def _root(group: ProcessGroup, number: int | None, group_rank: int | None) -> int:
    """The root's rank in the group: 0 is the default of what gathers and scatters."""
    if number is None and group_rank is None:
        number = 0
    return canonical_rank(group, number, group_rank)


def _checked_root(name: str, root: int, group: ProcessGroup) -> None:
    if not 0 <= root < group.size():
        raise RuntimeError(f"ProcessGroupGloo::{name}: invalid root rank: {root}")


def _checked_count(name: str, what: str, tensors: list[Any], group: ProcessGroup) -> None:
    if len(tensors) != group.size():
        raise RuntimeError(
            f"ProcessGroupGloo::{name}: Incorrect {what} list size {len(tensors)}. {what.capitalize()} list"
            f" size should be {group.size()}, same as size of the process group."
        )


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
    t, chosen = checked_tensor(tensor, "tensor", sparse=True), resolve(group)
    if outside(chosen, "all_reduce"):
        return None
    complex_checked("all_reduce", op, [t])
    if t.is_sparse:
        return _all_reduce_sparse(t, op, chosen, async_op)
    reduction = Reduction(op, [t])

    def run() -> None:
        array = contiguous(t)
        rings.all_reduce(chosen.link, array, reduction.name)
        fill(t, reduction.finish(array, chosen.size()))

    return chosen.submit(run, async_op, "ALLREDUCE", [t])


def _all_reduce_sparse(t: Any, op: Any, group: ProcessGroup, async_op: bool) -> Work | None:
    """The sum of sparse tensors: ranks have entries at other places, so they exchange all of them."""
    if Reduction(op, [t]).name != "SUM" or Reduction(op, [t]).mean:
        raise RuntimeError(
            "ProcessGroupGloo::allreduce: unsupported reduction operation (allreduce of sparse tensors only"
            " works with ReduceOp.SUM)"
        )

    def gathered(array: Any, counts: Any) -> Any:
        """Arrays of all ranks, of as many rows each, one after the other."""
        padded = np.zeros((int(counts.max()), *array.shape[1:]), array.dtype)
        padded[: len(array)] = array
        rows = rings.all_gather(group.link, padded)
        return np.concatenate([row[:count] for row, count in zip(rows, counts, strict=True)])

    def run() -> None:
        mine = t._data.coalesce()
        counts = rings.all_gather(group.link, np.array([len(mine.values)], np.int64)).reshape(-1)
        places = gathered(np.ascontiguousarray(mine.indices.T), counts)
        values = gathered(np.ascontiguousarray(mine.values), counts)
        t._data = Coo(np.ascontiguousarray(places.T), values, mine.shape, False).coalesce()
        bump(t, *here())

    return group.submit(run, async_op, "ALLREDUCE_SPARSE", [t])


def all_reduce_coalesced(
    tensors: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """`all_reduce` of several tensors.

    Args:
        tensors: of the same shapes on all ranks.
        op, group, async_op: as there.
    """
    ts = (
        [checked_tensor(tensors, "tensor")]
        if isinstance(tensors, Tensor)
        else checked_tensors(tensors, "tensor")
    )
    of_one_dtype(ts)
    chosen = resolve(group)
    if outside(chosen, "all_reduce_coalesced"):
        return None
    complex_checked("all_reduce", op, ts)
    reduction = Reduction(op, ts)

    def run() -> None:
        for t in ts:
            array = contiguous(t)
            rings.all_reduce(chosen.link, array, reduction.name)
            fill(t, reduction.finish(array, chosen.size()))

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
    t, chosen = checked_tensor(tensor, "tensor"), resolve(group)
    root = canonical_rank(chosen, dst, group_dst)
    if outside(chosen, "reduce"):
        return None
    _checked_root("reduce", root, chosen)
    reduction = Reduction(op, [t])

    def run() -> None:
        array = contiguous(t).copy()
        rings.all_reduce(chosen.link, array, reduction.name)
        if chosen.rank() == root:
            fill(t, reduction.finish(array, chosen.size()))

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
    root = canonical_rank(chosen, src, group_src)
    if outside(chosen, "broadcast"):
        return None
    _checked_root("broadcast", root, chosen)

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
    of_one_dtype(outs, t)
    if outside(chosen, "all_gather"):
        return None
    of_one_size("allgather", "output", outs, t, chosen.size())

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
    of_one_dtype(ts, *outs)
    if outside(chosen, "all_gather_coalesced"):
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
    if outside(chosen, "all_gather_single"):
        return None
    of_one_size("allgather", "output", list(out.detach().chunk(chosen.size())), t, chosen.size())
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
    outs = checked_tensors(gather_list, "gather_list") if gather_list else []
    of_one_dtype(t, outs)
    root = _root(chosen, dst, group_dst)
    if outside(chosen, "gather"):
        return None
    _checked_root("gather", root, chosen)
    if chosen.rank() == root:
        if not gather_list:
            raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
        _checked_count("gather", "output", outs, chosen)
        of_one_size("gather", "output", outs, t, chosen.size())
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
    given = checked_tensors(scatter_list, "scatter_list") if scatter_list else []
    of_one_dtype(t, given)
    root = _root(chosen, src, group_src)
    if outside(chosen, "scatter"):
        return None
    _checked_root("scatter", root, chosen)
    arrays: list[Any] = []
    if chosen.rank() == root:
        if not scatter_list:
            raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
        _checked_count("scatter", "input", given, chosen)
        of_one_size("scatter", "input", given, t, chosen.size())
        arrays = [contiguous(each) for each in given]
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
    of_one_dtype(out, ts)
    chosen = resolve(group)
    if outside(chosen, "reduce_scatter"):
        return None
    return _reduce_scattered(out, ts, op, chosen, async_op)


def _reduce_scattered(out: Any, ts: list[Any], op: Any, group: ProcessGroup, async_op: bool) -> Work | None:
    """`reduce_scatter` of what has been checked."""
    _checked_count("reduce_scatter", "input", ts, group)
    reduction = Reduction(op, ts)
    own = ts[group.rank()]
    if own.numel() != out.numel():
        raise RuntimeError(
            f"ProcessGroupGloo::reduce_scatter: the tensors for this rank have {own.numel()} elements, the"
            f" output {out.numel()}"
        )

    def run() -> None:
        array = rings.reduce_scatter(group.link, [contiguous(t) for t in ts], reduction.name)
        fill(out, reduction.finish(array, group.size()))

    return group.submit(run, async_op, "REDUCE_SCATTER", [out])


def reduce_scatter_tensor(
    output: Any, input: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """`reduce_scatter` of one tensor, in equal parts along the first dimension.

    Args:
        output: filled.
        input: as many times as long as there are ranks.
        op, group, async_op: as for `all_reduce`.
    """
    out, t, chosen = checked_tensor(output, "output"), checked_tensor(input, "input"), resolve(group)
    if outside(chosen, "reduce_scatter_single"):
        return None
    if t.dim() and out.dim() and out.shape[0] * chosen.size() != t.shape[0]:
        raise RuntimeError(
            "Check failed: outputShape[0] * worldSize == inputShape[0]"
            f" ({out.shape[0] * chosen.size()} vs. {t.shape[0]}). "
        )
    parts = list(t.detach().reshape(chosen.size(), -1).unbind(0))
    return _reduce_scattered(out, parts, op, chosen, async_op)


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
    of_one_dtype(outs, ts)
    chosen = resolve(group)
    if outside(chosen, "all_to_all"):
        return None
    _checked_count("alltoall", "output", outs, chosen)
    _checked_count("alltoall", "input", ts, chosen)

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
    out, t, chosen = checked_tensor(output, "output"), checked_tensor(input, "input"), resolve(group)
    if outside(chosen, "all_to_all_single"):
        return None
    of_one_dtype(out, t)
    if not output_split_sizes and not input_split_sizes and out.shape != t.shape:
        raise RuntimeError(
            f"all_to_all_single: without split sizes both tensors have one size, got {tuple(t.shape)} and"
            f" {tuple(out.shape)}"
        )
    outs, ts = (
        list(each.detach().split(_lengths(each, sizes, chosen), 0))
        for each, sizes in ((out, output_split_sizes), (t, input_split_sizes))
    )
    return all_to_all(outs, ts, group, async_op)


def _lengths(t: Any, sizes: Sequence[int] | None, group: ProcessGroup) -> list[int]:
    """The lengths of a tensor's parts, one for each rank."""
    if sizes:
        if len(sizes) != group.size():
            raise RuntimeError("Number of tensor splits not equal to group size")
        if sum(sizes) != t.shape[0]:
            raise RuntimeError("Split sizes doesn't match total dim 0 size")
        return list(sizes)
    if t.shape[0] % group.size():
        raise RuntimeError("Tensor's dim 0 does not divide equally across group size")
    return [t.shape[0] // group.size()] * group.size()


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Wait until all ranks are here.

    Args:
        group, async_op: as for `all_reduce`.
        device_ids: accepted as in PyTorch.
    """
    chosen = resolve(group)
    if outside(chosen, "barrier"):
        return None
    return chosen.submit(lambda: rings.barrier(chosen.link), async_op, "BARRIER")


def _monitored_wait(group: ProcessGroup, name: str, timeout: timedelta, wait_all_ranks: bool) -> None:
    """Wait for all ranks through the store, and say which do not come.

    Args:
        group: the group.
        name: of this occasion, the same on all ranks.
        timeout: how long.
        wait_all_ranks: whether to name all that are missing, or the first.

    Raises:
        RuntimeError: if one does not come.
    """
    group.store.set(f"{name}/{group.rank()}", "here")
    missing = []
    for rank in range(group.size()):
        try:
            group.store.wait([f"{name}/{rank}"], timeout)
        except DistStoreError:
            missing.append(rank)
            if not wait_all_ranks:
                break
            timeout = timedelta(0)
    if missing:
        shown = ", ".join(map(str, missing)) if wait_all_ranks else str(missing[0])
        raise RuntimeError(
            f"Rank {group.rank()} successfully reached monitoredBarrier, but received errors while waiting"
            f" for send/recv from rank {shown}. Please check rank {shown} logs for faulty rank."
        )


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
    if outside(chosen, "monitored_barrier"):
        return
    _monitored_wait(chosen, f"monitored/{next(_barriers)}", timeout or chosen.timeout, wait_all_ranks)
