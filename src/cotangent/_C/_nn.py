"""`torch._C._nn`: `torch.nn.functional` by the name that libraries have for PyTorch's own code."""

from __future__ import annotations

from typing import Any

from ..conversion import check_to
from ..dtypes import dtype as _dtype
from ..nn import functional
from ..size import check_device, device as _device
from ..tensor import Tensor

__all__ = ["_parse_to"]


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """What the arguments of a `to` ask for.

    Args:
        args: a device, a dtype, both, or a tensor; then `non_blocking`.
        kwargs: `device`, `dtype`, `non_blocking`, `memory_format`.

    Returns:
        (device or None, dtype or None, non_blocking, memory format or None).

    Raises:
        RuntimeError: if a copy is asked for.
        TypeError: for arguments that `to` does not take.

    Example:
        >>> import cotangent as torch
        >>> torch._C._nn._parse_to("cpu", torch.float64)
        (device(type='cpu'), torch.float64, False, None)
    """
    if check_to(args, kwargs):
        raise RuntimeError(".to() does not accept copy argument")
    place, kind, blocking = kwargs.get("device"), kwargs.get("dtype"), kwargs.get("non_blocking", False)
    for value in args:
        if isinstance(value, Tensor):
            place, kind = value.device, value.dtype
        elif isinstance(value, _dtype):
            kind = value
        elif isinstance(value, bool):
            blocking = value
        elif isinstance(value, (str, _device)):
            place = value
    return None if place is None else check_device(place), kind, bool(blocking), kwargs.get("memory_format")


def __getattr__(name: str) -> Any:
    return getattr(functional, "logsigmoid" if name == "log_sigmoid" else name)
