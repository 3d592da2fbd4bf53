"""The collectives of `torch.distributed` on any picklable objects."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from . import rings
from .arguments import outside
from .group import ProcessGroup, canonical_rank, get_group_rank, resolve
from .messages import check_other_rank

__all__ = [
    "all_gather_object", "broadcast_object_list", "gather_object", "recv_object_list", "scatter_object_list",
    "send_object_list",
]  # fmt: skip

_TAG = (1 << 24) - 1  # of messages that carry objects


def _pickled(obj: Any) -> Any:
    return np.frombuffer(pickle.dumps(obj, pickle.HIGHEST_PROTOCOL), np.uint8)


def _gathered(group: ProcessGroup, obj: Any) -> list[Any]:
    """The objects of all ranks."""
    mine = _pickled(obj)
    lengths = rings.all_gather(group.link, np.array([mine.size], np.int64)).reshape(-1)
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: mine.size] = mine
    rows = rings.all_gather(group.link, padded)
    return [pickle.loads(row[:length].tobytes()) for row, length in zip(rows, lengths, strict=True)]


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Every rank gets the objects of all ranks.

    Args:
        object_list: as long as there are ranks, filled.
        obj: this rank's; it is pickled.
        group: the group; all processes by default.
    """
    chosen = resolve(group)
    if outside(chosen, "all_gather_object"):
        return
    places = slice(chosen.size())
    chosen.submit(lambda: object_list.__setitem__(places, _gathered(chosen, obj)), False, "ALLGATHER_OBJECT")


def gather_object(
    obj: Any, object_gather_list: list[Any] | None = None, dst: int | None = None, group: Any = None,
    group_dst: int | None = None,
) -> None:  # fmt: skip
    """The rank `dst` gets the objects of all ranks.

    Args:
        obj: this rank's; it is pickled.
        object_gather_list: on that rank, as long as there are ranks, filled.
        dst: the process that gets them.
        group: the group; all processes by default.
        group_dst: its rank in the group, instead.

    Raises:
        ValueError: if the list is missing there or given elsewhere.
    """
    chosen = resolve(group)
    if outside(chosen, "gather_object"):
        return
    root = get_group_rank(chosen, dst or 0) if group_dst is None else group_dst
    if chosen.rank() == root and object_gather_list is None:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    if chosen.rank() != root and object_gather_list:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")
    found: list[Any] = [None] * chosen.size()
    all_gather_object(found, obj, chosen)
    if object_gather_list is not None:
        object_gather_list[: chosen.size()] = found


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """Every rank gets the objects of the rank `src`.

    Args:
        object_list: of one length on all ranks; filled on all but that one.
        src: the process that has them.
        group: the group; all processes by default.
        device: accepted as in PyTorch.
        group_src: its rank in the group, instead.
    """
    chosen = resolve(group)
    if outside(chosen, "broadcast_object_list"):
        return
    root = get_group_rank(chosen, src or 0) if group_src is None else group_src

    def run() -> None:
        data = _pickled(list(object_list)) if chosen.rank() == root else np.empty(0, np.uint8)
        length = np.array([data.size], np.int64)
        rings.broadcast(chosen.link, length, root)
        buffer = data.copy() if chosen.rank() == root else np.empty(int(length[0]), np.uint8)
        rings.broadcast(chosen.link, buffer, root)
        if chosen.rank() != root:
            object_list[:] = pickle.loads(buffer.tobytes())

    chosen.submit(run, False, "BROADCAST_OBJECT")


def scatter_object_list(
    scatter_object_output_list: list[Any], scatter_object_input_list: list[Any] | None = None,
    src: int | None = None, group: Any = None, group_src: int | None = None,
) -> None:  # fmt: skip
    """Each rank gets one of the objects of the rank `src`.

    Args:
        scatter_object_output_list: not empty; its first place is filled.
        scatter_object_input_list: on that rank one object for each rank.
        src: the process that has them.
        group: the group; all processes by default.
        group_src: its rank in the group, instead.

    Raises:
        ValueError: if the first list is empty.
    """
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    chosen = resolve(group)
    if outside(chosen, "scatter_object_list"):
        return
    held: list[Any] = [scatter_object_input_list]
    broadcast_object_list(held, src, chosen, None, group_src)
    scatter_object_output_list[0] = held[0][chosen.rank()]


def send_object_list(
    object_list: list[Any],
    dst: int | None = None,
    group: Any = None,
    device: Any = None,
    group_dst: int | None = None,
) -> None:
    """Send objects to a process.

    Args:
        object_list: what to send; it is pickled.
        dst: the process.
        group: the group; all processes by default.
        device: accepted as in PyTorch.
        group_dst: its rank in the group, instead.
    """
    chosen = resolve(group)
    peer = canonical_rank(chosen, dst, group_dst)
    check_other_rank(chosen, peer, "destination")
    if outside(chosen, "send_object_list"):
        return
    data = _pickled(list(object_list))
    chosen.mail.send(np.array([data.size], np.int64), peer, _TAG)()
    chosen.mail.send(data, peer, _TAG)()


def recv_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
) -> int:
    """Receive objects from a process.

    Args:
        object_list: as long as what is sent, filled.
        src: the process.
        group: the group; all processes by default.
        device: accepted as in PyTorch.
        group_src: its rank in the group, instead.

    Returns:
        the process they came from.
    """
    chosen = resolve(group)
    peer = canonical_rank(chosen, src, group_src)
    check_other_rank(chosen, peer, "source")
    if outside(chosen, "recv_object_list"):
        return -1
    length = np.empty(1, np.int64)
    chosen.mail.recv(length, peer, _TAG)()
    data = np.empty(int(length[0]), np.uint8)
    chosen.mail.recv(data, peer, _TAG)()
    object_list[:] = pickle.loads(data.tobytes())
    return chosen.ranks[peer]
