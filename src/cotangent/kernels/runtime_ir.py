"""The LLVM IR of the runtime: how threads share the steps of a program, in LLVM IR; `runtime_calls` has what
Python calls.

**Tables.** A program is a list of *stages* one after the other; a stage is a list of *steps* that may run
side by side; a step is a kernel with an index range, cut into chunks of `grain` indices. In memory

    stage   4 words: address of its first step, steps, chunks of all of them, 0
    step    8 words: kernel, buffers, numbers, count, grain, chunks before this step in the stage, its chunks,
    0

**Handing out.** One word, the *ticket*, says how many chunks of the current stage are left: its low 24 bits;
the others count publications. A thread takes a chunk by lowering it (compare and exchange), so that whoever
holds a chunk knows that the stage is alive until it says so (`left`, the number of chunks that are not
finished). Whoever finishes the last one publishes the next stage. So nobody waits for a thread that has not
come, only for chunks that somebody is working on: a worker that the system keeps off its core costs nothing
but its share of the work. Tables are read only by holders of a chunk; a worker that wakes late reads nothing
but the pool, which is never freed.

**Waiting** is a short spin, then a condition variable. `signal` counts publications; who is about to sleep
first enters `sleepers` and sleeps only if `signal` has not moved, and a publisher first moves `signal` and
then looks at `sleepers` (sequentially consistent, so one of the two sees the other).
"""

from __future__ import annotations

from typing import Final

from .runtime_calls import CALLS

__all__ = ["MODULE", "EXPORTS", "POOL_BYTES", "text"]

# Offsets into the pool, in words of 8 bytes; each group has a cache line (or two) of its own.
TICKET: Final = 0
LEFT: Final = 16
SIGNAL: Final = 32
SLEEPERS: Final = 33
STAGE: Final = 48
STAGES_LEFT: Final = 49
CHUNKS: Final = 50
FIRST_STEP: Final = 51
SEQUENCE: Final = 52
STEPS: Final = 53
FINISHED: Final = 64
BUSY: Final = 80
SHUTDOWN: Final = 96
SPINS: Final = 97
MUTEX: Final = 112
CONDITION: Final = 128
POOL_BYTES: Final = 144 * 8

CHUNK_BITS: Final = 24

EXPORTS: Final = (
    "pool_init", "pool_shutdown", "worker", "spin", "run",
    "py_run", "py_launch", "py_launch_packed", "py_address", "py_listen",
)  # fmt: skip

_PAUSE: Final = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
    "arm64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}


def text(arch: str, data_offset: int) -> str:
    """The module.

    Args:
        arch: of the CPU, for its way to say "I am spinning".
        data_offset: where an ndarray object keeps the address of its data.

    Returns:
        LLVM IR that defines the functions of `EXPORTS`, and `kernel`, a table of their addresses.
    """
    declaration, pause = _PAUSE.get(arch, ("", ""))
    words = {
        name: str(value * 8)
        for name, value in globals().items()
        if name.isupper() and isinstance(value, int) and name not in ("POOL_BYTES", "CHUNK_BITS")
    }
    body = (MODULE + CALLS).replace("$PAUSE_DECLARATION", declaration).replace("$PAUSE", pause)
    for name in sorted(words, key=len, reverse=True):
        body = body.replace(f"${name}", words[name])
    table = ", ".join(f"ptr @{name}" for name in EXPORTS)
    return (
        body.replace("%DATA_OFFSET", str(data_offset))
        + f"\n@kernel = constant [{len(EXPORTS)} x ptr] [{table}]\n"
    )


