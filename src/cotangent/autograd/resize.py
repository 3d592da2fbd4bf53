"""The memory of a tensor: its storage; `resize_` and `set_` give it other memory or another stretch.

Memory cannot grow in place under NumPy: a tensor that needs more gets new memory with its values, and
tensors that shared the old memory keep it.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..config import not_deterministic, warn_once
from ..dtypes import CPP_NAME
from ..errors import bad_argument
from ..kernels.deferred import layout as lying
from ..kernels.lent import NOT_RESIZABLE, is_lent
from ..kernels.shape import dense_strides, element_strides, in_memory, owner, storage_offset
from ..kernels.sparse import Coo
from ..kernels.unwritten import unwritten
from ..ops.arguments import compiler_name, integers, no_match
from ..ops.sections import check_strided
from ..ops.viewfronts import channels_order, is_contiguous
from ..size import channels_last, channels_last_3d, preserve_format
from ..storage import DEPRECATED, TypedStorage, UntypedStorage, check_storage, is_storage, typed
from .base import TensorBase, is_tensor, wrap
from .modes import modes
from .views import check_writable, count_write


def moved(t: Any) -> None:
    """Count a write to a tensor that got other memory; a leaf collects its gradient at a new place."""
    count_write(t)
    t._accumulator = None

# The most elements, or bytes, that a signed 64-bit number counts.
_MOST: Final = (1 << 63) - 1


def _order(memory_format: Any, n: int) -> tuple[int, ...] | None:
    """The order of dimensions in memory that a format asks for; None for that of the shape."""
    if memory_format is None:
        return None
    if memory_format is preserve_format:
        raise RuntimeError("Unsupported memory formatPreserve")
    return channels_order(memory_format, n)


def resize_(input: Any, *args: Any, size: Any = None, memory_format: Any = None) -> Any:
    """Give a tensor another shape over the same memory, or over more of it; new elements hold anything.

    Args:
        input: tensor that requires no gradient.
        args: the new sizes.
        size: the same as a keyword.
        memory_format: the order of dimensions in memory; that of the shape by default.

    Returns:
        the tensor.

    Raises:
        RuntimeError: if it requires a gradient.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([[1, 2], [3, 4]]).resize_(3)
        tensor([1, 2, 3])
    """
    shape = integers("resize_", "size", args or (size,))
    if input._req and not modes.inference:
        raise RuntimeError("cannot resize variables that require grad")
    if min(shape, default=0) < 0:
        raise RuntimeError("numel: integer multiplication overflow")
    held = data = input._data
    if data.__class__ is not np.ndarray and hasattr(data, "with_values"):  # quantised
        not_deterministic("quantized_resize_cpu_")
        data = data.values
    order = _order(memory_format, len(shape))
    if data.shape == shape and order is None:
        return input
    count = math.prod(shape)
    if count > _MOST:
        raise RuntimeError("numel: integer multiplication overflow")
    if not count and math.prod(max(n, 1) for n in shape[1:]) > _MOST:
        raise RuntimeError("Stride calculation overflowed")
    if count * data.itemsize > _MOST:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
    places = range(len(shape)) if order is None else order
    whole = tuple(shape[d] for d in places)
    offset = storage_offset(data)
    resized = in_memory(data, whole, dense_strides(whole), offset)
    if resized is None:
        resized = _longer(data, offset + count)[offset:].reshape(whole)
    resized = resized if order is None else resized.transpose(np.argsort(order))
    input._data = resized if held is data else held.with_values(resized)
    moved(input)
    return input


def _longer(data: Any, count: int) -> Any:
    """New memory of `count` elements that begins with what the memory behind an array holds."""
    if is_lent(data):
        raise RuntimeError(NOT_RESIZABLE)
    memory = unwritten(np.zeros(count, data.dtype))
    before = owner(data).ravel(order="K").view(np.uint8)
    memory.view(np.uint8)[: before.size] = before[: memory.nbytes]
    return memory


def resize_as_(input: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """`resize_` to the shape of another tensor.

    Args:
        input: tensor that requires no gradient.
        the_template: the tensor whose shape is wanted.
        memory_format: the order of dimensions in memory, `preserve_format` for that of the template.

    Returns:
        the tensor.

    Example:
        >>> import cotangent as torch
        >>> torch.arange(4).resize_as_(torch.ones(2, 2)).shape
        torch.Size([2, 2])
    """
    if not isinstance(the_template, TensorBase):
        bad_argument("resize_as_", "the_template", 1, "Tensor", the_template)
    if isinstance(input._data, Coo) and isinstance(the_template._data, Coo):
        sparse, ndim = the_template._data.sparse_dim, the_template._data.ndim
        return input.sparse_resize_(the_template._data.shape, sparse, ndim - sparse)
    if memory_format is preserve_format:
        kept = (channels_last, channels_last_3d)
        memory_format = next((f for f in kept if is_contiguous(the_template, memory_format=f)), None)
    return resize_(input, tuple(the_template._data.shape), memory_format=memory_format)


def set_(
    input: Any, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Any:
    """Make a tensor look at the memory of another one.

    Args:
        input: the tensor to change.
        source: the tensor or storage whose memory it gets; without one it becomes empty.
        storage_offset: where it begins in that memory, in elements.
        size: its shape; that of `source` by default (of a storage: all of it, in one dimension).
        stride: its strides in elements; contiguous by default.

    Returns:
        the tensor.

    Raises:
        RuntimeError: if `source` has another dtype, or its memory is too short.

    Example:
        >>> import cotangent as torch
        >>> x = torch.zeros(1)
        >>> x.set_(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    if input._req:
        check_writable(input)
    if is_storage(source):
        check_storage(source, input.dtype, CPP_NAME[input.dtype])
        source = wrap(typed(source, input.dtype))
    if source is None:
        data = np.empty(0, input._data.dtype)
    elif not is_tensor(source):
        no_match(
            "set_", (source,), "", "Tensor source", "Tensor source, int storage_offset, tuple of ints size"
        )
    elif source._req and modes.grad is not None:
        raise NotImplementedError("the derivative for 'set_' is not implemented.")
    elif source.dtype is not input.dtype:
        names = (compiler_name(t.dtype) for t in (source, input))
        raise RuntimeError("Could not set tensor of type {} to a tensor of type {}".format(*names))
    elif size is None:
        data = source._data
    else:
        shape = integers("set_", "size", (size,), 3)
        steps = dense_strides(shape) if stride is None else integers("set_", "stride", (stride,), 4)
        found = in_memory(source._data, shape, steps, storage_offset)
        if found is None and (input._data.shape != shape or element_strides(input._data) != steps):
            needed = storage_offset + 1 + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
            found = in_memory(_longer(source._data, needed), shape, steps, storage_offset)
        if found is None:
            check_strided(source._data, shape, steps, storage_offset)
        data = source._data if found is None else found
    input._data = data
    moved(input)
    return input


def untyped_storage(input: Any) -> UntypedStorage:
    """The whole memory that the tensor and its views look into, as bytes.

    Args:
        input: any tensor.

    Returns:
        a storage over the same memory: what is written to it shows in the tensor.

    Example:
        >>> import cotangent as torch
        >>> x = torch.zeros(2, 3)
        >>> x[1].untyped_storage().nbytes()
        24
    """
    if input.is_sparse:
        raise NotImplementedError("Cannot access storage of SparseTensorImpl")
    if (level := input._owner) is not None:
        if level.writes:  # a dual tensor lies where its primal does
            return untyped_storage(level.below(input))
        kind = "BatchedTensorImpl" if level.is_batch else "TensorWrapper"
        raise NotImplementedError(f"Cannot access storage of {kind}")
    if hasattr(input._data, "lives_on"):
        return UntypedStorage(input.nbytes, device="meta")
    return UntypedStorage.over(lying(input._data))


def _typed_storage(input: Any) -> TypedStorage:
    """`storage` without its warning."""
    return TypedStorage(wrap_storage=untyped_storage(input), dtype=input.dtype, _internal=True)


def storage(input: Any) -> TypedStorage:
    """The whole memory that the tensor and its views look into, as numbers; PyTorch deprecates it.

    Args:
        input: any tensor.

    Returns:
        a storage over the same memory.

    Example:
        >>> import cotangent as torch
        >>> import warnings
        >>> warnings.simplefilter("ignore")
        >>> torch.arange(6)[2:4].storage().size()
        6
    """
    warn_once(DEPRECATED)
    return _typed_storage(input)


METHODS: Final = ("resize_", "resize_as_", "set_", "untyped_storage", "storage", "_typed_storage")
FUNCTIONS: Final = ("resize_as_",)
