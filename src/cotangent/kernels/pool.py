"""Memory of large arrays is used again instead of being given back to the system and asked for anew.

A fresh array of 40 MB costs 5 ms before anything is computed, because the system hands out its pages one by
one as they are first touched. `install()` gives NumPy (in the current context, through its public
`PyDataMem_SetHandler`) an allocator that keeps freed blocks of at least `SMALLEST` bytes, up to `limit()`
bytes in all, and hands them out again to arrays of about the same size. A block is free when NumPy frees it:
when the last array and the last view of it are gone, whoever held them. Smaller arrays are NumPy's
allocator's business as before.

A block begins 64 bytes behind a page boundary; its header, in these 64 bytes, holds two marks, its size and
what the system gave. The table of free blocks is touched with the interpreter lock held, as NumPy allocates
and frees; where there is no such lock (free-threaded builds) nothing is installed. COTANGENT_POOL sets the
limit in MB; 0 is no pool.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Final

import numpy as np

from . import jit

__all__ = ["clear", "install", "limit", "statistics"]

SMALLEST: Final = 1 << 18
_BLOCKS: Final = 64
_MARKS: Final = (0x636F74616E67656E, 0x74206C6172676521)
# Positions in NumPy's table of C functions (numpy/_core/code_generators/numpy_api.py), and its capsule's
# name.
_SET_HANDLER, _DEFAULT_HANDLER = 304, 306
_CAPSULE: Final = b"mem_handler"


class _Allocator(ctypes.Structure):
    _fields_ = (
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler."""

    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator))


