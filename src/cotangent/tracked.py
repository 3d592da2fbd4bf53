"""What a tensor shows of its place in the graph: gradient, history, hooks, backward, detaching.

`Tensor` (tensor.py) adds to these what it holds and how it converts.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from . import dtypes
from .autograd.api import backward
from .autograd.base import (
    DETACHED,
    UNCOUNTED,
    GivenCell,
    InferenceCell,
    TensorBase,
    UncountedCell,
    cell_of,
)
from .autograd.cuts import left
from .autograd.engine import run_scalar
from .autograd.modes import modes
from .autograd.node import Node, Port, RemovableHandle, leaf_hooks
from .autograd.recorded import alias
from .autograd.refusals import refuse_flag, refuse_hook, warn_of_no_gradient
from .autograd.views import edge_of, inherit
from .dtypes import FLOATING
from .errors import bad_argument, noted
from .kernels.sparse import Coo


class Tracked(TensorBase):
    """A tensor as autograd's user sees it."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._req

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value.__class__ is not bool:
            raise RuntimeError("requires_grad must be a bool")
        if self._recorded():
            refuse_flag(self, value)
        if value and self.dtype.category < FLOATING:
            error = RuntimeError("only Tensors of floating point and complex dtype can require gradients")
            raise noted(error, "integer_requires", dtype=self.dtype)
        if value and self.is_inference() and not modes.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            )
        base_requires = inherit(self, bool(value))
        self._cut = None if value else left("frozen", self, self)._cut
        self._req = bool(value) or base_requires

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Self:
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
            error = RuntimeError("only Tensors of floating point dtype can require gradients")
            raise noted(error, "integer_requires", dtype=self.dtype)
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
    def _grad_fn(self) -> Node | None:
        """Old name of `grad_fn`."""
        return self.grad_fn

    @_grad_fn.deleter
    def _grad_fn(self) -> None:
        raise RuntimeError("Deletion of _grad_fn not allowed. Detach tensor instead!")

    @property
    def _backward_hooks(self) -> Any:
        """The dict of hooks that was given by hand; others are kept by the history."""
        return self.__dict__.get("_hooks_by_hand")

    @_backward_hooks.setter
    def _backward_hooks(self, hooks: Any) -> None:
        self.__dict__["_hooks_by_hand"] = hooks
        if hooks is not None and self._req:
            node = self.grad_fn
            holder = leaf_hooks(self) if node is None else node._hooks()
            holder.tensor_hooks(self.output_nr).shared.append(hooks)

    @_backward_hooks.deleter
    def _backward_hooks(self) -> None:
        raise RuntimeError("Deletion of _backwards_hooks not allowed!")

    @property
    def volatile(self) -> bool:
        """Gone from PyTorch long ago."""
        warnings.warn("volatile was removed (Variable.volatile is always False)", UserWarning, stacklevel=2)
        return False

    @property
    def output_nr(self) -> int:
        """Which output of `grad_fn` this tensor is."""
        node = self._node
        return node.output if node.__class__ is Port else 0

    @property
    def grad(self) -> Any:
        """The accumulated gradient; None before the first backward."""
        held = self._grad
        if held is None and self._req and not self._retains and self.grad_fn is not None:
            warn_of_no_gradient(self)
        return held

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tracked):
                raise TypeError(
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            wanted = self.__dict__.get("_grad_dtype", self.dtype)
            if wanted is not None and value.dtype is not wanted:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{_cpp_dtype(value)}' to a tensor with "
                    f"grad_dtype '{dtypes.SCALAR_NAME[wanted]}'. The gradient must match the tensor's "
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
    def grad_dtype(self) -> Any:
        """The dtype that gradients of this leaf are accumulated in; None lets them keep their own."""
        if self._node is not None:
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
        return self.__dict__.get("_grad_dtype", self.dtype)

    @grad_dtype.setter
    def grad_dtype(self, value: Any) -> None:
        if self._node is not None:
            raise RuntimeError("grad_dtype can only be set on leaf tensors.")
        if value is not None and not isinstance(value, dtypes.dtype):
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}")
        held = self._grad
        if held is not None and value is not None and held.dtype is not value:  # type: ignore[attr-defined]
            raise RuntimeError(
                f"Cannot set grad_dtype to '{dtypes.SCALAR_NAME[value]}' because there is already a gradient "
                f"with dtype '{_cpp_dtype(held)}'. Please clear the gradient (.grad = None) before changing "
                "grad_dtype, or ensure the new grad_dtype matches the existing gradient's dtype."
            )
        self.__dict__["_grad_dtype"] = value
        if value is not None and self._req and not self.__dict__.get("_grad_cast"):
            self.__dict__["_grad_cast"] = self.register_post_accumulate_grad_hook(_cast_gradient)

    @property
    def data(self) -> Self:
        """The same memory without history and with a version counter of its own."""
        if self._owner is not None and self._owner.writes:
            return self._owner.detached(self)  # type: ignore[no-any-return]
        if self._owner is not None and self._owner.is_batch:
            raise RuntimeError("accessing `data` under vmap transform is not allowed")
        t: Self = left("data", alias(self, None), self)
        if not isinstance(t._vc, InferenceCell):
            t._vc = None
        elif not modes.inference or t._vc.__class__ is GivenCell:
            t._vc = GivenCell((0, None))
        return t

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, Tracked):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._owner is not None and self._owner.is_batch:
            raise RuntimeError("mutating directly with `.data` under vmap transform is not allowed.")
        if self._req and value.dtype.category < FLOATING:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype"
            )
        if isinstance(value._data, Coo) is not isinstance(self._data, Coo):
            raise RuntimeError(
                "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
                "incompatible "
                "tensor type."
            )
        if value._data.dtype != self._data.dtype:
            self._accumulator = None  # graphs recorded until now collect their gradient as it was
        self._data = value._data
        made_there = isinstance(value._vc, InferenceCell)  # not the method: lazy parameters refuse it
        if made_there and not isinstance(self._vc, InferenceCell):
            self._vc = GivenCell((0, None), self._vc if self._vc.__class__ is list else None)
        elif self._vc.__class__ is GivenCell and not made_there:
            self._vc = self._vc.shared
        elif self._vc.__class__ is InferenceCell and not made_there:
            self._vc = UncountedCell((0, None))

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    @property
    def _version(self) -> int:
        cell = self._vc
        if cell.__class__ is InferenceCell:
            raise RuntimeError(UNCOUNTED)
        if cell.__class__ is GivenCell:
            cell = cell.shared
        return 0 if cell is None else int(cell[0]) % DETACHED

    @property
    def _base(self) -> Any:
        return None if self._view is None else self._view.base

    def _is_view(self) -> bool:
        return self._view is not None

    @property
    def retains_grad(self) -> bool:
        """Whether a non-leaf keeps its gradient (`retain_grad`)."""
        return self._retains

    def retain_grad(self) -> None:
        """Keep this non-leaf's gradient in `.grad` during backward."""
        if modes.levels:
            raise RuntimeError(
                "You are attempting to call Tensor.retain_grad() inside of a function being transformed by a "
                "functorch transform. This is unsupported, please attempt to use the functorch transforms "
                "(e.g. grad, vjp, jacrev, jacfwd, hessian) or call retain_grad() outside of a function being "
                "transformed instead."
            )
        if not self._req:
            refuse_hook(self, "can't retain_grad on Tensor that has requires_grad=False")
        if self._retains or not self._recorded():
            return
        node: Any = self.grad_fn
        self._retains = True
        node._hooks().retain[self.output_nr] = weakref.ref(self)

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook(grad)` with this tensor's gradient during backward; it may return another one."""
        if not self._req:
            refuse_hook(self, "cannot register a hook on a tensor that doesn't require gradient")
        node = self.grad_fn
        hooks = (leaf_hooks(self) if node is None else node._hooks()).tensor_hooks(self.output_nr)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Call `hook(self)` after a gradient has been added to `.grad` of this leaf."""
        if not self._req:
            refuse_hook(self, "cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        hooks = leaf_hooks(self).after_accumulate
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def backward(
        self,
        gradient: Any = None,
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

    def detach(self) -> Self:
        """The same memory without history; in-place writes are seen by both version counters."""
        if self._owner is not None:
            return self._owner.detached(self)  # type: ignore[no-any-return]
        cell_of(self)
        t = left("detach", alias(self, None), self)
        if isinstance(t._vc, InferenceCell) and not modes.inference:
            t._vc = GivenCell((0, None))
        return t  # type: ignore[no-any-return]

    def detach_(self) -> Self:
        """Cut this tensor off its history, in place."""
        if modes.inference or self._vc.__class__ is InferenceCell:
            return self
        if self._owner is not None and self._owner.writes:
            self._data.tangent = None
            self._data.primal.detach_()
        if self._view is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel "
                "(DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of DDP "
                "buckets, and hence detach_() cannot be called on these gradients. To fix this error, please "
                "refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
            )
        if self._node is not None and not isinstance(self._vc, InferenceCell):
            cell_of(self)[0] += DETACHED
        self._node = None
        inherit(self, False)
        left("detach_", self, self)
        self._req = False
        return self


def _cpp_dtype(t: Any) -> str:
    return "long int" if t.dtype is dtypes.int64 else dtypes.CPP_NAME[t.dtype]


# Errors of Python itself name a method after its class: to users that is Tensor.
for _name, _value in vars(Tracked).items():
    if isinstance(_value, FunctionType):
        _value.__qualname__ = f"Tensor.{_name}"


def _cast_gradient(leaf: Any) -> None:
    """Bring an accumulated gradient into the dtype that was asked for."""
    wanted = leaf.grad_dtype
    if wanted is not None and leaf._grad is not None and leaf._grad.dtype is not wanted:
        leaf._grad = leaf._grad.to(wanted)
