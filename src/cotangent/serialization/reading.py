"""`torch.load`: objects out of PyTorch's files, the archives of today and the pickles of before 1.6."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import numpy as np

from ..dtypes import uint8
from ..storage import CLASSES, TypedStorage, UntypedStorage, class_name
from . import settings
from .allowed import allowed
from .archive import NATIVE, RECORD, Reader, Seekable, fill
from .names import find, is_torch
from .places import mapper
from .rebuild import waiting
from .restricted import Blocked, Refused, RestrictedUnpickler, names_in
from .writing import MAGIC_NUMBER, PROTOCOL_VERSION

_SEE: Final = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with"
    " weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)
_CHANGED: Final = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` from"
    " `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed,"
    " but it can result in arbitrary code execution. Do it only if you got the file from a trusted source."
)
_OPTIONS: Final = (
    "Weights only load failed. This file can still be loaded, to do so you have two options, \033[1mdo"
    " those steps only if you trust the source of the checkpoint\033[0m. \n\t(1) "
    + _CHANGED
    + "\n\t(2) Alternatively, to load with `weights_only=True` please check the recommended steps in the"
    " following error message.\n\tWeightsUnpickler error: "
)
_LEGACY_MMAP: Final = (
    "mmap can only be used with files saved with `torch.save({}, _use_new_zipfile_serialization=True),"
    " please torch.save your checkpoint with this option in order to use mmap."
)


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `torch.save` has written, here or in PyTorch.

    By default only tensors, containers, numbers and what `torch.serialization.add_safe_globals` allows are
    read, and a file that holds anything else is refused before anything of it runs.

    Args:
        f: path, or an object open for reading bytes that can seek.
        map_location: where storages go: a device or its name, a dictionary from the file's tags to such, or a
            function `(storage, tag)`. Everything is on the CPU here.
        pickle_module: the module whose `Unpickler` is used; only without `weights_only`.
        weights_only: False reads any pickle, which runs whatever the file says. True by default.
        mmap: whether tensors look into the file, which is read when they are first used.
        pickle_load_args: options of the unpickler, without `weights_only`.

    Returns:
        the object.

    Raises:
        pickle.UnpicklingError: if the file holds what `weights_only` refuses, or no pickle.
        RuntimeError: if it is damaged, or belongs to a device that is not there.
        FileNotFoundError, EOFError: if there is no file, or nothing in it.

    Example:
        >>> import cotangent as torch
        >>> torch.save([torch.arange(3)], "numbers.pt")
        >>> torch.load("numbers.pt")
        [tensor([0, 1, 2])]
    """
    restricted = weights_only
    if os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0").lower() in ("1", "y", "yes", "true"):
        restricted = True
    elif os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0").lower() in ("1", "y", "yes", "true"):
        restricted = bool(weights_only)
    elif weights_only is None:
        restricted = pickle_module is None
    if restricted and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if restricted and pickle_load_args:
        warnings.warn("pickle_load_args only works if `weights_only=False`.", UserWarning, stacklevel=2)
        pickle_load_args = {k: v for k, v in pickle_load_args.items() if k == "encoding"}
    source = _Source(f, mmap, map_location, bool(restricted), pickle_module or pickle, pickle_load_args)
    with source.opened() as file, _explained(f):
        return source.read(file)


@contextmanager
def _explained(f: Any) -> Iterator[None]:
    """Errors name the file; whatever Python's unpickler stumbles over becomes one kind of error."""
    name = repr(os.fspath(f)) if isinstance(f, (str, os.PathLike)) else f"the buffer {f!r}"
    try:
        yield
    except Blocked as error:
        raised: Exception = pickle.UnpicklingError(f"Weights only load failed. {_CHANGED}\n\n\n{error}{_SEE}")
        fault = f"{error} Nothing was run."
    except Refused as error:
        raised = pickle.UnpicklingError(f"{_OPTIONS}{error}{_SEE}")
        fault = "it holds more than tensors, containers and numbers. Nothing was run."
    except EOFError:
        raised = EOFError(f"Ran out of input: {name} is empty or ends too early")
        fault = "it is empty or ends too early."
    except (RuntimeError, pickle.UnpicklingError, AttributeError, ImportError) as error:
        error.add_note(f"  while loading {name}")
        raise
    except (
        KeyError,
        ValueError,
        IndexError,
        TypeError,
        ArithmeticError,
        RecursionError,
        MemoryError,
        struct.error,
    ) as error:
        raised = pickle.UnpicklingError(
            f"{name} is no checkpoint, or a damaged one: {type(error).__name__}: {error}"
        )
        fault = "its pickle cannot be read."
    else:
        return
    raised.add_note(f"  while loading {name}: {fault}")
    raise raised from None


