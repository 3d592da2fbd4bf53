"""`DistributedSampler` deals out PyTorch's indices."""

from __future__ import annotations

import pytest
import torch

import cotangent


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("count", "replicas"), [(10, 2), (11, 3), (3, 8), (1, 4), (8, 1), (2, 2)])
def test_shares_are_those_of_pytorch(count: int, replicas: int, shuffle: bool, drop_last: bool) -> None:
    for rank in range(replicas):
        mine, theirs = (
            lib.utils.data.distributed.DistributedSampler(
                range(count), replicas, rank, shuffle=shuffle, seed=3, drop_last=drop_last
            )
            for lib in (cotangent, torch)
        )
        assert len(mine) == len(theirs)
        for epoch in range(3):
            mine.set_epoch(epoch)
            theirs.set_epoch(epoch)
            assert list(mine) == list(theirs)


@pytest.mark.parametrize("rank", [2, -1])
def test_a_rank_that_does_not_exist(rank: int) -> None:
    texts = []
    for lib in (cotangent, torch):
        with pytest.raises(ValueError) as caught:
            lib.utils.data.DistributedSampler(range(4), 2, rank)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_a_group_is_needed_where_none_is_given() -> None:
    texts = []
    for lib in (cotangent, torch):
        with pytest.raises(ValueError) as caught:
            lib.utils.data.DistributedSampler(range(4))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
