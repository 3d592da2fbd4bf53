"""What the programs of this directory say is what PyTorch says."""

import importlib

import pytest
from told import SOURCES, difference, recorded, told

import cotangent

AREA = "utils"
PROGRAMS = {
    name: program
    for module in SOURCES[AREA]
    for name, program in importlib.import_module(module).PROGRAMS.items()
}


def test_everything_is_recorded() -> None:
    assert sorted(recorded(AREA)) == sorted(PROGRAMS)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_says_what_pytorch_says(name: str) -> None:
    found = difference(recorded(AREA)[name], told(PROGRAMS[name], cotangent))
    assert found is None, found

