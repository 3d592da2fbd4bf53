"""Functional collectives and meshes; tests/oracle compares all of the programs' calls with PyTorch."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def told(together: Any) -> Any:
    programs = "functional,gradients,mesh,overlap,wrappers"
    return lambda name: [one[name] for one in together(programs, 4, "compared_programs.py")]


def test_functional_collectives(told: Any) -> None:
    for rank, found in enumerate(told("functional")):
        assert found["kinds"][0] == (
            "['AsyncCollectiveTensor', 'Tensor', 'Tensor', 'Tensor', 'Tensor', 'ndarray', 'list']"
        )
        assert found["item"][0] == "10.0"  # 1 + 2 + 3 + 4
        values = [6 + 8 * rank, 10 + 8 * rank]
        assert found["scatter"][0] == f"AsyncCollectiveTensor(tensor([{values[0]:>2}., {values[1]}.]))"
        assert found["by a name that is not there"][0].startswith("RuntimeError: Could not resolve the")
        (warned,) = found["gather, old name"][1]
        assert "all_gather_tensor` is deprecated" in warned


def test_gradients_of_functional_collectives(told: Any) -> None:
    for found in told("gradients"):
        assert found["all_reduce"][0].startswith(
            "(['GeneratedBackwardFor__c10d_functional__wrap_tensor_autograd_defaultBackward', "
            "'GeneratedBackwardFor__c10d_functional_all_reduce_defaultBackward', 'torch::autograd::Accum"
        )
        assert (
            found["mean"][0] == "RuntimeError: all_reduce backward only supports 'sum' reduction, got 'avg'"
        )


def test_meshes(told: Any) -> None:
    for rank, found in enumerate(told("mesh")):
        assert found["place"][0] == f"({divmod(rank, 2)}, {rank}, {rank // 2})"
        pairs = [[rank % 2, rank % 2 + 2], [rank // 2 * 2, rank // 2 * 2 + 1]]
        assert found["groups"][0] == f"({pairs}, 'mesh_dp')"
        assert "Mesh dim indices should be in ascending order." in found["turned"][0]
        assert found["outside"][0] == (f"({rank},)" if rank < 2 else "None")


def test_steps_within_backward_are_refused(told: Any) -> None:
    for found in told("overlap"):
        assert found["hook"][0] == "RuntimeError: Gloo backend using Overlapping DDP with ZeRO may meet hangs"
        assert found["interleaved"] == found["hook"] and found["step"][0] == "None"


def test_what_wrappers_refuse(told: Any) -> None:
    for rank, found in enumerate(told("wrappers")):
        assert found["named hooks"][0] == f"[[2.5, 2.0], [2.5, 2.0], [{rank + 1}.0, 2.0]]"
        assert found["devices"][0].startswith(
            "ValueError: DistributedDataParallel device_ids and output_device"
        )
        assert found["hook, bucket"][0].endswith("bucket annotation should be dist.GradBucket.")
        assert found["copied"][0].startswith(
            "([2.0, 2.0], [1.0, 1.0], [0, True, 26214400, None, None, device("
        )
        assert (
            found["zero of nothing"][0] == "ValueError: ZeroRedundancyOptimizer got an empty parameter list"
        )
        assert found["backend"][0] == "AssertionError: Unknown backend type nosuch"
