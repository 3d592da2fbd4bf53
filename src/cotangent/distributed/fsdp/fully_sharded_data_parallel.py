"""`FullyShardedDataParallel`: the wrapper around a module whose parameters are dealt out to the ranks.

Zhao et al., 2023, https://arxiv.org/abs/2304.11277; the interface is that of PyTorch's first version. What
`fully_shard` uses does the work, so parameters are `DTensor`s of some rows, not slices of a flat parameter.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum, auto
from typing import Any, Self

from ...autograd.modes import no_grad
from ...nn.modules.container import ModuleDict, ModuleList
from ...nn.modules.module import Module
from ...nn.parameter import Parameter
from ...nn.utils.clip_grad import clip_grad_norm_
from ...size import device as device_of
from ..collectives import broadcast
from ..device_mesh import DeviceMesh
from ..tensor.placement_types import Replicate, Shard
from . import optim_state
from ._fully_shard import MixedPrecisionPolicy, own_parameters
from .api import (
    BackwardPrefetch,
    CPUOffload,
    FullOptimStateDictConfig,
    FullStateDictConfig,
    # Libraries import all settings from here.
    LocalOptimStateDictConfig as LocalOptimStateDictConfig,
    LocalStateDictConfig as LocalStateDictConfig,
    MixedPrecision,
    OptimStateDictConfig,
    ShardedOptimStateDictConfig as ShardedOptimStateDictConfig,
    ShardedStateDictConfig as ShardedStateDictConfig,
    ShardingStrategy,
    StateDictConfig,
    StateDictSettings,
    StateDictType,
)
from .meshes import HYBRID, mesh_for
from .modules import give_memory, ignored_in, modules_of
from .optim_state import PREFIX
from .params import ParamGroup
from .saved import DEPRECATED, after_state_dict, before_load, checked
from .state import State
from .wrap import wrap_below

__all__ = ["FullyShardedDataParallel", "OptimStateKeyType"]


class OptimStateKeyType(Enum):
    """By what an optimizer's state has its parameters."""

    PARAM_NAME = auto()
    PARAM_ID = auto()


class _WrapperState(State):
    """Of a wrapper: inputs of the outermost one are cast as its own setting says, buffers at first use."""

    def _become_root(self) -> None:
        super()._become_root()
        for state in self.everyone():
            if isinstance(state, _WrapperState):
                state.module._begin(state is self)


