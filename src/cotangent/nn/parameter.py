"""Tensors that a module owns: `Parameter` (trained) and `Buffer` (carried along, not trained)."""

from __future__ import annotations

import sys
from collections import OrderedDict
from functools import partial
from types import CodeType
from typing import Any, Final, NoReturn

from ..autograd.base import TensorBase, not_taken_over
from ..functions import empty
from ..size import preserve_format
from ..tensor import Tensor, of_class

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


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
    __torch_function__: Any = not_taken_over

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            if requires_grad and not (data.is_floating_point() or data.is_complex()):
                raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
            # Same memory and same version counter, but a leaf of its own.
            made: Parameter = of_class(data.detach(), cls)
            made._req = bool(requires_grad)
            return made
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
        kind = type(self)
        return "Parameter containing:\n" + self._text("tensor(" if kind is Parameter else f"{kind.__name__}(")

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
    __torch_function__: Any = not_taken_over

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = empty(0)
        marked: Any = data.detach().requires_grad_(data.requires_grad)
        marked.persistent = persistent
        marked._is_buffer = True
        buffer: Buffer = marked
        return buffer


_UNUSABLE: Final = (
    "Attempted to use an uninitialized parameter in {}. This error happens when you are using a `LazyModule` "
    "or explicitly manipulating `torch.nn.parameter.{}` objects. When using LazyModules Call `forward` with "
    "a dummy batch to initialize the parameters before calling torch functions"
)
_NO_SHAPE: Final = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
    "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call "
    "`forward` to initialize the parameters before accessing their attributes."
)
# What may be done with a tensor that has no size yet: moving it, and what asks for no element.
_USABLE: Final = frozenset(
    (
        "materialize", "shape", "share_memory_", "data", "dtype", "device", "grad",
        "requires_grad", "is_leaf", "grad_fn", "layout", "size", "copy_", "is_complex",
        "is_floating_point", "half", "float", "double", "char", "short", "int", "long", "cuda",
        "cpu", "to", "get_device", "persistent", "cls_to_become", "type", "bfloat16", "ndim",
        "names", "is_sparse",
    )
)  # fmt: skip


def _refuse(name: str, value: Any, *args: Any, **kwargs: Any) -> NoReturn:
    where = f"<method '{name}' of 'torch._C.TensorBase' objects>"
    raise ValueError(_UNUSABLE.format(where, type(value).__name__))


# Operations that move a tensor, and what is computed of it without its numbers.
_MOVING: Final = frozenset(("alias", "detach", "to"))


def _refuse_operation(value: Any, code: CodeType) -> None:
    """Raise if the code that wants the numbers is that of an operation, which has no use for none."""
    home = code.co_filename
    of_operation = home.startswith("<cotangent ") and code.co_name not in _MOVING
    if of_operation or home.endswith(("factories.py", "random.py")):  # as zeros_like and rand_like
        where = f"<built-in method {code.co_name} of type object>"
        raise ValueError(_UNUSABLE.format(where, type(value).__name__))


class UninitializedTensorMixin:
    """What parameters and buffers without a size share."""

    cls_to_become: Any

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a tensor of a shape, with arbitrary numbers, and of the ordinary class.

        Args:
            shape: its sizes.
            device: its device; as before if None.
            dtype: its dtype; as before if None.

        Example:
            >>> import cotangent as torch
            >>> p = torch.nn.UninitializedParameter()
            >>> p.materialize((2, 3))
            >>> type(p).__name__, p.shape
            ('Parameter', torch.Size([2, 3]))
        """
        me: Any = self
        me.data = empty(shape, device=device, dtype=me.data.dtype if dtype is None else dtype)
        me.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        """Not there yet.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(_NO_SHAPE)

    def share_memory_(self) -> Any:
        """Not possible yet.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the "
            "parameters before calling `module.share_memory()`."
        )

    def size(self, dim: int | None = None) -> Any:
        """The size of the nothing that is there: (0,)."""
        me: Any = self
        return me.data.size(dim)

    def __getattribute__(self, name: str) -> Any:
        if name == "_data":
            _refuse_operation(self, sys._getframe(1).f_code)
        if name[0] == "_" or name in _USABLE or not hasattr(Tensor, name):
            return super().__getattribute__(name)
        return partial(_refuse, name, self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto: Any) -> tuple[Any, ...]:
        me: Any = self
        return type(self), (me.requires_grad,)


def _refused(name: str) -> Any:
    """An operator that raises what the method it stands for would."""

    def operator(self: Any, *others: Any) -> NoReturn:
        _refuse(name, self)

    return operator


for _name in (
    "add",
    "sub",
    "mul",
    "matmul",
    "pow",
    "neg",
    "abs",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "len",
    "getitem",
):
    setattr(UninitializedTensorMixin, f"__{_name}__", _refused(_name))


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer has no size yet.

    Args:
        param: any object.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.parameter.is_lazy(torch.nn.UninitializedParameter())
        True
    """
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose size is not known yet; `materialize` gives it one.

    Args:
        requires_grad: whether gradients will be collected for it.
        device: its device.
        dtype: its dtype.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.UninitializedParameter()
        <UninitializedParameter>
    """

    cls_to_become = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        made = empty(0, device=device, dtype=dtype)
        made.__class__ = cls
        made._req = bool(requires_grad)
        return made  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        known: UninitializedParameter | None = memo.get(id(self))
        if known is None:
            known = type(self)(self.requires_grad, self.data.device, self.data.dtype)
            memo[id(self)] = known
        return known


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A buffer whose size is not known yet; `materialize` gives it one.

    Args:
        requires_grad: as for tensors.
        device: its device.
        dtype: its dtype.
        persistent: whether it belongs to the module's `state_dict`.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.UninitializedBuffer()
        <UninitializedBuffer>
    """

    cls_to_become = Tensor
    __torch_function__: Any = not_taken_over

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        made = empty(0, device=device, dtype=dtype)
        made.__class__ = cls
        made._req = bool(requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made  # type: ignore[no-any-return]
