"""`python -m cotangent --doctor` and its kin: what they say of whole programs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from running import RunPython

TRAIN = """\
import sys
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(64, 4), torch.randint(0, 3, (64,))
for epoch in range(3):
    for i in range(0, 64, 16):
        loss = nn.functional.cross_entropy(model(x[i:i + 16]), y[i:i + 16])
        if 'zero' not in sys.argv:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        if 'eval' in sys.argv:
            model.eval()
        right = (model(x).argmax(1) == y).sum()
    if 'train' in sys.argv:
        model.train()
    print(epoch, right.item())
if 'exit' in sys.argv:
    sys.exit(3)
if 'boom' in sys.argv:
    raise ValueError('boom')
"""
LINES = {text.strip(): number for number, text in enumerate(TRAIN.splitlines(), 1)}


@pytest.fixture
def train(tmp_path: Path) -> str:
    (tmp_path / "train.py").write_text(TRAIN)
    return "train.py"


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (["eval", "train"], None, ""),
        (["eval", "train", "zero"], "zero-grad-missing", "optimizer.step()"),
        # Seen only after an epoch, when nobody watches step by step any more.
        (["train"], "train-mode", "right = (model(x).argmax(1) == y).sum()"),
        (["eval"], "eval-mode", "loss = nn.functional.cross_entropy(model(x[i:i + 16]), y[i:i + 16])"),
    ],
)
def test_the_doctor(
    arguments: list[str], kind: str | None, text: str, train: str, run_python: RunPython
) -> None:
    alone = run_python("-m", "cotangent", train, *arguments)
    result = run_python("-m", "cotangent", "--doctor", train, *arguments)
    assert (result.stdout, result.returncode) == (alone.stdout, 0)
    if kind is None:
        assert result.stderr == "cotangent.doctor: nothing found in 4 runs of the step\n"
    else:
        assert "cotangent.doctor: 1 finding" in result.stderr
        assert f"1. {kind}\n" in result.stderr
        assert f"train.py:{LINES[text]}\n      {text}\n" in result.stderr


def test_programs_that_end_in_their_own_way(train: str, run_python: RunPython) -> None:
    for way, status in (("exit", 3), ("boom", 1)):
        alone = run_python("-m", "cotangent", train, "eval", "train", way)
        result = run_python("-m", "cotangent", "--doctor", train, "eval", "train", way)
        assert (result.stdout, result.returncode) == (alone.stdout, status)
        assert result.stderr.endswith(alone.stderr)
    assert "the step failed: ValueError: boom" in result.stderr


def test_updates_by_hand_and_programs_without_training(run_python: RunPython) -> None:
    code = """\
import torch
w = torch.zeros(3, requires_grad=True)
for _ in range(6):
    ((w - 1) ** 2).sum().backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
