"""`torch.distributed`: processes that compute together, through Gloo."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from .. import lazy
from . import gloo as _gloo, mpi as _mpi
from .arguments import ReduceOp
from .collectives import (
    all_gather,
    all_gather_coalesced,
    all_gather_into_tensor,
    all_reduce,
    all_reduce_coalesced,
    all_to_all,
    all_to_all_single,
    barrier,
    broadcast,
    gather,
    monitored_barrier,
    reduce,
    reduce_scatter,
    reduce_scatter_tensor,
    scatter,
)
from .debug import DebugLevel, get_debug_level, set_debug_level, set_debug_level_from_env
from .gloo import DistBackendError
from .group import (
    DEFAULT_TIMEOUT as default_pg_timeout,
    NON_GROUP_MEMBER as _NON_GROUP_MEMBER,
    ProcessGroup,
    Work,
    destroy_process_group,
    get_backend,
    get_backend_config,
    get_default_group as _default_group,
    get_global_rank,
    get_group_rank,
    get_pg_count,
    get_process_group_ranks,
    get_rank,
    get_world_size,
    init_process_group,
    is_initialized,
    new_group,
)
from .messages import P2POp, batch_isend_irecv, irecv, isend, recv, send
from .objects import (
    all_gather_object,
    broadcast_object_list,
    gather_object,
    recv_object_list,
    scatter_object_list,
    send_object_list,
)
from .store import (
    DistError,
    DistNetworkError,
    DistStoreError,
    FileStore,
    HashStore,
    PrefixStore,
    QueueEmptyError,
    Store,
)
from .subgroups import (
    Backend,
    get_default_backend_for_device,
    get_node_local_rank,
    new_subgroups,
    new_subgroups_by_enumeration,
    rendezvous,
    supports_complex,
)
from .tcp_store import TCPStore

all_gather_single, reduce_scatter_single = all_gather_into_tensor, reduce_scatter_tensor
run = lazy.module("cotangent.distributed.run")
_reducer = lazy.module("cotangent.nn.parallel.reducer")
# Modules that are imported when they are first asked for.
_MODULES = frozenset(
    (
        "_functional_collectives",
        "algorithms",
        "autograd",
        "checkpoint",
        "device_mesh",
        "elastic",
        "fsdp",
        "launch",
        "nn",
        "optim",
        "rpc",
        "tensor",
    )
)


def __getattr__(name: str) -> Any:
    if name == "GradBucket":
        return _reducer.GradBucket
    if name in ("DeviceMesh", "init_device_mesh"):
        return getattr(import_module(f"{__name__}.device_mesh"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Members(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        """The group of all processes, if there is one."""
        return _default_group() if is_initialized() else None


class GroupMember(metaclass=_Members):
    """The group of all processes, as `WORLD`, and what a group equals that a process is not in."""

    NON_GROUP_MEMBER = _NON_GROUP_MEMBER


class _Group:
    """`torch.distributed.group`."""

    @property
    def WORLD(self) -> ProcessGroup:
        """The group of all processes."""
        return _default_group()


group = _Group()


def is_available() -> bool:
    """Whether there is a `torch.distributed`: yes.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.is_available()
        True
    """
    return True


def is_gloo_available() -> bool:
    """Whether the package with Gloo is installed."""
    return _gloo.is_available()


def is_nccl_available() -> bool:
    """Whether there is NCCL: no."""
    return False


def is_mpi_available() -> bool:
    """Whether mpi4py and an MPI are installed."""
    return _mpi.is_available()


def is_torchelastic_launched() -> bool:
    """Whether the launcher has started this process."""
    return os.environ.get("TORCHELASTIC_RUN_ID") is not None


def is_backend_available(backend: str) -> bool:
    """Whether there is a backend of that name.

    Args:
        backend: the name.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.is_backend_available("nccl")
        False
    """
    if backend.lower() == "mpi":
        return is_mpi_available()
    return backend.lower() == "gloo" and is_gloo_available()


__all__ = [
    "Backend", "DebugLevel", "DistBackendError", "DistError", "DistNetworkError", "DistStoreError",
    "FileStore", "GroupMember", "HashStore", "P2POp", "PrefixStore", "ProcessGroup", "QueueEmptyError",
    "ReduceOp", "Store", "TCPStore", "Work", "all_gather", "all_gather_coalesced", "all_gather_into_tensor",
    "all_gather_object", "all_gather_single", "all_reduce", "all_reduce_coalesced", "all_to_all",
    "all_to_all_single", "barrier", "batch_isend_irecv", "broadcast", "broadcast_object_list",
    "default_pg_timeout", "destroy_process_group", "gather", "gather_object", "get_backend",
    "get_backend_config", "get_debug_level", "get_default_backend_for_device", "get_global_rank",
    "get_group_rank", "get_node_local_rank", "get_pg_count", "get_process_group_ranks",
    "get_rank", "get_world_size", "group",
    "init_process_group", "irecv", "is_available", "is_backend_available", "is_gloo_available",
    "is_initialized", "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "isend",
    "monitored_barrier", "new_group", "new_subgroups", "new_subgroups_by_enumeration", "optim", "recv",
    "recv_object_list", "reduce", "reduce_scatter", "reduce_scatter_single", "reduce_scatter_tensor",
    "rendezvous", "scatter", "scatter_object_list", "send", "send_object_list", "set_debug_level",
    "set_debug_level_from_env", "supports_complex",
]  # fmt: skip
