"""`torch.cpu`: the CPU as a device, and the old place of mixed precision on it."""

from . import amp

__all__ = ["amp", "current_device", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether there is a CPU: yes.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.is_available()
        True
    """
    return True


def device_count() -> int:
    """The number of CPU devices: one.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.device_count()
        1
    """
    return 1


def current_device() -> str:
    """The device: "cpu".

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.current_device()
        'cpu'
    """
    return "cpu"


def synchronize(device: object = None) -> None:
    """Wait until the device has done everything: it has.

    Example:
        >>> import cotangent as torch
        >>> torch.cpu.synchronize()
    """
