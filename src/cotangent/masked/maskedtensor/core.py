"""The class of tensors of which a mask hides elements: `torch.masked.maskedtensor.core`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Final, NoReturn

from ... import dtypes
from ...autograd.function import Function, forward_and_context
from ...ops.table import is_tensor
from ...overriding import DisableTorchFunctionSubclass
from ...size import layout, sparse_coo, sparse_csr, strided
from ...tensor import Tensor
from .level import MASKED, same

__all__ = ["MaskedTensor", "is_masked_tensor"]

_PROTOTYPE: Final = (
    "The PyTorch API of MaskedTensors is in prototype stage and will change in the near future. Please open "
    "a Github issue for features requests and see our documentation on the torch.masked module for further "
    "information about the project."
)
_HISTORY: Final = (
    "It is not recommended to create a MaskedTensor with a tensor that requires_grad. To avoid this, you can "
    "use data.detach().clone()"
)
_DTYPES: Final = frozenset(
    (
        dtypes.float16, dtypes.float32, dtypes.float64, dtypes.bool_, dtypes.int8, dtypes.int16, dtypes.int32,
        dtypes.int64,
    )
)  # fmt: skip


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether a value is a MaskedTensor.

    Args:
        obj: anything.

    Example:
        >>> import cotangent as torch
        >>> torch.masked.is_masked_tensor(torch.ones(2))
        False
    """
    return isinstance(obj, MaskedTensor)


class GetData(Function):
    """The numbers of a MaskedTensor, also the hidden ones; its mask hides elements of the gradient, too."""

    @staticmethod
    def forward(ctx: Any, masked: Any) -> Any:
        ctx.mask = masked._data.mask
        return masked._data.data.detach()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g if is_masked_tensor(g) else MASKED.made(g, ctx.mask)


class Constructor(Function):
    """A MaskedTensor of an ordinary one; gradients keep their masks, or lose them where `whole` asks it."""

    @staticmethod
    def forward(ctx: Any, data: Any, mask: Any, whole: bool) -> Any:
        ctx.whole = whole
        return checked(data.detach().clone(), mask.clone())

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return data_of(g) if ctx.whole and is_masked_tensor(g) else g, None, None


# Their backward gets and gives MaskedTensors, whatever the run started from.
for _function in (GetData, Constructor):
    _function._backward_cls.wants_tensors = True


def data_of(t: Any) -> Any:
    """The numbers of a MaskedTensor as an ordinary tensor that leads to it."""
    return forward_and_context(GetData, (t,), {})[0]


def masked_from(data: Any, mask: Any, whole: bool = False) -> Any:
    """A MaskedTensor that leads to the tensor of its numbers.

    Args:
        data: the numbers.
        mask: True where one is let through.
        whole: whether the gradient for the numbers is an ordinary tensor.
    """
    _warn(data)
    return forward_and_context(Constructor, (data, mask, whole), {})[0]


def _warn(data: Any) -> None:
    warnings.warn(_PROTOTYPE, stacklevel=3)
    if data.requires_grad:
        warnings.warn(_HISTORY, stacklevel=3)


def checked(data: Any, mask: Any) -> Any:
    """A MaskedTensor of numbers and a mask that fit each other.

    Raises:
        TypeError: for dtypes and layouts that there are none of.
        ValueError: for shapes or places of numbers that differ.
    """
    if data.layout is not mask.layout:
        raise TypeError("data and mask must have the same layout.")
    if data.layout is sparse_coo:
        data, mask = data.coalesce(), mask.coalesce()
    elif data.layout not in (strided, sparse_csr):
        raise TypeError(f"data layout of {data.layout} is not supported.")
    if data.layout is sparse_coo and not same(data.indices(), mask.indices()):
        raise ValueError("data and mask are both sparse COO tensors but do not have the same indices.")
    if data.layout is sparse_csr and not (
        same(data.crow_indices(), mask.crow_indices()) and same(data.col_indices(), mask.col_indices())
    ):
        raise ValueError(
            "data and mask are both sparse CSR tensors but do not share either crow or col indices."
        )
    if mask.dtype is not dtypes.bool_:
        raise TypeError("mask must have dtype bool.")
    if data.dtype not in _DTYPES:
        raise TypeError(f"{data.dtype} is not supported in MaskedTensor.")
    if data.dim() != mask.dim():
        raise ValueError("data.dim() must equal mask.dim()")
    if data.size() != mask.size():
        raise ValueError("data.size() must equal mask.size()")
    return MASKED.made(data, mask)


