"""Messages from rank to rank, and what collectives take and refuse."""

from __future__ import annotations

from typing import Any

import pytest

PROGRAMS = "anyone,ordered,subgroup,reductions,misuses,refused"


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
    return lambda name: [one[name] for one in together(PROGRAMS, 3, "message_programs.py")]


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


def test_means_and_sparse_sums(messages: Any) -> None:
    for rank, found in enumerate(messages("reductions")):
        *means, scattered, sparse, refusals = found
        assert means == [[2.0, 3.0]] * 4 and scattered == [2.0 * rank + 1, 2.0 * rank + 2]
        assert sparse == [True, [3.0, 2.0, 2.0, 2.0, 0.0]]
        assert refusals[:3] == [
            "result type Float can't be cast to the desired output type Long",
            "Cannot use ReduceOp.BAND with non-integral dtype",
            "all_reduce does not support RedOpType.PRODUCT on complex tensors",
        ]
        assert "allreduce of sparse tensors only works with ReduceOp.SUM" in refusals[3]
        assert refusals[4].startswith("incompatible function arguments")
        assert refusals[5:] == ["RedOpType.MAX", "<RedOpType.SUM: 0>", True, True]


def test_tensors_that_do_not_fit(messages: Any) -> None:
    gather = "ProcessGroupGloo::allgather: invalid"
    kind = "Invalid function argument. Expected parameter `tensor_list` of type List[torch.Tensor]\n"
    kind += "             but got"
    dtypes = "Invalid usage of tensors with different dtypesFound"
    for found in messages("misuses"):
        elements = found.pop(4)
        assert elements.startswith(f"{kind} <class 'list'> with elements of type [<class 'torch.Tensor'>")
        assert found == [
            f"{gather} output tensor list at index 0 (expected length 3, got 0)",
            f"{dtypes} torch.int32 and  torch.float32",
            f"{gather} tensor size at index 0 (expected (2), got (3))",
            f"{kind} <class 'tuple'> instead.",
            f"{gather} tensor size at index 0 (expected (2), got (3))",
            f"{gather} tensor size at index 0 (expected (2), got (1, 2))",
            "Check failed: outputShape[0] * worldSize == inputShape[0] (9 vs. 4). ",
            "Split sizes doesn't match total dim 0 size",
            "Number of tensor splits not equal to group size",
            "Tensor's dim 0 does not divide equally across group size",
            "ProcessGroupGloo::broadcast: invalid root rank: 5",
            "ProcessGroupGloo::broadcast: invalid root rank: -1",
            f"{dtypes} torch.float32 and  torch.int32",
            "ranks list must not contain duplicate entries, got [0, 0]",
            "Rank 5 is out of range. Valid ranks are 0 to 2 (world_size=3)",
            "no error: 7",
        ]