class _Pool(ctypes.Structure):
    """What the allocator knows: NumPy's own one, the bounds, and the free blocks, oldest first."""

    _fields_ = (
        ("default", _Allocator),
        ("limit", ctypes.c_int64),
        ("bytes", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("hits", ctypes.c_int64),
        ("misses", ctypes.c_int64),
        ("blocks", ctypes.c_int64 * (2 * _BLOCKS + 2)),
    )


class _State:
    def __init__(self) -> None:
        self.pool: _Pool | None = None
        self.handler: Any = None
        self.capsule: Any = None
        self.clear: Any = None


_state: Final = _State()


def limit() -> int:
    """Bytes of free blocks that are kept at most: an eighth of the memory, and no more than 1 GiB.

    Returns:
        The limit; 0 where there is no pool.
    """
    chosen = os.environ.get("COTANGENT_POOL")
    if chosen is not None:
        return int(chosen) << 20 if chosen.isdigit() else 0
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 28
    return min(memory // 8, 1 << 30)


def install() -> bool:
    """Let NumPy's large arrays come from the pool, in the current context.

    Returns:
        Whether they do.
    """
    if _state.capsule is None and not _make():
        return False
    _numpy(_SET_HANDLER, ctypes.py_object, ctypes.py_object)(_state.capsule)
    return True


def clear() -> None:
    """Give the free blocks back to the system."""
    if _state.pool is not None:
        _state.clear(ctypes.addressof(_state.pool))


def statistics() -> dict[str, int]:
    """Bytes and number of the free blocks, and how often a large array got one of them or did not."""
    pool = _state.pool
    if pool is None:
        return {"bytes": 0, "count": 0, "hits": 0, "misses": 0}
    return {name: int(getattr(pool, name)) for name in ("bytes", "count", "hits", "misses")}


def _numpy(position: int, result: Any, *arguments: Any) -> Any:
    """A function of NumPy's C interface."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype = ctypes.c_void_p
    get.argtypes = [ctypes.py_object, ctypes.c_char_p]
    capsule: Any = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    table = get(capsule, None)
    address: Any = ctypes.c_void_p.from_address(table + position * ctypes.sizeof(ctypes.c_void_p)).value
    if position == _DEFAULT_HANDLER:
        return ctypes.py_object.from_address(address).value
    return ctypes.PYFUNCTYPE(result, *arguments)(address)


def _make() -> bool:
    bound = limit()
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    if not bound or not locked or ctypes.sizeof(ctypes.c_void_p) != 8 or not jit.available():
        return False
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype = ctypes.c_void_p
    get.argtypes = [ctypes.py_object, ctypes.c_char_p]
    default = _Handler.from_address(get(_numpy(_DEFAULT_HANDLER, None), _CAPSULE))
    if default.version != 1:
        return False
    table = (ctypes.c_void_p * 5).from_address(jit.function("pool", lambda: _TEXT, quick=True))
    clear: Any = table[4]
    pool = _Pool(default=default.allocator, limit=bound)
    allocator = _Allocator(ctypes.addressof(pool), *table[:4])
    handler = _Handler(b"cotangent", 1, allocator)
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    _state.pool, _state.handler = pool, handler
    _state.clear = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(clear)
    _state.capsule = new(ctypes.addressof(handler), _CAPSULE, None)
    # Arrays may outlive the interpreter's modules, and are then freed by what is allocated here.
    for kept in (pool, handler, _state.capsule):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    return True


_TEXT: Final = (
    r"""
declare ptr @malloc(i64)
declare ptr @calloc(i64, i64)
declare void @free(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)

; Whether an address is a block of the pool's.
define internal i1 @ours(ptr %p) nounwind {
entry:
  %a = ptrtoint ptr %p to i64
  %low = and i64 %a, 4095
  %there = icmp eq i64 %low, 64
  br i1 %there, label %look, label %no
look:
  %h = getelementptr i8, ptr %p, i64 -64
  %m = load i64, ptr %h
  %h1 = getelementptr i8, ptr %p, i64 -56
  %m1 = load i64, ptr %h1
  %c = icmp eq i64 %m, MARK0
  %c1 = icmp eq i64 %m1, MARK1
  %both = and i1 %c, %c1
  ret i1 %both
no:
  ret i1 false
}

; A block for `size` bytes that was used before, or null.
define internal ptr @taken(ptr %pool, i64 %size) nounwind {
entry:
  %pcount = getelementptr i64, ptr %pool, i64 7
  %n = load i64, ptr %pcount
  %eighth = lshr i64 %size, 3
  %most = add i64 %size, %eighth
  %blocks = getelementptr i64, ptr %pool, i64 10
  br label %loop
loop:
  %i = phi i64 [%n, %entry], [%j, %next]
  %j = sub i64 %i, 1
  %more = icmp sge i64 %j, 0
  br i1 %more, label %test, label %none
test:
  %p = getelementptr [2 x i64], ptr %blocks, i64 %j
  %s = load i64, ptr %p
  %enough = icmp sge i64 %s, %size
  %close = icmp sle i64 %s, %most
  %fits = and i1 %enough, %close
  br i1 %fits, label %take, label %next
next:
  br label %loop
take:
  %pb = getelementptr i64, ptr %p, i64 1
  %block = load ptr, ptr %pb
  call void @dropped(ptr %pool, i64 %j)
  ret ptr %block
none:
  ret ptr null
}

; Takes entry i out of the table.
define internal void @dropped(ptr %pool, i64 %i) nounwind {
  %pcount = getelementptr i64, ptr %pool, i64 7
  %n = load i64, ptr %pcount
  %n1 = sub i64 %n, 1
  store i64 %n1, ptr %pcount
  %blocks = getelementptr i64, ptr %pool, i64 10
  %p = getelementptr [2 x i64], ptr %blocks, i64 %i
  %s = load i64, ptr %p
  %pbytes = getelementptr i64, ptr %pool, i64 6
  %b = load i64, ptr %pbytes
  %b1 = sub i64 %b, %s
  store i64 %b1, ptr %pbytes
  %after = getelementptr [2 x i64], ptr %p, i64 1
  %rest = sub i64 %n1, %i
  %bytes = mul i64 %rest, 16
  call void @llvm.memmove.p0.p0.i64(ptr %p, ptr %after, i64 %bytes, i1 false)
  ret void
}

; Gives a block back to the system.
define internal void @released(ptr %block) nounwind {
  %h = getelementptr i8, ptr %block, i64 -64
  store i64 0, ptr %h
  %hb = getelementptr i8, ptr %block, i64 -40
  %raw = load ptr, ptr %hb
  call void @free(ptr %raw)
  ret void
}

; The header of a new block in memory that the system gave (of size + 8192 bytes).
define internal ptr @headed(ptr %raw, i64 %size) nounwind {
entry:
  %failed = icmp eq ptr %raw, null
  br i1 %failed, label %none, label %go
go:
  %a = ptrtoint ptr %raw to i64
  %up = add i64 %a, 4095
  %page = and i64 %up, -4096
  %h = inttoptr i64 %page to ptr
  store i64 MARK0, ptr %h
  %h1 = getelementptr i64, ptr %h, i64 1
  store i64 MARK1, ptr %h1
  %h2 = getelementptr i64, ptr %h, i64 2
  store i64 %size, ptr %h2
  %h3 = getelementptr i64, ptr %h, i64 3
  store ptr %raw, ptr %h3
  %block = getelementptr i64, ptr %h, i64 8
  ret ptr %block
none:
  ret ptr null
}

define internal i64 @rounded(i64 %size) nounwind {
  %up = add i64 %size, 4095
  %r = and i64 %up, -4096
  ret i64 %r
}

define internal void @counted(ptr %pool, i64 %which) nounwind {
  %p = getelementptr i64, ptr %pool, i64 %which
  %v = load i64, ptr %p
  %v1 = add i64 %v, 1
  store i64 %v1, ptr %p
  ret void
}

define internal ptr @pool_malloc(ptr %pool, i64 %size) nounwind {
entry:
  %small = icmp ult i64 %size, SMALLEST
  br i1 %small, label %default, label %large
default:
  %context = load ptr, ptr %pool
  %pf = getelementptr i64, ptr %pool, i64 1
  %f = load ptr, ptr %pf
  %d = call ptr %f(ptr %context, i64 %size)
  ret ptr %d
large:
  %r = call i64 @rounded(i64 %size)
  %old = call ptr @taken(ptr %pool, i64 %r)
  %found = icmp ne ptr %old, null
  br i1 %found, label %again, label %fresh
again:
  call void @counted(ptr %pool, i64 8)
  ret ptr %old
fresh:
  call void @counted(ptr %pool, i64 9)
  %bytes = add i64 %r, 8192
  %raw = call ptr @malloc(i64 %bytes)
  %block = call ptr @headed(ptr %raw, i64 %r)
  ret ptr %block
}

define internal ptr @pool_calloc(ptr %pool, i64 %n, i64 %each) nounwind {
entry:
  %product = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %n, i64 %each)
  %size = extractvalue { i64, i1 } %product, 0
  %over = extractvalue { i64, i1 } %product, 1
  %little = icmp ult i64 %size, SMALLEST
  %small = or i1 %little, %over
  br i1 %small, label %default, label %large
default:
  %context = load ptr, ptr %pool
  %pf = getelementptr i64, ptr %pool, i64 2
  %f = load ptr, ptr %pf
  %d = call ptr %f(ptr %context, i64 %n, i64 %each)
  ret ptr %d
large:
  %r = call i64 @rounded(i64 %size)
  %old = call ptr @taken(ptr %pool, i64 %r)
  %found = icmp ne ptr %old, null
  br i1 %found, label %again, label %fresh
again:
  call void @counted(ptr %pool, i64 8)
  call void @llvm.memset.p0.i64(ptr %old, i8 0, i64 %size, i1 false)
  ret ptr %old
fresh:
  call void @counted(ptr %pool, i64 9)
  %bytes = add i64 %r, 8192
  %raw = call ptr @calloc(i64 1, i64 %bytes)
  %block = call ptr @headed(ptr %raw, i64 %r)
  ret ptr %block
}

define internal void @pool_free(ptr %pool, ptr %p, i64 %size) nounwind {
entry:
  %mine = call i1 @ours(ptr %p)
  br i1 %mine, label %large, label %default
default:
  %context = load ptr, ptr %pool
  %pf = getelementptr i64, ptr %pool, i64 4
  %f = load ptr, ptr %pf
  call void %f(ptr %context, ptr %p, i64 %size)
  ret void
large:
  %h = getelementptr i8, ptr %p, i64 -48
  %s = load i64, ptr %h
  %plimit = getelementptr i64, ptr %pool, i64 5
  %limit = load i64, ptr %plimit
  %half = lshr i64 %limit, 1
  %huge = icmp sgt i64 %s, %half
  br i1 %huge, label %give, label %room
give:
  call void @released(ptr %p)
  ret void
room:
  %pbytes = getelementptr i64, ptr %pool, i64 6
  %b = load i64, ptr %pbytes
  %with = add i64 %b, %s
  %full = icmp sgt i64 %with, %limit
  %pcount = getelementptr i64, ptr %pool, i64 7
  %n = load i64, ptr %pcount
  %crowded = icmp sge i64 %n, BLOCKS
  %evict = or i1 %full, %crowded
  %blocks = getelementptr i64, ptr %pool, i64 10
  br i1 %evict, label %oldest, label %keep
oldest:
  %pb = getelementptr i64, ptr %blocks, i64 1
  %first = load ptr, ptr %pb
  call void @dropped(ptr %pool, i64 0)
  call void @released(ptr %first)
  br label %room
keep:
  %e = getelementptr [2 x i64], ptr %blocks, i64 %n
  store i64 %s, ptr %e
  %e1 = getelementptr i64, ptr %e, i64 1
  store ptr %p, ptr %e1
  %n1 = add i64 %n, 1
  store i64 %n1, ptr %pcount
  store i64 %with, ptr %pbytes
  ret void
}

define internal ptr @pool_realloc(ptr %pool, ptr %p, i64 %size) nounwind {
entry:
  %mine = call i1 @ours(ptr %p)
  br i1 %mine, label %large, label %default
default:
  %context = load ptr, ptr %pool
  %pf = getelementptr i64, ptr %pool, i64 3
  %f = load ptr, ptr %pf
  %d = call ptr %f(ptr %context, ptr %p, i64 %size)
  ret ptr %d
large:
  %h = getelementptr i8, ptr %p, i64 -48
  %s = load i64, ptr %h
  %new = call ptr @pool_malloc(ptr %pool, i64 %size)
  %failed = icmp eq ptr %new, null
  br i1 %failed, label %out, label %copy
copy:
  %less = icmp ult i64 %size, %s
  %bytes = select i1 %less, i64 %size, i64 %s
  call void @llvm.memcpy.p0.p0.i64(ptr %new, ptr %p, i64 %bytes, i1 false)
  call void @pool_free(ptr %pool, ptr %p, i64 %s)
  br label %out
out:
  ret ptr %new
}

define internal void @pool_clear(ptr %pool) nounwind {
entry:
  br label %loop
loop:
  %pcount = getelementptr i64, ptr %pool, i64 7
  %n = load i64, ptr %pcount
  %any = icmp sgt i64 %n, 0
  br i1 %any, label %one, label %out
one:
  %pb = getelementptr i64, ptr %pool, i64 11
  %first = load ptr, ptr %pb
  call void @dropped(ptr %pool, i64 0)
  call void @released(ptr %first)
  br label %loop
out:
  ret void
}

@kernel = constant [5 x ptr] [ptr @pool_malloc, ptr @pool_calloc, ptr @pool_realloc, ptr @pool_free,
                              ptr @pool_clear]
""".replace("SMALLEST", str(SMALLEST))
    .replace("BLOCKS", str(_BLOCKS))
    .replace("MARK0", str(_MARKS[0]))
    .replace("MARK1", str(_MARKS[1]))
)
