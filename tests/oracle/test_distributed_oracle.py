"""Functional collectives and meshes do what they do under PyTorch, with its texts: four ranks of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT

PROGRAMS = ("functional", "gradients", "mesh", "overlap", "wrappers", "averages")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """What the programs tell on each rank, under cotangent and under PyTorch."""
    found = []
    for launcher in ("cotangent.distributed.run", "torch.distributed.run"):
        folder = tmp_path_factory.mktemp("ranks")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        if launcher.startswith("cotangent"):
            environment["PYTHONPATH"] = str(PROJECT / "src")
        script = str(PROJECT / "tests/distributed/compared_programs.py")
        result = subprocess.run(
            [sys.executable, "-m", launcher, "--nproc-per-node=4", script, ",".join(PROGRAMS), str(folder)],
            env=environment, cwd=folder, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        texts = [Path(folder, f"{rank}.json").read_text() for rank in range(4)]
        found.append([json.loads(text.replace("cotangent.", "torch.")) for text in texts])
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_calls_tell_the_same(both: list[list[Any]], program: str) -> None:
    for mine, theirs in zip(*both, strict=True):
        assert len(theirs[program]) >= 10
        for name, told in theirs[program].items():
            assert mine[program][name] == told, name
