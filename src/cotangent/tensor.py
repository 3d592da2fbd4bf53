"""The Tensor class: its fields, its place in the graph, its conversions.

Operations are not written here: the methods that compute (`add`, `sum`, `reshape`, ...) are the very
functions of `ops/`, attached by `methods.py`.
"""

from __future__ import annotations

import copy
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .autograd.api import backward
from .autograd.base import GivenCell, InferenceCell, TensorBase, bump, cell_of, new, version_of, world
from .autograd.engine import run_scalar
from .autograd.inplace import write
from .autograd.modes import modes
from .autograd.node import Node, Port, RemovableHandle, leaf_hooks
from .autograd.recorded import alias
from .autograd.views import edge_of, inherit
from .config import settings, warn_once
from .dtypes import FLOATING, dtype
from .errors import bad_argument, check_dim
from .kernels.deferred import Deferred, layout as lying
from .kernels.shape import address, dense_strides, element_strides, storage_offset
from .kernels.sparse import Coo
from .ops.table import TABLE
from .printing import sparse_text, tensor_text
from .size import CPU, Size, device, layout, sparse_coo, strided

_NON_LEAF_GRAD = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't "
    "be populated during autograd.backward(). If you indeed want the .grad field to be populated for a "
    "non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
    "mistake, make sure you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for "
    "more information."
)
_TO_SCALAR = (
    "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
    "Consider using tensor.detach() first."
)


