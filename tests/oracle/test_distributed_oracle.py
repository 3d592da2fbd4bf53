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
NUMBERS = "fsdp"  # a program that tells numbers, which may differ by rounding


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """What the programs tell on each rank, under cotangent and under PyTorch."""
    found, programs = [], ",".join((*PROGRAMS, NUMBERS))
    for launcher in ("cotangent.distributed.run", "torch.distributed.run"):
        folder = tmp_path_factory.mktemp("ranks")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        if launcher.startswith("cotangent"):
            environment["PYTHONPATH"] = str(PROJECT / "src")
        script = str(PROJECT / "tests/distributed/compared_programs.py")
        result = subprocess.run(
            [sys.executable, "-m", launcher, "--nproc-per-node=4", script, programs, str(folder)],
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


def test_wrapped_models_train_and_save_the_same(both: list[list[Any]]) -> None:
    for mine, theirs in zip(*both, strict=True):
        assert len(theirs[NUMBERS]) >= 30
        for name, told in theirs[NUMBERS].items():
            compare(mine[NUMBERS][name], told, name)


def compare(mine: Any, told: Any, name: str) -> None:
    """All the same, numbers nearly."""
    if isinstance(told, dict):
        assert list(mine) == list(told), name
        for key, value in told.items():
            compare(mine[key], value, f"{name} {key}")
    elif isinstance(told, list):
        assert len(mine) == len(told), name
        for number, value in enumerate(told):
            compare(mine[number], value, f"{name} {number}")
    elif isinstance(told, float):
        assert mine == pytest.approx(told, rel=1e-8, abs=1e-8), name
    else:
        assert mine == told, name
