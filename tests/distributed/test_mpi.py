"""The `mpi` backend, under mpiexec."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT
from test_messages import check_anyone

import cotangent as torch

MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
pytestmark = pytest.mark.skipif(
    MPIEXEC is None or not torch.distributed.is_mpi_available(), reason="needs the packages of cotangent[mpi]"
)


@pytest.fixture
def mpi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs a program of programs.py under mpiexec."""
    monkeypatch.setenv("BACKEND", "mpi")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "src"))

    def run(name: str, size: int, file: str = "programs.py") -> tuple[Any, list[Any]]:
        program = str(PROJECT / "tests/distributed" / file)
        command = [
            str(MPIEXEC), "-n", str(size), sys.executable, "-m", "cotangent", program, name, str(tmp_path),
        ]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        files = [tmp_path / f"{rank}.json" for rank in range(size)]
        return result, [json.loads(file.read_text()) if file.exists() else None for file in files]

    return run


def test_collectives(mpi: Any) -> None:
    result, found = mpi("collectives", 3)
    assert result.returncode == 0, result.stderr
    for rank, one in enumerate(found):
        assert [one[f"sum torch.{d}"] for d in ("float32", "float64", "bfloat16", "int16", "uint8")] == [
            6
        ] * 5
        assert one["PRODUCT"] == [6, 216] and one["BXOR"] == [0, 6] and one["strided"][0] == [0, 18]
        assert one["broadcast"] == 1.0 and one["into"] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
        assert one["all_gather"] == [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]
        assert one["reduce_scatter"] == [3.0 * rank + 3.0] * 2 and one["scatter"] == [float(rank)] * 2
        assert one["all_to_all"] == [float(r * 10 + rank) for r in range(3)] and one["ring"]
        assert one["objects"] == [{"rank": r, "text": "x" * r} for r in range(3)]
        assert one.get("group") == ([3.0, rank, 2] if rank < 2 else None)


def test_messages(mpi: Any) -> None:
    result, found = mpi("anyone,ordered", 3, "message_programs.py")
    assert result.returncode == 0, result.stderr
    check_anyone(found[0]["anyone"])
    assert [one["ordered"] for one in found] == [True, True, None]


def test_ddp(mpi: Any) -> None:
    result, found = mpi("training", 2)
    assert result.returncode == 0, result.stderr
    assert all(distance < 1e-5 for distance, _ in found)


def test_a_rank_that_does_not_come_is_named(mpi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMIT", "2")
    result, _ = mpi("stuck", 2)
    assert result.returncode != 0
    assert "rank 0 of 2 could not finish an all-reduce within 2 s: rank 1 does not take part" in result.stderr


def test_an_exception_ends_all_ranks(mpi: Any) -> None:
    result, _ = mpi("raises", 2)
    assert result.returncode != 0 and "ValueError: on purpose" in result.stderr
