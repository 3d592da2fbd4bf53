"""Random programs: cotangent and PyTorch agree on values, gradients, versions, graphs and errors.

`python tools/run_random_programs.py 20000` draws many more and groups what differs. Where PyTorch fails one
of its own assertions (INTERNAL ASSERT, "please report a bug"), there is nothing to agree with: the rest of
such a program is passed over, and the tool says how many there were.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from programs.compare import compare
from programs.grammar import CHOICE, WIDTH, draw, random_raw
from programs.interpreter import run
from programs.program import EXIT, Kind, Program, Step
from programs.reduction import differ, reduce

import cotangent

NUMBER = st.integers(0, CHOICE - 1)
RAW = st.lists(st.tuples(*[NUMBER] * WIDTH), min_size=1, max_size=30)
CHUNKS, CHUNK = 8, 50
MORE = int(os.environ.get("COTANGENT_RANDOM_PROGRAMS", "0"))


# Hypothesis draws other programs in another version, and in a clone whose modules hold other constants. What
# always runs is drawn by Python's own generator, whose numbers stay: a failure here comes from a change here.
@pytest.mark.parametrize("seed", range(CHUNKS))
def test_agrees_with_pytorch(seed: int) -> None:
    generator = Random(seed)
    different: list[str] = []
    for number in range(CHUNK):
        program = draw(torch, random_raw(generator), watched=number % 2 == 0)
        found = differ(program, torch, cotangent)
        if found:
            different.append(f"{program.source()}\n{found.describe(program)}")
    assert not different, "\n\n".join(different[:5])


@pytest.mark.skipif(not MORE, reason="COTANGENT_RANDOM_PROGRAMS=20000 draws that many")
@settings(
    max_examples=max(MORE, 1),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(RAW, st.booleans())
def test_agrees_on_programs_that_hypothesis_draws(raw: list[tuple[int, ...]], watched: bool) -> None:
    program = draw(torch, raw, watched)
    found = differ(program, torch, cotangent)
    assert found is None, f"{program.source()}\n{found.describe(program)}"


def test_harness_is_deterministic() -> None:
    """PyTorch against itself shows no difference, and the same integers give the same program."""
    generator = Random(0)
    for number in range(60):
        raw = random_raw(generator)
        program = draw(torch, raw, watched=number % 2 == 0)
        assert draw(torch, raw, watched=number % 2 == 0) == program
        found = differ(program, torch, torch)
        assert found is None, f"{program.source()}\n{found.describe(program)}"


def test_programs_are_mostly_valid_and_varied() -> None:
    generator = Random(1)
    raising = total = 0
    families = set()
    for _ in range(150):
        program = draw(torch, random_raw(generator))
        records = run(torch, program)
        raising += sum(record.error is not None for record in records)
        total += len(records)
        families |= {step.family for step in program.steps}
    assert 0.03 < raising / total < 0.2
    assert len(families) >= 24


def test_source_runs_as_it_stands() -> None:
    generator = Random(2)
    for _ in range(20):
        program = draw(torch, random_raw(generator))
        records = run(torch, program)
        errors = {number: record.error for number, record in enumerate(records) if record.error}
        printed = io.StringIO()
        names: dict[str, object] = {}
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(program.source(errors), names)
        assert set(records[-1].names) <= set(names)
        for error in errors.values():
            assert error.split(": ", 1)[0] in printed.getvalue()


FIRST = "t0 = torch.tensor([1.0, 2.0], requires_grad=True)"
LINES = (FIRST, "t1 = t0 * 2", "t1.add_(1)", "t1.sum().backward()")


@pytest.mark.parametrize(
    ("line", "changed", "what"),
    [
        (0, "t0 = torch.tensor([1.0, 2.5], requires_grad=True)", "value"),
        (0, "t0 = torch.tensor([1.0, 2.0], requires_grad=True, dtype=torch.float64)", "dtype"),
        (0, "t0 = torch.tensor([1.0, 2.0])", "requires_grad"),
        (1, "t1 = 2 * t0 + 0", "grad_fn"),
        (1, "t1 = (t0 + 0) * 2", "next_functions"),
        (2, "t1.add_(1); t1.detach().add_(0)", "_version"),
        (2, "t1.add_('a')", "error"),
        (2, "t2 = t1.add_(1)", "variables"),
        (3, "t1.sum().mul(3).backward()", "grad.value"),
        (3, "torch.autograd.grad(t1.sum(), t0)", "grad"),
    ],
)
def test_compare_sees(line: int, changed: str, what: str) -> None:
    program = Program(tuple(Step(text) for text in LINES))
    steps = list(program.steps)
    steps[line] = replace(steps[line], text=changed)
    found = compare(program, run(torch, program), run(torch, Program(tuple(steps))), structure=True)
    assert found is not None
    assert (found.step, found.what) == (line, what)


def test_values_may_differ_by_rounding_only() -> None:
    def difference(one: str, two: str) -> object:
        left, right = (Program((Step(f"t0 = torch.tensor({text})"),)) for text in (one, two))
        return compare(left, run(torch, left), run(torch, right))

    assert difference("[1.0, float('nan')]", "[1.000001, float('nan')]") is None
    assert difference("[1.0, float('inf')]", "[1.0, -float('inf')]") is not None
    assert difference("[1.0]", "[1.0001]") is not None
    assert difference("[1.0], dtype=torch.float64", "[1.000001], dtype=torch.float64") is not None


class _Wrong:
    """PyTorch, except that `ones` gives twos."""

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)

    def ones(self, *sizes: int) -> torch.Tensor:
        return torch.full(sizes, 2.0)


def test_reduce_keeps_only_what_fails() -> None:
    texts = ("t0 = torch.zeros(2)", "t1 = torch.ones(2)", "t2 = t0 + 1", "t3 = t2 * t0")
    enter = Step("torch.no_grad()", Kind.ENTER)
    steps = [Step(text) for text in texts]
    program = Program((steps[0], enter, *steps[1:3], EXIT, steps[3]))
    found = differ(program, torch, _Wrong())
    assert found is not None
    short, found = reduce(program, found, torch, _Wrong())
    assert [step.text for step in short.steps] == ["t1 = torch.ones(2)"]
    assert found.what == "value"
