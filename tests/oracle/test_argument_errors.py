"""Arguments that functions do not take: what PyTorch says of them, for every function of the table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from samples.library import xp

from cotangent.autograd.argument_parser import _table, refusal

Given = tuple[tuple[Any, ...], dict[str, Any]]


class Odd:
    """What no function takes."""


def given(t: Any) -> list[Given]:
    """Arguments behind the tensor that few functions take."""
    x, odd = t.ones(3, 3), Odd()
    return [
        ((odd,), {}),
        ((1, odd), {}),
        ((x, odd), {}),
        ((1, 1, odd), {}),
        ((x, x, odd), {}),
        (("a",), {}),
        ((0, "a"), {}),
        (([odd],), {}),
        ((x, 1, odd), {}),
        ((), {"unknown": 1}),
        ((1,), {"unknown": odd}),
        ((), {"dim": "a"}),
        ((), {"dim": odd, "keepdim": 1}),
        ((), {"other": odd}),
        ((x,), {"alpha": odd}),
    ]


# What these do with any arguments at all is no refusal, or ends the program.
LEFT_OUT = frozenset(
    (
        "apply_", "as_subclass", "cuda", "data_ptr", "fork", "map2_", "map_", "new", "record_stream",
        "resize_", "resize_as_", "set_", "to_dlpack", "wait", "is_pinned", "pin_memory", "numpy", "type",
        "to", "requires_grad_", "nonzero", "bartlett_window", "blackman_window", "hamming_window",
        "hann_window", "kaiser_window", "arange", "linspace", "logspace", "eye", "rand", "randn",
        "randint", "randperm", "normal", "item",
    )
)  # fmt: skip


def _method(name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(x, name)(*args, **kwargs)


def _calls() -> Iterator[tuple[str, bool, int, Any]]:
    for key in _table():
        method, name = key[0] == "m", key[2:]
        if name in LEFT_OUT:
            continue
        prefix, _, rest = name.partition("_")
        if method:
            function = partial(_method, name)
        elif prefix in ("special", "linalg", "fft"):
            function = getattr(getattr(torch, prefix), rest, None) or getattr(getattr(torch, prefix), name)
        else:
            function = getattr(torch, name)
        for number in range(len(given(torch))):
            yield name, method, number, function


def test_refusals_are_those_of_pytorch() -> None:
    x, mine = torch.ones(3, 3), xp.ones(3, 3)
    args, own_args = given(torch), given(xp)
    wrong = []
    told = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, method, number, function in _calls():
            (by_place, by_name), (own, own_named) = args[number], own_args[number]
            text = refusal(name, method, own if method else (mine, *own), own_named)
            if text is None:
                continue
            told += 1
            try:
                function(x.clone(), *by_place, **by_name)
            except TypeError as error:
                if str(error) != text:
                    wrong.append((name, number, str(error), text))
            except Exception as error:
                wrong.append((name, number, repr(error), text))
            else:
                wrong.append((name, number, "accepted", text))
    assert told > 10_000
    assert not wrong, f"{len(wrong)} of {told}: {wrong[:20]}"


CALLS = """
x.relu(1)
x.exp_(1)
t.relu(x, 1)
x.atan2(x, 1)
t.arctan2(x, x, 1)
x.lt(x, 1)
x.lt("a")
t.greater(x, odd)
x.add_(odd)
x.relu(*[1])
x.mul(odd)
t.mul(x)
x.lerp_(x, odd)
t.clip(x, odd)
x.clamp_(1, "a")
t.sum(x, "a")
x.sum(odd)
x.sum(dim="a")
x.sum(unknown=1)
x.mean(odd)
t.max(x, "a")
x.max((0, 1))
x.any("a")
x.std(odd)
x.index_select(0, 1)
x.index_add("a", x, x)
x.index_fill_(odd, x, 1)
x.gather("a", x)
t.addcdiv(x, 1)
x.addmm(x)
x.addmv(odd)
x.unsqueeze(odd)
x.squeeze([odd])
x.transpose(0, "a")
x.permute(odd)
x.permute(1, odd)
x.flip(1.5)
x.view([odd])
x.reshape("a")
t.cat([x, odd])
t.stack(x)
x.masked_fill_(odd, 1)
x.bitwise_left_shift_(x, x, x)
x.heaviside_(x, 1)
x.heaviside_(1.0)
x.atan2_(2)
x.logical_and_(1)
x.le_(odd)
x.ne_(None)
x.add_(None)
x.gcd_(1)
x.floor_divide_("a")
x.bitwise_and_([1])
x.addcmul_(1, x)
x.addcdiv_(x, 1)
x.cumsum("a")
x.cumsum_(odd)
t.special.zeta(x, odd)
t.special.entr(x, 1)
t.linalg.inv(odd)
t.Tensor.add(x, odd)
t.Tensor.relu(x, odd)
"""


@pytest.mark.parametrize("call", CALLS.split("\n")[1:-1])
def test_calls_are_refused_as_in_pytorch(call: str) -> None:
    outcomes = []
    for library in (xp, torch):
        x = library.ones(3, 3)
        with pytest.raises(TypeError) as caught:
            exec(call, {"t": library, "x": x, "odd": Odd()})
        outcomes.append(str(caught.value))
    assert outcomes[0] == outcomes[1]
