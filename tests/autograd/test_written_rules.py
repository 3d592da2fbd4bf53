"""Rules written out in `step` compute what the rules of the table compute, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cotangent as torch
from cotangent.autograd.emit import emit, source
from cotangent.autograd.emit_rules import expression, stepwise
from cotangent.ops.table import TABLE

DTYPES = [np.float32, np.float64, np.float16, np.complex64]


def written() -> list[tuple[Any, str]]:
    found = []
    for op in TABLE.values():
        if op.kind != "elementwise" or not op.rules:
            continue
        emit(op)
        if "rule_" not in source(op.entry).split("def entry")[0]:
            found += [(op, parameter) for parameter in op.rules]
    return found


WRITTEN = written()


def test_which_rules_are_written_out() -> None:
    names = {op.name for op, _ in WRITTEN}
    assert {"mul", "div_true", "tanh", "sqrt", "rsqrt", "exp", "log", "log1p", "neg", "atan"} <= names
    assert "g if v_alpha is default_alpha else rule_other" in source(torch.add)
    assert "subtract(c0, x0, x0)" in source(torch.tanh)
    assert "sin" not in names  # calls a kernel


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize(("op", "parameter"), WRITTEN, ids=lambda part: getattr(part, "name", part))
def test_written_rules(op: Any, parameter: str, shape: tuple[int, ...], dtype: Any) -> None:
    if len(op.tensors) != 1 or op.statics:
        return steps_of_two(op, parameter, shape, dtype)
    rng = np.random.default_rng(0)
    given = [np.asarray(rng.uniform(0.1, 0.9, shape), dtype) for _ in range(2)]
    node = op.node_class.__new__(op.node_class)
    node.edges, node.fit = ("leaf",), None
    fields = op.rule_arguments(parameter)
    for field in fields:
        setattr(node, field, given[1] if field == "out" else torch.from_numpy(given[1]))
        setattr(node, f"{field}_v", 0)
        if field == "out":
            node.out_vc = [0]
    grads: dict[str, Any] = {}
    before = [each.copy() for each in given]
    node.step(given[0], grads, True)
    assert np.array_equal(given, before)  # only intermediate results are overwritten
    wanted = op.raw_rules[parameter](given[0], *(given[1] for _ in fields))
    assert grads["leaf"].dtype == wanted.dtype and np.array_equal(grads["leaf"], wanted)


def steps_of_two(op: Any, parameter: str, shape: tuple[int, ...], dtype: Any) -> None:
    """The expression by itself: operands of several shapes are left to the operators."""
    fields = op.rule_arguments(parameter)
    names = ["g", *(f"v_{field}" for field in fields)]
    found = expression(op.raw_rules[parameter], names)
    assert found is not None
    rng = np.random.default_rng(1)
    given = [np.asarray(rng.uniform(0.1, 0.9, shape), dtype) for _ in names]
    wanted = op.raw_rules[parameter](*given)
    assert np.array_equal(eval(found.text(), dict(zip(names, given, strict=True))), wanted)


def test_what_has_no_expression() -> None:
    assert expression(lambda g, a: g if a > 0 else -g, ["g", "a"]) is None
    assert expression(lambda g, a: np.exp(g) * a, ["g", "a"]) is None
    assert expression(lambda g: g**2, ["g"]) is None
    assert expression(lambda g: 3.0, ["g"]) is None
    assert expression(lambda g: g * 2, ["g"]) is None  # an integer may not be rounded to a float


def test_steps_keep_what_is_used_twice() -> None:
    def twice(g: Any, a: Any) -> Any:
        square = a * a
        return g * (square - 1.0 / square)

    found = expression(twice, ["g", "a"])
    assert found is not None and not stepwise(found)
    assert found.text() == "g * ((a * a) - (1.0 / (a * a)))"


def test_a_product_of_two_intermediate_results() -> None:
    found = expression(lambda g, a: g / ((a + 1.0) * (g - 2.0)), ["g", "a"])
    assert found is not None and stepwise(found)
    lines, last = found.steps("c")
    assert lines == ["x0 = a + c0", "x1 = g - c1", "multiply(x0, x1, x0)"] and last == "g / x0"
