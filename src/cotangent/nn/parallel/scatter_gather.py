"""Arguments dealt out to devices and results collected from them, of which there are none but the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...tensor import Tensor
from ...tree import is_namedtuple_class

__all__ = ["gather", "is_namedtuple", "scatter", "scatter_kwargs"]


def is_namedtuple(obj: Any) -> bool:
    """Whether a value is a named tuple.

    Args:
        obj: anything.
    """
    return is_namedtuple_class(type(obj))


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """A copy of a value for each device; tensors would be cut, which needs the devices.

    Args:
        inputs: containers of anything.
        target_gpus: the devices.
        dim: along which to cut tensors.

    Raises:
        ValueError: for tensors that are to stay on the CPU.
        AssertionError: for tensors, as there are no such devices.

    Example:
        >>> from cotangent.nn.parallel.scatter_gather import scatter
        >>> scatter([1, {"a": 2}], [0, 1])
        [[1, {'a': 2}], [1, {'a': 2}]]
    """
    if isinstance(inputs, Tensor):
        for place in target_gpus:
            if str(place).startswith("cpu"):
                raise ValueError(f"Expected a non cpu device, but got: {place}")
        raise AssertionError("Torch not compiled with CUDA enabled")
    count = len(target_gpus)
    if isinstance(inputs, dict):
        pairs = [scatter(pair, target_gpus, dim) for pair in inputs.items()]
        return [type(inputs)(pair[k] for pair in pairs) for k in range(count)]
    if isinstance(inputs, (list, tuple)):
        parts = [scatter(value, target_gpus, dim) for value in inputs]
        dealt = [[part[k] for part in parts] for k in range(count)]
        if is_namedtuple(inputs):
            return [type(inputs)(*values) for values in dealt]
        return dealt if isinstance(inputs, list) else [tuple(values) for values in dealt]
    return [inputs for _ in target_gpus]


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The arguments of a call, for each device: (positional ones, those by name).

    Args:
        inputs: the positional arguments.
        kwargs: the others.
        target_gpus: the devices.
        dim: along which to cut tensors.
    """
    return tuple(scatter(inputs, target_gpus, dim)), tuple(scatter(kwargs or {}, target_gpus, dim))


def gather(outputs: Sequence[Any], target_device: Any, dim: int = 0) -> Any:
    """One value from those of the devices; tensors would be joined, which needs devices that they come from.

    Args:
        outputs: what the devices gave: tensors, None, or containers of them.
        target_device: where the whole is to be.
        dim: along which to join tensors.

    Raises:
        AssertionError: for tensors on the CPU.
        TypeError: for other values.
    """
    first = outputs[0]
    if isinstance(first, Tensor):
        raise AssertionError("Gather function not implemented for CPU tensors")
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)((key, gather([out[key] for out in outputs], target_device, dim)) for key in first)
    collected = [gather(values, target_device, dim) for values in zip(*outputs, strict=True)]
    return type(first)(*collected) if is_namedtuple(first) else type(first)(collected)
