"""`torch.distributed.device_mesh`: the processes laid out in one or more dimensions."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np

from ..autograd.base import wrap
from ..tensor import Tensor
from .group import ProcessGroup, get_default_group, get_rank, init_process_group, is_initialized, new_group

__all__ = ["DeviceMesh", "init_device_mesh"]


class _Entered(threading.local):
    """The meshes of `with` blocks that a thread is in."""

    def __init__(self) -> None:
        self.meshes: list[DeviceMesh] = []


_entered = _Entered()


class DeviceMesh:
    """Processes in a grid, with a group along every line of it. All processes make it.

    Args:
        device_type: "cpu".
        mesh: the numbers of the processes, nested as deep as the grid has dimensions; a tensor or lists.
        mesh_dim_names: names of the dimensions.
        groups: the groups this process is in, one for each dimension, if they have been made.
        root: the mesh that this one is a part of, and how far apart neighbours are there.

    Raises:
        ValueError: if this is not a CPU.
        RuntimeError: for numbers that there are not.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.device_mesh import DeviceMesh
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     assert DeviceMesh("cpu", [[0]], mesh_dim_names=("dp", "tp"))["tp"].get_coordinate() == (0,)
        ...     torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        device_type: str,
        mesh: Any,
        *,
        mesh_dim_names: tuple[str, ...] | None = None,
        groups: list[ProcessGroup] | None = None,
        root: tuple[DeviceMesh, tuple[int, ...]] | None = None,
    ) -> None:
        if device_type != "cpu":
            raise ValueError(f"DeviceMesh: device_type {device_type!r} is not there; accepted: 'cpu'")
        if not is_initialized():
            init_process_group()
        self.device_type = device_type
        self._places = np.asarray(mesh.tolist() if isinstance(mesh, Tensor) else mesh, np.int32)
        size = get_default_group().size()
        if self._places.size > size:
            raise RuntimeError(
                f"Mesh should not be bigger than default world size {size}, but found {self._places.size}"
                " ranks!"
            )
        self.mesh_dim_names = None if mesh_dim_names is None else tuple(mesh_dim_names)
        self._flattened: dict[str, DeviceMesh] = {}
        self._root, self._strides = root or (self, tuple(s // 4 for s in self._places.strides))
        self._groups = self._lines() if groups is None else groups

    def _lines(self) -> list[ProcessGroup]:
        """A group for each line of the grid, made by all processes; those that this process is on."""
        world = get_default_group()
        if self._places.ndim == 1 and self._places.tolist() == world.ranks:
            return [world]
        mine = []
        for dim in range(self.ndim):
            name = self.mesh_dim_names[dim] if self.mesh_dim_names else f"dim_{dim}"
            for line in np.moveaxis(self._places, dim, -1).reshape(-1, self._places.shape[dim]):
                group = new_group(line.tolist(), group_desc=f"mesh_{name}")
                if world.rank() in line:
                    mine.append(group)
        return mine

    @property
    def mesh(self) -> Any:
        """The numbers of the processes, a tensor."""
        return wrap(self._places.copy())

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._places.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """How many processes there are along each dimension."""
        return tuple(self._places.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """How many processes there are, along one dimension or in all."""
        return int(self._places.size if mesh_dim is None else self._places.shape[mesh_dim])

    def _dim(self, mesh_dim: int | str | None, *more: str) -> int:
        """The number of a dimension."""
        if isinstance(mesh_dim, str):
            if self.mesh_dim_names is None or mesh_dim not in self.mesh_dim_names:
                raise KeyError(
                    f"Mesh dimension '{mesh_dim}' does not exist.",
                    f"Available mesh dimensions are: mesh_dim_names={self.mesh_dim_names}",
                )
            return self.mesh_dim_names.index(mesh_dim)
        if mesh_dim is None and self.ndim > 1:
            raise RuntimeError(
                f"Found the DeviceMesh have {self.ndim} dimensions",
                "Optional kwarg `mesh_dim` needs to be specified when device_mesh.ndim > 1.",
                *more,
            )
        return mesh_dim or 0

    def get_group(self, mesh_dim: int | str | None = None) -> ProcessGroup:
        """The processes along a dimension, this one among them.

        Args:
            mesh_dim: its number or name; not needed if it is the only one.

        Raises:
            KeyError: if there is no such name.
            RuntimeError: if there are several, and none is named.
        """
        more = (
            "If you want to get the list of all the ProcessGroups in the DeviceMesh,please use"
            " `get_all_groups()` instead."
        )
        return self._groups[self._dim(mesh_dim, more)]

    def get_all_groups(self) -> list[ProcessGroup]:
        """The groups of all dimensions."""
        return list(self._groups)

    def get_rank(self) -> int:
        """The number of this process."""
        return get_rank()

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """This process's place along a dimension.

        Args:
            mesh_dim: its number or name; not needed if it is the only one.
        """
        return self._groups[self._dim(mesh_dim)].rank()

    def get_coordinate(self) -> tuple[int, ...] | None:
        """This process's place along every dimension; None if it is not in the mesh."""
        found = np.argwhere(self._places == get_rank())
        return tuple(found[0].tolist()) if len(found) else None

    def __getitem__(self, mesh_dim_names: str | tuple[str, ...]) -> DeviceMesh:
        """The part of the mesh along some dimensions that this process is in.

        Args:
            mesh_dim_names: their names, in the order of the dimensions; or that of a flattened mesh.
        """
        if not self.mesh_dim_names:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        names = (mesh_dim_names,) if isinstance(mesh_dim_names, str) else tuple(mesh_dim_names)
        if names == self.mesh_dim_names:
            return self
        if len(names) == 1 and self._root is self and names[0] in self._flattened:
            warnings.warn(
                "Slicing a flattened dim from root mesh will be deprecated in PT 2.11. Users need to bookkeep"
                " the flattened mesh directly. ",
                stacklevel=2,
            )
            return self._flattened[names[0]]
        if not set(names) <= set(self.mesh_dim_names):
            raise KeyError(
                f"Invalid mesh_dim_names {names} specified. Valid mesh_dim_names are"
                f" {list(self.mesh_dim_names)}."
            )
        dims = [self.mesh_dim_names.index(name) for name in names]
        if dims != sorted(set(dims)):
            raise KeyError(
                f"Invalid mesh_dim_names {names} specified. Mesh dim indices should be in ascending order."
            )
        here = self.get_coordinate() or (0,) * self.ndim
        part = self._places[tuple(slice(None) if dim in dims else here[dim] for dim in range(self.ndim))]
        groups = [self._groups[dim] for dim in dims] if self._groups else []
        strides = tuple(self._strides[dim] for dim in dims)
        return DeviceMesh(
            self.device_type, part, mesh_dim_names=names, groups=groups, root=(self._root, strides)
        )

    def _flatten(self, mesh_dim_name: str | None = None, backend_override: Any = None) -> DeviceMesh:
        """The mesh in one dimension. All processes call it.

        Args:
            mesh_dim_name: name of that dimension; those of the dimensions with "_" between them by default.
            backend_override: accepted as in PyTorch.

        Raises:
            RuntimeError: if the dimensions have no names.
            ValueError: if there is another dimension of that name.
        """
        if not self.mesh_dim_names:
            raise RuntimeError("Cannot flatten a DeviceMesh without mesh_dim_names!")
        name = mesh_dim_name or "_".join(self.mesh_dim_names)
        if self.ndim == 1 and name in self.mesh_dim_names:
            return self
        root = self._root
        if name in (root.mesh_dim_names or ()):
            raise ValueError(
                f"{name} already exists for submesh of the {root}. ",
                f"The mesh_dim_names of submesh and flattened mesh are {root.mesh_dim_names}. Please specify"
                " another valid mesh_dim_name.",
            )
        known = root._flattened.get(name)
        if known is not None:
            if known._places.tolist() != self._places.reshape(-1).tolist():
                raise ValueError(
                    f"Flatten mesh with mesh_dim_name {name} has been created before, Please specify another"
                    " valid mesh_dim_name."
                )
            return known
        groups = []
        for places in root._parts(self.mesh_dim_names):
            whole = places == get_default_group().ranks
            group = get_default_group() if whole else new_group(places, group_desc=f"mesh_{name}")
            if get_rank() in places:
                groups.append(group)
        made = DeviceMesh(
            self.device_type, self._places.reshape(-1), mesh_dim_names=(name,), groups=groups,
            root=(root, (self._strides[-1],)),
        )  # fmt: skip
        root._flattened[name] = made
        return made

    def _parts(self, names: tuple[str, ...]) -> list[list[int]]:
        """The processes of every part of the mesh along some of its dimensions."""
        assert self.mesh_dim_names is not None
        dims = [self.mesh_dim_names.index(name) for name in names]
        others = [dim for dim in range(self.ndim) if dim not in dims]
        count = int(np.prod([self._places.shape[dim] for dim in others], dtype=int))
        found: list[list[int]] = self._places.transpose(*others, *dims).reshape(count, -1).tolist()
        return found

    @staticmethod
    def from_group(
        group: Any,
        device_type: str,
        mesh: Any = None,
        *,
        mesh_dim_names: tuple[str, ...] | None = None,
    ) -> DeviceMesh:
        """A mesh of groups that there are already.

        Args:
            group: one group, or the groups that this process is in, one for each dimension.
            device_type: "cpu".
            mesh: the numbers of the processes; not needed for one group.
            mesh_dim_names: names of the dimensions.

        Raises:
            ValueError: if something is missing, or does not fit.
        """
        if isinstance(group, ProcessGroup):
            if mesh is not None and not isinstance(mesh, Tensor) and mesh != group.ranks:
                raise ValueError(f"Invalid mesh {mesh} for ProcessGroup with ranks {group.ranks}")
            return DeviceMesh(device_type, group.ranks, mesh_dim_names=mesh_dim_names, groups=[group])
        groups = list(group)
        if not groups:
            raise ValueError("Expects at least one ProcessGroup to be passed")
        if mesh is None:
            raise ValueError("Must pass mesh if passing multiple ProcessGroups")
        if mesh_dim_names is None:
            raise ValueError("Must pass mesh_dim_names if passing multiple ProcessGroups")
        places = np.asarray(mesh.tolist() if isinstance(mesh, Tensor) else mesh)
        if places.ndim != len(groups):
            raise ValueError(
                "Expects mesh with ndim equal to number of ProcessGroups but got mesh"
                f" {places.tolist()} and {len(groups)} ProcessGroups"
            )
        return DeviceMesh(device_type, places, mesh_dim_names=mesh_dim_names, groups=groups)

    def __enter__(self) -> DeviceMesh:
        _entered.meshes.append(self)
        return self

    def __exit__(self, *why: object) -> None:
        _entered.meshes.pop()

    def _key(self) -> Any:
        return self.device_type, self._places.tobytes(), self.shape, self.mesh_dim_names

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceMesh) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        sizes = [f"{size}" for size in self.shape]
        if self.mesh_dim_names is not None:
            sizes = [f"{name}={size}" for name, size in zip(self.mesh_dim_names, sizes, strict=True)]
        shown = f"({', '.join(sizes)}{',' if len(sizes) == 1 and self.mesh_dim_names is None else ''})"
        strides = tuple(
            () if size == 1 else stride for size, stride in zip(self.shape, self._strides, strict=True)
        )
        return f"DeviceMesh({shown}, '{self.device_type}', stride={strides})"


def init_device_mesh(
    device_type: str,
    mesh_shape: tuple[int, ...],
    *,
    mesh_dim_names: tuple[str, ...] | None = None,
    backend_override: Any = None,
) -> DeviceMesh:
    """The first processes in a grid. All of them call it; if there is no process group yet, it is made.

    Args:
        device_type: "cpu".
        mesh_shape: the lengths of its dimensions.
        mesh_dim_names: their names.
        backend_override: accepted as in PyTorch.

    Raises:
        RuntimeError: for names that are not one for each dimension, or too few processes.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.device_mesh import init_device_mesh
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     assert init_device_mesh("cpu", (1,), mesh_dim_names=("dp",)).size() == 1
        ...     torch.distributed.destroy_process_group()
    """
    if mesh_dim_names is not None:
        if len(set(mesh_dim_names)) != len(mesh_dim_names):
            raise RuntimeError(
                "Each mesh_dim_name must be unique. Found repeated mesh_dim_name in mesh_dim_names"
                f" {mesh_dim_names}"
            )
        if len(mesh_shape) != len(mesh_dim_names):
            raise RuntimeError(
                "mesh_shape and mesh_dim_names should have same length! Found len(mesh_dim_names):"
                f" {len(mesh_dim_names)} and len(mesh_shape):{len(mesh_shape)}."
            )
    if device_type and not device_type.isalpha():
        raise RuntimeError(
            f"Device type with index is not supported but got {device_type}. ",
            "If you maintained a 'torch.device' object, it's recommended to pass in 'device.type'.",
        )
    places = np.arange(int(np.prod(mesh_shape))).reshape(mesh_shape)
    return DeviceMesh(device_type, places, mesh_dim_names=mesh_dim_names)
