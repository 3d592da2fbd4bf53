"""`torch._check` and its kin: conditions that a program states, with an exception if they do not hold."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

__all__ = [
    "_assert", "_check", "_check_index", "_check_is_size", "_check_not_implemented", "_check_tensor_all",
    "_check_type", "_check_value", "_check_with",
]  # fmt: skip

_UNTOLD = (
    "Expected cond to be True, but got False. (Could this error message be improved? If so, please report an "
    "enhancement request to PyTorch.)"
)


def _check_with(error: type[Exception], cond: Any, message: Callable[[], Any] | None) -> None:
    """Raise `error` with what `message` returns, unless `cond` holds."""
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is not None and not callable(message):
        raise TypeError("message must be a callable")
    raise error(_UNTOLD if message is None else str(message()))


def _assert(condition: Any, message: Any) -> None:
    """Raise an AssertionError with `message` unless `condition`, a tensor or anything else, is true."""
    if not condition:
        raise AssertionError(message)


def _check(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise a RuntimeError unless `cond` holds."""
    _check_with(RuntimeError, cond, message)


def _check_is_size(i: Any, message: Callable[[], Any] | None = None, *, max: Any = None) -> None:
    """Raise a RuntimeError unless `i` is a size: not negative, and at most `max`."""
    warnings.warn(
        "_check_is_size will be removed in a future PyTorch release along with guard_size_oblivious.     "
        "Use _check(i >= 0) instead.",
        FutureWarning,
        stacklevel=2,
    )
    _check(i >= 0, message)
    if max is not None:
        _check(i <= max, message)


def _check_index(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise an IndexError unless `cond` holds."""
    _check_with(IndexError, cond, message)


def _check_value(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise a ValueError unless `cond` holds."""
    _check_with(ValueError, cond, message)


def _check_type(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise a TypeError unless `cond` holds."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise a NotImplementedError unless `cond` holds."""
    _check_with(NotImplementedError, cond, message)


def _check_tensor_all(cond: Any, message: Callable[[], Any] | None = None) -> None:
    """Raise a RuntimeError unless all elements of a tensor of bools are true."""
    if not hasattr(cond, "dtype") or not hasattr(cond, "all"):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if repr(cond.dtype) != "torch.bool":
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(RuntimeError, bool(cond.all()), message)
