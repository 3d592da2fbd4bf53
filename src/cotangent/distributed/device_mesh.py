"""`torch.distributed.device_mesh`: the processes laid out in one or more dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .group import ProcessGroup, get_default_group, is_initialized, new_group

__all__ = ["DeviceMesh", "init_device_mesh"]


class DeviceMesh:
    """Processes in a grid, with a group along every line of it.

    Args:
        device_type: "cpu".
        mesh: the numbers of the processes, nested as deep as the grid has dimensions.
        mesh_dim_names: names of the dimensions.
        groups: the groups this process is in, one for each dimension, if they have been made.

    Raises:
        ValueError: if there are more or fewer names than dimensions, or this is not a CPU.
    """

    def __init__(
        self,
        device_type: str,
        mesh: Any,
        *,
        mesh_dim_names: tuple[str, ...] | None = None,
        groups: list[ProcessGroup] | None = None,
    ) -> None:
        if device_type != "cpu":
            raise ValueError(f"DeviceMesh: device_type {device_type!r} is not there; accepted: 'cpu'")
        self.device_type = device_type
        self.mesh = np.asarray(mesh)
        if mesh_dim_names is not None and len(mesh_dim_names) != self.mesh.ndim:
            raise ValueError(
                f"mesh_dim_names must have as many names as the mesh has dimensions, {self.mesh.ndim}, got"
                f" {mesh_dim_names}"
            )
        self.mesh_dim_names = mesh_dim_names
        self._groups = _lines(self.mesh) if groups is None else groups

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.mesh.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """How many processes there are along each dimension."""
        return tuple(self.mesh.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """How many processes there are, along one dimension or in all."""
        return int(self.mesh.size if mesh_dim is None else self.mesh.shape[mesh_dim])

    def _dim(self, mesh_dim: int | str | None) -> int:
        if isinstance(mesh_dim, str):
            if self.mesh_dim_names is None or mesh_dim not in self.mesh_dim_names:
                raise KeyError(f"there is no mesh dimension {mesh_dim!r}; there are {self.mesh_dim_names}")
            return self.mesh_dim_names.index(mesh_dim)
        if mesh_dim is None:
            if self.ndim > 1:
                raise RuntimeError(
                    f"Found the DeviceMesh have {self.ndim} dimensions; say which one: mesh_dim"
                )
            return 0
        return mesh_dim

    def get_group(self, mesh_dim: int | str | None = None) -> ProcessGroup:
        """The processes along a dimension, this one among them."""
        return self._groups[self._dim(mesh_dim)]

    def get_all_groups(self) -> list[ProcessGroup]:
        """The groups of all dimensions."""
        return list(self._groups)

    def get_rank(self) -> int:
        """The number of this process."""
        return get_default_group().rank()

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """This process's place along a dimension."""
        return self.get_group(mesh_dim).rank()

    def get_coordinate(self) -> list[int]:
        """This process's place along every dimension."""
        return [group.rank() for group in self._groups]

    def __getitem__(self, name: str) -> DeviceMesh:
        """The line along one dimension that this process is on."""
        dim = self._dim(name)
        group = self._groups[dim]
        return DeviceMesh(self.device_type, group.ranks, mesh_dim_names=(name,), groups=[group])

    def __repr__(self) -> str:
        names = self.mesh_dim_names
        shown = self.shape if names is None else tuple(f"{n}={s}" for n, s in zip(names, self.shape))
        return f"DeviceMesh({shown}, '{self.device_type}')"


def _lines(mesh: Any) -> list[ProcessGroup]:
    """A group for each line of the grid, made by all processes; those that this process is on."""
    world = get_default_group()
    if mesh.ndim == 1 and mesh.tolist() == world.ranks:
        return [world]
    mine = []
    for dim in range(mesh.ndim):
        for line in np.moveaxis(mesh, dim, -1).reshape(-1, mesh.shape[dim]):
            group = new_group(line.tolist())
            if world.rank() in line:
                mine.append(group)
    return mine


def init_device_mesh(
    device_type: str, mesh_shape: tuple[int, ...], *, mesh_dim_names: tuple[str, ...] | None = None
) -> DeviceMesh:
    """All processes in a grid. All of them call it.

    Args:
        device_type: "cpu".
        mesh_shape: the lengths of its dimensions.
        mesh_dim_names: their names.

    Raises:
        RuntimeError: if there are more or fewer processes than places.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.device_mesh import init_device_mesh
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     print(init_device_mesh("cpu", (1,), mesh_dim_names=("dp",)))
        ...     torch.distributed.destroy_process_group()
        DeviceMesh(('dp=1',), 'cpu')
    """
    if not is_initialized():
        raise RuntimeError("init_device_mesh: call init_process_group first")
    size = get_default_group().size()
    if int(np.prod(mesh_shape)) != size:
        raise RuntimeError(
            f"init_device_mesh: {tuple(mesh_shape)} has places for other than {size} processes"
        )
    return DeviceMesh(device_type, np.arange(size).reshape(mesh_shape), mesh_dim_names=mesh_dim_names)
