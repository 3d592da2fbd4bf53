"""Groups that divide all processes among them, and what can be asked of backends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from .arguments import ReduceOp
from .group import (
    ProcessGroup,
    get_default_group,
    get_process_group_ranks,
    get_rank,
    get_world_size,
    new_group,
)
from .meeting import met
from .store import Store

__all__ = [
    "Backend", "get_default_backend_for_device", "get_node_local_rank", "new_subgroups",
    "new_subgroups_by_enumeration", "rendezvous", "supports_complex",
]  # fmt: skip


class Backend(str):
    """The name of a backend, in small letters.

    Args:
        name: the name.

    Raises:
        ValueError: if it is no text.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.Backend("GLOO") == torch.distributed.Backend.GLOO
        True
    """

    UNDEFINED: Final = "undefined"
    GLOO: Final = "gloo"
    MPI: Final = "mpi"
    NCCL: Final = "nccl"
    backend_list: Final = [UNDEFINED, GLOO, MPI]

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return super().__new__(cls, name.lower())


def get_default_backend_for_device(device: Any) -> str:
    """The backend that tensors of a device take by default.

    Args:
        device: the device.

    Raises:
        ValueError: for another one than the CPU.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.get_default_backend_for_device("cpu")
        'gloo'
    """
    kind = str(device).partition(":")[0]
    if kind != "cpu":
        raise ValueError(f"Default backend not registered for device : {device}")
    return "gloo"


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The number of this process on its machine, which the launcher tells.

    Args:
        fallback_rank: what it is where no launcher has told.

    Raises:
        RuntimeError: if nobody has told and there is no such number.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.get_node_local_rank(fallback_rank=0)
        0
    """
    told = os.environ.get("LOCAL_RANK")
    if told is not None:
        return int(told)
    if fallback_rank is None:
        raise RuntimeError(
            "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow"
            " `get_node_local_rank` to work, assuming you are not running in a multi-device context and want"
            " the code to run locally instead."
        )
    return int(fallback_rank)


def new_subgroups(
    group_size: int | None = None,
    group: Any = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[ProcessGroup | None, list[ProcessGroup]]:
    """Divide processes into groups of one size, in the order of their ranks. All of them call it.

    Args:
        group_size: the size.
        group: whose processes; all by default.
        timeout, backend, pg_options, group_desc: as for `new_group`.

    Returns:
        this process's group, None if it is in none, and all of them.

    Raises:
        ValueError: if the size does not divide the number of processes, or is missing.
    """
    if group_size is None:
        raise ValueError(
            "Default group size only takes effect when CUDA is available.If your subgroup using a backend"
            " that does not depend on CUDA,please pass in 'group_size' correctly."
        )
    if group_size <= 0:
        raise ValueError(f"The arg 'group_size' ({group_size}) must be positive")
    members = get_process_group_ranks(group)
    size = len(members)
    if size < group_size:
        raise ValueError(f"The arg 'group_size' ({group_size}) must not exceed the world size ({size})")
    if size % group_size:
        raise ValueError(f"The world size ({size}) must be divisible by '{group_size=}'")
    lists = [members[start : start + group_size] for start in range(0, size, group_size)]
    return new_subgroups_by_enumeration(lists, timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: list[list[int]],
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[ProcessGroup | None, list[ProcessGroup]]:
    """Make groups that have no process in common. All processes call it.

    Args:
        ranks_per_subgroup_list: for each group the numbers of its processes.
        timeout, backend, pg_options, group_desc: as for `new_group`.

    Returns:
        this process's group, None if it is in none, and all of them.

    Raises:
        ValueError: if there are none, or a number is in several, or there is no such process.
    """
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    size, me = get_world_size(get_default_group()), get_rank()
    seen: dict[int, list[int]] = {}
    for ranks in ranks_per_subgroup_list:
        for rank in ranks:
            if rank in seen:
                raise ValueError(f"Rank {rank} has appeared in both subgroup {seen[rank]} and {ranks}")
            if not 0 <= rank < size:
                raise ValueError(
                    f"Rank {rank} is out of range. Valid ranks are 0 to {size - 1} (world_size={size})"
                )
            seen[rank] = ranks
    groups = [
        new_group(ranks, timeout, backend, pg_options, group_desc=group_desc)
        for ranks in ranks_per_subgroup_list
    ]
    own = next((g for g, ranks in zip(groups, ranks_per_subgroup_list, strict=True) if me in ranks), None)
    return own, groups


def rendezvous(
    url: str, rank: int = -1, world_size: int = -1, timeout: timedelta = timedelta(minutes=30)
) -> Iterator[tuple[Store, int, int]]:
    """Meet the other processes, as `init_process_group` does.

    Args:
        url: where, as its `init_method`.
        rank: the number of this process, unless the url or the environment tells.
        world_size: how many there are, likewise.
        timeout: how long to wait for them.

    Returns:
        an iterator over one store, rank and number of processes.

    Raises:
        RuntimeError: for another kind of place.
        ValueError: if something is missing.

    Example:
        >>> import cotangent as torch
        >>> store, rank, size = next(torch.distributed.rendezvous("tcp://127.0.0.1:29561", 0, 1))
        >>> rank, size
        (0, 1)
    """
    if not isinstance(url, str):
        raise RuntimeError(f"`url` must be a string. {type(url)}: {url}")
    return iter([met(url, rank, world_size, timeout)])


def supports_complex(reduceOp: Any) -> bool:
    """Whether complex numbers can be reduced so: they have no order.

    Args:
        reduceOp: the operation.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.supports_complex(torch.distributed.ReduceOp.MAX)
        False
    """
    return reduceOp in (ReduceOp.SUM, ReduceOp.AVG, ReduceOp.PREMUL_SUM)
