"""What users set for all files: `torch.serialization` and `torch.utils.serialization.config`."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final

__all__ = [
    "LoadEndianness",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "load",
    "patch",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
]


MAP_PRIVATE: Final = getattr(mmap, "MAP_PRIVATE", 2)
MAP_SHARED: Final = getattr(mmap, "MAP_SHARED", 1)


class LoadEndianness(Enum):
    """The byte order of files that do not tell theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class load:
    """Defaults of `torch.load`."""

    mmap: bool = False
    endianness: LoadEndianness | None = None
    mmap_flags: int = MAP_PRIVATE
    calculate_storage_offsets: bool = False


class save:
    """Defaults of `torch.save`."""

    compute_crc32: bool = True
    use_pinned_memory_for_d2h: bool = False
    storage_alignment: int = 64


@contextmanager
def patch(*changes: Any, **named: Any) -> Iterator[None]:
    """Other settings inside a `with` block.

    Args:
        *changes: one name such as "load.mmap" and its value, or a dictionary of them.
        **named: as they are.

    Raises:
        AttributeError: if there is no such setting.

    Example:
        >>> from cotangent.utils.serialization import config
        >>> with config.patch("save.compute_crc32", False):
        ...     print(config.save.compute_crc32)
        False
    """
    if len(changes) == 2:
        named = {**named, changes[0]: changes[1]}
    for change in changes if len(changes) == 1 else ():
        named = {**named, **change}
    groups: dict[str, Any] = {"load": load, "save": save}
    places = [(groups.get(name.partition(".")[0]), name.partition(".")[2], name) for name in named]
    for group, option, name in places:
        if group is None or not hasattr(group, option):
            raise AttributeError(f"torch.utils.serialization.config.{name} does not exist")
    before = [getattr(group, option) for group, option, _ in places]
    try:
        for group, option, name in places:
            setattr(group, option, named[name])
        yield
    finally:
        for (group, option, _), value in zip(places, before, strict=True):
            setattr(group, option, value)


def get_crc32_options() -> bool:
    """Whether `torch.save` writes a checksum with each record.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.get_crc32_options()
        True
    """
    return save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Set whether `torch.save` writes a checksum with each record.

    Other programs that read zip archives may refuse files without; `torch.load` reads them unchecked.

    Args:
        compute_crc32: whether.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.set_crc32_options(True)
    """
    save.compute_crc32 = compute_crc32


def get_default_load_endianness() -> LoadEndianness | None:
    """The byte order of files that do not tell theirs; None is this machine's.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.get_default_load_endianness() is None
        True
    """
    return load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the byte order of files that do not tell theirs.

    Args:
        endianness: the order; None is this machine's.

    Raises:
        TypeError: if it is neither.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.set_default_load_endianness(torch.serialization.LoadEndianness.NATIVE)
        >>> torch.serialization.set_default_load_endianness(None)
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    load.endianness = endianness


def get_default_mmap_options() -> int:
    """How `mmap=True` maps files: privately (writes stay in this process) or shared.

    Example:
        >>> import cotangent as torch, mmap
        >>> torch.serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
        True
    """
    return load.mmap_flags


class set_default_mmap_options:
    """Set how `mmap=True` maps files; also a context manager.

    Args:
        flags: `mmap.MAP_PRIVATE` or `mmap.MAP_SHARED`.

    Raises:
        ValueError: for other flags.

    Example:
        >>> import cotangent as torch, mmap
        >>> with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
        ...     print(torch.serialization.get_default_mmap_options() == mmap.MAP_SHARED)
        True
    """

    def __init__(self, flags: int) -> None:
        if flags not in (MAP_PRIVATE, MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or"
                f" mmap.MAP_SHARED, but got {flags}"
            )
        self._before = load.mmap_flags
        load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        load.mmap_flags = self._before