MODULE: Final = r"""
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
$PAUSE_DECLARATION

; Makes the pool (zeroed memory) ready; `spins` bounds the spinning before a thread sleeps.
define void @pool_init(ptr %pool, i64 %spins) nounwind {
  %m = getelementptr i8, ptr %pool, i64 $MUTEX
  %c = getelementptr i8, ptr %pool, i64 $CONDITION
  %s = getelementptr i8, ptr %pool, i64 $SPINS
  store i64 %spins, ptr %s
  %1 = call i32 @pthread_mutex_init(ptr %m, ptr null)
  %2 = call i32 @pthread_cond_init(ptr %c, ptr null)
  ret void
}

define void @spin(i64 %n) nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  $PAUSE
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %out
out:
  ret void
}

; Tells sleepers that something changed.
define internal void @wake(ptr %pool) nounwind {
  %signal = getelementptr i8, ptr %pool, i64 $SIGNAL
  %sleepers = getelementptr i8, ptr %pool, i64 $SLEEPERS
  %old = atomicrmw add ptr %signal, i64 1 seq_cst
  %n = load atomic i64, ptr %sleepers seq_cst, align 8
  %any = icmp ne i64 %n, 0
  br i1 %any, label %call, label %out
call:
  %m = getelementptr i8, ptr %pool, i64 $MUTEX
  %c = getelementptr i8, ptr %pool, i64 $CONDITION
  %1 = call i32 @pthread_mutex_lock(ptr %m)
  %2 = call i32 @pthread_cond_broadcast(ptr %c)
  %3 = call i32 @pthread_mutex_unlock(ptr %m)
  br label %out
out:
  ret void
}

; Asks the workers to end.
define void @pool_shutdown(ptr %pool) nounwind {
  %p = getelementptr i8, ptr %pool, i64 $SHUTDOWN
  store atomic i64 1, ptr %p seq_cst, align 8
  call void @wake(ptr %pool)
  ret void
}

; Runs chunk `index` of a stage: of the last of its steps that has no more chunks before it than that.
define internal void @run_chunk(ptr %first, i64 %steps, i64 %index) nounwind {
entry:
  br label %find
find:
  %low = phi i64 [0, %entry], [%low1, %cut]
  %high = phi i64 [%steps, %entry], [%high1, %cut]
  %width = sub i64 %high, %low
  %wide = icmp sgt i64 %width, 1
  br i1 %wide, label %cut, label %call
cut:
  %half = lshr i64 %width, 1
  %middle = add i64 %low, %half
  %pm = getelementptr [8 x i64], ptr %first, i64 %middle
  %pm5 = getelementptr i64, ptr %pm, i64 5
  %beforem = load i64, ptr %pm5
  %below = icmp sle i64 %beforem, %index
  %low1 = select i1 %below, i64 %middle, i64 %low
  %high1 = select i1 %below, i64 %high, i64 %middle
  br label %find
call:
  %step = getelementptr [8 x i64], ptr %first, i64 %low
  %p5 = getelementptr i64, ptr %step, i64 5
  %before = load i64, ptr %p5
  %k = sub i64 %index, %before
  %kernel = load ptr, ptr %step
  %p1 = getelementptr i64, ptr %step, i64 1
  %buffers = load ptr, ptr %p1
  %p2 = getelementptr i64, ptr %step, i64 2
  %numbers = load ptr, ptr %p2
  %p3 = getelementptr i64, ptr %step, i64 3
  %count = load i64, ptr %p3
  %p4 = getelementptr i64, ptr %step, i64 4
  %grain = load i64, ptr %p4
  %begin = mul i64 %k, %grain
  %full = add i64 %begin, %grain
  %over = icmp sgt i64 %full, %count
  %end = select i1 %over, i64 %count, i64 %full
  call void %kernel(ptr %buffers, ptr %numbers, i64 %begin, i64 %end)
  ret void
}

; All chunks of all stages on this thread.
define internal void @run_inline(ptr %stages, i64 %n) nounwind {
entry:
  br label %stage
stage:
  %s = phi i64 [0, %entry], [%s1, %stage_end]
  %go = icmp slt i64 %s, %n
  br i1 %go, label %begin, label %out
begin:
  %p0 = getelementptr [4 x i64], ptr %stages, i64 %s
  %first = load ptr, ptr %p0
  %p1 = getelementptr i64, ptr %p0, i64 1
  %steps = load i64, ptr %p1
  %p2 = getelementptr i64, ptr %p0, i64 2
  %chunks = load i64, ptr %p2
  br label %chunk
chunk:
  %i = phi i64 [0, %begin], [%i1, %work]
  %more = icmp slt i64 %i, %chunks
  br i1 %more, label %work, label %stage_end
work:
  call void @run_chunk(ptr %first, i64 %steps, i64 %i)
  %i1 = add i64 %i, 1
  br label %chunk
stage_end:
  %s1 = add i64 %s, 1
  br label %stage
out:
  ret void
}

; Publishes the next stage, or the end. Stages of one chunk are run here and now. Only the thread that
; finished the last chunk of a stage (or that starts the program) calls this, so there is one at a time.
define internal void @advance(ptr %pool) nounwind {
entry:
  %pstage = getelementptr i8, ptr %pool, i64 $STAGE
  %pleft = getelementptr i8, ptr %pool, i64 $STAGES_LEFT
  %pchunks = getelementptr i8, ptr %pool, i64 $CHUNKS
  %pfirst = getelementptr i8, ptr %pool, i64 $FIRST_STEP
  %pseq = getelementptr i8, ptr %pool, i64 $SEQUENCE
  br label %next
next:
  %n = load i64, ptr %pleft
  %none = icmp eq i64 %n, 0
  br i1 %none, label %finish, label %take
finish:
  %pfinished = getelementptr i8, ptr %pool, i64 $FINISHED
  store atomic i64 1, ptr %pfinished seq_cst, align 8
  call void @wake(ptr %pool)
  ret void
take:
  %stage = load ptr, ptr %pstage
  %after = getelementptr i64, ptr %stage, i64 4
  store ptr %after, ptr %pstage
  %n1 = sub i64 %n, 1
  store i64 %n1, ptr %pleft
  %first = load ptr, ptr %stage
  %p1 = getelementptr i64, ptr %stage, i64 1
  %steps = load i64, ptr %p1
  %p2 = getelementptr i64, ptr %stage, i64 2
  %chunks = load i64, ptr %p2
  %many = icmp sgt i64 %chunks, 1
  br i1 %many, label %publish, label %few
few:
  %one = icmp eq i64 %chunks, 1
  br i1 %one, label %alone, label %next
alone:
  call void @run_chunk(ptr %first, i64 %steps, i64 0)
  br label %next
publish:
  store i64 %chunks, ptr %pchunks
  store ptr %first, ptr %pfirst
  %psteps = getelementptr i8, ptr %pool, i64 $STEPS
  store i64 %steps, ptr %psteps
  %punfinished = getelementptr i8, ptr %pool, i64 $LEFT
  store atomic i64 %chunks, ptr %punfinished monotonic, align 8
  %seq = load i64, ptr %pseq
  %seq1 = add i64 %seq, 1
  store i64 %seq1, ptr %pseq
  %high = shl i64 %seq1, 24
  %ticket = or i64 %high, %chunks
  store atomic i64 %ticket, ptr %pool seq_cst, align 8
  call void @wake(ptr %pool)
  ret void
}

; Takes chunks until the program is finished (the thread that started it) or the pool shuts down (workers).
define internal void @participate(ptr %pool, i1 %starter) nounwind {
entry:
  %punfinished = getelementptr i8, ptr %pool, i64 $LEFT
  %pchunks = getelementptr i8, ptr %pool, i64 $CHUNKS
  %pfirst = getelementptr i8, ptr %pool, i64 $FIRST_STEP
  %psteps = getelementptr i8, ptr %pool, i64 $STEPS
  %pfinished = getelementptr i8, ptr %pool, i64 $FINISHED
  %pshutdown = getelementptr i8, ptr %pool, i64 $SHUTDOWN
  %psignal = getelementptr i8, ptr %pool, i64 $SIGNAL
  %psleepers = getelementptr i8, ptr %pool, i64 $SLEEPERS
  %mutex = getelementptr i8, ptr %pool, i64 $MUTEX
  %condition = getelementptr i8, ptr %pool, i64 $CONDITION
  %pspins = getelementptr i8, ptr %pool, i64 $SPINS
  %spins = load i64, ptr %pspins
  %pend = select i1 %starter, ptr %pfinished, ptr %pshutdown
  br label %look
look:
  %spun = phi i64 [0, %entry], [%spun1, %pause], [0, %worked], [%spun, %take], [0, %slept]
  %ticket = load atomic i64, ptr %pool acquire, align 8
  %remaining = and i64 %ticket, 16777215
  %some = icmp ne i64 %remaining, 0
  br i1 %some, label %take, label %idle
take:
  %less = sub i64 %ticket, 1
  %pair = cmpxchg ptr %pool, i64 %ticket, i64 %less acq_rel monotonic, align 8
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %work, label %look
work:
  %chunks = load i64, ptr %pchunks
  %first = load ptr, ptr %pfirst
  %steps = load i64, ptr %psteps
  %index = sub i64 %chunks, %remaining
  call void @run_chunk(ptr %first, i64 %steps, i64 %index)
  %before = atomicrmw sub ptr %punfinished, i64 1 acq_rel, align 8
  %last = icmp eq i64 %before, 1
  br i1 %last, label %onward, label %worked
onward:
  call void @advance(ptr %pool)
  br label %worked
worked:
  br label %look
idle:
  %end = load atomic i64, ptr %pend seq_cst, align 8
  %over = icmp ne i64 %end, 0
  br i1 %over, label %out, label %wait
wait:
  %short = icmp slt i64 %spun, %spins
  br i1 %short, label %pause, label %sleep
pause:
  $PAUSE
  %spun1 = add i64 %spun, 1
  br label %look
sleep:
  %seen = load atomic i64, ptr %psignal seq_cst, align 8
  %ticket2 = load atomic i64, ptr %pool seq_cst, align 8
  %remaining2 = and i64 %ticket2, 16777215
  %end2 = load atomic i64, ptr %pend seq_cst, align 8
  %either = or i64 %remaining2, %end2
  %calm = icmp eq i64 %either, 0
  br i1 %calm, label %lie, label %slept
lie:
  %1 = atomicrmw add ptr %psleepers, i64 1 seq_cst
  %2 = call i32 @pthread_mutex_lock(ptr %mutex)
  br label %check
check:
  %now = load atomic i64, ptr %psignal seq_cst, align 8
  %same = icmp eq i64 %now, %seen
  br i1 %same, label %doze, label %rise
doze:
  %3 = call i32 @pthread_cond_wait(ptr %condition, ptr %mutex)
  br label %check
rise:
  %4 = call i32 @pthread_mutex_unlock(ptr %mutex)
  %5 = atomicrmw sub ptr %psleepers, i64 1 seq_cst
  br label %slept
slept:
  br label %look
out:
  ret void
}

define ptr @worker(ptr %pool) nounwind {
  call void @participate(ptr %pool, i1 false)
  ret ptr null
}

; Runs a program: with the pool, or on this thread alone where there is none or it is taken.
define void @run(ptr %pool, ptr %stages, i64 %n) nounwind {
entry:
  %nopool = icmp eq ptr %pool, null
  br i1 %nopool, label %alone, label %try
try:
  %pbusy = getelementptr i8, ptr %pool, i64 $BUSY
  %pair = cmpxchg ptr %pbusy, i64 0, i64 1 acq_rel monotonic, align 8
  %mine = extractvalue { i64, i1 } %pair, 1
  br i1 %mine, label %together, label %alone
together:
  %pfinished = getelementptr i8, ptr %pool, i64 $FINISHED
  store atomic i64 0, ptr %pfinished seq_cst, align 8
  %pstage = getelementptr i8, ptr %pool, i64 $STAGE
  store ptr %stages, ptr %pstage
  %pleft = getelementptr i8, ptr %pool, i64 $STAGES_LEFT
  store i64 %n, ptr %pleft
  call void @advance(ptr %pool)
  call void @participate(ptr %pool, i1 true)
  store atomic i64 0, ptr %pbusy release, align 8
  ret void
alone:
  call void @run_inline(ptr %stages, i64 %n)
  ret void
}
"""
