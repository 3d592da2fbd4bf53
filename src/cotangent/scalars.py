"""torch.sym_float and its kin: arithmetic of Python numbers, which stand for sizes in traced programs
elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


class _Symbolic:
    """A number that is not known yet, in PyTorch's traces; sizes here are always numbers.

    Args:
        node: of a trace, of which there is none.

    Raises:
        TypeError: always.
    """

    def __init__(self, node: Any) -> None:
        raise TypeError(f"torch.{type(self).__name__}: sizes here are Python's numbers, nothing makes one")


class SymInt(_Symbolic):
    """A whole number that is not known yet; programs ask whether a size is one."""


class SymFloat(_Symbolic):
    """A real number that is not known yet; programs ask whether a number is one."""


class SymBool(_Symbolic):
    """A truth value that is not known yet; programs ask whether a value is one."""


def sym_float(a: Any) -> float:
    """The number as a float.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_float(2)
        2.0
    """
    return float(a)


def sym_int(a: Any) -> int:
    """The number cut off towards zero.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_int(-2.7)
        -2
    """
    found: int = math.trunc(a)
    return found


def sym_max(a: Any, b: Any) -> Any:
    """The larger number; a float if either is one.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_max(3, 2.0)
        3.0
    """
    found = max(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_min(a: Any, b: Any) -> Any:
    """The smaller number; a float if either is one.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_min(1, 2.0)
        1.0
    """
    found = min(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_not(a: Any) -> bool:
    """Whether the condition does not hold.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_not(True)
        False
    """
    return not a


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """`t` if the condition holds, else `f`.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_ite(True, 1, 2)
        1
    """
    return t if b else f


def sym_sum(args: Sequence[Any]) -> Any:
    """The sum of numbers.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_sum([1, 2])
        3
    """
    return sum(args)


def sym_sqrt(a: Any) -> float:
    """The square root of a number.

    Example:
        >>> import cotangent as torch
        >>> torch.sym_sqrt(4)
        2.0
    """
    return math.sqrt(a)
