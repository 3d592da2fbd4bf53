"""`torch.cuda.profiler` without CUDA."""

from __future__ import annotations

from ..absent import refusing
from .texts import NO_CUDA

__all__ = ["profile", "start", "stop"]

profile = refusing(__name__, "profile", AssertionError, NO_CUDA)
start = refusing(__name__, "start", AssertionError, NO_CUDA)
stop = refusing(__name__, "stop", AssertionError, NO_CUDA)
