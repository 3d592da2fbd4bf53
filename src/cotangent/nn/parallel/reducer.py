"""What averages gradients for DistributedDataParallel: buckets, filled by hooks while backward goes on.

Parameters are put into buckets in the reverse of their order, about the order in which backward finishes
their gradients. When the last gradient of a bucket is in, its all-reduce starts in the group's lane while
backward goes on; the last hook of the run waits for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ... import tree
from ...autograd.base import wrap
from ...autograd.modes import modes
from ...autograd.node import AccumulateGrad
from ...autograd.running import ExecutionEngine
from ...autograd.views import edge_of
from ...distributed import rings
from ...distributed.gradients import gradient_of, put_gradient
from ...tensor import Tensor
from .traced import Latest, TracedRun

__all__ = ["Bucket", "GradBucket", "Reducer", "reached"]

_MEGABYTE: Final = 1 << 20
_TWICE: Final = (
    "Expected to mark a variable ready only once. This error is caused by one of the following reasons: 1)"
    " Use of a module parameter outside the `forward` function. Please make sure model parameters are not"
    " shared across multiple concurrent forward-backward passes. or try to use _set_static_graph() as a"
    " workaround if this module graph does not change during training loop.2) Reused parameters in multiple"
    " reentrant backward passes. For example, if you use multiple `checkpoint` functions to wrap the same"
    " part of your model, it would result in the same set of parameters been used by different reentrant"
    " backward passes multiple times, and hence marking a variable ready multiple times. DDP does not support"
    " such use cases in default. You can try to use _set_static_graph() as a workaround if your module graph"
    " does not change over iterations.\nParameter at index {} with name {} has been marked as ready twice."
)
_CHANGED: Final = (
    "Your training graph has changed in this iteration, e.g., one parameter is unused in first iteration, but"
    " then got used in the second iteration. this is not compatible with static_graph set to True.\nParameter"
    " at index {} with name {}."
)


class Bucket:
    """Parameters whose gradients travel together.

    Args:
        numbers: their places among the module's parameters.
        parameters: the parameters.
    """

    # In slots, which compiled functions do not watch: each run changes them.
    __slots__ = ("flat", "numbers", "parameters", "parts", "waiting", "work")

    def __init__(self, numbers: list[int], parameters: list[Any]) -> None:
        self.numbers = numbers
        self.parameters = parameters
        edges = np.cumsum([0, *(p.numel() for p in parameters)])
        self.parts = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
        self.flat = np.zeros(int(edges[-1]), parameters[0]._data.dtype)
        self.waiting = 0
        self.work: Any = None


class GradBucket:
    """A bucket as communication hooks see it.

    Args:
        bucket: the bucket.
        flat: its gradients.
        index: its number.
        last: whether it is the last of this backward.
    """

    def __init__(self, bucket: Bucket, flat: Any, index: int, last: bool) -> None:
        self._bucket, self._index, self._last = bucket, index, last
        self._buffer = wrap(flat)

    def index(self) -> int:
        """Its number."""
        return self._index

    def is_last(self) -> bool:
        """Whether it is the last of this backward."""
        return self._last

    def buffer(self) -> Any:
        """Its gradients, one after the other, as they are on this rank."""
        return self._buffer

    def set_buffer(self, buffer: Any) -> None:
        """Put another tensor in the buffer's place."""
        self._buffer = buffer

    def gradients(self) -> list[Any]:
        """Its gradients, in the buffer's memory."""
        flat = self._buffer._data.reshape(-1)
        return [
            wrap(flat[s].reshape(p._data.shape)) for s, p in zip(self._bucket.parts, self._bucket.parameters)
        ]

    def parameters(self) -> list[Any]:
        """The parameters that they belong to."""
        return list(self._bucket.parameters)


