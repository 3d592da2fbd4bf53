"""fully_shard, DTensors, checkpoints of several ranks; and that all ways of training in parallel are one."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import PROJECT, RunPython

import cotangent as torch
import cotangent.distributed.checkpoint as dcp
from cotangent.distributed.fsdp.memory import Lent

FILE = "training.py"


@pytest.mark.parametrize("size", [2, 4])
def test_fifty_steps_equal_those_of_one_process(ranks: Any, size: int) -> None:
    for found in ranks("parity", size, file=FILE):
        assert len(found) == 18
        for name, distance in found.items():
            # Adam divides by the root of what may be all rounding; the table of words has such gradients.
            assert distance < (1e-8 if "weights" in name else 1e-14), name


@pytest.mark.parametrize("size", [2, 4])
def test_fully_shard(ranks: Any, size: int) -> None:
    for rank, found in enumerate(ranks("sharded", size, file=FILE)):
        rows = {2: [11, 10], 4: [6, 6, 6, 3]}[size][rank]
        assert found["class"] == ["FSDPSequential", True, True] and found["is one"]
        assert found["parameter"] == [[21, 5], 105, [rows, 5], "(Shard(dim=0),)"]
        assert found["share"] < 1.4 / size
        assert found["after forward"] == [False, True] and found["after backward"] and found["after no_grad"]
        assert max(found[name] for name in ("twice", "accumulated", "checkpointed")) < 1e-14
        assert max(found["clipped"]) < 1e-14 and found["unused"] < 1e-6
        assert found["mixed"] == ["torch.bfloat16", "torch.bfloat16", *["torch.float32"] * 3]
        assert found["unsharded"] == [0.0, True] and len(found["refused"]) == 2
        if size == 4:
            assert found["grid"][0] < 1e-14
            assert found["grid"][1:] == [[rank // 2, rank % 2], [11 - rank % 2, 5]]


def test_a_checkpoint_is_read_by_another_number_of_ranks(ranks: Any, tmp_path: Path) -> None:
    files, last = ranks("saves", 2, file=FILE)[0]
    assert [name for name in files if name.endswith(".partial") or ".old" in name] == []
    assert last == str(tmp_path / "async")
    for size in (4, 1):
        for found in ranks("loads", size, file=FILE):
            assert len(found) == 5 and max(found) < 1e-8


def test_tensors_that_are_dealt_out(ranks: Any, tmp_path: Path) -> None:
    for rank, (values, shape, total) in enumerate(ranks("dealt", 3, file=FILE)):
        assert values == np.arange(10.0).reshape(5, 2).tolist() and total == 10
        assert shape == [2 - rank // 2, 2]
    state = {"t": torch.zeros(5, 2)}
    dcp.load(state, checkpoint_id=tmp_path / "dealt")
    assert state["t"].tolist() == np.arange(10.0).reshape(5, 2).tolist()


def saved(folder: Path) -> Path:
    state = {"a": torch.arange(6.0).reshape(2, 3), "deep": {"b": torch.tensor(7), "text": "x"}, "n": 3}
    dcp.save(state, checkpoint_id=folder)
    return folder


def fresh() -> dict[str, Any]:
    return {"a": torch.zeros(2, 3), "deep": {"b": torch.tensor(0), "text": ""}, "n": 0}


def test_a_checkpoint_of_one_process(tmp_path: Path) -> None:
    class Counter:
        value = 5

        def state_dict(self) -> dict[str, Any]:
            return {"value": self.value, "t": torch.ones(1) * self.value}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            assert state["t"].item() == state["value"]
            self.value = state["value"]

    state = fresh()
    dcp.load(state, checkpoint_id=saved(tmp_path / "one"))
    assert state["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and state["n"] == 3
    assert state["deep"]["b"].item() == 7 and state["deep"]["text"] == "x"
    dcp.async_save({"counter": Counter()}, checkpoint_id=tmp_path / "two").wait()
    counter = Counter()
    counter.value = 0
    dcp.load({"counter": counter}, storage_reader=dcp.FileSystemReader(tmp_path / "two"))
    assert counter.value == 5
    assert dcp.last_complete(tmp_path) == tmp_path / "two"


def test_a_checkpoint_that_is_not_whole_is_never_taken(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "1"), saved(tmp_path / "2")
    data = second / "rank0.data"
    good = data.read_bytes()
    data.write_bytes(good[:-1])
    with pytest.raises(dcp.CheckpointException, match=r"rank0\.data is not there or not whole"):
        dcp.load(fresh(), checkpoint_id=second)
    assert dcp.last_complete(tmp_path) == first
    damaged = bytearray(good)
    damaged[4] ^= 1
    data.write_bytes(damaged)
    with pytest.raises(dcp.CheckpointException, match=r"a in rank0\.data is damaged: its checksum is wrong"):
        dcp.load(fresh(), checkpoint_id=second)
    manifest = second / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace("float32", "float64"))
    with pytest.raises(dcp.CheckpointException, match=r"manifest.json is damaged"):
        dcp.load(fresh(), checkpoint_id=second)
    manifest.unlink()
    with pytest.raises(dcp.CheckpointException, match="is no checkpoint"):
        dcp.load(fresh(), checkpoint_id=second)
    # Interrupted before it had its name.
    saved(tmp_path / "3").rename(tmp_path / "3.1234.partial")
    assert dcp.last_complete(tmp_path) == first
    state = fresh()
    state["a"] = torch.zeros(3, 3)
    with pytest.raises(dcp.CheckpointException, match=r"Size mismatch between saved \[2, 3\]"):
        dcp.load(state, checkpoint_id=first)
    with pytest.raises(dcp.CheckpointException, match="Missing key in checkpoint state_dict: other"):
        dcp.load({"other": torch.ones(1)}, checkpoint_id=first)
    # One that fails leaves the old one as it was.
    before = (first / "manifest.json").read_text()
    with pytest.raises(Exception, match="pickle"):
        dcp.save({"a": torch.ones(1), "bad": threading.Lock()}, checkpoint_id=first)
    assert (first / "manifest.json").read_text() == before
    assert json.loads(json.loads(before)["manifest"])["ranks"] == 1


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="tells resident memory on Linux only")
def test_pages_are_given_back() -> None:
    def resident() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

    lent = Lent(64 << 20)
    start = resident()
    for _ in range(2):
        lent.array[:] = 7
        assert resident() - start > 55
        lent.release()
        assert resident() - start < 10


def test_ranks_that_are_killed_are_named_and_training_goes_on(run_python: RunPython) -> None:
    result = run_python(str(PROJECT / "tools/kill_ranks.py"), "--runs=2", "--ranks=2", "--steps=9")
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(
        r"^2 runs: [012] with a rank killed while it trained, 0 bad; the others", result.stdout, re.MULTILINE
    )
