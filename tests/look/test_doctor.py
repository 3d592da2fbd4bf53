"""`cotangent.doctor` names the one thing that is wrong with a training step, with its line."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from typing import Any

import pytest
from bad_loops import CASES
from sound_loops import SOUND

import cotangent as torch
from cotangent.config import settings
from cotangent.look.texts import LABELS, TEXTS


@pytest.mark.parametrize("name", CASES)
def test_a_bad_loop_gives_exactly_its_finding(name: str) -> None:
    kind, build = CASES[name]
    torch.manual_seed(0)
    report = torch.doctor(build())
    assert report.kinds == [kind], str(report)
    lines, start = inspect.getsourcelines(build)
    wanted = [start + i for i, line in enumerate(lines) if line.rstrip().endswith("# <-")]
    finding = report.findings[0]
    assert (finding.file, finding.line) == (build.__code__.co_filename, wanted[0]), str(report)
    assert finding.place is not None
    assert finding.place.text.endswith("# <-")


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_loop_gives_none(name: str) -> None:
    torch.manual_seed(0)
    report = torch.doctor(SOUND[name]())
    assert report.kinds == [], str(report)


def test_there_are_as_many_as_promised() -> None:
    assert len(CASES) >= 30
    assert len(SOUND) >= 12
    assert {kind for kind, _ in CASES.values()} <= set(TEXTS)


def test_where_recording_was_switched_off() -> None:
    finding = torch.doctor(CASES["an_encoder_under_no_grad"][1]()).findings[0]
    assert finding.second is not None
    assert finding.second.text.strip() == "with torch.no_grad():"


def test_names_of_what_is_found() -> None:
    torch.manual_seed(0)
    found = {name: torch.doctor(CASES[name][1]()).findings[0] for name in NAMES}
    assert {name: list(finding.names) for name, finding in found.items()} == NAMES


NAMES = {
    "a_layer_that_forward_forgets": ["second.weight", "second.bias"],
    "layers_in_a_list": ["hidden[0] (Linear)", "hidden[1] (Linear)", "hidden[2] (Linear)"],
    "heads_in_a_dict": ["heads['a'] (Linear)", "heads['b'] (Linear)"],
    "an_optimizer_of_the_last_layer_only": ["0.weight", "0.bias"],
    "a_total_of_tensors": ["Trainer.total"],
    "a_history_of_losses": ["history[1]"],
    "a_model_left_in_eval_mode": ["Sequential"],
}


def test_everything_is_put_back() -> None:
    torch.manual_seed(3)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(), torch.nn.Linear(8, 3)
    )
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss.item()

    step()
    before = [t.clone() for t in (*model.parameters(), *model.buffers())]
    generator = torch.get_rng_state()
    rate = optimizer.param_groups[0]["lr"]
    assert torch.doctor(step).kinds == []
    assert all(
        torch.equal(a, b) for a, b in zip(before, (*model.parameters(), *model.buffers()), strict=True)
    )
    assert torch.equal(generator, torch.get_rng_state())
    assert optimizer.param_groups[0]["lr"] == rate
    assert optimizer.state[next(model.parameters())]["step"] == 1
    torch.doctor(step, restore=False)
    assert optimizer.state[next(model.parameters())]["step"] == 4


def test_the_report_speaks_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "lang", "both")
    text = str(torch.doctor(CASES["no_zero_grad"][1]()))
    assert "1 finding in 3 runs" in text
    assert "发现 1 个问题" in text
    assert "zero_grad()" in text
    monkeypatch.setattr(settings, "lang", "zh")
    text = str(torch.doctor(CASES["no_zero_grad"][1]()))
    assert "上一步的梯度还在" in text
    assert "finding" not in text


def test_every_sentence_exists_in_both_languages() -> None:
    for kind, texts in TEXTS.items():
        assert set(texts) == {"en", "zh"}, kind
        english, chinese = (" ".join(texts[language]) for language in ("en", "zh"))
        assert chinese.isascii() is False
        assert _fields(english) == {p.removesuffix("_zh") for p in _fields(chinese)}, kind
    assert set(LABELS["en"]) == set(LABELS["zh"])


def _fields(text: str) -> set[str]:
    import string

    return {str(field) for _, field, _, _ in string.Formatter().parse(text) if field}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_text_in_a_file_and_a_panel_in_a_terminal() -> None:
    report = torch.doctor(CASES["no_zero_grad"][1]())
    plain, terminal = io.StringIO(), Terminal()
    report.show(plain)
    report.show(terminal)
    assert plain.getvalue() == f"{report}\n"
    assert "zero-grad-missing" in terminal.getvalue()
    assert "╭" in terminal.getvalue()


def test_what_the_step_returns_and_raises_is_its_own_business() -> None:
    def fails() -> None:
        raise KeyError("no such batch")

    report = torch.doctor(fails)
    assert report.kinds == ["error"]
    assert "KeyError" in report.findings[0].message()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        torch.doctor(interrupted)


def test_gradients_accumulated_over_four_batches() -> None:
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    count = [0]

    def step() -> None:
        torch.nn.functional.cross_entropy(model(x), y).backward()
        count[0] += 1
        if count[0] % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()

    report = torch.doctor(step)
    assert report.kinds == []
    assert report.runs == 4


def test_arguments_are_passed_on() -> None:
    given: list[Any] = []
    torch.doctor(lambda a, b: given.append((a, b)), 1, 2, runs=2)
    assert given == [(1, 2), (1, 2)]


@pytest.fixture(autouse=True)
def recording_is_on_again() -> Iterator[None]:
    yield
    torch.set_grad_enabled(True)
