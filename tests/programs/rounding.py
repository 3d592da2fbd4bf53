"""Whether a difference in values is no more than what PyTorch itself loses by rounding.

PyTorch's products of float32 matrices add in an order of its vectors' own; where a sum cancels, all that is
left is rounding error, and a logarithm or a quotient of that may differ in every digit. The yardstick is
PyTorch in float64: a value may be so far from it as a small multiple of what PyTorch's float32 value is.
"""

from __future__ import annotations

import math
from typing import Any

from .compare import Difference
from .interpreter import run
from .program import Program, Step

MULTIPLE = 8.0


def within_rounding(program: Program, found: Difference, torch: Any) -> bool:
    """Whether PyTorch's own rounding explains the difference.

    Args:
        program: the program.
        found: where the two libraries part; `left` is what PyTorch saw.
        torch: PyTorch.

    Returns:
        True only for finite values that PyTorch in float64 shows to be inexact on both sides.
    """
    if found.what not in ("value", "grad.value"):
        return False
    steps = tuple(Step(_doubled(s.text), s.kind, s.family) for s in program.steps[: found.step + 1])
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        fields: Any = run(torch, Program(steps, program.watched))[-1].names.get(found.name, {})
    finally:
        torch.set_default_dtype(before)
    exact = fields.get("value") if found.what == "value" else (fields.get("grad") or {}).get("value")
    return _explained(found.left, found.right, exact)


def _doubled(text: str) -> str:
    return text.replace("torch.float32", "torch.float64").replace(".float()", ".double()")


def _explained(left: Any, right: Any, exact: Any) -> bool:
    if isinstance(left, list):
        same = isinstance(right, list) and isinstance(exact, list) and len(left) == len(right) == len(exact)
        return same and all(_explained(*three) for three in zip(left, right, exact, strict=True))
    if not all(isinstance(value, float) for value in (left, right, exact)):
        return bool(left == right)
    if left == right or (math.isnan(left) and math.isnan(right)):
        return True
    if not (math.isfinite(left) and math.isfinite(right)) or math.isnan(exact):
        return False
    error = abs(right - exact)
    return error <= MULTIPLE * abs(left - exact) or error < 1e-5 * max(1, abs(exact))
