"""Samples to batches: lists of equal samples become one sample of tensors with one more dimension."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ....dtypes import float64
from ....functions import as_tensor, stack, tensor
from ....tensor import Tensor

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

# PyTorch's name of the kinds below, as a pattern for the names of NumPy's dtypes.
np_str_obj_array_pattern = re.compile(r"[SaUO]")

# Kinds of NumPy arrays that cannot become tensors: bytes, text, objects.
_NOT_NUMBERS = "SaUO"

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def rebuilt_mapping(like: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """Values in a mapping of a given one's type, or in a plain one if that type cannot be made so."""
    try:
        if isinstance(like, MutableMapping):
            clone = copy.copy(like)
            clone.update(values)
            return clone
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def rebuilt_sequence(like: Sequence[Any], values: list[Any]) -> Any:
    """Values in a sequence of a given one's type, or in a plain list if that type cannot be made so."""
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for place, value in enumerate(values):
                clone[place] = value
            return clone
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def default_convert(data: Any) -> Any:
    """Turn the NumPy arrays in a sample into tensors; used where samples are not batched.

    Args:
        data: a sample: arrays, mappings and sequences of arrays, or anything else.

    Returns:
        The same with tensors; tuples become lists.

    Example:
        >>> import numpy as np
        >>> from cotangent.utils.data import default_convert
        >>> default_convert([np.array([1, 2]), "text"])
        [tensor([1, 2]), 'text']
    """
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in _NOT_NUMBERS else as_tensor(data)
    if isinstance(data, np.generic) and not isinstance(data, (np.str_, np.bytes_)):
        return as_tensor(data)
    if isinstance(data, Mapping):
        return rebuilt_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        values = [default_convert(value) for value in data]
        return type(data)(*values) if hasattr(data, "_fields") else values
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return rebuilt_sequence(data, [default_convert(value) for value in data])
    return data


def collate(batch: Any, *, collate_fn_map: dict[Any, Callable[..., Any]] | None = None) -> Any:
    """Batch samples by functions that are given per type.

    Args:
        batch: samples of equal structure.
        collate_fn_map: functions by the type (or types) of element they batch. Mappings and sequences that
            it does not name are gone into.

    Returns:
        The batch.

    Raises:
        RuntimeError: if sequences are of different lengths.
        TypeError: for a type that nothing is known about.

    Example:
        >>> from cotangent.utils.data._utils.collate import collate
        >>> collate([{"a": 1}, {"a": 2}], collate_fn_map={int: lambda batch, **rest: sum(batch)})
        {'a': 3}
    """
    element = batch[0]
    for kind in (type(element), *(collate_fn_map or ())):
        function = (collate_fn_map or {}).get(kind)
        if function is not None and isinstance(element, kind):
            return function(batch, collate_fn_map=collate_fn_map)

    def again(samples: Any) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(element, Mapping):
        return rebuilt_mapping(element, {key: again([sample[key] for sample in batch]) for key in element})
    if isinstance(element, tuple) and hasattr(element, "_fields"):
        return type(element)(*(again(samples) for samples in zip(*batch)))
    if isinstance(element, Sequence):
        if any(len(sample) != len(element) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [again(samples) for samples in zip(*batch)]
        return columns if isinstance(element, tuple) else rebuilt_sequence(element, columns)
    raise TypeError(default_collate_err_msg_format.format(type(element)))


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Tensors of one shape, stacked."""
    return stack(batch, 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Arrays of numbers as one tensor."""
    if batch[0].dtype.kind in _NOT_NUMBERS:
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """NumPy's numbers as a tensor."""
    return as_tensor(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Floats as a tensor of float64."""
    return tensor(batch, dtype=float64)


def collate_int_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Integers as a tensor."""
    return tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Texts as they are."""
    return batch


default_collate_fn_map: dict[Any, Callable[..., Any]] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """Batch samples: tensors are stacked, numbers become a tensor, mappings and sequences are gone into.

    Args:
        batch: samples of equal structure.

    Returns:
        The batch; tuples become lists, texts are listed.

    Raises:
        RuntimeError: if sequences are of different lengths.
        TypeError: for a type that cannot be batched.

    Example:
        >>> from cotangent.utils.data import default_collate
        >>> default_collate([(1, 2.0), (3, 4.0)])
        [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
