"""Runs programs on several ranks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT, RunPython


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
