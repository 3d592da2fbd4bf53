"""Messages from rank to rank, and what collectives take and refuse: as in programs.py."""

from __future__ import annotations

import time
import warnings
from typing import Any

import torch
import torch.distributed as dist
from programs import main


def anyone(rank: int, size: int) -> Any:
    """Messages to rank 0, which takes them from whoever sends first, or from a rank that it names."""
    if rank:
        for k in range(3):
            dist.send(torch.tensor([float(rank), k]), 0)
        dist.send(torch.tensor([rank]), 0, tag=7)
        dist.barrier()
        if rank == 1:
            time.sleep(0.3)  # the other one's messages come first
        dist.send(torch.tensor([rank + 0.5]), 0)
        dist.send(torch.zeros(0), 0, tag=8)
        return None
    t = torch.zeros(2)
    taken = []
    for k in range(3 * (size - 1)):
        source = dist.recv(t, 2) if k == 1 else dist.recv(t)
        taken.append((source, *t.tolist()))
    tagged = torch.zeros(1, dtype=torch.int64)
    others = [(dist.recv(tagged, tag=7), tagged.item()) for _ in range(size - 1)]
    dist.barrier()
    held = [torch.zeros(1) for _ in range(size - 1)]
    works = [dist.irecv(each) for each in held]
    for work in works:
        work.wait()
    sources = [[work._source_rank(), each.item()] for work, each in zip(works, held, strict=True)]
    empty = sorted(dist.recv(torch.zeros(0), tag=8) for _ in range(size - 1))
    return {"taken": taken, "tagged": sorted(others), "sources": sources, "empty": empty}


def ordered(rank: int, size: int) -> Any:
    """Many messages under way between two ranks come in the order in which they were started."""
    other = 1 - rank
    if rank > 1:
        return None
    sent = [dist.isend(torch.full((k + 1,), float(k)), other) for k in range(30)]
    held = [torch.zeros(k + 1) for k in range(30)]
    got = [dist.irecv(each, other) for each in held]
    for work in sent + got:
        work.wait()
    return [each.unique().tolist() for each in held] == [[float(k)] for k in range(30)]


def subgroup(rank: int, size: int) -> Any:
    """Ranks in a group, and processes that do not belong to it."""
    pair = dist.new_group([1, 2])
    t = torch.tensor([float(rank)])
    if rank == 0:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            outside = [dist.irecv(t, group=pair), dist.recv(t, group=pair)]
        return outside, [str(w.message) for w in told]
    if rank == 1:
        dist.send(t, group=pair, group_dst=1)
        op = dist.P2POp(dist.isend, t, 2, pair)
        dist.batch_isend_irecv([op])[0].wait()
        return repr(op)
    first = dist.recv(t, group=pair)
    return first, dist.recv(t, group=pair, group_src=0), t.item()


def said(call: Any) -> str:
    try:
        return f"no error: {call()!r}"
    except (ValueError, TypeError, RuntimeError) as error:
        return str(error)


def reductions(rank: int, size: int) -> Any:
    """Means and sums of sparse tensors, and reductions that there are not."""
    op = dist.ReduceOp
    found = []
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.complex64):
        t = torch.tensor([1.0, 2.0]).to(dtype) + rank
        dist.all_reduce(t, op=op.AVG)
        found.append(torch.view_as_real(t)[:, 0].tolist() if t.is_complex() else t.tolist())
    out = torch.zeros(2)
    dist.reduce_scatter_tensor(out, torch.arange(2.0 * size) + rank, op=op(op.AVG))
    found.append(out.tolist())
    t = torch.sparse_coo_tensor([[0, 1 + rank]], [1.0, 2.0], (5,))
    dist.all_reduce(t)
    found.append([t.is_coalesced(), t.to_dense().tolist()])

    def reduced(op: Any, t: Any) -> str:
        return said(lambda: dist.all_reduce(t, op=op))

    found.append([
        reduced(op.AVG, torch.ones(2, dtype=torch.int64)),
        reduced(op.BAND, torch.ones(2)),
        reduced(op.PRODUCT, torch.ones(2, dtype=torch.complex64)),
        reduced(op.MAX, torch.sparse_coo_tensor([[0]], [1.0], (2,))),
        reduced("sum", torch.ones(2)),
        str(op.MAX), repr(op.SUM), op(op.MIN) == op.MIN, isinstance(op.MIN, op),
    ])  # fmt: skip
    return found


def misuses(rank: int, size: int) -> Any:
    """Tensors that do not fit are refused before anything is sent."""
    one, three = torch.ones(2), torch.ones(2, dtype=torch.int32)
    calls = [
        lambda: dist.all_gather([], one),
        lambda: dist.all_gather([three] * size, one),
        lambda: dist.all_gather([torch.ones(3)] * size, one),
        lambda: dist.all_gather((one,) * size, one),
        lambda: dist.all_gather([one, 3], one),
        lambda: dist.all_gather_into_tensor(torch.ones(2 * size + 1), one),
        lambda: dist.all_gather_into_tensor(torch.ones(size, 2), one),
        lambda: dist.reduce_scatter_tensor(torch.zeros(3), torch.arange(4.0)),
        lambda: dist.all_to_all_single(torch.zeros(4), torch.arange(4.0), [1, 1, 1], [1, 1, 1]),
        lambda: dist.all_to_all_single(torch.zeros(4), torch.arange(4.0), [1], [1]),
        lambda: dist.all_to_all_single(torch.zeros(4), torch.arange(4.0)),
        lambda: dist.broadcast(one, 5),
        lambda: dist.broadcast(one, group_src=-1),
        lambda: dist.all_reduce_coalesced([one, three]),
        lambda: dist.new_group([0, 0]),
        lambda: dist.new_group([0, 5]),
        lambda: dist.get_group_rank(dist.group.WORLD, 7),
    ]
    return [said(call) for call in calls]


def refused(rank: int, size: int) -> Any:
    t = torch.ones(1)
    calls = [
        lambda: dist.send(t, rank),
        lambda: dist.send(t),
        lambda: dist.send(t, 0, group_dst=0),
        lambda: dist.recv(t, 1, group_src=0),
        lambda: dist.recv_object_list([None]),
        lambda: dist.P2POp(dist.all_reduce, t, 0),
        lambda: dist.P2POp(dist.isend, t),
        lambda: dist.batch_isend_irecv([t]),
        lambda: dist.broadcast(t),
        lambda: dist.send(3, (rank + 1) % size),
    ]
    return [said(call) for call in calls]


if __name__ == "__main__":
    main(globals())
