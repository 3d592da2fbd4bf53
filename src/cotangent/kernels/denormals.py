"""Whether the processor counts the smallest numbers (denormal ones) as zero: a switch of each thread."""

from __future__ import annotations

import ctypes
import platform
from typing import Final

from . import jit

__all__ = ["flush"]

# Bits 6 and 15 of the control register MXCSR: denormal operands count as zero, denormal results become zero.
_TEXT: Final = """
declare void @llvm.x86.sse.stmxcsr(i8*)
declare void @llvm.x86.sse.ldmxcsr(i8*)

define void @kernel(i64 %on) {
  %word = alloca i32, align 4
  %bytes = bitcast i32* %word to i8*
  call void @llvm.x86.sse.stmxcsr(i8* %bytes)
  %old = load i32, i32* %word, align 4
  %with = or i32 %old, 32832
  %without = and i32 %old, -32833
  %wanted = icmp ne i64 %on, 0
  %new = select i1 %wanted, i32 %with, i32 %without
  store i32 %new, i32* %word, align 4
  call void @llvm.x86.sse.ldmxcsr(i8* %bytes)
  ret void
}
"""


def flush(on: bool) -> bool:
    """Let the calling thread count denormal numbers as zero, or no longer.

    Args:
        on: whether it does.

    Returns:
        Whether the processor (x86) and the compiler are there to do it.
    """
    if platform.machine().lower() not in ("x86_64", "amd64") or not jit.available():
        return False
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(jit.function("denormals", lambda: _TEXT))(int(on))
    return True
