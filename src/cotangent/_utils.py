"""What programs take from `torch._utils`: tensors in one piece, errors of workers, pieces of files."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from . import lazy
from .dtypes import dtype as _dtype
from .functions import cat
from .size import device as _device
from .tensor import Tensor

__all__ = [
    "ExceptionWrapper", "_element_size", "_flatten_dense_tensors", "_get_all_device_indices",
    "_get_available_device_type", "_get_device_index", "_import_dotted_name", "_reorder_tensors_as",
    "_take_tensors", "_unflatten_dense_tensors", "classproperty",
]  # fmt: skip

# Both packages import this module, in a process that begins with them.
_parameter = lazy.module("cotangent.nn.parameter")
_rebuild = lazy.module("cotangent.serialization.rebuild")


def __getattr__(name: str) -> Any:
    """What pickled tensors and parameters are made of again."""
    if name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
        return getattr(_parameter, name)
    if name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
        return getattr(_rebuild, name[1:])
    raise AttributeError(f"module 'cotangent._utils' has no attribute {name!r}")



class ExceptionWrapper:
    """An exception on its way from a worker to whoever waits for it, with its traceback.

    Args:
        exc_info: what `sys.exc_info()` gives; by default that of the exception being handled.
        where: where it was raised, as the message says it.
    """

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        if exc_info is None:
            exc_info = sys.exc_info()
        self.exc_type: Any = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self) -> None:
        """Raise an exception of the same type, whose message holds the original traceback."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            raise KeyError(_Literal(text))
        named = getattr(self.exc_type, "message", None)
        try:
            error = self.exc_type(message=text) if named else self.exc_type(text)
        except Exception:  # an exception that is not made of a text
            raise RuntimeError(text) from None
        raise error


class _Literal(str):
    """A text that a KeyError shows with its line breaks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class classproperty:
    """A property of the class itself.

    Args:
        func: gives its value for the class.
    """

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self.func(owner)


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Any:
    """The elements of all tensors in one of one dimension; of a single one, a view if it lies so."""
    flat = [t.contiguous().view(-1) for t in tensors]
    return flat[0] if len(flat) == 1 else cat(flat)


def _unflatten_dense_tensors(flat: Any, tensors: Iterable[Tensor]) -> tuple[Any, ...]:
    """Views of one flat tensor with the shapes of others, one after the other."""
    views, start = [], 0
    for like in tensors:
        size = like.numel()
        # PyTorch keeps empty ones out of the flat memory, too.
        views.append(flat.narrow(0, start, size).view(like.shape) if size else flat.new_empty(like.shape))
        start += size
    return tuple(views)


def _take_tensors(tensors: Iterable[Tensor], size_limit: int) -> Iterator[list[Tensor]]:
    """Groups of tensors of one type, in order, each of at most so many bytes unless it is a single one."""
    open_groups: dict[str, tuple[list[Tensor], int]] = defaultdict(lambda: ([], 0))
    for each in tensors:
        kind = str(each.type())
        group, held = open_groups[kind]
        size = each.numel() * each.element_size()
        if group and held + size > size_limit:
            yield group
            group, held = [], 0
        group.append(each)
        open_groups[kind] = group, held + size
    for group, _ in open_groups.values():
        if group:
            yield group


def _reorder_tensors_as(tensors: Iterable[Tensor], ordered_tensors: Iterable[Tensor]) -> tuple[Any, ...]:
    """Tensors that `_take_tensors` has grouped by type, in the order of types that others have."""
    by_type = defaultdict(list)
    for each in tensors:
        by_type[each.type()].append(each)
    waiting = {kind: iter(group) for kind, group in by_type.items()}
    return tuple(next(waiting[like.type()]) for like in ordered_tensors)


def _get_available_device_type() -> None:
    """The kind of accelerator there is: none."""
    return None


def _get_all_device_indices() -> None:
    """The numbers of all accelerators: there are none."""
    return None


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int | None:
    """The number of an accelerator, given as device, name or number; -1 for the CPU, where allowed."""
    if isinstance(device, str):
        device = _device(device)
    if isinstance(device, _device):
        if device.type == "cpu" and not allow_cpu:
            raise ValueError(f"Expected a non cpu device, but got: {device}")
        return -1 if device.type == "cpu" else device.index
    if isinstance(device, int):
        return device
    if not optional:
        raise ValueError(f"Expected a torch.device with a specified index or an integer, but got:{device}")
    return None


def _import_dotted_name(name: str) -> Any:
    """What a name such as "torch.nn.Linear" stands for, its module imported."""
    first, *rest = name.split(".")
    found: Any = importlib.import_module(first)
    for part in rest:
        found = getattr(found, part)
    return found


def _element_size(dtype: Any) -> int:
    """The bytes of one element of a dtype.

    Args:
        dtype: the dtype.

    Raises:
        RuntimeError: for anything else.
    """
    if not isinstance(dtype, _dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    return dtype.itemsize
