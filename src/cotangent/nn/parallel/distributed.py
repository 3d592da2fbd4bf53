"""DistributedDataParallel: each process runs a module on its share of a batch, and gradients are averaged.

Li et al., 2020, https://arxiv.org/abs/2006.15704. Parameters are put into buckets in the reverse of their
order, about the order in which backward finishes their gradients. When the last gradient of a bucket is in,
its all-reduce starts in the group's lane while backward goes on; the last hook of the run waits for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from ... import tree
from ...autograd.base import bump, wrap
from ...autograd.modes import grad_enabled, no_grad
from ...autograd.node import AccumulateGrad
from ...autograd.views import edge_of
from ...autograd.where import here
from ...distributed import algorithms, collectives, objects
from ...distributed.group import Work, resolve
from ...tensor import Tensor
from ..modules.module import Module

__all__ = ["DistributedDataParallel"]

_MEGABYTE: Final = 1 << 20
_UNFINISHED: Final = (
    "Expected to have finished reduction in the prior iteration before starting a new one. This error"
    " indicates that your module has parameters that were not used in producing loss. You can enable unused"
    " parameter detection by passing the keyword argument `find_unused_parameters=True` to"
    " `torch.nn.parallel.DistributedDataParallel`, and \nby making sure all `forward` function outputs"
    " participate in calculating loss. \nIf you already have done the above, then the distributed data"
    " parallel module wasn't able to locate the output tensors in the return value of your module's"
    " `forward` function. Please include the loss function and the structure of the return value of"
    " `forward` of your module when reporting this issue (e.g. list, dict, iterable).\nParameters which did"
    " not receive grad for rank {}: {}\nParameter indices which did not receive grad for rank {}: {}"
)


class _Bucket:
    """Parameters whose gradients travel together.

    Args:
        numbers: their places among the module's parameters.
        parameters: the parameters.
    """

    def __init__(self, numbers: list[int], parameters: list[Any]) -> None:
        self.numbers = numbers
        self.parameters = parameters
        edges = np.cumsum([0, *(p.numel() for p in parameters)])
        self.parts = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
        self.flat = np.zeros(int(edges[-1]), parameters[0]._data.dtype)
        self.waiting = 0
        self.work: Work | None = None


class DistributedDataParallel(Module):
    """A module whose gradients are the averages over all processes.

    Args:
        module: the module; rank 0's parameters and buffers are everybody's to begin with.
        device_ids, output_device, dim: accepted as in PyTorch: everything is on the CPU.
        broadcast_buffers: whether every forward begins with rank 0's buffers.
        init_sync: whether to begin with rank 0's parameters.
        process_group: the processes; all by default.
        bucket_cap_mb: size of a bucket; 25 by default, the first has 1.
        find_unused_parameters: whether to look, after each forward, for parameters that the outputs do not
            depend on, and not to wait for their gradients.
        check_reduction: accepted as in PyTorch.
        gradient_as_bucket_view: whether `.grad` lies in the bucket's memory.
        static_graph: the same parameters are used in every pass; it also lets unused ones be.
        options: further ones of PyTorch, accepted.

    Raises:
        RuntimeError: if no parameter requires a gradient, or the module differs between processes.

    Example:
        >>> import cotangent as torch
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
        ...     model(torch.ones(1, 2)).sum().backward()
        ...     assert model.module.weight.grad.tolist() == [[1.0, 1.0]]
        ...     torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that"
                " requires a gradient."
            )
        self.module = module
        self.process_group = resolve(process_group)
        self.dim = dim
        self.device = module_device(module)
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.static_graph = static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.require_backward_grad_sync = True
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self._names = [name for name, _ in named]
        self._parameters_of = [p for _, p in named]
        self._verify()
        if init_sync:
            self._take_from_first([*module.parameters(), *module.buffers()])
        self._buckets = _buckets(self._parameters_of, 25.0 if bucket_cap_mb is None else bucket_cap_mb)
        self._bucket_of = {n: (b, k) for b in self._buckets for k, n in enumerate(b.numbers)}
        self._expecting = False
        self._ready: set[int] = set()
        self._next = 0
        for number, parameter in enumerate(self._parameters_of):
            parameter.register_post_accumulate_grad_hook(self._hook(number))

    # -- the same module everywhere --

    def _verify(self) -> None:
        mine = [(name, tuple(p.shape), str(p.dtype)) for name, p in self.module.named_parameters()]
        all_of_them: list[Any] = [None] * self.process_group.size()
        objects.all_gather_object(all_of_them, mine, self.process_group)
        first = all_of_them[0]
        for rank, other in enumerate(all_of_them):
            if len(other) != len(first):
                raise RuntimeError(
                    f"DDP expects same model across all ranks, but Rank 0 has {len(first)} params, while"
                    f" rank {rank} has inconsistent {len(other)} params."
                )
            for number, (one, two) in enumerate(zip(first, other, strict=True)):
                if one != two:
                    raise RuntimeError(
                        f"[{self.process_group.rank()}]: params[{number}] in this process with sizes"
                        f" {list(mine[number][1])} appears not to match sizes of the same param in process"
                        f" {rank}: {one[0]} is {one[2]} {list(one[1])} on rank 0, {two[0]} is {two[2]}"
                        f" {list(two[1])} there."
                    )

    @no_grad()  # type: ignore[untyped-decorator]
    def _take_from_first(self, tensors: list[Any]) -> None:
        for t in tensors:
            collectives.broadcast(t.detach(), group=self.process_group, group_src=0)

    # -- forward --

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives; backward through it averages the gradients over the processes."""
        syncing = grad_enabled() and self.require_backward_grad_sync
        if syncing and self._expecting and len(self._ready) < len(self._parameters_of) and self._ready:
            self._complain()
        if self.broadcast_buffers and self.require_backward_grad_sync:
            buffers = list(self.module.buffers())
            if buffers:
                self._take_from_first(buffers)
        output = self.module(*args, **kwargs)
        if syncing:
            self._prepare(output)
        return output

    def _complain(self) -> None:
        missing = sorted(set(range(len(self._parameters_of))) - self._ready)
        rank = self.process_group.rank()
        names = ", ".join(self._names[n] for n in missing)
        self._expecting = False
        raise RuntimeError(_UNFINISHED.format(rank, names, rank, " ".join(map(str, missing))))

    def _prepare(self, output: Any) -> None:
        """Get ready for the backward of these outputs."""
        self._expecting = True
        self._ready = set()
        self._next = 0
        for bucket in self._buckets:
            bucket.waiting = len(bucket.numbers)
            bucket.work = None
        if self.find_unused_parameters or self.static_graph:
            used = _reached(output)
            for number, parameter in enumerate(self._parameters_of):
                if id(parameter) not in used:
                    self._arrived(number, None)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """For a block: gradients are accumulated in each process; the next backward outside averages them.

        Example:
            >>> from cotangent.nn.parallel import DistributedDataParallel
            >>> DistributedDataParallel.no_sync.__name__
            'no_sync'
        """
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    # -- backward --

    def _hook(self, number: int) -> Any:
        def hook(parameter: Any) -> None:
            if self.require_backward_grad_sync and self._expecting:
                self._arrived(number, parameter.grad)

        return hook

    def _arrived(self, number: int, gradient: Any) -> None:
        """A gradient is in, or will not come: then zeros take part."""
        if number in self._ready:
            return
        self._ready.add(number)
        bucket, place = self._bucket_of[number]
        part = bucket.flat[bucket.parts[place]]
        if gradient is None:
            part[...] = 0
        else:
            np.divide(gradient._data.reshape(-1), self.process_group.size(), out=part, casting="unsafe")
        bucket.waiting -= 1
        # In the order of the buckets, whichever is full first: all ranks must agree on it.
        while self._next < len(self._buckets) and self._buckets[self._next].waiting == 0:
            self._start(self._buckets[self._next])
            self._next += 1
        if len(self._ready) == len(self._parameters_of):
            self._finish()

    def _start(self, bucket: _Bucket) -> None:
        link, flat = self.process_group.link, bucket.flat
        bucket.work = self.process_group.submit(lambda: algorithms.all_reduce(link, flat, "SUM"), True)

    def _finish(self) -> None:
        """All gradients are in: wait for the averages, and put them where gradients are."""
        self._expecting = False
        for bucket in self._buckets:
            assert bucket.work is not None
            bucket.work.wait()
        # A parameter that no rank has used keeps its gradient as it is: find out together.
        used = None
        if self.find_unused_parameters or self.static_graph:
            used = np.array([p.grad is not None for p in self._parameters_of], np.uint8)
            algorithms.all_reduce(self.process_group.link, used, "MAX")
        place = here()
        for bucket in self._buckets:
            for number, parameter, part in zip(bucket.numbers, bucket.parameters, bucket.parts, strict=True):
                if used is not None and not used[number]:
                    continue
                average = bucket.flat[part].reshape(parameter._data.shape)
                held = parameter.grad
                if self.gradient_as_bucket_view:
                    parameter._grad = wrap(average)
                elif held is None:
                    parameter._grad = wrap(average.copy())
                else:
                    held._data[...] = average
                    bump(held, *place)


def module_device(module: Module) -> Any:
    """The device of a module's parameters."""
    return next(iter(module.parameters())).device


def _buckets(parameters: list[Any], megabytes: float) -> list[_Bucket]:
    """Parameters in the reverse of their order, in buckets of one dtype; the first one is small."""
    made: list[_Bucket] = []
    open_: dict[Any, tuple[list[int], int]] = {}
    limit = float(min(1.0, megabytes) * _MEGABYTE)
    for number in reversed(range(len(parameters))):
        parameter = parameters[number]
        numbers, size = open_.get(parameter.dtype, ([], 0))
        numbers.append(number)
        size += parameter.nbytes
        if size >= limit:
            made.append(_Bucket(numbers, [parameters[n] for n in numbers]))
            open_.pop(parameter.dtype, None)
            limit = megabytes * _MEGABYTE
        else:
            open_[parameter.dtype] = numbers, size
    for numbers, _ in open_.values():
        made.append(_Bucket(numbers, [parameters[n] for n in numbers]))
    return made


def _reached(output: Any) -> set[int]:
    """The leaves that outputs depend on, by identity."""
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
