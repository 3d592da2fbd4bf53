"""What PyTorch says of its build: `torch.version`.

`torch_alias` puts PyTorch's number in the place of `__version__`; `own` stays this package's.
"""

from typing import Final

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "rocm", "xpu"]

own: Final = "0.1.0"
__version__: str = own
debug: Final = False
cuda: Final[str | None] = None
git_version: Final = "unknown"
hip: Final[str | None] = None
rocm: Final[str | None] = None
xpu: Final[str | None] = None
