"""The operations: every primitive declared once, composites written over them."""

from .. import lazy

# `torch.ops.aten` for programs; it stands on most of the other modules here and waits for its first use.
aten = lazy.module("cotangent.ops.aten")
