"""The compiler's cache on disk: shared by processes, bounded, and trusted only where it may be."""

from pathlib import Path

import pytest
from running import RunPython

from cotangent.kernels import jit

IR = "define i64 @kernel() {{ ret i64 {} }}"
CODE = """
import ctypes, sys
from cotangent.kernels import jit
built = []
def build():
    built.append(1)
    return "define i64 @kernel() {{ ret i64 {0} }}"
address = jit.function("test {0}", build)
print(ctypes.CFUNCTYPE(ctypes.c_int64)(address)(), len(built))
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def ask(run_python: RunPython, cache: Path, number: int = 7) -> str:
    result = run_python("-W", "error", "-c", CODE.format(number), env={"COTANGENT_CACHE": str(cache)})
    assert result.stderr == ""
    return result.stdout.strip()


def test_the_second_process_finds_the_code_of_the_first(run_python: RunPython, cache: Path) -> None:
    assert [ask(run_python, cache), ask(run_python, cache)] == ["7 1", "7 0"]
    assert ask(run_python, cache, 8) == "8 1"
    assert len(list(cache.glob("*.o"))) == 2
    assert (cache.stat().st_mode & 0o777) == 0o700


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_damaged_entries_are_made_anew(run_python: RunPython, cache: Path, damage: bytes | None) -> None:
    ask(run_python, cache)
    (entry,) = cache.glob("*.o")
    content = entry.read_bytes()
    entry.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert [ask(run_python, cache), ask(run_python, cache)] == ["7 1", "7 0"]


def test_a_directory_others_may_write_to_is_not_used(run_python: RunPython, cache: Path) -> None:
    ask(run_python, cache)
    cache.chmod(0o777)
    assert ask(run_python, cache) == "7 1"


def test_no_directory_at_all(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert ask(run_python, tmp_path / "file" / "below") == "7 1"


def test_processes_at_once(run_python: RunPython, cache: Path) -> None:
    code = """
import os, sys
from cotangent.kernels import jit
import ctypes
jit.available()
children = []
for c in range(4):
    pid = os.fork()
    if not pid:
        for i in range(10):
            a = jit.function(f"n {i}", lambda: f"define i64 @kernel() {{ ret i64 {i} }}")
            if ctypes.CFUNCTYPE(ctypes.c_int64)(a)() != i:
                os._exit(1)
        os._exit(0)
    children.append(pid)
print([os.waitpid(pid, 0)[1] for pid in children])
"""
    result = run_python("-c", code, env={"COTANGENT_CACHE": str(cache)})
    assert (result.stdout, result.stderr) == ("[0, 0, 0, 0]\n", "")
    assert len(list(cache.iterdir())) == 10


def test_text_that_llvm_refuses() -> None:
    with pytest.raises(RuntimeError, match="expected"):
        jit.function("test nonsense", lambda: "define nonsense")
