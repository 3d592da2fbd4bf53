"""`cotangent.memory`: what a graph keeps for backward, by line, module and operation, and the peak."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import numpy as np

from .. import lazy
from ..autograd.base import TensorBase
from ..autograd.node import AccumulateGrad, Node
from ..autograd.views import edge_of
from ..autograd.where import Place, place
from ..config import settings
from ..nn.modules import Module
from ..viz.modules import Modules, paths_of
from ..viz.names import Names, scopes_of
from .holders import held_outside, saved_values
from .quiet import quiet_backward
from .watch import tensors_in

__all__ = ["Entry", "Memory", "memory"]

rich_table: Final[Any] = lazy.module("rich.table")
rich_console: Final[Any] = lazy.module("rich.console")

_WORDS: Final = {
    "en": {
        "kept": "kept for backward", "also": "parameters and inputs read", "peak": "peak of backward",
        "at": "at", "line": "line", "module": "module", "operation": "operation", "bytes": "bytes",
        "checkpoint": "checkpoint {module}: keeps {saves} less (of {keeps})",
    },
    "zh": {
        "kept": "为反向传播保留", "also": "其中读取的参数和输入", "peak": "反向传播的峰值",
        "at": "位于", "line": "行", "module": "模块", "operation": "运算", "bytes": "字节",
        "checkpoint": "对 {module} 使用 checkpoint: 少保留 {saves} (共 {keeps})",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """Memory that a graph keeps, by the operation that keeps it first.

    Args:
        nbytes: size of the memory.
        operation: name of the node, such as `ExpBackward0`.
        place: the line that recorded it.
        module: path of the module, "" outside of modules or where it is not known.
        shape: shape of the value.
        dtype: its dtype, as NumPy names it.
        given: whether it is a parameter or an input, which stays without the graph, too.
    """

    nbytes: int
    operation: str
    place: Place | None
    module: str
    shape: tuple[int, ...]
    dtype: str
    given: bool


@dataclass(frozen=True)
class Advice:
    """A block whose values could be computed again instead of being kept.

    Args:
        module: path of the module.
        keeps: bytes that its operations keep.
        saves: bytes that checkpointing it would save: all but its input.
    """

    module: str
    keeps: int
    saves: int


class Memory:
    """What a graph keeps for backward.

    Attributes:
        entries: the memory, each storage once, largest first.
        total: bytes that the graph keeps alive: what goes away with it.
        given: bytes of parameters and inputs that rules read as well.
        peak: most bytes alive during backward: what is kept and not yet used, gradients on their way, and new
            gradients of leaves; None if not asked for.
        peak_at: the operation whose backward that is, and its line.
    """

    def __init__(
        self, entries: list[Entry], peak: tuple[int, str, Place | None] | None, blocks: list[Advice]
    ) -> None:
        self.entries = sorted(entries, key=lambda entry: -entry.nbytes)
        self.total = sum(entry.nbytes for entry in entries if not entry.given)
        self.given = sum(entry.nbytes for entry in entries if entry.given)
        self.peak = None if peak is None else peak[0]
        self.peak_at = None if peak is None else peak[1:]
        self.checkpoint = blocks

    def _by(self, key: Callable[[Entry], Any]) -> dict[Any, int]:
        sums: dict[Any, int] = {}
        for entry in self.entries:
            if not entry.given:
                sums[key(entry)] = sums.get(key(entry), 0) + entry.nbytes
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    @property
    def by_line(self) -> dict[tuple[str, int], int]:
        """Bytes by (file, line), largest first."""
        return self._by(lambda e: ("?", 0) if e.place is None else (e.place.file, e.place.line))

    @property
    def by_module(self) -> dict[str, int]:
        """Bytes by path of the module, largest first."""
        return self._by(lambda e: e.module)

    @property
    def by_operation(self) -> dict[str, int]:
        """Bytes by name of the node, largest first."""
        return self._by(lambda e: e.operation)

    def _lines(self) -> dict[tuple[str, int, str], int]:
        """Bytes by file, line and its text."""
        return self._by(
            lambda e: ("?", 0, "") if e.place is None else (e.place.file, e.place.line, e.place.text.strip())
        )

    def _summary(self, language: str) -> list[str]:
        words = _WORDS[language]
        lines = [f"{words['kept']}: {readable(self.total)}", f"{words['also']}: {readable(self.given)}"]
        if self.peak is not None and self.peak_at is not None:
            name, at = self.peak_at
            where = "" if at is None else f" ({at.file}:{at.line})"
            lines.append(f"{words['peak']}: {readable(self.peak)}, {words['at']} {name}{where}")
        return lines

    def __str__(self) -> str:
        parts = []
        for language in settings.languages():
            words = _WORDS[language]
            rows = [*self._summary(language), ""]
            for (file, line, text), size in list(self._lines().items())[:20]:
                rows.append(f"{readable(size):>10}  {file}:{line}  {text}")
            for title, sums in (("module", self.by_module), ("operation", self.by_operation)):
                if list(sums) not in ([], [""]):
                    rows += ["", words[title]]
                    rows += [f"{readable(size):>10}  {name or '-'}" for name, size in list(sums.items())[:20]]
            rows += self._advice(words)
            parts.append("\n".join(rows))
        return "\n\n".join(parts)

    def _advice(self, words: dict[str, str]) -> list[str]:
        return [""] * bool(self.checkpoint) + [
            words["checkpoint"].format(
                module=block.module, saves=readable(block.saves), keeps=readable(block.keeps)
            )
            for block in self.checkpoint[:3]
        ]

    __repr__ = __str__

    def __rich__(self) -> Any:
        """The report as rich shows it in a terminal."""
        words = _WORDS[settings.languages()[0]]
        table = rich_table.Table(
            title="\n".join(self._summary(settings.languages()[0])), title_justify="left"
        )
        table.add_column(words["bytes"], justify="right", style="bold")
        table.add_column(words["line"], style="cyan", overflow="fold")
        table.add_column("")
        for (file, line, text), size in list(self._lines().items())[:20]:
            table.add_row(readable(size), f"{file}:{line}", text)
        if self.checkpoint:
            table.caption = "\n".join(self._advice(words)[1:])
        return table


def readable(size: float) -> str:
    """A number of bytes in the unit that suits it."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"


