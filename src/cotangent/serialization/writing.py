"""`torch.save`: objects into PyTorch's files."""

from __future__ import annotations

import io
import os
import pickle
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import IO, Any, Final

import numpy as np

from ..autograd.base import TensorBase, wrap
from ..dtypes import dtype, uint8
from ..kernels.shape import address, dense_strides, element_strides, memory, owner
from ..kernels.sparse import Coo
from ..size import layout, sparse_coo
from ..storage import CLASSES, TypedStorage, UntypedStorage, class_name
from ..tensor import Tensor, slots_of
from . import rebuild, settings
from .archive import NATIVE, Writer, replaced
from .names import written_name

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION: Final = 1001
DEFAULT_PROTOCOL: Final = 2


class _SkipData(threading.local):
    """Whether `save` leaves the bytes of tensors out, in this thread."""

    def __init__(self) -> None:
        self.on = False


_skipping: Final = _SkipData()


@contextmanager
def skip_data(materialize_fake_tensors: bool = False) -> Iterator[None]:
    """`torch.save` inside the `with` block leaves room for the bytes of tensors without writing them.

    Args:
        materialize_fake_tensors: accepted as in PyTorch.

    Example:
        >>> import cotangent as torch, io
        >>> file = io.BytesIO()
        >>> with torch.serialization.skip_data():
        ...     torch.save(torch.ones(2), file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        tensor([0., 0.])
    """
    before, _skipping.on = _skipping.on, True
    try:
        yield
    finally:
        _skipping.on = before


class _Storages:
    """The blocks of memory that the objects of one file look into, each with its key."""

    def __init__(self, by_number: bool) -> None:
        self._by_number = by_number
        self._known: dict[int, tuple[str, Any]] = {}
        self.kinds: dict[str, dtype] = {}

    def key(self, block: np.ndarray[Any, Any], kind: dtype) -> str:
        """The key of a block of bytes."""
        # Empty blocks have addresses that mean nothing, and are not shared.
        place = address(block) if len(block) else id(block)
        found = self._known.get(place)
        if found is None:
            number = str(len(self._known)) if self._by_number else str(place)
            # The block is kept: another at the same place must not take its key while this file is written.
            found = self._known[place] = (number, block)
            self.kinds[number] = kind
        elif len(block) and self.kinds[found[0]] is not kind:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types"
            )
        return found[0]

    def blocks(self) -> dict[str, Any]:
        """The blocks by key."""
        return dict(self._known.values())


class _StorageOf:
    """Stands in a pickle for the storage of a tensor, under the dtype of that tensor."""

    __slots__ = ("array", "kind")

    def __init__(self, array: Any, kind: dtype | None) -> None:
        self.array = array
        self.kind = kind


def tensor_parts(t: Any) -> tuple[Any, tuple[Any, ...]]:
    """The function and arguments that a file makes a plain tensor of.

    Args:
        t: a tensor.

    Returns:
        PyTorch's rebuild function and its arguments, the storage first where there is one.
    """
    plain = t.detach()
    if isinstance(plain._data, Coo):
        return rebuild.rebuild_sparse_tensor, (t.layout, _sparse_parts(plain))
    if hasattr(plain._data, "lives_on"):
        return rebuild.rebuild_meta_tensor, (t.dtype, tuple(t.shape), t.stride(), t.requires_grad)
    # Conjugates and negatives that were never computed stay so: the memory goes with a mark.
    marks = {name: True for name, marked in (("conj", t.is_conj()), ("neg", t.is_neg())) if marked}
    plain = plain.conj() if "conj" in marks else plain
    plain = plain._neg_view() if "neg" in marks else plain
    data = plain._data
    if not isinstance(data, np.ndarray):
        raise RuntimeError("a tensor inside a function transform (vmap, grad, jvp, tracing) cannot be saved")
    if min(data.strides, default=0) < 0 or not np.may_share_memory(memory(data), owner(data)):
        data = data.copy()
    offset = (address(data) - address(memory(data))) // data.itemsize if data.size else 0
    strides = element_strides(data) if data.size else dense_strides(data.shape)
    common: tuple[Any, ...] = (offset, data.shape, strides, t.requires_grad, OrderedDict())
    metadata = (marks,) if marks else ()
    if class_name(t.dtype) in CLASSES:
        return rebuild.rebuild_tensor_v2, (_StorageOf(data, t.dtype), *common, *metadata)
    return rebuild.rebuild_tensor_v3, (_StorageOf(data, None), *common, t.dtype, *metadata)


def _sparse_parts(t: Any) -> tuple[Any, ...]:
    """What files keep of a sparse tensor; not whether it requires a gradient."""
    if t.layout is sparse_coo:
        return t._indices(), t._values(), t.shape, t.is_coalesced()
    return wrap(t._data.compressed), wrap(t._data.plain), wrap(t._data.raw), t.shape


def _own_attributes(t: Any) -> dict[str, Any]:
    # The engine keeps rare fields in __dict__, too; they are not part of the value.
    return {name: value for name, value in t.__dict__.items() if not hasattr(TensorBase, name)}


