"""One test for each behaviour that PyTorch's and fairscale's own tests hold distributed programs to."""

from __future__ import annotations

from typing import Any

import pytest

PAIR = "flowing,subgroups,branches,overlap,once,ahead"
THREE = "forms,empty"
SIZE = (
    "Default group size only takes effect when CUDA is available.If your subgroup using a backend that does"
    " not depend on CUDA,please pass in 'group_size' correctly."
)
RPC = "contexts,accumulated,cleaned,local,crowd,server,batched,hybrid"


@pytest.fixture
def worker(together: Any) -> Any:
    """What each of three workers found."""
    return lambda name: [found[name] for found in together(RPC, 3, "rpc_behaviours.py")]


@pytest.fixture
def pair(together: Any) -> Any:
    """What each of two ranks found."""
    return lambda name: [found[name] for found in together(PAIR, 2, "behaviours.py")]


@pytest.fixture
def three(together: Any) -> Any:
    """What each of three ranks found."""
    return lambda name: [found[name] for found in together(THREE, 3, "behaviours.py")]


# -- collectives --


def test_forms_of_collectives(three: Any) -> None:
    for rank, found in enumerate(three("forms")):
        assert found["coalesced"] == [12.0, 36.0]
        assert found["gathered"] == [[[r], [r + 0.5] * 2] for r in range(3)]
        assert found["objects"] == ([{"rank": r} for r in range(3)] if rank == 2 else None)
        assert found.get("sent") == ([[1.0, 1.0], "text"] if rank == 1 else None)
        assert found.get("tags") == ([[1.0, 1.0], [2.0, 2.0]] if rank == 1 else None)
        start = rank * (rank + 1) // 2
        expected = [10.0 * r + start + k for r in range(3) for k in range(rank + 1)]
        assert found["all_to_all_single"] == expected
        assert found["waited"] == [True, True, True, None] and found["future"] == [3.0, 3.0]
        assert found["in the group"] == ([rank - 1, 2] if rank else [-1, -1])
        assert found.get("from") == ([[2.0, 2.0], 2, 1] if rank else None)


@pytest.mark.parametrize("shared", ["1", "0"])
def test_a_rank_that_hangs_is_an_error_within_the_timeout(
    ranks: Any, monkeypatch: pytest.MonkeyPatch, shared: str
) -> None:
    monkeypatch.setenv("COTANGENT_SHARED_MEMORY", shared)
    text = ranks("hung", 2, file="behaviours.py")[0]["hung"]
    assert "rank 0 of 2 could not" in text and "rank 1" in text


def test_gradients_flow_through_collectives(pair: Any) -> None:
    """The objective is the sum over ranks of `(rank + 1) * [1, 10] * (k + 1) * result_k**2`."""
    zero, one = pair("flowing")
    for name, kind in (
        ("broadcast", "_Broadcast"), ("reduce", "_Reduce"), ("gather", "_Gather"), ("scatter", "_Scatter"),
        ("all_reduce", "_AllReduce"), ("all_gather", "_AllGather"), ("reduce_scatter", "_Reduce_Scatter"),
        ("all_to_all", "_AlltoAll"), ("all_to_all_single", "_AlltoAllSingle"),
    ):  # fmt: skip
        assert zero[name][3] == one[name][3] == f"{kind}Backward"
    # x is [1, 1] on rank 0 and [2, 1] on rank 1; where there are two, the second number is the tensor's.
    assert [found["broadcast"][:3] for found in (zero, one)] == [
        [[[2.0, 1.0]], [[0.0, 0.0]], [[0.0, 0.0]]],
        [[[2.0, 1.0]], [[12.0, 60.0]], [[6.0, 60.0]]],
    ]
    assert one["reduce"][0] == [[3.0, 2.0]]
    assert zero["reduce"][1] == one["reduce"][1] == [[12.0, 80.0]]
    assert zero["gather"][0] == [[0.0, 0.0]] * 2 and one["gather"][0] == [[1.0, 1.0], [2.0, 1.0]]
    assert [found["gather"][1] for found in (zero, one)] == [[[4.0, 40.0]], [[16.0, 80.0]]]
    assert [found["scatter"][0] for found in (zero, one)] == [[[2.0, 1.0]], [[2.0, 2.0]]]
    assert zero["scatter"][1] == [[0.0, 0.0]] * 2 and one["scatter"][1] == [[4.0, 20.0], [8.0, 80.0]]
    assert zero["all_reduce"][0] == [[3.0, 2.0]]
    assert zero["all_reduce"][1] == one["all_reduce"][1] == [[18.0, 120.0]]
    # The gradient and its sum over ranks: 2 * (1 + 2) * [1, 10], then twice as often.
    assert zero["all_reduce"][2] == one["all_reduce"][2] == [[12.0, 120.0]]
    assert zero["all_gather"][0] == one["all_gather"][0] == [[1.0, 1.0], [2.0, 1.0]]
    assert [found["all_gather"][1] for found in (zero, one)] == [[[6.0, 60.0]], [[24.0, 120.0]]]
    assert [found["reduce_scatter"][0] for found in (zero, one)] == [[[3.0, 2.0]], [[3.0, 4.0]]]
    assert zero["reduce_scatter"][1] == one["reduce_scatter"][1] == [[6.0, 40.0], [12.0, 160.0]]
    assert [found["all_to_all"][0] for found in (zero, one)] == [
        [[1.0, 1.0], [2.0, 1.0]], [[1.0, 2.0], [2.0, 2.0]],
    ]  # fmt: skip
    assert [found["all_to_all"][1] for found in (zero, one)] == [
        [[2.0, 20.0], [4.0, 80.0]], [[8.0, 40.0], [16.0, 160.0]],
    ]  # fmt: skip
    assert [found["all_to_all_single"][0] for found in (zero, one)] == [[[1.0, 2.0]], [[1.0, 1.0]]]
    assert [found["all_to_all_single"][1] for found in (zero, one)] == [[[2.0, 4.0]], [[40.0, 40.0]]]


