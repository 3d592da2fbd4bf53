"""`torch.Stream` and `torch.Event`: orders of work on a device, and moments in them.

The CPU does everything at once, so a stream of it is empty at any time; PyTorch records no moments in it.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from .size import device as Device

__all__ = ["Event", "Stream"]

# Kinds of devices whose streams PyTorch makes without being built for them, with their numbers.
_LINKED: Final = {"cpu": 0, "meta": 9}


def _linked(device: Any) -> Device:
    if device is None:
        return Device("cpu")
    if isinstance(device, int):
        raise RuntimeError("Cannot access accelerator device when none is available.")
    found = Device(device)
    if found.type not in _LINKED:
        raise RuntimeError(f"PyTorch is not linked with support for {found.type} devices")
    return found


def _no_events() -> NoReturn:
    raise RuntimeError("cpu backend doesn't support events.")


def _stays_here() -> NoReturn:
    raise NotImplementedError("torch.Event ipc is not supported yet, please open an issue if you need this!")


class Stream:
    """An order of work on a device.

    Args:
        device: the device; the CPU by default.
        priority: accepted.

    Raises:
        RuntimeError: for a device that is not there.

    Example:
        >>> import cotangent as torch
        >>> torch.Stream()
        torch.Stream device_type=cpu, device_index=-1, stream_id=0
    """

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        self.device = Device(_linked(device).type)
        self.device_index = -1
        self.device_type = _LINKED[self.device.type]
        self.stream_id = 0

    @property
    def native_handle(self) -> int:
        """The stream in its own library.

        Raises:
            RuntimeError: always; the CPU has none.
        """
        raise RuntimeError("Backend doesn't support getting stream native handle.")

    def query(self) -> bool:
        """Whether all of its work is done: yes."""
        return True

    def synchronize(self) -> None:
        """Wait until all of its work is done: it is."""

    def is_capturing(self) -> bool:
        """Whether its work is recorded to be run again: no."""
        return False

    def wait_event(self, event: Event) -> None:
        """Let it wait for a moment in another stream: it has passed."""

    def wait_stream(self, other: Stream) -> None:
        """Let it wait for another stream.

        Raises:
            RuntimeError: always; that takes an event, which the CPU has not.
        """
        _no_events()

    def record_event(self, event: Event | None = None) -> Event:
        """Note this moment.

        Raises:
            RuntimeError: always; the CPU has no events.
        """
        _no_events()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.device == other.device

    def __hash__(self) -> int:
        return hash((self.device_type, self.device_index, self.stream_id))

    def __repr__(self) -> str:
        return (
            f"torch.Stream device_type={self.device.type}, device_index={self.device_index}, "
            f"stream_id={self.stream_id}"
        )


class Event:
    """A moment in a stream.

    Args:
        device: the device; the CPU by default.
        enable_timing: whether it shall know its time.
        blocking, interprocess: accepted.

    Raises:
        RuntimeError: for a device that is not there.

    Example:
        >>> import cotangent as torch
        >>> torch.Event().query()
        True
    """

    def __init__(
        self,
        device: Any = None,
        *,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
    ) -> None:
        self.device = _linked(device)
        self.event_id = 0
        self._timed = enable_timing

    def query(self) -> bool:
        """Whether it has passed: yes."""
        return True

    def synchronize(self) -> None:
        """Wait for it: it has passed."""

    def record(self, stream: Stream | None = None) -> None:
        """Note this moment.

        Raises:
            RuntimeError: always; the CPU has no events.
        """
        _no_events()

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream wait for it: one of the CPU never has to."""

    def elapsed_time(self, other: Event) -> float:
        """Milliseconds between two moments.

        Raises:
            ValueError: always; the CPU records no moments.
        """
        if not (self._timed and other._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        raise ValueError("Both events must be recorded before calculating elapsed time.")

    def ipc_handle(self) -> bytes:
        """What other processes know it by.

        Raises:
            NotImplementedError: always, as in PyTorch.
        """
        _stays_here()

    @classmethod
    def from_ipc_handle(cls, device: Any, ipc_handle: bytes) -> Event:
        """The event of another process.

        Raises:
            NotImplementedError: always, as in PyTorch.
        """
        _stays_here()

    def __repr__(self) -> str:
        return (
            f"torch.Event device_type={self.device.type}, device_index=-1, event_flag={int(self._timed)}, "
            f"event_id={self.event_id}"
        )
