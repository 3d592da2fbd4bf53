"""`torch.save` and `torch.load`: PyTorch's own files, read and written both ways."""

from collections.abc import Callable
from typing import TypeAlias

from ..size import device as _device
from ..types import FileLike as FileLike, Storage as _Storage
from .allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .places import default_restore_location, location_tag, register_package
from .reading import (
    _is_zipfile,
    get_unsafe_globals_in_checkpoint,
    load,
    normalize_storage_type,
    storage_to_tensor_type,
)
from .settings import (
    LoadEndianness,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
)
from .versions import (
    SourceChangeWarning,
    check_module_version_greater_or_equal,
    validate_cuda_device,
    validate_hpu_device,
)
from .writing import save, skip_data
from .zipfiles import PyTorchFileReader as PyTorchFileReader, _open_zipfile_reader, _open_zipfile_writer

MAP_LOCATION: TypeAlias = Callable[[_Storage, str], _Storage] | _device | str | dict[str, str] | None

__all__ = [
    "MAP_LOCATION",
    "LoadEndianness",
    "SourceChangeWarning",
    "_is_zipfile",
    "_open_zipfile_reader",
    "_open_zipfile_writer",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "normalize_storage_type",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "storage_to_tensor_type",
    "validate_cuda_device",
    "validate_hpu_device",
]
