"""Tensors from one process to another: `send`, `recv` and their like."""

from __future__ import annotations

import threading
from typing import Any

from .arguments import checked_tensor, contiguous, fill, outside
from .group import ProcessGroup, Work, canonical_rank, get_global_rank, get_rank, resolve

__all__ = ["P2POp", "batch_isend_irecv", "check_other_rank", "irecv", "isend", "recv", "send"]


def check_other_rank(group: ProcessGroup, rank: int, kind: str) -> None:
    """Refuse this process as the other side of a message.

    Args:
        group: the group.
        rank: of the other side, in the group.
        kind: "source" or "destination".

    Raises:
        ValueError: if it is this one.
    """
    if rank == group.rank():
        raise ValueError(
            f"Invalid {kind} rank: {kind} rank should not be the same as the rank of the current process."
        )


def _started(run: Any, t: Any) -> Work:
    work = Work(run, [t])
    threading.Thread(target=work._go, daemon=True, name="message").start()
    return work


def send(
    tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> None:
    """Send a tensor to a process, and wait until that has it.

    Args:
        tensor: what to send.
        dst: the process.
        group: the group; all processes by default.
        tag: tells messages apart.
        group_dst: its rank in the group, instead.

    Raises:
        ValueError: if that is this process, or neither or both are given.
    """
    chosen = resolve(group)
    peer = canonical_rank(chosen, dst, group_dst)
    check_other_rank(chosen, peer, "destination")
    t = checked_tensor(tensor, "tensor")
    if outside(chosen, "isend"):
        return
    chosen.mail.send(contiguous(t), peer, tag)()


def recv(
    tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> int:
    """Receive a tensor from a process.

    Args:
        tensor: filled.
        src: the process; by default whichever sends first.
        group: the group; all processes by default.
        tag: of the message.
        group_src: its rank in the group, instead.

    Returns:
        the process it came from; -1 if this one is not in the group.

    Raises:
        ValueError: if `src` and `group_src` are given.
    """
    chosen = resolve(group)
    t = checked_tensor(tensor, "tensor")
    if outside(chosen, "irecv"):
        return -1
    return get_global_rank(chosen, _receiving(t, src, chosen, tag, group_src)())


def _receiving(t: Any, src: int | None, group: ProcessGroup, tag: int, group_src: int | None) -> Any:
    """What receives a tensor and returns the sender's rank in the group."""
    peer = None if src is None and group_src is None else canonical_rank(group, src, group_src)
    array = contiguous(t)
    receive = group.mail.recv(array, peer, tag)

    def run() -> int:
        source = int(receive())
        fill(t, array)
        return source

    return run


def isend(
    tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> Work | None:
    """`send` in the background; messages to one process with one tag keep their order.

    Args:
        tensor, dst, group, tag, group_dst: as there.

    Returns:
        the work; None if this process is not in the group.
    """
    chosen = resolve(group)
    peer = canonical_rank(chosen, dst, group_dst)
    t = checked_tensor(tensor, "tensor")
    if outside(chosen, "isend"):
        return None
    return _started(chosen.mail.send(contiguous(t), peer, tag), t)


def irecv(
    tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> Work | None:
    """`recv` in the background.

    Args:
        tensor, src, group, tag, group_src: as there.

    Returns:
        the work, whose `_source_rank()` is the sender's rank in the group; None if this process is not in it.
    """
    t = checked_tensor(tensor, "tensor")
    chosen = resolve(group)
    if outside(chosen, "irecv"):
        return None
    return _started(_receiving(t, src, chosen, tag, group_src), t)


class P2POp:
    """A message for `batch_isend_irecv`.

    Args:
        op: `isend` or `irecv`.
        tensor: what to send, or what is filled.
        peer: the other process.
        group, tag: as for `send`.
        group_peer: its rank in the group, instead.

    Raises:
        ValueError: for another function, or if neither or both of `peer` and `group_peer` are given.
    """

    def __init__(
        self,
        op: Any,
        tensor: Any,
        peer: int | None = None,
        group: Any = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or "
                "``torch.distributed.irecv``."
            )
        self.op, self.tensor, self.group, self.tag = op, checked_tensor(tensor, "tensor"), resolve(group), tag
        self.group_peer = canonical_rank(self.group, peer, group_peer)
        self.peer = get_global_rank(self.group, self.group_peer)

    def __repr__(self) -> str:
        ends = [get_rank(self.group), self.group_peer]
        source, target = ends if self.op is isend else reversed(ends)
        return (
            f"P2POp({self.op.__name__} pg={self.group.group_name}, group_src={source}, group_dst={target}, "
            f" {self.tensor.shape}, {self.tensor.dtype})"
        )


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """Start several messages.

    Args:
        p2p_op_list: the messages, all of one group.

    Raises:
        ValueError: for anything else in the list, or for messages of several groups.
    """
    if not isinstance(p2p_op_list, list) or not all(isinstance(each, P2POp) for each in p2p_op_list):
        raise ValueError(
            "Invalid ``p2p_op_list``. Each op is expected to to be of type ``torch.distributed.P2POp``."
        )
    group = p2p_op_list[0].group
    if any(each.group is not group for each in p2p_op_list):
        raise ValueError("All ops need to use the same group.")
    works = [each.op(each.tensor, None, group, each.tag, each.group_peer) for each in p2p_op_list]
    return [work for work in works if work is not None]
