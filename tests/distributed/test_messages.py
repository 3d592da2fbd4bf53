"""Messages from rank to rank."""

from __future__ import annotations

from typing import Any

import pytest


def check_anyone(found: dict[str, Any]) -> None:
    """What rank 0 of three has received."""
    taken = found["taken"]
    assert taken[1][0] == 2  # the one that was named
    assert all(source == who for source, who, _ in taken)
    for rank in (1, 2):
        assert [k for source, _, k in taken if source == rank] == [0.0, 1.0, 2.0]
    assert found["tagged"] == [[1, 1], [2, 2]] and found["empty"] == [1, 2]
    assert sorted(found["sources"]) == [[1, 1.5], [2, 2.5]]


@pytest.fixture
def messages(together: Any) -> Any:
    return lambda name: [
        one[name] for one in together("anyone,ordered,subgroup,refused", 3, "message_programs.py")
    ]


def test_messages_from_any_rank(messages: Any) -> None:
    check_anyone(messages("anyone")[0])


def test_messages_keep_their_order(messages: Any) -> None:
    assert messages("ordered") == [True, True, None]


def test_messages_within_a_group(messages: Any) -> None:
    outside, one, two = messages("subgroup")
    text = "Running irecv on global rank 0 which does not belong to the given group."
    assert outside == [[None, -1], [text] * 2]
    assert one.startswith("P2POp(isend pg=") and one.endswith(
        ", group_src=0, group_dst=1,  torch.Size([1]), torch.float32)"
    )
    assert two == [1, 1, 1.0]


def test_messages_that_are_refused(messages: Any) -> None:
    one_rank = "Must specify global_rank or group_rank"
    two_ranks = "Can't specify both group_rank and global_rank"
    kind = "Invalid function argument. Expected parameter `tensor` of type torch.Tensor\n             but got"
    for found in messages("refused"):
        first, *texts = found
        assert first.startswith(
            "Invalid destination rank: destination rank should not be the same as the rank of"
        )
        assert texts[:4] == [one_rank, two_ranks, two_ranks, one_rank]
        assert "Expected ``op`` to be of type ``torch.distributed.isend`` or ``torch" in texts[4]
        assert texts[5] == texts[7] == one_rank and texts[8] == f"{kind} <class 'int'> instead."
        assert "Each op is expected to to be of type ``torch.distributed.P2POp``." in texts[6]
