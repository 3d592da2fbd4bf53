"""Which modules are running, forward or backward."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .. import _C
from ..autograd.graph import register_multi_grad_hook
from ..autograd.variable import Variable
from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from ..tensor import Tensor
from ._pytree import tree_leaves

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """While it is entered, `parents` names the modules that are running, among them always "Global".

    A name is that of the outermost module's class and then the way from there: `Net.encoder.0`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.module_tracker import ModuleTracker
        >>> class Net(torch.nn.Module):
        ...     def forward(self, x):
        ...         print(sorted(tracker.parents))
        ...         return x
        >>> with ModuleTracker() as tracker:
        ...     _ = torch.nn.Sequential(Net())(torch.ones(1))
        ['Global', 'Sequential', 'Sequential.0']
    """

    parents: set[str]

    def __init__(self) -> None:
        self.parents = {"Global"}
        self._known: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._has_callback = False
        self._hooks: list[Any] = []

    @property
    def is_bw(self) -> bool:
        """Whether a backward is running."""
        return bool(_C._current_graph_task_id() != -1)

    def _get_mod_name(self, mod: Any) -> str:
        name = self._known.setdefault(mod, type(mod).__name__)
        if mod not in self._seen:
            for child, module in mod.named_children():
                self._known[module] = f"{name}.{child}"
                self._get_mod_name(module)
            self._seen.add(mod)
        return name

    def _after_backward(self) -> None:
        """Let the names be forgotten when the backward that is running has ended."""
        if self._has_callback:
            return

        def ended() -> None:
            self.parents = {"Global"}
            self._has_callback = False

        Variable._execution_engine.queue_callback(ended)
        self._has_callback = True

    def _entering(self, name: str, backward: bool) -> Callable[..., None]:
        def enter(*_: Any) -> None:
            if backward:
                self._after_backward()
            self.parents.add(name)

        return enter

    def _leaving(self, name: str) -> Callable[..., None]:
        return lambda *_: self.parents.discard(name)

    def _watch(self, values: Any, act: Callable[..., None]) -> None:
        """Call `act` when backward has the gradients of the tensors among some values."""
        tensors = [v for v in tree_leaves(values) if isinstance(v, Tensor) and v.requires_grad]
        if tensors:
            self._hooks.append(register_multi_grad_hook(tensors, act))

    def _before(self, mod: Any, input: Any) -> None:
        name = self._get_mod_name(mod)
        self.parents.add(name)
        self._watch(input, self._leaving(name))

    def _after(self, mod: Any, input: Any, output: Any) -> None:
        name = self._get_mod_name(mod)
        self.parents.discard(name)
        self._watch(output, self._entering(name, True))

    def __enter__(self) -> ModuleTracker:
        self._handles = (
            register_module_forward_pre_hook(self._before), register_module_forward_hook(self._after)
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        for handle in (*self._handles, *self._hooks):
            handle.remove()
        self._hooks.clear()
