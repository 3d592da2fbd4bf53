"""Backward through several workers, in PyTorch's FAST mode: every message recorded in a context takes part.

A *pass* starts at the roots on one worker. Each worker that it comes to makes a task: all nodes that its
roots and its Sends lead to, with the number of contributions that each waits for. A Send waits for one more,
the message from the other side. A Recv that is reached sends that message, as an ordinary call; the call's
result comes when all that it has set off has ended, so the pass is over when the calls of the first worker
are. Along with it come the Sends that still wait then: they belong to messages whose tensors no root depends
on. PyTorch waits for those for ever; here they are an error that names them.

Li et al., https://pytorch.org/docs/stable/rpc/distributed_autograd.html describes the algorithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from ...autograd.accumulate import check_leaf
from ...autograd.base import as_array, wrap
from ...autograd.engine import Careful, collect, cotangents_of
from ...autograd.modes import modes, next_task, set_recording
from ...autograd.node import AccumulateGrad, Node, accumulator_of
from ...autograd.running import call_back
from ...autograd.views import edge_of
from ...futures import Future
from ...kernels.fperr import QUIET, reset_errors, set_errors
from ...tensor import Tensor
from .. import gradients
from ..rpc import agent as agents
from ..rpc.recording import Context, CppFunction, SendRpcBackward, container

__all__ = ["backward", "get_gradients", "release"]

# For each worker: how many messages its task had got then, and the Sends that still waited.
States = dict[int, tuple[int, list[str]]]
_SIGNATURE: Final = (
    "backward(): incompatible function arguments. The following argument types are supported:\n    1."
    " (contextId: typing.SupportsInt | typing.SupportsIndex, roots: collections.abc.Sequence[torch.Tensor],"
    " retain_graph: bool = False) -> None\n\nInvoked with: "
)


class _Task(Careful):
    """One pass on one worker.

    Args:
        context: what is recorded.
        number: of the pass.
        roots: nodes of the roots, on the worker where it starts.
        keep: whether saved values stay.
    """

    def __init__(self, context: Context, number: int, roots: list[Node], keep: bool) -> None:
        sends = list(context.sends.values())
        order, leaves, _ = collect([*roots, *sends])
        super().__init__(order, leaves, keep, False, None, True)
        self.context = context
        self.number = number
        self.waiting = dict.fromkeys(order, 0)
        self.unsent = {send.number: send for send in sends}
        self.version = 0
        self.ready: list[Node] = []
        self.calls: list[Future[States]] = []
        for node in order:
            for edge in node.edges:
                if edge is not None and edge.__class__ is not AccumulateGrad:
                    self.waiting[edge] += 1
        for node in [*roots, *sends]:
            if node.__class__ is not AccumulateGrad:
                self.waiting[node] += 1

    def start(self, roots: list[Node], cotangents: list[Any]) -> None:
        """Give the roots their cotangents."""
        for root, g in zip(roots, cotangents, strict=True):
            self.add(root, g)
            if root.__class__ is AccumulateGrad:
                if not self.pending[root]:
                    self.leaf(root)
            else:
                self.less(root)

    def message(self, number: int, arrays: list[Any]) -> None:
        """Give a Send the cotangents that have come for it."""
        send = self.unsent.pop(number, None)
        if send is None:
            raise RuntimeError(f"there is no send function for message {number}, or its gradients came twice")
        self.version += 1
        self.grads[send] = list(arrays)
        self.less(send)

    def less(self, node: Any) -> None:
        """One contribution to a node is in."""
        self.waiting[node] -= 1
        if not self.waiting[node]:
            self.ready.append(node)

    def process(self) -> None:
        """Run every node that waits for nothing more."""
        while self.ready:
            node = self.ready.pop()
            edges = node.edges
            self.node(node)
            for edge in edges:
                if edge is not None and edge.__class__ is not AccumulateGrad:
                    self.less(edge)

    def node(self, node: Any) -> None:
        if node.__class__ is not CppFunction:
            super().node(node)
            return
        gs = self.all_tensor_hooks(node, cotangents_of(node, self.grads.pop(node, None)))
        message = (self.context.number, self.number, node.number, node.cotangents(gs), self.keep)
        self.calls.append(agents.here().call(node.source, _gradients_came, message, None, 0.0))

    def leaf(self, node: Any) -> None:
        """Add to the context's gradient of a leaf: its last contribution is in."""
        g = self.grads.pop(node, None)
        hooks = node.hooks
        g = self.tensor_hooks(node, hooks, 0, g)
        if g is None or not check_leaf(node.variable):
            return
        if hooks is not None:
            (g,) = self.prehooks(hooks, (g,))
        variable, array = node.variable, as_array(g)
        held = self.context.grads.get(id(variable))
        array = array.astype(variable._data.dtype) if held is None else held[1]._data + array
        self.context.grads[id(variable)] = (variable, wrap(array))
        if hooks is not None:
            for hook in list(hooks.post.values()):
                hook((), (self.shown(g),))
            for hook in list(hooks.after_accumulate.values()):
                hook(variable)

    def missing(self) -> list[str]:
        """The Sends that still wait, in words."""
        return [_in_words(send) for send in self.unsent.values()]