class Reducer:
    """Averages the gradients of parameters over the ranks of a group.

    Args:
        parameters: those that require a gradient, of one order on all ranks.
        names: their names.
        group: the ranks.
        megabytes: size of a bucket.
        find_unused: whether to look for parameters that outputs do not depend on.
        static: whether every pass uses the same parameters, equally often.
        as_view: whether `.grad` lies in the bucket's memory.
    """

    def __init__(
        self,
        parameters: list[Any],
        names: list[str],
        group: Any,
        megabytes: float,
        find_unused: bool,
        static: bool,
        as_view: bool,
    ) -> None:
        self.parameters = parameters
        self.names = names
        self.group = group
        self.find_unused = find_unused
        self.static = static
        self.as_view = as_view
        self.buckets = _buckets(parameters, megabytes)
        self.divisor = float(group.size())
        self.syncing = True
        self.expecting = False
        self.ready: set[int] = set()
        self.comm_hook: tuple[Any, Callable[..., Any]] | None = None
        self._place = {n: (b, k) for b in self.buckets for k, n in enumerate(b.numbers)}
        self._next = 0
        self._came = [0] * len(parameters)  # how often each hook has run in this backward
        self._used: set[int] = set()  # whose hooks have run since gradients last travelled
        self._unused: list[int] = []  # whose hooks will not run in this backward
        self._usual: list[int] | None = None  # of a static graph: how often in the first one
        self._queued = False
        self._traced = Latest()
        for number, parameter in enumerate(parameters):
            parameter.register_post_accumulate_grad_hook(self._hook(number))

    def missing(self) -> list[int]:
        """The parameters whose gradients have not come, where some have: the last backward was incomplete."""
        if not self.expecting or not (self.ready or any(self._came)):
            return []
        return sorted(set(range(len(self.parameters))) - self.ready)

    def prepare(self, output: Any) -> None:
        """Get ready for the backward of these outputs.

        Args:
            output: what the module gave.
        """
        tape = modes.tracer
        if tape is not None:
            self._traced.run = TracedRun(self, tape)
            return
        self._begin()
        if self.static and self._usual is None:
            # The first pass tells how often each is used; its gradients travel when the whole backward ends,
            # also where checkpoints run backward inside backward: so the outputs have to ask for it.
            for t in tree.flatten(output)[0]:
                if isinstance(t, Tensor) and t.requires_grad:
                    t.register_hook(self._ask_for_end)
        elif self.static:
            self._unused = [number for number, usual in enumerate(self._usual or ()) if not usual]
        elif self.find_unused:
            used = reached(output)
            self._unused = [n for n, parameter in enumerate(self.parameters) if id(parameter) not in used]
        if len(self._unused) == len(self.parameters):
            self._pass_over()  # no hook will run

    def _begin(self) -> None:
        self.expecting = True
        self.ready = set()
        self._next = 0
        self._came = [0] * len(self.parameters)
        self._unused = []
        self._queued = False
        for bucket in self.buckets:
            bucket.waiting = len(bucket.numbers)
            bucket.work = None
            if not self.as_view:
                bucket.flat = np.empty_like(bucket.flat)  # the last backward's gradients lie in the old one

    def _pass_over(self) -> None:
        """Parameters without a gradient in this backward may have one of those before it."""
        unused, self._unused = self._unused, []
        for number in unused:
            self._arrived(number, gradient_of(self.parameters[number]))

    # -- backward --

    def _hook(self, number: int) -> Any:
        def hook(parameter: Any) -> None:
            if modes.tracer is not None and self._traced.run is not None:
                if self.syncing:
                    self._traced.run.arrived(number, parameter)
                return
            self._used.add(number)
            if not self.syncing or not self.expecting:
                return
            self._came[number] += 1
            if self._unused:
                self._pass_over()
            if not self.static:
                if number in self.ready:
                    raise RuntimeError(_TWICE.format(number, self.names[number]))
                self._arrived(number, gradient_of(parameter))
            elif self._usual is None:
                pass
            elif self._usual[number] == 0:
                raise RuntimeError(_CHANGED.format(number, self.names[number]))
            elif self._came[number] == self._usual[number]:
                self._arrived(number, gradient_of(parameter))

        return hook

    def _ask_for_end(self, gradient: Any) -> None:
        if self.syncing and self.expecting and not self._queued:
            self._queued = True
            ExecutionEngine().queue_callback(self._end_of_first)

    def _end_of_first(self) -> None:
        self._usual = list(self._came)
        for number, parameter in enumerate(self.parameters):
            self._arrived(number, gradient_of(parameter))

    def _arrived(self, number: int, gradient: Any) -> None:
        """A gradient is in; or there is none, then zeros take part."""
        self.ready.add(number)
        bucket, place = self._place[number]
        part = bucket.flat[bucket.parts[place]]
        if gradient is None:
            part[...] = 0
        else:
            self.put(part, gradient._data)
        bucket.waiting -= 1
        # In the order of the buckets, whichever is full first: all ranks must agree on it.
        while self._next < len(self.buckets) and self.buckets[self._next].waiting == 0:
            self.buckets[self._next].work = self.start(self._next, self.buckets[self._next].flat)
            self._next += 1
        if len(self.ready) == len(self.parameters):
            self._finish()

    def put(self, part: Any, gradient: Any) -> None:
        """Write a gradient's share of the average.

        Args:
            part: where to, flat.
            gradient: an array.
        """
        divisor = self.divisor if self.comm_hook is None else 1.0
        np.divide(gradient.reshape(-1), divisor, out=part, casting="unsafe")

    def start(self, index: int, flat: Any) -> Any:
        """Start the exchange of a bucket.

        Args:
            index: its number.
            flat: its gradients.

        Returns:
            what can be waited for: a Future of a tensor, or the averages will be in `flat`.
        """
        if self.comm_hook is None:
            link = self.group.link
            return self.group.submit(
                lambda: rings.all_reduce(link, flat, "SUM"), True, "DDP_BUCKET", [wrap(flat)]
            )
        state, hook = self.comm_hook
        work = hook(state, GradBucket(self.buckets[index], flat, index, index == len(self.buckets) - 1))
        if not hasattr(work, "wait"):
            raise RuntimeError(
                "DDP communication hook's callback must return a torch.futures.Future object, but got"
                f" {'torch.Tensor' if isinstance(work, Tensor) else type(work).__name__}"
            )
        return work

    def start_empty(self) -> None:
        """Take part in the others' reductions without gradients of one's own; `finish` follows."""
        self._begin()
        for number in range(len(self.parameters)):
            self._arrived(number, None)

    def _finish(self) -> None:
        """All gradients are in: wait for the averages, and put them where gradients are."""
        self.expecting = False
        for bucket in self.buckets:
            result = bucket.work.wait()
            if isinstance(result, Tensor) and result._data is not bucket.flat:
                bucket.flat[...] = result._data.reshape(-1)
        # A parameter that no rank has used keeps its gradient as it is: find out together.
        used: Any = None
        if self.find_unused or self.static:
            used = np.array([n in self._used for n in range(len(self.parameters))], np.uint8)
            link = self.group.link
            self.group.submit(lambda: rings.all_reduce(link, used, "MAX"), False, "DDP_USED")
        self._used.clear()
        for bucket in self.buckets:
            for number, parameter, part in zip(bucket.numbers, bucket.parameters, bucket.parts, strict=True):
                if used is None or used[number]:
                    average = bucket.flat[part].reshape(parameter._data.shape)
                    put_gradient(parameter, average, self.as_view)