def _pickler(pickle_module: Any, storages: _Storages, legacy: bool) -> type:
    """A pickler class of that module (pickle, dill, ...) that writes tensors and names as PyTorch does."""
    base: Any = getattr(pickle_module, "_Pickler", pickle_module.Pickler)

    class Pickler(base):  # type: ignore[misc]
        """Writes PyTorch's names and keeps storages out of the pickle."""

        def persistent_id(self, obj: Any) -> Any:
            """The key of a storage."""
            if isinstance(obj, _StorageOf):
                block, kind = memory(obj.array), obj.kind
            elif isinstance(obj, TypedStorage):
                block, kind = obj.untyped()._array, obj.dtype
            elif isinstance(obj, UntypedStorage):
                block, kind = obj._array, None
            else:
                return None
            named = CLASSES[class_name(kind)] if kind is not None else UntypedStorage
            if kind is None and legacy:
                kind, named = uint8, CLASSES[class_name(uint8)]
            key = storages.key(block, kind or uint8)
            found = ("storage", named, key, "cpu", len(block) // (kind.itemsize if kind else 1))
            return (*found, None) if legacy else found

        def reducer_override(self, obj: Any) -> Any:
            """How tensors are taken apart."""
            if isinstance(obj, layout):
                return rebuild.layout_of, (str(obj),)
            if not isinstance(obj, TensorBase):
                return NotImplemented
            kind = type(obj)
            if kind.__reduce_ex__ is not Tensor.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
                return NotImplemented
            made, parts = tensor_parts(obj)
            own = _own_attributes(obj)
            if kind is Tensor and not own:
                return made, parts
            slots = slots_of(obj)
            own_state = (own, slots) if slots else own
            state = obj.__getstate__() if "__getstate__" in vars(kind) else own_state
            return rebuild.rebuild_from_type_v2, (made, kind, parts, state)

        def save_global(self, obj: Any, name: str | None = None) -> None:
            """Write a name: PyTorch's for what is ours."""
            found = written_name(obj, name)
            if found is None:
                qualified = name or str(getattr(obj, "__qualname__", obj))
                if "<locals>" in qualified:
                    raise AttributeError(f"Can't pickle local object '{qualified}'")
                super().save_global(obj, name)
                return
            if self.proto >= 4:
                self.save(found[0])
                self.save(found[1])
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + "{}\n{}\n".format(*found).encode())
            self.memoize(obj)

        if hasattr(base, "dispatch"):
            dispatch = {**base.dispatch, FunctionType: save_global}

    return Pickler


def save(
    obj: object,
    f: str | os.PathLike[str] | IO[bytes],
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write an object to a file that PyTorch can read, too.

    A file given by its path is replaced as a whole when everything has been written: a program that is
    killed while it saves leaves the old file as it was.

    Args:
        obj: tensors, modules' and optimizers' `state_dict`s, containers of them, or anything picklable.
        f: path, or an object open for writing bytes.
        pickle_module: the module whose `Pickler` is used.
        pickle_protocol: the version of the pickle.

    Raises:
        AttributeError: if `f` is neither, or `obj` holds what cannot be pickled.
        RuntimeError: if the directory does not exist.

    Example:
        >>> import cotangent as torch, io
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2)}, file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        {'weight': tensor([1., 1.])}
    """
    write = _write_archive if _use_new_zipfile_serialization else _write_legacy
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        with replaced(path) as file:
            write(obj, file, pickle_module, pickle_protocol, path, _disable_byteorder_record)
        return
    if not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    write(obj, f, pickle_module, pickle_protocol, None, _disable_byteorder_record)


def _write_archive(obj: Any, file: Any, module: Any, protocol: int, path: str | None, no_order: bool) -> None:
    name = "archive" if path is None else os.path.splitext(os.path.basename(path))[0]
    storages = _Storages(by_number=True)
    pickled = io.BytesIO()
    _pickler(module, storages, False)(pickled, protocol).dump(obj)
    archive = Writer(file, name)
    archive.write("data.pkl", pickled.getvalue())
    archive.write(".format_version", b"1")
    archive.write(".storage_alignment", str(settings.save.storage_alignment).encode())
    if not no_order:
        archive.write("byteorder", NATIVE.encode())
    for key, block in storages.blocks().items():
        archive.write(f"data/{key}", bytes(len(block)) if _skipping.on else block)
    archive.close()


def _write_legacy(obj: Any, file: Any, module: Any, protocol: int, path: str | None, no_order: bool) -> None:
    """The format before PyTorch 1.6: pickles one after the other, then the storages."""
    storages = _Storages(by_number=False)
    system = {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for header in (MAGIC_NUMBER, PROTOCOL_VERSION, system):
        module.dump(header, file, protocol=protocol)
    _pickler(module, storages, True)(file, protocol).dump(obj)
    blocks = storages.blocks()
    keys = sorted(blocks)
    module.dump(keys, file, protocol=protocol)
    for key in keys:
        block = blocks[key]
        file.write((len(block) // storages.kinds[key].itemsize).to_bytes(8, "little"))
        file.write(memoryview(block))
    flush = getattr(file, "flush", None)
    if flush is not None:
        flush()
