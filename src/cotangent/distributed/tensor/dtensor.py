"""Tensors of which every process holds a part: `DTensor`.

In computations a `DTensor` is the part that this process holds: operations, and so optimizers, see that
alone, which is right for whatever goes element by element. `shape` and `numel` tell of the whole; `to_local`
and `full_tensor` give the part and the whole as ordinary tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autograd.base import bump, new, not_taken_over, wrap
from ...autograd.modes import no_grad
from ...autograd.where import here
from ...size import Size
from ...tensor import Tensor
from .. import rings
from ..device_mesh import DeviceMesh, init_device_mesh
from ..group import get_default_group
from .placement_types import Partial, Placement, Replicate, Shard

__all__ = ["DTensor", "distribute_tensor", "rows_of"]


def rows_of(count: int, size: int, rank: int) -> slice:
    """The rows of a rank: as `torch.chunk` cuts, equal parts of which the last are shorter or empty.

    Example:
        >>> from cotangent.distributed.tensor.dtensor import rows_of
        >>> [rows_of(5, 4, rank) for rank in range(4)]
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None), slice(5, 5, None)]
    """
    each = -(-count // size)
    return slice(min(rank * each, count), min((rank + 1) * each, count))


class DTensor(Tensor):
    """A tensor of which this process holds some rows."""

    __torch_function__: Any = not_taken_over
    _mesh: DeviceMesh
    _whole: tuple[int, ...]
    _placements: tuple[Placement, ...]

    @property
    def device_mesh(self) -> DeviceMesh:
        """The processes that hold it."""
        return self._mesh

    @property
    def placements(self) -> tuple[Placement, ...]:
        """How it lies on them, for each dimension of the mesh."""
        return self._placements

    @property
    def shape(self) -> Any:
        """The shape of the whole."""
        return Size(self._whole)

    def size(self, dim: int | None = None) -> Any:
        """The shape of the whole, or its length along one dimension."""
        return self.shape if dim is None else self._whole[dim]

    def numel(self) -> int:
        """The number of elements of the whole."""
        return int(np.prod(self._whole))

    nelement = numel

    @staticmethod
    def from_local(
        local_tensor: Any, device_mesh: DeviceMesh, placements: Sequence[Placement], *, shape: Any = None
    ) -> DTensor:
        """A tensor from the parts that the processes have.

        Args:
            local_tensor: this process's part.
            device_mesh: the processes.
            placements: how the whole lies on them.
            shape: of the whole; all parts are of one shape by default.
        """
        if shape is None:
            shape = list(local_tensor.shape)
            for dim, placement in enumerate(placements):
                if isinstance(placement, Shard):
                    shape[placement.dim] *= device_mesh.size(dim)
        return dtensor(local_tensor._data, device_mesh, tuple(shape), tuple(placements))

    def to_local(self) -> Any:
        """The rows that this process holds, in the same memory."""
        return wrap(self._data)

    def sharding(self) -> int | None:
        """The dimension of the mesh along which the rows are dealt out."""
        return next((d for d, p in enumerate(self._placements) if isinstance(p, Shard)), None)

    def full_tensor(self) -> Any:
        """The whole, on every process. All of them call it."""
        data = self._data.copy()
        for dim, placement in enumerate(self._placements):
            if isinstance(placement, Partial):
                group = self._mesh.get_group(dim)
                data = _combined(group, data, placement.reduce_op)
        along = self.sharding()
        if along is None:
            return wrap(data)
        return wrap(gathered_rows(data, self._whole, self._mesh.get_group(along)))

    def redistribute(self, device_mesh: Any = None, placements: Any = None) -> Any:
        """The same tensor, lying in another way. All processes call it."""
        return distribute_tensor(self.full_tensor(), device_mesh or self._mesh, placements)

    def detach(self) -> Any:
        """The same without a history."""
        return dtensor(self._data, self._mesh, self._whole, self._placements)

    def clone(self, *, memory_format: Any = None) -> Any:
        """A copy, without a history."""
        return dtensor(self._data.copy(), self._mesh, self._whole, self._placements)

    def copy_(self, src: Any, non_blocking: bool = False) -> Any:
        """Take over the values of a tensor that lies in the same way, or of a whole one."""
        data = src._data
        if not isinstance(src, DTensor):
            if tuple(src.shape) != self._whole:
                raise RuntimeError(
                    f"DTensor.copy_: a tensor of the whole shape {list(self._whole)} is needed, got"
                    f" {list(src.shape)}"
                )
            along = self.sharding()
            if along is not None:
                group = self._mesh.get_group(along)
                data = data[rows_of(self._whole[0], group.size(), group.rank())]
        self._data[...] = data
        bump(self, *here())
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made: Any = memo.get(id(self))
        if made is None:
            made = self.clone()
            made._req = self._req
            if getattr(self, "_is_param", False):
                made._is_param = True
            memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            "a DTensor holds only this process's rows: save full_tensor() or to_local(), or use"
            " torch.distributed.checkpoint"
        )

    def __repr__(self) -> str:  # type: ignore[override]
        part = repr(self.to_local())
        return f"DTensor(local_tensor={part}, device_mesh={self._mesh}, placements={self._placements})"

    @staticmethod
    def norms(tensors: list[DTensor], exponent: float) -> list[Any]:
        """The norm of several tensors as if they were one vector, for each group that holds some.

        Args:
            tensors: the tensors.
            exponent: of the norm.
        """
        by_group: dict[Any, list[Any]] = {}
        for t in tensors:
            along = t.sharding()
            by_group.setdefault(None if along is None else t._mesh.get_group(along), []).append(t._data)
        found = []
        for group, arrays in by_group.items():
            flat = [np.abs(a.reshape(-1)).astype(np.float64) for a in arrays if a.size]
            if np.isinf(exponent):
                ends = [a.max() if exponent > 0 else a.min() for a in flat]
                start = 0.0 if exponent > 0 else np.inf
                own, operation = max([start, *ends]) if exponent > 0 else min([start, *ends]), "MAX"
                if exponent < 0:
                    operation = "MIN"
            else:
                own, operation = sum((a**exponent).sum() for a in flat), "SUM"
            total = np.array([own], np.float64)
            if group is not None:
                group.submit(_reduction(group, total, operation), False, "NORM")
            value = total[0] if np.isinf(exponent) else total[0] ** (1.0 / exponent)
            found.append(wrap(np.asarray(value, arrays[0].dtype)))
        return found


def _reduction(group: Any, array: Any, operation: str) -> Any:
    return lambda: rings.all_reduce(group.link, array, operation)


def _combined(group: Any, data: Any, reduce_op: str) -> Any:
    """The terms that a group's processes hold, put together."""
    operation = "sum" if reduce_op == "avg" else reduce_op
    group.submit(_reduction(group, data, operation), False, "FULL_TENSOR")
    return data / group.size() if reduce_op == "avg" else data