def test_groups_that_divide_all_processes(pair: Any) -> None:
    for rank, found in enumerate(pair("subgroups")):
        assert found["pairs"] == [3.0, 1, [0, 1]] and found["enumerated"] == [0, 1, 1 - rank]
        assert found["of a group"] == [rank == 0, [[1]]]
        assert found["refused"] == [
            SIZE,
            "The arg 'group_size' (0) must be positive",
            "The arg 'group_size' (3) must not exceed the world size (2)",
            "The arg 'ranks_per_subgroup_list' cannot be empty",
            "Rank 0 has appeared in both subgroup [0] and [0]",
            "Rank 2 is out of range. Valid ranks are 0 to 1 (world_size=2)",
        ]
        assert found["watched"] == "Detected mismatch between collectives on" and found["local"] == rank


# -- DDP --


def test_ranks_take_branches_of_their_own_while_they_accumulate(pair: Any) -> None:
    for found in pair("branches"):
        assert found == [True] * 10


def test_buckets_travel_while_backward_goes_on(pair: Any) -> None:
    for found in pair("overlap"):
        # The last layers' bucket is on its way before the first layer's gradients are known.
        assert found.index("DDP_BUCKET") < found.index("0.weight") and found.count("DDP_BUCKET") == 2
        assert found.index("2.bias") < found.index("DDP_BUCKET")


def test_accumulated_gradients_travel_once(pair: Any) -> None:
    for ddp, sharded, distance in pair("once"):
        assert ddp == ["DDP_BUCKET"] and sharded == ["FULLY_SHARD_REDUCE"] * 3 and distance < 1e-6


# -- sharding --


def test_gathering_and_reducing_overlap_with_computing(pair: Any) -> None:
    gather, reduce = "FULLY_SHARD_GATHER", "FULLY_SHARD_REDUCE"
    for found in pair("ahead"):
        # Layer 2 is asked for before layer 0 computes, layer 4 before layer 2 does; likewise back, where
        # the gradients of a layer are on their way before the next one's backward.
        assert found == [
            gather, gather, "forward 0", gather, "forward 2", "forward 4",
            gather, gather, reduce, "backward 4", gather, reduce, "backward 2", reduce, "backward 0",
        ]  # fmt: skip


def test_a_sharded_optimizers_state_is_read_by_another_number_of_ranks(ranks: Any) -> None:
    first, second = ranks("zero_saves", 2, file="behaviours.py")
    assert "has not been consolidated on this rank" in first["zero_saves"]
    assert "no error" in second["zero_saves"]
    for size in (3, 1):
        for found in ranks("zero_loads", size, file="behaviours.py"):
            assert found["zero_loads"] < 1e-6


def test_shares_may_be_empty(three: Any) -> None:
    for rank, found in enumerate(three("empty")):
        assert found["weights"] < 1e-6 and found["norms"] < 1e-5
        assert found["rows"] == (1 if rank == 0 else 0) and found["kept"] == (1 if rank == 0 else 0)
        assert found["states"] == (1 if rank == 2 else None)


# -- distributed autograd and RPC --


def test_contexts_are_numbered_by_their_workers_and_gone_everywhere_afterwards(worker: Any) -> None:
    for rank, found in enumerate(worker("contexts")):
        assert found == {"number": [rank, 0], "there": [True, True], "gone": True, "next": 1}


def test_gradients_add_up_within_a_context_only(worker: Any) -> None:
    found, with_two, grad = worker("accumulated")[0]
    assert found == [[4.0, 6.0], [8.0, 12.0], [12.0, 18.0], [4.0, 6.0]] and grad is None
    assert "Could not find autograd context with id:" in with_two


def test_a_context_that_is_forgotten_during_backward(worker: Any) -> None:
    text, afterwards = worker("cleaned")[0]
    assert "no error" in text or "Could not find autograd context" in text
    assert afterwards == [4.0, 6.0]


def test_a_context_belongs_to_its_thread(worker: Any) -> None:
    assert worker("local")[0] == {
        "beside": "RuntimeError: Current thread doesn't have a valid autograd",
        "not recorded": True,
        "own": True,
        "its gradients": [5.0, 5.0],
        "still": True,
        "from a thread": [2.0, 2.0],
    }


def test_twenty_threads_of_every_worker_train_against_one(worker: Any) -> None:
    assert worker("crowd") == [True] * 3


def test_trainers_with_a_parameter_server(worker: Any) -> None:
    right, untouched, falling = worker("server")[0]
    assert right == [True] * 12 and untouched and max(falling) < 0.9


def test_a_parameter_server_that_answers_all_trainers_at_once(worker: Any) -> None:
    steps, distance = worker("batched")[0]
    assert steps == 8 and distance < 1e-6


def test_data_parallel_modules_inside_and_outside_of_distributed_autograd(worker: Any) -> None:
    for found in worker("hybrid")[:2]:
        assert found == {"inside": [True] * 3, "outside": [True] * 3, "plain": True}


def test_a_worker_that_ends_during_backward_is_named(ranks: Any) -> None:
    text, afterwards = ranks("dead", 3, file="rpc_behaviours.py")[0]["dead"]
    assert "worker1 (rank 1)" in text and "has ended" in text and afterwards == [4.0, 4.0]
