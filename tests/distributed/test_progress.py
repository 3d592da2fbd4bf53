"""The display of progress that rank 0 shows for all."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from running import RunPython

from cotangent.distributed.progress import progress

PROGRAM = """
import io
import torch, torch.distributed as dist
from cotangent.distributed.progress import progress

dist.init_process_group("gloo")
rank = dist.get_rank()
for step in progress(range(5), "first"):
    pass
dist.barrier()

class Terminal(io.StringIO):
    def isatty(self):
        return True

shown = Terminal()
for step in progress(range(20), "second", every=0.0, file=shown):
    if rank == 1 and step == 2:
        dist.barrier()
        dist.barrier()
    if rank == 0 and step in (3, 15):
        behind = shown.getvalue()
        dist.barrier()
if rank == 0:
    print("rank 1 is 13 behind" in behind, "2/20" in behind and "2 ranks" in behind, flush=True)
else:
    print("nothing else shown:", not shown.getvalue(), flush=True)
dist.destroy_process_group()
"""


def test_it_is_shown_once_and_tells_who_is_behind(
    run_python: RunPython, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "shows.py").write_text(PROGRAM)
    result = run_python("-m", "cotangent.distributed.run", "--standalone", "--nproc-per-node=2", "shows.py")
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == ["True True", "nothing else shown: True"]
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(r"first: [0-5] of 5, \d+\.\d s, \d+\.\d/s, 2 ranks(, rank 1 is \d behind)?", line)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_process_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    file = Terminal()
    assert list(progress(iter("abc"), "letters", total=3, file=file)) == ["a", "b", "c"]
    assert "letters" in file.getvalue() and "3/3" in file.getvalue() and "/s" in file.getvalue()


def test_a_loop_that_is_left_or_fails_is_shown_to_where_it_came() -> None:
    file = io.StringIO()
    steps: Any = progress(range(10), "left", file=file)
    for step in steps:
        if step == 4:
            break
    steps.close()
    assert file.getvalue().startswith("left: 4 of 10, ")

    def fails() -> Any:
        yield 1
        raise ValueError("on purpose")

    file = io.StringIO()
    with pytest.raises(ValueError, match="on purpose"):
        list(progress(fails(), file=file))
    assert re.match(r"progress: 1, \d+\.\d s, \d+\.\d/s\n$", file.getvalue())
