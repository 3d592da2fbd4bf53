"""`torch.fx`: the same programs under PyTorch and here print the same graphs, code, results and errors."""

import re
import subprocess
import sys

import pytest
from running import PROJECT

PROGRAMS = PROJECT / "tests" / "data" / "fx_programs"


def printed(name: str, *under: str) -> list[str]:
    command = [sys.executable, "-W", "ignore", *under, str(PROGRAMS / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr
    return re.sub(" at 0x[0-9a-f]+", "", done.stdout).splitlines()


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("*.py")))
def test_programs_print_the_same(name: str) -> None:
    theirs = printed(name)
    ours = printed(name, "-m", "cotangent")
    assert ours == theirs
    assert len(theirs) > 20
