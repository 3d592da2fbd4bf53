"""`save`, `load` and `async_save`: each rank writes and reads its own part."""

from __future__ import annotations

import io
import secrets
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ...autograd.base import bump, wrap
from ...autograd.modes import no_grad
from ...autograd.where import here
from ...futures import Future
from ...serialization import load as load_file, save as save_file
from ...tensor import Tensor
from ..group import get_default_group, is_initialized, new_group
from ..objects import all_gather_object, broadcast_object_list
from ..tensor.dtensor import DTensor, rows_of
from .files import PARTIAL, CheckpointException, Piece, Reader, publish, write_pieces
from .hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter

__all__ = ["FileSystemReader", "FileSystemWriter", "Stateful", "async_save", "load", "save"]


@runtime_checkable
class Stateful(Protocol):
    """Something with a state that is saved and loaded as a whole."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state."""


class FileSystemWriter:
    """Where to write.

    Args:
        path: the folder, which is made.
        options: further ones of PyTorch, accepted.
    """

    def __init__(self, path: Any, **options: Any) -> None:
        self.path = Path(path)


class FileSystemReader:
    """Where to read.

    Args:
        path: the folder.
        options: further ones of PyTorch, accepted.
    """

    def __init__(self, path: Any, **options: Any) -> None:
        self.path = Path(path)


def _place(checkpoint_id: Any, storage: Any) -> Path:
    if checkpoint_id is None and storage is None:
        raise RuntimeError("Specify checkpoint_id or a storage_writer or storage_reader")
    return Path(checkpoint_id) if checkpoint_id is not None else storage.path


def _walk(
    value: Any, prefix: str, visit: Callable[[str, Any, Callable[[Any], None]], None], put: Any
) -> None:
    """Visit what is in nested dictionaries, and in lists that hold tensors."""
    if isinstance(value, dict):
        for key in value:
            _walk(value[key], f"{prefix}.{key}" if prefix else str(key), visit, _putter(value, key))
    elif isinstance(value, list) and any(isinstance(v, (Tensor, dict, list)) for v in value):
        for number in range(len(value)):
            _walk(value[number], f"{prefix}.{number}", visit, _putter(value, number))
    else:
        visit(prefix, value, put)


def _putter(container: Any, key: Any) -> Callable[[Any], None]:
    return lambda value: container.__setitem__(key, value)


def _states(state_dict: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.state_dict() if isinstance(value, Stateful) and not isinstance(value, dict) else value
        for key, value in state_dict.items()
    }


def _pieces(state_dict: dict[str, Any], rank: int, size: int, copy: bool) -> list[Piece]:
    """What this rank writes: its rows of what is dealt out, and its share of what all ranks have."""
    pieces: list[Piece] = []
    shared = [0]

    def visit(key: str, value: Any, put: Any) -> None:
        if isinstance(value, DTensor) and value.sharding() is not None:
            along = value.sharding()
            first = all(
                value._mesh.get_group(dim).rank() == 0 for dim in range(value._mesh.ndim) if dim != along
            )
            group = value._mesh.get_group(along)
            rows = rows_of(value._whole[0], group.size(), group.rank())
            if first and rows.start < rows.stop:
                pieces.append(_piece(key, value._data, value.dtype.name, value._whole, rows.start))
            return
        shared[0] += 1
        if shared[0] % size != rank:
            return
        if isinstance(value, Tensor) and type(value._data) is np.ndarray:
            pieces.append(_piece(key, value._data, value.dtype.name, tuple(value._data.shape), 0))
        else:
            file = io.BytesIO()
            save_file(value, file)
            pieces.append(Piece(key, np.frombuffer(file.getvalue(), np.uint8), "", (), 0))

    def _piece(key: str, data: Any, dtype: str, shape: tuple[int, ...], start: int) -> Piece:
        array = np.array(data, copy=True, order="C") if copy else np.ascontiguousarray(data)
        return Piece(key, array.reshape(data.shape), dtype, shape, start)

    _walk(state_dict, "", visit, None)
    return pieces


def _begin(place: Path, group: Any) -> Path:
    """A fresh folder for the files of all ranks."""
    place.parent.mkdir(parents=True, exist_ok=True)
    held = [place.with_name(f"{place.name}.{secrets.token_hex(4)}{PARTIAL}")]
    if group is None or group.rank() == 0:
        for left in place.parent.glob(f"{place.name}.*{PARTIAL}"):
            shutil.rmtree(left, ignore_errors=True)
        held[0].mkdir()
    if group is not None:
        broadcast_object_list(held, group=group, group_src=0)
    return held[0]


def _write(place: Path, pieces: list[Piece], group: Any) -> None:
    rank, size = (0, 1) if group is None else (group.rank(), group.size())
    partial = _begin(place, group)
    problem: str | None = None
    told: list[dict[str, Any]] = []
    try:
        told = write_pieces(partial, f"rank{rank}.data", pieces)
    except OSError as error:
        problem = f"rank {rank}: {error}"
    everyone: list[Any] = [(told, problem)]
    if group is not None:
        everyone = [None] * size
        all_gather_object(everyone, (told, problem), group)
    problems = [p for _, p in everyone if p is not None]
    if not problems and rank == 0:
        try:
            publish(partial, place, [piece for t, _ in everyone for piece in t], size)
        except OSError as error:
            problems = [f"rank 0: {error}"]
    if group is not None:
        held = [problems]
        broadcast_object_list(held, group=group, group_src=0)
        problems = held[0]
    if problems:
        raise CheckpointException(f"{place} was not written: " + "; ".join(problems))


def _group_of(process_group: Any, no_dist: bool) -> Any:
    if no_dist or not is_initialized():
        return None
    return process_group or get_default_group()


