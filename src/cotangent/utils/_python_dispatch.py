"""`torch.utils._python_dispatch`: modes that see every operation below autograd.

Inside a `TorchDispatchMode` each operation is shown as one of ATen's, `torch.ops.aten.NAME.OVERLOAD`, after
autograd has done its part, on the way forward and in backward, and what the mode returns is its result. A
handler calls `func(*args, **kwargs)` to have it computed, by the next mode out or for good.

Names, overloads and the order of calls are PyTorch's for the common layers, losses, elementwise
operations, reductions, shapes, indexing, in-place writes and factories. cotangent's operations are its own,
and where they differ the mode sees what is done here:

- batch and group norms, recurrent layers and attention are one operation each, under their public names, and
  running statistics are separate writes;
- backward shows the arithmetic of cotangent's rules where PyTorch has no operator of its own for a pullback,
  or has one that is not written here;
- classes with `__torch_dispatch__` (`torch.Tensor._make_subclass`, `_make_wrapper_subclass`) are asked like
  modes; from the first one on, operations stay slower in the whole program, and gradients do not pass
  through writes to views of such tensors;
- views in place (`t_()`), `out=`, foreach functions and sparse tensors are not shown as such: with `out=` the
  operation is seen and the copy is not; `torch.optim` shows its arithmetic and a copy;
- a mask used as an index is shown as the positions that it selects;
- operations without a counterpart come as `aten.PUBLIC_NAME.default` with the arguments they have here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from ..autograd.base import TensorBase
from ..autograd.modes import modes
from ..dispatched.exchange import enter, leave

__all__ = ["TorchDispatchMode"]


def _stack() -> list[Any]:
    """The modes of this thread, innermost last."""
    if modes.dispatch is None:
        modes.dispatch = []
    stack: list[Any] = modes.dispatch
    return stack


class TorchDispatchMode:
    """While it is entered, its `__torch_dispatch__` decides what operations of this thread give.

    Define `__torch_dispatch__(self, func, types, args=(), kwargs=None)` in a subclass. In there the mode is
    off, and autograd records nothing; `func(*args, **kwargs)` computes.

    Raises:
        NotImplementedError: at the first operation, if the class defines no `__torch_dispatch__`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils._python_dispatch import TorchDispatchMode
        >>> class Names(TorchDispatchMode):
        ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        ...         print(func)
        ...         return func(*args, **(kwargs or {}))
        >>> x = torch.ones(2, 2, requires_grad=True)
        >>> with Names():
        ...     (x @ x).sum().backward(inputs=[x])
        aten.mm.default
        aten.sum.default
        aten.ones_like.default
        aten.expand.default
        aten.t.default
        aten.mm.default
        aten.t.default
        aten.mm.default
        aten.add.Tensor
        aten.detach.default
    """

    def __init__(self, _dispatch_key: Any = None) -> None:
        if _dispatch_key is not None:
            raise NotImplementedError("modes for other dispatch keys than Python's are not there")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Decide what a call of `func` gives."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        _stack()
        enter()
        modes.dispatch.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.dispatch.pop()
        leave()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """A new mode; kept for old programs."""
        return cls(*args, **kwargs)

    @classmethod
    def is_infra_mode(cls) -> bool:
        """Whether it belongs to PyTorch's own machinery."""
        return False


class BaseTorchDispatchMode(TorchDispatchMode):
    """A mode that lets everything be computed as it is."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_dispatch_mode() -> Any:
    """The innermost mode of this thread, or None."""
    stack = _stack()
    return stack[-1] if stack else None


def _get_current_dispatch_mode_stack() -> list[Any]:
    return list(_stack())


def is_in_torch_dispatch_mode(include_infra_modes: bool = True) -> bool:
    """Whether a mode is on in this thread."""
    return bool(_stack())


@contextmanager
def _disable_current_modes() -> Iterator[list[Any]]:
    """For a block: as if no mode were on."""
    before, modes.dispatch = _stack(), []
    try:
        yield list(before)
    finally:
        modes.dispatch = before


@contextmanager
def _pop_mode_temporarily(k: Any = None) -> Iterator[Any]:
    """For a block: without the innermost mode, which is given."""
    mode = _stack().pop()
    try:
        yield mode
    finally:
        _stack().append(mode)


def return_and_correct_aliasing(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """What a `__torch_dispatch__` of a subclass returns: for an operation in place the tensor that it wrote.

    Args:
        func: the overload.
        args, kwargs: of the call.
        out: what the handler has made.
    """
    return args[0] if func.overloadpacket.__name__.endswith("_") else out


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """Whether a tensor's class says which tensors it holds, and how it is made of such."""
    wraps = isinstance(t, TensorBase) and hasattr(type(t), "__torch_dispatch__")
    return wraps and hasattr(t, "__tensor_flatten__") and hasattr(t, "__tensor_unflatten__")
