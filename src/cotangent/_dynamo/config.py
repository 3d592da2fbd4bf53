"""Settings of PyTorch's compiler: kept for programs that set them; `torch.compile` does not ask.

It does what the default says: an error while compiling is raised.
"""

from __future__ import annotations

suppress_errors: bool = False
