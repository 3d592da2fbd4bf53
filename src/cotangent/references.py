"""What CPython counts as references to an object, apart from those that outlast a call.

An array that nobody else refers to may be added to in place, or become a gradient as it is. Whether that is
so `sys.getrefcount` tells, but it counts some of the references that the question itself makes, and which
depends on the interpreter: up to Python 3.13 an argument is a reference of its own, since 3.14 the variable
it comes from lends its own. So that is measured. Where 3.14 does not lend (behind a `try`, say) there is one
more than expected, and an array is taken for shared, which costs a copy.
"""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["ARGUMENT", "PARAMETER"]


def _as_argument() -> int:
    thing = object()
    return sys.getrefcount(thing) - 1


def _as_parameter(thing: object) -> int:
    return sys.getrefcount(thing)


def _handed_on() -> int:
    thing = object()
    return _as_parameter(thing) - 1


ARGUMENT: Final = _as_argument()  # what getrefcount's own argument counts, where that is a variable
PARAMETER: Final = _handed_on() - ARGUMENT  # what a parameter counts that is a variable of the caller
