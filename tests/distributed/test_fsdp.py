"""`FullyShardedDataParallel` on several ranks; tests/oracle compares it with PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import cotangent as torch
from cotangent.distributed import fsdp

FILE = "fsdp_programs.py"
ACCEPTED = ("FULL_STATE_DICT", "SHARDED_STATE_DICT")


@pytest.mark.parametrize("size", [2, 4])
def test_every_strategy_trains_as_one_process(ranks: Any, size: int) -> None:
    for found in ranks("trains", size, file=FILE):
        assert found.pop("nodes") == size  # all ranks are on one node
        assert len(found) == 20
        for name, distance in found.items():
            assert distance < 1e-12, name


def test_what_is_where_and_when(ranks: Any) -> None:
    for rank, found in enumerate(ranks("keeps", 2, file=FILE)):
        rows = [[[4, 5], [4]], [[3, 5], [3]]][rank]
        assert found["FULL_SHARD"] == [rows, [False] * 6, True]
        assert found["SHARD_GRAD_OP"] == [rows, [True] * 6, True]
        assert found["NO_SHARD"] == [[[7, 5], [7]], [True] * 6, True]
        assert found["synchronized"] == 0.0 and found["gradients"] < 1e-14
        assert found["first"] is (rank != 0)
        assert found["born"] == [22, "cpu"] and found["filled"] == [3.0] * 4
        assert found["converted"] < 1e-14
        assert found["mixed"] == ["torch.bfloat16"] * 2
        assert found["refused"] == [
            "NotImplementedError: FullyShardedDataParallel: keep_low_precision_grads is not there",
            "ValueError: FullyShardedDataParallel: device_id 'cuda' is not there; accepted: cpu",
            "ValueError: Expected 3 to be callable but got <class 'int'>",
            f"FullyShardedDataParallel: LOCAL_STATE_DICT is not there; accepted: {', '.join(ACCEPTED)}",
            "FullyShardedDataParallel: communication hooks are not there",
        ]


def test_states_are_taken_up_again(ranks: Any) -> None:
    for rank, (lengths, distances) in enumerate(ranks("saves", 2, file=FILE)):
        assert lengths == {"whole": [6, 2], "of the first": [0, 0] if rank else [6, 2], "rows": [6, 2]}
        assert len(distances) == 3 and max(distances.values()) < 1e-12


def test_ranks_leave_out_the_same_steps(ranks: Any) -> None:
    for steps, dtype, half in ranks("scales", 2, file=FILE):
        assert steps == [[True, 16.0], [False, 8.0], [True, 16.0]]
        assert (dtype, half) == ("torch.float16", 16.0)


def test_where_libraries_look() -> None:
    for name in fsdp.api.__all__:
        assert getattr(fsdp.fully_sharded_data_parallel, name) is getattr(fsdp.api, name)
    policies = [fsdp.wrap.always_wrap_policy, lambda **asked: False]
    assert fsdp.wrap._or_policy(torch.nn.ReLU(), False, 0, policies)
    assert not fsdp.wrap._or_policy(torch.nn.ReLU(), False, 0, policies[1:])


def test_one_rank() -> None:
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        with pytest.warns(UserWarning, match="switching to use `NO_SHARD` instead of"):
            model = fsdp.FullyShardedDataParallel(torch.nn.Linear(2, 3))
        assert model.sharding_strategy is fsdp.ShardingStrategy.NO_SHARD and model.in_features == 2
        assert [name for name, _ in model.named_parameters()] == [
            "_fsdp_wrapped_module.weight",
            "_fsdp_wrapped_module.bias",
        ]
        with pytest.warns(FutureWarning, match="are being deprecated"):
            old = fsdp.FullyShardedDataParallel.set_state_dict_type(
                model, fsdp.StateDictType.SHARDED_STATE_DICT
            )
        assert old.state_dict_config == fsdp.FullStateDictConfig()
        with (
            pytest.warns(FutureWarning, match="are being deprecated"),
            fsdp.FullyShardedDataParallel.state_dict_type(model, fsdp.StateDictType.FULL_STATE_DICT),
        ):
            assert type(model.state_dict()["weight"]) is torch.Tensor
        kept = fsdp.FullyShardedDataParallel.get_state_dict_type(model)
        assert kept is not None and kept.state_dict_type is fsdp.StateDictType.SHARDED_STATE_DICT
    finally:
        torch.distributed.destroy_process_group()
