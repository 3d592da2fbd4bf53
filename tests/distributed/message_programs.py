"""Messages from rank to rank: as in programs.py."""

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
    texts = []
    for call in calls:
        try:
            texts.append(f"no error: {call()!r}")
        except (ValueError, TypeError) as error:
            texts.append(str(error))
    return texts


if __name__ == "__main__":
    main(globals())
