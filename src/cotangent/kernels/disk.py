"""What was generated in earlier runs, kept on disk: object code, and the code of generated Python text.

An entry is one file under the user's cache directory, named by a hash of all that its content depends on.
Entries are written beside and renamed, so that concurrent processes see whole files only; each carries a
checksum, and one that does not match is as good as none. The directory is created for its owner alone, and
one that others may write to is not used: its files are run. It is bounded by bytes, oldest use first.

Importing this module does nothing.
"""

from __future__ import annotations

import linecache
import marshal
import os
import stat
import sys
import threading
from types import CodeType
from typing import Any, Final

from .. import lazy

__all__ = ["cache_directory", "execute", "prune", "read", "write"]

hashlib: Any = lazy.module("hashlib")

_MAGIC: Final = b"cotangent entry 1\n"
_START: Final = len(_MAGIC) + 32
# Bytes kept, and the entries after which the directory is looked through: one of 256, in whatever process it
# is written.
_LIMIT: Final = 256 << 20
_LOOKS: Final = "00"


class _State:
    """The directory, once it has been looked for."""

    def __init__(self) -> None:
        self.directory: str | None = None
        self.known = False


_state: Final = _State()


def cache_directory() -> str:
    """Where entries are kept: $COTANGENT_CACHE, or "cotangent" in the user's cache directory.

    Returns:
        The directory, which may not exist yet.
    """
    chosen = os.environ.get("COTANGENT_CACHE")
    if chosen:
        return chosen
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "cotangent")


def _usable_directory() -> str | None:
    """The cache directory, made if need be; None where there can be none or others could write to it."""
    if not _state.known:
        _state.known = True
        directory = cache_directory()
        try:
            if not os.path.isdir(directory):
                os.makedirs(os.path.dirname(directory) or ".", exist_ok=True)
                os.makedirs(directory, 0o700, exist_ok=True)
            found = os.stat(directory)
            private = os.name == "nt" or (
                found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            )
            _state.directory = directory if private and os.access(directory, os.W_OK) else None
        except (OSError, RuntimeError):
            _state.directory = None
    return _state.directory


def read(key: bytes, suffix: str) -> bytes | None:
    """The content of an entry.

    Args:
        key: a SHA-256 hash of what the content depends on.
        suffix: of the file's name, for the kind of content.

    Returns:
        The content; None if there is no such entry, or a damaged one.
    """
    directory = _usable_directory()
    if directory is None:
        return None
    path = f"{directory}{os.sep}{key.hex()[:48]}{suffix}"
    try:
        with open(path, "rb", buffering=0) as file:
            found: bytes = file.read()
        content = found[_START:]
        if found[: len(_MAGIC)] != _MAGIC or hashlib.sha256(content).digest() != found[len(_MAGIC) : _START]:
            return None
        os.utime(path)
    except OSError:
        return None
    return content


def write(key: bytes, suffix: str, content: bytes) -> None:
    """Keep an entry; whatever goes wrong, there is none."""
    directory = _usable_directory()
    if directory is None:
        return
    name = key.hex()[:48]
    path = f"{directory}{os.sep}{name}{suffix}"
    beside = f"{directory}{os.sep}{name}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        with open(beside, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(content).digest() + content)
        os.replace(beside, path)
        if name.startswith(_LOOKS):
            prune(directory, _LIMIT)
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass


def execute(text: str, filename: str, *scope: dict[str, Any]) -> None:
    """Run generated Python text, which tracebacks and debuggers can show.

    Args:
        text: of a module.
        filename: what tracebacks call it.
        scope: globals, and locals if they are others.
    """
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(_code_of(text, filename), *scope)


def _code_of(text: str, filename: str) -> CodeType:
    """What `compile` gives, from disk if it is there: it takes as long as all the rest of generating."""
    depends = f"{sys.implementation.cache_tag} {sys.hexversion} {sys.flags.optimize}\n{filename}\n{text}"
    key = hashlib.sha256(depends.encode()).digest()
    content = read(key, ".code")
    if content is not None:
        found: CodeType = marshal.loads(content)
        return found
    made: CodeType = compile(text, filename, "exec")
    write(key, ".code", marshal.dumps(made))
    return made


def prune(directory: str, limit: int) -> None:
    """Delete the entries that were not used for longest, until three quarters of the limit are left.

    Args:
        directory: the cache.
        limit: bytes above which anything is deleted.
    """
    entries = []
    with os.scandir(directory) as listed:
        for entry in listed:
            if entry.name.endswith((".o", ".code", ".part")):
                found = entry.stat()
                entries.append((found.st_mtime, found.st_size, entry.path))
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, path in sorted(entries):
        if total <= limit * 3 // 4:
            break
        try:
            os.unlink(path)
            total -= size
        except OSError:
            pass
