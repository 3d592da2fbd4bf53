"""Files and their contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe, no_length
from ..utils.common import get_file_binaries_from_pathnames, get_file_pathnames_from_root
from .utils import IterableWrapperIterDataPipe

__all__ = ["FileListerIterDataPipe", "FileOpenerIterDataPipe", "StreamReaderIterDataPipe"]


class _Nominal(IterDataPipe):
    """A pipe whose user may say how long it is."""

    length: int

    def __len__(self) -> int:
        if self.length == -1:
            raise no_length(self)
        return self.length


@functional_datapipe("list_files")
class FileListerIterDataPipe(_Nominal):
    """The paths of the files in directories (functional name: ``list_files``).

    Args:
        root: a directory, or several.
        masks: patterns of names.
        recursive: whether files of directories inside, too.
        abspath: whether the paths are absolute.
        non_deterministic: whether in any order, and not sorted.
        length: how many there are said to be.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import FileLister
        >>> list(FileLister(".", masks="*.none"))
        []
    """

    def __init__(
        self,
        root: str | Sequence[str] | IterDataPipe = ".",
        masks: str | list[str] = "",
        *,
        recursive: bool = False,
        abspath: bool = False,
        non_deterministic: bool = False,
        length: int = -1,
    ) -> None:
        super().__init__()
        roots = [root] if isinstance(root, str) else root
        self.datapipe = roots if isinstance(roots, IterDataPipe) else IterableWrapperIterDataPipe(roots)
        self.masks = masks
        self.recursive = recursive
        self.abspath = abspath
        self.non_deterministic = non_deterministic
        self.length = length

    def __iter__(self) -> Iterator[str]:
        for path in self.datapipe:
            yield from get_file_pathnames_from_root(
                path, self.masks, self.recursive, self.abspath, self.non_deterministic
            )


@functional_datapipe("open_files")
class FileOpenerIterDataPipe(_Nominal):
    """Files, opened, each with its path (functional name: ``open_files``).

    Args:
        datapipe: gives paths.
        mode: "r", "t", "b", "rt" or "rb".
        encoding: of text.
        length: how many there are said to be.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import FileLister
        >>> list(FileLister(".", masks="*.none").open_files())
        []
    """

    def __init__(
        self, datapipe: Iterable[str], mode: str = "r", encoding: str | None = None, length: int = -1
    ) -> None:
        super().__init__()
        self.datapipe = datapipe
        self.mode = mode
        self.encoding = encoding
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.length = length

    def __iter__(self) -> Iterator[Any]:
        yield from get_file_binaries_from_pathnames(self.datapipe, self.mode, self.encoding)


@functional_datapipe("read_from_stream")
class StreamReaderIterDataPipe(IterDataPipe):
    """What is in streams, each piece with the stream's name (functional name: ``read_from_stream``).

    Args:
        datapipe: gives names and streams.
        chunk: how much a piece is; None for all.

    Example:
        >>> import io
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper([("name", io.StringIO("text"))], False).read_from_stream())
        [('name', 'text')]
    """

    def __init__(self, datapipe: Any, chunk: int | None = None) -> None:
        self.datapipe = datapipe
        self.chunk = chunk

    def __iter__(self) -> Iterator[Any]:
        for name, stream in self.datapipe:
            while data := stream.read(self.chunk):
                yield name, data
            stream.close()
