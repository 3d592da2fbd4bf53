"""The operators of `op_db` that a CPU program without sparse or compiled parts calls."""

from __future__ import annotations

import os
from typing import Any, Final

from torch.testing._internal.common_methods_invocations import op_db

# `masked.` and `sparse.` are prototypes, `jiterator` compiles CUDA code, the rest are entries of the
# dispatcher.
_LEFT_OUT: Final = ("masked.", "sparse.", "jiterator", "torch.ops.", "_native_batch_norm_legit")


def label(op: Any) -> str:
    """`max:binary`: the operator's name and that of its variant."""
    return f"{op.name}:{op.variant_test_name}" if op.variant_test_name else str(op.name)


OPERATORS: Final[dict[str, Any]] = {label(op): op for op in op_db if not op.name.startswith(_LEFT_OUT)}

# How many samples an operator gets in each dtype; all of them with OPDB_SAMPLES=0.
SAMPLES: Final = int(os.environ.get("OPDB_SAMPLES", "4")) or 10**9