class FullyShardedDataParallel(Module):
    """A module of whose parameters each rank keeps some rows; they are gathered when the module runs.

    Build the optimizer afterwards. Parameters keep their names below `_fsdp_wrapped_module`, and are
    `DTensor`s, whether `use_orig_params` is set or not; `state_dict` has the names of the wrapped module.

    Args:
        module: the module.
        process_group: the ranks, all by default; for hybrid strategies a pair: those within a node, those
            across nodes.
        sharding_strategy: `FULL_SHARD` by default.
        cpu_offload: accepted: rows are on the CPU.
        auto_wrap_policy: chooses modules below that are wrapped by themselves.
        backward_prefetch, forward_prefetch, limit_all_gathers: accepted: the next module is gathered while
            one runs.
        mixed_precision: in which dtypes to compute.
        ignored_modules: modules whose parameters stay as they are.
        param_init_fn: gives memory and values to modules on the meta device; `reset_parameters` by default.
        device_id: the CPU.
        sync_module_states: whether to begin with rank 0's parameters and buffers.
        use_orig_params: whether parameters may be frozen one by one.
        ignored_states: modules or parameters that stay as they are.
        device_mesh: the ranks, instead of `process_group`.

    Raises:
        ValueError: if arguments do not go together.
        NotImplementedError: for what is not there.

    Example:
        >>> import warnings
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp import FullyShardedDataParallel, ShardingStrategy
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     with warnings.catch_warnings(action="ignore"):  # one rank shards nothing
        ...         model = FullyShardedDataParallel(torch.nn.Linear(2, 1))
        ...     model(torch.ones(1, 2)).sum().backward()
        ...     assert model.module.weight.grad.full_tensor().tolist() == [[1.0, 1.0]]
        ...     assert list(model.state_dict()) == ["weight", "bias"]
        ...     torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        process_group: Any = None,
        sharding_strategy: ShardingStrategy | None = None,
        cpu_offload: CPUOffload | None = None,
        auto_wrap_policy: Any = None,
        backward_prefetch: BackwardPrefetch | None = BackwardPrefetch.BACKWARD_PRE,
        mixed_precision: MixedPrecision | None = None,
        ignored_modules: Iterable[Module] | None = None,
        param_init_fn: Callable[[Module], None] | None = None,
        device_id: Any = None,
        sync_module_states: bool = False,
        forward_prefetch: bool = False,
        limit_all_gathers: bool = True,
        use_orig_params: bool = False,
        ignored_states: Iterable[Any] | None = None,
        device_mesh: DeviceMesh | None = None,
    ) -> None:
        super().__init__()
        if isinstance(module, (ModuleList, ModuleDict)):
            warnings.warn(
                f"FSDP will not all-gather parameters for containers that do not implement forward: {module}",
                stacklevel=2,
            )
        if device_id is not None and device_of(device_id).type != "cpu":
            raise ValueError(f"FullyShardedDataParallel: device_id {device_id!r} is not there; accepted: cpu")
        if process_group is not None and device_mesh is not None:
            raise ValueError(
                "Cannot pass both process_group and device_mesh at the same time. Please just pass only one"
                " of them."
            )
        if sharding_strategy in HYBRID and process_group is auto_wrap_policy is device_mesh is None:
            raise ValueError(
                f"Manual wrapping with {sharding_strategy} requires explicit specification of process group"
                " or device_mesh."
            )
        self.mixed_precision = mixed_precision or MixedPrecision()
        if self.mixed_precision.keep_low_precision_grads:
            raise NotImplementedError("FullyShardedDataParallel: keep_low_precision_grads is not there")
        self._ignored_modules, self._ignored_params = ignored_in(module, ignored_modules, ignored_states)
        if auto_wrap_policy is not None:
            options = {
                "process_group": process_group, "sharding_strategy": sharding_strategy,
                "cpu_offload": cpu_offload, "backward_prefetch": backward_prefetch,
                "mixed_precision": mixed_precision, "param_init_fn": param_init_fn, "device_id": device_id,
                "sync_module_states": sync_module_states, "forward_prefetch": forward_prefetch,
                "limit_all_gathers": limit_all_gathers, "use_orig_params": use_orig_params,
                "ignored_states": self._ignored_params, "device_mesh": device_mesh,
            }  # fmt: skip
            if sharding_strategy in HYBRID and device_mesh is None and process_group is None:
                options["device_mesh"] = mesh_for(sharding_strategy, None, None)
            wrap_below(module, auto_wrap_policy, type(self), self._ignored_modules, options)
        strategy = sharding_strategy or ShardingStrategy.FULL_SHARD
        self._mesh = mesh_for(strategy, process_group, device_mesh)
        if self._mesh.size() == 1 and strategy is not ShardingStrategy.NO_SHARD:
            warnings.warn(
                f"FSDP is switching to use `NO_SHARD` instead of {strategy} since the world size is 1.",
                stacklevel=2,
            )
            strategy = ShardingStrategy.NO_SHARD
        elif strategy is ShardingStrategy.NO_SHARD and self._mesh.size() > 1:
            warnings.warn(
                "The `NO_SHARD` sharding strategy is deprecated. If having issues, please use"
                " `DistributedDataParallel` instead.",
                FutureWarning,
                stacklevel=2,
            )
        self.sharding_strategy = strategy
        self.cpu_offload = cpu_offload or CPUOffload()
        self.process_group = self._mesh.get_group(0 if strategy is ShardingStrategy.NO_SHARD else -1)
        self.rank, self.world_size = self.process_group.rank(), self.process_group.size()
        self._use_orig_params = use_orig_params
        self._fsdp_wrapped_module = module
        give_memory(module, self._ignored_modules, param_init_fn)
        self._fsdp_state = self._deal_out(sync_module_states)
        self._state_dict_type = StateDictType.FULL_STATE_DICT
        self._state_dict_config: StateDictConfig = FullStateDictConfig()
        self._optim_state_dict_config: OptimStateDictConfig = FullOptimStateDictConfig()
        self._summoned = False
        self._register_state_dict_hook(after_state_dict)
        self._register_load_state_dict_pre_hook(before_load)

    def _deal_out(self, from_first: bool) -> State:
        fixed = {id(p) for p in self._ignored_params}
        own = own_parameters([self], fixed)
        for p, places in own:
            if p.dim() == 0:
                raise ValueError(
                    f"FSDP doesn't support scalar parameters. Change {places[0][1]} to a 1D tensor with numel"
                    " equal to 1."
                )
        if not self._use_orig_params and len({p.requires_grad for p, _ in own}) > 1:
            raise ValueError("Must flatten tensors with uniform `requires_grad` when `use_orig_params=False`")
        self._own_buffers = [
            (m, name, b.dtype)
            for m in modules_of(self, self._ignored_modules)
            for name, b in m._buffers.items()
            if b is not None
        ]
        if from_first:
            with no_grad():
                for t in [*(p for p, _ in own), *(m._buffers[name] for m, name, _ in self._own_buffers)]:
                    for ranks in self._mesh.get_all_groups():
                        broadcast(t.detach(), group=ranks, group_src=0)
        mixed = self.mixed_precision
        group = None
        if own:
            dtypes = [None if d is None else d.np for d in (mixed.param_dtype, mixed.reduce_dtype)]
            group = ParamGroup(own, self._mesh, _placements(self._mesh), *dtypes)
        keep = (ShardingStrategy.FULL_SHARD, ShardingStrategy.HYBRID_SHARD)
        # The outermost keeps its parameters between forward and backward in any case.
        reshard = None if self.sharding_strategy in keep else False
        return _WrapperState(self, group, reshard, self._policy(False))

    def _policy(self, outermost: bool) -> MixedPrecisionPolicy:
        mixed = self.mixed_precision
        cast = mixed.cast_root_forward_inputs if outermost else mixed.cast_forward_inputs
        return MixedPrecisionPolicy(mixed.param_dtype, mixed.reduce_dtype, None, cast)

    def _begin(self, outermost: bool) -> None:
        """It is known now whether this is the outermost wrapper."""
        self._fsdp_state.policy = self._policy(outermost)
        dtype = self.mixed_precision.buffer_dtype
        if dtype is not None:
            for module, name, _ in self._own_buffers:
                buffer = module._buffers[name]
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = buffer.to(dtype)

    # -- what it wraps --

    @property
    def module(self) -> Any:
        """The wrapped module."""
        return self._fsdp_wrapped_module

    def __getattr__(self, name: str) -> Any:
        """What the wrapped module has, if this one has it not."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name in ("_fsdp_wrapped_module", "_fsdp_state"):
                raise
            return getattr(self._fsdp_wrapped_module, name)

    def __getitem__(self, key: Any) -> Any:
        """An item of the wrapped module."""
        wrapped: Any = self._fsdp_wrapped_module
        return wrapped[key]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the wrapped module gives."""
        return self._fsdp_wrapped_module(*args, **kwargs)

    def check_is_root(self) -> bool:
        """Whether this is the outermost wrapper."""
        if self._fsdp_state.root is None:
            self._fsdp_state._become_root()
        return self._fsdp_state.root is self._fsdp_state

    @staticmethod
    def fsdp_modules(module: Module, root_only: bool = False) -> list[FullyShardedDataParallel]:
        """The wrappers in a module.

        Args:
            module: the module.
            root_only: whether to give only those that are in no other one.
        """
        found = [m for m in module.modules() if isinstance(m, FullyShardedDataParallel)]
        if root_only:
            inner = {id(m) for outer in found for m in outer.modules() if m is not outer}
            found = [m for m in found if id(m) not in inner]
        return found

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """As of any module; within `summon_full_params` names are those of the wrapped module."""
        for name, p in super().named_parameters(*args, **kwargs):
            yield name.replace(PREFIX, "") if self._summoned else name, p

    def named_buffers(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """As of any module; within `summon_full_params` names are those of the wrapped module."""
        for name, b in super().named_buffers(*args, **kwargs):
            yield name.replace(PREFIX, "") if self._summoned else name, b

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call a function on every module below this one, and on this one, with whole parameters."""
        with self.summon_full_params(self, recurse=False):
            return super().apply(fn)

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        state = self._fsdp_state
        state.reshard()
        super()._apply(fn, recurse)
        if state.group is not None and state.group.follow():
            state.hooked = False  # whole parameters will be new ones
        return self

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """For a block: gradients are accumulated in each process, whole; the next backward reduces them."""
        if not self.check_is_root():
            raise RuntimeError(
                "`no_sync()` on inner FSDP instances is not supported. Please call `no_sync()` on root FSDP"
                " module."
            )
        groups = [s.group for s in self._fsdp_state.everyone() if s.group is not None]
        before = [group.sync for group in groups]
        for group in groups:
            group.sync = False
        try:
            yield
        finally:
            for group, value in zip(groups, before, strict=True):
                group.sync = value

    def clip_grad_norm_(self, max_norm: float, norm_type: float = 2.0) -> Any:
        """Scale the gradients of all parameters down if their norm is larger than a bound. All ranks call it.

        Args:
            max_norm: the bound.
            norm_type: the norm's exponent.

        Returns:
            the norm before.

        Raises:
            RuntimeError: on an inner wrapper.
        """
        if not self.check_is_root():
            raise RuntimeError("`clip_grad_norm_()` should only be called on the root FSDP instance")
        return clip_grad_norm_(self.parameters(), max_norm, norm_type)

    def register_comm_hook(self, state: object, hook: Callable[..., Any]) -> None:
        """Not there: gradients are reduced in the same way always."""
        raise NotImplementedError("FullyShardedDataParallel: communication hooks are not there")

    # -- whole parameters --

    @staticmethod
    @contextmanager
    def summon_full_params(
        module: Module,
        recurse: bool = True,
        writeback: bool = True,
        rank0_only: bool = False,
        offload_to_cpu: bool = False,
        with_grads: bool = False,
    ) -> Iterator[None]:
        """For a block: parameters are whole, in full precision. All ranks enter it.

        Args:
            module: a wrapper, or a module with wrappers in it.
            recurse: whether inner wrappers' parameters are, too.
            writeback: whether what the block makes of them is kept.
            rank0_only: whether they are on rank 0 alone.
            offload_to_cpu: accepted as in PyTorch.
            with_grads: whether gradients are whole, too.

        Raises:
            NotImplementedError: to keep what one rank has made of them.
            AssertionError: during forward or backward, and within another one.
        """
        if writeback and rank0_only:
            raise NotImplementedError("writeback=True and rank0_only=True is not supported yet")
        wrappers = FullyShardedDataParallel.fsdp_modules(module)
        if not recurse:
            wrappers = [m for m in wrappers if m is module]
        if with_grads and not all(m._use_orig_params for m in wrappers):
            raise NotImplementedError(
                f"with_grads={with_grads}, use_orig_params=False, offload_to_cpu={offload_to_cpu} is not"
                " supported yet"
            )
        with ExitStack() as stack:
            for each in wrappers:
                stack.enter_context(each._whole(writeback, rank0_only, with_grads))
            yield

    @contextmanager
    def _whole(self, writeback: bool, rank0_only: bool, with_grads: bool) -> Iterator[None]:
        state = self._fsdp_state
        if state.in_backward:
            raise AssertionError("Cannot manually unshard parameters during forward/backward")
        if self._summoned:
            raise AssertionError("Cannot manually unshard parameters when already unsharding parameters")
        state.reshard()
        params = [] if state.group is None else state.group.params
        wholes = []
        for p in params:
            p.refresh()
            made = Parameter(p.sharded.full_tensor(), p.sharded.requires_grad)
            if with_grads and p.sharded.grad is not None:
                made.grad = p.sharded.grad.full_tensor()
            wholes.append(made)
        take_over = not rank0_only or self.rank == 0
        for p, made in zip(params, wholes, strict=True):
            if take_over:
                p.register(made)
        self._summoned = True
        try:
            yield
        finally:
            self._summoned = False
            for p in params:
                module, name = p.places[0]
                now = module._parameters[name]
                if writeback and take_over:
                    with no_grad():
                        p.sharded.copy_(now.detach())
                        if with_grads and now.grad is not None and p.sharded.grad is not None:
                            p.sharded.grad.copy_(now.grad)
                p.register(p.sharded)

    # -- states --

    @staticmethod
    def set_state_dict_type(
        module: Module,
        state_dict_type: StateDictType,
        state_dict_config: StateDictConfig | None = None,
        optim_state_dict_config: OptimStateDictConfig | None = None,
    ) -> StateDictSettings:
        """Choose what `state_dict` and `optim_state_dict` give.

        Args:
            module: a wrapper, or a module with wrappers in it.
            state_dict_type: the kind.
            state_dict_config: more about it.
            optim_state_dict_config: the same of an optimizer's state.

        Returns:
            What it was before.

        Raises:
            RuntimeError: if the settings are of another kind.
        """
        warnings.warn(DEPRECATED, FutureWarning, stacklevel=2)
        return _set_type(module, state_dict_type, state_dict_config, optim_state_dict_config)

    @staticmethod
    def get_state_dict_type(module: Module) -> StateDictSettings | None:
        """What `state_dict` and `optim_state_dict` give; None if there is no wrapper."""
        found: StateDictSettings | None = None
        for each in FullyShardedDataParallel.fsdp_modules(module):
            own = each._settings()
            if found is not None and found != own:
                raise AssertionError(
                    f"All FSDP modules must have the same state dict settings.Got {own} and {found}."
                )
            found = own
        return found

    def _settings(self) -> StateDictSettings:
        return StateDictSettings(
            self._state_dict_type, self._state_dict_config, self._optim_state_dict_config
        )

    @staticmethod
    @contextmanager
    def state_dict_type(
        module: Module,
        state_dict_type: StateDictType,
        state_dict_config: StateDictConfig | None = None,
        optim_state_dict_config: OptimStateDictConfig | None = None,
    ) -> Iterator[None]:
        """For a block: what `state_dict` and `optim_state_dict` give; see `set_state_dict_type`."""
        warnings.warn(DEPRECATED, FutureWarning, stacklevel=3)
        old = _set_type(module, state_dict_type, state_dict_config, optim_state_dict_config)
        try:
            yield
        finally:
            if old.state_dict_type is not None:
                _set_type(module, old.state_dict_type, old.state_dict_config, old.optim_state_dict_config)

    @staticmethod
    def optim_state_dict(
        model: Module, optim: Any, optim_state_dict: dict[str, Any] | None = None, group: Any = None
    ) -> dict[str, Any]:
        """An optimizer's state by the names of parameters, as `set_state_dict_type` says. All ranks call it.

        Args:
            model: whose parameters they are.
            optim: the optimizer.
            optim_state_dict: its state, if it is at hand.
            group: accepted as in PyTorch.
        """
        settings = _settings_of(model)
        config = settings.optim_state_dict_config
        first_only = isinstance(config, FullOptimStateDictConfig) and config.rank0_only
        wrapper = FullyShardedDataParallel.fsdp_modules(model)[0]
        state = optim.state_dict() if optim_state_dict is None else optim_state_dict
        whole = settings.state_dict_type is StateDictType.FULL_STATE_DICT
        return optim_state.gathered(model, optim, state, whole, not first_only or wrapper.rank == 0)

    @staticmethod
    def optim_state_dict_to_load(
        model: Module,
        optim: Any,
        optim_state_dict: dict[str, Any],
        is_named_optimizer: bool = False,
        load_directly: bool = False,
        group: Any = None,
    ) -> dict[str, Any]:
        """What an optimizer can load, from what `optim_state_dict` gave.

        Args:
            model: whose parameters they are.
            optim: the optimizer.
            optim_state_dict: the state by names.
            is_named_optimizer: not there.
            load_directly: whether to load it, too.
            group: the ranks; all by default.
        """
        if is_named_optimizer:
            raise NotImplementedError("FullyShardedDataParallel: named optimizers are not there")
        config = _settings_of(model).optim_state_dict_config
        first_only = isinstance(config, FullOptimStateDictConfig) and config.rank0_only
        found = optim_state.rows_again(model, optim, optim_state_dict, first_only, group)
        if load_directly:
            optim.load_state_dict(found)
        return found

    @staticmethod
    def rekey_optim_state_dict(
        optim_state_dict: dict[str, Any],
        optim_state_key_type: OptimStateKeyType,
        model: Module,
        optim_input: Any = None,
        optim: Any = None,
    ) -> dict[str, Any]:
        """An optimizer's state with names of parameters in place of numbers, or the reverse.

        Args:
            optim_state_dict: the state.
            optim_state_key_type: what it is to have.
            model: whose parameters they are.
            optim_input: not there: give `optim`.
            optim: the optimizer.
        """
        if optim is None:
            raise NotImplementedError("FullyShardedDataParallel: rekey_optim_state_dict needs optim")
        kinds = {type(key) for key in optim_state_dict["state"]}
        if not (kinds <= {int} or kinds <= {str}):
            raise ValueError(f"Invalid parameter keys: {optim_state_dict['state'].keys()}")
        to_names = optim_state_key_type is OptimStateKeyType.PARAM_NAME
        if kinds == {str if to_names else int}:
            return optim_state_dict
        keys = optim_state.numbers(model, optim)
        table = {number: name for name, number in keys.items()} if to_names else keys
        return optim_state.rekeyed(optim_state_dict, table)


def _placements(mesh: DeviceMesh) -> Any:
    return (Shard(0),) if mesh.ndim == 1 else (Replicate(), Shard(0))


def _settings_of(model: Module) -> StateDictSettings:
    settings = FullyShardedDataParallel.get_state_dict_type(model)
    if settings is None:
        raise ValueError("FullyShardedDataParallel: there is no wrapper in the model")
    if settings.state_dict_type is StateDictType.LOCAL_STATE_DICT:
        raise NotImplementedError("FullyShardedDataParallel: LOCAL_STATE_DICT is not there for optimizers")
    return settings


def _set_type(module: Module, kind: StateDictType, config: Any, optim_config: Any) -> StateDictSettings:
    config, optim_config = checked(kind, config, optim_config)
    old: Any = StateDictSettings(*[None] * 3)  # type: ignore[arg-type]
    for each in FullyShardedDataParallel.fsdp_modules(module):
        if old.state_dict_type is None:
            old = each._settings()
        elif old.state_dict_type is not each._state_dict_type:
            raise AssertionError("All FSDP modules should have the same state_dict_type.")
        each._state_dict_type, each._state_dict_config = kind, config
        each._optim_state_dict_config = optim_config
    found: StateDictSettings = old
    return found