def _buckets(parameters: list[Any], megabytes: float) -> list[Bucket]:
    """Parameters in the reverse of their order, in buckets of one dtype; the first one is small."""
    made: list[Bucket] = []
    open_: dict[Any, tuple[list[int], int]] = {}
    limit = float(min(1.0, megabytes) * _MEGABYTE)
    for number in reversed(range(len(parameters))):
        parameter = parameters[number]
        numbers, size = open_.get(parameter.dtype, ([], 0))
        numbers.append(number)
        size += parameter.nbytes
        if size >= limit:
            made.append(Bucket(numbers, [parameters[n] for n in numbers]))
            open_.pop(parameter.dtype, None)
            limit = megabytes * _MEGABYTE
        else:
            open_[parameter.dtype] = numbers, size
    for numbers, _ in open_.values():
        made.append(Bucket(numbers, [parameters[n] for n in numbers]))
    return made


def reached(output: Any) -> set[int]:
    """The leaves that outputs depend on, by identity.

    Args:
        output: tensors, nested.
    """
    leaves, _ = tree.flatten(output)
    stack = [edge_of(t) for t in leaves if isinstance(t, Tensor) and t.requires_grad]
    seen = {node for node in stack if node is not None}
    found: set[int] = set()
    stack = list(seen)
    while stack:
        node: Any = stack.pop()
        if isinstance(node, AccumulateGrad):
            found.add(id(node.variable))
            continue
        parent = getattr(node, "parent", None)
        for edge in (parent,) if parent is not None else node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return found
