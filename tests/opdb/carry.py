"""Arguments of a call, taken out of PyTorch and made anew in either library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from samples.case import numpy_dtype
from samples.library import xp

from .translate import translated


class Foreign(Exception):
    """A tensor NumPy cannot hold (sparse, complex32, 8-bit floats)."""


_UNHELD: Final = ("complex32", "float8", "float4", "bits", "quint", "qint", "int1", "int2", "int3", "uint1 ")


@dataclass(frozen=True)
class Carried:
    """A tensor: its whole storage, and where in that the tensor is.

    Strides are PyTorch's, counted in elements.
    """

    storage: np.ndarray[Any, Any]
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    requires_grad: bool
    parameter: bool

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Other:
    """A value of PyTorch that is no tensor, with the name it prints under."""

    value: Any

    def __repr__(self) -> str:
        return getattr(self.value, "__name__", None) or str(self.value)


def carried(value: Any, known: dict[int, Carried] | None = None) -> Any:
    """A nest of arguments without tensors: `Carried` in their places.

    Raises:
        Foreign: for a tensor that NumPy cannot hold.
    """
    known = {} if known is None else known
    if isinstance(value, torch.Tensor):
        if id(value) not in known:
            known[id(value)] = _taken(value)
        return known[id(value)]
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(carried(item, known) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(carried(item, known) for item in value)
    if isinstance(value, dict):
        return {key: carried(item, known) for key, item in value.items()}
    if value is None or isinstance(
        value, bool | int | float | complex | str | slice | np.ndarray | np.generic
    ):
        return value
    return value if value is Ellipsis else Other(value)


def _taken(tensor: torch.Tensor) -> Carried:
    name = str(tensor.dtype).removeprefix("torch.")
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or name.startswith(_UNHELD):
        raise Foreign(f"{tensor.layout} {name}")
    plain = tensor.detach().resolve_conj().resolve_neg()
    flat = torch.empty(0, dtype=plain.dtype).set_(plain.untyped_storage())
    if name == "bfloat16":
        storage = flat.view(torch.int16).numpy().copy().view(numpy_dtype(name))
    else:
        storage = flat.numpy().copy()
    return Carried(
        storage, name, tuple(plain.shape), plain.stride(), plain.storage_offset(), tensor.requires_grad,
        isinstance(tensor, torch.nn.Parameter),
    )  # fmt: skip


def lifted(library: Any, value: Any, made: dict[int, Any], *, grad: bool) -> Any:
    """The nest with new tensors of `library`; equal places in it share one tensor.

    Args:
        made: the tensors made so far, by the identity of what they were made from.
        grad: whether tensors that required gradients do so again.
    """
    if isinstance(value, Carried):
        if id(value) not in made:
            made[id(value)] = _made(library, value, grad)
        return made[id(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(lifted(library, item, made, grad=grad) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(lifted(library, item, made, grad=grad) for item in value)
    if isinstance(value, dict):
        return {key: lifted(library, item, made, grad=grad) for key, item in value.items()}
    if isinstance(value, Other):
        return translated(value.value) if library is xp else value.value
    return value


def array_of(value: Carried) -> np.ndarray[Any, Any]:
    """A new array with the tensor's values and strides."""
    storage = value.storage.copy()
    size = storage.itemsize
    if 0 in value.shape:
        return np.empty(value.shape, storage.dtype)
    steps = tuple(step * size for step in value.strides)
    return np.ndarray(value.shape, storage.dtype, storage, value.offset * size, steps)


def _made(library: Any, value: Carried, grad: bool) -> Any:
    array = array_of(value)
    if library is torch and value.offset:
        flat = value.storage.view(np.int16) if value.dtype == "bfloat16" else value.storage
        whole = torch.from_numpy(flat.copy()).view(getattr(torch, value.dtype))
        tensor = whole.as_strided(value.shape, value.strides, value.offset)
    elif library is torch and value.dtype == "bfloat16":
        tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        tensor = library.from_numpy(array)
    if value.parameter:
        tensor = library.nn.Parameter(tensor, requires_grad=False)
    return tensor.requires_grad_() if grad and value.requires_grad else tensor


def tensors(library: Any, value: Any) -> list[Any]:
    """The tensors in a nest of tuples, lists and dicts, in order."""
    if isinstance(value, library.Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [found for item in value for found in tensors(library, item)]
    if isinstance(value, dict):
        return [found for item in value.values() for found in tensors(library, item)]
    return []


def places(tree: Any) -> list[Carried]:
    """The tensors of a nest of arguments, each once."""
    found: dict[int, Carried] = {}

    def walk(value: Any) -> None:
        if isinstance(value, Carried):
            found[id(value)] = value
        elif isinstance(value, tuple | list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)

    walk(tree)
    return list(found.values())


def put(tree: Any, made: dict[int, Carried]) -> Any:
    """A nest of arguments with other tensors in some places."""
    if isinstance(tree, Carried):
        return made.get(id(tree), tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(put(item, made) for item in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(put(item, made) for item in tree)
    if isinstance(tree, dict):
        return {key: put(item, made) for key, item in tree.items()}
    return tree
