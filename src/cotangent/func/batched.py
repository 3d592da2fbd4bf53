"""vmap: one call computes a whole batch.

A tensor of a vmap level holds `Batched(value, bdim)`: a tensor of the level below with one more
dimension. How an operation treats that dimension is its batching rule:

    elementwise   batch dimensions are moved to the front and ranks aligned; then broadcasting does it
    "axes"        (declared) the batch dimension goes to the front, statics that name dimensions are shifted
                  by one and shapes get the batch size in front
    "aligned"     the same for operations whose tensors all have the same rank; unbatched ones are expanded
    a function    `rule(op, size, tensors, dims, statics) -> (result, dims)` of the family's own, which may
                  leave a case to the loop by returning NotImplemented
    none          a loop over the batch, stacked: always right, only slower
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from ..autograd.base import TensorBase
from ..autograd.dispatch import promoted
from ..autograd.modes import modes
from ..autograd.recorded import alias
from ..ops.table import TABLE, Primitive
from ..printing import wrapper_text
from .levels import Level

AXES: Final = frozenset(("dim", "dims", "dim0", "dim1", "dim2"))
SHAPES: Final = frozenset(("shape", "size", "sizes"))


# What PyTorch's errors for in-place operations on a tensor that is no batch go by.
_BROADCAST: Final = frozenset(
    ("add", "atan2", "bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm", "nextafter")
)
_ARITHMETIC: Final = frozenset((
    "sub", "mul", "div", "copy", "clamp_min", "clamp_max", "logical_and", "logical_or", "logical_xor",
    "masked_fill",
))  # fmt: skip
_BY_NAME: Final = frozenset(("fill", "index_fill", "index_add", "index_copy", "index_put"))


class Batched:
    """A batch: `value` has the batch dimension `bdim` besides those the function sees."""

    __slots__ = ("value", "bdim")

    def __init__(self, value: Any, bdim: int) -> None:
        self.value = value
        self.bdim = bdim

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape the function sees."""
        whole = tuple(self.value.shape)
        return whole[: self.bdim] + whole[self.bdim + 1 :]

    @property
    def ndim(self) -> int:
        """The number of dimensions the function sees."""
        return int(self.value.ndim) - 1

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self.value.dtype

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self.value.itemsize)

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes to step over in memory within one example."""
        steps = self.value.stride()
        return tuple([s * self.itemsize for s in steps[: self.bdim] + steps[self.bdim + 1 :]])


def front(t: Any, bdim: int) -> Any:
    """`t` with dimension `bdim` moved to the front."""
    if bdim == 0:
        return t
    n = t.ndim
    return TABLE["permute_dims"].entry(t, (bdim, *[d for d in range(n) if d != bdim]))


def expanded(t: Any, size: int) -> Any:
    """`t` with a new front dimension of `size`."""
    shape = (size, *tuple(t.shape))
    return TABLE["expand_to"].entry(TABLE["unsqueeze_at"].entry(t, 0), shape)


class VmapLevel(Level):
    """Batches of `size` examples."""

    is_batch = True

    def __init__(self, size: int, randomness: str = "error") -> None:
        self.size = size
        self.randomness = randomness

    def __enter__(self) -> VmapLevel:
        super().__enter__()
        modes.vmaps.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        modes.vmaps.remove(self)
        super().__exit__(*error)

    def batch(self, value: Any, bdim: int) -> Any:
        """A tensor of this level: one example per index of dimension `bdim` of `value`."""
        return self.wrap(Batched(value, bdim))

    def detached(self, t: Any) -> Any:
        found = alias(t, None)
        found._data = Batched(t._data.value.detach(), t._data.bdim)
        return found

    def below(self, t: Any) -> NoReturn:
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    def item(self, t: Any) -> NoReturn:
        raise RuntimeError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling "
            ".item() on a Tensor, please try to rewrite what you're doing with other operations. If error is "
            "occurring somewhere inside PyTorch internals, please file a bug report."
        )

    def truth(self, t: Any) -> NoReturn:
        raise RuntimeError(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We "
            "don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
        )

    def text(self, t: Any) -> str:
        return wrapper_text("BatchedTensor", self.depth, repr(t._data.value), t._data.bdim)

    def refuse_write(self, op: Primitive, have: list[int], wanted: list[int]) -> NoReturn:
        """Raise PyTorch's error for writing one value per example into a tensor that all examples share.

        PyTorch's texts depend on how its rule for the operation is written.
        """
        if op.public in _BROADCAST:
            raise RuntimeError(f"output with shape {have} doesn't match the broadcast shape {wanted}")
        if op.public in _BY_NAME:
            name, where = f"{op.public}_", "in a vmap"
        elif op.public in _ARITHMETIC or op.name.startswith("written"):
            name, where = "inplace arithmetic", "in a vmap"
        else:
            name, where = f"aten::{op.public}_", f"at level {self.depth}"
        raise RuntimeError(
            f"vmap: {name}(self, *extra_args) is not possible because there exists a Tensor `other` in "
            "extra_args that has more elements than `self`. This happened due to `other` being vmapped over "
            f"but `self` not being vmapped over {where}. Please try to use out-of-place operators instead of "
            f"{name}. If said operator is being called inside the PyTorch framework, please file a bug "
            "report instead."
        )

    def split(self, t: Any) -> tuple[Any, int | None]:
        """(tensor of the level below, its batch dimension or None)."""
        if self.owns(t):
            return t._data.value, t._data.bdim
        return t, None

    def run(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        rule = op.batch
        if op.kind == "elementwise" and rule is None:
            result, dims = self.elementwise(op, tensors, statics), 0
        elif rule == "axes":
            result, dims = self.axes(op, tensors, statics), 0
        elif rule == "aligned":
            result, dims = self.aligned(op, tensors, statics), 0
        elif callable(rule):
            pairs = [
                [self.split(v) for v in t] if isinstance(t, (list, tuple)) else self.split(t) for t in tensors
            ]
            values = tuple([p[0] for p in pair] if isinstance(pair, list) else pair[0] for pair in pairs)
            where = tuple([p[1] for p in pair] if isinstance(pair, list) else pair[1] for pair in pairs)
            found = rule(op, self.size, values, where, statics)
            result, dims = (self.loop(op, tensors, statics), 0) if found is NotImplemented else found
        else:
            result, dims = self.loop(op, tensors, statics), 0
        if op.nout == 1:
            return self.batch(result, dims)
        return tuple(self.batch(r, dims) for r in result)

    def elementwise(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Align ranks behind a common front dimension and let broadcasting do the rest."""
        rank = max(len(t._data.shape) for t in tensors if isinstance(t, TensorBase))
        compute, _ = promoted(op, tensors, statics)
        values = []
        for name, t in zip(op.tensors, tensors, strict=True):
            if not isinstance(t, TensorBase):
                values.append(t)
                continue
            value, bdim = self.split(t)
            if bdim is not None:
                value = front(value, bdim)
                shape = tuple(value.shape)
                missing = rank - (len(shape) - 1)
                if missing:
                    value = TABLE["reshape_any"].entry(value, shape[:1] + (1,) * missing + shape[1:])
            if name not in op.fixed and value.dtype is not compute:
                # The function sees a rank lower by one; promotion must not see the batch dimension.
                value = TABLE["cast"].entry(value, compute.np)
            values.append(value)
        return op.entry(*values, *statics)

    def axes(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Shift the dimensions that statics name by one."""
        value, bdim = self.split(tensors[0])
        if bdim is None or any(isinstance(t, TensorBase) for t in tensors[1:]):
            return self.loop(op, tensors, statics)
        if value.ndim == 1 and not AXES.isdisjoint(op.statics):
            return self.loop(op, tensors, statics)  # 0-d examples have no dimension that could be shifted
        return op.entry(front(value, bdim), *tensors[1:], *shifted(op, statics, self.size))

    def aligned(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """All tensors get the front dimension."""
        values = [self.whole(t) for t in tensors]
        if any(len(v._data.shape) == 1 for v in values if isinstance(v, TensorBase)):
            return self.loop(op, tensors, statics)  # 0-d examples have no dimension that could be shifted
        return op.entry(*values, *shifted(op, statics, self.size))

    def whole(self, t: Any) -> Any:
        """`t` (or each of a list) with the batch dimension in front, expanded if it has none."""
        if isinstance(t, (list, tuple)):
            return [self.whole(v) for v in t]
        if t is None:
            return None
        value, bdim = self.split(t)
        return expanded(value, self.size) if bdim is None else front(value, bdim)

    def loop(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """One call per example, results stacked."""
        results = []
        for i in range(self.size):
            results.append(op.entry(*[self.example(t, i) for t in tensors], *statics))
        if not results:
            raise RuntimeError(f"vmap over an empty batch needs a batching rule, and {op.public} has none")
        if op.nout == 1:
            return stacked(results)
        return tuple(stacked(list(column)) for column in zip(*results, strict=True))

    def example(self, t: Any, i: int) -> Any:
        """Example `i` of an operand."""
        if isinstance(t, (list, tuple)):
            return [self.example(v, i) for v in t]
        if not isinstance(t, TensorBase):
            return t
        value, bdim = self.split(t)
        return value if bdim is None else TABLE["select_at"].entry(value, bdim, i)


class BatchLevel(VmapLevel):
    """A batch that torch.autograd itself runs, outside of torch.func."""

    is_transform = False


def stacked(results: list[Any]) -> Any:
    """Results of the examples along a new front dimension."""
    return TABLE["cat"].entry([TABLE["unsqueeze_at"].entry(r, 0) for r in results], 0)


def shifted(op: Primitive, statics: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """Statics of `op` for operands with a batch dimension of `size` in front."""
    out: list[Any] = []
    value: Any
    for name, value in zip(op.statics, statics, strict=True):
        if name in AXES and value is not None:
            value = value + 1 if isinstance(value, int) else tuple(d + 1 for d in value)
            if name == "dims" and op.name.startswith("permute_dims"):
                value = (0, *value)
        elif name in SHAPES:
            value = (size, *value)
        out.append(value)
    return tuple(out)
