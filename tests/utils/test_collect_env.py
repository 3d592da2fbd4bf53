"""torch.utils.collect_env: the report of machine and installation."""

import platform
import subprocess
import sys

import cotangent as torch
from cotangent.utils import collect_env


def test_the_report_says_what_is_installed() -> None:
    report = torch.utils.collect_env.get_pretty_env_info()
    lines = report.splitlines()
    assert lines[0] == f"PyTorch version: {torch.__version__}"
    assert f"Python platform: {platform.platform()}" in lines
    assert "Is CUDA available: False" in lines
    assert any(line.startswith("[pip3] numpy==") for line in lines)


def test_what_is_missing_is_said() -> None:
    known = collect_env.get_env_info()._replace(gcc_version=None, pip_packages="", conda_packages=None)
    lines = collect_env.pretty_str(known).splitlines()
    assert "GCC version: Could not collect" in lines
    assert lines[-2:] == ["No relevant packages", "[conda] Could not collect"]


def test_commands_are_asked_through_what_is_given() -> None:
    said = {"gcc --version": (0, "gcc (Somebody 9) 9.1\nmore", ""), "cmake --version": (1, "cmake 3", "")}
    ask = said.__getitem__
    assert collect_env.get_gcc_version(ask) == "(Somebody 9) 9.1"  # type: ignore[arg-type]
    assert collect_env.get_cmake_version(ask) is None  # type: ignore[arg-type]
    assert collect_env.run_and_return_first_line(ask, "gcc --version") == "gcc (Somebody 9) 9.1"  # type: ignore[arg-type]
    assert collect_env.run(["no such command"])[0] == 127
    assert collect_env.run("exit 3") == (3, "", "")


def test_it_can_be_run() -> None:
    command = [sys.executable, "-m", "cotangent.utils.collect_env"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Collecting environment information...\nPyTorch version: ")
