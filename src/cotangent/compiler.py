"""`torch.compiler`: what programs ask the compiler, and tell it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .autograd.modes import modes
from .compile import Compiled, compile, every, switched_off

__all__ = [
    "allow_in_graph", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "list_backends", "reset", "set_stance",
]  # fmt: skip


def is_compiling() -> bool:
    """Whether a compiled function is being traced.

    Example:
        >>> import cotangent as torch
        >>> torch.compiler.is_compiling()
        False
        >>> f = torch.compile(lambda x: x + 1 if torch.compiler.is_compiling() else x)
        >>> f(torch.zeros(1))
        tensor([1.])
    """
    return modes.tracer is not None


def is_dynamo_compiling() -> bool:
    """The same as `is_compiling`."""
    return is_compiling()


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Mark a function that is not to be compiled: compiled functions that call it run as they are.

    Args:
        fn: the function; left out for use as a decorator.
        recursive: accepted; what it calls is never compiled with it.
        reason: why, for the warning.

    Returns:
        The function, marked.

    Example:
        >>> import cotangent as torch
        >>> @torch.compiler.disable
        ... def f(x):
        ...     return x + 1
        >>> f(torch.zeros(1))
        tensor([1.])
    """
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)
    if isinstance(fn, Compiled):
        fn = fn.function

    @functools.wraps(fn)
    def plain(*args: Any, **kwargs: Any) -> Any:
        if modes.tracer is not None:
            what = f"it calls {getattr(fn, '__qualname__', fn)}, which torch.compiler.disable marks"
            modes.tracer.refuse(what if reason is None else f"{what} ({reason})")
        return fn(*args, **kwargs)

    return plain


def allow_in_graph(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Accepted: every function is traced through.

    Args:
        fn: a function.

    Returns:
        The function.
    """
    return fn


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """Names that `backend=` takes.

    Args:
        exclude_tags: accepted.

    Returns:
        The one compiler there is, by PyTorch's name for its own.

    Example:
        >>> import cotangent as torch
        >>> torch.compiler.list_backends()
        ['inductor']
    """
    return ["inductor"]


def reset() -> None:
    """Forget all programs; compiled functions are traced again when they are called next.

    Example:
        >>> import cotangent as torch
        >>> torch.compiler.reset()
    """
    for compiled in list(every):
        compiled.forget()


def cudagraph_mark_step_begin() -> None:
    """Accepted: there are no CUDA graphs here."""


class set_stance:
    """Whether compiled functions are compiled, from now on or in a `with` block.

    Args:
        stance: "default", or "force_eager" to run them as they are.

    Raises:
        RuntimeError: for another stance.

    Example:
        >>> import cotangent as torch
        >>> f = torch.compile(lambda x: torch.compiler.is_compiling())
        >>> with torch.compiler.set_stance("force_eager"):
        ...     f(torch.zeros(1))
        False
    """

    def __init__(self, stance: str = "default", **options: Any) -> None:
        if stance not in ("default", "force_eager", "eager_on_recompile", "fail_on_recompile"):
            raise RuntimeError(f"invalid torch.compile stance '{stance}'")
        self.before = switched_off[0]
        switched_off[0] = int(stance == "force_eager")

    def __enter__(self) -> set_stance:
        return self

    def __exit__(self, *error: object) -> None:
        switched_off[0] = self.before
