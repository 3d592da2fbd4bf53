"""What `torch.cuda` says where there is no CUDA."""

from __future__ import annotations

from typing import Any, Final, NoReturn

__all__ = ["NO_CUDA", "dummy"]

NO_CUDA: Final = "Torch not compiled with CUDA enabled"


def dummy(name: str) -> type:
    """A class that can be named, and that nobody can make an instance of.

    Args:
        name: its name.

    Example:
        >>> from cotangent.cuda.texts import dummy
        >>> dummy("CUDAGraph")()
        Traceback (most recent call last):
            ...
        RuntimeError: Tried to instantiate dummy base class CUDAGraph
    """

    def refuse(cls: type, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"Tried to instantiate dummy base class {name}")

    return type(name, (), {"__new__": refuse, "__module__": "torch.cuda", "__doc__": "Needs CUDA."})
