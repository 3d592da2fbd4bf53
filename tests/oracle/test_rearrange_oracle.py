"""`torch.func.rearrange`: shapes, values and refusals are PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.func import rearrange as theirs

import cotangent
from cotangent.func import rearrange as ours

PATTERNS: list[tuple[str, dict[str, Any]]] = [
    ("a b c -> c b a", {}),
    ("a b c -> (a b) c", {}),
    ("a b c -> (b a c)", {}),
    ("a (b1 b2) c -> a b1 b2 c", {"b1": 3}),
    ("a b (c1 c2) -> c2 a b c1", {"c1": 2}),
    ("... c -> c ...", {}),
    ("a ... -> ... a", {}),
    ("... -> (...)", {}),
    ("a ... c -> (a c) ...", {}),
    ("a b c -> a 1 b c", {}),
    ("a b c -> a () b c", {}),
    ("(a b) ... -> b a ...", {"a": 1}),
    ("a b c -> b a c", {"a": 2}),
    ("a b -> b a", {}),
    ("a b c -> a b", {}),
    ("a b c -> a b c d", {}),
    ("a b c", {}),
    ("a (b1 b2) c -> a b1 b2 c", {"b1": 2}),
    ("a a c -> a c", {}),
    ("a b c -> a b (c", {}),
    ("a b c -> a ((b) c)", {}),
    ("a 2 c -> a c", {}),
    ("a b c -> a b c", {"d": 3}),
    ("a b c -> ... a b c", {}),
    ("... ... a -> a ...", {}),
    ("a b_ c -> c b_ a", {}),
    ("a b c -> c b a", {"a": "x"}),
    ("a-b c -> c", {}),
    (" -> ", {}),
    ("(...) -> ...", {}),
    ("a.b c -> c", {}),
]


@pytest.mark.parametrize(("pattern", "sizes"), PATTERNS)
def test_patterns(pattern: str, sizes: dict[str, Any]) -> None:
    def outcome(xp: Any, function: Any) -> list[Any]:
        x = xp.arange(24.0).reshape(2, 3, 4)
        try:
            found = function(x, pattern, **sizes)
        except Exception as error:
            return [type(error).__name__, str(error).replace("'d1'", "'b1'").split("(2, ")[0]]
        return [list(found.shape), found.flatten().tolist()]

    assert outcome(cotangent, ours) == outcome(torch, theirs)


def test_lists_and_gradients() -> None:
    x = cotangent.arange(6.0).reshape(2, 3).requires_grad_()
    out = ours([x, x * 2], "n a b -> (b n) a")
    assert (
        out.tolist()
        == theirs([torch.arange(6.0).reshape(2, 3) * k for k in (1, 2)], "n a b -> (b n) a").tolist()
    )
    out.sum().backward()
    assert x.grad.tolist() == [[3.0] * 3] * 2
    with pytest.raises(Exception, match="cannot infer the sizes of two dimensions at once"):
        ours(x, "(a b) c -> a b c")
