"""`torch.save` and `torch.load`: PyTorch's own files, read and written both ways."""

from .allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .reading import (
    LoadEndianness,
    default_restore_location,
    get_default_load_endianness,
    get_default_mmap_options,
    get_unsafe_globals_in_checkpoint,
    load,
    location_tag,
    normalize_storage_type,
    set_default_load_endianness,
    set_default_mmap_options,
    storage_to_tensor_type,
)
from .writing import save, skip_data

__all__ = [
    "LoadEndianness",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "normalize_storage_type",
    "safe_globals",
    "save",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "storage_to_tensor_type",
]
