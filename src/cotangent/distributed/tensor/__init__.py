"""`torch.distributed.tensor`: tensors of which every process holds a part."""

from ..device_mesh import DeviceMesh, init_device_mesh
from .dtensor import DTensor, Placement, Replicate, Shard, distribute_tensor

__all__ = [
    "DTensor", "DeviceMesh", "Placement", "Replicate", "Shard", "distribute_tensor", "init_device_mesh",
]  # fmt: skip
