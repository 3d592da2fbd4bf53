"""Checks of the functions that pipes are given, and files as streams."""

from __future__ import annotations

import fnmatch
import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NoReturn

__all__ = [
    "StreamWrapper",
    "get_file_binaries_from_pathnames",
    "get_file_pathnames_from_root",
    "match_masks",
    "validate_input_col",
    "validate_pathname_binary_tuple",
]


def validate_input_col(fn: Callable[..., Any], input_col: Any) -> None:
    """Check that a function takes as many arguments as there are columns.

    Args:
        fn: the function.
        input_col: one column, or a list of them.

    Raises:
        ValueError: if it takes more or fewer, or needs keyword arguments.

    Example:
        >>> from cotangent.utils.data.datapipes.utils.common import validate_input_col
        >>> validate_input_col(lambda a, b: a + b, [0, 1])
    """
    try:
        parameters = inspect.signature(fn).parameters.values()
    except ValueError:  # a builtin
        return
    wanted = len(input_col) if isinstance(input_col, (list, tuple)) else 1
    plain = fn.func if isinstance(fn, functools.partial) else fn
    name = getattr(plain, "__name__", repr(plain))
    kinds = [p.kind for p in parameters]
    needed = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if needed:
        raise ValueError(
            f"The function {name} takes {len(needed)} non-default keyword-only parameters, which is not "
            "allowed."
        )
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    endless = inspect.Parameter.VAR_POSITIONAL in kinds
    if len(kinds) < wanted:
        if not endless:
            raise ValueError(f"The function {name} takes {len(kinds)} parameters, but {wanted} are required.")
        return
    too_many = any(p.default is p.empty for p in positional[wanted:])
    if too_many or (len(positional) < wanted and not endless):
        raise ValueError(
            f"The function {name} takes {len(positional)} positional parameters, but {wanted} are required."
        )


def _is_local(fn: Any) -> bool:
    code = getattr(fn, "__code__", None)
    if code is not None:
        return bool(code.co_flags & inspect.CO_NESTED)
    return "<locals>" in getattr(fn, "__qualname__", type(fn).__qualname__)


def check_unpickable_fn(fn: Callable[..., Any]) -> None:
    """Warn of a function that cannot go to another process.

    Args:
        fn: the function.

    Raises:
        TypeError: if it cannot be called.
    """
    if not callable(fn):
        raise TypeError(f"A callable function is expected, but {type(fn)} is provided.")
    plain = fn.func if isinstance(fn, functools.partial) else fn
    kind = "Local" if _is_local(plain) else "Lambda" if getattr(plain, "__name__", "") == "<lambda>" else ""
    if kind:
        warnings.warn(
            f"{kind} function is not supported by pickle, please use regular python function or "
            "functools.partial instead.",
            stacklevel=2,
        )


def match_masks(name: str, masks: str | list[str]) -> bool:
    """Whether a name fits one of some patterns such as "*.txt"; without any, it does.

    Args:
        name: the name.
        masks: the patterns.
    """
    if not masks:
        return True
    return any(fnmatch.fnmatch(name, mask) for mask in ([masks] if isinstance(masks, str) else masks))


def _unreadable(error: OSError) -> NoReturn:
    warnings.warn(f"{error.filename} : {error.strerror}", stacklevel=2)
    raise error


def get_file_pathnames_from_root(
    root: str,
    masks: str | list[str],
    recursive: bool = False,
    abspath: bool = False,
    non_deterministic: bool = False,
) -> Iterator[str]:
    """The files of a directory, or the one file that `root` is.

    Args:
        root: the directory.
        masks: patterns of names.
        recursive: whether those of directories inside, too.
        abspath: whether absolute.
        non_deterministic: whether in any order, and not sorted.
    """
    if os.path.isfile(root):
        if match_masks(os.path.basename(root), masks):
            yield os.path.abspath(root) if abspath else root
        return
    for path, folders, files in os.walk(root, onerror=_unreadable):
        place = os.path.abspath(path) if abspath else path
        for name in files if non_deterministic else sorted(files):
            if match_masks(name, masks):
                yield os.path.join(place, name)
        if not recursive:
            return
        if not non_deterministic:
            folders.sort()  # in place: `walk` goes on with this list


