"""Profiles of real programs: what is in them, by line and by name, and that nothing is left behind."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import cotangent as torch
from cotangent import nn
from cotangent.nn import functional as F


def test_lines_show_forward_and_backward_side_by_side() -> None:
    model = nn.Linear(6, 3)
    x, y = torch.randn(4, 6), torch.randint(0, 3, (4,))
    with torch.profiler.profile(with_flops=True) as prof:
        out = model(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
    start = test_lines_show_forward_and_backward_side_by_side.__code__.co_firstlineno
    rows = {row.line - start: row for row in prof.by_line()}
    assert set(rows) == {4, 5, 6}
    assert {row.file for row in rows.values()} == {__file__}
    linear, entropy, backward = (rows[n] for n in (4, 5, 6))
    assert linear.text == "out = model(x)"
    assert (linear.forward_count, linear.backward_count) == (1, 2)  # linear; addmm and t
    assert (entropy.forward_count, entropy.backward_count) == (1, 2)
    assert (backward.forward_count, backward.backward_count) == (0, 2)  # two parameters accumulate
    assert linear.forward_time > 0
    assert linear.backward_time > 0
    # 4 x 6 x 3 products twice over; in backward once, as the input wants no gradient
    assert linear.flops == 2 * 4 * 6 * 3 * 2
    times = sum(row.total_time for row in prof.by_line())
    assert times == pytest.approx(sum(e.self_cpu_time_total for e in prof.events()), rel=1e-6)
    text = str(prof.by_line())
    assert text.splitlines()[0].split() == ["forward", "backward", "total", "%", "calls", "flops", "line"]
    assert "out = model(x)" in text
    assert len(prof.by_line().table(row_limit=1).splitlines()) == 2


def test_memory_of_arrays() -> None:
    """What is made and what goes adds up to what is there in the end."""
    x = torch.ones(1000, requires_grad=True)
    with torch.profiler.profile(profile_memory=True) as prof:
        y = x.exp()
        z = (y * y).sin()
        del y
        loss = z.sum()
        del z
        loss.backward()
    by_name = {avg.key: avg.self_cpu_memory_usage for avg in prof.key_averages()}
    assert by_name["aten::exp"] == by_name["aten::sin"] == 4000
    total = sum(e.self_cpu_memory_usage for e in prof.events())
    assert x.grad is not None
    assert total == x.grad.nbytes + loss.nbytes
    assert all(
        e.cpu_memory_usage == e.self_cpu_memory_usage + sum(c.cpu_memory_usage for c in e.cpu_children)
        for e in prof.events()
    )
    assert "CPU Mem" in prof.key_averages().table()
    # Views and writes make nothing.
    with torch.profiler.profile(profile_memory=True) as prof:
        x.detach().view(10, 100).t().add_(1)
    assert sum(e.self_cpu_memory_usage for e in prof.events()) == 0


def test_counts_of_backward() -> None:
    a, b = (torch.randn(*shape, requires_grad=True) for shape in ((5, 7), (7, 3)))
    image, weight = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(4, 3, 3, 3, requires_grad=True)
    with torch.profiler.profile(with_flops=True) as prof:
        (a @ b).sum().backward()
        F.conv2d(image, weight).sum().backward()
    counted = {avg.key: avg.flops for avg in prof.key_averages() if avg.flops}
    product, convolution = 2 * 5 * 7 * 3, 2 * (2 * 4 * 6 * 6) * (3 * 3 * 3)
    assert counted["aten::mm"] == product
    assert counted["MmBackward0"] == 2 * product
    assert counted["aten::conv2d"] == convolution
    assert counted["ConvolutionBackward0"] == 2 * convolution


def test_stacks_and_groups(tmp_path: Path) -> None:
    x = torch.randn(3, 3)

    def inner() -> Any:
        return x.exp()

    def outer() -> Any:
        return inner() + inner()

    with torch.profiler.profile(with_stack=True, record_shapes=True) as prof:
        outer()
        x.exp()
        torch.randn(5).exp()
    exps = [e for e in prof.events() if e.name == "aten::exp"]
    assert [entry.split(": ")[1] for entry in exps[0].stack][:3] == [
        "inner",
        "outer",
        "test_stacks_and_groups",
    ]
    one, two = (prof.key_averages(group_by_stack_n=n) for n in (1, 2))
    assert [a.count for a in one if a.key == "aten::exp"] == [2, 1, 1]
    assert [a.count for a in two if a.key == "aten::exp"] == [2, 1, 1]
    assert sorted(a.count for a in prof.key_averages(True) if a.key == "aten::exp") == [1, 3]
    table = one.table(sort_by="count")
    assert "Source Location" in table
    prof.export_stacks(str(tmp_path / "stacks"))
    lines = (tmp_path / "stacks").read_text().splitlines()
    assert any(line.split(" ")[0].endswith(f"outer;{exps[0].stack[0].replace(' ', '_')}") for line in lines)


def test_optimizers_and_blocks() -> None:
    w = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)

    @torch.profiler.record_function("all")
    def step() -> None:
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()

    with torch.profiler.profile() as prof:
        step()
    named = {e.name: e for e in prof.events() if e.is_user_annotation}
    assert set(named) == {"all", "Optimizer.zero_grad#SGD.zero_grad", "Optimizer.step#SGD.step"}
    assert named["Optimizer.step#SGD.step"].cpu_parent is named["all"]


def test_sequence_numbers_join_forward_and_backward() -> None:
    x = torch.ones(2, requires_grad=True)
    with torch.profiler.profile() as prof:
        x.exp().sum().backward()
    forward = {e.sequence_nr: e.name for e in prof.events() if e.sequence_nr >= 0 and not e.backward}
    backward = {e.sequence_nr: e.name for e in prof.events() if e.sequence_nr >= 0 and e.backward}
    assert {forward[n]: backward[n] for n in backward} == {
        "aten::exp": "ExpBackward0", "aten::sum": "SumBackward0",
    }  # fmt: skip


def test_a_schedule_with_traces_in_a_folder(tmp_path: Path) -> None:
    plan = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
    handler = torch.profiler.tensorboard_trace_handler(str(tmp_path / "log"), worker_name="me")
    with torch.profiler.profile(schedule=plan, on_trace_ready=handler) as prof:
        for _ in range(10):
            torch.ones(2).exp()
            prof.step()
    files = sorted((tmp_path / "log").iterdir())
    assert len(files) == 2
    for number, file in enumerate(files):
        assert file.name.startswith("me.")
        assert file.name.endswith(".pt.trace.json")
        names = [e["name"] for e in json.loads(file.read_text())["traceEvents"] if e["ph"] == "X"]
        assert names.count("aten::exp") == 2
        assert [n for n in names if "Step" in n] == [f"ProfilerStep#{4 * number + k}" for k in (2, 3)]
    with torch.profiler.profile(schedule=plan, acc_events=True) as prof:
        for _ in range(10):
            torch.ones(2).exp()
            prof.step()
    assert [a.count for a in prof.key_averages() if a.key == "aten::exp"] == [4]


def test_collection_may_pause() -> None:
    with torch.profiler.profile() as prof:
        torch.ones(2).exp()
        prof.toggle_collection_dynamic(False, [torch.profiler.ProfilerActivity.CPU])
        torch.ones(2).sin()
        prof.toggle_collection_dynamic(True, [torch.profiler.ProfilerActivity.CPU])
        torch.ones(2).cos()
    names = {e.name for e in prof.events()}
    assert {"aten::exp", "aten::cos"} <= names
    assert "aten::sin" not in names


def test_threads_that_begin_inside() -> None:
    with torch.profiler.profile() as prof:
        thread = threading.Thread(target=lambda: torch.ones(2).exp())
        thread.start()
        thread.join()
        torch.ones(2).sin()
    threads = {e.name: e.thread for e in prof.events()}
    assert threads["aten::exp"] != threads["aten::sin"]
    assert len({e.id for e in prof.events()}) == len(prof.events())


def test_nothing_is_left_behind() -> None:
    before = sys.getprofile()
    with torch.profiler.profile():
        torch.ones(2)
    with pytest.raises(ZeroDivisionError), torch.autograd.profiler.profile() as prof:
        torch.ones(2).exp()
        1 / 0  # noqa: B018
    assert sys.getprofile() is before
    assert "aten::exp" in {e.name for e in prof.function_events}
    count = len(prof.function_events)
    torch.ones(2).exp()
    assert len(prof.function_events) == count


def test_metadata_and_ids(tmp_path: Path) -> None:
    with torch.profiler.profile(custom_trace_id_callback=lambda: "mine") as prof:
        torch.ones(2)
    assert prof.get_trace_id() == "mine"
    prof.add_metadata("text", "value")
    prof.add_metadata_json("list", "[1]")
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert (trace["trace_id"], trace["text"], trace["list"]) == ("mine", "value", [1])
