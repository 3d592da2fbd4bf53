"""What PyTorch says of its build: `torch.version`."""

from typing import Final

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "rocm", "xpu"]

__version__: Final = "0.1.0"
debug: Final = False
cuda: Final[str | None] = None
git_version: Final = "unknown"
hip: Final[str | None] = None
rocm: Final[str | None] = None
xpu: Final[str | None] = None
