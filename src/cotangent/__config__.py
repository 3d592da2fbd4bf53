"""What the package is made of and how many threads it computes with, as texts for reports."""

from __future__ import annotations

import os

from . import lazy
from .toplevel import get_num_threads

__all__ = ["parallel_info", "show"]

system_info = lazy.module("cotangent.system_info")


def show() -> str:
    """The versions of what computes, one a line, under PyTorch's heading.

    Example:
        >>> import cotangent as torch
        >>> torch.__config__.show().splitlines()[0]
        'PyTorch built with:'
    """
    lines = [f"  - {label}: {value}" for label, value in system_info.rows()]
    return "\n".join(["PyTorch built with:", *lines, ""])


def _cxx_flags() -> str:
    """The flags of the C++ compiler: there is none."""
    return ""


def parallel_info() -> str:
    """How many threads there are, and what the environment says of that.

    Example:
        >>> import cotangent as torch
        >>> torch.__config__.parallel_info().splitlines()[0]
        'ATen/Parallel:'
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    named = [f"\t{name} : {os.environ.get(name, '[not set]')}" for name in names]
    return "\n".join(
        [
            "ATen/Parallel:",
            f"\tat::get_num_threads() : {get_num_threads()}",
            f"std::thread::hardware_concurrency() : {os.cpu_count()}",
            "Environment variables:",
            *named,
            "ATen parallel backend: native thread pool",
            "",
        ]
    )
