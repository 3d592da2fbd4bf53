"""Tensors that a module owns: `Parameter` (trained) and `Buffer` (carried along, not trained)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..autograd.base import TensorBase
from ..functions import empty
from ..size import preserve_format
from ..tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class _MarkedType(type(Tensor)):  # type: ignore[misc]  # whatever builds Tensor also builds its subclasses
    """Metaclass for classes that also claim tensors carrying a mark.

    A parameter made from a user's own Tensor subclass keeps that subclass, and a Buffer is a plain
    tensor; a mark on the object says what it is.
    """

    _mark: str

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        # Only the class that owns the mark claims marked tensors; its subclasses do not.
        mark = cls.__dict__.get("_mark")
        return mark is not None and isinstance(instance, Tensor) and bool(getattr(instance, mark, False))


def _rebuild_parameter(data: Tensor, requires_grad: bool, hooks: dict[int, Any]) -> Parameter:
    """Inverse of `Parameter.__reduce_ex__`; hooks are not stored, the argument keeps the file format."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Tensor, requires_grad: bool, hooks: dict[int, Any], state: dict[str, Any]
) -> Parameter:
    """As `_rebuild_parameter`, for a parameter that carries attributes of its own."""
    parameter = _rebuild_parameter(data, requires_grad, hooks)
    parameter.__dict__.update(state)
    return parameter


class Parameter(Tensor, metaclass=_MarkedType):
    """A tensor that becomes part of a module's parameters when it is assigned to one.

    Args:
        data: the tensor whose storage the parameter shares; empty if not given.
        requires_grad: whether gradients are collected for it.

    Raises:
        RuntimeError: if `data` is of a dtype that has no gradient and `requires_grad` is true, or if
            `data` is of a Tensor subclass whose `detach` returns another type.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        Parameter containing:
        tensor([1., 2.], requires_grad=True)
    """

    _mark = "_is_param"

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            if requires_grad and not (data.is_floating_point() or data.is_complex()):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            # Same memory and same version counter, but a leaf of its own.
            made = data.detach()
            made.__class__ = cls
            made._req = bool(requires_grad)
            return made  # type: ignore[return-value]
        kept = data.detach().requires_grad_(requires_grad)
        if type(kept) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() "
                "returns an instance of the same type, but return type "
                f"{type(kept).__name__} was found instead. To use the type as a Parameter, please correct "
                "the detach() semantics defined by its __torch_dispatch__() implementation."
            )
        marked: Any = kept
        marked._is_param = True
        return marked  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        known: Parameter | None = memo.get(id(self))
        if known is None:
            known = type(self)(self.data.clone(memory_format=preserve_format), self.requires_grad)
            memo[id(self)] = known
        return known

    def __repr__(self) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__()

    def __copy__(self) -> Parameter:
        rebuild, parts = self.__reduce_ex__(2)
        copied: Parameter = rebuild(*parts)
        return copied

    def __reduce_ex__(self, proto: Any) -> tuple[Any, ...]:
        # The engine keeps rare fields in __dict__, too; they are not part of the value.
        attributes = {k: v for k, v in self.__dict__.items() if not hasattr(TensorBase, k)}
        hooks: OrderedDict[int, Any] = OrderedDict()
        if attributes:
            return _rebuild_parameter_with_state, (self.data, self.requires_grad, hooks, attributes)
        return _rebuild_parameter, (self.data, self.requires_grad, hooks)


class Buffer(Tensor, metaclass=_MarkedType):
    """A tensor that becomes one of a module's buffers when it is assigned to one.

    The result is a plain tensor with a mark: it prints and computes as any other.

    Args:
        data: the tensor whose storage the buffer shares; empty if not given.
        persistent: whether it belongs to the module's `state_dict`.

    Example:
        >>> import cotangent as torch
        >>> module = torch.nn.Module()
        >>> module.mean = torch.nn.Buffer(torch.zeros(2))
        >>> [name for name, _ in module.named_buffers()]
        ['mean']
    """

    _mark = "_is_buffer"

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = empty(0)
        marked: Any = data.detach().requires_grad_(data.requires_grad)
        marked.persistent = persistent
        marked._is_buffer = True
        buffer: Buffer = marked
        return buffer