def save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: Any = None,
    storage_writer: Any = None,
    planner: Any = None,
    process_group: Any = None,
    no_dist: bool = False,
) -> None:
    """Write a checkpoint; each rank writes its part. All ranks call it.

    Args:
        state_dict: names -> tensors, `DTensor`s (each rank writes its rows), other values, nested
            dictionaries, and objects with `state_dict`.
        checkpoint_id: the folder; one that is there is replaced, at once and when the new one is whole.
        storage_writer: where, instead.
        planner: accepted as in PyTorch.
        process_group: the ranks; all by default.
        no_dist: whether this process saves by itself.

    Raises:
        CheckpointException: if one of the ranks could not write; then nothing has changed.
    """
    group = _group_of(process_group, no_dist)
    rank, size = (0, 1) if group is None else (group.rank(), group.size())
    if isinstance(storage_writer, HuggingFaceStorageWriter):
        _write_whole(_whole(_states(state_dict)), storage_writer, group)
        return
    place = _place(checkpoint_id, storage_writer)
    _write(place, _pieces(_states(state_dict), rank, size, False), group)


def _whole(states: dict[str, Any]) -> dict[str, Any]:
    """Every tensor of a state as an array, by name."""
    found: dict[str, Any] = {}

    def visit(key: str, value: Any, put: Any) -> None:
        if not isinstance(value, Tensor):
            raise CheckpointException(f"{key}: safetensors files hold tensors, got {type(value).__name__}")
        found[key] = (value.full_tensor() if isinstance(value, DTensor) else value.detach())._data

    _walk(states, "", visit, None)
    return found


def _write_whole(whole: dict[str, Any], writer: HuggingFaceStorageWriter, group: Any) -> None:
    """One rank writes what all have gathered; all hear whether that went well."""
    told: list[Any] = [None]
    if group is None or group.rank() == 0:
        try:
            writer.write(whole)
        except Exception as error:
            told[0] = error
    if group is not None:
        broadcast_object_list(told, group=group, group_src=0)
    if told[0] is not None:
        raise CheckpointException(f"{writer.path} was not written: {told[0]}") from told[0]


def _load_whole(states: dict[str, Any], reader: HuggingFaceStorageReader) -> None:
    """Fill the tensors of a state from files with whole ones."""
    wanted: dict[str, Any] = {}
    _walk(states, "", lambda key, value, put: wanted.update({key: value}), None)
    found = reader.read(list(wanted))
    for key, value in wanted.items():
        with no_grad():
            value.copy_(wrap(found[key]))


class _Background:
    group: Any = None  # for messages beside those of the program
    world: Any = None
    last: threading.Thread | None = None


def async_save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: Any = None,
    storage_writer: Any = None,
    planner: Any = None,
    process_group: Any = None,
    **options: Any,
) -> Future[None]:
    """Copy the state, and write the checkpoint in the background. All ranks call it.

    Args:
        state_dict, checkpoint_id, storage_writer, planner, process_group: as for `save`.
        options: further ones of PyTorch, accepted.

    Returns:
        a future that is done when the checkpoint is there; one that is still being written is waited for
        before the next begins.
    """
    group = _group_of(process_group, False)
    if group is not None and process_group is None:
        if _Background.world is not group:
            _Background.group, _Background.world = new_group(list(group.ranks)), group
        group = _Background.group
    rank, size = (0, 1) if group is None else (group.rank(), group.size())
    place = _place(checkpoint_id, storage_writer)
    pieces = _pieces(_states(state_dict), rank, size, True)
    future: Future[None] = Future()
    before = _Background.last

    def run() -> None:
        if before is not None:
            before.join()
        try:
            _write(place, pieces, group)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    _Background.last = threading.Thread(target=run, name="checkpoint")
    _Background.last.start()
    return future


def load(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: Any = None,
    storage_reader: Any = None,
    planner: Any = None,
    process_group: Any = None,
    no_dist: bool = False,
) -> None:
    """Read a checkpoint into a state of the same names; each rank reads its part, however many wrote it.

    Args:
        state_dict: tensors are filled, other values replaced, objects with `load_state_dict` loaded.
        checkpoint_id: the folder.
        storage_reader: where, instead.
        planner: accepted as in PyTorch.
        process_group, no_dist: accepted: nothing is exchanged.

    Raises:
        CheckpointException: if it is not there, not whole, damaged, or does not have what is asked for.
    """
    states = _states(state_dict)
    if isinstance(storage_reader, HuggingFaceStorageReader):
        _load_whole(states, storage_reader)
        _take_over(state_dict, states)
        return
    reader = Reader(_place(checkpoint_id, storage_reader))

    def visit(key: str, value: Any, put: Any) -> None:
        if isinstance(value, DTensor) and value.sharding() is not None:
            along = value.sharding()
            group = value._mesh.get_group(along)
            rows = rows_of(value._whole[0], group.size(), group.rank())
            reader.rows(key, value._data, rows.start, value._whole)
            bump(value, *here())
        elif isinstance(value, Tensor) and type(value._data) is np.ndarray:
            reader.rows(key, value._data, 0, tuple(value._data.shape))
            bump(value, *here())
        else:
            put(load_file(io.BytesIO(reader.object(key)), weights_only=False))

    _walk(states, "", visit, None)
    _take_over(state_dict, states)


def _take_over(state_dict: dict[str, Any], states: dict[str, Any]) -> None:
    """Hand what has been read to the objects that asked for it."""
    for key, value in state_dict.items():
        if isinstance(value, Stateful) and not isinstance(value, dict):
            value.load_state_dict(states[key])
        else:
            state_dict[key] = states[key]
