"""`fully_shard`: every rank keeps some rows of each parameter, its gradient and the optimizer's state.

Zhao et al., 2023, https://arxiv.org/abs/2304.11277; the interface is that of PyTorch's second version.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from ..device_mesh import DeviceMesh, init_device_mesh
from ..group import get_default_group
from ..tensor.placement_types import Replicate, Shard
from .params import ParamGroup
from .state import State

__all__ = [
    "CPUOffloadPolicy", "FSDPModule", "MixedPrecisionPolicy", "OffloadPolicy", "UnshardHandle", "fully_shard",
    "own_parameters", "register_fsdp_forward_method",
]  # fmt: skip


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """In which dtypes a module computes.

    Args:
        param_dtype: of parameters while they are gathered, and of inputs.
        reduce_dtype: in which gradients are reduced; `param_dtype` by default.
        output_dtype: of outputs.
        cast_forward_inputs: whether floating-point inputs are cast to `param_dtype`.
    """

    param_dtype: Any = None
    reduce_dtype: Any = None
    output_dtype: Any = None
    cast_forward_inputs: bool = True


@dataclass
class OffloadPolicy:
    """Where rows are kept; everything is on the CPU."""


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Rows are kept on the CPU, as they are anyway.

    Args:
        pin_memory: accepted as in PyTorch.
    """

    pin_memory: bool = True


class UnshardHandle:
    """A gathering that has been started.

    Args:
        group: whose.
    """

    def __init__(self, group: ParamGroup | None) -> None:
        self._group = group

    def wait(self) -> None:
        """Let the module have its whole parameters."""
        if self._group is not None:
            self._group.unshard()


class FSDPModule:
    """What `fully_shard` adds to a module."""

    _fsdp_state: State

    def unshard(self, async_op: bool = False) -> UnshardHandle | None:
        """Gather the parameters of this module. All ranks call it.

        Args:
            async_op: whether to return at once.
        """
        handle = UnshardHandle(self._fsdp_state.group)
        if async_op:
            if self._fsdp_state.group is not None:
                self._fsdp_state.group.start_gathering()
            return handle
        handle.wait()
        return None

    def reshard(self) -> None:
        """Give the whole parameters of this module back."""
        self._fsdp_state.reshard()

    def _states(self, recurse: bool) -> list[State]:
        modules = self.modules() if recurse else [self]  # type: ignore[attr-defined]
        return [m._fsdp_state for m in modules if isinstance(m, FSDPModule)]

    def set_requires_gradient_sync(self, requires_gradient_sync: bool, *, recurse: bool = True) -> None:
        """Whether backward reduces gradients; if not they are kept, whole, and added up until it does.

        Args:
            requires_gradient_sync: whether.
            recurse: whether this is said to the inner modules as well.
        """
        for state in self._states(recurse):
            if state.group is not None:
                state.group.sync = requires_gradient_sync

    def set_is_last_backward(self, is_last_backward: bool) -> None:
        """Accepted as in PyTorch: every backward ends with all reductions."""

    def set_reshard_after_forward(self, reshard_after_forward: bool, recurse: bool = True) -> None:
        """Whether whole parameters are given back between forward and backward.

        Args:
            reshard_after_forward: whether.
            recurse: whether this is said to the inner modules as well.
        """
        for state in self._states(recurse):
            state.reshard_after_forward = reshard_after_forward

    def set_reshard_after_backward(self, reshard_after_backward: bool, *, recurse: bool = True) -> None:
        """Whether whole parameters are given back after backward.

        Args:
            reshard_after_backward: whether.
            recurse: whether this is said to the inner modules as well.
        """
        for state in self._states(recurse):
            state.reshard_after_backward = reshard_after_backward

    def set_modules_to_forward_prefetch(self, modules: list[Any]) -> None:
        """Which modules to gather while this one's forward runs, instead of the next one.

        Args:
            modules: the modules.
        """
        self._fsdp_state.ahead["forward"] = [m._fsdp_state for m in modules]

    def set_modules_to_backward_prefetch(self, modules: list[Any]) -> None:
        """Which modules to gather while this one's backward runs, instead of the next one.

        Args:
            modules: the modules.
        """
        self._fsdp_state.ahead["backward"] = [m._fsdp_state for m in modules]

    def set_gradient_divide_factor(self, factor: float) -> None:
        """By what to divide the sum of gradients, instead of the number of ranks.

        Args:
            factor: the number.
        """
        for state in self._states(False):
            if state.group is not None:
                state.group.divide_by = float(factor)

    set_reduce_scatter_divide_factor = set_gradient_divide_factor


