"""DistributedDataParallel: each process runs a module on its share of a batch, and gradients are averaged.

Li et al., 2020, https://arxiv.org/abs/2006.15704. `reducer.py` averages the gradients.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import numpy as np

from ...autograd.base import wrap
from ...autograd.modes import enable_grad, grad_enabled, modes, no_grad
from ...distributed import collectives, objects, rings
from ...distributed.algorithms.join import Join, Joinable, JoinHook
from ...distributed.group import get_default_group, resolve
from ...futures import Future
from ...tensor import Tensor
from ..modules.module import Module
from .reducer import GradBucket, Reducer, reached

__all__ = ["DistributedDataParallel"]

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


class DistributedDataParallel(Module, Joinable):
    """A module whose gradients are the averages over all processes.

    Args:
        module: the module; rank 0's parameters and buffers are everybody's to begin with.
        device_ids, output_device: None: everything is on the CPU.
        dim: accepted as in PyTorch.
        broadcast_buffers: whether every forward begins with rank 0's buffers.
        init_sync: whether to begin with rank 0's parameters.
        process_group: the processes; all by default.
        bucket_cap_mb: size of a bucket; 25 by default, the first has 1.
        find_unused_parameters: whether to look, after each forward, for parameters that the outputs do not
            depend on, and not to wait for their gradients.
        check_reduction: accepted as in PyTorch.
        gradient_as_bucket_view: whether `.grad` lies in the bucket's memory.
        static_graph: the same parameters are used, equally often, in every pass; the first one tells.
        options: further ones of PyTorch, accepted.

    Raises:
        RuntimeError: if no parameter requires a gradient, or the module differs between processes.
        ValueError: for devices.

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
        if device_ids or output_device:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with"
                " single-device/multiple-device GPU modules or CPU modules, but got device_ids"
                f" {device_ids}, output_device {output_device}, and module parameters"
                f" { {p.device for p in module.parameters()} }."
            )
        self.module = module
        self.process_group = resolve(process_group)
        self.dim = dim
        self.device = next(iter(module.parameters())).device
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.static_graph = static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.device_ids = self.output_device = None
        self.require_forward_param_sync = True
        self.bucket_bytes_cap = int((25.0 if bucket_cap_mb is None else bucket_cap_mb) * 1024 * 1024)
        self._verify()
        if init_sync:
            self._take_from([*module.parameters(), *module.buffers()], 0)
        self.reducer = self._reducer()
        self._divide_by_initial_world_size = True

    def _reducer(self) -> Reducer:
        named = [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]
        return Reducer(
            [p for _, p in named],
            [name for name, _ in named],
            self.process_group,
            self.bucket_bytes_cap / (1024 * 1024),
            self.find_unused_parameters,
            self.static_graph,
            self.gradient_as_bucket_view,
        )

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a file keeps: not the connections, which are those of the default group."""
        if self.process_group is not get_default_group():
            raise RuntimeError(
                "DDP Pickling/Unpickling are only supported when using DDP with the default process group."
                " That is, when you have called init_process_group and have not passed process_group argument"
                " to DDP constructor"
            )
        return {key: value for key, value in self.__dict__.items() if key not in ("process_group", "reducer")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.process_group = get_default_group()
        self.reducer = self._reducer()

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
    def _take_from(self, tensors: list[Any], rank: int) -> None:
        for t in tensors:
            collectives.broadcast(t.detach(), group=self.process_group, group_src=rank)

    # -- forward --

    @property
    def require_backward_grad_sync(self) -> bool:
        """Whether the next backward averages gradients."""
        return self.reducer.syncing

    @require_backward_grad_sync.setter
    def require_backward_grad_sync(self, value: bool) -> None:
        self.reducer.syncing = value

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives; backward through it averages the gradients over the processes."""
        syncing = grad_enabled() and self.reducer.syncing
        if syncing and self.reducer.missing():
            self._complain(args, kwargs)
        if self._join_config.enable:
            if modes.tracer is not None:
                modes.tracer.refuse("ranks may have different numbers of batches here")
            self._tell_of_iteration(syncing)
        if self.broadcast_buffers and self.reducer.syncing:
            self._share_buffers(True)
        output = self.module(*args, **kwargs)
        if syncing:
            self.reducer.prepare(output)
        return output

    def _share_buffers(self, taking_part: bool) -> None:
        buffers = list(self.module.buffers())
        if buffers and modes.tracer is not None:
            self._share_traced(buffers, modes.tracer)
        elif buffers:
            self._take_from(buffers, self._common_rank(taking_part))

    @no_grad()  # type: ignore[untyped-decorator]
    def _share_traced(self, buffers: list[Any], tape: Any) -> None:
        group = self.process_group

        def run(*arrays: Any) -> list[Any]:
            found = [np.array(a) for a in arrays]
            for array in found:
                group.submit(partial(rings.broadcast, group.link, array, 0), False, "BROADCAST")
            return found

        values = [b._data for b in buffers]
        for buffer, value in zip(buffers, tape.outside(run, values, values), strict=True):
            buffer.copy_(wrap(value))

    def _common_rank(self, taking_part: bool) -> int:
        """The rank whose buffers count: 0, or inside `join` the last of those that have inputs."""
        if not self._join_config.enable:
            return 0
        return self._agreed(self.process_group.rank() if taking_part else -1)

    def _agreed(self, value: int) -> int:
        """The largest of all ranks' numbers."""
        array = np.array([value], np.int64)
        link = self.process_group.link
        self.process_group.submit(lambda: rings.all_reduce(link, array, "MAX"), False, "DDP_AGREE")
        return int(array[0])

    def _complain(self, args: Any, kwargs: Any) -> None:
        reducer, rank = self.reducer, self.process_group.rank()
        missing = reducer.missing()
        reducer.expecting = False
        names = [reducer.names[n] for n in missing]
        text = _UNFINISHED.format(rank, ", ".join(names), rank, " ".join(map(str, missing)))
        reasons = self._reasons(names, args, kwargs)
        raise RuntimeError(text + "".join(f"\n{name}: {reason}" for name, reason in reasons.items()))

    def _reasons(self, names: list[str], args: Any, kwargs: Any) -> dict[str, str]:
        """Why parameters got no gradient, found out by running the module once more."""
        ran: set[int] = set()
        handles = [
            m.register_forward_hook(lambda module, _, __: ran.add(id(module))) for m in self.module.modules()
        ]
        try:
            with enable_grad():
                used = reached(self.module(*args, **kwargs))
        except Exception:
            return {}  # these inputs do not go through; the names alone have to do
        finally:
            for handle in handles:
                handle.remove()
        parameters = dict(self.module.named_parameters())
        reasons = {}
        for name in names:
            owner = self.module.get_submodule(name.rpartition(".")[0])
            if not parameters[name].requires_grad:
                reason = "it does not require a gradient any more"
            elif id(parameters[name]) in used:
                reason = "the outputs of forward depend on it, but the loss did not depend on these"
            elif id(owner) in ran:
                reason = "its module ran, but the outputs of forward do not depend on the parameter"
            else:
                reason = "its module did not run in forward"
            reasons[name] = reason
        return reasons

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """For a block: gradients are accumulated in each process; the next backward outside averages them.

        Example:
            >>> from cotangent.nn.parallel import DistributedDataParallel
            >>> DistributedDataParallel.no_sync.__name__
            'no_sync'
        """
        before, self.reducer.syncing = self.reducer.syncing, False
        try:
            yield
        finally:
            self.reducer.syncing = before

    def _set_static_graph(self) -> None:
        """As `static_graph=True`, said after construction."""
        self.static_graph = self.reducer.static = True

    # -- how gradients travel --

    def register_comm_hook(self, state: Any, hook: Callable[[Any, GradBucket], Any]) -> None:
        """Let a function average the gradients of each bucket.

        Args:
            state: what it is called with, kept by it between iterations.
            hook: called as `hook(state, bucket)`; gives a Future of a tensor like `bucket.buffer()`.

        Raises:
            TypeError: if it is not callable.
            ValueError: if it is annotated as something else.
            RuntimeError: if there is one already.
        """
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
        signature = inspect.signature(hook)
        # Annotations that are text are not looked at.
        bucket = signature.parameters["bucket"].annotation if "bucket" in signature.parameters else ""
        if bucket not in (inspect.Parameter.empty, GradBucket) and not isinstance(bucket, str):
            raise ValueError("Communication hook: bucket annotation should be dist.GradBucket.")
        given = signature.return_annotation
        if given not in (inspect.Parameter.empty, Future[Tensor]) and not isinstance(given, str):
            raise ValueError(
                "Communication hook: return annotation should be torch.futures.Future[torch.Tensor]."
            )
        if self.reducer.comm_hook is not None:
            raise RuntimeError("register_comm_hook or register_builtin_comm_hook can only be called once.")
        self.reducer.comm_hook = state, hook

    # -- uneven inputs --

    def join(
        self,
        divide_by_initial_world_size: bool = True,
        enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Join:
        """For a block that trains: ranks may have different numbers of batches.

        Args:
            divide_by_initial_world_size: whether averages are over all ranks to the end, and not over those
                that still have batches.
            enable: whether; if not the block does nothing.
            throw_on_early_termination: whether all ranks raise an error when one has no batch left.

        Example:
            >>> from cotangent.nn.parallel import DistributedDataParallel
            >>> DistributedDataParallel.join.__name__
            'join'
        """
        return Join(
            [self], enable, throw_on_early_termination,
            divide_by_initial_world_size=divide_by_initial_world_size,
        )  # fmt: skip

    @property
    def join_process_group(self) -> Any:
        """The processes."""
        return self.process_group

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What a rank without batches does in the place of this module."""
        return _DDPJoinHook(self, kwargs.get("divide_by_initial_world_size", True))

    def _tell_of_iteration(self, syncing: bool) -> None:
        work = Join.notify_join_context(self)
        if work is not None and not self._divide_by_initial_world_size:
            self.reducer.divisor = float(work.result())
        self._agreed(int(syncing))


class _DDPJoinHook(JoinHook):
    """Takes part in the others' iterations."""

    def __init__(self, ddp: DistributedDataParallel, divide_by_initial_world_size: bool) -> None:
        self.ddp = ddp
        ddp._divide_by_initial_world_size = divide_by_initial_world_size

    def main_hook(self) -> None:
        """Take part in one iteration of the others: what forward exchanges, then what backward does."""
        ddp = self.ddp
        syncing = bool(ddp._agreed(0))
        if ddp.broadcast_buffers and syncing:
            ddp._share_buffers(False)
        if syncing:
            ddp.reducer.start_empty()

    def post_hook(self, is_last_joiner: bool) -> None:
        """Let all ranks have the parameters and buffers of one that went on to the end."""
        ddp = self.ddp
        last = ddp._agreed(ddp.process_group.rank() if is_last_joiner else -1)
        ddp._take_from([*ddp.module.parameters(), *ddp.module.buffers()], last)
        ddp.reducer.divisor = float(ddp.process_group.size())
