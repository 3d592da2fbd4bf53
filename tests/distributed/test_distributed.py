"""torch.distributed, DistributedDataParallel, ZeroRedundancyOptimizer, the launcher and spawn."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT, RunPython

import cotangent as torch
from cotangent.distributed import HashStore, PrefixStore, TCPStore
from cotangent.distributed.store import DistNetworkError, DistStoreError, FileStore

# Programs for two ranks that start once for all of these tests.
PAIR = "training,accumulation,unused,reasons,joined,hooks,static,compiled,steps,different,sharded"


@pytest.fixture
def pair(together: Any) -> Any:
    return lambda name: [found[name] for found in together(PAIR, 2, "programs.py")]


@pytest.mark.parametrize("shared", ["1", "0"])
def test_collectives(ranks: Any, monkeypatch: pytest.MonkeyPatch, shared: str) -> None:
    """Through memory that ranks share, and through messages."""
    monkeypatch.setenv("COTANGENT_SHARED_MEMORY", shared)
    both = ranks("collectives,large", 3)
    assert [one["large"] for one in both] == [[True] * 5] * 3
    found = [one["collectives"] for one in both]
    for rank, one in enumerate(found):
        assert {
            one[f"sum torch.{d}"] for d in ("float32", "float64", "bfloat16", "int16", "int64", "uint8")
        } == {6}
        assert one["PRODUCT"] == [6, 216] and one["MIN"] == [1, 6] and one["MAX"] == [3, 6]
        assert one["BAND"] == [0, 6] and one["BOR"] == [3, 6] and one["BXOR"] == [0, 6]
        assert one["strided"] == [[0, 18], [6, 24], [12, 30]]
        assert one["broadcast"] == 1.0 and one["reduce"] == (6.0 if rank == 0 else None)
        assert one["all_gather"] == [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]
        assert one["into"] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
        assert one["gather"] == ([0.0, 1.0, 2.0] if rank == 1 else None)
        assert one["scatter"] == [float(rank)] * 2
        assert one["reduce_scatter"] == [3.0 * rank + 3.0] * 2 and one["reduce_scatter_tensor"] == [
            3.0 * rank
        ]
        assert one["all_to_all"] == [float(r * 10 + rank) for r in range(3)]
        assert one["async"] and one["ring"]
        assert one["objects"] == [{"rank": r, "text": "x" * r} for r in range(3)]
        assert one["broadcast objects"] == [{"a": 0}, 0] and one["scatter objects"] == [f"to {rank}"]
        assert one.get("group") == ([3.0, rank, 2] if rank < 2 else None)


def test_ddp_trains_as_one_process_does(pair: Any) -> None:
    for distance, buckets in pair("training"):
        assert distance < 1e-5 and buckets == 2


def test_ddp_accumulates_without_syncing(pair: Any) -> None:
    assert max(pair("accumulation")) < 1e-5


def test_ddp_with_control_flow_that_differs_across_ranks(pair: Any) -> None:
    for one, two, *_ in pair("unused"):
        assert one == [[1.0, 1.0]] and two == [[0.5, 0.5]]  # rank 0 alone has used the second layer


def test_ddp_leaves_gradients_that_no_rank_has_as_they_are(pair: Any) -> None:
    assert [never for _, _, never, _, _ in pair("unused")] == [None, None]


def test_ddp_gives_all_ranks_the_buffers_of_rank_0(pair: Any) -> None:
    assert [count for _, _, _, count, _ in pair("unused")] == [1.0, 1.0]


def test_ddp_names_parameters_that_were_not_used(pair: Any) -> None:
    assert all(told for *_, told in pair("unused"))


def test_ddp_says_why_gradients_did_not_come(pair: Any) -> None:
    for rank, text in enumerate(pair("reasons")):
        assert f"did not receive grad for rank {rank}: dropped.weight, dropped.bias, left_out.weight" in text
        assert "\ndropped.bias: its module ran, but the outputs of forward do not depend on the" in text
        assert "\nleft_out.weight: the outputs of forward depend on it, but the loss did not" in text
        assert "\nidle.weight: its module did not run in forward" in text
        assert "\nfrozen.bias: it does not require a gradient any more" in text


def test_ddp_with_uneven_inputs(pair: Any) -> None:
    found = pair("joined")
    # While both have a batch a step moves by 2; later the mean is over both ranks, or over those with one.
    assert [one["initial True"] for one in found] == [[2.0], [2.0, 1.0, 1.0]]
    assert [one["initial False"] for one in found] == [[2.0], [2.0, 2.0, 2.0]]
    assert all(one["moved True"] == 4.0 and one["moved False"] == 6.0 and one["with zero"] for one in found)
    assert found[0]["thrown"] == "Rank 0 exhausted all inputs."
    assert "Detected at least one rank that exhausted inputs" in found[1]["thrown"]
    assert [one["escaped"] for one in found] == ["escaped on 0", "escaped on 1"]


def test_ddp_communication_hooks(pair: Any) -> None:
    for one in pair("hooks"):
        assert one["allreduce"] < 1e-6 and one["own"] < 1e-6
        assert 1e-5 < one["fp16"] < 1e-3 and 1e-5 < one["fp16 around"] < 1e-3 and 1e-4 < one["bf16"] < 1e-2
        assert one["seen"] == [[0, False, 4, 4], [1, True, 2, 2]] and "only be called once" in one["twice"]
        for name, times in (("power", 4), ("batched", 10)):
            loss, compression, same = one[name]
            assert loss < 0.7 and compression > times and same


def test_ddp_with_a_static_graph(pair: Any) -> None:
    for close, unused, changed, twice in pair("static"):
        assert close and unused == [None] * 3
        assert "Your training graph has changed in this iteration" in changed and "name two." in changed
        assert "has been marked as ready twice" in twice and "name one." in twice


def test_ddp_and_compiled_modules(pair: Any) -> None:
    assert max(map(max, pair("compiled"))) < 1e-6


def test_ddp_inside_compiled_steps(pair: Any) -> None:
    """They train as one process that is not compiled; traced again once the optimizer has its state."""
    for found in pair("steps"):
        for how in ("plain", "kept", "twice"):
            assert found[how][0] < 1e-6 and found[how][1] == 2, (how, found[how])
        assert 1e-6 < found["hook"][0] < 0.05 and found["hook"][1] == 2
        assert found["buffers"] < 1e-6
        distance, texts = found["refused"]
        assert distance < 1e-6 and len(texts) == 1 and "parameters that are not used" in texts[0]


def test_collectives_in_different_orders_are_named(ranks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_DISTRIBUTED_DEBUG", "DETAIL")
    first, second, afterwards = ranks("order", 2)[0]
    assert "Rank 0 is running collective: CollectiveFingerPrint(SequenceNumber=2, OpType=BROADCAST" in first
    assert "but Rank 1 is running collective: CollectiveFingerPrint(SequenceNumber=2, OpType=ALLRED" in first
    assert "TensorShape=[[2]]" in second and "TensorShape=[[3]]" in second and afterwards == 2.0


def test_ddp_refuses_modules_that_differ(pair: Any) -> None:
    texts = pair("different")
    assert "params[0] in this process with sizes" in texts[0] and "process 1" in texts[0]


@pytest.mark.parametrize("size", [2, 3])
def test_sharded_optimizer(ranks: Any, pair: Any, size: int) -> None:
    found = pair("sharded") if size == 2 else ranks("sharded", size)
    assert all(same and distance < 1e-6 for same, _, distance in found)
    whole = 2 * sum(p.numel() for p in torch.nn.Sequential(
        torch.nn.Linear(6, 40), torch.nn.Linear(40, 40), torch.nn.Linear(40, 3)).parameters())  # fmt: skip
    assert sum(count for _, count, _ in found) == whole and max(count for _, count, _ in found) < whole


def test_ranks_that_share_memory_notice_when_they_run_different_collectives(ranks: Any) -> None:
    for rank, (text, afterwards) in enumerate(ranks("unequal", 2)):
        assert f"rank {rank} runs another collective than rank {1 - rank}, or one of another size" in text
        assert afterwards == [2.0, 2.0]


@pytest.mark.parametrize("shared", ["1", "0"])
def test_a_rank_that_ends_is_an_error_on_the_others(
    ranks: Any, monkeypatch: pytest.MonkeyPatch, shared: str
) -> None:
    monkeypatch.setenv("COTANGENT_SHARED_MEMORY", shared)
    text, soon = ranks("killed", 2)[0] or ("", False)
    assert "rank 0 of 2 could not" in text and "rank 1" in text and soon


def test_a_rank_that_is_late_is_named(ranks: Any) -> None:
    first, both = ranks("late", 3)[0]
    assert "send/recv from rank 1. Please check rank 1 logs" in first
    assert "send/recv from rank 1, 2. Please check rank 1, 2 logs" in both


def test_the_launcher_starts_again(run_python: RunPython, tmp_path: Path) -> None:
    script = tmp_path / "flaky.py"
    script.write_text(
        "import os, sys\nnames = 'RANK', 'WORLD_SIZE', 'TORCHELASTIC_RESTART_COUNT'\n"
        "os.write(1, (' '.join(os.environ[name] for name in names) + '\\n').encode())\nsys.exit(3 if"
        " os.environ['TORCHELASTIC_RESTART_COUNT'] == '0' and os.environ['RANK'] == '1' else 0)\n"
    )
    arguments = ("-m", "cotangent.distributed.run", "--standalone", "--nproc_per_node=2")
    result = run_python(*arguments, "--max-restarts=1", str(script))
    assert result.returncode == 0 and "rank 1 (local 1" in result.stderr and "exit code 3" in result.stderr
    assert {line for line in result.stdout.split("\n") if line} >= {"0 2 1", "1 2 1"}
    assert run_python(*arguments, str(script)).returncode == 1


def test_the_launcher_repeats_what_a_rank_has_failed_with(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(
        "import os, time\n"
        "from torch.distributed.elastic.multiprocessing.errors import record\n"
        "@record\n"
        "def main():\n"
        "    if os.environ['RANK'] == '1':\n"
        "        raise ValueError('on purpose')\n"
        "    time.sleep(60)\n"
        "main()\n"
    )
    result = run_python("-m", "cotangent.distributed.run", "--standalone", "--nproc-per-node=2", "fails.py")
    assert result.returncode == 1 and "ValueError: on purpose\n" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert "of fails.py failed with exit code 1: ValueError: on purpose; the others were ended" in last


@pytest.mark.parametrize("kind", ["ddp", "fully_shard"])
def test_training_goes_on_from_the_last_checkpoint_after_a_restart(
    run_python: RunPython, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def run(name: str, *options: str) -> Any:
        result = run_python(
            "-m", "cotangent.distributed.run", "--standalone", "--nproc-per-node=2", *options,
            str(PROJECT / "tests/distributed/faults.py"), kind, str(tmp_path / name), "8",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stderr, [line.split() for line in result.stdout.splitlines() if " " in line]

    monkeypatch.setenv("FAULT_TIMEOUT", "20")
    _, whole = run("undisturbed")
    assert [step for step, _ in whole] == [str(k) for k in range(8)]
    monkeypatch.setenv("FAULT_AT", "5")
    stderr, losses = run("disturbed", "--max-restarts=1")
    assert "rank 1 (local 1" in stderr and "signal SIGKILL" in stderr
    assert "starting all ranks again, 1 times left" in stderr
    # Steps 0 to 4, of which the checkpoint holds three; from there on the same again.
    assert losses == whole[:5] + whole[3:]


@pytest.mark.parametrize("backend", ["static", "c10d"])
def test_two_nodes(tmp_path: Path, backend: str) -> None:
    """Two launchers, as on two nodes; with c10d they number themselves, again when they restart."""
    script = tmp_path / "says.py"
    script.write_text(
        "import os, torch, torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "t = torch.tensor([1.0 + dist.get_rank()])\n"
        "dist.all_reduce(t)\n"
        "first = os.environ['TORCHELASTIC_RESTART_COUNT'] == '0'\n"
        "if first and os.environ['TORCHELASTIC_MAX_RESTARTS'] == '1':\n"
        "    os._exit(3) if dist.get_rank() == 3 else dist.barrier()\n"
        "names = 'RANK', 'LOCAL_RANK', 'GROUP_RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE', 'GROUP_WORLD_SIZE'\n"
        "os.write(1, (' '.join([*(os.environ[n] for n in names), str(t.item())]) + '\\n').encode())\n"
        "dist.destroy_process_group()\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "cotangent.distributed.run", "--nnodes=2", "--nproc-per-node=2",
        f"--rdzv-backend={backend}", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=job",
        f"--max-restarts={int(backend == 'c10d')}",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    nodes = [
        subprocess.Popen(
            [*command, *([f"--node-rank={k}"] if backend == "static" else []), str(script)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for k in range(2)
    ]  # fmt: skip
    told = [node.communicate(timeout=120) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], told
    lines = sorted(line for out, _ in told for line in out.splitlines())
    assert lines == [f"{r} {r % 2} {r // 2} 4 2 2 10.0" for r in range(4)]


def test_processes_meet_in_a_file_or_at_an_address(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "meets.py").write_text(
        "import socket, torch, torch.distributed as dist, torch.multiprocessing as mp\n"
        "def work(rank, places):\n"
        "    for place in places:\n"
        "        dist.init_process_group('gloo', init_method=place, rank=rank, world_size=2)\n"
        "        t = torch.tensor([rank + 1.0])\n"
        "        dist.all_reduce(t)\n"
        "        assert t.item() == 3.0 and dist.get_rank() == rank\n"
        "        dist.destroy_process_group()\n"
        "if __name__ == '__main__':\n"
        "    with socket.create_server(('127.0.0.1', 0)) as probe:\n"
        "        port = probe.getsockname()[1]\n"
        f"    mp.spawn(work, ((f'tcp://127.0.0.1:{{port}}', 'file://{tmp_path}/place'),), nprocs=2)\n"
        "    print('met')\n"
    )
    result = run_python("-m", "cotangent", "meets.py")
    assert result.stdout == "met\n", result.stderr


def test_a_group_is_made_again_in_the_store_that_the_launcher_serves(
    run_python: RunPython, tmp_path: Path
) -> None:
    (tmp_path / "again.py").write_text(
        "import os, torch, torch.distributed as dist\n"
        "for k in range(3):\n"
        "    dist.init_process_group('gloo')\n"
        "    t = torch.ones(1)\n"
        "    dist.all_reduce(t, group=dist.new_group([0, 1]))\n"
        "    dist.destroy_process_group()\n"
        "os.write(1, f'{t.item()} {os.environ[\"TORCHELASTIC_USE_AGENT_STORE\"]}\\n'.encode())\n"
    )
    result = run_python("-m", "cotangent.distributed.run", "--standalone", "--nproc-per-node=2", "again.py")
    assert result.stdout == "2.0 True\n" * 2, result.stderr


def test_spawn_reports_what_a_process_raised(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "spawned.py").write_text(
        "import os, torch.multiprocessing as mp\n"
        "def work(number, how):\n"
        "    if number == 1:\n"
        "        raise ValueError('on purpose') if how == 'raise' else SystemExit(os._exit(4))\n"
        "if __name__ == '__main__':\n"
        "    for how in ('raise', 'exit'):\n"
        "        try:\n"
        "            mp.spawn(work, (how,), nprocs=2)\n"
        "        except mp.ProcessRaisedException as error:\n"
        "            print('raised', error.error_index, 'ValueError: on purpose' in str(error))\n"
        "        except mp.ProcessExitedException as error:\n"
        "            print('exited', error.error_index, error.exit_code, error)\n"
        "    print(mp.spawn(print, nprocs=1))\n"
    )
    result = run_python("-m", "cotangent", "spawned.py")
    assert result.stdout == "raised 1 True\nexited 1 4 process 1 terminated with exit code 4\n0\nNone\n", (
        result.stderr
    )


@pytest.mark.parametrize("kind", ["hash", "file", "tcp", "prefix"])
def test_stores(kind: str, tmp_path: Path) -> None:
    store: Any = {
        "hash": HashStore,
        "file": lambda: FileStore(str(tmp_path / "store"), 1),
        "tcp": lambda: TCPStore("127.0.0.1", 0, 1, True),
        "prefix": lambda: PrefixStore("p", HashStore()),
    }[kind]()
    store.set("a", "text")
    store.set("b", b"\x00\xff" * 100_000)
    assert store.get("a") == b"text" and store.get("b") == b"\x00\xff" * 100_000
    assert [store.add("n", k) for k in (1, 5, -2)] == [1, 6, 4]
    assert store.check(["a", "n"]) and not store.check(["a", "z"])
    assert store.compare_set("a", "other", "no") == b"text"
    assert store.compare_set("a", "text", "yes") == b"yes" and store.get("a") == b"yes"
    assert store.compare_set("new", "", "made") == b"made"
    assert store.delete_key("a") and not store.delete_key("a")
    late = "wait timeout after 50ms, keys: /missing" if kind == "tcp" else "Wait timeout"
    with pytest.raises(DistStoreError, match=late):
        store.wait(["missing"], timedelta(milliseconds=50))


@pytest.mark.parametrize("kind", ["hash", "file", "tcp", "prefix"])
def test_stores_hold_lists_and_queues(kind: str, tmp_path: Path) -> None:
    short = timedelta(milliseconds=50)
    inner = TCPStore("127.0.0.1", 0, 1, True, timedelta(seconds=60))
    store: Any = {
        "hash": HashStore,
        "file": lambda: FileStore(str(tmp_path / "store"), 1),
        "tcp": lambda: inner,
        "prefix": lambda: PrefixStore("p", inner),
    }[kind]()
    store.append("text", "a")
    store.append("text", b"bc")
    store.multi_set(["x", "y"], ["1", "2"])
    assert store.multi_get(["text", "x", "y"]) == [b"abc", b"1", b"2"]
    assert sorted(store.list_keys()) == ["text", "x", "y"]
    other = store.clone()
    other.set("z", "3")
    assert type(other) is type(store) and store.get("z") == b"3"
    store.barrier("all", 1)
    with pytest.raises(DistStoreError, match=r"[Ww]ait timeout"):
        store.barrier("more", 2, short)
    with pytest.raises(DistStoreError, match="must be of same size"):
        store.multi_set(["x"], [])
    assert store.has_extended_api() == (kind != "file")
    if kind == "file":
        with pytest.raises(NotImplementedError, match=r"queue support is not implemented\."):
            store.queue_push("q", "1")
        return
    count = store.num_keys()
    threading.Timer(0.05, lambda: (other.queue_push("q", "1"), other.queue_push("q", b""))).start()
    assert [store.queue_pop("q"), store.queue_pop("q"), store.queue_len("q")] == [b"1", b"", 0]
    assert store.num_keys() == count
    with pytest.raises(torch.distributed.QueueEmptyError, match="queue is empty"):
        store.queue_pop("q", False)
    store.set_timeout(short)
    with pytest.raises(
        DistStoreError, match="wait timeout after 50ms, keys: /" if kind != "hash" else "Wait t"
    ):
        store.queue_pop("q")


def test_a_store_outlives_what_cannot_be_done() -> None:
    store = TCPStore("127.0.0.1", 0, 1, True)
    other = store.clone()
    store.set("text", "no number")
    with pytest.raises(DistNetworkError):
        other.add("text", 1)
    assert store.get("text") == b"no number" and store.add("n", 1) == 1


def test_stores_that_programs_define() -> None:
    class Own(torch.distributed.Store):
        def __init__(self) -> None:
            super().__init__()
            self.held: dict[str, Any] = {}

        def set(self, key: str, value: Any) -> None:
            self.held[key] = value

        def get(self, key: str) -> Any:
            return self.held[key]

        def check(self, keys: list[str]) -> bool:
            return all(key in self.held for key in keys)

    store = PrefixStore("p", Own())
    store.set("a", "1")
    assert store.get("a") == b"1" and store.underlying_store.held == {"p/a": b"1"}
    with pytest.raises(NotImplementedError):
        store.add("n", 1)


def test_stores_that_cannot_be_reached() -> None:
    store = TCPStore("127.0.0.1", 0, 1, True)
    with pytest.raises(DistNetworkError, match="failed to listen on"):
        TCPStore("127.0.0.1", store.port, 1, True)
    port = store.port
    del store
    with pytest.raises(DistNetworkError, match="timed out after 100ms"):
        TCPStore("127.0.0.1", port, 1, False, timedelta(milliseconds=100))


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    dist = torch.distributed
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        dist.all_reduce(torch.ones(1))
    with pytest.raises(ValueError, match="Invalid backend: 'nccl'"):
        dist.init_process_group("nccl")
    for variable in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match=r"environment variable RANK expected, but not set"):
        dist.init_process_group("gloo")
    store = HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        with pytest.raises(ValueError, match="twice"):
            dist.init_process_group("gloo", store=store, rank=0, world_size=1)
        with pytest.raises(TypeError, match=r"Expected parameter `tensor` of type torch.Tensor"):
            dist.all_reduce(3)
        with pytest.raises(RuntimeError, match=r"Cannot use ReduceOp.PREMUL_SUM with Gloo"):
            dist.all_reduce(torch.ones(1), op=dist.ReduceOp.PREMUL_SUM)
        with pytest.raises(RuntimeError, match="doesn't have any parameter that requires a gradient"):
            torch.nn.parallel.DistributedDataParallel(torch.nn.ReLU())
        assert dist.get_backend() == "gloo" and dist.group.WORLD.size() == 1
    finally:
        dist.destroy_process_group()
    assert not dist.is_initialized()