class _Source:
    """One call of `load`: the file and the options that reading it takes."""

    def __init__(
        self,
        f: Any,
        mmap: bool | None,
        map_location: Any,
        restricted: bool,
        module: Any,
        options: dict[str, Any],
    ) -> None:
        self.f = f
        self.path = os.fspath(f) if isinstance(f, (str, os.PathLike)) else None
        self.mmap = settings.load.mmap if mmap is None else bool(mmap)
        self.put = mapper(map_location)
        self.restricted = restricted
        self.module = module
        self.options = options
        if self.mmap and self.path is None:
            raise ValueError("f must be a file path in order to use the mmap argument")

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The file, open; a user's own object stays open."""
        if self.path is not None:
            with open(self.path, "rb") as file:
                yield file
            return
        missing = [name for name in ("read", "seek", "tell", "readline") if not hasattr(self.f, name)]
        if missing:
            name = "seek" if "seek" in missing else missing[0]
            raise AttributeError(
                f"'{type(self.f).__name__}' object has no attribute '{name}'. You can only torch.load from"
                " a file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try"
                " to load from it instead."
            )
        yield self.f if hasattr(self.f, "seekable") else Seekable(self.f)

    def read(self, file: Any) -> Any:
        """The object in the file, whichever format it has."""
        start = file.tell()
        head = file.read(len(RECORD))
        file.seek(start)
        if head == RECORD:
            return self._read_archive(file)
        file.seek(start)
        if self.mmap:
            raise RuntimeError(_LEGACY_MMAP.format(self.path))
        if not head:
            raise EOFError
        return self._read_legacy(file)

    # -- archives --

    def _read_archive(self, file: Any) -> Any:
        archive = Reader(file, self.path)
        if "constants.pkl" in archive:
            raise RuntimeError("this is a TorchScript archive; cotangent reads what torch.save writes")
        swap = self._is_swapped(archive)
        storages: dict[str, Any] = {}

        def bytes_of(key: str, location: str) -> Any:
            record = f"data/{key}"
            shared = settings.load.mmap_flags == settings.MAP_SHARED
            array = archive.mapped(record, shared) if self.mmap else archive.array(record)
            return self.put(UntypedStorage.over(array), location)

        def persistent_load(saved: Any) -> Any:
            named, key, location, count = _storage_id(saved, 5)
            if key not in storages:
                storage = bytes_of(key, location)
                width = named.dtype.itemsize if named is not UntypedStorage else 1
                if storage.nbytes() < count * width:
                    raise RuntimeError(
                        f"the record data/{key} has {storage.nbytes()} bytes, the pickle says {count * width}"
                    )
                if swap and named is not UntypedStorage and storage.device.type == "cpu":
                    storage.byteswap(named.dtype)
                storages[key] = storage
            return _typed(storages[key], named)

        return self._unpickle(io.BytesIO(archive.read("data.pkl")), persistent_load)

    def _is_swapped(self, archive: Reader) -> bool:
        """Whether the bytes in the archive are in the other order than this machine's."""
        if "byteorder" in archive:
            order = archive.read("byteorder").decode("ascii", "replace")
            if order not in ("little", "big"):
                raise RuntimeError(f"Unknown endianness type: {order}")
        elif settings.load.endianness in (None, settings.LoadEndianness.NATIVE):
            return False
        else:
            order = settings.load.endianness.name.lower()
        return order != NATIVE

    # -- before PyTorch 1.6 --

    def _read_legacy(self, file: Any) -> Any:
        def no_storage(saved: Any) -> Any:
            raise RuntimeError("a storage is named in the header")

        magic = self._unpickle(file, no_storage)
        if magic != MAGIC_NUMBER or isinstance(magic, bool):
            raise RuntimeError("Invalid magic number; corrupt file?")
        protocol = self._unpickle(file, no_storage)
        if protocol != PROTOCOL_VERSION:
            raise RuntimeError(f"Invalid protocol version: {protocol}")
        system = self._unpickle(file, no_storage)
        swap = isinstance(system, dict) and system.get(
            "little_endian", system.get(b"little_endian", True)
        ) != (sys.byteorder == "little")
        here = file.tell()
        length = file.seek(0, os.SEEK_END)
        file.seek(here)
        storages: dict[str, tuple[Any, Any]] = {}

        def persistent_load(saved: Any) -> Any:
            if isinstance(saved, tuple) and len(saved) == 4 and saved[0] == "module":
                return saved[1]  # a module's class, which was stored with its source text
            named, key, location, count = _storage_id(saved, 6)
            if key not in storages:
                width = named.dtype.itemsize if named is not UntypedStorage else 1
                if count * width > length:
                    raise RuntimeError(f"a storage of {count * width} bytes is in a file of {length}")
                storages[key] = self.put(UntypedStorage(count * width), location), named
            storage, _ = storages[key]
            view = saved[5]
            if view is not None and storage.device.type == "cpu":
                _, offset, size = view
                width = named.dtype.itemsize
                # Through a buffer, at which the search for the whole memory ends.
                part = memoryview(storage._array)[offset * width : (offset + size) * width]
                storage = UntypedStorage.over(np.frombuffer(part, np.uint8))
            return _typed(storage, named)

        waiting.on, waiting.missed = True, False
        try:
            result = self._unpickle(file, persistent_load)
        finally:
            waiting.on = False
        keys = self._unpickle(file, no_storage)
        if isinstance(keys, list):
            keys = [key.decode("ascii", "replace") if isinstance(key, bytes) else key for key in keys]
        if not isinstance(keys, list) or not all(key in storages for key in keys):
            raise RuntimeError("the file's list of storages does not fit its tensors")
        for key in keys:
            storage, named = storages[key]
            self._fill(file, storage, named, swap)
        if waiting.missed:  # now that there are bytes, sparse tensors can be made and checked
            file.seek(here)
            result = self._unpickle(file, persistent_load)
        return result

    def _fill(self, file: Any, storage: Any, named: Any, swap: bool) -> None:
        width = named.dtype.itemsize if named is not UntypedStorage else 1
        count = int.from_bytes(file.read(8), "little")
        if count * width != storage.nbytes():
            raise RuntimeError(f"a storage has {count} elements, its tensors say {storage.nbytes() // width}")
        there = storage.device.type == "cpu"
        missing = fill(file, memoryview(storage._array if there else bytearray(storage.nbytes())))
        if missing:
            raise RuntimeError(f"unexpected EOF, expected {missing} more bytes. The file might be corrupted.")
        if swap and named is not UntypedStorage and there:
            storage.byteswap(named.dtype)

    # -- pickles --

    def _unpickle(self, file: Any, persistent_load: Callable[[Any], Any]) -> Any:
        if self.restricted:
            reader: Any = RestrictedUnpickler(file, **self.options)
            reader.persistent_load = persistent_load
            return reader.load()

        class Unpickler(self.module.Unpickler):  # type: ignore[name-defined,misc]
            """Looks up PyTorch's names here."""

            def find_class(self, module: str, name: str) -> Any:
                """What a name in the pickle stands for."""
                return find(module, name) if is_torch(module) else super().find_class(module, name)

        reader = Unpickler(file, **{"encoding": "utf-8", **self.options})
        reader.persistent_load = persistent_load
        return reader.load()


