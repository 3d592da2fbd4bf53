"""Listening to the calls of a trace: what is told, what is not, and how the hook comes back."""

import math
import sys
import time
from typing import Any

import pytest

import cotangent as torch
from cotangent.autograd.calls import restore
from cotangent.compile.calls import listen
from cotangent.kernels import runtime


def first(x: float) -> float:
    return math.sqrt(x) + second(x)


def second(x: float) -> float:
    return len(str(x)) + time.time() * 0


def heard(call: Any) -> list[tuple[str, str]]:
    events = []

    def seen(frame: Any, event: str, arg: Any) -> None:
        events.append((event, frame.f_code.co_name if arg is None else arg.__name__))

    listen(seen)
    try:
        call()
    finally:
        sys.setprofile(None)
    return events


def test_code_is_told_once_and_watched_builtins_each_time() -> None:
    assert runtime.ready()
    called = heard(lambda: [first(4.0) for _ in range(3)])
    calls = [name for event, name in called if event == "call"]
    inner = ["<listcomp>"] if sys.version_info < (3, 12) else []  # since then it is part of the function
    assert calls == ["<lambda>", *inner, "first", "second"]
    assert [name for event, name in called if event == "c_call"] == ["sqrt", "time"] * 3


def test_more_code_than_the_table_holds() -> None:
    assert runtime.ready()
    scope: dict[str, Any] = {}
    for k in range(3000):
        exec(f"def f{k}(): return {k}", scope)
    functions = [scope[f"f{k}"] for k in range(3000)]

    def run() -> None:
        for f in functions:
            f()

    names = [name for _, name in heard(run)]
    assert set(names) >= {f"f{k}" for k in range(3000)}


def test_an_error_of_the_listener_reaches_the_caller() -> None:
    assert runtime.ready()

    def seen(frame: Any, event: str, arg: Any) -> None:
        if arg is time.time:
            raise LookupError("not here")

    listen(seen)
    try:
        with pytest.raises(LookupError, match="not here"):
            second(1.0)
        assert math.sqrt(4.0) == 2.0
    finally:
        sys.setprofile(None)


def test_the_hook_is_put_back_by_name() -> None:
    assert runtime.ready()
    names: list[str] = []
    listen(lambda frame, event, arg: names.append(frame.f_code.co_name))
    table = sys.getprofile()
    sys.setprofile(None)
    first(1.0)
    restore(table)
    second(1.0)
    sys.setprofile(None)
    assert "second" in names and "first" not in names


def test_what_a_replay_would_leave_out_is_found() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        print("once more")
        return x + 1

    with pytest.warns(UserWarning, match=r"it calls print\(\) at"):
        torch.compile(f)(torch.ones(2))
