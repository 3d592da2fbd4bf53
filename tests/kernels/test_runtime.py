"""The runtime of generated kernels: threads, programs, forks, interrupts; every program ends by itself."""

import numpy as np
import pytest
from running import RunPython

from cotangent.config import settings
from cotangent.kernels import jit, runtime
from cotangent.kernels.runtime import Program, Step

# buffers[0][i] += numbers[0] for i in [begin, end), in int64.
ADD = """
define void @kernel(ptr %b, ptr %n, i64 %lo, i64 %hi) nounwind {
entry:
  %p = load ptr, ptr %b
  %x = load i64, ptr %n
  %go = icmp slt i64 %lo, %hi
  br i1 %go, label %loop, label %out
loop:
  %i = phi i64 [%lo, %entry], [%next, %loop]
  %a = getelementptr i64, ptr %p, i64 %i
  %v = load i64, ptr %a
  %w = add i64 %v, %x
  store i64 %w, ptr %a
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %hi
  br i1 %more, label %loop, label %out
out:
  ret void
}
"""
# What programs in fresh processes begin with.
HEAD = f'''
import os, signal, sys, threading, time
import numpy as np
from cotangent.kernels import jit, runtime
from cotangent.kernels.runtime import Program, Step
add = jit.function("test add", lambda: """{ADD}""")
def steps(a, n, grain=100):
    return Program([Step(add, [a], [1], a.size, grain) for _ in range(n)])
runtime.set_threads(3)
'''


@pytest.fixture
def add() -> int:
    assert runtime.ready()
    return jit.function("test add", lambda: ADD)


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> int:
    before = settings.threads
    runtime.set_threads(request.param)
    yield request.param
    settings.threads = before
    settings.on_threads()


def test_every_index_of_every_step_is_run_once(add: int, threads: int) -> None:
    for count, grain in ((1, 1), (7, 3), (1000, 1), (1000, 64), (1000, 5000), (0, 4)):
        a = np.zeros(max(count, 1), np.int64)
        program = Program([Step(add, [a], [k], count, grain) for k in range(1, 20)])
        for _ in range(50):
            program.run()
        assert (a[:count] == 50 * 190).all()


def test_steps_without_a_barrier_run_all_the_same(add: int, threads: int) -> None:
    arrays = [np.zeros(n, np.int64) for n in (1, 10, 1000, 3, 0, 77)]
    program = Program([Step(add, [a], [1], a.size, 2, barrier=i == 3) for i, a in enumerate(arrays)])
    for _ in range(100):
        program.run()
    assert all((a == 100).all() for a in arrays)


def test_numbers_and_buffers_may_change_between_runs(add: int) -> None:
    a, b = np.zeros(10, np.int64), np.zeros(10, np.int64)
    program = Program([Step(add, [a], [1], 10, 5)])
    program.run()
    program.numbers[0][0] = 5
    program.buffers[0][0] = runtime.address(b)
    program.run()
    assert (a == 1).all()
    assert (b == 5).all()


def test_empty_programs_and_programs_of_empty_steps(add: int) -> None:
    Program([]).run()
    Program([Step(add, [np.zeros(1, np.int64)], [1], 0, 1)] * 3).run()


def test_launch_takes_arrays_ints_and_floats(add: int, threads: int) -> None:
    a = np.zeros(1000, np.int64)
    runtime.launch(add, 1000, 1000, 1, 1, a, 2)
    runtime.launch(add, 1000, 10, 1, 1, a, 3)
    assert (a == 5).all()
    bits = np.zeros(4, np.int64)
    runtime.launch(add, 4, 4, 1, 0, bits, 1.5)
    assert (bits.view(np.float64) == 1.5).all()
    with pytest.raises(TypeError):
        runtime.launch(add, 4, 4, 1, 1, bits, "three")
    with pytest.raises(SystemError):
        runtime.launch(add, 4, 4, 1, 70, bits, *range(70))


def test_packed_numbers() -> None:
    values = runtime.packed([3, 0.5, -1])
    assert values[0] == 3 and values[2] == -1
    assert values.view(np.float64)[1] == 0.5


def test_set_threads_sets_the_number_of_system_threads(run_python: RunPython) -> None:
    code = (
        HEAD
        + """
a = np.zeros(1000, np.int64)
program = steps(a, 3)
before = len(os.listdir("/proc/self/task"))
import cotangent
for n in (1, 2, 4, 3, 1):
    cotangent.set_num_threads(n)
    assert cotangent.get_num_threads() == n
    program.run()
    print(len(os.listdir("/proc/self/task")) - before, end=" ")
assert (a == 15).all()
"""
    )
    result = run_python("-c", code, env={"OPENBLAS_NUM_THREADS": "1"}, timeout=60)
    assert (result.stdout.split(), result.stderr) == (["0", "1", "3", "2", "0"], "")


def ends_well(run_python: RunPython, body: str, *, stderr: str = "", **options: object) -> str:
    """Run HEAD and `body`, which must end in time with status 0; returns what it printed."""
    result = run_python("-W", "error", "-c", HEAD + body, timeout=100, **options)
    assert (result.returncode, result.stderr) == (0, stderr)
    return result.stdout


