"""What vmap cannot do, with PyTorch's errors: results whose shape each example decides for itself."""

from __future__ import annotations

from typing import Any


def is_mapped(*tensors: Any) -> bool:
    """Whether one of the tensors holds the examples of a vmap, at whatever level."""
    for t in tensors:
        while (owner := getattr(t, "_owner", None)) is not None:
            if owner.is_batch:
                return True
            t = owner.below(t)
    return False


def refuse_shape(function: str, *tensors: Any) -> None:
    """Refuse a function whose result has another shape for each example."""
    if is_mapped(*tensors):
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap "
            f"over aten::{function}. Please file an issue at https://github.com/pytorch/pytorch/issues if "
            "you need this feature."
        )


def refuse_number(function: str, *tensors: Any) -> None:
    """Refuse a function that returns no tensor."""
    if is_mapped(*tensors):
        raise RuntimeError(
            f"Batching rule not implemented for aten::{function}. We could not generate a fallback."
        )


def refuse_mask(mask: Any) -> None:
    """Refuse to pick what a mask says, which is another number of elements for each example."""
    if is_mapped(mask):
        raise RuntimeError(
            "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch "
            "over indexing with a boolean mask."
        )


def refuse_select(mask: Any) -> None:
    """The same for `masked_select`."""
    if is_mapped(mask):
        raise RuntimeError(
            "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot support this "
            "because for each batch this would return a differently shaped Tensor. Please file an issue at "
            "https://github.com/pytorch/pytorch/issues if you need this feature."
        )


def refuse_ranks(function: str, a: Any, b: Any, wanted: tuple[int, int]) -> None:
    """Refuse examples of another number of dimensions than a product takes."""
    if (a.ndim, b.ndim) != wanted and is_mapped(a, b):
        raise RuntimeError(
            f"Shape mismatch: Got incorrect dims for {function}(a, b). a has dim {a.ndim}and b has dim "
            f"{b.ndim}but expected them to have dim {wanted[0]} and dim {wanted[1]}"
        )


def _whole(t: Any) -> Any:
    """All examples of a tensor together."""
    while (owner := t._owner) is not None:
        t = t._data.value if owner.is_batch else owner.below(t)
    return t


def _is_all_true(input: Any) -> Any:
    """Whether all elements of a bool tensor are true, of all examples inside vmap."""
    return _whole(input).all()


def _is_any_true(input: Any) -> Any:
    """Whether an element of a bool tensor is true, of any example inside vmap."""
    return _whole(input).any()
