"""`torch._ops`: the classes of operators below autograd, for `isinstance`."""

from __future__ import annotations

from .ops.overloads import OpOverload as OpOverload, OpOverloadPacket as OpOverloadPacket

__all__ = ["OpOverload", "OpOverloadPacket"]
