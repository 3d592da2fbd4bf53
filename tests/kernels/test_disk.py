"""What is kept on disk: where, how much, and code of generated text."""

import linecache
import os
from pathlib import Path
from typing import Any

import pytest
from running import RunPython

from cotangent.kernels import disk


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTANGENT_CACHE", "/somewhere")
    assert disk.cache_directory() == "/somewhere"
    monkeypatch.delenv("COTANGENT_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert disk.cache_directory() == os.path.join("/cache", "cotangent")


def test_pruning_deletes_what_was_not_used_for_longest(tmp_path: Path) -> None:
    for i in range(10):
        path = tmp_path / f"{i}.o"
        path.write_bytes(bytes(100))
        os.utime(path, (i, i))
    disk.prune(str(tmp_path), 1000)
    assert len(list(tmp_path.iterdir())) == 10
    disk.prune(str(tmp_path), 800)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{i}.o" for i in range(4, 10)]


PROGRAM = """
import cotangent as torch
from cotangent.kernels import disk
made, compiled = [], compile
disk.compile = lambda *args: made.append(args[1]) or compiled(*args)
x = torch.ones(3, requires_grad=True)
(x.tanh() * 2).sum().backward()
x.detach().mul_(2)
print(len(made), x.grad.tolist()[0])
try:
    torch.tanh(1)
except TypeError as error:
    print(error.__traceback__.tb_next.tb_frame.f_code.co_filename)
"""


@pytest.mark.parametrize("damage", ["none", "a byte", "all"])
def test_generated_code_is_compiled_once(run_python: RunPython, tmp_path: Path, damage: str) -> None:
    def ask() -> list[str]:
        result = run_python("-W", "error", "-c", PROGRAM, env={"COTANGENT_CACHE": str(tmp_path)})
        assert not result.stderr, result.stderr
        return result.stdout.split()

    first = ask()
    assert int(first[0]) >= 3
    for path in tmp_path.glob("*.code"):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage == "a byte" else content)
        if damage == "all":
            path.write_bytes(b"")
    again = ask()
    assert again[0] == ("0" if damage == "none" else first[0])
    assert again[1:] == first[1:]


def test_text_of_another_file_is_another_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_state", disk._State())
    monkeypatch.setenv("COTANGENT_CACHE", str(tmp_path))
    for name in ("<one>", "<two>", "<one>"):
        scope: dict[str, Any] = {}
        disk.execute("def f():\n    return 1\n", name, scope)
        assert scope["f"].__code__.co_filename == name
        assert linecache.getline(name, 2) == "    return 1\n"
    assert len(list(tmp_path.iterdir())) == 2
