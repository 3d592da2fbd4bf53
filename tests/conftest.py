"""What all tests share: a runner for programs in fresh processes, and hypothesis's settings."""

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from running import PROJECT, RunPython

# A time limit on each example would make the result depend on how busy the machine is. In CI the same
# examples are drawn in each run, so that a red run can be repeated.
IN_CI = "CI" in os.environ
hypothesis.settings.register_profile("project", deadline=None, derandomize=IN_CI, print_blob=True)
hypothesis.settings.load_profile("project")

# Encoding and order of sets are the same on every machine, and the package is this checkout's.
SAME_EVERYWHERE = {
    "PYTHONUTF8": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONPATH": str(PROJECT / "src"),
}


@pytest.fixture
def run_python(tmp_path: Path) -> RunPython:
    """A function that runs `python ARGUMENTS` in the test's own directory and returns what came of it."""

    def run(
        *arguments: str, env: dict[str, str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        settings: dict[str, object] = {
            "cwd": tmp_path,
            "stdin": None if "input" in options else subprocess.DEVNULL,
            "capture_output": True,
            "text": True,
            "encoding": "utf-8",
            "timeout": 300,
            **options,
            "env": {**os.environ, **SAME_EVERYWHERE, **(env or {})},
        }
        return subprocess.run([sys.executable, *arguments], check=False, **settings)  # type: ignore[call-overload]

    return run
