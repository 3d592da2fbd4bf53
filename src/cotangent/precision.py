"""Settings of the process that change how carefully PyTorch computes; here everything is computed
carefully."""

from __future__ import annotations

from typing import Any, Final

from .config import settings, warn_once
from .errors import narrow_int
from .toplevel import use_deterministic_algorithms

_LEVELS: Final = ("highest", "high", "medium")
_MODES: Final = ("default", "warn", "error")
_chosen: Final = {"matmul": "highest"}


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was last given.

    Example:
        >>> import cotangent as torch
        >>> torch.get_float32_matmul_precision()
        'highest'
    """
    return _chosen["matmul"]


def set_float32_matmul_precision(precision: str) -> None:
    """Allow less precise products of float32 matrices; kept in mind, as full precision costs nothing here.

    Args:
        precision: "highest", "high" or "medium"; anything else is warned of and changes nothing.
    """
    if precision in _LEVELS:
        _chosen["matmul"] = precision
        return
    warn_once(
        f"{precision} is not one of 'highest', 'high', or 'medium'; the current"
        "setFloat32MatmulPrecision call has no effect.",
        3,
    )


def get_deterministic_debug_mode() -> int:
    """0 if nobody asked for deterministic algorithms, 1 if lacking ones are warned of, 2 if they raise.

    Example:
        >>> import cotangent as torch
        >>> torch.get_deterministic_debug_mode()
        0
    """
    return 0 if not settings.deterministic else 1 if settings.deterministic_warn_only else 2


def set_deterministic_debug_mode(debug_mode: Any) -> None:
    """Ask for deterministic algorithms by a number or a word.

    Args:
        debug_mode: 0 or "default", 1 or "warn", 2 or "error".

    Raises:
        TypeError, RuntimeError: for anything else.
    """
    if not isinstance(debug_mode, int | str):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _MODES:
            raise RuntimeError(
                "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
                f"{debug_mode}"
            )
        debug_mode = _MODES.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def set_num_interop_threads(int: int, /) -> None:
    """Accepted for PyTorch's sake: operations run one after the other, in the calling thread.

    Raises:
        RuntimeError: unless the number is positive.
    """
    if narrow_int(int) <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


def init_num_threads() -> None:
    """Nothing: threads are started when they are needed."""


def is_distributed(input: Any) -> bool:
    """Whether the tensor is spread over several processes: never.

    Example:
        >>> import cotangent as torch
        >>> torch.is_distributed(torch.ones(1))
        False
    """
    return False
