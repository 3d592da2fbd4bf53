"""Translations of shapes, indices, joins, sorting and reductions."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .graph import elements
from .sizes import Size, Varying
from .translate import Call, mean_and_variance, translates

_INT64: Final = np.dtype(np.int64)
_BOOL: Final = np.dtype(np.bool_)

# -- shapes ------------------------------------------------------------------------------------------------


@translates(
    "view_as_shape", "reshape_alias", "reshape_any", "unsafe_view", "view_as_shape_copy", "squeeze_all"
)
def _reshape(c: Call) -> str:
    return c[0] if c.size(0) == c.shape else c.g.reshape(c[0], c.shape)


@translates("permute_dims", "permute_dims_copy")
def _permute(c: Call) -> str:
    return c.g.op("Transpose", c[0], perm=c.wholes("dims"))


@translates("transpose_dims", "transpose_dims_copy")
def _transpose(c: Call) -> str:
    order = list(range(len(c.shape)))
    if not order:
        return c[0]
    a, b = c.whole("dim0"), c.whole("dim1")
    order[a], order[b] = order[b], order[a]
    return c.g.op("Transpose", c[0], perm=order)


@translates("t_matrix", "adjoint_matrix")
def _turn(c: Call) -> str:
    rank = len(c.shape)
    return c[0] if rank < 2 else c.g.op("Transpose", c[0], perm=[*range(rank - 2), rank - 1, rank - 2])


@translates("expand_to", "expand_to_copy")
def _expand(c: Call) -> str:
    return c[0] if c.size(0) == c.shape else c.g.op("Expand", c[0], c.g.sizes(c.shape))


@translates("squeeze_dim", "squeeze_dims")
def _squeeze(c: Call) -> str:
    dims = [c.whole("dim")] if "dim" in c.statics else c.wholes("dims")
    dims = [d for d in dims if d < len(c.size(0)) and c.size(0)[d] == 1]
    return c.g.squeeze(c[0], *dims) if dims else c[0]


@translates("unsqueeze_at")
def _unsqueeze(c: Call) -> str:
    return c.g.unsqueeze(c[0], c.whole("dim"))


@translates("select_at")
def _select(c: Call) -> str:
    dim, index = c.whole("dim"), c.get("index")
    size = c.size(0)[dim]
    if isinstance(index, Size) and isinstance(size, Size) and index.base == size.base - 1:
        index = -1  # the last one, however many there are
    return c.g.op("Gather", c[0], c.g.number(index), axis=dim)


@translates("slice_of", "narrow_by_copy")
def _slice(c: Call) -> str:
    dim, start, stop, every = (c.get(n) for n in ("dim", "start", "stop", "every"))
    if stop == c.size(0)[dim]:
        stop = np.iinfo(np.int64).max
    return c.g.op(
        "Slice", c[0], c.g.sizes([start]), c.g.sizes([stop]), c.g.ints(dim), c.g.ints(c.g.fixed(every))
    )


@translates("diagonal_of")
def _diagonal(c: Call) -> str:
    if len(c.size(0)) != 2 or c.get("offset") != 0 or c.size(0)[0] != c.size(0)[1]:
        c.g.refuse("has a translation for the main diagonal of square matrices only")
    n = c.size(0)[0]
    whole = c.g.op("Mul", c.g.number(n), c.g.number(n))
    each = c.g.op("Add", c.g.number(n), c.g.ints(1, scalar=True))
    places = c.g.op("Range", c.g.ints(0, scalar=True), whole, each)
    return c.g.op("Gather", c.g.reshape(c[0], [-1]), places, axis=0)


@translates("repeat_by")
def _repeat(c: Call) -> str:
    repeats = c.get("repeats")
    missing = len(repeats) - len(c.size(0))
    x = c.g.unsqueeze(c[0], *range(missing)) if missing else c[0]
    return c.g.op("Tile", x, c.g.sizes(repeats)) if repeats else x


@translates("flip_dims")
def _flip(c: Call) -> str:
    dims = c.wholes("dims")
    if not dims:
        return c[0]
    ends = [np.iinfo(np.int64).min] * len(dims)
    back = [-1] * len(dims)
    return c.g.op("Slice", c[0], c.g.ints(*back), c.g.ints(*ends), c.g.ints(*dims), c.g.ints(*back))


@translates("roll_by")
def _roll(c: Call) -> str:
    x, dims = c[0], c.wholes("dims")
    flat = not dims
    if flat:
        x, dims = c.g.reshape(x, [-1]), [0]
    far = np.iinfo(np.int64).max
    for dim, shift in zip(dims, c.wholes("shifts")):
        n = elements(c.shape) if flat else c.shape[dim]
        cut = -shift if isinstance(n, (Size, Varying)) or n is None else -(shift % max(n, 1))
        if cut:
            tail = c.g.op("Slice", x, c.g.ints(cut), c.g.ints(far), c.g.ints(dim))
            head = c.g.op("Slice", x, c.g.ints(0), c.g.ints(cut), c.g.ints(dim))
            x = c.g.op("Concat", tail, head, axis=dim)
    return c.g.reshape(x, c.shape) if flat else x


@translates("pixel_shuffle_of", "pixel_unshuffle_of")
def _pixels(c: Call) -> str:
    if len(c.size(0)) != 4:
        c.g.refuse("has a translation for four dimensions only")
    if c.step.op.name == "pixel_shuffle_of":
        return c.g.op("DepthToSpace", c[0], blocksize=c.whole("factor"), mode="CRD")
    f = c.whole("factor")
    n, channels, height, width = c.size(0)
    parts = c.g.reshape(c[0], [n, channels, c.g.fixed(height) // f, f, c.g.fixed(width) // f, f])
    return c.g.reshape(c.g.op("Transpose", parts, perm=[0, 1, 3, 5, 2, 4]), c.shape)


@translates("channel_shuffle_of")
def _channels(c: Call) -> str:
    n, *rest = c.size(0)
    groups, dim = c.whole("groups"), c.whole("dim")
    if dim != 1:
        c.g.refuse("has a translation for channels in dimension 1 only")
    count = c.g.fixed(rest[0])
    parts = c.g.reshape(c[0], [n, groups, count // groups, *rest[1:]])
    order = [0, 2, 1, *range(3, len(rest) + 2)]
    return c.g.reshape(c.g.op("Transpose", parts, perm=order), c.shape)


@translates("tril_of", "triu_of")
def _triangle(c: Call) -> str:
    upper = int(c.step.op.name == "triu_of")
    return c.g.op("Trilu", c[0], c.g.ints(c.whole("diagonal"), scalar=True), upper=upper)


# -- joins and indices -------------------------------------------------------------------------------------


@translates("cat")
def _cat(c: Call) -> str:
    parts = [n for n in c.operands[0] if elements(c.g.shape(n)) != 0] or list(c.operands[0])[:1]
    names = [c.g.cast(c.g.name(n), c.g.dtype(n), c.dtype) for n in parts]
    return c.g.op("Concat", *names, axis=c.whole("dim"))


@translates("stack")
def _stack(c: Call) -> str:
    dim = c.whole("dim")
    names = [c.g.unsqueeze(c.g.cast(c.g.name(n), c.g.dtype(n), c.dtype), dim) for n in c.operands[0]]
    return c.g.op("Concat", *names, axis=dim)


@translates("split_by", "split_lengths")
def _split(c: Call) -> list[str]:
    dim = c.whole("dim")
    lengths = [c.g.fixed(c.g.shape(n)[dim]) for n in c.step.results]
    return c.g.ops("Split", [c[0], c.g.ints(*lengths)], len(lengths), axis=dim)


@translates("unbind_dim")
def _unbind(c: Call) -> list[str]:
    dim = c.whole("dim")
    return [c.g.op("Gather", c[0], c.g.ints(k, scalar=True), axis=dim) for k in range(len(c.step.results))]


@translates("embedding_of", "embedding_sparse_of")
def _embedding(c: Call) -> str:
    return c.g.op("Gather", c[0], c[1], axis=0)


@translates("index_one", "select_rows")
def _take(c: Call) -> str:
    return c.g.op("Gather", c[0], c[1], axis=c.whole("dim"))


@translates("index_of")
def _index(c: Call) -> str:
    dims, indices = c.wholes("dims"), c.operands[1]
    if len(dims) == 1:
        return c.g.op("Gather", c[0], c.g.name(indices[0]), axis=dims[0])
    shapes = [c.g.shape(n) for n in indices]
    rank = max(len(s) for s in shapes)
    if any(isinstance(n, (Size, Varying)) for s in shapes for n in s):
        c.g.refuse("with several indices of dynamic sizes has no translation to ONNX")
    common = np.broadcast_shapes(*[tuple(int(n) for n in s) for s in shapes])
    others = [d for d in range(len(c.size(0))) if d not in dims]
    x = c.g.op("Transpose", c[0], perm=[*dims, *others])
    places = [
        c.g.unsqueeze(c.g.op("Expand", c.g.cast(c.g.name(n), c.g.dtype(n), _INT64), c.g.ints(*common)), rank)
        for n in indices
    ]
    picked = c.g.op("GatherND", x, c.g.op("Concat", *places, axis=rank))
    if dims != list(range(dims[0], dims[0] + len(dims))) or dims[0] == 0:
        return picked
    first = dims[0]  # neighbouring indices: their result stands where they stood
    order = [*range(rank, rank + first), *range(rank), *range(rank + first, rank + len(others))]
    return c.g.op("Transpose", picked, perm=order)


@translates("gather_along")
def _gather(c: Call) -> str:
    return c.g.op("GatherElements", c[0], c[1], axis=c.whole("dim"))


@translates("select_backward", "slice_backward")
def _place(c: Call) -> str:
    """Zeros around a part that a view shows: what in-place writes through views are made of."""
    dim, x = c.whole("dim"), c[0]
    if c.step.op.name == "select_backward":
        x, start = c.g.unsqueeze(x, dim), c.whole("index")
        stop = start + 1
    else:
        start, stop = c.whole("start"), c.whole("stop")
        if c.whole("every") != 1:
            c.g.refuse("of a slice with steps has no translation to ONNX")
    rank = len(c.shape)
    widths = [0] * (2 * rank)
    widths[dim], widths[rank + dim] = start, c.g.fixed(c.shape[dim]) - stop
    return c.g.op("Pad", x, c.g.ints(*widths), c.scalar(0), mode="constant")


# -- reductions --------------------------------------------------------------------------------------------

_REDUCE: Final = {"sum": "ReduceSum", "mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin"}


@translates("sum_all", "mean_all", "max_all", "min_all", "prod_all")
def _reduce_all(c: Call) -> str:
    stem = {"max_all": "amax", "min_all": "amin"}.get(c.step.op.name, c.step.op.name[:-4])
    x = c.g.cast(c[0], c.kind(0), c.dtype)
    return c.g.reduce("ReduceProd" if stem == "prod" else _REDUCE[stem], x, None, False)


@translates("sum_dims", "mean_dims", "amax_dims", "amin_dims")
def _reduce(c: Call) -> str:
    kind = _REDUCE[c.step.op.name[:-5]]
    dims = c.wholes("dims")
    x = c.g.cast(c[0], c.kind(0), c.dtype)
    return c.g.reduce(kind, x, dims, c.get("keepdim")) if dims or not c.size(0) else x


@translates("sum_to_size")
def _sum_to(c: Call) -> str:
    have, want = c.size(0), c.shape
    extra = len(have) - len(want)
    dims = [d for d, n in enumerate(have) if d < extra or (want[d - extra] == 1 and n != 1)]
    total = c.g.reduce("ReduceSum", c[0], dims, True) if dims else c[0]
    return c.g.reshape(total, want) if extra else total


@translates("prod_dim")
def _prod(c: Call) -> str:
    return c.g.reduce("ReduceProd", c.g.cast(c[0], c.kind(0), c.dtype), [c.whole("dim")], c.get("keepdim"))


@translates("logsumexp_of")
def _logsumexp(c: Call) -> str:
    return c.g.reduce("ReduceLogSumExp", c[0], c.wholes("dims"), c.get("keepdim"))


@translates("norm_of")
def _norm(c: Call) -> str:
    order = c.get("ord")
    kind = {1.0: "ReduceL1", 2.0: "ReduceL2", math.inf: "ReduceMax"}.get(order)
    if kind is None:
        c.g.refuse(f"of order {order} has no translation to ONNX")
    x = c.g.op("Abs", c[0]) if order == math.inf else c[0]
    return c.g.reduce(str(kind), x, c.wholes("dims") or list(range(len(c.size(0)))), c.get("keepdim"))


@translates("any_of", "all_of")
def _any(c: Call) -> str:
    flags = c.g.cast(c.g.cast(c[0], c.kind(0), _BOOL), _BOOL, np.dtype(np.int32))
    dims = c.wholes("dims") or None
    kind = "ReduceMax" if c.step.op.name == "any_of" else "ReduceMin"
    return c.g.cast(c.g.reduce(kind, flags, dims, c.get("keepdim")), np.dtype(np.int32), _BOOL)


@translates("var_of", "std_of", "var_mean_of", "std_mean_of")
def _variance(c: Call) -> Any:
    dims = c.wholes("dims") or list(range(len(c.size(0))))
    counts = [c.g.fixed(c.size(0)[d]) for d in dims]
    keep, count = c.get("keepdim"), math.prod(counts)
    _, spread = mean_and_variance(c, c[0], dims)
    factor = count / max(count - c.get("correction"), 0) if count > c.get("correction") else math.inf
    spread = spread if factor == 1 else c.g.op("Mul", spread, c.scalar(factor))
    spread = spread if keep else c.g.squeeze(spread, *dims)
    if c.step.op.name.startswith("std"):
        spread = c.g.op("Sqrt", spread)
    return [spread, c.g.reduce("ReduceMean", c[0], dims, keep)] if c.step.many else spread


@translates("argmax_of", "argmin_of")
def _arg(c: Call) -> str:
    kind = "ArgMax" if c.step.op.name == "argmax_of" else "ArgMin"
    if c.get("dim") is None:
        return c.g.op(kind, c.g.reshape(c[0], [-1]), axis=0, keepdims=0)
    return c.g.op(kind, c[0], axis=c.whole("dim"), keepdims=int(c.get("keepdim")))


@translates("max_dim", "min_dim")
def _best(c: Call) -> list[Any]:
    dim, keep = c.whole("dim"), bool(c.get("keepdim"))
    kind = "Max" if c.step.op.name == "max_dim" else "Min"
    place = c.g.op(f"Arg{kind}", c[0], axis=dim, keepdims=int(keep)) if c.reads(1) else None
    return [c.g.reduce(f"Reduce{kind}", c[0], [dim], keep), place]


@translates("topk_of", "sort_of", "sort_stable")
def _topk(c: Call) -> list[str]:
    dim = c.whole("dim")
    if "count" in c.statics:
        count, largest = c.get("count"), c.get("largest")
    else:
        count, largest = c.size(0)[dim], c.get("descending")
    k = c.g.sizes([count])
    return c.g.ops("TopK", [c[0], k], 2, axis=dim, largest=int(largest), sorted=1)


@translates("cumsum_of")
def _cumsum(c: Call) -> str:
    return c.g.op("CumSum", c.g.cast(c[0], c.kind(0), c.dtype), c.g.ints(c.whole("dim"), scalar=True))
