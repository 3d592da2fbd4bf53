"""The pool of large arrays: memory is used again when its last view is gone, and not before."""

from running import RunPython

HEAD = """
import gc, sys, threading
import numpy as np
from cotangent.kernels import pool
assert pool.install()
def where(a):
    return a.ctypes.data
"""


def out_of(run_python: RunPython, code: str, **env: str) -> str:
    result = run_python("-W", "error", "-c", HEAD + code, env=env)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.strip()


def test_memory_is_used_again_when_the_last_view_is_gone(run_python: RunPython) -> None:
    code = """
a = np.full(200_000, 3.0)
assert a.flags.owndata and where(a) % 64 == 0
first, view, raw = where(a), a[5:10], memoryview(a)
del a
b = np.full(200_000, 4.0)
assert where(b) != first and (view == 3).all()
del view
c = np.full(200_000, 5.0)
assert where(c) != first and raw[7] == 3
del raw
d = np.full(200_000, 6.0)
print(where(d) == first, pool.statistics()["hits"])
"""
    assert out_of(run_python, code) == "True 1"


def test_zeros_are_zero_and_sizes_fit(run_python: RunPython) -> None:
    code = """
a = np.full(1 << 20, 255, np.uint8)
first = where(a)
del a
z = np.zeros(1 << 20, np.uint8)
assert where(z) == first and not z.any()
del z
# Much smaller and larger arrays do not get this block; slightly smaller ones do.
small, large = np.empty((1 << 20) - (1 << 18), np.uint8), np.empty(1 << 21, np.uint8)
assert first not in (where(small), where(large))
print(where(np.empty((1 << 20) - 5000, np.uint8)) == first)
"""
    assert out_of(run_python, code) == "True"


def test_growing_and_shrinking(run_python: RunPython) -> None:
    code = """
a = np.arange(100_000.0)
for n in (300_000, 50_000, 10, 400_000):
    before = a.copy()
    a.resize(n, refcheck=False)
    k = min(n, before.size)
    assert (a[:k] == before[:k]).all() and not a[k:].any()
print(a[:3])
"""
    assert out_of(run_python, code) == "[0. 1. 2.]"


def test_it_is_bounded(run_python: RunPython) -> None:
    code = """
for k in range(3):
    arrays = [np.ones((1 << 20) + (i << 14), np.uint8) for i in range(200)]
    del arrays
    s = pool.statistics()
    assert 0 < s["bytes"] <= 8 << 20 and s["count"] <= 64, s
big = np.ones(7 << 20, np.uint8)
del big
assert pool.statistics()["bytes"] <= 8 << 20
pool.clear()
print(pool.statistics()["bytes"], pool.statistics()["count"])
"""
    assert out_of(run_python, code, COTANGENT_POOL="8") == "0 0"


def test_other_threads_and_the_end(run_python: RunPython) -> None:
    """Arrays may be freed by threads without a pool, and live until after the modules are gone."""
    code = """
arrays = [np.ones(300_000) for _ in range(10)]
def work():
    while arrays:
        arrays.pop()
    made.append(np.ones(300_000))
made = []
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
class Late:
    def __init__(self):
        self.array = np.ones(400_000)
sys.late = Late()
sys.late.cycle = sys.late
print(len(made))
"""
    assert out_of(run_python, code) == "4"


def test_none_where_it_is_not_wanted(run_python: RunPython) -> None:
    code = """
import numpy as np
from cotangent.kernels import pool
print(pool.limit(), pool.install(), np._core.multiarray.get_handler_name(np.empty(3)))
"""
    result = run_python("-c", code, env={"COTANGENT_POOL": "0"})
    assert result.stdout == "0 False default_allocator\n"
