"""What programs ask of versions and devices before they load."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any, NoReturn

from ..size import device as Device

__all__ = [
    "SourceChangeWarning", "check_module_version_greater_or_equal", "validate_cuda_device",
    "validate_hpu_device",
]  # fmt: skip


class SourceChangeWarning(Warning):
    """The source of a class is not what it was when an object was saved."""


def check_module_version_greater_or_equal(
    module: ModuleType, req_version_tuple: tuple[Any, ...], error_if_malformed: bool = True
) -> bool:
    """Whether a module is at least of a version.

    Args:
        module: a module with `__version__`.
        req_version_tuple: the version, part by part; each of the module's is read as of the same type.
        error_if_malformed: whether a version that cannot be read is an error, or a warning.

    Raises:
        RuntimeError: for such a version.

    Example:
        >>> import types
        >>> from cotangent.serialization import check_module_version_greater_or_equal
        >>> module = types.ModuleType("m")
        >>> module.__version__ = "1.12.3"
        >>> check_module_version_greater_or_equal(module, (1, 9))
        True
    """
    try:
        parts = module.__version__.split(".")
        found = tuple(type(wanted)(parts[k]) for k, wanted in enumerate(req_version_tuple))
        return found >= req_version_tuple
    except Exception as error:
        text = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and cannot be "
            f"compared with tuple {req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(text) from error
        warnings.warn(text + ", but continuing assuming that requirement is met", stacklevel=2)
        return True


_ADVICE = (
    " If you are running on a CPU-only machine, please use torch.load with "
    "map_location=torch.device('cpu') to map your storages to the CPU."
)


def validate_cuda_device(location: Any) -> NoReturn:
    """The number of the GPU that a location means.

    Args:
        location: such as "cuda:1".

    Raises:
        ValueError: if it means none.
        RuntimeError: otherwise; there are no GPUs.
    """
    if Device(location).type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {location}")
    raise RuntimeError(
        "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False." + _ADVICE
    )


def validate_hpu_device(location: Any) -> NoReturn:
    """The number of the Gaudi processor that a location means.

    Args:
        location: such as "hpu:1".

    Raises:
        RuntimeError: always; there are none.
    """
    raise RuntimeError("The HPU device module is not registered." + _ADVICE)
