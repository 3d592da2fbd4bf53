"""What is left of `Variable`: a way to call the Tensor constructor, and a class every tensor is one of."""

from __future__ import annotations

from typing import Any

from .base import TensorBase, new, world


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

    Example:
        >>> import cotangent as torch
        >>> torch.autograd.Variable(torch.ones(1), requires_grad=True)
        tensor([1.], requires_grad=True)
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if data is None:
            return world.Tensor()
        t: Any = new(world.Tensor)
        t._data = data._data
        t._req = False
        t._node = t._view = None
        t._vc = None
        if requires_grad:
            t.requires_grad = True
        return t
