"""The Tensor class: its fields, its place in the graph, its conversions.

Operations are not written here: the methods that compute (`add`, `sum`, `reshape`, ...) are the very
functions of `ops/`, attached by `methods.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes, lazy
from .autograd.base import InferenceCell, TensorBase, bump, new, not_taken_over, world
from .autograd.inplace import write
from .autograd.modes import modes
from .autograd.refusals import refuse_copy
from .config import settings, warn_once
from .dtypes import FLOATING, dtype
from .errors import bad_argument, check_dim
from .kernels.deferred import Deferred, layout as lying, negated_conjugate
from .kernels.shape import STORAGES, address, copied_whole, dense_strides, element_strides, storage_offset
from .kernels.sparse import Coo
from .ops.table import TABLE
from .printing import quantized_text, sparse_text, tensor_text
from .size import COMPRESSED, CPU, Size, device, layout, sparse_coo, strided
from .tracked import Tracked

copy: Any = lazy.module("copy")
TO_SCALAR = (
    "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
    "Consider using tensor.detach() first."
)
# NumPy makes no Python numbers of these by itself.
_NOT_NUMPYS = (dtypes.bfloat16, *dtypes.FLOAT8)


class Tensor(Tracked):
    """A multi-dimensional array that can record what is computed from it.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    __slots__ = ()
    __module__ = "torch"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        """The old constructor: `Tensor(2, 3)` has that shape, `Tensor([2, 3])` those numbers (float)."""
        return LEGACY_NEW[0](cls, settings.default_dtype, args, kwargs, True)

    @staticmethod
    def _make_subclass(cls: type[Tensor], data: Tensor, require_grad: bool = False) -> Tensor:
        """The memory of `data` as a tensor of the class `cls`, a leaf."""
        made: Tensor = of_class(data.detach(), cls)
        made._req = bool(require_grad)
        return made

    @staticmethod
    def _make_wrapper_subclass(cls: type[Tensor], size: Any, *args: Any, **kwargs: Any) -> Tensor:
        """A tensor of the class `cls` with a shape and a type and no memory; its class says what it is.

        Args:
            cls: a class with `__torch_dispatch__`.
            size: the shape.
            args, kwargs: strides, storage_offset, memory_format, dtype, layout, device, pin_memory,
                requires_grad.
        """
        return world.wrappers.made(cls, size, *args, **kwargs)  # type: ignore[no-any-return]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "__torch_dispatch__"):
            world.wrappers.defined()
        if cls.__torch_function__ is not not_taken_over:  # from now on somebody takes over calls
            world.overriding.subclassed(cls)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """A call of a public function with tensors of this class: its results become tensors of the class."""
        return world.overriding.default(cls, func, types, args, kwargs)

    # -- shape and type ---------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The size of every dimension."""
        return tuple.__new__(Size, self._data.shape)

    @property
    def dtype(self) -> dtype:
        """The type of the elements."""
        found: Any = self._data.dtype
        return found if found.__class__ is dtypes.dtype else dtypes.FROM_NUMPY[found]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._data.shape)

    @property
    def device(self) -> device:
        """Where the elements live."""
        data = self._data
        return CPU if data.__class__ is np.ndarray else getattr(data, "lives_on", CPU)

    @property
    def is_meta(self) -> bool:
        """Whether there are no elements, only their shape and type."""
        return self.device.type == "meta"

    @property
    def layout(self) -> layout:
        """How the elements are stored."""
        data = self._data
        if not isinstance(data, Coo):
            return strided
        return COMPRESSED.get(data.layout, sparse_coo)

    @property
    def is_sparse(self) -> bool:
        """Whether only some elements are stored, with their places."""
        return isinstance(self._data, Coo) and self._data.layout not in COMPRESSED

    @property
    def is_sparse_csr(self) -> bool:
        """Whether only some elements are stored, row by row."""
        return isinstance(self._data, Coo) and self._data.layout == "torch.sparse_csr"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.itemsize

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of dimension `dim`."""
        if dim is None:
            return self.shape
        shape = self._data.shape
        return shape[_one_dim("size", dim, len(shape))]

    def stride(self, dim: int | None = None) -> Any:
        """Elements to step over in memory per dimension, or for dimension `dim`."""
        data = self._data
        if isinstance(data, Coo) and data.layout in COMPRESSED:
            raise RuntimeError("Sparse CSR tensors do not have strides")
        if (owner := self._owner) is not None and not hasattr(data, "strides"):
            return owner.below(self).stride() if dim is None else owner.below(self).stride(dim)
        steps = element_strides(data)
        # NumPy gives new arrays without elements no strides at all; those of views stay.
        if not any(steps):
            steps = dense_strides(data.shape) if not self.numel() else steps
        return steps if dim is None else steps[_one_dim("stride", dim, len(steps))]

    def storage_offset(self) -> int:
        """Elements between the start of the underlying memory and the first element."""
        t: Any = self
        while (owner := t._owner) is not None:
            t = t._data.value if owner.is_batch else owner.below(t)
        return 0 if hasattr(t._data, "lives_on") else storage_offset(lying(t._data))

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._data.shape)

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for s in self._data.shape:
            n *= s
        return n

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        if self._owner is not None:
            return self._owner.below(self).data_ptr()  # type: ignore[no-any-return]
        return address(lying(self._data)) if self.numel() and not self.is_meta else 0

    def is_floating_point(self) -> bool:
        """Whether the elements are real floating-point numbers."""
        return self.dtype.category == FLOATING

    def is_complex(self) -> bool:
        """Whether the elements are complex."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self.dtype.is_signed

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return isinstance(self._vc, InferenceCell)

    def is_conj(self) -> bool:
        """Whether the tensor is a view that conjugates what it shows."""
        data = _bottom(self)._data
        return data.__class__ is Deferred and data.change in (np.conjugate, negated_conjugate)

    def is_neg(self) -> bool:
        """Whether the tensor is a view that negates what it shows."""
        data = _bottom(self)._data
        return data.__class__ is Deferred and data.change in (np.negative, negated_conjugate)

    @property
    def is_cpu(self) -> bool:
        """Whether the elements are in this machine's memory."""
        return self.device.type == "cpu"

    @property
    def is_quantized(self) -> bool:
        """Whether integers stand for the numbers."""
        return hasattr(self._data, "dequantized")

    is_cuda = is_mkldnn = is_mps = is_xpu = False
    is_nested = is_vulkan = is_xla = is_ipu = is_maia = False
    names = None
    name = None

    def zero_(self) -> Tensor:
        """Set every element to zero, in place."""
        data = self._data
        if (
            self._view is None and data.__class__ is np.ndarray
            and (modes.grad is None or not self._req)
            and (self._vc is None or (self._vc.__class__ is list and self._vc[1] is None))
        ):  # fmt: skip
            data.fill(0)
            frame = sys._getframe(1)
            bump(self, frame.f_code, frame.f_lasti)
            return self
        return write(TABLE["zeroed"], (self,), ())  # type: ignore[no-any-return]

    # -- Python ------------------------------------------------------------------------------------

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        if not self._data.shape:
            raise TypeError("len() of a 0-d tensor")
        return int(self._data.shape[0])

    def item(self) -> Any:
        """The only element, as a Python number."""
        data = self._data
        if data.__class__ is not np.ndarray and self._owner is not None:
            return self._owner.item(self)
        if data.size != 1:
            raise RuntimeError(f"a Tensor with {data.size} elements cannot be converted to Scalar")
        value = data.item()
        return float(value) if self.dtype in _NOT_NUMPYS else value

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        data = self._data
        if data.__class__ is not np.ndarray and self._owner is not None:
            return self._owner.below(self).tolist()
        return (data.astype(np.float32) if self.dtype in _NOT_NUMPYS else data).tolist()

    def __bool__(self) -> bool:
        data = self._data
        if data.__class__ is not np.ndarray and self._owner is not None:
            return self._owner.truth(self)  # type: ignore[no-any-return]
        size = data.size
        if size == 1:
            return bool(data.item())
        if size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    def __int__(self) -> int:
        value = self._scalar()
        return int(_real_part(value, "int64_t") if value.__class__ is complex else value)

    def __float__(self) -> float:
        if self._req and modes.grad is not None:
            warn_once(TO_SCALAR)
        value = self._scalar()
        return float(_real_part(value, "double") if value.__class__ is complex else value)

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def _scalar(self) -> Any:
        """The only element, for Python's conversions."""
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __index__(self) -> int:
        if self.dtype.category > dtypes.INTEGRAL or self._data.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        kind = type(self)
        if kind is Tensor:
            return self._text("tensor(", tensor_contents)
        text = self._text(f"{kind.__name__}(", tensor_contents)
        return f"Parameter({text})" if "_is_param" in self.__dict__ else text

    def __format__(self, spec: str) -> str:
        if type(self) is Tensor and not self._data.shape and not self.is_meta:
            return self.item().__format__(spec)  # type: ignore[no-any-return]
        return object.__format__(self, spec)

    def _text(self, prefix: str, contents: str | None = None) -> str:
        if self._owner is not None:
            return self._owner.text(self)  # type: ignore[no-any-return]
        try:
            grad_fn: Any = self.grad_fn
            name = None if grad_fn is None else type(grad_fn).__name__
            if name == "CppFunction":
                name = grad_fn.name().rpartition("::")[2]
        except RuntimeError:  # a view whose history an in-place write has made unusable
            grad_fn, name = self._view, "Invalid"
        data = self._data
        if hasattr(data, "dequantized"):
            return quantized_text(data, prefix)
        if isinstance(data, Coo):
            return sparse_text(
                data.parts(),
                data.shape,
                layout=data.layout,
                dtype_name=self.dtype.name,
                default_dtype=settings.default_dtype.name,
                requires_grad=self._req and grad_fn is None,
                grad_fn_name=name,
                prefix=prefix,
            )
        no_numbers = hasattr(data, "lives_on")
        return tensor_text(
            np.broadcast_to(np.zeros((), self.dtype.np), data.shape) if no_numbers else data,
            device=str(self.device) if no_numbers and contents is None else None,
            dtype_name=self.dtype.name,
            default_dtype=settings.default_dtype.name,
            requires_grad=self._req and grad_fn is None,
            grad_fn_name=name,
            contents=contents,
            prefix=prefix,
        )

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # A copy is a leaf. The class itself cannot be named in a pickle: it goes by PyTorch's name.
        kind = None if type(self) is Tensor else type(self)
        own = {name: value for name, value in self.__dict__.items() if not hasattr(TensorBase, name)}
        return _rebuild_tensor, (kind, self._data, self._req, own, slots_of(self))

    def __copy__(self) -> Tensor:
        t = new(type(self))
        t._data, t._req, t._node = self._data, self._req, self._node
        t._vc, t._view, t._cut = self._vc, self._view, self._cut
        t.__dict__.update(self.__dict__)
        for name, value in slots_of(self).items():
            setattr(t, name, value)
        return t

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            refuse_copy(self)
        if id(self) in memo:
            return memo[id(self)]  # type: ignore[no-any-return]
        t = new(type(self))
        data = self._data
        array = data.__class__ is np.ndarray
        t._data = copied_whole(data, memo.setdefault(STORAGES, {})) if array else data.copy(order="K")
        t._req, t._node, t._vc, t._view, t._cut = self._req, None, None, None, self._cut
        memo[id(self)] = t
        for key, value in self.__dict__.items():
            if key not in ("_leaf_hooks", "_accumulator"):
                t.__dict__[key] = copy.deepcopy(value, memo)
        for key, value in slots_of(self).items():
            setattr(t, key, copy.deepcopy(value, memo))
        return t


