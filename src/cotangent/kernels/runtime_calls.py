"""The LLVM IR of the functions that Python calls: builtins that read their arguments from Python objects.

Machine code as builtins of the interpreter costs 0.1 us a call, where a call through ctypes costs ten times
that. An ndarray's data are read from its struct: the address follows the object head (NumPy's stable ABI).
"""

from __future__ import annotations

from typing import Final

__all__ = ["CALLS", "MASK", "SLOTS", "TOLD"]

# Words of the table of `@heard`: the callable that is told, the number of slots less one, the first slot.
TOLD: Final = 0
MASK: Final = 1
SLOTS: Final = 2

# What the launches have in common: their first four arguments,
_HEADS: Final = r"""%a0 = load ptr, ptr %args
  %pool = call i64 @PyLong_AsLongLong(ptr %a0)
  %p1 = getelementptr ptr, ptr %args, i64 1
  %a1 = load ptr, ptr %p1
  %kernel = call i64 @PyLong_AsLongLong(ptr %a1)
  %p2 = getelementptr ptr, ptr %args, i64 2
  %a2 = load ptr, ptr %p2
  %count = call i64 @PyLong_AsLongLong(ptr %a2)
  %p3 = getelementptr ptr, ptr %args, i64 3
  %a3 = load ptr, ptr %p3
  %grain = call i64 @PyLong_AsLongLong(ptr %a3)
"""
# ... one turn of the loop that reads where arrays lie,
_ARRAY: Final = r"""array:
  %pa = getelementptr ptr, ptr %rest, i64 %i
  %aa = load ptr, ptr %pa
  %pd = getelementptr i8, ptr %aa, i64 %DATA_OFFSET
  %data = load ptr, ptr %pd
  %slot = getelementptr ptr, ptr %buffers, i64 %i
  store ptr %data, ptr %slot
  %i1 = add i64 %i, 1
  br label %arrays
"""
# ... and the launch itself.
_END: Final = r"""checked:
  %failed = call ptr @PyErr_Occurred()
  %bad = icmp ne ptr %failed, null
  br i1 %bad, label %error, label %go
go:
  call void @launch(i64 %pool, i64 %kernel, i64 %count, i64 %grain, ptr %buffers, ptr %numbers)
  call void @Py_IncRef(ptr %self)
  ret ptr %self
error:
  call void @complain()
  ret ptr null
}
"""

