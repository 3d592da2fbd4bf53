"""Operators of the table: the file of each gives the same bits, or the operator is refused by name."""

from typing import Any

import pytest
from samples import TABLE
from samples.case import OpCase
from samples.worlds import Function, gradient_samples

import cotangent as torch
from cotangent.standalone.record import Unsupported

# Every seventh operator: all of them take two minutes. Which are refused changes with the kernels; few are.
CASES = [case for case in TABLE if "float32" in case.gradient_dtypes()][::7]
written: list[bool] = []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_operator_is_written_with_the_same_bits_or_refused(case: OpCase) -> None:
    for _, sample in gradient_samples(case, "float32", 1):
        function = Function(case, sample)
        if not function.kept:
            continue

        def loss(*arguments: Any, of: Function = function) -> Any:
            outputs = of(*arguments)
            return sum(o.sum() for o in (outputs if isinstance(outputs, tuple) else (outputs,)))

        tensors = function.tensors(grad=True)
        try:
            torch.source(loss, *tensors)  # compares the bits itself
        except Unsupported as error:
            assert ".py:" in str(error) or "elements that the function makes" in str(error)
            written.append(False)
        else:
            written.append(True)


def test_most_operators_are_written() -> None:
    assert sum(written) > 0.7 * len(written) > 30
