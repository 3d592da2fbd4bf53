"""`torch._dynamo`, as programs use it: the same controls as `torch.compiler`, by their former names."""

from typing import Any

from ..compile import compile
from ..compiler import allow_in_graph, disable, is_compiling, list_backends, reset, set_stance
from ..nn.optimized import OptimizedModule
from . import config, eval_frame

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "eval_frame",
    "graph_break", "is_compiling", "list_backends", "mark_dynamic", "mark_static", "mark_static_address",
    "maybe_mark_dynamic", "optimize", "reset", "set_stance",
]  # fmt: skip


def assume_constant_result(fn: Any) -> Any:
    """Say that a function's result never changes, which a trace here finds out for itself.

    Args:
        fn: the function, which is returned.
    """
    return fn


def graph_break(msg: str = "") -> None:
    """End a piece of a trace in PyTorch; compiled functions here are traced whole, or run as they are.

    Args:
        msg: why.
    """


def mark_dynamic(t: Any, index: Any, **bounds: Any) -> None:
    """Say that a size will change; compiled functions here are made for each shape they meet.

    Args:
        t: the tensor.
        index: its dimensions.
        bounds: of the size.
    """


maybe_mark_dynamic = mark_static = mark_dynamic


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Say that a tensor keeps its memory, which makes no difference here.

    Args:
        t: the tensor.
        guard: whether to check it.
    """


def optimize(*args: Any, **options: Any) -> Any:
    """The former name of `torch.compile`, as a decorator.

    Args:
        args: the backend.
        options: those of `torch.compile`.

    Example:
        >>> import cotangent as torch
        >>> torch._dynamo.optimize()(lambda x: x + 1)(torch.zeros(1))
        tensor([1.])
    """
    return lambda model: compile(model, **options)
