"""Tensors whose examples differ in size: `torch.nested`.

In the layout `torch.jagged` one dimension may differ; such tensors take part in training as others do.
"""

from __future__ import annotations

from typing import Any

from ..autograd.modes import no_grad
from ..creation import as_tensor
from ..dtypes import int64
from ..functions import arange, cat, tensor as _tensor
from ..nn.functional import pad
from ..size import jagged, strided
from ..tensor import Tensor
from . import computing as _computing, shaping as _shaping  # noqa: F401  # these enter what tensors do
from .buffered import strided_from, strided_tensor
from .ragged import from_list, make

__all__ = [
    "as_nested_tensor", "masked_select", "narrow", "nested_tensor", "nested_tensor_from_jagged",
    "to_padded_tensor",
]  # fmt: skip


def _unsupported(layout: Any, where: str = "nested tensors") -> RuntimeError:
    return RuntimeError(f"Specified layout is unsupported for {where}: {layout}")


def _contents(t: Any) -> Any:
    return t if isinstance(t, Tensor) else as_tensor(t)


def nested_tensor(
    tensor_list: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Any:
    """A nested tensor with a copy of the examples, a leaf.

    Args:
        tensor_list: the examples: tensors, or what `torch.tensor` takes, all of as many dimensions.
        dtype: of the result; that of the first example by default.
        layout: `torch.strided` (the default) or `torch.jagged`.
        device: of the result.
        requires_grad: whether operations with it are recorded.
        pin_memory: accepted.

    Raises:
        RuntimeError: for examples that make no nested tensor.

    Example:
        >>> import cotangent as torch
        >>> x = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged)
        >>> x.shape[0], x.shape[2], x.offsets()
        (2, 3, tensor([0, 2, 6]))
        >>> (2 * x).sum(1)
        tensor([[4., 4., 4.],
                [8., 8., 8.]])
    """
    if layout is None or layout is strided:
        return strided_tensor(tensor_list, dtype, device, requires_grad)
    if layout is not jagged:
        raise _unsupported(layout)
    with no_grad():
        made = from_list([_contents(t) for t in tensor_list], dtype, device)
        made._values = made._values.detach()
    made._values.requires_grad_(requires_grad)
    return made


def as_nested_tensor(ts: Any, dtype: Any = None, device: Any = None, layout: Any = None) -> Any:
    """A nested tensor with the history of its examples.

    Args:
        ts: a tensor whose first dimension is that of the examples, or a list of tensors; a nested tensor is
            returned as it is.
        dtype: of the result.
        device: of the result.
        layout: `torch.strided` (the default) or `torch.jagged`.

    Raises:
        TypeError, RuntimeError: for what makes no nested tensor.

    Example:
        >>> import cotangent as torch
        >>> a, b = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
        >>> (torch.nested.as_nested_tensor([a, b], layout=torch.jagged) * 3).sum().backward()
        >>> a.grad, b.grad
        (tensor([3., 3.]), tensor([3., 3., 3.]))
    """
    listed = isinstance(ts, (list, tuple)) and all(isinstance(t, Tensor) for t in ts)
    if not isinstance(ts, Tensor) and not listed:
        raise TypeError(
            "as_nested_tensor(): Expected first argument to be a tensor or a list / tuple of tensors "
        )
    if isinstance(ts, Tensor):
        if ts.dim() < 2:
            raise RuntimeError("as_nested_tensor(): Expected tensor argument to have dim() > 1")
        if ts.is_nested:
            if layout is not ts.layout:
                raise RuntimeError(
                    "as_nested_tensor(): Converting between nested tensor layouts is not supported"
                )
            return ts.to(device=device, dtype=dtype)
    if layout is None or layout is strided:
        return strided_from(list(ts.unbind() if isinstance(ts, Tensor) else ts), dtype, device)
    if layout is not jagged:
        raise _unsupported(layout)
    if isinstance(ts, Tensor):
        values = ts.contiguous().flatten(0, 1).to(device=device, dtype=dtype)
        batch, steps = ts.shape[:2]
        offsets = arange(batch + 1, dtype=int64) * steps
        return make(values, offsets, None, 1, {"min": steps, "max": steps})
    return from_list(list(ts), dtype, device)


def nested_tensor_from_jagged(
    values: Any,
    offsets: Any = None,
    lengths: Any = None,
    jagged_dim: int | None = None,
    min_seqlen: int | None = None,
    max_seqlen: int | None = None,
) -> Any:
    """A nested tensor of values that lie behind each other, a view of them.

    Args:
        values: (all elements of the ragged dimension, ...).
        offsets: where each example begins in it, and the end: (B + 1,).
        lengths: how long each is: (B,); with `offsets` there may be holes.
        jagged_dim: the ragged dimension, counted with the batch's; 1 by default.
        min_seqlen: the smallest length, if known.
        max_seqlen: the largest length, if known.

    Raises:
        RuntimeError: if there are neither offsets nor lengths.
        ValueError: for a ragged dimension that is the batch's.

    Example:
        >>> import cotangent as torch
        >>> x = torch.nested.nested_tensor_from_jagged(torch.arange(6.0), torch.tensor([0, 2, 3, 6]))
        >>> x.unbind()
        (tensor([0., 1.]), tensor([2.]), tensor([3., 4., 5.]))
    """
    if offsets is None:
        if lengths is None:
            raise RuntimeError("nested_tensor_from_jagged(): At least one of offsets or lengths is required.")
        offsets, lengths = pad(lengths.cumsum(0), (1, 0)), None
    if jagged_dim is None:
        jagged_dim = 1
    elif jagged_dim < 1:
        raise ValueError(f"Expected jagged_dim >=1, but got {jagged_dim}.")
    known = {"min": min_seqlen, "max": max_seqlen}
    extremes = {name: n for name, n in known.items() if n is not None}
    return make(values[...], offsets, lengths, jagged_dim, extremes)


def narrow(tensor: Any, dim: int, start: Any, length: Any, layout: Any = strided) -> Any:
    """A range of a dimension of each example, another one for each if the layout is `torch.jagged`.

    Args:
        tensor: (B, steps, ...).
        dim: the dimension; 1 for `torch.jagged`.
        start: where the range begins, a number or one for each example.
        length: how long it is, likewise.
        layout: `torch.strided`, which copies, or `torch.jagged`, which is a view with holes.

    Raises:
        RuntimeError: for other dimensions, layouts and types.

    Example:
        >>> import cotangent as torch
        >>> x = torch.arange(8.0).reshape(2, 4)
        >>> starts, lengths = torch.tensor([0, 1]), torch.tensor([1, 2])
        >>> torch.nested.narrow(x, 1, starts, lengths, layout=torch.jagged).unbind()
        (tensor([0.]), tensor([5., 6.]))
    """
    for name, value in (("start", start), ("length", length)):
        if not isinstance(value, (int, Tensor)):
            raise RuntimeError(f"{name} must be an integer or a tensor")
    if layout is strided:
        if isinstance(start, Tensor) or isinstance(length, Tensor):
            raise RuntimeError("start and length must be integers for the strided layout NT impl")
        return as_nested_tensor(tensor.unbind(), layout=strided).narrow(dim, start, length)
    if layout is not jagged:
        raise _unsupported(layout, "nested narrow")
    if dim != 1:
        raise RuntimeError("jagged layout only supports dim=1")
    batch = tensor.shape[0]
    starts = start if isinstance(start, Tensor) else _tensor([start])
    lengths = length if isinstance(length, Tensor) else _tensor([length])
    if not all(t.dim() <= 1 and t.numel() in (1, batch) for t in (starts, lengths)):
        raise RuntimeError(
            "When constructing a jagged nested tensor using narrow(), your start and length must be Tensors "
            "that broadcast to input.shape[0]"
        )
    if tensor.dim() < 2:
        raise AssertionError("tensor must at least be 2D for the nested narrow op to work")
    starts, lengths = starts.expand(batch), lengths.expand(batch)
    steps = tensor.shape[1]
    begins = starts + steps * arange(batch)
    offsets = cat([begins, (begins[-1] + lengths[-1]).unsqueeze(0)])
    values = tensor.view(-1, *tensor.shape[2:])
    extremes = {"min": int(lengths.min().item()), "max": int(lengths.max().item())}
    first, last = int(offsets[0].item()), int(offsets[-1].item())
    # Whole examples from the first start to the last end leave no holes.
    gaps = bool((lengths[1:-1] != steps).any()) or bool((offsets[1:-2].diff() != steps).any())
    if not gaps and first + int(lengths[0].item()) == steps:
        return make(values[first:last], offsets - first, None, 1, extremes)
    return make(values[...], offsets, lengths, 1, extremes)


def masked_select(tensor: Any, mask: Any) -> Any:
    """The elements that a mask takes, row by row.

    Args:
        tensor: (..., steps).
        mask: booleans that broadcast to it.

    Raises:
        RuntimeError: for layouts other than `torch.strided`.

    Example:
        >>> import cotangent as torch
        >>> x = torch.arange(6.0).reshape(2, 3)
        >>> torch.nested.masked_select(x, x % 2 == 0).unbind()
        (tensor([0., 2.]), tensor([4.]))
    """
    if tensor.layout is not strided:
        raise RuntimeError(f"torch.nested.masked_select requires a strided tensor, given {tensor.layout}")
    if mask.layout is not strided:
        raise RuntimeError(f"torch.nested.masked_select requires a strided mask, given: {mask.layout}")
    counts = mask.expand(tensor.shape).sum(-1).reshape(-1)
    return make(tensor.masked_select(mask), pad(counts.cumsum(0), (1, 0)))


def to_padded_tensor(input: Any, padding: float, output_size: Any = None, out: Any = None) -> Any:
    """The examples side by side in a tensor, with a number where they have ended.

    Args:
        input: nested tensor.
        padding: the number.
        output_size: the sizes; those that hold all examples by default.
        out: unsupported.

    Raises:
        RuntimeError: for sizes that do not hold all examples.

    Example:
        >>> import cotangent as torch
        >>> x = torch.nested.nested_tensor([[1.0, 2.0], [3.0]], layout=torch.jagged)
        >>> torch.nested.to_padded_tensor(x, 0.0)
        tensor([[1., 2.],
                [3., 0.]])
    """
    return input.to_padded_tensor(padding, output_size)
