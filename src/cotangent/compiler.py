"""`torch.compiler`: what programs ask the compiler, and tell it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .autograd.modes import modes
from .compile import Compiled, compile, every, switched_off
from .exchange import asarray
from .tensor import Tensor
from .utils._pytree import tree_map_only

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable",
    "get_default_backend", "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends",
    "load_cache_artifacts", "nested_compile_region", "reset", "save_cache_artifacts",
    "set_enable_guard_collectives", "set_stance", "wrap_numpy",
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


def assume_constant_result(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Accepted: what a function returns that computes with numbers of Python alone is a constant of a trace.

    Args:
        fn: a function.

    Returns:
        The function.
    """
    return fn


def is_exporting() -> bool:
    """Whether a function is being traced by `torch.export`, which there is none of here.

    Example:
        >>> import cotangent as torch
        >>> torch.compiler.is_exporting()
        False
    """
    return False


def get_default_backend() -> str:
    """The name of the compiler that is used where none is given.

    Example:
        >>> import cotangent as torch
        >>> torch.compiler.get_default_backend()
        'inductor'
    """
    return "inductor"


def nested_compile_region(fn: Any = None, *, options: Any = None, **others: Any) -> Any:
    """Accepted: a kernel is compiled once, however often one of its structure is needed.

    Args:
        fn: the function; left out for use as a decorator.
        options, **others: accepted.

    Returns:
        The function.

    Example:
        >>> import cotangent as torch
        >>> torch.compiler.nested_compile_region(lambda x: x + 1)(torch.zeros(1))
        tensor([1.])
    """
    return (lambda function: function) if fn is None else fn


def save_cache_artifacts() -> None:
    """What was compiled, to be taken elsewhere: None, as machine code stays in its folder on disk."""


def load_cache_artifacts(serialized_artifacts: bytes) -> None:
    """Take over what was compiled elsewhere: nothing is, and None says so.

    Args:
        serialized_artifacts: as `save_cache_artifacts` of PyTorch returns them.
    """


_collective_guards = [False]


def set_enable_guard_collectives(enabled: bool) -> bool:
    """Whether ranks ask each other before they trace anew: accepted, each traces by itself.

    Args:
        enabled: whether.

    Returns:
        What was set before.

    Example:
        >>> import cotangent as torch
        >>> torch.compiler.set_enable_guard_collectives(False)
        False
    """
    before, _collective_guards[0] = _collective_guards[0], enabled
    return before


def wrap_numpy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy arrays as one of tensors.

    Args:
        fn: the function.

    Returns:
        The function that takes and returns tensors.

    Example:
        >>> import numpy as np
        >>> import cotangent as torch
        >>> torch.compiler.wrap_numpy(lambda x: np.square(x))(torch.tensor([3.0]))
        tensor([9.])
    """

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree_map_only(Tensor, lambda t: t.numpy(), (args, kwargs))
        return tree_map_only(np.ndarray, asarray, fn(*args, **kwargs))

    return call
