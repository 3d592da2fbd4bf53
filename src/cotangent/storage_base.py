"""What storages of bytes and of numbers have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from . import lazy
from .errors import NO_DATA
from .kernels.lent import is_lent
from .kernels.shape import STORAGES, address, copied_whole, owner
from .size import CPU, check_device, device

shared_blocks: Any = lazy.module("cotangent.kernels.shared_blocks")


class Storage:
    """What both kinds of storage have in common: a flat array over the memory."""

    _array: np.ndarray[Any, Any]
    # Whether nothing else looks into the memory, so that it may be exchanged; whether there is none at all.
    _own = False
    _meta = False
    # Whether errors name the element rather than the index, which may count from the end.
    _shows_places = False

    is_cuda = is_sparse = is_hpu = is_sparse_csr = False

    @property
    def device(self) -> device:
        """Where the memory is; "meta" where there is none."""
        return device("meta") if self._meta else CPU

    def __len__(self) -> int:
        return len(self._array)

    def size(self) -> int:
        """The number of elements."""
        return len(self._array)

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._array.nbytes

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return address(self._array) if len(self._array) and not self._meta else 0

    def _allot(self, content: Any, d: Any, where: Any) -> None:
        """Memory of its own for so many elements, or for these; none on the device "meta"."""
        if isinstance(content, int) and content < 0:
            raise RuntimeError(f"a storage has no negative size, got {content}")
        if where is not None and device(where).type == "meta":
            count = content if isinstance(content, int) else len(content)
            self._array, self._meta = np.broadcast_to(np.zeros((), d), (count,)), True
            return
        if isinstance(content, int):
            self._array, self._own = np.zeros(content, d), True
        else:
            self._array, self._own = np.array(content, d), True

    def _readable(self) -> None:
        if self._meta:
            raise NotImplementedError("Not available for 'meta' device type")

    def _position(self, index: Any) -> Any:
        self._readable()
        if isinstance(index, slice):
            step = slice(*index.indices(len(self))).step
            if step != 1:
                raise RuntimeError(
                    f"Trying to slice with a step of {step}, but only a step of 1 is supported"
                )
        elif not isinstance(index, int) or isinstance(index, bool):
            self._refuse_index(index)
        elif not -len(self) <= index < len(self):
            shown = index + len(self) if index < 0 and self._shows_places else index
            raise IndexError(f"index {shown} out of range for storage of size {len(self)}")
        return index

    def _refuse_index(self, index: Any) -> NoReturn:
        raise RuntimeError(f"can't index a {type(self)} with {type(index)}")

    def _element(self, value: Any) -> Any:
        """A value as an element.

        Raises:
            TypeError, RuntimeError: if it is none.
        """
        raise NotImplementedError

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._meta:
            return
        self._array[self._position(index)] = self._element(value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        self._readable()
        found: list[Any] = self._array.tolist()
        return found

    def fill_(self, value: Any) -> Any:
        """Set every element to `value`."""
        if not self._meta:
            self._array[...] = self._element(value)
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> Any:
        """Copy the bytes of another storage, whatever they stand for.

        Raises:
            RuntimeError: if there are not as many.
        """
        if source.nbytes() != self.nbytes():
            raise RuntimeError(
                f"size does not match, self was {self.nbytes()} bytes but src was {source.nbytes()} bytes"
            )
        if not self._meta:
            if source._meta:
                raise NotImplementedError(NO_DATA)
            self._array.view(np.uint8)[...] = source._array.view(np.uint8)
        return self

    def resize_(self, size: int) -> Any:
        """Change the size. Of memory that tensors look into only the present size is accepted.

        Raises:
            RuntimeError: if `size` is another one.
        """
        if self._meta or self._own:
            before, count = self._array, min(size, len(self))
            self._allot(size, before.dtype, self.device)
            if not self._meta:
                self._array[:count] = before[:count]
        elif size != len(self):
            raise RuntimeError(
                f"Trying to resize storage that is not resizable: it has {len(self)} elements, {size} are"
                " wanted; make a new one, or use Tensor.resize_"
            )
        return self

    def clone(self) -> Any:
        """A copy in memory of its own."""
        return self if self._meta else self._like(self._array.copy())

    def resizable(self) -> bool:
        """Whether the memory is not somebody else's, such as NumPy's."""
        if self._own or self._meta:
            return True
        return bool(owner(self._array).flags.owndata) and not is_lent(self._array)

    def to(self, *, device: Any, non_blocking: bool = False) -> Any:
        """The storage on a device, of which there is one: itself."""
        check_device(device)
        return self

    def pin_memory(self, device: Any = None) -> Any:
        """Refuse: there is no GPU to pin memory for.

        Raises:
            RuntimeError, TypeError: always, with PyTorch's text.
        """
        if self._meta:
            raise TypeError("cannot pin 'torch.storage.UntypedStorage' only CPU memory can be pinned")
        raise RuntimeError("Cannot access accelerator device when none is available.")

    def share_memory_(self) -> Any:
        """The storage, if other processes see its memory.

        Raises:
            NotImplementedError: if they do not yet: it is the tensor that moves, by `Tensor.share_memory_`.
            RuntimeError: if it is on the device "meta".
        """
        return self if self.is_shared() else self._share("_share_fd_")

    def _share_fd_cpu_(self, *_: Any, **__: Any) -> Any:
        return self._share("_share_fd_")

    def _share_filename_cpu_(self, *_: Any, **__: Any) -> Any:
        return self._share("_share_filename_")

    def _share(self, name: str) -> Any:
        if self._meta:
            raise RuntimeError(f"{name}: only available on CPU")
        if not self._own:
            raise NotImplementedError(f"{name}: tensors travel by Tensor.share_memory_")
        block = shared_blocks.shared_block(self.nbytes())
        moved = block.array()[: self.nbytes()].view(self._array.dtype)
        moved[...] = self._array
        self._array, self._own = moved, False
        return self

    def _text(self, kind: str) -> str:
        rows = "...\n" if self._meta else " " + "\n ".join(map(str, self.tolist())) + "\n"
        return f"{rows}[torch.storage.{kind}device={self.device}) of size {len(self)}]"

    def __sizeof__(self) -> int:
        return 64 + self.nbytes()

    @property
    def _cdata(self) -> int:
        """A number that tells storages apart."""
        return address(owner(self._array)) if len(self) else id(self._array)

    def cpu(self) -> Any:
        """The storage itself: it is on the CPU.

        Raises:
            NotImplementedError: if it is on the device "meta".
        """
        if self._meta:
            raise NotImplementedError(NO_DATA)
        return self

    def is_shared(self) -> bool:
        """Whether other processes see the memory."""
        return bool(shared_blocks.block_of(self._array) is not None)

    def is_pinned(self, device: Any = None) -> bool:
        """Whether the memory is pinned for a GPU: never."""
        return False

    def _like(self, array: Any) -> Any:
        raise NotImplementedError

    def __copy__(self) -> Any:
        return self.clone()

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        known = memo.setdefault(STORAGES, {})
        found = known.get(id(self))
        if found is None:
            copied = self if self._meta else self._like(copied_whole(self._array, known))
            found = known[id(self)] = copied
        return found

    def _write_file(self, file: Any, is_real_file: bool, save_size: bool, element_size: int) -> None:
        """Write the bytes to a file, behind their number of elements if `save_size`."""
        if self._meta:
            raise NotImplementedError(NO_DATA)
        if save_size:
            file.write((self.nbytes() // element_size).to_bytes(8, sys.byteorder))
        file.write(self._array.tobytes())
