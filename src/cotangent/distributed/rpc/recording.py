"""What distributed autograd records when tensors travel: contexts, and a node at each end of a message.

A message inside a context has a node on either side. *Send* stands where the tensors left: its edges lead to
where they were computed. *Recv* stands where they arrived, as the `grad_fn` of what came. Backward goes
through both in the other direction: a Recv sends cotangents to the worker that the tensors came from, and the
Send with the same number goes on there.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from ...autograd.base import wrap
from ...autograd.node import Node, Port, accumulator_of, next_seq
from ...autograd.views import edge_of

__all__ = [
    "Container", "Context", "CppFunction", "SendRpcBackward", "arrived", "container", "current", "inside",
    "leaving", "tensor_of",
]  # fmt: skip

NO_CONTEXT: Final = (
    "Current thread doesn't have a valid autograd context. Please wrap your code using: `with"
    " torch.distributed.autograd.context() as context_id` to generate a valid context"
)


class SendRpcBackward(Node):
    """Where tensors have left for another worker; its cotangents come from there."""

    __slots__ = ("number", "to", "outputs")

    nout = 0  # any number: cotangents come as a list

    def __init__(self, number: int, to: int, tensors: list[Any]) -> None:
        self.number = number
        self.to = to
        self.outputs = tuple((tuple(t.shape), t._data.dtype) for t in tensors)
        self.edges = tuple(edge_of(t) or accumulator_of(t) for t in tensors)
        self.seq = next_seq()
        self.code, self.lasti = None, 0
        self.hooks = self.fit = None

    def name(self) -> str:
        return "torch::distributed::autograd::SendRpcBackward"

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        return grads


class CppFunction(Node):
    """Where tensors have arrived from another worker; sends cotangents there. (PyTorch's name for it.)"""

    __slots__ = ("number", "source", "context", "outputs")

    nout = 0

    def __init__(self, number: int, source: int, context: Context, outputs: tuple[Any, ...]) -> None:
        self.number = number
        self.source = source
        self.context = context
        self.outputs = outputs
        self.edges = ()
        self.seq = next_seq()
        self.code, self.lasti = None, 0
        self.hooks = self.fit = None

    def name(self) -> str:
        return "torch::distributed::autograd::RecvRpcBackward"

    def cotangents(self, grads: Any) -> list[Any]:
        """An array for each tensor that came, zeros where nothing arrived."""
        return [
            np.zeros(shape, dtype) if g is None else np.asarray(g, dtype)
            for (shape, dtype), g in zip(self.outputs, grads, strict=True)
        ]

    def apply(self, grads: tuple[Any, ...], tensors: bool) -> tuple[Any, ...]:
        raise RuntimeError(
            f"backward reached tensors that came from worker {self.source} over RPC; only"
            " torch.distributed.autograd.backward(context_id, roots) goes on there"
        )

    def step(self, g: Any, grads: dict[Any, Any], keep: bool) -> None:
        self.apply((g,), False)


SendRpcBackward.__module__ = CppFunction.__module__ = "builtins"


class Context:
    """What one worker has recorded for one distributed backward.

    Args:
        number: the context's id, the same on all workers.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.sends: dict[int, SendRpcBackward] = {}
        self.recvs: dict[int, CppFunction] = {}
        self.known: set[int] = set()
        self.grads: dict[int, tuple[Any, Any]] = {}  # id of a leaf -> the leaf, its gradient
        self.lock = threading.RLock()
        self.tasks: dict[int, Any] = {}  # the backward passes that are under way here
        self.released = False

    def _context_id(self) -> int:
        return self.number

    def _send_functions(self) -> dict[int, SendRpcBackward]:
        """The nodes where tensors have left, by number of the message."""
        return dict(self.sends)

    def _recv_functions(self) -> dict[int, CppFunction]:
        """The nodes where tensors have arrived, by number of the message."""
        return dict(self.recvs)

    def _known_worker_ids(self) -> set[int]:
        """The workers that this one has sent something in this context."""
        return set(self.known)


class _Thread(threading.local):
    context: Context | None = None


class Container:
    """All contexts of this worker."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.contexts: dict[int, Context] = {}
        self.thread = _Thread()
        self.worker: int | None = None
        self._next = itertools.count()
        self._message = itertools.count()

    def open(self, worker: int) -> None:
        """Begin to number contexts and messages of this worker."""
        self.worker = worker
        self._next = itertools.count(worker << 48)
        self._message = itertools.count(worker << 48)

    def close(self) -> None:
        """Forget everything."""
        self.worker = None
        with self.lock:
            self.contexts.clear()

    def new(self) -> Context:
        """A new context, which becomes this thread's."""
        if self.worker is None:
            raise RuntimeError(
                "Need to initialize distributed autograd using torch.distributed.autograd.init()"
            )
        if self.thread.context is not None:
            raise RuntimeError("Already have an autograd context id for this thread.")
        context = self.get_or_make(next(self._next))
        self.thread.context = context
        return context

    def get_or_make(self, number: int) -> Context:
        """The context with this id, which a message has brought."""
        with self.lock:
            found = self.contexts.get(number)
            if found is None:
                found = self.contexts[number] = Context(number)
            return found

    def get(self, number: int) -> Context:
        """The context with this id.

        Raises:
            RuntimeError: if there is none.
        """
        with self.lock:
            found = self.contexts.get(number)
        if found is None:
            raise RuntimeError(f"Could not find autograd context with id: {number}")
        return found

    def take(self, number: int) -> Context | None:
        """Remove a context; returns it if it was there."""
        with self.lock:
            context = self.contexts.pop(number, None)
        if context is not None:
            context.released = True
            if self.thread.context is context:
                self.thread.context = None
        return context

    def next_message(self) -> int:
        """A number for a message, which no other worker gives."""
        return next(self._message)


container: Final = Container()


def current() -> Context | None:
    """The context of this thread."""
    return container.thread.context


@contextmanager
def inside(number: int | None) -> Iterator[None]:
    """For a block: this thread works for a context, or for none.

    Args:
        number: its id.
    """
    before = container.thread.context
    container.thread.context = None if number is None else container.get_or_make(number)
    try:
        yield
    finally:
        container.thread.context = before


def leaving(tensors: list[Any], to: int, context: Context | None, request: bool) -> tuple[int, int] | None:
    """Record that tensors leave.

    Args:
        tensors: those of a message.
        to: the worker they go to.
        context: for which.
        request: whether the message is a call, which takes its context along in any case.

    Returns:
        the id of the context and the number of the message (-1 if nothing was recorded), to send along;
        None outside of a context.
    """
    if context is None or context.released:
        return None
    recorded = [t for t in tensors if t.requires_grad]
    if not recorded and not request:
        return None
    with context.lock:
        context.known.add(to)
        if not recorded:
            return context.number, -1
        number = container.next_message()
        context.sends[number] = SendRpcBackward(number, to, recorded)
    return context.number, number


def arrived(tensors: list[Any], source: int, sent: tuple[int, int] | None) -> None:
    """Record that tensors have arrived.

    Args:
        tensors: those of a message; the ones that require a gradient get a history.
        source: the worker they come from.
        sent: what `leaving` gave there.
    """
    if sent is None or sent[1] < 0:
        return
    context = container.get_or_make(sent[0])
    recorded = [t for t in tensors if t._req]
    node = CppFunction(sent[1], source, context, tuple((t._data.shape, t._data.dtype) for t in recorded))
    for output, t in enumerate(recorded):
        t._node = Port(node, output)
    with context.lock:
        context.recvs[node.number] = node


def tensor_of(array: Any, requires_grad: bool) -> Any:
    """A tensor around an array that has arrived."""
    t = wrap(array)
    t._req = requires_grad
    return t
