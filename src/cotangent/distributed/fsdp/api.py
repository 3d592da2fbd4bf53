"""What `FullyShardedDataParallel` can be told: enumerations and records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from ...nn.modules.batchnorm import _BatchNorm

__all__ = [
    "BackwardPrefetch", "CPUOffload", "FullOptimStateDictConfig", "FullStateDictConfig",
    "LocalOptimStateDictConfig", "LocalStateDictConfig", "MixedPrecision", "OptimStateDictConfig",
    "ShardedOptimStateDictConfig", "ShardedStateDictConfig", "ShardingStrategy", "StateDictConfig",
    "StateDictSettings", "StateDictType",
]  # fmt: skip


class ShardingStrategy(Enum):
    """What is dealt out to the ranks, and when whole parameters are given back.

    `FULL_SHARD`: parameters, gradients and the optimizer's state; parameters are whole while a module runs.
    `SHARD_GRAD_OP`: the same, but parameters stay whole between forward and backward.
    `NO_SHARD`: nothing; gradients are averaged as in `DistributedDataParallel`.
    `HYBRID_SHARD`, `_HYBRID_SHARD_ZERO2`: the first two within a node, with copies on all nodes.
    """

    FULL_SHARD = auto()
    SHARD_GRAD_OP = auto()
    NO_SHARD = auto()
    HYBRID_SHARD = auto()
    _HYBRID_SHARD_ZERO2 = auto()


class BackwardPrefetch(Enum):
    """Whether backward gathers the next module before or after the present one's gradients."""

    BACKWARD_PRE = auto()
    BACKWARD_POST = auto()


@dataclass
class MixedPrecision:
    """In which dtypes modules compute.

    Args:
        param_dtype: of whole parameters, and of the inputs of the outermost module.
        reduce_dtype: in which gradients are reduced; `param_dtype` by default.
        buffer_dtype: of buffers, from the first forward on.
        keep_low_precision_grads: not there: gradients get the dtype of the parameters.
        cast_forward_inputs: whether inner modules' inputs are cast to `param_dtype`, too.
        cast_root_forward_inputs: whether those of the outermost are.
        _module_classes_to_ignore: modules that an `auto_wrap_policy` leaves in full precision.
    """

    param_dtype: Any = None
    reduce_dtype: Any = None
    buffer_dtype: Any = None
    keep_low_precision_grads: bool = False
    cast_forward_inputs: bool = False
    cast_root_forward_inputs: bool = True
    _module_classes_to_ignore: Sequence[type[Any]] = (_BatchNorm,)


@dataclass
class CPUOffload:
    """Where rows are kept: on the CPU in any case.

    Args:
        offload_params: accepted as in PyTorch.
    """

    offload_params: bool = False


class StateDictType(Enum):
    """What `state_dict` gives: whole tensors, or `DTensor`s of this rank's rows; LOCAL is not there."""

    FULL_STATE_DICT = auto()
    LOCAL_STATE_DICT = auto()
    SHARDED_STATE_DICT = auto()


@dataclass
class StateDictConfig:
    """What all kinds of `state_dict` have.

    Args:
        offload_to_cpu: accepted as in PyTorch.
    """

    offload_to_cpu: bool = False


@dataclass
class FullStateDictConfig(StateDictConfig):
    """Of `FULL_STATE_DICT`.

    Args:
        offload_to_cpu: accepted as in PyTorch.
        rank0_only: whether the other ranks get an empty dictionary.
    """

    rank0_only: bool = False


@dataclass
class LocalStateDictConfig(StateDictConfig):
    """Of `LOCAL_STATE_DICT`."""


@dataclass
class ShardedStateDictConfig(StateDictConfig):
    """Of `SHARDED_STATE_DICT`; tensors are `DTensor`s in any case."""

    _use_dtensor: bool = False


@dataclass
class OptimStateDictConfig:
    """What all kinds of `optim_state_dict` have.

    Args:
        offload_to_cpu: accepted as in PyTorch.
    """

    offload_to_cpu: bool = True


@dataclass
class FullOptimStateDictConfig(OptimStateDictConfig):
    """Of `FULL_STATE_DICT`.

    Args:
        offload_to_cpu: accepted as in PyTorch.
        rank0_only: whether the other ranks get an empty dictionary.
    """

    rank0_only: bool = False


@dataclass
class LocalOptimStateDictConfig(OptimStateDictConfig):
    """Of `LOCAL_STATE_DICT`."""

    offload_to_cpu: bool = False


@dataclass
class ShardedOptimStateDictConfig(OptimStateDictConfig):
    """Of `SHARDED_STATE_DICT`; tensors are `DTensor`s in any case."""

    _use_dtensor: bool = False


@dataclass
class StateDictSettings:
    """Which `state_dict` a model gives."""

    state_dict_type: StateDictType
    state_dict_config: StateDictConfig
    optim_state_dict_config: OptimStateDictConfig
