"""The parameters of one `fully_shard`: dealt out by rows, gathered for use, gradients reduced to rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.base import bump, wrap
from ...autograd.where import here
from ...nn.parameter import Parameter
from .. import rings
from ..device_mesh import DeviceMesh
from ..group import Work
from ..tensor.dtensor import DTensor, dtensor, rows_of
from ..tensor.placement_types import Placement
from .memory import Lent

__all__ = ["ParamGroup", "ShardedParam"]


class ShardedParam:
    """One parameter.

    Args:
        parameter: the whole, of the same values on all ranks.
        places: the modules that have it, with its name there.
        mesh: the processes.
        placements: how it is dealt out.
        group: the ranks among which it is.
    """

    def __init__(
        self,
        parameter: Any,
        places: list[tuple[Any, str]],
        mesh: DeviceMesh,
        placements: tuple[Placement, ...],
        group: Any,
    ) -> None:
        self.places = places
        self.shape = tuple(parameter.shape)
        self.size = group.size()
        rows = parameter._data[rows_of(self.shape[0], group.size(), group.rank())]
        self.each = -(-self.shape[0] // group.size())  # rows of a rank
        self.width = int(np.prod(self.shape[1:]))
        self.count = self.each * self.width  # elements of a rank, padded
        held = dtensor(rows.copy(), mesh, self.shape, placements)
        self.sharded: Any = _as_parameter(held, parameter)
        self.whole: Any = None  # the parameter that the modules compute with
        self.padded: Any = None  # its memory, a row for each rank
        self.register(self.sharded)

    def register(self, tensor: Any) -> None:
        """Let the modules have a tensor as their parameter."""
        for module, name in self.places:
            module._parameters[name] = tensor

    def refresh(self) -> None:
        """Take over what somebody has assigned in the sharded one's place."""
        module, name = self.places[0]
        found = module._parameters[name]
        if found is self.sharded or found is self.whole:
            return
        if not isinstance(found, DTensor) or found._whole != self.shape:
            raise RuntimeError(
                f"fully_shard: {name} was replaced by a tensor that is no DTensor of shape {list(self.shape)}"
            )
        self.sharded = found
        self.register(found)

    def make_whole(self, array: Any) -> None:
        """Make the parameter that is computed with, in this memory."""
        t: Any = wrap(array)
        t.__class__ = Parameter
        t._req = self.sharded.requires_grad
        self.whole = t


def _as_parameter(held: Any, like: Any) -> Any:
    held._is_param = True
    held._req = like.requires_grad
    return held


