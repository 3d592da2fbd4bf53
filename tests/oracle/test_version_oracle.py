"""Versions are ordered as PyTorch orders its own."""

import operator
import pickle

import pytest

from cotangent.torch_version import PYTORCH, TorchVersion

torch = pytest.importorskip("torch")

OTHERS = (
    "1.13", "2.0", "2.13", "2.13.0", "2.13.0+cpu", "2.13.0+cu121", "2.13.0a0", "2.13.0.dev20250101", "2.13.1",
    "2.13.0.post1", "2.13.0rc1", "2.14.0a0+git1", "3", "10.0", "v2.13", "parrot", "", "2.13.0+cpu.1",
    "2.13-1", (2,), (2, 13), (2, 14), (1, 13, 1), [2, 13, 0], ("2", "13", "0"), 2, 2.13, None,
)  # fmt: skip
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)


def outcome(compare, a, b):
    try:
        return compare(a, b)
    except TypeError as error:
        return str(error)


@pytest.mark.parametrize("own", ["2.13.0+cpu", "2.13.0a0+git12ab", "2.1.0.dev20230410", "1.13.1+cu117"])
def test_the_order_of_versions(own):
    mine, theirs = TorchVersion(own), torch.torch_version.TorchVersion(own)
    for other in OTHERS:
        for compare in COMPARISONS:
            assert outcome(compare, mine, other) == outcome(compare, theirs, other), (compare, other)
            assert outcome(compare, other, mine) == outcome(compare, other, theirs), (compare, other)


def test_the_alias_shows_the_version_of_the_oracle():
    assert str(PYTORCH) == str(torch.__version__)
    assert repr(PYTORCH) == repr(torch.__version__)
    assert pickle.loads(pickle.dumps(PYTORCH)) == PYTORCH
    assert hash(PYTORCH) == hash(torch.__version__)
