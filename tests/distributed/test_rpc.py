"""torch.distributed.rpc, torch.distributed.autograd and DistributedOptimizer."""

from __future__ import annotations

import pickle
import re
import time
from types import SimpleNamespace
from typing import Any

import pytest
from running import PROJECT, RunPython

import cotangent as torch
from cotangent.distributed.rpc.agent import Agent

NAMED = "worker1 (rank 1) has ended or cannot be reached"


@pytest.fixture
def worker0(together: Any) -> Any:
    """What worker 0 of three found."""
    return lambda name: together("calls,references,autograd,optimizer", 3, "rpc_programs.py")[0][name]


def test_calls(worker0: Any) -> None:
    found = worker0("calls")
    assert found["builtin"] == [[2, 3, 4], [5, 6, 7]]
    assert found["to a number, to oneself"] == [15, 15, 15]
    assert (
        all(found["kinds"]) and len(found["kinds"]) == 9 and found["one tensor twice"] and found["a module"]
    )
    assert found["hops"] == 25 and found["big"]
    error = found["error"]
    assert error.startswith(
        "ValueError: On WorkerInfo(id=1, name=worker1):\nValueError('on purpose')\nTraceback"
    )
    assert "in fails" in error
    assert "ValueError: On WorkerInfo(id=2, name=worker2):\nValueError('deep')" in found["nested error"]
    assert found["not callable"] == "TypeError: function should be callable."
    assert found["nobody"] == "RuntimeError: name:worker0,rank:0 could not find destination name nobody"
    assert (
        found["no pickle"] == "TypeError" and "cannot pickle '_thread.lock' object" in found["no pickle back"]
    )
    assert found["async"] == [k * k for k in range(40)] and found["at once"]
    assert found["then"] == 64 and found["async execution"] == 16
    assert "must return a torch.futures.Future object, but got 3" in found["no future"]
    assert found["again"] == "RuntimeError: RPC is already initialized"


def test_calls_that_take_too_long(worker0: Any) -> None:
    found = worker0("calls")
    assert "RPC ran for more than set timeout (200 ms)" in found["timeout"] and "worker1" in found["timeout"]
    assert found["timeout is kept"] and found["timeout 0"] == 0.01


def test_references(worker0: Any) -> None:
    found = worker0("references")
    assert found["methods"] == [[2, 2], [3, 3], [4, 4], [8, 8], [8, 8]]
    assert found["confirmed"] and found["who"] == ["worker1", False, "WorkerInfo(id=1, name=worker1)"]
    assert (
        "can't call localValue() on user WorkerInfo(id=0, name=worker0). Call it on owner" in found["local"]
    )
    assert found["error"].startswith(
        "ValueError: On WorkerInfo(id=1, name=worker1):\nValueError('on purpose')"
    )
    assert "set timeout (100 ms)" in found["timeout"] and found["later"] == 2.0
    assert found["mine"] == [True, "worker0", True] and found["mine over there and back"]
    assert found["mine, called"] == "WorkerInfo(id=0, name=worker0)" and found["mine, by remote"] == 32
    assert "can only be pickled when using RPC" in found["pickle"]


def test_a_reference_is_forwarded_over_eight_hops(worker0: Any) -> None:
    assert worker0("references")["hops"] == [1024, "WorkerInfo(id=1, name=worker1)"]


def test_an_owner_keeps_a_value_as_long_as_somebody_refers_to_it(worker0: Any) -> None:
    found = worker0("references")
    assert found["one is left"] and found["it stays"] == 1 and found["none is left"] and found["none here"]


@pytest.fixture
def autograd(worker0: Any) -> Any:
    return worker0("autograd")


def test_backward_through_calls(autograd: Any) -> None:
    assert autograd["one call"] == [6.0, 16.0] and autograd["nothing in .grad"]
    assert autograd["called back"] == [7.0, 7.0] and autograd["to oneself"] == [9.0, 9.0]
    assert autograd["one of two results"] == [3.0, 3.0] and autograd["local only"] == [2.0, 4.0]


def test_backward_through_several_round_trips(autograd: Any) -> None:
    assert autograd["two round trips"] == [6.0, 8.0] and autograd["hops"] == [64.0, 64.0]


def test_backward_through_references(autograd: Any) -> None:
    assert autograd["to_here"] == [14.0, 28.0]
    assert autograd["a reference in a nested call"] == [5.0, 5.0]
    assert (
        autograd["without context"]
        == "RuntimeError: User RRefs require 'dist_autograd_ctx_id' to be specified"
    )
    assert autograd["from there"] == [2.0, 2.0] and autograd["and there"] == [6.0]


def test_hooks_run_on_every_worker(autograd: Any) -> None:
    assert autograd["hooks there"] == [20.0, 20.0]
    assert autograd["hooks here"] == [[6.0, 6.0], [[1.0, 1.0]]]


def test_a_graph_that_is_retained(autograd: Any) -> None:
    assert autograd["retained, twice"] == [[4.0, 8.0], True]


def test_nothing_is_recorded_without_gradients(autograd: Any) -> None:
    assert autograd["nothing recorded"] == [0, 0]


def test_send_and_recv_are_recorded_on_every_hop(autograd: Any) -> None:
    # Worker 0: x leaves, comes back from 1 for its product, the sum comes back. Worker 2: one in, one out.
    assert autograd["recorded"] == [[2, 2], [3, 3], [1, 1]]
    assert "grad_fn=<RecvRpcBackward>" in autograd["printed"]
    assert autograd["names"] == ["torch::distributed::autograd::RecvRpcBackward"]


