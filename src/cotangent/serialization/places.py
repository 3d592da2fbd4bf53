"""Where the storages of a file go: tags of places, and what users register for places of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..size import device
from ..storage import UntypedStorage

_NO_CUDA: Final = (
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are"
    " running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map"
    " your storages to the CPU."
)

# (priority, tag of a storage or None, storage for a tag or None), the smallest priority first.
_registered: list[tuple[int, Callable[[Any], str | None], Callable[[Any, str], Any]]] = []


def register_package(
    priority: int, tagger: Callable[[Any], str | None], deserializer: Callable[[Any, str], Any]
) -> None:
    """Register a kind of place where storages are.

    Args:
        priority: smaller ones are asked first; the CPU is 10.
        tagger: gives the tag of a storage, or None if it knows nothing of it.
        deserializer: gives the storage put where a tag says, or None if it knows nothing of the tag.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.register_package(50, lambda storage: None, lambda storage, tag: None)
    """
    _registered.append((priority, tagger, deserializer))
    _registered.sort(key=lambda entry: entry[0])


def _cpu_tag(storage: Any) -> str | None:
    return "cpu" if storage.device.type == "cpu" else None


def _cpu_place(storage: Any, location: str) -> Any:
    return storage if location == "cpu" or location.startswith("cpu:") else None


def _cuda_tag(storage: Any) -> None:
    return None


def _cuda_place(storage: Any, location: str) -> None:
    if location.startswith("cuda"):
        raise RuntimeError(_NO_CUDA)


def _meta_tag(storage: Any) -> str | None:
    return "meta" if storage.device.type == "meta" else None


def _meta_place(storage: Any, location: str) -> Any:
    return UntypedStorage(storage.nbytes(), device="meta") if location == "meta" else None


register_package(10, _cpu_tag, _cpu_place)
register_package(20, _cuda_tag, _cuda_place)
register_package(22, _meta_tag, _meta_place)


def mapper(map_location: Any) -> Callable[[Any, str], Any]:
    """The function that puts a storage with a location tag where the user wants it."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, tag: default_restore_location(storage, map_location.get(tag, tag))
    if isinstance(map_location, (str, bytes)):
        return lambda storage, tag: default_restore_location(storage, str(map_location))
    if isinstance(map_location, device):
        return lambda storage, tag: default_restore_location(storage, str(map_location))

    def mapped(storage: Any, tag: str) -> Any:
        found = map_location(storage, tag)
        return default_restore_location(storage, tag) if found is None else found

    return mapped


def location_tag(storage: Any) -> str:
    """The tag that files give to where a storage is.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.location_tag(torch.ones(2).untyped_storage())
        'cpu'
    """
    for _, tagger, _ in _registered:
        tag = tagger(storage)
        if tag:
            return tag
    raise RuntimeError(f"don't know how to determine data location of {type(storage).__name__}")


def default_restore_location(storage: Any, location: str) -> Any:
    """A storage put where its tag says: the CPU, or nowhere ("meta").

    Args:
        storage: a storage on the CPU.
        location: the tag.

    Returns:
        the storage.

    Raises:
        RuntimeError: for other devices.

    Example:
        >>> import cotangent as torch
        >>> len(torch.serialization.default_restore_location(torch.ones(2).untyped_storage(), "cpu"))
        8
    """
    for _, _, deserializer in _registered:
        found = deserializer(storage, location)
        if found is not None:
            return found
    raise RuntimeError(
        f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})"
    )
