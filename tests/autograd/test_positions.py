"""Errors of arguments: functions count the tensor, methods do not; both go by the name they are called by."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import RunPython

import cotangent as torch
from cotangent import add as plain_add


class Odd:
    """What no function takes."""


x = torch.ones(2, 2)
odd = Odd()
method = x.add


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: torch.add(x, odd), "add(): argument 'other' (position 2) must be Tensor, not Odd"),
        (lambda: x.add(odd), "add(): argument 'other' (position 1) must be Tensor, not Odd"),
        (lambda: (x * 2).add(odd), "add(): argument 'other' (position 1) must be Tensor, not Odd"),
        (lambda: torch.Tensor.add(x, odd), "add(): argument 'other' (position 1) must be Tensor, not Odd"),
        (lambda: plain_add(x, odd), "add(): argument 'other' (position 2) must be Tensor, not Odd"),
        (lambda: x.add_(odd), "add_(): argument 'other' (position 1) must be Tensor, not Odd"),
        (lambda: torch.argmax(x, 1.5), "argmax(): argument 'dim' (position 2) must be int, not float"),
        (lambda: x.argmax(1.5), "argmax(): argument 'dim' (position 1) must be int, not float"),
        (lambda: torch.chunk(x, 1, odd), "chunk(): argument 'dim' (position 3) must be int, not Odd"),
        (lambda: x.chunk(1, odd), "chunk(): argument 'dim' (position 2) must be int, not Odd"),
        (lambda: torch.cumsum(x, "a"), "cumsum(): argument 'dim' (position 2) must be int, not str"),
        (lambda: x.cumsum("a"), "cumsum(): argument 'dim' (position 1) must be int, not str"),
        (lambda: torch.flip(x, 1.5), "flip(): argument 'dims' (position 2) must be tuple of ints, not float"),
        (lambda: x.flip(1.5), "flip(): argument 'dims' (position 1) must be tuple of ints, not float"),
        (lambda: torch.arctan2(x, odd), "arctan2(): argument 'other' (position 2) must be Tensor, not Odd"),
        (lambda: x.ger(odd), "ger(): argument 'vec2' (position 1) must be Tensor, not Odd"),
        (
            lambda: torch.nn.functional.softmax(x, dim=(0, 1)),
            "softmax(): argument 'dim' (position 1) must be int, not tuple",
        ),
    ],
)
def test_positions(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == text


def test_calls_over_several_lines_and_without_source() -> None:
    with pytest.raises(TypeError, match=r"\(position 1\)"):
        x.mul(2).add(
            odd,
        )
    for source, position in (("torch.add(x, odd)", 2), ("x.add(odd)", 1), ("[x][0].add(odd)", 1)):
        with pytest.raises(TypeError, match=rf"\(position {position}\)"):
            exec(source, {"torch": torch, "x": x, "odd": odd})


WITH_SUBCLASSES = """\
import torch

class Own(torch.Tensor):
    pass

x = torch.ones(3)
with torch.autocast("cpu"):
    x.mul(2)
for call, text in (
    (lambda: torch.mm(x, 3), "mm(): argument 'mat2' (position 2) must be Tensor, not int"),
    (lambda: torch.argmax(x, 1.5), "argmax(): argument 'dim' (position 2) must be int, not float"),
    (lambda: x.argmax(1.5), "argmax(): argument 'dim' (position 1) must be int, not float"),
):
    try:
        call()
    except TypeError as error:
        assert str(error) == text, error
    else:
        raise AssertionError(text)
"""


def test_positions_behind_what_overrides_and_casts(run_python: RunPython, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(WITH_SUBCLASSES, encoding="utf-8")
    result = run_python("-m", "cotangent", str(program))
    assert result.returncode == 0, result.stderr
