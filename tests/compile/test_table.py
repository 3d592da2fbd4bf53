"""Each operator of the table compiled, against itself as it is: results and gradients, twice."""

from __future__ import annotations

from typing import Any

import pytest
from samples import TABLE
from samples.case import OpCase, tensor
from samples.compare import GRADIENTS, as_array, assert_close, dtype_name
from samples.gradients import random_array
from samples.library import xp
from samples.worlds import Function, gradient_samples, rolled

pytestmark = [
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
    pytest.mark.filterwarnings("ignore:torch.compile.*cannot be compiled:UserWarning"),
]

# In 16 bits a small difference of larger numbers keeps their rounding.
LIMITS = {**GRADIENTS, "bfloat16": (3e-2, 1e-2), "float16": (4e-3, 2e-3)}


def cases() -> list[Any]:
    """All cases, in float32 if they have it, and in the 16-bit types they have."""
    return [
        pytest.param(case, dtype, id=f"{case.name}-{dtype}")
        for case in TABLE
        if case.trace
        for dtype in dict.fromkeys(
            ["float32" if "float32" in case.dtypes else case.dtypes[-1]]
            + [d for d in ("bfloat16", "float16") if d in case.dtypes]
        )
    ]


def pulled(function: Function, tensors: list[Any]) -> list[Any]:
    """Results and gradients of a weighted sum of them."""
    results = function(*tensors)
    total = 0.0
    for k, result in enumerate(results):
        if result.requires_grad:
            weight = tensor(xp, random_array(50 + k, tuple(result.shape), dtype_name(result)))
            total = total + (result * weight).sum()
    if not isinstance(total, float):
        (total.real if total.dtype.is_complex else total).backward()
    return [*[r.detach() for r in results], *[t.grad for t in tensors if t.grad is not None]]


@pytest.mark.parametrize(("case", "dtype"), cases())
def test_compiled_is_eager(case: OpCase, dtype: str) -> None:
    wide = "float32" if dtype in ("bfloat16", "float16") else dtype
    differentiable = wide in case.gradient_dtypes()
    for position, sample in gradient_samples(case, dtype, 1) if differentiable else []:
        function = Function(case, sample)
        if not function.kept:
            continue
        compiled = xp.compile(lambda tensors, function=function: pulled(function, tensors))
        for turn in range(2):
            arrays = [rolled(a, turn) for a in function.arrays]
            xp.manual_seed(turn)  # what draws numbers draws the same ones
            mine = compiled([tensor(xp, a, grad=True) for a in arrays])
            xp.manual_seed(turn)
            plain = pulled(function, [tensor(xp, a, grad=True) for a in arrays])
            for one, other in zip(mine, plain, strict=True):
                what = f"{case.name}[{position}] {dtype}, call {turn}"
                assert dtype_name(one) == dtype_name(other), what
                assert_close(as_array(xp, one), as_array(xp, other), dtype_name(other), what, LIMITS)