def dtensor(
    data: Any, mesh: DeviceMesh, whole: tuple[int, ...], placements: tuple[Placement, ...]
) -> DTensor:
    """A tensor around the rows that this process holds."""
    t = new(DTensor)
    t._data, t._req = data, False
    t._node = t._vc = t._view = t._cut = None
    t._mesh, t._whole, t._placements = mesh, whole, placements
    return t


def gathered_rows(data: Any, whole: tuple[int, ...], group: Any) -> Any:
    """All rows, from the parts of a group's ranks."""
    each = -(-whole[0] // group.size())
    padded = np.zeros((each, *whole[1:]), data.dtype)
    padded[: data.shape[0]] = data
    result: list[Any] = []
    group.submit(lambda: result.append(rings.all_gather(group.link, padded)), False, "FULL_TENSOR")
    return result[0].reshape(-1, *whole[1:])[: whole[0]].copy()


def distribute_tensor(
    tensor: Any,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
    **_: Any,
) -> DTensor:
    """A tensor that all processes have, dealt out to them.

    Args:
        tensor: of the same values everywhere.
        device_mesh: the processes; all by default.
        placements: how it is to lie along each dimension of the mesh; all of it everywhere by default.

    Raises:
        NotImplementedError: if it is to be cut along another dimension than the first, or twice.
    """
    mesh = device_mesh or init_device_mesh("cpu", (get_default_group().size(),))
    chosen = tuple(placements or [Replicate()] * mesh.ndim)
    cuts = [dim for dim, p in enumerate(chosen) if isinstance(p, Shard)]
    if len(cuts) > 1 or any(not p.is_shard(0) and not p.is_replicate() for p in chosen):
        raise NotImplementedError(f"distribute_tensor: placements {chosen}; accepted: at most one Shard(0)")
    data = tensor._data
    with no_grad():
        if cuts:
            group = mesh.get_group(cuts[0])
            data = data[rows_of(data.shape[0], group.size(), group.rank())]
    made = dtensor(data.copy(), mesh, tuple(tensor.shape), chosen)
    made._req = tensor.requires_grad
    return made
