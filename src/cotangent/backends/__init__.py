"""`torch.backends`: switches of PyTorch's backends, as a machine without accelerators has them.

What is set is kept, so that programs may set and read it; the kernels here have no such variants.
"""

from __future__ import annotations

import enum
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from .. import lazy
from ..config import settings

__all__ = ["cpu", "cuda", "cudnn", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"]

_attention = lazy.module("cotangent.nn.attention")

class _Switches(ModuleType):
    """A backend: whether it is there, and its switches with their values.

    A module, so that `import torch.backends.cudnn as cudnn` finds it.

    Args:
        name: its name in `torch.backends`.
        available: whether it is there.
        values: the switches.
    """

    def __init__(self, name: str, available: bool, **values: Any) -> None:
        super().__init__(f"{__name__}.{name}", type(self).__doc__)
        self.__spec__ = ModuleSpec(self.__name__, None)
        self.__dict__.update(values)
        self._switches = tuple(values)
        self._available = available
        sys.modules[self.__name__] = self

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
        strange = [name for name in values if name not in self._switches]
        if strange:
            raise AttributeError(
                f"no such switch: {', '.join(strange)}; there are {', '.join(self._switches)}"
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


class _Mha(_Switches):
    """`torch.backends.mha`: whether attention in evaluation does as PyTorch's fast path does."""

    def get_fastpath_enabled(self) -> bool:
        """Whether attention may take the fast path, which gives NaN to queries without keys."""
        return settings.attention_fast_path

    def set_fastpath_enabled(self, value: bool) -> None:
        """Let attention take the fast path, or do not.

        Args:
            value: whether it may.
        """
        settings.attention_fast_path = bool(value)


class _LinalgBackend(enum.Enum):
    """Libraries of linear algebra on a GPU."""

    Default = 0
    Cusolver = 1
    Magma = 2


class _BlasBackend(enum.Enum):
    """Libraries of matrix products on a GPU."""

    Default = 0
    Cublas = 1
    Cublaslt = 2
    Ck = 3


def _preferred(kind: Any, names: dict[str, str], default: str, wanted: Any) -> Any:
    """The preferred one of some libraries, `wanted` if it is there.

    Args:
        kind: class of the libraries.
        names: those that are not there, and what messages call them.
        default: which one is there.
        wanted: a name, a member of `kind`, or None to ask.

    Raises:
        RuntimeError: for one that there is not.
    """
    if wanted is None:
        return kind[default]
    if isinstance(wanted, kind):
        wanted = wanted.name.lower()
    if not isinstance(wanted, str):
        raise RuntimeError("Unknown input value type.")
    if wanted in names:
        raise RuntimeError(
            f"Cannot set preferred backend to {names[wanted]} if PyTorch has not been compiled with "
            f"{names[wanted]}."
        )
    if wanted.title() not in kind.__members__:
        raise RuntimeError(f"Unknown input value. Choose from: {_CHOICES[kind]}.")
    return kind[default]


_CHOICES: Final[dict[Any, str]] = {
    _LinalgBackend: "default, cusolver, magma",
    _BlasBackend: "default, cublas, hipblas, cublaslt, hipblaslt, ck",
}


class _Cuda(_Switches):
    """`torch.backends.cuda`: which kernels attention may use there is kept, as nothing here runs there."""

    def __init__(self, name: str, available: bool, **values: Any) -> None:
        super().__init__(name, available, **values)
        self._allowed = dict.fromkeys(("flash", "mem_efficient", "math", "cudnn"), True)

    @property
    def SDPBackend(self) -> Any:
        """The kinds of attention, by the name that they had first."""
        return _attention.SDPBackend

    def preferred_linalg_library(self, backend: Any = None) -> Any:
        """Which library linear algebra on a GPU prefers: no other than the default is there."""
        return _preferred(_LinalgBackend, {"magma": "MAGMA", "cusolver": "cuSOLVER"}, "Default", backend)

    def preferred_blas_library(self, backend: Any = None) -> Any:
        """Which library products of matrices on a GPU prefer: no other than the default is there."""
        names = {"cublaslt": "cuBLASLt", "ck": "Ck"}
        return _preferred(_BlasBackend, names, "Cublas", backend)

    def flash_sdp_enabled(self) -> bool:
        """Whether flash attention is allowed."""
        return self._allowed["flash"]

    def mem_efficient_sdp_enabled(self) -> bool:
        """Whether memory-efficient attention is allowed."""
        return self._allowed["mem_efficient"]

    def math_sdp_enabled(self) -> bool:
        """Whether attention by single operations is allowed."""
        return self._allowed["math"]

    def cudnn_sdp_enabled(self) -> bool:
        """Whether cuDNN's attention is allowed."""
        return self._allowed["cudnn"]

    def enable_flash_sdp(self, enabled: bool) -> None:
        """Allow flash attention, or do not."""
        self._allowed["flash"] = bool(enabled)

    def enable_mem_efficient_sdp(self, enabled: bool) -> None:
        """Allow memory-efficient attention, or do not."""
        self._allowed["mem_efficient"] = bool(enabled)

    def enable_math_sdp(self, enabled: bool) -> None:
        """Allow attention by single operations, or do not."""
        self._allowed["math"] = bool(enabled)

    def enable_cudnn_sdp(self, enabled: bool) -> None:
        """Allow cuDNN's attention, or do not."""
        self._allowed["cudnn"] = bool(enabled)

    @contextmanager
    def sdp_kernel(
        self,
        enable_flash: bool = True,
        enable_math: bool = True,
        enable_mem_efficient: bool = True,
        enable_cudnn: bool = True,
    ) -> Iterator[None]:
        """Which kernels attention may use for a block; `torch.nn.attention.sdpa_kernel` replaced it."""
        warnings.warn(
            "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager will be "
            "removed. Please see `torch.nn.attention.sdpa_kernel()` for the new context manager, with "
            "updated signature.",
            FutureWarning,
            stacklevel=3,
        )
        before = dict(self._allowed)
        self._allowed.update(
            flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
        )
        try:
            yield
        finally:
            self._allowed.update(before)


cpu: Final = _Cpu("cpu", True)
cuda: Final = _Cuda(
    "cuda",
    False,
    matmul=_Switches(
        "cuda.matmul",
        False,
        allow_tf32=False,
        allow_fp16_reduced_precision_reduction=True,
        fp32_precision="none",
    ),
)
cudnn: Final = _Cudnn(
    "cudnn", False, enabled=True, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True
)
mha: Final = _Mha("mha", True)
mps: Final = _Switches("mps", False)
mkl: Final = _Switches("mkl", False)
mkldnn: Final = _Switches("mkldnn", False, enabled=True, deterministic=False, allow_tf32=True)
openmp: Final = _Switches("openmp", False)
opt_einsum: Final = _Switches("opt_einsum", False, enabled=False, strategy=None)
