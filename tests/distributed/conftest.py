"""Runs programs on several ranks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT, RunPython


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs several programs of a file in one start of the ranks, once; gives what each rank returned."""
    known: dict[tuple[str, int], list[Any]] = {}

    def run(names: str, size: int, file: str) -> list[Any]:
        if (names, size) not in known:
            folder = tmp_path_factory.mktemp("ranks")
            command = [
                sys.executable, "-m", "cotangent.distributed.run", "--standalone", f"--nproc-per-node={size}",
                str(PROJECT / "tests/distributed" / file), names, str(folder),
            ]  # fmt: skip
            environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
            result = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300
            )
            assert result.returncode == 0, result.stderr
            files = [folder / f"{rank}.json" for rank in range(size)]
            known[names, size] = [json.loads(file.read_text()) for file in files]
        return known[names, size]

    return run


@pytest.fixture
def ranks(run_python: RunPython, tmp_path: Path) -> Any:
    """Runs a program of a file on several ranks through the launcher; gives what each returned."""

    def run(name: str, size: int, status: int = 0, *options: str, file: str = "programs.py") -> list[Any]:
        result = run_python(
            "-m", "cotangent.distributed.run", "--standalone", f"--nproc-per-node={size}", *options,
            str(PROJECT / "tests/distributed" / file), name, str(tmp_path),
        )  # fmt: skip
        assert result.returncode == status, result.stderr
        files = [tmp_path / f"{rank}.json" for rank in range(size)]
        return [json.loads(file.read_text()) if file.exists() else None for file in files]

    return run
