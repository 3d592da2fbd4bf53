"""torch.cuda, as a machine without CUDA answers: there is no device, and asking is no error."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final

from .. import lazy
from ..absent import device_count, is_available, is_initialized, refusing
from ..device_errors import OutOfMemoryError as OutOfMemoryError
from ..errors import noted
from . import graphs, memory, nvtx, profiler, random, streams
from .graphs import (
    CUDAGraph,
    graph,
    graph_pool_handle,
    is_current_stream_capturing,
    make_graphed_callables,
)
from .memory import *  # noqa: F403  # its list of names is the one list
from .random import *  # noqa: F403  # the same
from .streams import Event, ExternalStream, Stream, StreamContext, stream
from .texts import NO_CUDA

__all__ = [
    "CUDAGraph", "DeferredCudaCallError", "Event", "ExternalStream", "Stream", "StreamContext", "amp",
    "current_device", "default_generators", "device", "device_count", "device_of", "get_arch_list",
    "get_gencode_flags", "graph", "graph_pool_handle", "graphs", "has_half", "has_magma", "is_available",
    "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "is_tf32_supported",
    "make_graphed_callables", "memory", "nvtx", "profiler", "random", "stream", "streams",
]  # fmt: skip
# Functions that ask a device.
_REFUSED: Final = [
    "can_device_access_peer", "cudart", "current_blas_handle", "current_solver_handle", "current_stream",
    "default_stream", "get_device_capability", "get_device_name", "get_device_properties",
    "get_stream_from_external", "get_sync_debug_mode", "init", "ipc_collect", "set_device", "set_stream",
    "set_sync_debug_mode", "synchronize",
]  # fmt: skip
__all__ += memory.__all__
__all__ += random.__all__
__all__ += _REFUSED  # noqa: PLE0605

amp: Any = lazy.deferred("cotangent.cuda.amp")
default_generators: Final[tuple[Any, ...]] = ()
has_half: Final = True
has_magma: Final = False


class DeferredCudaCallError(Exception):
    """What went wrong in a call that waited for CUDA to be initialised."""


def current_device() -> Any:
    """The current CUDA device.

    Raises:
        AssertionError: always, with PyTorch's text.
    """
    raise noted(AssertionError(NO_CUDA), "device")


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a CUDA device computes with bfloat16: there is none.

    Args:
        including_emulation: accepted as in PyTorch.
    """
    return False


def is_tf32_supported() -> bool:
    """Whether a CUDA device has TensorFloat-32: there is none."""
    return False


def get_arch_list() -> list[str]:
    """The architectures that CUDA code was compiled for: none."""
    return []


def get_gencode_flags() -> str:
    """The flags that CUDA code was compiled with: none."""
    return ""


class device:
    """For a block: another current device, of which there is none.

    Args:
        device: which.

    Raises:
        RuntimeError: on entering, for the number of a device.
    """

    def __init__(self, device: Any) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx != -1:
            raise RuntimeError("PyTorch was compiled without CUDA support")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class device_of(device):
    """For a block: the current device is that of a tensor, if it is on one.

    Args:
        obj: a tensor.

    Example:
        >>> import cotangent as torch
        >>> with torch.cuda.device_of(torch.ones(1)):
        ...     torch.ones(1)
        tensor([1.])
    """

    def __init__(self, obj: Any) -> None:
        super().__init__(-1)


for _name in _REFUSED:
    globals()[_name] = refusing(__name__, _name, AssertionError, NO_CUDA)
