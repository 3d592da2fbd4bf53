"""Collectives as functions: the result is a new tensor that comes later, and gradients flow through.

What is returned waits by itself when its values are first needed (`AsyncCollectiveTensor`). The backward of
each is its adjoint, a collective that all ranks run: all_reduce <-> all_reduce, all_gather <->
reduce_scatter, all_to_all <-> all_to_all with the sizes exchanged.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ..autograd.base import TensorBase, not_taken_over, wrap
from ..autograd.function import Function
from ..ops.join import cat
from ..tensor import Tensor, of_class
from . import rings
from .arguments import ReduceOp, Reduction
from .device_mesh import DeviceMesh
from .group import ProcessGroup, Work, find_group, group_of_ranks, resolve

__all__ = [
    "AsyncCollectiveTensor", "all_gather_into_tensor_coalesced", "all_gather_single",
    "all_gather_single_autograd", "all_gather_single_coalesced", "all_gather_tensor",
    "all_gather_tensor_autograd", "all_gather_tensor_inplace", "all_reduce", "all_reduce_coalesced",
    "all_reduce_inplace", "all_to_all_inplace", "all_to_all_single", "all_to_all_single_autograd",
    "broadcast", "permute_tensor", "reduce_scatter_single", "reduce_scatter_single_autograd",
    "reduce_scatter_single_coalesced", "reduce_scatter_tensor", "reduce_scatter_tensor_autograd",
    "reduce_scatter_tensor_coalesced", "reduce_scatter_tensor_inplace", "wait_tensor",
]  # fmt: skip

REDUCE_OP_TO_STR: Final = {
    ReduceOp.SUM: "sum",
    ReduceOp.AVG: "avg",
    ReduceOp.PRODUCT: "product",
    ReduceOp.MIN: "min",
    ReduceOp.MAX: "max",
    ReduceOp.BAND: "band",
    ReduceOp.BOR: "bor",
    ReduceOp.BXOR: "bxor",
}
_OPERATIONS: Final = {name: op for op, name in REDUCE_OP_TO_STR.items()}


# -- groups --


def _resolve_group(group: Any, tag: str = "") -> ProcessGroup:
    """The group that one of several things stands for.

    Args:
        group: a group, its name, a mesh of one dimension, a mesh with a dimension, or numbers of processes.
        tag: accepted as in PyTorch.

    Raises:
        ValueError: for anything else.
        RuntimeError: if there is no group of that name.
        AssertionError: for a mesh of several dimensions.
    """
    if isinstance(group, ProcessGroup):
        return group
    if isinstance(group, str):
        return find_group(group)
    if isinstance(group, DeviceMesh):
        if group.ndim != 1:
            raise AssertionError("Only 1D mesh is supported, pass in (DeviceMesh, int) together if mesh > 1D")
        return group.get_group()
    if isinstance(group, tuple):
        if len(group) == 2 and isinstance(group[0], DeviceMesh) and isinstance(group[1], int):
            return group[0].get_group(group[1])
        raise ValueError(
            "Invalid tuple for group must be (DeviceMesh, int). Instead got"
            f" {(type(group[0]), type(group[1]))}"
        )
    if isinstance(group, list):
        warnings.warn(
            "The combination of ranks + tag as process group identifier has been deprecated. Please switch to"
            " using ProcessGroup, DeviceMesh, or group name instead.",
            FutureWarning,
            stacklevel=3,
        )
        return group_of_ranks(group)
    raise ValueError(f"Unsupported group type: {type(group)}, {group}")


# -- tensors that come later --


class AsyncCollectiveTensor(Tensor):
    """A tensor whose values a collective brings; they are waited for when something needs them.

    Operations on it give plain tensors.
    """

    __torch_function__: Any = not_taken_over
    _work: Work | None = None

    @property
    def _data(self) -> Any:
        if self._work is not None:
            self._work.wait()
            self._work = None
        return _SLOT.__get__(self)

    @_data.setter
    def _data(self, data: Any) -> None:
        _SLOT.__set__(self, data)

    @property
    def completed(self) -> bool:
        """Whether the values have been waited for."""
        return self._work is None

    def trigger_wait(self) -> Any:
        """Wait for the values, and give them as a plain tensor."""
        return wait_tensor(self)

    def wait(self) -> Any:
        """Wait for the values, and give them as a plain tensor."""
        return wait_tensor(self)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"AsyncCollectiveTensor({self.trigger_wait()})"


_SLOT: Final[Any] = TensorBase._data  # where a tensor's payload lies


def _named(name: str, base: type = Function) -> Any:
    """A Function whose node is called as in PyTorch, where these are operators of a library."""
    return type(f"GeneratedBackwardFor__c10d_functional_{name}_default", (base,), {"__module__": __name__})


class _Identity(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Any) -> Any:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


_Wait, _Wrap = _named("wait_tensor", _Identity), _named("_wrap_tensor_autograd", _Identity)


def wait_tensor(tensor: Any) -> Any:
    """A tensor as a plain one, once its values are there.

    Args:
        tensor: what a collective has returned, or any other tensor.

    Returns:
        a tensor with the same values, which shares their memory.
    """
    return _Wait.apply(tensor)


def _coming(result: Any, work: Work) -> Any:
    """The result of a collective that has been started."""
    found = _Wrap.apply(result) if result.requires_grad else result
    found = of_class(found, AsyncCollectiveTensor)
    found._work = work
    return found


# -- how each runs on arrays, and its adjoint --

_Step = tuple[Any, Callable[[], None]]  # the array to be filled, and what fills it


class _AllReduce:
    name = "all_reduce"

    def __init__(self, group: ProcessGroup, op: str) -> None:
        self.group, self.op = group, op

    def step(self, t: Any) -> _Step:
        out, reduction = np.array(t._data, order="C"), Reduction(_OPERATIONS[self.op], [t])

        def run() -> None:
            rings.all_reduce(self.group.link, out, reduction.name)
            reduction.finish(out, self.group.size())

        return out, run

    def adjoint(self, name: str) -> Any:
        _summed(name, self.op)
        return self


class _Gather:
    name = "all_gather_into_tensor"

    def __init__(self, group: ProcessGroup) -> None:
        self.group = group

    def step(self, t: Any) -> _Step:
        array = np.array(t._data, order="C")
        out = np.empty((self.group.size() * (array.shape[:1] or (1,))[0], *array.shape[1:]), array.dtype)
        return out, lambda: out.__setitem__(..., rings.all_gather(self.group.link, array).reshape(out.shape))

    def adjoint(self, name: str) -> Any:
        return _Scatter(self.group, "sum")


class _Scatter:
    name = "reduce_scatter_tensor"

    def __init__(self, group: ProcessGroup, op: str) -> None:
        self.group, self.op = group, op

    def step(self, t: Any) -> _Step:
        size, reduction = self.group.size(), Reduction(_OPERATIONS[self.op], [t])
        rows = np.array(t._data, order="C").reshape(size, -1, *t.shape[1:])
        out = np.empty(rows.shape[1:], rows.dtype)

        def run() -> None:
            out[...] = rings.reduce_scatter(self.group.link, list(rows), reduction.name)
            reduction.finish(out, size)

        return out, run

    def adjoint(self, name: str) -> Any:
        _summed(name, self.op)
        return _Gather(self.group)


class _Exchange:
    name = "all_to_all_single"

    def __init__(self, group: ProcessGroup, received: list[int], sent: list[int]) -> None:
        self.group, self.received, self.sent = group, received, sent

    def step(self, t: Any) -> _Step:
        array = np.array(t._data, order="C")
        out = np.empty((sum(self.received), *array.shape[1:]), array.dtype)
        parts = [
            np.split(a, np.cumsum(sizes)[:-1]) for a, sizes in ((array, self.sent), (out, self.received))
        ]
        return out, lambda: rings.all_to_all(self.group.link, *parts)

    def adjoint(self, name: str) -> Any:
        return _Exchange(self.group, self.sent, self.received)


def _summed(name: str, op: str) -> None:
    if op != "sum":
        raise RuntimeError(f"{name} backward only supports 'sum' reduction, got '{op}'")


class _Collective(Function):
    """Starts a collective on each of its tensors; `works` gets what to wait for."""

    @staticmethod
    def forward(ctx: Any, how: Any, suffix: str, works: list[Work], *tensors: Any) -> Any:
        ctx.how, ctx.suffix = how, suffix
        outs = []
        for t in tensors:
            out, run = how.step(t)
            outs.append(wrap(out))
            works.append(how.group.submit(run, True, how.name.upper(), [t]))
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        works: list[Work] = []
        how = ctx.how.adjoint(ctx.how.name + ctx.suffix)
        found = _FUNCTIONS[how.name + ctx.suffix].apply(how, ctx.suffix, works, *gs)
        for work in works:
            work.wait()
        return None, None, None, *found


_FUNCTIONS: Final = {
    name + suffix: _named(name + suffix, _Collective)
    for name in ("all_reduce", "all_gather_into_tensor", "reduce_scatter_tensor", "all_to_all_single")
    for suffix in ("", "_coalesced")
}


def _run(how: Any, tensors: Sequence[Any], suffix: str = "") -> list[Any]:
    works: list[Work] = []
    found = _FUNCTIONS[how.name + suffix].apply(how, suffix, works, *tensors)
    return [_coming(*each) for each in zip(found, works, strict=True)]


def _operation(name: str) -> str:
    if name.lower() not in _OPERATIONS:
        raise RuntimeError(f"Unrecognized reduce_op: {name.lower()}")
    return name.lower()


# -- the functions --


def broadcast(self: Any, src: int, group: Any, tag: str = "") -> Any:
    """One rank's tensor on all.

    Args:
        self: of the same shape on all ranks.
        src: the rank in the group.
        group: as for `all_reduce`.
        tag: accepted as in PyTorch.

    Returns:
        a new tensor; its gradient stays with the rank where it arises.
    """
    chosen = _resolve_group(group, tag)
    result = self.contiguous() if self.data_ptr() != self.contiguous().data_ptr() else self.clone()
    array = result._data
    work = chosen.submit(lambda: rings.broadcast(chosen.link, array, src), True, "BROADCAST", [result])
    assert work is not None
    return _coming(result, work)


def all_reduce(self: Any, reduceOp: str, group: Any, tag: str = "") -> Any:
    """The reduction of all ranks' tensors, on all.

    Args:
        self: of the same shape on all ranks.
        reduceOp: "sum" (whose gradient is the sum of all ranks' gradients), "avg", "product", "min", "max",
            "band", "bor" or "bxor".
        group: a group, its name, a mesh of one dimension, or a mesh with one of its dimensions.
        tag: accepted as in PyTorch.

    Returns:
        a new tensor.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed import _functional_collectives as fc
        >>> if torch.distributed.is_gloo_available():
        ...     store = torch.distributed.HashStore()
        ...     torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        ...     x = torch.ones(2, requires_grad=True)
        ...     fc.all_reduce(x * 2, "sum", torch.distributed.group.WORLD).sum().backward()
        ...     torch.distributed.destroy_process_group()
        ...     assert x.grad.tolist() == [2.0, 2.0]
    """
    return _run(_AllReduce(_resolve_group(group, tag), _operation(reduceOp)), [self])[0]


def all_gather_single(self: Any, gather_dim: int, group: Any, tag: str = "") -> Any:
    """The tensors of all ranks, joined along a dimension, on all; its adjoint is `reduce_scatter_single`.

    Args:
        self: of the same shape on all ranks.
        gather_dim: the dimension.
        group, tag: as for `all_reduce`.

    Returns:
        a new tensor.
    """
    chosen = _resolve_group(group, tag)
    found = _run(_Gather(chosen), [self])[0]
    if gather_dim == 0:
        return found
    return cat(found.wait().chunk(chosen.size(), 0), gather_dim)


def reduce_scatter_single(self: Any, reduceOp: str, scatter_dim: int, group: Any, tag: str = "") -> Any:
    """The reduction of all ranks' tensors, of which each rank gets a part along a dimension.

    Args:
        self: of the same shape on all ranks.
        reduceOp, group, tag: as for `all_reduce`.
        scatter_dim: the dimension; the number of ranks divides its length.

    Returns:
        a new tensor.

    Raises:
        AssertionError: if it does not.
    """
    chosen = _resolve_group(group, tag)
    if self.size(scatter_dim) % chosen.size():
        raise AssertionError(
            f"input dimension 0 ({self.size(0)} must be a multiple of group_size {chosen.size()})"
        )
    return _run(_Scatter(chosen, _operation(reduceOp)), [_in_front(self, scatter_dim, chosen)])[0]


def _in_front(t: Any, dim: int, group: ProcessGroup) -> Any:
    """The ranks' parts along a dimension, one after the other along the first."""
    return t if dim == 0 else cat(t.chunk(group.size(), dim), 0)


def all_to_all_single(
    self: Any,
    output_split_sizes: list[int] | None,
    input_split_sizes: list[int] | None,
    group: Any,
    tag: str = "",
) -> Any:
    """Parts of each rank's tensor along the first dimension, each on the rank that it is for.

    Args:
        self: what to send.
        output_split_sizes: lengths of the parts received; with the next one None: all equal.
        input_split_sizes: lengths of the parts sent.
        group, tag: as for `all_reduce`.

    Returns:
        the parts received, joined.

    Raises:
        AssertionError: if only one of the lists is given, or one holds something else than whole numbers.
    """
    for name, sizes in (("output", output_split_sizes), ("input", input_split_sizes)):
        if sizes is not None and not all(isinstance(size, int) for size in sizes):
            raise AssertionError(f"All {name}_split_sizes must be int or SymInt, got {sizes}")
    chosen = _resolve_group(group, tag)
    if output_split_sizes is None or input_split_sizes is None:
        if output_split_sizes is not None or input_split_sizes is not None:
            raise AssertionError(
                "output_split_sizes and input_split_sizes must either be specified together or both set to"
                " None"
            )
        output_split_sizes = input_split_sizes = [self.shape[0] // chosen.size()] * chosen.size()
    return _run(_Exchange(chosen, list(output_split_sizes), list(input_split_sizes)), [self])[0]


def permute_tensor(self: Any, src_dst: list[int], group: Any, tag: str = "") -> Any:
    """Each rank's tensor on another one.

    Args:
        self: of one dimension and one length on all ranks.
        src_dst: for each rank the one that gets its tensor.
        group, tag: as for `all_reduce`.

    Returns:
        the tensor that this rank gets.
    """
    chosen = _resolve_group(group, tag)
    me = chosen.rank()
    sent = [self.numel() if src_dst[me] == rank else 0 for rank in range(chosen.size())]
    received = [self.numel() if target == me else 0 for target in src_dst]
    return _run(_Exchange(chosen, received, sent), [self])[0]


def all_reduce_coalesced(self: list[Any], reduceOp: str, group: Any, tag: str = "") -> list[Any]:
    """`all_reduce` of several tensors.

    Args:
        self: the tensors, of one dtype.
        reduceOp, group, tag: as there.

    Raises:
        RuntimeError: if they have several.
    """
    if len({t.dtype for t in self}) > 1:
        raise RuntimeError("ProcessGroupGloo::allreduce_coalesced: tensors must all have the same type")
    return _run(_AllReduce(_resolve_group(group, tag), _operation(reduceOp)), self, "_coalesced")


def all_gather_single_coalesced(self: list[Any], group: Any, tag: str = "") -> list[Any]:
    """`all_gather_single` of several tensors along the first dimension.

    Args:
        self: the tensors.
        group, tag: as for `all_reduce`.
    """
    return _run(_Gather(_resolve_group(group, tag)), self, "_coalesced")


def reduce_scatter_single_coalesced(
    inputs: list[Any], reduceOp: str, scatter_dim: list[int], group: Any, tag: str = ""
) -> list[Any]:
    """`reduce_scatter_single` of several tensors.

    Args:
        inputs: the tensors.
        scatter_dim: the dimension of each.
        reduceOp, group, tag: as for `all_reduce`.

    Raises:
        AssertionError: for more or fewer dimensions than tensors, or lengths that do not divide.
    """
    chosen = _resolve_group(group, tag)
    if len(scatter_dim) != len(inputs):
        raise AssertionError(
            f"Length of scatter_dim ({len(scatter_dim)}) must equal length of inputs ({len(inputs)})"
        )
    for index, (dim, t) in enumerate(zip(scatter_dim, inputs, strict=True)):
        if t.size(dim) % chosen.size():
            raise AssertionError(
                f"input dimension {dim} ({t.size(dim)} must be a multiple of group_size {chosen.size()} for"
                f" tensor at index {index}"
            )
    parts = [_in_front(t, dim, chosen) for dim, t in zip(scatter_dim, inputs, strict=True)]
    return _run(_Scatter(chosen, _operation(reduceOp)), parts, "_coalesced")


# -- other names --

all_to_all_single_autograd = all_to_all_single
all_gather_single_autograd, reduce_scatter_single_autograd = all_gather_single, reduce_scatter_single


def _renamed(old: str, new: str, function: Callable[..., Any]) -> Any:
    """A function under a name that PyTorch warns of."""
    home = "torch.distributed._functional_collectives"

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`{home}.{old}` is deprecated. Please use `{home}.{new}` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    return call


all_gather_tensor = _renamed("all_gather_tensor", "all_gather_single", all_gather_single)
all_gather_tensor_autograd = _renamed(
    "all_gather_tensor_autograd", "all_gather_single_autograd", all_gather_single
)
all_gather_into_tensor_coalesced = _renamed(
    "all_gather_into_tensor_coalesced", "all_gather_single_coalesced", all_gather_single_coalesced
)
reduce_scatter_tensor = _renamed("reduce_scatter_tensor", "reduce_scatter_single", reduce_scatter_single)
reduce_scatter_tensor_autograd = _renamed(
    "reduce_scatter_tensor_autograd", "reduce_scatter_single_autograd", reduce_scatter_single
)
reduce_scatter_tensor_coalesced = _renamed(
    "reduce_scatter_tensor_coalesced", "reduce_scatter_single_coalesced", reduce_scatter_single_coalesced
)


def _here(group: Any, async_op: bool) -> Any:
    if async_op:
        raise AssertionError("Can't remap async version of inplace op to functional collective")
    return resolve(group)


def all_gather_tensor_inplace(
    output_tensor: Any, input_tensor: Any, group: Any = None, async_op: bool = False, tag: str = "",
    gather_dim: int = 0,
) -> Any:  # fmt: skip
    """`all_gather_single` into a tensor, with the arguments of `all_gather_into_tensor`."""
    return output_tensor.copy_(all_gather_single(input_tensor, gather_dim, _here(group, async_op), tag))


def reduce_scatter_tensor_inplace(
    output: Any, input: Any, op: str = "sum", group: Any = None, async_op: bool = False, scatter_dim: int = 0,
    tag: str = "",
) -> Any:  # fmt: skip
    """`reduce_scatter_single` into a tensor, with the arguments of `dist.reduce_scatter_tensor`."""
    return output.copy_(reduce_scatter_single(input, op, scatter_dim, _here(group, async_op), tag))


def all_reduce_inplace(
    tensor: Any, op: str = "sum", group: Any = None, async_op: bool = False, tag: str = ""
) -> Any:
    """`all_reduce` into the tensor itself."""
    return tensor.copy_(all_reduce(tensor, op, _here(group, async_op), tag))


def all_to_all_inplace(
    output: Any, input: Any, output_split_sizes: Any = None, input_split_sizes: Any = None,
    group: Any = None, async_op: bool = False, tag: str = "",
) -> Any:  # fmt: skip
    """`all_to_all_single` into a tensor, with the arguments of `dist.all_to_all_single`."""
    chosen = _here(group, async_op)
    return output.copy_(all_to_all_single(input, output_split_sizes, input_split_sizes, chosen, tag))
