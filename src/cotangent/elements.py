"""Methods of Tensor that call Python for each element, and old ones that PyTorch keeps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from . import dtypes, lazy
from .creation import legacy_tensor
from .ops.complex import view_as_complex, view_as_real
from .ops.table import constant
from .ops.views import alias
from .tensor import Tensor, of_class

sparse = lazy.module("cotangent.sparse")


def _refuse_grad(name: str, *tensors: Any) -> None:
    for t in tensors:
        if t.requires_grad:
            raise RuntimeError(
                f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
            )


def _written(self: Any, values: list[Any]) -> Any:
    for value in values:
        if isinstance(value, str):
            raise TypeError("must be real number, not str")
    return self.copy_(constant(np.array(values, self.dtype.np).reshape(tuple(self.shape))))


def apply_(self: Any, callable: Callable[[Any], Any]) -> Any:
    """Replace each element by what a function makes of it.

    Args:
        callable: function of a number.

    Returns:
        the tensor.

    Raises:
        RuntimeError: if the tensor requires gradients.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([1.0, 2.0]).apply_(lambda v: v + 1)
        tensor([2., 3.])
    """
    _refuse_grad("apply_", self)
    return _written(self, [callable(v) for v in self.reshape(-1).tolist()])


def map_(self: Any, tensor: Any, callable: Callable[[Any, Any], Any]) -> Any:
    """Replace each element by what a function makes of it and of another tensor's.

    Args:
        tensor: of the same dtype; broadcasts to the tensor's shape.
        callable: function of two numbers.

    Returns:
        the tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([1.0, 2.0]).map_(torch.tensor([3.0, 4.0]), lambda a, b: a * b)
        tensor([3., 8.])
    """
    _refuse_grad("map_", self, tensor)
    return _mapped("map_", self, callable, other=tensor)


def map2_(self: Any, x: Any, y: Any, callable: Callable[[Any, Any, Any], Any]) -> Any:
    """Replace each element by what a function makes of it and of those of two other tensors.

    Args:
        x, y: of the same dtype; broadcast to the tensor's shape.
        callable: function of three numbers.

    Returns:
        the tensor.

    Example:
        >>> import cotangent as torch
        >>> one = torch.ones(2)
        >>> one.map2_(torch.tensor([1.0, 2.0]), torch.ones(2), lambda a, b, c: a + b * c)
        tensor([2., 3.])
    """
    _refuse_grad("map2_", self, x, y)
    return _mapped("map2_", self, callable, x=x, y=y)


def _mapped(name: str, self: Any, function: Callable[..., Any], **others: Any) -> Any:
    for key, t in others.items():
        if t.dtype is not self.dtype:
            raise TypeError(
                f"{name}: expected torch.{self.dtype.type_name} for '{key}' (got torch.{t.dtype.type_name})"
            )
    columns = [t.expand(self.shape).reshape(-1).tolist() for t in others.values()]
    return _written(self, list(map(function, self.reshape(-1).tolist(), *columns)))


def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Set the main diagonal to one value.

    Args:
        fill_value: the value.
        wrap: go on in the rows below a tall matrix's diagonal, after a row left out.

    Returns:
        the tensor.

    Raises:
        RuntimeError: for less than two dimensions, or more than two of different sizes.

    Example:
        >>> import cotangent as torch
        >>> torch.zeros(2, 2).fill_diagonal_(1)
        tensor([[1., 0.],
                [0., 1.]])
    """
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    places = np.arange(min(self.shape))
    index = [constant(places)] * self.ndim
    height, width = self.shape[0], self.shape[-1]
    if wrap and self.ndim == 2 and height > width + 1:
        flat = np.arange(0, height * width, width + 1)
        index = [constant(flat // width), constant(flat % width)]
    self[tuple(index)] = fill_value
    return self


def new(self: Any, *args: Any, **options: Any) -> Any:
    """A tensor of this one's dtype, as the legacy constructors make them.

    Args:
        args: sizes, or data.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(1).new([1, 2])
        tensor([1., 2.])
    """
    if self.is_sparse:
        return sparse.legacy(self.dtype, args, options)
    return legacy_tensor(type(self), self.dtype, args, options)


def resize(self: Any, *sizes: Any) -> Any:
    """The same elements in another shape (deprecated by PyTorch).

    Args:
        sizes: a shape with as many elements.
    """
    warnings.warn("non-inplace resize is deprecated", UserWarning, stacklevel=2)
    return self.contiguous().view(*sizes)


def resize_as(self: Any, tensor: Any) -> Any:
    """The same elements in the shape of another tensor (deprecated by PyTorch).

    Args:
        tensor: one with as many elements.
    """
    warnings.warn("non-inplace resize_as is deprecated", UserWarning, stacklevel=2)
    return self.contiguous().view(tensor.size())


def as_subclass(self: Any, cls: type) -> Any:
    """The same memory and history as a tensor of another class.

    Args:
        cls: a subclass of Tensor.

    Raises:
        TypeError: if it is none.

    Example:
        >>> import cotangent as torch
        >>> class Named(torch.Tensor): pass
        >>> type(torch.ones(1).as_subclass(Named)).__name__
        'Named'
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"cls must be a type that inherits from Tensor, but got {cls}")
    return of_class(alias(self), cls)


def const_data_ptr(self: Any) -> int:
    """The address of the first element."""
    return int(self.data_ptr())


def pin_memory(self: Any, device: Any = None) -> NoReturn:
    """Memory that a GPU reads directly: there is no GPU.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("Cannot access accelerator device when none is available.")


def is_distributed(self: Any) -> bool:
    """Whether the tensor is spread over several processes: never."""
    return False


def __nonzero__(self: Any) -> bool:
    """`bool(tensor)`, by its name of old."""
    return bool(self)


def __long__(self: Any) -> int:
    """`int(tensor)`, by its name of old."""
    return int(self)


def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Shrink, in place, the looked-up rows whose norm is larger than `max_norm`.

    Args:
        input: (rows, width).
        indices: integers.
        max_norm: the largest norm.
        norm_type: order of the norm.

    Returns:
        `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.embedding_renorm_(torch.tensor([[3.0, 4.0]]), torch.tensor([0]), 1.0, 2.0)
        tensor([[0.6000, 0.8000]])
    """
    if indices.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("embedding_renorm_: indices must be integers")
    rows = indices.reshape(-1).unique()
    input[rows] = input[rows].renorm(norm_type, 0, max_norm)
    return input


def fill_(input: Any, value: Any) -> Any:
    """Set all elements to one value.

    Example:
        >>> import cotangent as torch
        >>> torch.fill_(torch.zeros(2), 3.0)
        tensor([3., 3.])
    """
    return input.fill_(value)


def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Write values at index tensors, in place.

    Example:
        >>> import cotangent as torch
        >>> torch.index_put_(torch.zeros(2), (torch.tensor([1]),), torch.tensor(3.0))
        tensor([0., 3.])
    """
    return input.index_put_(indices, values, accumulate)


def detach_copy(input: Any) -> Any:
    """A copy without history.

    Example:
        >>> import cotangent as torch
        >>> torch.detach_copy(torch.ones(1, requires_grad=True)).requires_grad
        False
    """
    return input.detach().clone()


def view_as_complex_copy(input: Any) -> Any:
    """`view_as_complex`, as a copy.

    Example:
        >>> import cotangent as torch
        >>> torch.view_as_complex_copy(torch.tensor([[1.0, 2.0]]))
        tensor([1.+2.j])
    """
    return view_as_complex(input).clone()


def view_as_real_copy(input: Any) -> Any:
    """`view_as_real`, as a copy.

    Example:
        >>> import cotangent as torch
        >>> torch.view_as_real_copy(torch.tensor([1.0 + 2.0j]))
        tensor([[1., 2.]])
    """
    return view_as_real(input).clone()
