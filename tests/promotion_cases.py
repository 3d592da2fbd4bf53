"""The table of type promotion: every pair of dtypes, by rank of the operands and by kind of operation."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "bfloat16",
    "float32", "float64", "complex64", "complex128",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (True, 2, 0.5, 1j)


def table(torch: ModuleType) -> dict[str, str]:
    """What `torch` answers: the name of the result's dtype, or the error.

    Args:
        torch: PyTorch or cotangent.

    Returns:
        Answers by the text of the question.
    """
    answers: dict[str, str] = {}

    def ask(question: str, compute: Callable[[], Any]) -> None:
        try:
            answers[question] = str(compute())
        except (RuntimeError, TypeError) as error:
            answers[question] = f"{type(error).__name__}: {error}"

    def made(name: str, dims: int) -> Any:
        return torch.ones((2,) * dims, dtype=getattr(torch, name))

    for a in DTYPES:
        for b in DTYPES:
            for ranks in ((1, 1), (1, 0), (0, 1), (0, 0)):
                x, y = made(a, ranks[0]), made(b, ranks[1])
                ask(f"{a} {b} {ranks} result_type", lambda x=x, y=y: torch.result_type(x, y))
                ask(f"{a} {b} {ranks} +", lambda x=x, y=y: (x + y).dtype)
            x, y = made(a, 1), made(b, 1)
            ask(f"{a} {b} promote_types", lambda x=x, y=y: torch.promote_types(x.dtype, y.dtype))
            ask(f"{a} {b} can_cast", lambda x=x, y=y: torch.can_cast(x.dtype, y.dtype))
            ask(f"{a} {b} /", lambda x=x, y=y: (x / y).dtype)
            ask(f"{a} {b} <", lambda x=x, y=y: (x < y).dtype)
            ask(f"{a} {b} *=", lambda x=x, y=y: x.mul_(y).dtype)
            ask(f"{a} {b} where", lambda x=x, y=y: torch.where(torch.tensor([True, False]), x, y).dtype)
            ask(f"{a} {b} cat", lambda x=x, y=y: torch.cat([x, y]).dtype)
        for number in NUMBERS:
            for dims in (0, 1):
                x = made(a, dims)
                ask(f"{a} {dims} * {number!r}", lambda x=x, n=number: (x * n).dtype)
                ask(f"{a} {dims} *= {number!r}", lambda x=x, n=number: x.mul_(n).dtype)
        x = made(a, 1)
        ask(f"{a} sum", lambda x=x: x.sum().dtype)
        ask(f"{a} cumsum", lambda x=x: x.cumsum(0).dtype)
        ask(f"{a} sin", lambda x=x: torch.sin(x).dtype)
        ask(f"{a} mean", lambda x=x: x.mean().dtype)
    return answers
