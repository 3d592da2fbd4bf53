"""`torch.cpu`: the CPU as a device, and the old place of mixed precision on it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from . import amp
from .streams import Event, Stream, StreamContext, current_stream, stream

__all__ = [
    "Event", "Stream", "StreamContext", "amp", "current_device", "current_stream", "device_count",
    "get_capabilities", "is_available", "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is a CPU: yes.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.is_available()
        True
    """
    return True


def device_count() -> int:
    """The number of CPU devices: one.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.device_count()
        1
    """
    return 1


def current_device() -> str:
    """The device: "cpu".

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.current_device()
        'cpu'
    """
    return "cpu"


def synchronize(device: object = None) -> None:
    """Wait until the device has done everything: it has.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.synchronize()
    """


def is_initialized() -> bool:
    """Whether the CPU is ready: yes.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.is_initialized()
        True
    """
    return True


def set_device(device: object) -> None:
    """Choose a device: there is but one.

    Args:
        device: accepted.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.set_device("cpu")
    """


# PyTorch's name of a capability -> the flag of the Linux kernel, where they differ.
_X86: Final = {
    **{name: name for name in (
        "sse", "sse2", "ssse3", "sse4a", "avx", "avx2", "avx_vnni", "avx512_vnni", "avx512_vp2intersect",
        "avx512_bf16", "avx512_fp16", "avx512_bitalg", "avx512_vpopcntdq", "avx512_4vnniw", "avx512_4fmaps",
        "avx_vnni_int8", "avx_vnni_int16", "avx_ne_convert", "amx_bf16", "amx_tile", "amx_int8", "amx_fp16",
        "fma4", "f16c", "bmi2", "popcnt", "aes", "clflush", "clflushopt", "clwb", "avx10_1", "avx10_2",
    )},
    "sse3": "pni", "sse4_1": "sse4_1", "sse4_2": "sse4_2", "avx512_f": "avx512f", "avx512_cd": "avx512cd",
    "avx512_dq": "avx512dq", "avx512_bw": "avx512bw", "avx512_vl": "avx512vl", "avx512_ifma": "avx512ifma",
    "avx512_vbmi": "avx512vbmi", "avx512_vbmi2": "avx512_vbmi2", "fma3": "fma", "bmi": "bmi1", "lzcnt": "abm",
    "sha": "sha_ni",
}  # fmt: skip
_ARM: Final = {
    "neon": "asimd", "fp16_arith": "asimdhp", "bf16": "bf16", "i8mm": "i8mm", "dot": "asimddp", "sve": "sve",
    "sve2": "sve2", "sve_bf16": "svebf16", "sme": "sme", "sme2": "sme2", "atomics": "atomics",
    "fhm": "asimdfhm", "rdm": "asimdrdm", "crc32": "crc32", "aes": "aes", "sha1": "sha1", "sha2": "sha2",
    "pmull": "pmull",
}  # fmt: skip


def _told(*names: str) -> list[str]:
    """What the kernel says of each core under one of these names; nothing where it says nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    told = (line.partition(":") for line in lines)
    return [value.strip() for name, _, value in told if name.strip() in names]


@lru_cache(None)
def get_capabilities() -> Mapping[str, Any]:
    """What instructions the processor has, as Linux tells it.

    Returns:
        a mapping of names, such as "avx2", to truth values; names and numbers of the processor's parts.

    Example:
        >>> import cotangent as torch
        >>> isinstance(torch.cpu.get_capabilities()["architecture"], str)
        True
    """
    machine = platform.machine()
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    known = _X86 if machine == "x86_64" else _ARM if machine == "aarch64" else {}
    found: dict[str, Any] = {"architecture": machine}
    flags = frozenset(next(iter(_told("flags", "Features")), "").split())
    found.update((name, flag in flags) for name, flag in known.items())
    sockets, cores = _told("physical id"), _told("core id")
    found["cpu_name"] = next(iter(_told("model name")), machine)
    found["num_logical_cores"] = os.cpu_count() or 1
    found["num_physical_cores"] = len(set(zip(sockets, cores, strict=True))) or found["num_logical_cores"]
    found["num_sockets"] = len(set(sockets)) or 1
    return MappingProxyType(found)
