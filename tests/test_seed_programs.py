"""The tutorial programs print on cotangent, unmodified, what they print on PyTorch 2.13.

tests/data/seed_programs holds the programs and, recorded from PyTorch on CPU, their output, exit status and
warnings. Its README.md says how they are compared.
"""

import re
import sys
from pathlib import Path

import pytest
from running import PROJECT, RunPython

FOLDER = PROJECT / "tests/data/seed_programs"

PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))


# PyTorch warns here of what its own init_rpc does, not of anything in the program.
OWN = "UserWarning: You are using a Backend <class 'torch.distributed.distributed_c10d.ProcessGroupGloo'>"


# A line with whether two tensors, one made after the other was gone, had the same address: on Python 3.11,
# with which it was recorded, they do; that is the allocator's affair.
CHANCE = {"000_s3_detach": 2} if sys.version_info >= (3, 14) else {}


def comparable(text: str) -> str:
    """A text without addresses, trailing blanks and folders."""
    text = re.sub(r"0x[0-9a-f]+", "0xADDR", text)
    text = re.sub(r"(?<![\w.])(?:/[^/\s\"':]+)+/(?=[^/\s\"':]+)", "", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def messages(errors: str, status: int) -> str:
    """The first line of each warning on standard error, and the line of the error that ended the program."""
    found = re.findall(r"^[^\s:]+:\d+: (\w+Warning: .*)$", errors, re.M)
    if status:
        last = errors.rpartition("Traceback (most recent call last):\n")[2]
        found += re.findall(r"^(?!\s)[\w.]+: .*$", last, re.M)[:1]
    return comparable("\n".join(found))


def recorded(program: str, kind: str) -> str:
    """What PyTorch gave; nothing is recorded where there was nothing."""
    path = FOLDER / "expected" / f"{program}.{kind}"
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8").split("\n")
    return comparable("\n".join(line for line in lines if not line.startswith(OWN)))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_tutorial_program_prints_what_pytorch_prints(
    program: str, tmp_path: Path, run_python: RunPython
) -> None:
    result = run_python("-m", "cotangent", str(FOLDER / f"{program}.py"))
    said, wanted = comparable(result.stdout).split("\n"), recorded(program, "out").split("\n")
    if program in CHANCE:
        del said[CHANCE[program]], wanted[CHANCE[program]]
    assert said == wanted, result.stderr
    assert str(result.returncode) == recorded(program, "rc")
    assert messages(result.stderr, result.returncode) == recorded(program, "msg")


def test_all_programs_are_there() -> None:
    assert len(PROGRAMS) == 23