"""
    result = run_python("-m", "cotangent", "--doctor", "-c", code)
    assert "1. zero-grad-missing\n" in result.stderr
    assert "<string>:4" in result.stderr
    result = run_python("-m", "cotangent", "--doctor", "-c", code + "    w.grad = None\n")
    assert "nothing found" in result.stderr
    result = run_python("-m", "cotangent", "--doctor", "-c", "print(1)", env={"COTANGENT_LANG": "zh"})
    assert result.stdout == "1\n"
    assert "没有可说的" in result.stderr


def test_the_graph_of_the_first_backward(train: str, tmp_path: Path, run_python: RunPython) -> None:
    result = run_python("-m", "cotangent", "--graph", "graph.txt", train, "eval", "train")
    assert result.stderr == "cotangent --graph: the graph of the first backward is in graph.txt\n"
    text = (tmp_path / "graph.txt").read_text(encoding="utf-8")
    assert "model Sequential" in text
    assert "addmm" in text
    result = run_python("-m", "cotangent", "--graph", "graph.svg", "-c", "print(1)")
    assert "no backward ran" in result.stderr
    assert not (tmp_path / "graph.svg").exists()
    result = run_python("-m", "cotangent", "--graph", "nowhere/graph.svg", train, "eval", "train")
    assert "No such file or directory: 'nowhere/graph.svg'" in result.stderr
    assert result.returncode == 0


def test_a_profile_together_with_the_others(train: str, tmp_path: Path, run_python: RunPython) -> None:
    looks = ("--profile", "trace.json.gz", "--doctor", "--graph", "graph.dot")
    result = run_python("-m", "cotangent", *looks, train, "eval", "train", "zero")
    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        events = json.load(file)["traceEvents"]
    names = [event["name"] for event in events if event["ph"] == "X"]
    assert names.count("Optimizer.step#SGD.step") == 12
    assert names.count("NllLossBackward0") == 12
    assert "aten::addmm" in result.stderr
    step = next(line for line in result.stderr.splitlines() if "loss = nn.functional" in line)
    assert f"train.py:{LINES['loss = nn.functional.cross_entropy(model(x[i:i + 16]), y[i:i + 16])']}" in step
    assert "1. zero-grad-missing" in result.stderr
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8").startswith("digraph")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--graph"], "--graph needs the name of a file"),
        (["--doctor"], "nothing to run"),
        (["--profile", "trace.json"], "nothing to run"),
        (["--doctor", "--version"], "--version is no program to look at"),
        (["--graph", "x.png", "-c", "1"], "--graph writes .svg, .html, .dot, .mmd, .txt, not 'x.png'"),
    ],
)
def test_wrong_use(arguments: list[str], reason: str, run_python: RunPython) -> None:
    result = run_python("-m", "cotangent", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"cotangent: {reason}\nusage: ")


NAN = """\
import torch
w = torch.tensor([2.0, 0.5], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=LR)
for step in range(8):
    optimizer.zero_grad()
    shown = (w - 1).abs()
    loss = LOSS
    loss.backward()
    optimizer.step()
print(loss.grad_fn.name(), w.grad.isfinite().all().item())
try:
    loss.backward()
except RuntimeError as error:
    print(str(error)[:40])
"""


def test_the_first_nan(run_python: RunPython) -> None:
    cases = {
        # the third step takes w below zero
        ("w.sqrt().sum()", "0.4"): ("at backward number", "sqrt(", "loss = w.sqrt().sum()"),
        # finite in forward; 0 * inf in backward
        ("(shown * 0 + 0.0).sqrt().sum()", "0.1"): ("at backward number 1", "inf", "sqrt()"),
    }
    for (loss, rate), parts in cases.items():
        code = NAN.replace("LOSS", loss).replace("LR", rate)
        alone = run_python("-m", "cotangent", "-c", code)
        result = run_python("-m", "cotangent", "--explain-nan", "-c", code)
        assert (result.stdout, result.returncode) == (alone.stdout, 0)
        assert "Trying to backward through the graph" in result.stdout
        for part in parts[:2]:
            assert part in result.stderr, result.stderr
    sound = NAN.replace("LOSS", "(w * shown).sum()").replace("LR", "0.01")
    result = run_python("-m", "cotangent", "--explain-nan", "-c", sound)
    assert result.stderr == "cotangent --explain-nan: no nan and no inf in 9 runs of backward\n"


def test_checks_that_run_backward_themselves_keep_nothing(tmp_path: Path, run_python: RunPython) -> None:
    (tmp_path / "check.py").write_text(
        "import torch\n"
        "x = torch.randn(3, dtype=torch.float64, requires_grad=True)\n"
        "print(torch.autograd.gradcheck(torch.sin, (x,)), torch.autograd.gradgradcheck(torch.sin, (x,)))\n"
    )
    done = run_python("-m", "cotangent", "--doctor", "check.py")
    assert done.stdout == "True True\n" and "nothing found" in done.stderr and "graph-kept" not in done.stderr
