"""Notes on errors: the 25 most common mistakes (and some more) are explained, and the fix works."""

from __future__ import annotations

import linecache
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
from mistakes import MISTAKES, Mistake

import cotangent
from cotangent.autograd.modes import modes
from cotangent.autograd.note_texts import LABELS, TEXTS
from cotangent.config import settings

NAMES = [mistake.name for mistake in MISTAKES]


def run(source: str, path: Path, torch: Any, name: str = "program") -> BaseException | None:
    """What a program raises or warns of with `torch` as its torch; None if nothing."""
    path.write_text(source, encoding="utf-8")
    linecache.checkcache(str(path))
    text = source.replace("import torch\n", "\n", 1)
    text = text.replace("import torch.nn.functional as F", "F = torch.nn.functional")
    scope: dict[str, Any] = {"torch": torch, "__name__": name, "print": lambda *values: None}
    switch = torch.set_grad_enabled(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(text, str(path), "exec"), scope)
    except Exception as error:
        return error
    finally:
        switch.__exit__(None, None, None)
    return None


def places(mistake: Mistake) -> list[tuple[str, int, str, str]]:
    """(role, line, source line, expression) that the note must name."""
    found = []
    for number, line in enumerate(mistake.broken.splitlines(), 1):
        _, marked, comment = line.partition("  #: ")
        if marked:
            role, _, expression = comment.partition(" ")
            found.append((role, number, line, expression))
    return found


@pytest.mark.parametrize("mistake", MISTAKES, ids=NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_note_names_lines_and_columns(
    mistake: Mistake, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "lang", language)
    path = tmp_path / "program.py"
    error = run(mistake.broken, path, cotangent)
    assert error is not None
    (note,) = error.__notes__
    labels = LABELS[language]
    wanted = places(mistake)
    for role, number, line, expression in wanted:
        code = line.partition("  #: ")[0]
        column = code.index(expression)
        head = f"  {labels[role]} {path}:{number}:{column + 1}\n"
        assert head in note
        text, carets = note[note.index(head) + len(head) :].splitlines()[:2]
        assert text.strip() == line.strip()
        under = shown_under(text, carets)
        assert under == expression
    shown = re.findall(rf"^  [^\n]+ {re.escape(str(path))}:\d+", note, re.MULTILINE)
    assert len(shown) == len(wanted) or mistake.kind in ("deepcopy",), note
    cause, fix = (pattern_of(sentence) for sentence in TEXTS[mistake.kind][language])
    assert re.search(f"^  {labels['why']}: {cause}$", note, re.MULTILINE), note
    assert re.search(f"^  {labels['fix']}: {fix}$", note, re.MULTILINE), note


def shown_under(text: str, carets: str) -> str:
    """What stands above the carets, where Chinese characters are two columns wide."""
    columns = "".join(c if ord(c) < 0x2E80 else c + "\0" for c in text)
    start, end = carets.index("^"), carets.rindex("^") + 1
    return columns[start:end].replace("\0", "")


def pattern_of(sentence: str) -> str:
    return re.sub(r"\\{\w+\\}", "[^\n]+", re.escape(sentence))


@pytest.mark.parametrize("mistake", MISTAKES, ids=NAMES)
def test_the_fix_works(mistake: Mistake, tmp_path: Path) -> None:
    assert run(mistake.fixed, tmp_path / "fixed.py", cotangent) is None


def test_every_kind_has_a_mistake_and_both_languages() -> None:
    fallback = {"rule", "nograph"}
    assert {mistake.kind for mistake in MISTAKES} == set(TEXTS) - fallback
    for languages in TEXTS.values():
        assert set(languages) == {"en", "zh"}
        for part in range(2):
            names = [set(re.findall(r"\{\w+\}", languages[lang][part])) for lang in ("en", "zh")]
            assert names[0] == names[1]


def test_both_languages_give_two_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "lang", "both")
    error = run(MISTAKES[0].broken, tmp_path / "program.py", cotangent)
    assert error is not None
    assert [note.count("why") for note in error.__notes__] == [1, 0]


def test_without_source_text_the_note_still_says_why() -> None:
    scope: dict[str, Any] = {"torch": cotangent}
    with pytest.raises(RuntimeError) as caught:
        exec("w = torch.ones(3)\nw.sum().backward()", scope)
    (note,) = caught.value.__notes__
    assert "asked for at <string>:2" in note
    assert "no input of its computation requires grad" in note


def test_seed_program_is_told_that_grad_mode_is_still_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "lang", "en")
    program = Path(__file__).parents[1] / "data/seed_programs/000_s2_as_written.py"
    path = tmp_path / program.name
    lines = program.read_text(encoding="utf-8").splitlines()
    switched = next(i for i, line in enumerate(lines, 1) if "set_grad_enabled(False)" in line)
    computed = next(i for i, line in enumerate(lines, 1) if "f1 = x ** 2 + 20" in line)
    error = run("\n".join(lines), path, cotangent, "__main__")
    assert error is not None
    (note,) = error.__notes__
    assert f"switched off at {path}:{switched}:5\n" in note
    assert f"computed at {path}:{computed}:14\n" in note
    assert "by set_grad_enabled(False) and is still off here" in note


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: x.detach().exp().sum(), "detach"),
        (lambda x: x.data[0] * 2, "data"),
        (lambda x: cotangent.where(x > 0, 1.0, 0.0).mean(), "gt"),
        (lambda x: cotangent.cat([x.detach(), cotangent.ones(1)]).sum(), "detach"),
        (lambda x: cotangent.stack([cotangent.ones(2), x.detach()]).sum(), "detach"),
        (lambda x: x.topk(1).indices.float(), "topk"),
        (lambda x: x.max(0).indices * 2.0, "max"),
        (lambda x: cotangent.ones_like(x) * 2, None),
        (lambda x: cotangent.zeros(2) * 2, None),
        (lambda x: x * 2, None),
    ],
)
def test_a_mark_is_handed_on(make: Any, reason: str | None) -> None:
    result = make(cotangent.tensor([1.0, 2.0], requires_grad=True))
    if reason is None:
        assert result._cut is None
    else:
        assert (result._cut[0] if isinstance(result._cut[0], str) else result._cut[0].public) == reason


def test_grad_mode_switches_are_forgotten_at_the_end() -> None:
    x = cotangent.ones(2, requires_grad=True)
    with cotangent.no_grad():
        with cotangent.enable_grad():
            assert modes.off is None
        assert (x * 2)._cut[3][0] == "no_grad"
    with cotangent.inference_mode():
        assert (x * 2)._cut[3][0] == "inference_mode"
    assert modes.off is None
    switch = cotangent.set_grad_enabled(False)
    assert (x * 2)._cut[3][0] == "set_grad_enabled"
    switch.__exit__(None, None, None)
    assert modes.off is None


def test_marks_hold_no_tensors() -> None:
    x = cotangent.ones(2, requires_grad=True)
    assert {type(part).__name__ for part in x.detach()._cut} == {"str", "code", "int", "NoneType"}
