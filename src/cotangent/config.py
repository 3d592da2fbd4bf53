"""Process-wide settings that a user may change: the default dtype, warnings mode, determinism, language."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Final

from .dtypes import FLOATING, dtype, float32


class Settings:
    """One mutable record; read as `settings.name` so that a change is seen at once everywhere."""

    __slots__ = (
        "default_dtype",
        "warn_always",
        "deterministic",
        "deterministic_warn_only",
        "fill_uninitialized",
        "overwrite_params",
        "swap_params",
        "attention_fast_path",
        "threads",
        "on_threads",
        "lang",
    )

    def __init__(self) -> None:
        self.default_dtype: dtype = float32
        self.warn_always = False
        self.deterministic = False
        self.deterministic_warn_only = False
        self.fill_uninitialized = True
        self.overwrite_params = False
        self.swap_params = False
        self.attention_fast_path = True
        self.threads: int | None = None
        # Told of a new number of threads, by whoever has started some.
        self.on_threads: Callable[[], None] | None = None
        self.lang: str | None = None

    def thread_count(self) -> int:
        """How many threads kernels use: as many as were asked for, or as there are cores for this process."""
        if self.threads is not None:
            return self.threads
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def languages(self) -> tuple[str, ...]:
        """Languages of explanatory notes, from COTANGENT_LANG (`en`, `zh` or `both`; English if unset)."""
        chosen = (self.lang or os.environ.get("COTANGENT_LANG") or "en").lower()
        return {"zh": ("zh",), "both": ("en", "zh")}.get(chosen, ("en",))


settings: Final = Settings()
_told: Final[set[str]] = set()


def warn_once(text: str, stacklevel: int = 2) -> None:
    """Warn as PyTorch's C++ does: once per process, unless `torch.set_warn_always(True)`.

    Args:
        text: the message.
        stacklevel: 2 names the caller of the function that calls this, and so on.
    """
    if settings.warn_always or text not in _told:
        _told.add(text)
        warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)


def warn_caller_once(text: str) -> None:
    """`warn_caller`, once per process unless `torch.set_warn_always(True)`.

    Args:
        text: the message.
    """
    if settings.warn_always or text not in _told:
        _told.add(text)
        warn_caller(text)


def warn_caller(text: str) -> None:
    """Warn in the name of the first frame outside this package, however many are generated in between.

    Args:
        text: the message.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(("None", "cotangent")):
        frame = frame.f_back
    scope = frame.f_globals
    registry = scope.setdefault("__warningregistry__", {})
    module = scope.get("__name__") or "<unknown>"
    warnings.warn_explicit(text, UserWarning, frame.f_code.co_filename, frame.f_lineno, module, registry)


def not_deterministic(operation: str) -> None:
    """Object to an operation whose result may depend on the order of its writes, where only others may run.

    Args:
        operation: its name in PyTorch's messages.

    Raises:
        RuntimeError: under `use_deterministic_algorithms(True)`; a warning with `warn_only`.
    """
    if not settings.deterministic:
        return
    warn_only = settings.deterministic_warn_only
    text = (
        f"{operation} does not have a deterministic implementation, but you set "
        f"'torch.use_deterministic_algorithms(True{', warn_only=True' if warn_only else ''})'. You can "
    )
    end = (
        "file an issue at https://github.com/pytorch/pytorch/issues to help us prioritize adding "
        "deterministic support for this operation."
    )
    if warn_only:
        warn_caller(text + end)
    else:
        raise RuntimeError(
            f"{text}turn off determinism just for this operation, or you can use the 'warn_only=True' "
            f"option, if that's acceptable for your application. You can also {end}"
        )


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of new float tensors.

    Args:
        d: a floating-point dtype.

    Raises:
        TypeError: if `d` is not a floating-point dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.set_default_dtype(torch.float64)
        >>> torch.tensor([1.5]).dtype
        torch.float64
        >>> torch.set_default_dtype(torch.float32)
    """
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if d.category != FLOATING:
        raise TypeError("only floating-point types are supported as the default type")
    settings.default_dtype = d


def get_default_dtype() -> dtype:
    """The dtype of new float tensors.

    Example:
        >>> import cotangent as torch
        >>> torch.get_default_dtype()
        torch.float32
    """
    return settings.default_dtype
