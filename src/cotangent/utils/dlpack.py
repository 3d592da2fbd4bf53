"""`torch.utils.dlpack`: tensors handed to and taken from other libraries without a copy."""

from __future__ import annotations

import enum
from typing import Any

from ..exchange import from_dlpack


def to_dlpack(tensor: Any) -> Any:
    """The tensor's memory as a DLPack capsule, which can be consumed once.

    Args:
        tensor: the tensor; its history stays behind.

    Returns:
        a capsule.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.dlpack import from_dlpack, to_dlpack
        >>> from_dlpack(to_dlpack(torch.ones(2)))
        tensor([1., 1.])
    """
    return tensor.detach().__dlpack__(max_version=(1, 0))  # older capsules are read-only to NumPy


__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """Kinds of devices by their numbers in DLPack (https://dmlc.github.io/dlpack, dlpack.h)."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16
    kDLMAIA = 17
