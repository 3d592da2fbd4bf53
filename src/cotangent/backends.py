"""`torch.backends`: switches of PyTorch's backends, as a machine without accelerators has them.

What is set is kept, so that programs may set and read it; the kernels here have no such variants.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"]


class _Switches:
    """A backend: whether it is there, and its switches with their values.

    Args:
        available: whether it is there.
        values: the switches.
    """

    def __init__(self, available: bool, **values: Any) -> None:
        self.__dict__.update(values)
        self._available = available

    def is_available(self) -> bool:
        """Whether the backend is there."""
        return self._available

    def is_built(self) -> bool:
        """Whether the backend was built in."""
        return self._available

    @contextmanager
    def flags(self, **values: Any) -> Iterator[None]:
        """Switches for a block.

        Args:
            values: the switches and their values.

        Raises:
            AttributeError: for a switch that there is not.
        """
        strange = [name for name in values if name not in self.__dict__]
        if strange:
            raise AttributeError(
                f"no such switch: {', '.join(strange)}; there are {', '.join(self.__dict__)}"
            )
        before = {name: self.__dict__[name] for name in values}
        self.__dict__.update(values)
        try:
            yield
        finally:
            self.__dict__.update(before)


class _Cpu(_Switches):
    """`torch.backends.cpu`."""

    def get_cpu_capability(self) -> str:
        """The vector instructions in use: "DEFAULT", as the kernels choose them at run time."""
        return "DEFAULT"


class _Cudnn(_Switches):
    """`torch.backends.cudnn`."""

    def version(self) -> None:
        """The version: none is there."""


cpu: Final = _Cpu(True)
cuda: Final = _Switches(
    False,
    matmul=_Switches(
        False, allow_tf32=False, allow_fp16_reduced_precision_reduction=True, fp32_precision="none"
    ),
)
cudnn: Final = _Cudnn(
    False, enabled=True, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True
)
mps: Final = _Switches(False)
mkl: Final = _Switches(False)
mkldnn: Final = _Switches(False, enabled=True, deterministic=False, allow_tf32=True)
openmp: Final = _Switches(False)
opt_einsum: Final = _Switches(False, enabled=False, strategy=None)
