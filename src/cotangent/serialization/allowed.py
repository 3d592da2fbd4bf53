"""What a file may name when it is loaded with `weights_only=True`, and how users allow more."""

from __future__ import annotations

import _codecs
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..nn.parameter import Parameter
from .names import KNOWN, written_name

# Modules that give access to the system: nothing of theirs is ever allowed.
BLOCKED: Final = frozenset(("sys", "os", "posix", "nt", "subprocess", "shutil", "importlib"))

_BASIC: Final[dict[tuple[str, str], Any]] = {
    **KNOWN,
    ("torch.nn.parameter", "Parameter"): Parameter,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("builtins", "set"): set,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "complex"): complex,
    ("__builtin__", "set"): set,
    ("__builtin__", "bytearray"): bytearray,
    ("__builtin__", "complex"): complex,
    ("_codecs", "encode"): _codecs.encode,
}


class _PerThread(threading.local):
    """Allowed by a `safe_globals` context of this thread."""

    def __init__(self) -> None:
        self.more: list[Any] = []


_local: Final = _PerThread()
_added: Final[list[Any]] = []


def name_of(entry: Any) -> str:
    """The dotted name that files use for a user's entry: an object, or a pair (object, name)."""
    if isinstance(entry, tuple):
        return str(entry[1])
    found = written_name(entry)
    return ".".join(found) if found else f"{entry.__module__}.{entry.__qualname__}"


def _object_of(entry: Any) -> Any:
    return entry[0] if isinstance(entry, tuple) else entry


def allowed() -> dict[str, Any]:
    """Everything a file may name now, by dotted name."""
    found = {".".join(name): value for name, value in _BASIC.items()}
    found.update((name_of(entry), _object_of(entry)) for entry in (*_added, *_local.more))
    return found


def added() -> list[Any]:
    """The objects that users allowed, whose state a file may set."""
    return [_object_of(entry) for entry in (*_added, *_local.more)]


def add_safe_globals(safe_globals: list[Callable[..., Any] | tuple[Callable[..., Any], str]]) -> None:
    """Allow files loaded with `weights_only=True` to name these classes and functions.

    Args:
        safe_globals: classes and functions; a pair gives the full name that files use for one.

    Example:
        >>> import cotangent as torch
        >>> from fractions import Fraction
        >>> torch.serialization.add_safe_globals([Fraction])
        >>> torch.serialization.get_safe_globals()
        [<class 'fractions.Fraction'>]
        >>> torch.serialization.clear_safe_globals()
    """
    for entry in safe_globals:
        if entry not in _added:
            _added.append(entry)


def get_safe_globals() -> list[Any]:
    """What users have allowed with `add_safe_globals` and `safe_globals`.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.get_safe_globals()
        []
    """
    return [*_added, *_local.more]


def clear_safe_globals() -> None:
    """Take back what `add_safe_globals` allowed.

    Example:
        >>> import cotangent as torch
        >>> torch.serialization.clear_safe_globals()
    """
    _added.clear()


@contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """Allow files to name these classes and functions inside the `with` block, in this thread.

    Args:
        safe_globals: as for `add_safe_globals`.

    Example:
        >>> import cotangent as torch
        >>> from fractions import Fraction
        >>> with torch.serialization.safe_globals([Fraction]):
        ...     print(torch.serialization.get_safe_globals())
        [<class 'fractions.Fraction'>]
    """
    before = _local.more
    _local.more = [*before, *safe_globals]
    try:
        yield
    finally:
        _local.more = before
