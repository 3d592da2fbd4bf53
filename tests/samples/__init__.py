"""The table of sample inputs: one `OpCase` an operator, one file a family.

Every check of an operator reads this table: an operator is checked in full as soon as it has an entry here.
"""

from __future__ import annotations

from . import (
    activation,
    attention,
    bags,
    binary,
    conv,
    creation,
    decompositions,
    image,
    index,
    linalg,
    loss,
    recurrent,
    reduce,
    scan,
    sequence_loss,
    shape,
    special,
    statistics,
    ternary,
    unary,
    writing,
)
from .case import OpCase

FAMILIES = (
    unary, binary, ternary, reduce, scan, shape, index, linalg, activation, loss, creation, writing,
    recurrent, attention, bags, sequence_loss, conv, image, decompositions,
    special, statistics,
)  # fmt: skip

TABLE: tuple[OpCase, ...] = tuple(case for family in FAMILIES for case in family.CASES)

if len({case.name for case in TABLE}) != len(TABLE):
    raise ValueError("two operators of the table have one name")