def test_a_context_of_nested_calls_is_known_to_all_workers_and_then_gone(autograd: Any) -> None:
    assert autograd["id"] == 0 and autograd["known there"] == [True, True]
    assert autograd["cleaned up"] and "Could not find autograd context with id:" in autograd["no context"]


def test_nested_contexts_are_refused(autograd: Any) -> None:
    assert autograd["nested"] == "RuntimeError: Already have an autograd context id for this thread."


def test_a_message_that_takes_no_part_is_named(autograd: Any) -> None:
    assert "is incomplete: no gradients came back for worker0 (rank 0): message" in autograd["unused"]
    assert "to worker1 (rank 1) with tensors of shape [2]" in autograd["unused"]


def test_an_error_in_backward_names_its_node_and_the_next_one_is_sound(autograd: Any) -> None:
    assert "Error on Node 2: Simulate error on backward pass" in autograd["error there"]
    assert autograd["afterwards"] == [2.0, 2.0]
    assert "Error on Node 1: Could not find autograd context" in autograd["context gone there"]


def test_roots_of_a_distributed_backward(autograd: Any) -> None:
    roots = autograd["roots"]
    assert roots[0] == "RuntimeError: No tensors provided for gradient computation."
    assert roots[1] == "RuntimeError:  is not a scalar, all roots need to be scalar"
    assert roots[2] == "RuntimeError: requires_grad not set on root"
    assert roots[3] == "TypeError" and "Could not find autograd context" in roots[4]


def test_threads_have_contexts_of_their_own(autograd: Any) -> None:
    assert autograd["threads"]


def test_distributed_optimizer(worker0: Any) -> None:
    distance, init, step = worker0("optimizer")
    assert distance < 1e-6
    assert init.startswith("ValueError: On WorkerInfo(id=1, name=worker1):\nValueError('not to be made')")
    assert step.startswith("ValueError: On WorkerInfo(id=1, name=worker1):\nValueError('no step')")


def test_shutdown_waits_for_calls_and_reports_references(ranks: Any) -> None:
    found = ranks("uneven,leaks", 3, file="rpc_programs.py")
    assert found[0]["uneven"] == [[k * k for k in range(20)], 25]
    assert ["still holds" in text for text in found[0]["leaks"]] == [True]
    assert ["Leaking RRef a value with fork Id never dropped" in text for text in found[1]["leaks"]] == [True]
    assert found[2]["leaks"] == []


def test_a_worker_may_leave_as_soon_as_it_has_told_what_the_others_need() -> None:
    class Store:
        """The key comes, and its worker goes, right after somebody has looked for it in vain."""

        def check(self, keys: list[str]) -> bool:
            there, agent.gone[1] = bool(agent.gone), "the connection was closed"
            return there

        def get(self, key: str) -> bytes:
            return b"told"

    agent: Any = SimpleNamespace(gone={}, store=Store(), dead=RuntimeError)
    assert Agent._others(agent, "settle/0/1", 1, time.monotonic() + 5) == b"told"


def test_a_worker_that_ends_is_named(ranks: Any) -> None:
    found = ranks("dead", 3, file="rpc_programs.py")
    (called, backward, reference, soon), ending = found[0]
    assert NAMED in called and soon
    # Worker 2 may have ended, too, because of this.
    assert all("worker1 (rank 1)" in text and "has ended" in text for text in (backward, reference, ending))


def test_refusals() -> None:
    rpc = torch.distributed.rpc
    with pytest.raises(RuntimeError, match="RPC has not been initialized"):
        rpc.rpc_sync("worker1", torch.add)
    with pytest.raises(RuntimeError, match="Worker name must match"):
        rpc.init_rpc("no blanks", rank=0, world_size=1)
    with pytest.raises(RuntimeError, match="Current thread doesn't have a valid autograd context"):
        torch.distributed.autograd._current_context()
    rpc.shutdown()


def test_futures() -> None:
    future: Any = torch.futures.Future()
    assert not future.done()
    with pytest.raises(RuntimeError, match="value\\(\\) on a Future that is not done"):
        future.value()
    failed = future.then(lambda done: 1 / done.wait())
    seen: list[Any] = []
    future.add_done_callback(lambda done: seen.append(done.value()))
    future.set_result(0)
    with pytest.raises(RuntimeError, match="can only be marked completed once\\."):
        future.set_result(1)
    with pytest.raises(RuntimeError, match="running the callback: ZeroDivisionError") as raised:
        failed.wait()
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    for call in (torch.futures.wait_all, torch.futures.collect_all):
        with pytest.raises(RuntimeError, match="Future can't be None"):
            call((None,))
    with pytest.raises(RuntimeError, match="Future can't be None"):
        torch.jit.wait(None)
    with pytest.raises(RuntimeError, match="Can not pickle"):
        pickle.dumps(future)
    assert seen == [0]
    with pytest.raises(AssertionError, match="is of type <class 'int'>, not an Exception"):
        torch.futures.Future().set_exception(3)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        torch.futures.wait_all([future, failed])
    assert torch.futures.wait_all([]) == []


@pytest.mark.parametrize("name", ["parameter_server", "pipeline", "lstm"])
def test_examples_train_as_one_process_does(name: str, run_python: RunPython) -> None:
    result = run_python("-m", "cotangent", str(PROJECT / f"examples/rpc/{name}.py"))
    found = re.search(r"^largest distance from one process: (\S+)$", result.stdout, re.MULTILINE)
    assert found is not None and float(found[1]) < 3e-5, result.stderr
    assert re.search(r"^last loss(es)?: [\d., ]+$", result.stdout, re.MULTILINE)
