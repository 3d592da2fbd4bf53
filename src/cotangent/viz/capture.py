"""What is noted of each operation while a graph is to be drawn: operands, results, and the module it ran in.

Nothing of this happens otherwise: a node by itself knows its line and what its rules read.
"""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Any, Final, NamedTuple

from ..autograd.base import TensorBase
from ..autograd.modes import modes, refresh_extras
from ..nn.modules._calls import register_module_forward_hook, register_module_forward_pre_hook

# Arrays up to this size are copied, so that later writes do not change the picture.
_COPIED: Final = 4096


class Noted(NamedTuple):
    """One recorded operation.

    Attributes:
        operands: per tensor parameter the array, a list of arrays, or None.
        results: arrays of the results.
        modules: the modules whose forward was running, outermost first.
        origins: per tensor parameter the very array (or arrays) that the tensor holds.
    """

    operands: tuple[Any, ...]
    results: tuple[Any, ...]
    modules: tuple[Any, ...]
    origins: tuple[Any, ...]


noted: Final[weakref.WeakKeyDictionary[Any, Noted]] = weakref.WeakKeyDictionary()


def _origin(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_origin(v) for v in value]
    return value._data if isinstance(value, TensorBase) else value


def _array(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_array(v) for v in value]
    if not isinstance(value, TensorBase):
        return value
    data = value._data
    return data.copy() if getattr(data, "size", _COPIED + 1) <= _COPIED else data


class capture:
    """For a block: note values and modules of what is recorded, for a later `cotangent.graph(loss)`.

    Example:
        >>> import cotangent as torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
        >>> with torch.viz.capture():
        ...     loss = model(torch.ones(1, 2)).sum()
        >>> print([node.module for node in torch.graph(loss).operations])
        ['model.0', 'model.0', 'model.1', '']
    """

    def __enter__(self) -> capture:
        stack: list[Any] = []

        def watch(node: Any, operands: tuple[Any, ...], results: tuple[Any, ...]) -> None:
            arrays = tuple(_array(o) for o in operands)
            made = tuple(_array(r) for r in results)
            noted[node] = Noted(arrays, made, tuple(stack), tuple(_origin(o) for o in operands))

        def entered(module: Any, args: Any) -> None:
            stack.append(module)

        def left(module: Any, args: Any, result: Any) -> None:
            if stack and stack[-1] is module:
                stack.pop()

        self._watch = watch
        self._handles = (
            register_module_forward_pre_hook(entered),
            register_module_forward_hook(left, always_call=True),
        )
        modes.extras.watchers.append(watch)
        refresh_extras()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.extras.watchers.remove(self._watch)
        refresh_extras()
        for handle in self._handles:
            handle.remove()
