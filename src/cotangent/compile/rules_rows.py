"""Rules of reductions, of what goes over rows (softmax, normalisation), of losses and of products."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..kernels.rows import Adding
from .handle import H
from .ir import Const, Point, Special, Val
from .rules import LOWER, floats, rule

# -- reductions --------------------------------------------------------------------------------------------


def _dims(x: Any, dims: Any) -> tuple[int, ...]:
    if dims is None or dims == ():
        return tuple(range(len(x.shape)))
    dims = (dims,) if isinstance(dims, int) else dims
    return tuple(d % max(len(x.shape), 1) for d in dims)


def _kept(x: Any, result: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    if keepdim:
        return result
    return result.reshape(tuple(n for d, n in enumerate(x.shape) if d not in dims))


@rule("sum_dims", "sum_back")
def _sum(b: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    dims = _dims(x, dims)
    return _kept(x, x.sum(dims), dims, keepdim) if floats(x) and math.prod(x.shape) else None


LOWER["sum_all"] = lambda b, x: _sum(b, x, None, False)


@rule("mean_dims")
def _mean(b: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    if not floats(x) or not math.prod(x.shape):
        return None
    dims = _dims(x, dims)
    n = math.prod(x.shape[d] for d in dims)
    return _kept(x, x.sum(dims) / float(n), dims, keepdim)


LOWER["mean_all"] = lambda b, x: _mean(b, x, None, False)


@rule("amax_dims")
def _amax(b: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    dims = _dims(x, dims)
    return _kept(x, x.reduce("max", dims), dims, keepdim) if floats(x) and math.prod(x.shape) else None


@rule("amin_dims")
def _amin(b: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    dims = _dims(x, dims)
    return _kept(x, x.reduce("min", dims), dims, keepdim) if floats(x) and math.prod(x.shape) else None


LOWER["max_all"] = lambda b, x: _amax(b, x, None, False)
LOWER["min_all"] = lambda b, x: _amin(b, x, None, False)


@rule("sum_to_size")
def _sum_to_size(b: Any, x: Any, shape: Any) -> Any:
    if not floats(x) or not math.prod(x.shape):
        return None
    lead = len(x.shape) - len(shape)
    axes = [d for d in range(len(x.shape)) if d < lead or (shape[d - lead] == 1 and x.shape[d] != 1)]
    return x.sum(axes).reshape(tuple(shape))


@rule("scale")
def _scale(b: Any, x: Any, factor: Any) -> Any:
    return (x if factor == 1 else x * factor) if floats(x) else None


@rule("scale_sum")
def _scale_sum(b: Any, x: Any, shape: Any, factor: Any) -> Any:
    return _sum_to_size(b, x if factor == 1 else x * factor, shape) if floats(x) else None


@rule("spread")
def _spread(b: Any, x: Any, shape: Any, dims: Any, keepdim: bool) -> Any:
    dims = tuple(range(len(shape))) if dims is None or dims == () else dims
    gone = {d % max(len(shape), 1) for d in ((dims,) if isinstance(dims, int) else dims)}
    kept = tuple(1 if d in gone else n for d, n in enumerate(shape))
    return x.reshape(kept).viewed(lambda a: np.broadcast_to(a, tuple(shape)))


@rule("norm_of")
def _norm(b: Any, x: Any, order: Any, dims: Any, keepdim: bool) -> Any:
    if order != 2 or not floats(x) or not math.prod(x.shape):
        return None
    dims = _dims(x, dims)
    return _kept(x, (x * x).sum(dims).op("sqrt"), dims, keepdim)


# -- rows --------------------------------------------------------------------------------------------------


@rule("softmax_of")
def _softmax(b: Any, x: Any, dim: int) -> Any:
    if not floats(x) or not math.prod(x.shape) or not x.shape:
        return None
    t = (x - x.reduce("max", (dim,))).op("exp")
    return t / t.sum((dim,))


@rule("softmax_backward")
def _softmax_backward(b: Any, g: Any, y: Any, dim: int) -> Any:
    if not floats(g, y) or not math.prod(y.shape) or not y.shape:
        return None
    return (g - (g * y).sum((dim,))) * y


@rule("log_softmax_of")
def _log_softmax(b: Any, x: Any, dim: int) -> Any:
    if not floats(x) or not math.prod(x.shape) or not x.shape:
        return None
    t = x - x.reduce("max", (dim,))
    return t - t.op("exp").sum((dim,)).op("log")


@rule("log_softmax_backward")
def _log_softmax_backward(b: Any, g: Any, y: Any, dim: int) -> Any:
    if not floats(g, y) or not math.prod(y.shape) or not y.shape:
        return None
    return g - y.op("exp") * g.sum((dim,))


def _standard(x: Any, axes: Any, eps: float) -> Any:
    n = float(math.prod(x.shape[d] for d in axes))
    t = x - x.sum(axes) / n
    r = 1.0 / ((t * t).sum(axes) / n + eps).op("sqrt")
    return t, r, n


def _known_standard(x: Any, mean: Any, scale: Any, axes: Any, eps: float) -> Any:
    if mean is None:
        return _standard(x, axes, eps)
    kept = tuple(1 if d in axes else m for d, m in enumerate(x.shape))
    n = float(math.prod(x.shape[d] for d in axes))
    return x - mean.reshape(kept), scale.reshape(kept), n


@rule("layer_norm_of")
def _layer_norm(b: Any, x: Any, weight: Any, bias: Any, count: int, eps: float) -> Any:
    if not floats(x, weight, bias) or not math.prod(x.shape):
        return None
    axes = tuple(range(len(x.shape) - count, len(x.shape)))
    mean = x.sum(axes) / float(math.prod(x.shape[d] for d in axes))
    t, r, _ = _standard(x, axes, eps)
    t = t * r
    t = t if weight is None else t * weight
    return t if bias is None else t + bias, mean, r


@rule("standard")
def _standard_of(b: Any, x: Any, mean: Any, scale: Any, axes: Any, eps: float) -> Any:
    if not floats(x, mean, scale) or not math.prod(x.shape):
        return None
    t, r, _ = _known_standard(x, mean, scale, axes, eps)
    return t * r


@rule("inverse_spread")
def _inverse_spread(b: Any, x: Any, axes: Any, eps: float) -> Any:
    return _standard(x, axes, eps)[1] if floats(x) and math.prod(x.shape) else None


@rule("standard_backward")
def _standard_backward(b: Any, g: Any, x: Any, mean: Any, scale: Any, axes: Any, eps: float) -> Any:
    if not floats(g, x, mean, scale) or not math.prod(x.shape):
        return None
    t, r, n = _known_standard(x, mean, scale, axes, eps)
    h = t * r
    return (g - g.sum(axes) / n - h * ((g * h).sum(axes) / n)) * r


# -- rows by number ----------------------------------------------------------------------------------------

_WHERE: Final = "index {} is out of bounds for dimension 0 with size {}"
_OUTSIDE: Final = IndexError(_WHERE)
_OUTSIDE_SELF: Final = IndexError("index out of range in self")
_OUTSIDE_ADDED: Final = RuntimeError(_WHERE)


@rule("embedding_of")
def _embedding(b: Any, table: Any, index: Any, padding: Any, by_frequency: Any) -> Any:
    if not floats(table) or index.kind != "i64" or not math.prod((*table.shape, *index.shape)):
        return None
    b.check_range(index.v, table.shape[0], _OUTSIDE_SELF)
    return _gathered(b, table, index)


@rule("embedding_backward")
def _embedding_backward(b: Any, g: Any, index: Any, shape: Any, padding: int, by_frequency: bool) -> Any:
    if by_frequency or not floats(g) or index.kind != "i64" or not math.prod((*g.shape, *shape)):
        return None
    b.check_range(index.v, shape[0], _OUTSIDE_SELF)
    return _added(b, None, g, index, tuple(shape), padding)


def _gathered(b: Any, table: Any, index: Any) -> Any:
    args = [b.dense(table.v), b.dense(index.v)]
    return H(b, b.special("gather", args, (), (*index.shape, *table.shape[1:]), table.kind))


def _added(b: Any, begun: Any, g: Any, index: Any, shape: tuple[int, ...], skipped: int = -1) -> Any:
    """Zeros, or `begun`, with the rows of `g` added at `index`.

    If the rows are those of a gather, or each times a number, the kernel does that, too.
    """
    count, width = math.prod(index.shape), math.prod(shape[1:])
    taken, stride = 0, -1
    rows, more = g.v, []
    found = _weighed(g.v, count, width)
    if found is not None:
        rows, weights, stride = found
        more.append(weights)
    node = rows.base.node if isinstance(rows, Val) and rows.whole else None
    if isinstance(node, Special) and node.name == "gather" and math.prod(node.args[1].shape) == count:
        rows, source = node.args
        more.insert(0, source)
        taken = rows.shape[0]
    if begun is not None:
        more.insert(0, b.dense(begun.v))
    adding = Adding(count, width, shape[0], skipped, begun is not None, taken, stride)
    args = [b.dense(rows), b.dense(index.v), *more]
    return H(b, b.special("scatter", args, (adding,), shape, g.kind))


def _weighed(x: Any, count: int, width: int) -> tuple[Any, Any, int] | None:
    """(rows, weights, elements from weight to weight) of a product of each row and a number."""
    node = x.base.node if isinstance(x, Val) and x.whole else None
    if not isinstance(node, Point) or node.name != "mul" or any(isinstance(a, Const) for a in node.args):
        return None
    for rows, weights in (node.args, node.args[::-1]):
        strides = weights.over(node.out.shape)
        fits = rows.whole and rows.shape == node.out.shape and rows.shape[:1] == (count,) and width > 1
        if fits and not any(strides[1:]):
            return rows, weights, strides[0]
    return None


def _indexed(b: Any, table: Any, index: Any, shape: Any, told: Exception) -> bool:
    """Whether an index numbers rows of a matrix of floats; asks for the check of its numbers."""
    if not floats(table) or index.kind != "i64" or not math.prod((*shape, *index.shape)) or not shape:
        return False
    b.check_range(index.v, shape[0], told, least=-shape[0] if told is _OUTSIDE else 0)
    return True


@rule("index_one")
def _index_one(b: Any, x: Any, index: Any, dim: int) -> Any:
    if dim or not index.shape or not _indexed(b, x, index, x.shape, _OUTSIDE):
        return None
    return _gathered(b, x, index)


@rule("index_of")
def _index_of(b: Any, x: Any, indices: Any, dims: Any) -> Any:
    return _index_one(b, x, indices[0], 0) if tuple(dims) == (0,) else None


@rule("index_one_back")
def _index_one_back(b: Any, g: Any, index: Any, shape: Any, dim: int) -> Any:
    if dim or not index.shape or not _indexed(b, g, index, shape, _OUTSIDE):
        return None
    return _added(b, None, g, index, tuple(shape))


@rule("index_back")
def _index_back(b: Any, g: Any, indices: Any, shape: Any, dims: Any) -> Any:
    if tuple(dims) != (0,) or g.shape != (*indices[0].shape, *shape[1:]):
        return None
    return _index_one_back(b, g, indices[0], shape, 0)


@rule("select_rows")
def _select_rows(b: Any, x: Any, index: Any, dim: int) -> Any:
    if dim or len(index.shape) != 1 or not _indexed(b, x, index, x.shape, _OUTSIDE_SELF):
        return None
    return _gathered(b, x, index)


@rule("add_rows_to_zeros")
def _add_rows_to_zeros(b: Any, g: Any, index: Any, shape: Any, dim: int) -> Any:
    if dim or len(index.shape) != 1 or not _indexed(b, g, index, shape, _OUTSIDE_SELF):
        return None
    return _added(b, None, g, index, tuple(shape))


@rule("add_rows")
def _add_rows(b: Any, x: Any, source: Any, index: Any, dim: int, alpha: Any) -> Any:
    if dim or len(index.shape) != 1 or alpha != 1 or source.shape != (*index.shape, *x.shape[1:]):
        return None
    told = _OUTSIDE_ADDED if len(x.shape) > 1 else _OUTSIDE_SELF
    if source.kind != x.kind or not _indexed(b, x, index, x.shape, told):
        return None
    zeros = isinstance(x.v, Const) and x.v.value == 0
    return _added(b, None if zeros else x, source, index, x.shape)


@rule("cat")
def _cat(b: Any, xs: Any, dim: int) -> Any:
    xs = [x for x in xs if math.prod(x.shape)]
    if not xs or any(x.kind != xs[0].kind or len(x.shape) != len(xs[0].shape) for x in xs):
        return None
    shape = list(xs[0].shape)
    dim %= len(shape)
    shape[dim] = sum(x.shape[dim] for x in xs)
    return H(b, b.special("cat", [x.v for x in xs], (dim,), tuple(shape), xs[0].kind))


@rule("stack")
def _stack(b: Any, xs: Any, dim: int) -> Any:
    dim %= len(xs[0].shape) + 1
    return _cat(b, [x.reshape((*x.shape[:dim], 1, *x.shape[dim:])) for x in xs], dim)


# -- losses ------------------------------------------------------------------------------------------------


def _hits(b: Any, target: Any, classes: int, ignore: int) -> Any:
    """Where the class of each row is its target's; targets out of range are refused before the run."""
    b.check_range(target.v, classes, but=ignore)
    if 0 <= ignore < classes:
        target = target.op("ne", ignore).where(target, -1)
    return target.reshape((*target.shape, 1)).op("eq", H(b, b.positions(classes)))