def _is_zipfile(f: Any) -> bool:
    """Whether an open file is at the beginning of an archive."""
    start = f.tell()
    head = f.read(len(RECORD))
    f.seek(start)
    return bool(head == RECORD)


def _storage_id(saved: Any, length: int) -> tuple[Any, str, str, int]:
    """The class, key, location and number of elements in a storage's name, each checked."""
    if not isinstance(saved, tuple) or len(saved) != length or saved[0] not in ("storage", b"storage"):
        raise RuntimeError(f"Unknown typename for persistent_load, expected 'storage' but got {saved!r:.80}")
    _, named, key, location, count = saved[:5]
    key, location = (
        part.decode("ascii", "replace") if isinstance(part, bytes) else part for part in (key, location)
    )
    fits = named is UntypedStorage or (isinstance(named, type) and named in CLASSES.values())
    if (
        not fits
        or not isinstance(key, str)
        or not isinstance(location, str)
        or type(count) is not int
        or count < 0
    ):
        raise RuntimeError(
            f"a storage's name must be a class, a key, a location and a size, not {saved[1:5]!r:.200}"
        )
    return named, key, location, count


def _typed(storage: Any, named: Any) -> TypedStorage:
    """The bytes as numbers of the class that the file names."""
    return TypedStorage(
        wrap_storage=storage.untyped(),
        dtype=uint8 if named is UntypedStorage else named.dtype,
        _internal=True,
    )


def get_unsafe_globals_in_checkpoint(f: str | os.PathLike[str] | IO[bytes]) -> list[str]:
    """The names in a file that `weights_only=True` would refuse; nothing of the file is run.

    Args:
        f: path, or an object open for reading bytes that can seek.

    Returns:
        dotted names.

    Raises:
        ValueError: if the file is no archive.

    Example:
        >>> import cotangent as torch
        >>> from fractions import Fraction
        >>> torch.save(Fraction(1, 2), "half.pt")
        >>> torch.serialization.get_unsafe_globals_in_checkpoint("half.pt")
        ['fractions.Fraction']
    """
    source = _Source(f, None, None, True, pickle, {})
    with source.opened() as file:
        if not _is_zipfile(file):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        archive = Reader(file, source.path)
        safe = allowed()
        return [name for name in names_in(archive.read("data.pkl")) if name not in safe]


def normalize_storage_type(storage_type: Any) -> Any:
    """The storage class here for one named in a file.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.normalize_storage_type(torch.FloatStorage).__name__
        'FloatStorage'
    """
    return CLASSES.get(getattr(storage_type, "__name__", ""), storage_type)


def storage_to_tensor_type(storage: Any) -> str:
    """The name of the tensor type that goes with a typed storage.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.storage_to_tensor_type(torch.ones(2)._typed_storage())
        'torch.FloatTensor'
    """
    return "torch." + class_name(storage.dtype).replace("Storage", "Tensor")