class MaskedTensor(Tensor):
    """A tensor of which a mask hides elements: they take no part in anything.

    Args:
        data: the numbers: strided, COO or CSR.
        mask: a bool tensor of the same shape and layout; True lets a number through.
        requires_grad: whether gradients are collected.

    Raises:
        TypeError: for what is no tensor, and for dtypes and layouts that there are none of.
        ValueError: for shapes or places of numbers that differ.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> warnings.simplefilter("ignore")
        >>> x = torch.masked.masked_tensor(
        ...     torch.tensor([1.0, 2.0, 4.0]), torch.tensor([True, False, True]), requires_grad=True)
        >>> x
        MaskedTensor(
          [  1.0000,       --,   4.0000]
        )
        >>> x.sqrt().sum().backward()
        >>> x.grad
        MaskedTensor(
          [  0.5000,       --,   0.2500]
        )
    """

    # What is done differently from the level's general way: name of a function -> what does it.
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}

    def __new__(cls, data: Any, mask: Any, requires_grad: bool = False) -> Any:
        if is_masked_tensor(data) or not is_tensor(data):
            raise TypeError("data must be a Tensor")
        if is_masked_tensor(mask) or not is_tensor(mask):
            raise TypeError("mask must be a Tensor")
        _warn(data)
        made = checked(data.detach().clone(), mask.detach().clone())
        return made.requires_grad_() if requires_grad else made

    def __init__(self, data: Any, mask: Any, requires_grad: bool = False) -> None:
        pass  # all is done in __new__: the same numbers may come from elsewhere, too

    @classmethod
    def __torch_function__(
        cls, func: Any, types: tuple[type, ...], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The function, done with what masks let through."""
        kwargs = kwargs or {}
        taken = MaskedTensor.FUNCTIONS.get(getattr(func, "__name__", ""))
        if taken is not None:
            return taken(*args, **kwargs)
        if not all(issubclass(cls, t) for t in types):
            return NotImplemented
        with DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    def get_data(self) -> Any:
        """The numbers, also the hidden ones."""
        return data_of(self)

    def get_mask(self) -> Any:
        """The mask: True where a number is let through."""
        return self._data.mask

    def to_tensor(self, value: Any) -> Any:
        """An ordinary tensor, with a number in place of the hidden ones.

        Args:
            value: that number.
        """
        return self.get_data().masked_fill(~self.get_mask(), value)

    @property
    def _masked_data(self) -> Any:
        return self._data.data

    @property
    def _masked_mask(self) -> Any:
        return self._data.mask

    @property
    def data(self) -> Any:
        """The same numbers and mask, without history."""
        return MASKED.detached(self)

    @data.setter
    def data(self, value: Any) -> None:
        if not is_masked_tensor(value):
            raise RuntimeError(
                "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
                "incompatible tensor type."
            )
        self._data = value._data

    def stride(self, dim: int | None = None) -> Any:
        """Steps in the memory of the numbers.

        Args:
            dim: which; all of them by default.
        """
        return self._data.data.stride() if dim is None else self._data.data.stride(dim)

    @property
    def layout(self) -> layout:
        """How the numbers are stored."""
        found: layout = self._data.data.layout
        return found

    def is_sparse_coo(self) -> bool:
        """Whether only some numbers are stored, with their places."""
        return self.layout is sparse_coo

    def is_sparse_csr(self) -> bool:  # type: ignore[override]
        """Whether only some numbers are stored, row by row."""
        return self.layout is sparse_csr

    @property
    def is_sparse(self) -> bool:
        """Whether only some numbers are stored."""
        return self.layout in (sparse_coo, sparse_csr)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the numbers lie in order.

        Raises:
            ValueError: for sparse ones.
        """
        if self.is_sparse:
            raise ValueError("MaskedTensors with sparse data do not have is_contiguous")
        data = self._data.data
        options = {} if memory_format is None else {"memory_format": memory_format}
        return bool(data.is_contiguous(**options))

    def tolist(self) -> NoReturn:
        """Not there: lists have no hidden elements.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f".tolist() is not supported for tensor subclasses, got {type(self).__name__}")

    def numpy(self, *, force: bool = False) -> NoReturn:
        """Not there: arrays have no hidden elements.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(".numpy() is not supported for tensor subclasses.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            if not self.is_leaf:
                raise RuntimeError(
                    "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                    "protocol at the moment.  If you were attempting to deepcopy a module, this may be "
                    "because of a torch.nn.utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
                )
            made = MASKED.made(self._data.data.clone(), self._data.mask.clone())
            memo[id(self)] = made.requires_grad_(self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:  # type: ignore[override]
        data, mask = self._data.data, self._data.mask
        if data.layout is not strided:
            data, mask = data.to_dense(), mask.to_dense()
        if data.dim() == 0:
            shown = _number(data.item()) if mask.item() else "--"
            return f"MaskedTensor({shown}, {mask.item()})"
        lines = "\n".join("  " + line for line in _text(data, mask).split("\n"))
        return f"MaskedTensor(\n{lines}\n)"


def _number(value: Any) -> str:
    return f"{value:8.4f}" if isinstance(value, float) else str(value)


def _text(data: Any, mask: Any) -> str:
    """Numbers in rows of one width, hidden ones as dashes."""
    if data.dim() == 1:
        pairs = zip(data.tolist(), mask.tolist(), strict=True)
        shown = [_number(value) if seen else None for value, seen in pairs]
        width = max([8 if text is None else len(text) for text in shown], default=0)
        return "[" + ", ".join("--".rjust(width) if text is None else text for text in shown) + "]"
    rows = [_text(*pair).replace("\n", "\n  ") for pair in zip(data, mask, strict=True)]
    return "[\n" + ",\n".join("  " + row for row in rows) + "\n]"


MASKED.kind = MaskedTensor