def _counted(b: Any, hits: Any, target: Any, weight: Any, ignore: int, kind: str) -> Any:
    """The sum of the weights of the rows that are not ignored."""
    one, none = (H(b, Const(value, kind)) for value in (1.0, 0.0))
    each = target.op("ne", ignore).where(one, none) if weight is None else hits.where(weight, 0.0)
    return each.sum(range(len(each.shape))).reshape(())


@rule("nll_of")
def _nll(b: Any, x: Any, target: Any, weight: Any, reduction: int, ignore: int) -> Any:
    if len(x.shape) != 2 or not math.prod(x.shape) or not floats(x) or target.kind != "i64":
        return None
    if weight is not None and weight.kind != x.kind:
        return None
    hits = _hits(b, target, x.shape[1], ignore)
    picked = hits.where(x if weight is None else x * weight, 0.0).sum((1,)).reshape(target.shape)
    if not reduction:
        return target.op("ne", ignore).where(-picked, 0.0)
    total = -picked.sum((0,)).reshape(())
    return total if reduction == 2 else total / _counted(b, hits, target, weight, ignore, x.kind)


@rule("nll_backward")
def _nll_backward(b: Any, g: Any, target: Any, weight: Any, shape: Any, reduction: int, ignore: int) -> Any:
    if len(shape) != 2 or not math.prod(shape) or not floats(g) or target.kind != "i64":
        return None
    if weight is not None and weight.kind != g.kind:
        return None
    hits = _hits(b, target, shape[1], ignore)
    if reduction == 1:
        g = g / _counted(b, hits, target, weight, ignore, g.kind)
    g = -g if reduction else (-g).reshape((*target.shape, 1))
    return hits.where(g if weight is None else g * weight, 0.0)