def own_parameters(modules: list[Any], ignored: set[int]) -> list[tuple[Any, list[tuple[Any, str]]]]:
    """The parameters of modules that no inner `fully_shard` or wrapper has, each with all its places."""
    found: dict[int, tuple[Any, list[tuple[Any, str]]]] = {}
    seen: set[int] = set()

    def visit(module: Any, top: bool) -> None:
        if id(module) in seen or (not top and "_fsdp_state" in vars(module)):
            return
        seen.add(id(module))
        for name, p in module._parameters.items():
            if p is not None and id(p) not in ignored:
                found.setdefault(id(p), (p, []))[1].append((module, name))
        for inner in module._modules.values():
            if inner is not None:
                visit(inner, False)

    for module in modules:
        visit(module, True)
    return list(found.values())


def fully_shard(
    module: Any,
    *,
    mesh: DeviceMesh | None = None,
    reshard_after_forward: bool | int | None = None,
    shard_placement_fn: Any = None,
    mp_policy: MixedPrecisionPolicy | None = None,
    offload_policy: OffloadPolicy | None = None,
    ignored_params: set[Any] | None = None,
) -> Any:
    """Let each rank keep some rows of a module's parameters, and gather them when the module runs.

    Apply it to inner modules first: each call makes one group of the parameters that are not in a group yet,
    which travel together. Build the optimizer afterwards. Parameters become `DTensor`s; their initial values
    are those of every rank's own, so seed alike or load a state.

    Args:
        module: the module; its class gets `FSDPModule` as a base.
        mesh: the ranks, all by default; of two dimensions, the second shards and the first replicates.
        reshard_after_forward: whether to give whole parameters back between forward and backward; by default
            unless the module is the outermost.
        shard_placement_fn: accepted: parameters are dealt out by rows in any case.
        mp_policy: in which dtypes to compute.
        offload_policy: accepted: rows are on the CPU.
        ignored_params: parameters that stay as they are.

    Returns:
        the module.

    Raises:
        ValueError: if it is a container that has no forward, or has been sharded.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp import fully_shard
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     model = fully_shard(torch.nn.Linear(2, 1))
        ...     model(torch.ones(1, 2)).sum().backward()
        ...     assert model.weight.grad.full_tensor().tolist() == [[1.0, 1.0]]
        ...     torch.distributed.destroy_process_group()
    """
    if isinstance(module, (list, tuple)):
        raise ValueError("fully_shard: a list of modules is not there; give one module at a time")
    if isinstance(module, FSDPModule):
        raise ValueError("fully_shard has already been applied to this module")
    if type(module).__name__ in ("ModuleList", "ModuleDict"):
        raise ValueError(f"fully_shard does not support containers that do not implement forward: {module}")
    policy = mp_policy or MixedPrecisionPolicy()
    mesh = mesh or init_device_mesh("cpu", (get_default_group().size(),))
    if mesh.ndim > 2:
        raise ValueError(f"fully_shard expects a 1D or 2D DeviceMesh but got {mesh}")
    placements = (Shard(0),) if mesh.ndim == 1 else (Replicate(), Shard(0))
    ignored = {id(p) for p in ignored_params or ()}
    own = own_parameters([module], ignored)
    for p, places in own:
        if p.dim() == 0:
            raise ValueError(
                f"fully_shard doesn't support scalar parameters. Change {places[0][1]} to a 1D tensor with"
                " numel equal to 1."
            )
    group = None
    if own:
        dtypes = [None if d is None else d.np for d in (policy.param_dtype, policy.reduce_dtype)]
        group = ParamGroup(own, mesh, placements, *dtypes)
    reshard = None if reshard_after_forward is None else bool(reshard_after_forward)
    kind = type(module)
    module.__class__ = type(f"FSDP{kind.__name__}", (FSDPModule, kind), {"__doc__": kind.__doc__})
    module._fsdp_state = State(module, group, reshard, policy)
    return module


def register_fsdp_forward_method(module: Any, method_name: str) -> None:
    """Let a method besides `forward` gather the module's parameters, too.

    Args:
        module: of `fully_shard`; on others nothing happens.
        method_name: the method.
    """
    if not isinstance(module, FSDPModule):
        return
    method = getattr(module, method_name)
    state = module._fsdp_state

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = state._before_forward(module, args, kwargs)
        return state._after_forward(module, args, method(*args, **kwargs))

    setattr(module, method_name, wrapped)
