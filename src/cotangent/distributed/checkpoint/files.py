"""Checkpoints on disk: a folder with a file of each rank and a manifest: what is where, with checksums.

A checkpoint is written into a folder beside its place, which gets its name when all files and the manifest
are on the disk. So a folder with the name is whole, and what a failure has left behind has another name.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...dtypes import BY_NAME

__all__ = ["CheckpointException", "Piece", "Reader", "last_complete", "publish", "write_pieces"]

MANIFEST: Final = "manifest.json"
PARTIAL: Final = ".partial"
_ALIGNED: Final = 64


class CheckpointException(RuntimeError):
    """A checkpoint is not there, not whole, or does not fit."""


@dataclass
class Piece:
    """Some rows of a tensor, or an object's bytes.

    Args:
        key: its name.
        array: what is written, contiguous.
        dtype: name of the tensor's dtype; "" for an object.
        shape: of the whole tensor.
        start: number of the first row.
    """

    key: str
    array: Any
    dtype: str
    shape: tuple[int, ...]
    start: int


def write_pieces(folder: Path, name: str, pieces: list[Piece]) -> list[dict[str, Any]]:
    """Write the pieces of a rank into one file.

    Args:
        folder: where.
        name: of the file.
        pieces: the pieces.

    Returns:
        what the manifest tells of them.
    """
    told = []
    with open(folder / name, "wb") as file:
        for piece in pieces:
            file.write(b"\0" * (-file.tell() % _ALIGNED))
            raw = piece.array.reshape(-1).view(np.uint8)
            told.append(
                {
                    "key": piece.key, "file": name, "offset": file.tell(), "bytes": int(raw.nbytes),
                    "crc32": zlib.crc32(raw), "dtype": piece.dtype, "shape": list(piece.shape),
                    "start": piece.start, "rows": piece.array.shape[0] if piece.array.ndim else 1,
                }
            )  # fmt: skip
            file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    return told


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def publish(partial: Path, place: Path, told: list[dict[str, Any]], ranks: int) -> None:
    """Write the manifest, and give the folder its name.

    Args:
        partial: the folder with the files.
        place: the name.
        told: what `write_pieces` gave on all ranks.
        ranks: how many there are.
    """
    files = {name: (partial / name).stat().st_size for name in sorted({piece["file"] for piece in told})}
    text = json.dumps({"version": 1, "ranks": ranks, "files": files, "pieces": told}, indent=1)
    manifest = json.dumps({"crc32": zlib.crc32(text.encode()), "manifest": text})
    with open(partial / MANIFEST, "w", encoding="utf-8") as file:
        file.write(manifest)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(partial)
    if place.exists():
        old = place.with_name(place.name + ".old" + PARTIAL)
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        partial.rename(place)
        shutil.rmtree(old)
    else:
        partial.rename(place)
    _sync_folder(place.parent)


class Reader:
    """A checkpoint that is read.

    Args:
        place: its folder.

    Raises:
        CheckpointException: if it is not there, or not whole.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        try:
            outer = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
            text = outer["manifest"]
            good = zlib.crc32(text.encode()) == outer["crc32"]
        except FileNotFoundError:
            raise CheckpointException(f"{place} is no checkpoint: it has no {MANIFEST}") from None
        except (ValueError, KeyError, TypeError):
            good, text = False, ""
        if not good:
            raise CheckpointException(f"{place}: {MANIFEST} is damaged")
        found = json.loads(text)
        self.ranks: int = found["ranks"]
        for name, size in found["files"].items():
            path = place / name
            if not path.exists() or path.stat().st_size != size:
                raise CheckpointException(f"{place}: {name} is not there or not whole ({size} bytes)")
        self.pieces: dict[str, list[dict[str, Any]]] = {}
        for piece in found["pieces"]:
            self.pieces.setdefault(piece["key"], []).append(piece)
        self._checked: set[tuple[str, int]] = set()

    def _bytes(self, piece: dict[str, Any]) -> Any:
        if not piece["bytes"]:
            return np.empty(0, np.uint8)
        raw: Any = np.memmap(
            self.place / piece["file"], np.uint8, "r", offset=piece["offset"], shape=(piece["bytes"],)
        )
        which = piece["file"], piece["offset"]
        if which not in self._checked:
            if zlib.crc32(raw) != piece["crc32"]:
                raise CheckpointException(
                    f"{self.place}: {piece['key']} in {piece['file']} is damaged: its checksum is wrong"
                )
            self._checked.add(which)
        return raw

    def of(self, key: str) -> list[dict[str, Any]]:
        """What the manifest tells of a key.

        Raises:
            CheckpointException: if it is not in the checkpoint.
        """
        if key not in self.pieces:
            raise CheckpointException(f"Missing key in checkpoint state_dict: {key}.")
        return self.pieces[key]

    def object(self, key: str) -> bytes:
        """The bytes of an object."""
        return bytes(self._bytes(self.of(key)[0]))

    def rows(self, key: str, out: Any, start: int, shape: tuple[int, ...]) -> None:
        """Read rows of a tensor.

        Args:
            key: the tensor.
            out: filled.
            start: number of the first row wanted.
            shape: of the whole.

        Raises:
            CheckpointException: if the shape is another one, or rows are missing.
        """
        pieces = self.of(key)
        if tuple(pieces[0]["shape"]) != tuple(shape) or not pieces[0]["dtype"]:
            raise CheckpointException(
                f"Size mismatch between saved {pieces[0]['shape']} and current: {list(shape)} for {key}"
            )
        if not shape:
            out[...] = self._bytes(pieces[0]).view(BY_NAME[pieces[0]["dtype"]].np).reshape(())
            return
        missing = out.shape[0]
        for piece in pieces:
            low, high = max(start, piece["start"]), min(start + out.shape[0], piece["start"] + piece["rows"])
            if low >= high:
                continue
            held = self._bytes(piece).view(BY_NAME[piece["dtype"]].np).reshape(piece["rows"], *shape[1:])
            out[low - start : high - start] = held[low - piece["start"] : high - piece["start"]]
            missing -= high - low
        if missing > 0:
            raise CheckpointException(f"{self.place}: {missing} rows of {key} are missing")


def last_complete(folder: Any, key: Callable[[Path], Any] | None = None) -> Path | None:
    """The last checkpoint in a folder that is whole; those that are not are passed over.

    Args:
        folder: where checkpoints are.
        key: what orders them; the time of writing by default.

    Returns:
        its path, or None.

    Example:
        >>> from cotangent.distributed.checkpoint import last_complete
        >>> last_complete("nowhere")
    """
    root = Path(folder)
    if not root.is_dir():
        return None
    order = key or (lambda path: ((path / MANIFEST).stat().st_mtime_ns, path.name))
    places = [p for p in root.iterdir() if not p.name.endswith(PARTIAL) and (p / MANIFEST).exists()]
    for place in sorted(places, key=order, reverse=True):
        try:
            Reader(place)
        except CheckpointException:
            continue
        return place
    return None