def storage_of(array: Any) -> Any:
    """The array that owns the memory an array looks into."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def arrays_of(value: Any) -> Iterator[Any]:
    """The NumPy arrays behind a saved value."""
    if isinstance(value, np.ndarray):
        yield value
        return
    data = getattr(value, "_data", None)
    if isinstance(data, np.ndarray):
        yield data
    elif data is not None:
        for part in vars(data).values() if hasattr(data, "__dict__") else ():
            if isinstance(part, np.ndarray):
                yield part


def graph_nodes(tensors: Iterable[Any]) -> list[Node]:
    """All nodes behind some tensors, oldest first; those of several outputs once."""
    seen: dict[int, Node] = {}
    stack = [edge_of(t) for t in tensors if t._req]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            stack += [edge for edge in node.edges if edge is not None]
    return sorted(seen.values(), key=lambda node: node.seq)


def memory(loss: Any, model: Any = None, *, peak: bool = True) -> Memory:
    """How much memory the graph of a tensor keeps for backward, and where.

    Memory is counted once however many values look into it. It belongs to the operation that keeps it
    first. What stays without the graph, parameters and inputs, is counted apart.

    Args:
        loss: a tensor, or a sequence of tensors.
        model: the module to name modules by; found by itself if left out.
        peak: whether to find the peak of backward too, for which the gradients are computed (and thrown
            away).

    Returns:
        The report: print it, or read `.total`, `.by_line`, `.by_module`, `.by_operation`, `.peak`,
        `.checkpoint`.

    Raises:
        RuntimeError: if there is no graph.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1000, requires_grad=True)
        >>> report = torch.memory((x.exp() * x.sin()).sum())
        >>> report.total, report.by_operation
        (8000, {'ExpBackward0': 4000, 'MulBackward0': 4000})
    """
    tensors = list(tensors_in(loss))
    if not any(t._req for t in tensors):
        raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
    nodes = graph_nodes(tensors)
    paths, modules = module_paths(nodes, model, sys._getframe(1))
    made_by: dict[int, int] = {}  # storage -> the node whose result it is
    first: dict[int, tuple[Any, Any, Any]] = {}  # storage -> (node that keeps it first, array, owner)
    by_node: dict[int, list[tuple[int, int]]] = {}  # node -> (storage, bytes)
    for node in nodes:
        for value in saved_values(node):
            for array in arrays_of(value):
                owner = storage_of(array)
                by_node.setdefault(id(node), []).append((id(owner), owner.nbytes))
                source = getattr(value, "_node", node)
                if source is not None:
                    made_by.setdefault(id(owner), id(getattr(source, "parent", source)))
                first.setdefault(id(owner), (node, array, owner))
    given = _given(nodes, set(first))
    entries = []
    for key, (node, array, owner) in first.items():
        at = None if node.code is None else place(node.code, node.lasti)
        path, dtype = paths.get(id(node), ""), array.dtype.name
        entries.append(Entry(owner.nbytes, node.name(), at, path, array.shape, dtype, key in given))
    found = _peak(tensors, nodes, by_node, given) if peak else None
    blocks = [
        block
        for block in _blocks(paths, by_node, made_by, given)
        if type(modules.at[block.module]).forward is not Module.forward  # lists of modules are not called
    ]
    return Memory(entries, found, blocks)


def module_paths(nodes: list[Node], model: Any, frame: FrameType) -> tuple[dict[int, str], Modules]:
    """The path of the module that each node belongs to, by the names that variables of `frame` give.

    Models that no variable names are found among all there are, by their parameters.
    """
    named = Names(scopes_of(frame)).roots
    leaves = {id(node.variable) for node in nodes if isinstance(node, AccumulateGrad)}
    every = [model] if model is not None else [m for m in gc.get_objects() if issubclass(type(m), Module)]
    inner = {id(m) for module in every for m in module.modules() if m is not module}
    roots = [m for m in every if id(m) not in inner and any(id(p) in leaves for p in m.parameters())]
    called = [(named[id(m)][0] if id(m) in named else type(m).__name__, m) for m in roots]
    modules = Modules(called)
    return paths_of(nodes, modules), modules


def _given(nodes: list[Node], kept: set[int]) -> set[int]:
    """Those storages that stay without the graph: of leaves, and of others that somebody holds."""
    candidates = [
        t
        for t in gc.get_objects()
        if issubclass(type(t), TensorBase)
        and t._node is None
        and any(id(storage_of(array)) in kept for array in arrays_of(t))
    ]
    leaves = [node.variable for node in nodes if isinstance(node, AccumulateGrad)]
    return {
        id(storage_of(array)) for t in (*leaves, *held_outside(candidates, nodes)) for array in arrays_of(t)
    }


def _peak(
    tensors: list[Any], nodes: list[Node], by_node: dict[int, list[tuple[int, int]]], given: set[int]
) -> tuple[int, str, Place | None]:
    """The most bytes alive during backward, and where: a backward that leaves no trace."""
    users: dict[int, int] = {}
    kept: dict[int, int] = {}
    for storages in by_node.values():
        for storage, size in dict(storages).items():
            users[storage] = users.get(storage, 0) + 1
            if storage not in given:
                kept[storage] = size
    left = sum(kept.values())
    most, at = 0, None
    for node, gs, _, grads in quiet_backward(tensors):
        bytes_under_way = _bytes([*gs, *grads.values()])
        if left + bytes_under_way > most:
            most, at = left + bytes_under_way, node
        for storage in dict(by_node.get(id(node), ())):
            users[storage] -= 1
            if not users[storage]:
                left -= kept.pop(storage, 0)
    if at is None:
        return most, "", None
    return most, at.name(), None if at.code is None else place(at.code, at.lasti)


def _bytes(values: Iterable[Any]) -> int:
    """Bytes of the memory behind gradients, each storage once."""
    owners: dict[int, int] = {}
    for value in values:
        for array in value if isinstance(value, list) else (value,):
            if isinstance(array, np.ndarray):
                owner = storage_of(array)
                owners[id(owner)] = owner.nbytes
    return sum(owners.values())


def _blocks(
    paths: dict[int, str], by_node: dict[int, list[tuple[int, int]]], made_by: dict[int, int], given: set[int]
) -> list[Advice]:
    """Modules by what checkpointing them would save, most first.

    A checkpoint keeps the block's inputs instead of what is kept inside: what was made outside stays.
    """
    inside: dict[str, dict[int, int]] = {}
    for node, storages in by_node.items():
        for name in _blocks_around(paths.get(node, "")):
            inside.setdefault(name, {}).update({s: size for s, size in storages if s not in given})
    found = []
    for name, kept in inside.items():
        own = (
            size
            for storage, size in kept.items()
            if name in _blocks_around(paths.get(made_by.get(storage, 0), ""))
        )
        saves = sum(own)
        if saves:
            found.append(Advice(name, sum(kept.values()), saves))
    return sorted(found, key=lambda advice: -advice.saves)


def _blocks_around(path: str) -> set[str]:
    """The paths of the modules around one, whole models left out."""
    parts = path.split(".")
    return {".".join(parts[:n]) for n in range(2, len(parts) + 1)}