def of_class(t: Any, cls: type) -> Any:
    """A tensor that nobody else holds, as one of another class."""
    try:
        t.__class__ = cls
    except TypeError:  # a class with slots has objects of another form
        made: Any = new(cls)
        made._data, made._req, made._node = t._data, t._req, t._node
        made._vc, made._view, made._cut = t._vc, t._view, t._cut
        made.__dict__.update(t.__dict__)
        return made
    return t


def slots_of(t: Any) -> dict[str, Any]:
    """What a tensor keeps in slots that its class, a program's, has given it."""
    if type(t) is Tensor:
        return {}
    names = [name for c in type(t).__mro__ if not issubclass(TensorBase, c) for name in _slots(c)]
    return {name: getattr(t, name) for name in names if hasattr(t, name)}


def _slots(cls: type) -> Any:
    declared = vars(cls).get("__slots__", ())
    return (declared,) if isinstance(declared, str) else declared


def _rebuild_tensor(
    kind: type[Tensor] | None, data: Any, requires_grad: bool, own: dict[str, Any], slots: dict[str, Any]
) -> Tensor:
    """What a pickled tensor is made of again."""
    t = new(kind or Tensor)
    t._data, t._req, t._node, t._vc, t._view, t._cut = data, requires_grad, None, None, None, None
    t.__dict__.update(own)
    for name, value in slots.items():
        setattr(t, name, value)
    return t


def _bottom(t: Any) -> Any:
    """The tensor that lies in memory, of which a tensor of a transform is made."""
    while (owner := t._owner) is not None:
        t = t._data.value if owner.is_batch else owner.below(t)
    return t


def _one_dim(function: str, dim: Any, n: int) -> int:
    """The `dim` of `size` and `stride`: an int within the range of `n` dimensions."""
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        bad_argument(function, "dim", 1, "int", dim)
    at: int = dim.__index__()
    if not n:
        raise IndexError(f"Dimension specified as {at} but tensor has no dimensions")
    return check_dim(at, n)


def _real_part(value: complex, name: str) -> float:
    if value.imag:
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    return value.real


# Reading Python values is creation's business, one module up; it enters its function here.
LEGACY_NEW: list[Callable[..., Tensor]] = []
world.Tensor = Tensor
