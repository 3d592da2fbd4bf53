"""Where the part of a process lies in the whole: `torch.distributed.tensor._utils`."""

from __future__ import annotations

from collections.abc import Sequence

from ..device_mesh import DeviceMesh
from .dtensor import rows_of
from .placement_types import Placement, Shard

__all__ = ["compute_local_shape_and_global_offset"]


def compute_local_shape_and_global_offset(
    global_shape: Sequence[int], mesh: DeviceMesh, placements: Sequence[Placement], skip_offset: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape of this process's part, and where it begins in each dimension of the whole.

    Args:
        global_shape: of the whole.
        mesh: the processes.
        placements: how the whole lies along each dimension of the mesh; the first cuts first.
        skip_offset: return no offsets.

    Example:
        >>> from cotangent.distributed.tensor._utils import compute_local_shape_and_global_offset
        >>> from cotangent.distributed.tensor import Shard
        >>> class Mesh:  # rank 1 of 2
        ...     size, get_local_rank = (lambda self, dim: 2), (lambda self, dim: 1)
        >>> compute_local_shape_and_global_offset((5, 4), Mesh(), [Shard(0)])
        ((2, 4), (3, 0))
    """
    shape, offset = list(global_shape), [0] * len(global_shape)
    for dim, placement in enumerate(placements):
        if isinstance(placement, Shard):
            rows = rows_of(shape[placement.dim], mesh.size(dim), mesh.get_local_rank(dim))
            shape[placement.dim] = rows.stop - rows.start
            offset[placement.dim] += rows.start
    return tuple(shape), () if skip_offset else tuple(offset)