@rule("mse_of")
def _mse(b: Any, x: Any, y: Any, reduction: int) -> Any:
    if not floats(x, y) or x.kind != y.kind or not math.prod(x.shape) or x.shape != y.shape:
        return None
    d = x - y
    d = d * d
    if not reduction:
        return d
    total = d.sum(range(len(x.shape))).reshape(())
    return total / float(math.prod(x.shape)) if reduction == 1 else total


# -- products ----------------------------------------------------------------------------------------------


def _product(b: Any, x: Any, y: Any) -> Any:
    if not floats(x, y) or x.kind != y.kind or not math.prod((*x.shape, *y.shape)):
        return None
    if x.shape[-1] == 1 and len(x.shape) == len(y.shape):  # outer products
        return x * y
    return H(b, b.product(x.v, y.v))


LOWER["mm"] = _product
LOWER["bmm"] = _product


@rule("addmm_of", "baddbmm_of")
def _addmm(b: Any, x: Any, y: Any, z: Any, beta: Any, alpha: Any) -> Any:
    if not floats(x) or not isinstance(beta, (int, float)) or not isinstance(alpha, (int, float)):
        return None
    product = _product(b, y, z)
    if product is None:
        return None
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (x if beta == 1 else x * beta)


@rule("mv")
def _mv(b: Any, x: Any, y: Any) -> Any:
    if not floats(x, y) or not math.prod(x.shape):
        return None
    return (x * y).sum((1,)).reshape((x.shape[0],))
