"""What the programs of this directory say is what PyTorch says."""

import importlib
import itertools

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


def test_a_sampler_of_billions_begins_at_once() -> None:
    sampler = cotangent.utils.data.RandomSampler(range(10), replacement=True, num_samples=10**12)
    first = list(itertools.islice(sampler, 40))
    assert len(first) == 40
    assert set(first) <= set(range(10))
