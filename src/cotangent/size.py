"""`Size`, `device`, `layout`, `memory_format`: the small value types around a tensor."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final, SupportsIndex, overload

from .errors import noted


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints that prints as `torch.Size([2, 3])`.

    Example:
        >>> import cotangent as torch
        >>> torch.ones(2, 3).shape, torch.Size([2, 3]).numel()
        (torch.Size([2, 3]), 6)
    """

    __slots__ = ()

    def __new__(cls, sizes: Iterable[Any] = ()) -> Size:
        items = tuple(sizes)
        for i, n in enumerate(items):
            if type(n) is not int and not hasattr(n, "__index__"):
                raise TypeError(
                    f"torch.Size() takes an iterable of 'int' (item {i} is '{type(n).__name__}')"
                )
        return super().__new__(cls, (n if type(n) is int else n.__index__() for n in items))

    def numel(self) -> int:
        """The number of elements a tensor of this shape has."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Size: ...
    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        return Size(value) if isinstance(index, slice) else value

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, tuple):
            if hasattr(type(other), "__radd__"):
                return NotImplemented
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size")
        return Size(tuple(self) + other)

    def __radd__(self, other: Any) -> Any:
        return Size(other + tuple(self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, other: Any) -> Size:
        return Size(super().__mul__(other))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple[Any, ...]:
        return (Size, (tuple(self),))


class device:
    """Where a tensor lives. This engine computes on the CPU.

    Args:
        type: `"cpu"`, with an optional index (`"cpu:0"`), or another device of the same kind.
        index: the index, if not in `type`.

    Raises:
        RuntimeError: for a device string PyTorch does not know.

    Example:
        >>> import cotangent as torch
        >>> torch.device("cpu")
        device(type='cpu')
    """

    __slots__ = ("type", "index")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            self.type: str = type.type
            self.index: int | None = type.index
            return
        if index is not None and (isinstance(index, bool) or not hasattr(index, "__index__")):
            raise TypeError(
                f"device(): argument 'index' (position 2) must be int, not {index.__class__.__name__}"
            )
        if isinstance(type, int) and not isinstance(type, bool):
            if type < 0:
                raise RuntimeError("Device index must not be negative")
            raise RuntimeError("Cannot access accelerator device when none is available.")
        if not isinstance(type, str):
            given = type.__class__.__name__
            raise TypeError(
                f"device() received an invalid combination of arguments - got ({given}), but expected one "
                "of:\n"
                " * (torch.device device)\n      didn't match because some of the arguments have invalid "
                "types: "
                f"(!{given}!)\n * (str type, int index = -1)\n"
            )
        if not type:
            raise RuntimeError("Device string must not be empty")
        name, colon, number = type.partition(":")
        if not _DEVICE_NAME.fullmatch(name):
            raise RuntimeError(f"Invalid device string: '{type}'")
        if name not in DEVICE_TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(DEVICE_TYPES)} device type at start of device string: {name}"
            )
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            if not number.isdigit() or (number[0] == "0" and len(number) > 1):
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        elif index is not None and index < 0:
            raise RuntimeError("Device index must not be negative")
        self.type = name
        self.index = index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        """As a context: new tensors live here, for which there must be such a device."""
        found = check_device(self)
        places.append(found)
        return found

    def __exit__(self, *_: object) -> None:
        places.pop()

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (self.type, self.index) if self.index is not None else (self.type,))


DEVICE_TYPES: Final = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla",
    "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip
_DEVICE_NAME: Final = re.compile("[a-zA-Z_]+")
CPU: Final = device("cpu")
# Where new tensors live: the devices that were entered as contexts, below them the default one.
places: Final = [CPU]


def check_device(value: Any, function: str | None = None) -> device:
    """`value` as a device this engine computes on.

    Args:
        value: a device or its name.
        function: whose argument it is, for messages.

    Raises:
        AssertionError: for CUDA, with PyTorch's text.
        NotImplementedError: for other devices.
        RuntimeError: for what names no device.
        TypeError: for what is neither a device nor a string.
    """
    if function is not None and not isinstance(value, (device, str, int)):
        raise TypeError(f"{function}(): argument 'device' must be torch.device, not {type(value).__name__}")
    d = value if isinstance(value, device) else device(value)
    if d.type in ("cpu", "meta"):
        return d
    if d.type == "cuda":
        raise noted(AssertionError("Torch not compiled with CUDA enabled"), "device")
    raise NotImplementedError(
        f"cotangent computes on the CPU only: device '{d}' is not available; accepted: 'cpu', 'meta' (or "
        "leave `device` out)"
    )


class _Named:
    """A constant that prints as its PyTorch name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name.removeprefix("torch.")


class layout(_Named):
    """How a tensor's elements are stored: `torch.strided`, or sparse, as `torch.sparse_coo`."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """The name that PyTorch's messages use."""
        return "".join(part.capitalize() for part in self.name.removeprefix("torch.").split("_"))


class memory_format(_Named):
    """A preference for the order of dimensions in memory."""

    __slots__ = ()


strided: Final = layout("torch.strided")
sparse_coo: Final = layout("torch.sparse_coo")
sparse_csr: Final = layout("torch.sparse_csr")
sparse_csc: Final = layout("torch.sparse_csc")
sparse_bsr: Final = layout("torch.sparse_bsr")
sparse_bsc: Final = layout("torch.sparse_bsc")
jagged: Final = layout("torch.jagged")
COMPRESSED: Final = {repr(each): each for each in (sparse_csr, sparse_csc, sparse_bsr, sparse_bsc)}
contiguous_format: Final = memory_format("torch.contiguous_format")
preserve_format: Final = memory_format("torch.preserve_format")
channels_last: Final = memory_format("torch.channels_last")
channels_last_3d: Final = memory_format("torch.channels_last_3d")
