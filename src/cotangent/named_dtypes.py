"""Dtypes that programs name though NumPy has no such numbers: quantised ones, raw bits, integers of few bits.

`torch.NAME` finds them, they can be compared, printed and pickled, and promotion says what PyTorch says of
them. A plain tensor of one raises; the quantised ones are held by tensors of `quantized.py`.
"""

from __future__ import annotations

import copyreg
from typing import Any, Final

from .dtypes import COMPLEX, FLOATING, OPAQUE, SCALAR_NAME, dtype

__all__ = ["NAMED", "complex32", "qint8", "qint32", "quint8"]


def _named(name: str, itemsize: int, category: int, scalar: str, signed: bool | None) -> dtype:
    made = dtype.__new__(dtype)
    made.name, made.itemsize, made.category = name, itemsize, category
    made.type_name, made.alias = f"{scalar}Tensor", None
    if signed is not None:
        made.is_signed = signed
    SCALAR_NAME[made] = scalar
    return made


qint8: Final = _named("qint8", 1, OPAQUE, "QInt8", None)
quint8: Final = _named("quint8", 1, OPAQUE, "QUInt8", None)
qint32: Final = _named("qint32", 4, OPAQUE, "QInt32", None)
complex32: Final = _named("complex32", 4, COMPLEX, "ComplexHalf", True)
_ALL: Final = (
    qint8, quint8, qint32, complex32,
    _named("quint4x2", 1, OPAQUE, "QUInt4x2", None),
    _named("quint2x4", 1, OPAQUE, "QUInt2x4", None),
    _named("bits8", 1, OPAQUE, "Bits8", False),
    _named("bits16", 2, OPAQUE, "Bits16", False),
    _named("bits1x8", 1, OPAQUE, "Bits1x8", False),
    _named("bits2x4", 1, OPAQUE, "Bits2x4", False),
    _named("bits4x2", 1, OPAQUE, "Bits4x2", False),
    _named("float4_e2m1fn_x2", 1, FLOATING, "Float4_e2m1fn_x2", True),
    *(_named(f"int{n}", 1, OPAQUE, f"Int{n}", True) for n in range(1, 8)),
    *(_named(f"uint{n}", 1, OPAQUE, f"UInt{n}", False) for n in range(1, 8)),
)  # fmt: skip
_BY_NAME: Final[dict[str, dtype]] = {d.name: d for d in _ALL}
NAMED: Final = _BY_NAME | {"chalf": complex32, "bit": _BY_NAME["uint1"]}


def _of_name(name: str) -> dtype:
    """What a pickled dtype is again."""
    return NAMED[name]


def _reduced(d: dtype) -> Any:
    return (_of_name, (d.name,)) if d.name in _BY_NAME else d.name


copyreg.pickle(dtype, _reduced)
