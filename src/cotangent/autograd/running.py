"""What can be asked of a backward, and handed to it, while it runs in this thread.

The engine notes in `modes` which run is on (`task`, `keep`, `run` for one with hooks), at which node of it
(`node`) and what is to be called at its end (`callbacks`). A backward started inside another is a run of its
own.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any, Final

from .. import lazy
from .modes import modes
from .node import Node, Port

threading: Any = lazy.module("threading")
# Runs inside runs that one thread takes. The next one gets a thread: Python's stack is not deep.
DEEPEST: Final = 24


class ExecutionEngine:
    """PyTorch's `Variable._execution_engine`: what is left of it in Python."""

    def queue_callback(self, callback: Callable[[], Any]) -> None:
        """Call `callback()` once the backward that runs in this thread has ended.

        Args:
            callback: takes nothing; may queue further ones.

        Raises:
            RuntimeError: if no backward runs.
        """
        if not modes.task:
            raise RuntimeError("Final callbacks can only be installed during backward pass.")
        if modes.callbacks is None:
            modes.callbacks = []
        modes.callbacks.append(callback)

    def is_checkpoint_valid(self) -> bool:
        """Whether a checkpoint may run backward inside this one: not if it ends at given inputs."""
        return modes.task >= 0


def call_back() -> None:
    """Run the callbacks of a run that has ended, also those that callbacks add."""
    for callback in modes.callbacks or ():
        callback()


def in_thread(function: Callable[[], Any]) -> Any:
    """Run `function` in a thread with a fresh stack and the modes of this one."""
    state = dict(modes.__dict__)
    context = contextvars.copy_context()
    outcome: list[Any] = [None, None]

    def work() -> None:
        modes.__dict__.update(state)
        modes.depth = 0
        try:
            outcome[0] = context.run(function)
        except BaseException as error:
            outcome[1] = error

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def current_graph_task_id() -> int:
    """The number of the backward that runs in this thread, -1 if none does."""
    return abs(modes.task) if modes.task else -1


def current_node() -> Node | None:
    """The node whose backward runs in this thread."""
    found: Node | None = modes.node
    return found


def keeps_graph() -> bool:
    """Whether the backward that runs in this thread keeps the graph; True if none runs."""
    return modes.keep if modes.task else True


def execution_order() -> list[Node]:
    """The nodes of the backward that runs in this thread, in the order in which they run.

    Raises:
        RuntimeError: if none runs, or one that may use several threads.
    """
    if not modes.task or modes.run is None:
        raise RuntimeError(
            "_current_graph_task_execution_order should only be called during the backward pass"
        )
    if modes.multithreading:
        raise RuntimeError(
            "get_current_graph_task_execution_order expects the current backward to be executed with "
            "multithreading disabled, e.g. by running:\n\n"
            ">>> with torch.autograd.set_multithreading_enabled(False):\n"
            "...     torch.autograd.grad(...)\n"
        )
    left = dict(modes.run.entering)
    found: list[Node] = [leaf for leaf, edges in left.items() if not edges]
    for node in modes.run.order:
        if modes.run.needs(node) and node.__class__ is not Port:
            found.append(node)
        for edge in node.edges:
            if edge in left:
                left[edge] -= 1
                if not left[edge] and modes.run.needs(edge):
                    found.append(edge)
    return found


def will_execute(node: Any) -> bool:
    """Whether the backward that runs in this thread runs `node`.

    Args:
        node: a node of a graph.

    Raises:
        RuntimeError: if no backward runs, or `node` is a leaf at which a call of `grad` ends.
    """
    if not isinstance(node, Node):
        raise RuntimeError(f"_will_engine_execute_node expects an grad_fn, but got {type(node).__name__}")
    if not modes.task or modes.run is None:
        raise RuntimeError("_get_should_execute_nodes should only be called during the backward pass")
    if not modes.run.accumulate and hasattr(node, "variable") and node in (modes.run.wanted or ()):
        raise RuntimeError(
            "A leaf node was passed to _will_engine_execute_node but we are currently running "
            "autograd.grad(). "
            "This is currently not supported."
        )
    executes: bool = modes.run.comes_to(node)
    return executes


def hook_name(hook: Any) -> str:
    """What errors call a hook."""
    return getattr(hook, "__name__", type(hook).__name__)


def check_hook_result(hook: Any, old: Any, fresh: Any) -> None:
    """Refuse what a hook has returned in the place of a cotangent if it is of another size or type."""
    if tuple(old.shape) != tuple(fresh.shape):
        raise RuntimeError(f"hook '{hook_name(hook)}' has changed the size of value")
    if old.dtype is not fresh.dtype:
        raise RuntimeError(
            f"hook '{hook_name(hook)}' has changed the type of value (was torch.{old.dtype.type_name} got "
            f"torch.{fresh.dtype.type_name})"
        )
