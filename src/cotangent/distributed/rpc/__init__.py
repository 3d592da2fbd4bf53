"""`torch.distributed.rpc`: calling functions on other processes, and references to what they keep."""

from . import api, functions
from .agent import WorkerInfo
from .api import (
    BackendType,
    RpcBackendOptions,
    TensorPipeRpcBackendOptions,
    get_worker_info,
    init_rpc,
    remote,
    rpc_async,
    rpc_sync,
    shutdown,
)
from .rref import RRef

PyRRef = RRef


def is_available() -> bool:
    """Whether there is RPC: yes.

    Example:
        >>> import cotangent as torch
        >>> torch.distributed.rpc.is_available()
        True
    """
    return True


__all__ = [
    "BackendType", "PyRRef", "RRef", "RpcBackendOptions", "TensorPipeRpcBackendOptions", "WorkerInfo",
    "api", "functions", "get_worker_info", "init_rpc", "is_available", "remote", "rpc_async", "rpc_sync",
    "shutdown",
]  # fmt: skip
