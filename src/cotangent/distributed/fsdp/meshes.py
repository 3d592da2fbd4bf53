"""Grids of ranks for `FullyShardedDataParallel`: copies along the first dimension, rows along the last."""

from __future__ import annotations

import os
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..device_mesh import DeviceMesh
from ..group import ProcessGroup, get_default_group, get_rank, new_group, resolve
from .api import ShardingStrategy

__all__ = ["HYBRID", "mesh_for"]

HYBRID: Final = (ShardingStrategy.HYBRID_SHARD, ShardingStrategy._HYBRID_SHARD_ZERO2)

# Groups are made once, and all wrappers of a model use them.
_copies: Final[WeakKeyDictionary[ProcessGroup, DeviceMesh]] = WeakKeyDictionary()
_nodes: Final[WeakKeyDictionary[ProcessGroup, DeviceMesh]] = WeakKeyDictionary()


def mesh_for(strategy: ShardingStrategy, group: Any, mesh: DeviceMesh | None) -> DeviceMesh:
    """The grid for a strategy.

    Args:
        strategy: which.
        group: the ranks, all by default; for hybrid strategies those of a node and those across nodes.
        mesh: a grid that is there already.

    Raises:
        ValueError: if something does not fit.
    """
    if strategy in HYBRID:
        return _hybrid(group, mesh)
    if mesh is not None:
        if mesh.ndim != 1:
            raise ValueError(f"Expected device_mesh to have ndim=1 but got {mesh.ndim}")
        group = mesh.get_group()
    group = resolve(group)
    if strategy is not ShardingStrategy.NO_SHARD:
        return mesh or DeviceMesh.from_group(group, "cpu")
    if group not in _copies:
        alone = new_group([get_rank()], use_local_synchronization=True)
        _copies[group] = DeviceMesh("cpu", [[r] for r in group.ranks], groups=[group, alone])
    return _copies[group]


def _hybrid(group: Any, mesh: DeviceMesh | None) -> DeviceMesh:
    if mesh is not None:
        if mesh.ndim != 2:
            raise ValueError(f"Expected device_mesh to have ndim=2 but got {mesh.ndim}")
        return mesh
    if group is None:
        world = get_default_group()
        if world not in _nodes:
            each = int(os.environ.get("LOCAL_WORLD_SIZE", world.size()))
            places = [world.ranks[n : n + each] for n in range(0, world.size(), each)]
            _nodes[world] = DeviceMesh("cpu", places)
        return _nodes[world]
    if not (isinstance(group, tuple) and len(group) == 2 and all(isinstance(g, ProcessGroup) for g in group)):
        raise ValueError(
            "Expected process_group to be passed in as either None or Tuple[dist.ProcessGroup,"
            f" dist.ProcessGroup] but got {type(group)}"
        )
    within, across = group
    places = [[r + other - get_rank() for r in within.ranks] for other in across.ranks]
    return DeviceMesh("cpu", places, groups=[across, within])