_TEXT: Final = r"""
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare i64 @PyLong_AsLongLong(ptr)
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyLong_FromVoidPtr(ptr)
declare ptr @PyErr_Occurred()

; run(pool, stages, n) for Python: three ints. Gives None (the function's self) back.
define ptr @py_run(ptr %self, ptr %args, i64 %nargs) nounwind {
entry:
  %a0 = load ptr, ptr %args
  %p1 = getelementptr ptr, ptr %args, i64 1
  %a1 = load ptr, ptr %p1
  %p2 = getelementptr ptr, ptr %args, i64 2
  %a2 = load ptr, ptr %p2
  %pool = call i64 @PyLong_AsLongLong(ptr %a0)
  %stages = call i64 @PyLong_AsLongLong(ptr %a1)
  %n = call i64 @PyLong_AsLongLong(ptr %a2)
  %ppool = inttoptr i64 %pool to ptr
  %pstages = inttoptr i64 %stages to ptr
  %failed = call ptr @PyErr_Occurred()
  %bad = icmp ne ptr %failed, null
  br i1 %bad, label %error, label %go
go:
  %state = call ptr @PyEval_SaveThread()
  call void @run(ptr %ppool, ptr %pstages, i64 %n)
  call void @PyEval_RestoreThread(ptr %state)
  call void @Py_IncRef(ptr %self)
  ret ptr %self
error:
  ret ptr null
}

; address(array): where its data lie.
define ptr @py_address(ptr %self, ptr %args, i64 %nargs) nounwind {
  %a0 = load ptr, ptr %args
  %p = getelementptr i8, ptr %a0, i64 %DATA_OFFSET
  %data = load ptr, ptr %p
  %r = call ptr @PyLong_FromVoidPtr(ptr %data)
  ret ptr %r
}

; launch(pool, kernel, count, grain, nbuffers, nints, *arrays, *ints, *floats): one step, at most 64 operands.
define ptr @py_launch(ptr %self, ptr %args, i64 %nargs) nounwind {
entry:
  %buffers = alloca [64 x ptr], align 16
  %numbers = alloca [64 x i64], align 16
  %few = icmp sle i64 %nargs, 70
  br i1 %few, label %heads, label %error
heads:
  %HEADS
  %p4 = getelementptr ptr, ptr %args, i64 4
  %a4 = load ptr, ptr %p4
  %nbuffers = call i64 @PyLong_AsLongLong(ptr %a4)
  %p5 = getelementptr ptr, ptr %args, i64 5
  %a5 = load ptr, ptr %p5
  %nints = call i64 @PyLong_AsLongLong(ptr %a5)
  %rest = getelementptr ptr, ptr %args, i64 6
  %nrest = sub i64 %nargs, 6
  %intsend = add i64 %nbuffers, %nints
  br label %arrays
arrays:
  %i = phi i64 [0, %heads], [%i1, %array]
  %morea = icmp slt i64 %i, %nbuffers
  br i1 %morea, label %array, label %ints
%ARRAY
ints:
  %j = phi i64 [%i, %arrays], [%j1, %int]
  %morei = icmp slt i64 %j, %intsend
  br i1 %morei, label %int, label %floats
int:
  %pi = getelementptr ptr, ptr %rest, i64 %j
  %ai = load ptr, ptr %pi
  %vi = call i64 @PyLong_AsLongLong(ptr %ai)
  %si = sub i64 %j, %nbuffers
  %sloti = getelementptr i64, ptr %numbers, i64 %si
  store i64 %vi, ptr %sloti
  %j1 = add i64 %j, 1
  br label %ints
floats:
  %f = phi i64 [%j, %ints], [%f1, %float]
  %moref = icmp slt i64 %f, %nrest
  br i1 %moref, label %float, label %checked
float:
  %pf = getelementptr ptr, ptr %rest, i64 %f
  %af = load ptr, ptr %pf
  %vf = call double @PyFloat_AsDouble(ptr %af)
  %sf = sub i64 %f, %nbuffers
  %slotf = getelementptr double, ptr %numbers, i64 %sf
  store double %vf, ptr %slotf
  %f1 = add i64 %f, 1
  br label %floats
%END

; launch_packed(pool, kernel, count, grain, numbers, *arrays): the same with the numbers in an array.
define ptr @py_launch_packed(ptr %self, ptr %args, i64 %nargs) nounwind {
entry:
  %buffers = alloca [64 x ptr], align 16
  %few = icmp sle i64 %nargs, 69
  br i1 %few, label %heads, label %error
heads:
  %HEADS
  %p4 = getelementptr ptr, ptr %args, i64 4
  %a4 = load ptr, ptr %p4
  %pn = getelementptr i8, ptr %a4, i64 %DATA_OFFSET
  %numbers = load ptr, ptr %pn
  %rest = getelementptr ptr, ptr %args, i64 5
  %nrest = sub i64 %nargs, 5
  br label %arrays
arrays:
  %i = phi i64 [0, %heads], [%i1, %array]
  %more = icmp slt i64 %i, %nrest
  br i1 %more, label %array, label %checked
%ARRAY
%END

; Runs one step: of one chunk with the interpreter lock held, as it is short; of several without.
define internal void @launch(i64 %pool, i64 %kernel, i64 %count, i64 %grain, ptr %buffers, ptr %numbers)
    nounwind {
entry:
  %step = alloca [8 x i64], align 16
  %stage = alloca [4 x i64], align 16
  %fn = inttoptr i64 %kernel to ptr
  %single = icmp sge i64 %grain, %count
  br i1 %single, label %direct, label %shared
direct:
  call void %fn(ptr %buffers, ptr %numbers, i64 0, i64 %count)
  ret void
shared:
  %up = add i64 %count, %grain
  %up1 = sub i64 %up, 1
  %chunks = sdiv i64 %up1, %grain
  store ptr %fn, ptr %step
  %t1 = getelementptr i64, ptr %step, i64 1
  store ptr %buffers, ptr %t1
  %t2 = getelementptr i64, ptr %step, i64 2
  store ptr %numbers, ptr %t2
  %t3 = getelementptr i64, ptr %step, i64 3
  store i64 %count, ptr %t3
  %t4 = getelementptr i64, ptr %step, i64 4
  store i64 %grain, ptr %t4
  %t5 = getelementptr i64, ptr %step, i64 5
  store i64 0, ptr %t5
  %t6 = getelementptr i64, ptr %step, i64 6
  store i64 %chunks, ptr %t6
  store ptr %step, ptr %stage
  %g1 = getelementptr i64, ptr %stage, i64 1
  store i64 1, ptr %g1
  %g2 = getelementptr i64, ptr %stage, i64 2
  store i64 %chunks, ptr %g2
  %ppool = inttoptr i64 %pool to ptr
  %state = call ptr @PyEval_SaveThread()
  call void @run(ptr %ppool, ptr %stage, i64 1)
  call void @PyEval_RestoreThread(ptr %state)
  ret void
}

; Sets an error if none is set.
define internal void @complain() nounwind {
entry:
  %pending = call ptr @PyErr_Occurred()
  %silent = icmp eq ptr %pending, null
  br i1 %silent, label %raise, label %out
raise:
  call void @PyErr_BadInternalCall()
  br label %out
out:
  ret void
}
declare void @PyErr_BadInternalCall()

declare void @PyEval_SetProfile(ptr, ptr)
declare ptr @PyFrame_GetCode(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyObject_CallFunctionObjArgs(ptr, ...)

; listen(table): hear of this thread's calls, as sys.setprofile does with a Python function.
define ptr @py_listen(ptr %self, ptr %args, i64 %nargs) nounwind {
  %table = load ptr, ptr %args
  call void @PyEval_SetProfile(ptr @heard, ptr %table)
  call void @Py_IncRef(ptr %self)
  ret ptr %self
}

; A profile hook of the interpreter. Its table, an int64 ndarray, holds objects by address: code that has been
; told of, and builtins to be told of. For the first call of any other code, and for each call of such a
; builtin, it calls told(frame, None or the builtin); all other events cost a search of the table or less.
define i32 @heard(ptr %table, ptr %frame, i32 %what, ptr %called) nounwind {
entry:
  %p = getelementptr i8, ptr %table, i64 %DATA_OFFSET
  %data = load ptr, ptr %p
  %slots = getelementptr i64, ptr %data, i64 2
  %pmask = getelementptr i64, ptr %data, i64 1
  %mask = load i64, ptr %pmask
  switch i32 %what, label %quiet [i32 0, label %call
                                  i32 4, label %builtin]
call:
  %code = call ptr @PyFrame_GetCode(ptr %frame)
  call void @Py_DecRef(ptr %code)
  br label %search
builtin:
  br label %search
search:
  %object = phi ptr [%code, %call], [%called, %builtin]
  %key = ptrtoint ptr %object to i64
  %low = lshr i64 %key, 4
  %high = lshr i64 %key, 12
  %mixed = xor i64 %low, %high
  br label %look
look:
  %at = phi i64 [%mixed, %search], [%next, %other]
  %spot = and i64 %at, %mask
  %pslot = getelementptr i64, ptr %slots, i64 %spot
  %held = load i64, ptr %pslot
  %same = icmp eq i64 %held, %key
  br i1 %same, label %decide, label %missed
missed:
  %empty = icmp eq i64 %held, 0
  br i1 %empty, label %decide, label %other
other:
  %next = add i64 %at, 1
  br label %look
decide:
  %iscall = icmp eq i32 %what, 0
  %skip = icmp eq i1 %same, %iscall
  br i1 %skip, label %quiet, label %tell
tell:
  %told = load ptr, ptr %data
  %result = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(ptr %told, ptr %frame, ptr %called, ptr null)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %raise, label %done
done:
  call void @Py_DecRef(ptr %result)
  br label %quiet
quiet:
  ret i32 0
raise:
  ret i32 -1
}
"""
CALLS: Final = _TEXT.replace("%HEADS\n", _HEADS).replace("%ARRAY\n", _ARRAY).replace("%END\n", _END)
