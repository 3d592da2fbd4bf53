"""What is left of `Variable`: a way to call the Tensor constructor, and a class every tensor is one of."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Final

from .base import TensorBase, new, world
from .running import ExecutionEngine

_VOLATILE: Final = "volatile was removed and now has no effect. Use `with torch.no_grad():` instead."


class _VariableMeta(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, TensorBase)


class Variable(metaclass=_VariableMeta):
    """Deprecated by PyTorch in favour of Tensor: `Variable(x)` is a tensor on the memory of `x`.

    Args:
        data: a tensor.
        requires_grad: whether gradients flow to the new one.

    Returns:
        a leaf Tensor.

    Raises:
        TypeError: if `data` is no tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.Variable(torch.ones(1), requires_grad=True)
        tensor([1.], requires_grad=True)
    """

    _execution_engine: ClassVar[ExecutionEngine] = ExecutionEngine()

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if data is None:
            return world.Tensor()
        if volatile:
            warnings.warn(_VOLATILE, UserWarning, stacklevel=2)
            if requires_grad:
                raise ValueError("Variable can't be volatile and require_grad at the same time!")
        if not isinstance(data, TensorBase):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        t: Any = new(world.Tensor)
        t._data = data._data
        t._req = False
        t._node = t._view = t._cut = None
        t._vc = None
        if requires_grad:
            t.requires_grad = True
        return t