def get_file_binaries_from_pathnames(
    pathnames: Iterable[str], mode: str, encoding: str | None = None
) -> Iterator[tuple[str, StreamWrapper]]:
    """Files, opened, each with its path.

    Args:
        pathnames: the paths.
        mode: how to open them.
        encoding: of text.

    Raises:
        TypeError: for a path that is no text.
    """
    mode = f"r{mode}" if mode in ("b", "t") else mode
    for path in pathnames if isinstance(pathnames, Iterable) else [pathnames]:
        if not isinstance(path, str):
            raise TypeError(f"Expected string type for pathname, but got {type(path)}")
        yield path, StreamWrapper(open(path, mode, encoding=encoding))  # noqa: SIM115  # whoever reads closes


def validate_pathname_binary_tuple(data: Any) -> None:
    """Check that something is a path with a stream.

    Args:
        data: anything.

    Raises:
        TypeError: if not.
    """
    if not isinstance(data, tuple):
        raise TypeError(f"pathname binary data should be tuple type, but it is type {type(data)}")
    if len(data) != 2:
        raise TypeError(f"pathname binary stream tuple length should be 2, but got {len(data)}")
    if not isinstance(data[0], str):
        raise TypeError(
            f"pathname within the tuple should have string type pathname, but it is type {type(data[0])}"
        )
    if not (isinstance(data[1], StreamWrapper) or hasattr(data[1], "read")):
        raise TypeError(
            "binary stream within the tuple should have IOBase orits subclasses as type, but it is type "
            f"{type(data[1])}"
        )


class StreamWrapper:
    """A stream that is closed when nobody has it any more.

    Args:
        file_obj: the stream.
        parent_stream: the StreamWrapper that it reads from.
        name: shown in its printed form.
    """

    session_streams: ClassVar[dict[Any, int]] = {}
    debug_unclosed_streams: ClassVar[bool] = False

    def __init__(self, file_obj: Any, parent_stream: Any = None, name: str | None = None) -> None:
        self.file_obj = file_obj
        self.child_counter = 0
        self.parent_stream = parent_stream
        self.close_on_last_child = False
        self.name = name
        self.closed = False
        if parent_stream is not None:
            if not isinstance(parent_stream, StreamWrapper):
                raise RuntimeError(f"Parent stream should be StreamWrapper, {type(parent_stream)} was given")
            parent_stream.child_counter += 1
        if StreamWrapper.debug_unclosed_streams:
            StreamWrapper.session_streams[self] = 1

    @classmethod
    def close_streams(cls, v: Any, depth: int = 0) -> None:
        """Close the streams in a nest of containers.

        Args:
            v: the nest.
            depth: how deep in it this is; it is searched ten levels deep.
        """
        if isinstance(v, StreamWrapper):
            v.close()
        elif depth < 10 and isinstance(v, (dict, list, tuple)):
            for part in v.values() if isinstance(v, dict) else v:
                cls.close_streams(part, depth + 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["file_obj"], name)

    def close(self, *args: Any, **kwargs: Any) -> None:
        """Close the stream, and the parent if this was its last child and it wants so."""
        if self.closed:
            return
        StreamWrapper.session_streams.pop(self, None)
        parent = self.__dict__.get("parent_stream")
        if parent is not None:
            parent.child_counter -= 1
            if not parent.child_counter and parent.close_on_last_child:
                parent.close()
        if hasattr(self.file_obj, "close"):
            self.file_obj.close(*args, **kwargs)
        self.closed = True

    def autoclose(self) -> None:
        """Close the stream as soon as it has no children."""
        self.close_on_last_child = True
        if self.child_counter == 0:
            self.close()

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *StreamWrapper.__dict__, *dir(self.file_obj)})

    def __del__(self) -> None:
        if not self.__dict__.get("closed", True):
            self.close()

    def __iter__(self) -> Iterator[Any]:
        yield from self.file_obj

    def __next__(self) -> Any:
        return next(self.file_obj)

    def __repr__(self) -> str:
        shown = repr(self.file_obj) if self.name is None else f"{self.name},{self.file_obj!r}"
        return f"StreamWrapper<{shown}>"

    def __getstate__(self) -> Any:
        return self.file_obj

    def __setstate__(self, obj: Any) -> None:
        self.file_obj = obj
