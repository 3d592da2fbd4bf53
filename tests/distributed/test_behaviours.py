"""One test for each behaviour that PyTorch's and fairscale's own tests hold distributed programs to."""

from __future__ import annotations

from typing import Any

import pytest

PAIR = "branches,overlap,once,ahead"
THREE = "forms,empty"
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
    monkeypatch.setenv("LIMIT", "1.5")
    text, soon = ranks("hung", 2, file="behaviours.py")[0]["hung"]
    assert "rank 0 of 2 could not" in text and "rank 1" in text and soon


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