def test_idle_workers_use_no_time(run_python: RunPython) -> None:
    out = ends_well(
        run_python,
        """
steps(np.zeros(1000, np.int64), 100).run()
time.sleep(0.05)
before = time.process_time()
time.sleep(0.5)
print(time.process_time() - before < 0.05)
""",
    )
    assert out == "True\n"


def test_forks(run_python: RunPython) -> None:
    """Children and grandchildren compute, while other threads of the parent are computing, too."""
    out = ends_well(
        run_python,
        """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from Python 3.12 on
stop = False
def work():
    mine = np.zeros(2000, np.int64)
    program = steps(mine, 5)
    n = 0
    while not stop:
        program.run()
        n += 1
    assert (mine == 5 * n).all()
others = [threading.Thread(target=work) for _ in range(2)]
for t in others:
    t.start()
a = np.zeros(1000, np.int64)
program = steps(a, 10)
for i in range(30):
    program.run()
    pid = os.fork()
    if not pid:
        for _ in range(20):
            program.run()
        if i % 10 == 0 and not os.fork():
            program.run()
            os._exit(0)
        if i % 10 == 0:
            os.wait()
        os._exit(0 if (a == 10 * (i + 1 + 20)).all() else 1)
    assert os.waitpid(pid, 0)[1] == 0
stop = True
for t in others:
    t.join()
assert (a == 300).all()
print("done")
""",
    )
    assert out == "done\n"


def test_multiprocessing_with_fork_and_spawn(run_python: RunPython, tmp_path) -> None:
    (tmp_path / "jobs.py").write_text(
        HEAD
        + """
def job(i):
    a = np.zeros(1000, np.int64)
    steps(a, 10).run()
    return int(a.sum()) + i
"""
    )
    code = """
import multiprocessing as mp, jobs
if __name__ == "__main__":
    jobs.job(0)
    for how in ("fork", "spawn"):
        with mp.get_context(how).Pool(2) as pool:
            print(pool.map(jobs.job, range(4)))
    jobs.job(0)
"""
    result = run_python("-c", code, timeout=100)
    assert (result.stdout, result.stderr) == ("[10000, 10001, 10002, 10003]\n" * 2, "")


def test_several_python_threads_at_once(run_python: RunPython) -> None:
    out = ends_well(
        run_python,
        """
def work():
    a = np.zeros(5000, np.int64)
    program = steps(a, 7)
    for _ in range(300):
        program.run()
    assert (a == 2100).all()
    done.append(1)
done = []
threads = [threading.Thread(target=work) for _ in range(6)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(len(done))
""",
    )
    assert out == "6\n"


def test_the_number_of_threads_changes_while_others_compute(run_python: RunPython) -> None:
    out = ends_well(
        run_python,
        """
a = np.zeros(5000, np.int64)
program = steps(a, 7)
def work():
    for _ in range(500):
        program.run()
t = threading.Thread(target=work)
t.start()
for i in range(200):
    runtime.set_threads(1 + i % 4)
    Program([Step(add, [np.zeros(1000, np.int64)], [1], 1000, 10)]).run()
t.join()
print((a == 3500).all())
""",
    )
    assert out == "True\n"


def test_keyboard_interrupts(run_python: RunPython) -> None:
    """An interrupt arrives, the program under way is finished, and the next ones are right."""
    out = ends_well(
        run_python,
        """
a = np.zeros(200_000, np.int64)
program = steps(a, 20)
hits, armed = 0, False
def handler(number, frame):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, handler)
pid = os.getpid()
def interrupt():
    while True:
        time.sleep(0.003)
        os.kill(pid, signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
end = time.time() + 2
while time.time() < end:
    before = int(a[0])
    try:
        armed = True
        program.run()
        armed = False
    except KeyboardInterrupt:
        armed = False
        hits += 1
    assert a.min() == a.max() and (a[0] - before) in (0, 20), (before, a.min(), a.max())
print(hits > 5)
""",
    )
    assert out == "True\n"


def test_exit_while_daemon_threads_compute(run_python: RunPython) -> None:
    for _ in range(3):
        out = ends_well(
            run_python,
            """
def work():
    program = steps(np.zeros(100_000, np.int64), 50)
    while True:
        program.run()
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
print("end")
""",
        )
        assert out == "end\n"


def test_oversubscribed(run_python: RunPython) -> None:
    """Many more threads than cores, and processes beside that spin: slower, but it ends."""
    out = ends_well(
        run_python,
        """
runtime.set_threads(16)
others = []
for _ in range(3):
    pid = os.fork()
    if not pid:
        end = time.time() + 60
        while time.time() < end:
            pass
        os._exit(0)
    others.append(pid)
a = np.zeros(10_000, np.int64)
program = steps(a, 200)
for _ in range(5):
    program.run()
for pid in others:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print((a == 1000).all())
""",
    )
    assert out == "True\n"


def test_without_llvmlite_there_is_one_notice(run_python: RunPython) -> None:
    code = """
import sys, warnings
sys.modules["llvmlite"] = None
from cotangent.kernels import runtime
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    print(runtime.ready(), runtime.ready(), len(seen), "llvmlite" in str(seen[0].message))
"""
    assert run_python("-c", code).stdout == "False False 1 True\n"