class Tensor(TensorBase):
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
        return LEGACY_NEW[0](cls, settings.default_dtype, args, kwargs)

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
        return CPU

    @property
    def layout(self) -> layout:
        """How the elements are stored."""
        return sparse_coo if isinstance(self._data, Coo) else strided

    @property
    def is_sparse(self) -> bool:
        """Whether only some elements are stored, with their places."""
        return isinstance(self._data, Coo)

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
        steps = element_strides(data) if self.numel() else dense_strides(data.shape)
        return steps if dim is None else steps[_one_dim("stride", dim, len(steps))]

    def storage_offset(self) -> int:
        """Elements between the start of the underlying memory and the first element."""
        return storage_offset(lying(self._data))

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
        return address(lying(self._data)) if self.numel() else 0

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
        data = self._data
        return data.__class__ is Deferred and data.change is np.conjugate

    def is_neg(self) -> bool:
        """Whether the tensor is a view that negates what it shows."""
        data = self._data
        return data.__class__ is Deferred and data.change is np.negative

    is_cpu = True
    is_cuda = is_sparse_csr = is_quantized = is_meta = is_mkldnn = is_mps = is_xpu = False
    is_nested = is_vulkan = is_xla = is_ipu = is_maia = False
    names = None
    name = None

    # -- autograd ---------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._req

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value.__class__ is not bool:
            raise RuntimeError("requires_grad must be a bool")
        if self._recorded():
            if not value:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a "
                    "computed variable in a subgraph that doesn't require differentiation use var_no_grad = "
                    "var.detach()."
                )
            raise RuntimeError("you can only change requires_grad flags of leaf variables.")
        if value and self.dtype.category < FLOATING:
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        if value and self.is_inference() and not modes.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            )
        base_requires = inherit(self, bool(value))
        self._req = bool(value) or base_requires

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor."""
        if requires_grad.__class__ is not bool:
            bad_argument("requires_grad_", "requires_grad", 1, "bool", requires_grad)
        if modes.levels:
            raise RuntimeError(
                "You are attempting to call Tensor.requires_grad_() (or perhaps using "
                "torch.autograd.functional.* APIs) inside of a function being transformed by a functorch "
                "transform. This is unsupported, please attempt to use the functorch transforms (e.g. grad, "
                "vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside of a function being "
                "transformed instead."
            )
        if requires_grad and self.dtype.category < FLOATING and self._node is None:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not requires_grad or not self._recorded():
            self.requires_grad = requires_grad
        return self

    def _recorded(self) -> bool:
        """Whether there is or was a history of its own; that of a written base does not count yet."""
        view = self._view
        return self._node is not None or (view is not None and view.stale and bool(view.producer))

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than by a recorded operation."""
        return self._node is None and self.grad_fn is None

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; None for leaves."""
        if self._node is None and (self._view is None or not self._view.stale):
            return None
        node: Any = edge_of(self)
        if node.__class__ is Port:
            node.parent.note(node.output, self)
            node = node.parent
        elif node is not None:
            node.note(0, self)
        return node  # type: ignore[no-any-return]

    @property
    def output_nr(self) -> int:
        """Which output of `grad_fn` this tensor is."""
        node = self._node
        return node.output if node.__class__ is Port else 0

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient; None before the first backward."""
        held = self._grad
        if held is None and self._req and not self._retains and self.grad_fn is not None:
            warnings.warn(_NON_LEAF_GRAD, UserWarning, stacklevel=2)
        return held  # type: ignore[return-value]

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value.dtype is not self.dtype:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{_cpp_dtype(value)}' to a tensor with "
                    f"grad_dtype '{dtypes.SCALAR_NAME[self.dtype]}'. The gradient must match the tensor's "
                    "grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype "
                    "attribute with a specific dtype, or None to allow any dtype. Set grad_dtype with "
                    "caution. Diverging the dtypes of a tensor and its gradient may break downstream systems "
                    "that assume they match."
                )
            if value.shape != self.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def data(self) -> Tensor:
        """The same memory without history and with a version counter of its own."""
        t: Tensor = alias(self, None)
        if not isinstance(t._vc, InferenceCell):
            t._vc = None
        elif not modes.inference:
            t._vc = GivenCell((0, None))
        return t

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._req and value.dtype.category < FLOATING:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype"
            )
        self._data = value._data
        if value.is_inference() and not self.is_inference():
            self._vc = GivenCell((version_of(self), None))
        elif self._vc.__class__ is GivenCell and not value.is_inference():
            self._vc = list(self._vc)

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    @property
    def _version(self) -> int:
        if self._vc.__class__ is InferenceCell:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._vc is None else int(list.__getitem__(self._vc, 0))

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view.base  # type: ignore[return-value]

    def _is_view(self) -> bool:
        return self._view is not None

    @property
    def retains_grad(self) -> bool:
        """Whether a non-leaf keeps its gradient (`retain_grad`)."""
        return self._retains

    def retain_grad(self) -> None:
        """Keep this non-leaf's gradient in `.grad` during backward."""
        if not self._req:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._retains or not self._recorded():
            return
        node: Any = self.grad_fn
        self._retains = True
        node._hooks().retain[self.output_nr] = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook(grad)` with this tensor's gradient during backward; it may return another one."""
        if not self._req:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        node = self.grad_fn
        hooks = (leaf_hooks(self) if node is None else node._hooks()).tensor_hooks(self.output_nr)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(self)` after a gradient has been added to `.grad` of this leaf."""
        if not self._req:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        hooks = leaf_hooks(self).after_accumulate
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradients of this tensor to the `.grad` of the leaves it was computed from.

        Args:
            gradient: the cotangent to start from, of this tensor's shape; may be left out for scalars.
            retain_graph: keep what was saved for another backward (default: as `create_graph`).
            create_graph: record the run, so that the gradients can be differentiated.
            inputs: leaves to accumulate into; all if None.
        """
        data = self._data
        if (
            gradient is None and inputs is None and not create_graph and self._req
            and data.__class__ is np.ndarray and data.size == 1 and data.dtype.kind != "c"
            and run_scalar(self._node or edge_of(self), data, bool(retain_graph))
        ):  # fmt: skip
            return
        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same memory without history; in-place writes are seen by both version counters."""
        if self._owner is not None:
            return self._owner.detached(self)  # type: ignore[no-any-return]
        cell_of(self)
        t = alias(self, None)
        if isinstance(t._vc, InferenceCell) and not modes.inference:
            t._vc = GivenCell((0, None))
        return t  # type: ignore[no-any-return]

    def detach_(self) -> Tensor:
        """Cut this tensor off its history, in place."""
        if modes.inference:
            return self
        if self._view is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "
                "(DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP "
                "buckets, and hence detach_() cannot be called on these gradients. To fix this error, please "
                "refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
            )
        self._node = None
        inherit(self, False)
        self._req = False
        return self

    def zero_(self) -> Tensor:
        """Set every element to zero, in place."""
        data = self._data
        if (
            self._view is None and data.__class__ is np.ndarray
            and (modes.grad is None or not self._req) and not isinstance(self._vc, InferenceCell)
            and (self._vc is None or self._vc[1] is None)
        ):  # fmt: skip
            data.fill(0)
            frame = sys._getframe(1)
            bump(self, frame.f_code, frame.f_lasti)
            return self
        return write(TABLE["zeroed"], (self,), ())  # type: ignore[no-any-return]

    # -- Python ------------------------------------------------------------------------------------

    __hash__ = object.__hash__

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
        return float(value) if self.dtype is dtypes.bfloat16 else value

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        data = self._data
        if data.__class__ is not np.ndarray and self._owner is not None:
            return self._owner.below(self).tolist()
        return (data.astype(np.float32) if self.dtype is dtypes.bfloat16 else data).tolist()

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
            warn_once(_TO_SCALAR)
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
        return self._text("tensor(")

    def __format__(self, spec: str) -> str:
        if type(self) is Tensor and not self._data.shape:
            return self.item().__format__(spec)  # type: ignore[no-any-return]
        return object.__format__(self, spec)

    def _text(self, prefix: str) -> str:
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
        if isinstance(data, Coo):
            return sparse_text(
                {"indices": data.indices, "values": data.values},
                data.shape,
                dtype_name=self.dtype.name,
                default_dtype=settings.default_dtype.name,
                requires_grad=self._req and grad_fn is None,
                grad_fn_name=name,
                prefix=prefix,
            )
        return tensor_text(
            data,
            dtype_name=self.dtype.name,
            default_dtype=settings.default_dtype.name,
            requires_grad=self._req and grad_fn is None,
            grad_fn_name=name,
            prefix=prefix,
        )

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # A copy is a leaf. The class itself cannot be named in a pickle: it goes by PyTorch's name.
        kind = None if type(self) is Tensor else type(self)
        own = {name: value for name, value in self.__dict__.items() if not hasattr(TensorBase, name)}
        return _rebuild_tensor, (kind, self._data, self._req, own)

    def __copy__(self) -> Tensor:
        t = new(type(self))
        t._data, t._req, t._node, t._vc, t._view = self._data, self._req, self._node, self._vc, self._view
        t.__dict__.update(self.__dict__)
        return t

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
                "the moment.  If you were attempting to deepcopy a module, this may be because of a "
                "torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
            )
        if id(self) in memo:
            return memo[id(self)]  # type: ignore[no-any-return]
        t = new(type(self))
        t._data = self._data.copy(order="K")
        t._req, t._node, t._vc, t._view = self._req, None, None, None
        memo[id(self)] = t
        for key, value in self.__dict__.items():
            if key not in ("_leaf_hooks", "_accumulator"):
                t.__dict__[key] = copy.deepcopy(value, memo)
        return t


def _rebuild_tensor(kind: type[Tensor] | None, data: Any, requires_grad: bool, own: dict[str, Any]) -> Tensor:
    """What a pickled tensor is made of again."""
    t = new(kind or Tensor)
    t._data, t._req, t._node, t._vc, t._view = data, requires_grad, None, None, None
    t.__dict__.update(own)
    return t


def _cpp_dtype(t: Tensor) -> str:
    return "long int" if t.dtype is dtypes.int64 else dtypes.CPP_NAME[t.dtype]


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