class ParamGroup:
    """Parameters that are gathered and reduced together.

    Args:
        parameters: each with its places.
        mesh: the processes; of two dimensions, the second deals out and the first repeats.
        placements: how each is dealt out.
        param_dtype: NumPy dtype in which they are gathered and computed with; None: their own.
        reduce_dtype: NumPy dtype in which gradients are reduced; None: `param_dtype`.
    """

    def __init__(
        self,
        parameters: list[tuple[Any, list[tuple[Any, str]]]],
        mesh: DeviceMesh,
        placements: tuple[Placement, ...],
        param_dtype: Any,
        reduce_dtype: Any,
    ) -> None:
        self.group = mesh.get_group(mesh.ndim - 1)
        self.replicas = mesh.get_group(0) if mesh.ndim == 2 else None
        self.params = [ShardedParam(p, places, mesh, placements, self.group) for p, places in parameters]
        dtypes = {p.sharded._data.dtype for p in self.params}
        if param_dtype is None and len(dtypes) > 1:
            raise ValueError(
                f"fully_shard: parameters of one group need one dtype, got {sorted(map(str, dtypes))}"
            )
        self.dtype = np.dtype(param_dtype) if param_dtype is not None else next(iter(dtypes))
        self.reduce_dtype = np.dtype(reduce_dtype) if reduce_dtype is not None else self.dtype
        self.follows = param_dtype is None, param_dtype is None and reduce_dtype is None
        self.count = sum(p.count for p in self.params)
        self.unsharded = False
        self.gathering: Work | None = None
        self.reducing: tuple[Any, list[Any], list[ShardedParam]] | None = None
        self.arrived: set[int] = set()
        self.sync = True
        self.divide_by: float | None = None
        self.memory: Lent | None = None
        self.frozen = any(not p.sharded.requires_grad for p in self.params)

    def follow(self) -> bool:
        """Take over the dtype that rows have been converted to; whether whole parameters are made anew."""
        dtype = self.params[0].sharded._data.dtype
        if not self.follows[0] or dtype == self.dtype:
            return False
        self.dtype = dtype
        if self.follows[1]:
            self.reduce_dtype = dtype
        self.memory = None
        return True

    # -- gathering --

    def _prepare(self) -> None:
        """Make the parameters that are computed with, once."""
        rows = [p.each * p.size * p.width for p in self.params]
        starts = np.cumsum([0, *(-(-n * self.dtype.itemsize // 64) * 64 for n in rows)])
        self.memory = Lent(int(starts[-1]))
        for p, start, count in zip(self.params, starts, rows, strict=False):
            flat = self.memory.array[start : start + count * self.dtype.itemsize].view(self.dtype)
            p.make_whole(flat.reshape(-1, *p.shape[1:])[: p.shape[0]])
            p.padded = flat.reshape(p.size, p.count)

    def start_gathering(self) -> None:
        """Gather in the background, unless that is done or under way."""
        if self.unsharded or self.gathering is not None:
            return
        if self.memory is None:
            self._prepare()
        for p in self.params:
            p.refresh()
        self.gathering = self.group.submit(self._gather, True, "FULLY_SHARD_GATHER")

    def _gather(self) -> None:
        flat = np.zeros(self.count, self.dtype)
        start = 0
        for p in self.params:
            data = p.sharded._data.reshape(-1)
            flat[start : start + data.size] = data
            start += p.count
        everything = rings.all_gather(self.group.link, flat)
        start = 0
        for p in self.params:
            p.padded[...] = everything[:, start : start + p.count]
            start += p.count

    def unshard(self) -> None:
        """Let the modules have whole parameters."""
        if self.unsharded:
            return
        self.start_gathering()
        assert self.gathering is not None
        work, self.gathering = self.gathering, None
        work.wait()
        for p in self.params:
            p.whole._req = p.sharded._req
            p.register(p.whole)
        self.unsharded = True

    def reshard(self) -> None:
        """Let the modules have the rows of this rank again, and give the memory of the others back."""
        if self.gathering is not None:
            self.gathering.wait()
            self.gathering = None
        elif not self.unsharded:
            return
        if self.unsharded:
            for p in self.params:
                p.register(p.sharded)
        self.unsharded = False
        assert self.memory is not None
        self.memory.release()

    # -- gradients --

    def complete(self) -> bool:
        """Whether all gradients of this backward have come."""
        return len(self.arrived) == sum(bool(p.sharded._req) for p in self.params)

    def start_reducing(self) -> None:
        """Reduce the gradients that there are in the background, each rank getting those of its rows."""
        self.arrived = set()
        if not self.sync:
            return  # they are kept, whole, for the next time
        with_gradient = [p for p in self.params if p.whole is not None and p.whole._grad is not None]
        if not with_gradient:
            return
        arrays = [p.whole._grad._data for p in with_gradient]
        for p in with_gradient:
            p.whole._grad = None
        results: list[Any] = []

        def run() -> None:
            results.append(self._reduce(with_gradient, arrays))

        self.reducing = self.group.submit(run, True, "FULLY_SHARD_REDUCE"), results, with_gradient

    def _reduce(self, params: list[ShardedParam], arrays: list[Any]) -> Any:
        size = self.group.size()
        total = sum(p.count for p in params)
        flat = np.zeros((size, total), self.reduce_dtype)
        divisor = self.divide_by
        if divisor is None:
            divisor = float(size * (self.replicas.size() if self.replicas is not None else 1))
        start = 0
        for p in params:
            array = arrays.pop(0)  # nobody else has it: its memory is free from here on
            whole = flat[:, start : start + p.count]
            for rank in range(size):
                rows = array[rows_of(p.shape[0], size, rank)].reshape(-1)
                np.divide(rows, divisor, out=whole[rank, : rows.size], casting="unsafe")
            start += p.count
        own = rings.reduce_scatter_rows(self.group.link, flat, "SUM")
        if self.replicas is not None:
            # In the lane of the other group, so that its messages keep their order, too.
            replicas = self.replicas
            replicas.submit(lambda: rings.all_reduce(replicas.link, own, "SUM"), False, "FULLY_SHARD_SUM")
        return own

    def finish_reducing(self) -> None:
        """Wait for the reduction, and add to the gradients of the rows."""
        if self.reducing is None:
            return
        work, results, params = self.reducing
        self.reducing = None
        work.wait()
        start = 0
        for p in params:
            shard = p.sharded
            data = results[0][start : start + shard._data.size].reshape(shard._data.shape)
            start += p.count
            held = shard._grad
            if held is not None:
                held._data += data.astype(held._data.dtype)
                bump(held, *here())
            else:
                data = data.astype(shard._data.dtype)
                shard._grad = dtensor(data, shard._mesh, shard._whole, shard._placements)
