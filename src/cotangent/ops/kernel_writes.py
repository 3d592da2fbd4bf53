"""How often PyTorch's kernels write into their own results.

That shows in one place: outside inference mode, what is computed from nothing but tensors made inside it
comes out with these writes counted as its `_version`, because nothing there shields the counter. The numbers
are PyTorch 2.13's (CPU); operations that are not named here make their result in one go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Count = int | Callable[..., int]

# operation -> the number, or a function of the operation's arguments that gives it
KERNEL_WRITES: Final[dict[str, Count]] = {
    "flip_dims": 1,
}