def _in_words(send: SendRpcBackward) -> str:
    shapes = ", ".join(str(list(shape)) for shape, _ in send.outputs)
    to = agents.here().workers[send.to]
    return f"message {send.number} to {to.name} (rank {send.to}) with tensors of shape {shapes}"


@contextmanager
def _running(task: _Task) -> Iterator[None]:
    """For a block: this thread runs backward, for a task that others wait for."""
    before = modes.grad, modes.inside, modes.run, modes.task, gradients.current.held
    was, modes.callbacks = modes.callbacks, None
    modes.task = next_task()
    set_recording(False)
    modes.run = task
    gradients.current.held = task.context.grads
    token = set_errors(QUIET)
    try:
        with task.context.lock:
            yield
            if modes.callbacks:
                call_back()
    finally:
        reset_errors(token)
        modes.grad, modes.inside, modes.run, modes.task, gradients.current.held = before
        modes.callbacks = was


def _gathered(task: _Task, calls: list[Future[States]]) -> States:
    """Wait for calls; what all workers that they have come to said last."""
    states: States = {}
    for call in calls:
        for worker, state in call.wait().items():
            if worker not in states or states[worker][0] <= state[0]:
                states[worker] = state
    own = agents.here().me.id
    with task.context.lock:
        states[own] = (task.version, task.missing())
    return states


def _gradients_came(context_id: int, number: int, message: int, arrays: list[Any], keep: bool) -> States:
    """On the worker that a tensor came from: go on there."""
    own = agents.here().me.id
    task = None
    try:
        context = container.get(context_id)
        with context.lock:
            task = context.tasks.get(number)
            if task is None:
                task = context.tasks[number] = _Task(context, number, [], keep)
            with _running(task):
                task.message(message, arrays)
                task.process()
                calls, task.calls = task.calls, []
            if not task.unsent:
                context.tasks.pop(number, None)
        return _gathered(task, calls)
    except Exception as error:
        if task is not None:
            task.context.tasks.pop(number, None)
        text = str(error)
        raise RuntimeError(text if "Error on Node" in text else f"Error on Node {own}: {text}") from error


def _checked(roots: Any) -> tuple[list[Node], list[Any]]:
    if not roots:
        raise RuntimeError("No tensors provided for gradient computation.")
    nodes: list[Node] = []
    cotangents = []
    for root in roots:
        if not root.requires_grad:
            raise RuntimeError("requires_grad not set on root")
        if root.numel() != 1:
            raise RuntimeError(f"{root.name or ''} is not a scalar, all roots need to be scalar")
        nodes.append(edge_of(root) or accumulator_of(root))
        cotangents.append(np.ones(root._data.shape, root._data.dtype))
    return nodes, cotangents


def backward(context_id: int, roots: Any, retain_graph: bool = False) -> None:
    """Backward from the roots through all workers; gradients stay in the context, each on its worker.

    Args:
        context_id: the context.
        roots: scalars of this worker.
        retain_graph: keep what was saved.

    Raises:
        RuntimeError: if there is no such context, a root is no scalar with a history, or a recorded message
            takes no part; what went wrong on another worker, named.
    """
    if not isinstance(context_id, int) or not isinstance(roots, (list, tuple)) or not all(
        isinstance(root, Tensor) for root in roots
    ):  # fmt: skip
        raise TypeError(f"{_SIGNATURE}{context_id}, {roots}")
    context = container.get(context_id)
    nodes, cotangents = _checked(roots)
    number = container.next_message()
    with context.lock:
        task = context.tasks[number] = _Task(context, number, nodes, bool(retain_graph))
    try:
        with _running(task):
            task.start(nodes, cotangents)
            task.process()
            calls, task.calls = task.calls, []
        states = _gathered(task, calls)
    finally:
        context.tasks.pop(number, None)
    waiting = [
        f"{agents.here().workers[worker].name} (rank {worker}): {text}"
        for worker, (_, texts) in sorted(states.items())
        for text in texts
    ]
    if waiting:
        raise RuntimeError(
            f"backward of context {context_id} is incomplete: no gradients came back for "
            + "; ".join(waiting)
            + ". The roots do not depend on what was computed from these tensors, but every message that is"
            " recorded in a context has to take part in its backward. Use all results, or detach() what is"
            " sent and not needed."
        )


def get_gradients(context_id: int) -> dict[Any, Any]:
    """The gradients that a context holds for leaves of this worker.

    Args:
        context_id: the context.

    Returns:
        leaf -> gradient.

    Raises:
        RuntimeError: if there is no such context.
    """
    context = container.get(context_id)
    with context.lock:
        return dict(context.grads.values())


def release(context_id: int) -> None:
    """Forget a context here and on all workers that it has come to.

    Args:
        context_id: the context.
    """
    context = container.take(context_id)
    if context is None or not agents.is_here():
        return
    agent = agents.here()
    for worker in context.known:
        if worker != agent.me.id:
            agent.call(worker, release, (context_id,), None)  # nobody waits; it may have ended
