"""How operations are lowered: each as a small program of scalar operations, reductions and products.

A rule gets `b`, which makes nodes, the operands as `H` (values with Python's operators) and the statics of
the operation; it gives the result, or None where it does not apply (then the NumPy kernel is called). An
elementwise operation is written once, here; fusion is not its business.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .ir import Builder, Const

Rule = Callable[..., Any]


class Followed:
    """A followed number among the statics of an operation: nothing is known of it when a rule runs."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held


class H:
    """A value with operators, over a builder."""

    __slots__ = ("b", "v")

    def __init__(self, b: Builder, v: Any) -> None:
        self.b = b
        self.v = v

    @property
    def kind(self) -> str:
        """The element type."""
        return str(self.v.kind)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(self.v.shape)

    def lift(self, x: Any) -> Any:
        """A number as a constant (or a followed number) of this type."""
        if isinstance(x, H):
            return x.v
        return self.b.number(x.held, self.kind) if isinstance(x, Followed) else Const(x, self.kind)

    def op(self, name: str, *others: Any) -> H:
        """A scalar operation."""
        return H(self.b, self.b.point(name, self.v, *[self.lift(o) for o in others]))

    def swapped(self, name: str, other: Any) -> H:
        """The operation with the operands exchanged."""
        return H(self.b, self.b.point(name, self.lift(other), self.v))

    def cast(self, kind: str) -> H:
        """In another type."""
        return H(self.b, self.b.cast(self.v, kind))

    def where(self, yes: Any, no: Any) -> H:
        """Where this condition holds `yes`, elsewhere `no`; one of them is a value."""
        like = yes if isinstance(yes, H) else no
        return H(self.b, self.b.point("where", self.v, like.lift(yes), like.lift(no)))

    def reduce(self, how: str, axes: Any) -> H:
        """Over some dimensions, which stay."""
        return H(self.b, self.b.reduce(how, self.v, axes))

    def sum(self, axes: Any) -> H:
        """The sum over some dimensions, which stay."""
        return self.reduce("sum", axes)

    def viewed(self, look: Callable[[Any], Any]) -> H:
        """What a NumPy function shows of it; a copy is made if need be."""
        shown = self.v.viewed(look)
        if shown is None:
            shown = self.b.copy(self.v).viewed(look)
        assert shown is not None
        return H(self.b, shown)

    def reshape(self, shape: tuple[int, ...]) -> H:
        """In another shape."""
        if shape == self.shape:
            return self
        return self.viewed(lambda a: np.reshape(a, shape))

    def __add__(self, o: Any) -> H:
        return self.op("add", o)

    def __radd__(self, o: Any) -> H:
        return self.swapped("add", o)

    def __sub__(self, o: Any) -> H:
        return self.op("sub", o)

    def __rsub__(self, o: Any) -> H:
        return self.swapped("sub", o)

    def __mul__(self, o: Any) -> H:
        return self.op("mul", o)

    def __rmul__(self, o: Any) -> H:
        return self.swapped("mul", o)

    def __truediv__(self, o: Any) -> H:
        return self.op("div", o)

    def __rtruediv__(self, o: Any) -> H:
        return self.swapped("div", o)

    def __neg__(self) -> H:
        return self.op("neg")

    def __gt__(self, o: Any) -> H:
        return self.op("gt", o)

    def __ge__(self, o: Any) -> H:
        return self.op("ge", o)

    def __lt__(self, o: Any) -> H:
        return self.op("lt", o)

    def __le__(self, o: Any) -> H:
        return self.op("le", o)


LOWER: Final[dict[str, Rule]] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for some operations."""

    def enter(function: Rule) -> Rule:
        for name in names:
            LOWER[name] = function
        return function

    return enter


def _floats(*xs: Any) -> bool:
    return all(x is None or x.kind in ("f32", "f64") for x in xs)


def _unary(name: str, floats: bool = True) -> Rule:
    return lambda b, x: x.op(name) if not floats or _floats(x) else None


def _binary(name: str) -> Rule:
    return lambda b, x, y: x.op(name, y) if x.kind != "b1" and x.kind == y.kind else None


for _name in (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "sin", "cos", "tan", "tanh",
    "sigmoid", "erf", "reciprocal", "floor", "ceil", "trunc",
):  # fmt: skip
    LOWER[_name] = _unary(_name)
LOWER["round_whole"] = _unary("round")
for _name in ("neg", "abs", "relu"):
    LOWER[_name] = _unary(_name, False)
LOWER["sign"] = LOWER["sgn"] = _unary("sign")
for _name in ("mul", "maximum", "minimum"):
    LOWER[_name] = _binary(_name)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    LOWER[_name] = _binary(_name)
LOWER["div_true"] = lambda b, x, y: x / y if _floats(x, y) else None


@rule("add", "sub")
def _add(b: Any, x: Any, y: Any, alpha: Any) -> Any:
    if x.kind == "b1" or x.kind != y.kind:
        return None
    return x, y if isinstance(alpha, (int, float)) and alpha == 1 else y * alpha


def _sum_rule(sign: str) -> Rule:
    def lowered(b: Any, x: Any, y: Any, alpha: Any) -> Any:
        pair = _add(b, x, y, alpha)
        return None if pair is None else pair[0].op(sign, pair[1])

    return lowered


LOWER["add"], LOWER["sub"] = _sum_rule("add"), _sum_rule("sub")


@rule("logical_and", "bitwise_and")
def _and(b: Any, x: Any, y: Any) -> Any:
    return x.op("and", y) if x.kind == y.kind == "b1" else None


@rule("logical_or", "bitwise_or")
def _or(b: Any, x: Any, y: Any) -> Any:
    return x.op("or", y) if x.kind == y.kind == "b1" else None


@rule("logical_not", "bitwise_not")
def _not(b: Any, x: Any) -> Any:
    return x.op("not") if x.kind == "b1" else None


@rule("isnan")
def _isnan(b: Any, x: Any) -> Any:
    return x.op("ne", x) if _floats(x) else None


@rule("where")
def _where(b: Any, condition: Any, x: Any, y: Any) -> Any:
    return condition.where(x, y) if condition.kind == "b1" and x.kind == y.kind else None


@rule("masked_fill_number")
def _masked_fill(b: Any, x: Any, mask: Any, value: Any) -> Any:
    return mask.where(value, x) if mask.kind == "b1" and _floats(x) else None


@rule("pow_scalar")
def _pow(b: Any, x: Any, exponent: Any) -> Any:
    if not _floats(x) or not isinstance(exponent, (int, float)):
        return None
    known = {2: lambda: x * x, 3: lambda: x * x * x, 1: lambda: x, 0.5: lambda: x.op("sqrt")}
    known |= {-1: lambda: x.op("reciprocal"), -0.5: lambda: x.op("rsqrt")}
    return known[exponent]() if exponent in known else x.op("pow", float(exponent))


@rule("addcmul_of")
def _addcmul(b: Any, x: Any, y: Any, z: Any, value: Any) -> Any:
    return x + y * z * value if _floats(x, y, z) else None


@rule("addcdiv_of")
def _addcdiv(b: Any, x: Any, y: Any, z: Any, value: Any) -> Any:
    return x + y / z * value if _floats(x, y, z) else None


@rule("clamp_numbers")
def _clamp(b: Any, x: Any, low: Any, high: Any) -> Any:
    if not _floats(x):
        return None
    # nan passes, as comparisons with it do not hold
    if low is not None:
        x = (x < low).where(low, x)
    return x if high is None else (x > high).where(high, x)


LOWER["clamp_min_number"] = lambda b, x, low, high: _clamp(b, x, low, None)
LOWER["clamp_max_number"] = lambda b, x, low, high: _clamp(b, x, None, high)


@rule("threshold_backward")
def _threshold_backward(b: Any, g: Any, x: Any, threshold: Any) -> Any:
    return (x <= threshold).where(0.0, g) if _floats(g, x) else None


@rule("leaky_relu_of")
def _leaky(b: Any, x: Any, slope: Any) -> Any:
    return (x > 0.0).where(x, x * slope) if _floats(x) else None


@rule("leaky_relu_backward")
def _leaky_backward(b: Any, g: Any, x: Any, slope: Any) -> Any:
    return (x > 0.0).where(g, g * slope) if _floats(g, x) else None


_ROOT_HALF: Final = math.sqrt(0.5)
_K: Final = math.sqrt(2.0 / math.pi)
_C: Final = 0.044715
_BELL: Final = 1.0 / math.sqrt(2.0 * math.pi)


def _inner(x: Any) -> Any:
    return (((x * x * _C + 1.0) * x) * _K).op("tanh")


@rule("gelu_of")
def _gelu(b: Any, x: Any, approximate: str) -> Any:
    if not _floats(x):
        return None
    t = (x * _ROOT_HALF).op("erf") if approximate == "none" else _inner(x)
    return (t + 1.0) * 0.5 * x


@rule("gelu_backward")
def _gelu_backward(b: Any, g: Any, x: Any, approximate: str) -> Any:
    if not _floats(g, x):
        return None
    if approximate == "none":
        t = ((x * _ROOT_HALF).op("erf") + 1.0) * 0.5
        return (t + (x * x * -0.5).op("exp") * x * _BELL) * g
    t = _inner(x)
    slope = (x * x * (3.0 * _C * _K) + _K) * x
    return ((1.0 - t * t) * slope * 0.5 + (t + 1.0) * 0.5) * g


@rule("silu_of")
def _silu(b: Any, x: Any) -> Any:
    return x * x.op("sigmoid") if _floats(x) else None


@rule("silu_backward")
def _silu_backward(b: Any, g: Any, x: Any) -> Any:
    if not _floats(g, x):
        return None
    s = x.op("sigmoid")
    return g * (((1.0 - s) * x + 1.0) * s)


@rule("sigmoid_backward")
def _sigmoid_backward(b: Any, g: Any, y: Any) -> Any:
    return g * (1.0 - y) * y if _floats(g, y) else None


@rule("cast", "cast_back")
def _cast(b: Any, x: Any, dtype: Any) -> Any:
    from_kind, to = x.kind, b.kind_of(dtype)
    if to is None:
        return None
    if to == "b1":
        return x.op("ne", 0)
    if from_kind in ("f32", "f64") and to not in ("f32", "f64"):
        return None  # what does not fit is the business of the kernel
    return x.cast(to)


@rule("copy_to")
def _copy_to(b: Any, x: Any, src: Any) -> Any:
    if src.kind != x.kind and not (_floats(src) and _floats(x)):
        return None
    return src.cast(x.kind).viewed(lambda a: np.broadcast_to(a, x.shape))


@rule("clone_of", "clone_for_grad", "dense_clone", "positive")
def _clone(b: Any, x: Any) -> Any:
    return x


@rule("reshape_any", "unsafe_view")
def _reshape(b: Any, x: Any, shape: Any) -> Any:
    return x.reshape(tuple(shape))


@rule("adjoint_matrix", "conj_of")
def _adjoint(b: Any, x: Any) -> Any:
    return x.viewed(lambda a: np.swapaxes(a, -1, -2))


LOWER["conj_of"] = lambda b, x: x


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
    return _kept(x, x.sum(dims), dims, keepdim) if _floats(x) and math.prod(x.shape) else None


LOWER["sum_all"] = lambda b, x: _sum(b, x, None, False)


@rule("mean_dims")
def _mean(b: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    if not _floats(x) or not math.prod(x.shape):
        return None
    dims = _dims(x, dims)
    n = math.prod(x.shape[d] for d in dims)
    return _kept(x, x.sum(dims) / float(n), dims, keepdim)


LOWER["mean_all"] = lambda b, x: _mean(b, x, None, False)


@rule("amax_dims")
def _amax(b: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    dims = _dims(x, dims)
    return _kept(x, x.reduce("max", dims), dims, keepdim) if _floats(x) and math.prod(x.shape) else None


@rule("amin_dims")
def _amin(b: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    dims = _dims(x, dims)
    return _kept(x, x.reduce("min", dims), dims, keepdim) if _floats(x) and math.prod(x.shape) else None


LOWER["max_all"] = lambda b, x: _amax(b, x, None, False)
LOWER["min_all"] = lambda b, x: _amin(b, x, None, False)


@rule("sum_to_size")
def _sum_to_size(b: Any, x: Any, shape: Any) -> Any:
    if not _floats(x) or not math.prod(x.shape):
        return None
    lead = len(x.shape) - len(shape)
    axes = [d for d in range(len(x.shape)) if d < lead or (shape[d - lead] == 1 and x.shape[d] != 1)]
    return x.sum(axes).reshape(tuple(shape))


@rule("scale")
def _scale(b: Any, x: Any, factor: Any) -> Any:
    return (x if factor == 1 else x * factor) if _floats(x) else None


@rule("scale_sum")
def _scale_sum(b: Any, x: Any, shape: Any, factor: Any) -> Any:
    return _sum_to_size(b, x if factor == 1 else x * factor, shape) if _floats(x) else None


@rule("spread")
def _spread(b: Any, x: Any, shape: Any, dims: Any, keepdim: bool) -> Any:
    dims = tuple(range(len(shape))) if dims is None or dims == () else dims
    gone = {d % max(len(shape), 1) for d in ((dims,) if isinstance(dims, int) else dims)}
    kept = tuple(1 if d in gone else n for d, n in enumerate(shape))
    return x.reshape(kept).viewed(lambda a: np.broadcast_to(a, tuple(shape)))


@rule("norm_of")
def _norm(b: Any, x: Any, order: Any, dims: Any, keepdim: bool) -> Any:
    if order != 2 or not _floats(x) or not math.prod(x.shape):
        return None
    dims = _dims(x, dims)
    return _kept(x, (x * x).sum(dims).op("sqrt"), dims, keepdim)


# -- rows --------------------------------------------------------------------------------------------------


@rule("softmax_of")
def _softmax(b: Any, x: Any, dim: int) -> Any:
    if not _floats(x) or not math.prod(x.shape) or not x.shape:
        return None
    t = (x - x.reduce("max", (dim,))).op("exp")
    return t / t.sum((dim,))


@rule("softmax_backward")
def _softmax_backward(b: Any, g: Any, y: Any, dim: int) -> Any:
    if not _floats(g, y) or not math.prod(y.shape) or not y.shape:
        return None
    return (g - (g * y).sum((dim,))) * y


@rule("log_softmax_of")
def _log_softmax(b: Any, x: Any, dim: int) -> Any:
    if not _floats(x) or not math.prod(x.shape) or not x.shape:
        return None
    t = x - x.reduce("max", (dim,))
    return t - t.op("exp").sum((dim,)).op("log")


@rule("log_softmax_backward")
def _log_softmax_backward(b: Any, g: Any, y: Any, dim: int) -> Any:
    if not _floats(g, y) or not math.prod(y.shape) or not y.shape:
        return None
    return g - y.op("exp") * g.sum((dim,))


def _standard(x: Any, count: int, eps: float) -> Any:
    axes = tuple(range(len(x.shape) - count, len(x.shape)))
    n = float(math.prod(x.shape[-count:]))
    t = x - x.sum(axes) / n
    r = 1.0 / ((t * t).sum(axes) / n + eps).op("sqrt")
    return t, r, axes, n


@rule("layer_norm_of")
def _layer_norm(b: Any, x: Any, weight: Any, bias: Any, count: int, eps: float) -> Any:
    if not _floats(x, weight, bias) or not math.prod(x.shape):
        return None
    t, r, _, _ = _standard(x, count, eps)
    t = t * r
    t = t if weight is None else t * weight
    return t if bias is None else t + bias


@rule("standard")
def _standard_of(b: Any, x: Any, count: int, eps: float) -> Any:
    if not _floats(x) or not math.prod(x.shape):
        return None
    t, r, _, _ = _standard(x, count, eps)
    return t * r


@rule("inverse_spread")
def _inverse_spread(b: Any, x: Any, count: int, eps: float) -> Any:
    return _standard(x, count, eps)[1] if _floats(x) and math.prod(x.shape) else None


@rule("standard_backward")
def _standard_backward(b: Any, g: Any, x: Any, count: int, eps: float) -> Any:
    if not _floats(g, x) or not math.prod(x.shape):
        return None
    t, r, axes, n = _standard(x, count, eps)
    h = t * r
    return (g - g.sum(axes) / n - h * ((g * h).sum(axes) / n)) * r


# -- rows by number ----------------------------------------------------------------------------------------


@rule("embedding_of")
def _embedding(b: Any, table: Any, index: Any, padding: Any, by_frequency: Any) -> Any:
    if not _floats(table) or index.kind != "i64" or not math.prod((*table.shape, *index.shape)):
        return None
    b.check_range(index.v, table.shape[0], None)
    args = [b.dense(table.v), b.dense(index.v)]
    return H(b, b.special("gather", args, (), (*index.shape, table.shape[1]), table.kind))


@rule("embedding_backward")
def _embedding_backward(b: Any, g: Any, index: Any, shape: Any, padding: int, by_frequency: bool) -> Any:
    if by_frequency or not _floats(g) or index.kind != "i64" or not math.prod((*g.shape, *shape)):
        return None
    b.check_range(index.v, shape[0], None)
    args = [b.dense(g.v), b.dense(index.v)]
    return H(b, b.special("scatter", args, (padding,), tuple(shape), g.kind))


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
    b.check_range(target.v, classes, ignore)
    return target.reshape((*target.shape, 1)).op("eq", H(b, b.positions(classes)))


@rule("nll_of")
def _nll(b: Any, x: Any, target: Any, weight: Any, reduction: int, ignore: int) -> Any:
    if weight is not None or len(x.shape) != 2 or not _floats(x) or target.kind != "i64" or not reduction:
        return None
    classes = x.shape[1]
    picked = _hits(b, target, classes, ignore).where(x, 0.0).sum((1,)).reshape(target.shape)
    total = -picked.sum((0,)).reshape(())
    if reduction == 2:
        return total
    counted = target.op("ne", ignore).where(H(b, Const(1.0, x.kind)), H(b, Const(0.0, x.kind)))
    return total / counted.sum((0,)).reshape(())


@rule("nll_backward")
def _nll_backward(b: Any, g: Any, target: Any, weight: Any, shape: Any, reduction: int, ignore: int) -> Any:
    if weight is not None or len(shape) != 2 or not _floats(g) or target.kind != "i64" or not reduction:
        return None
    if reduction == 1:
        counted = target.op("ne", ignore).where(H(b, Const(1.0, g.kind)), H(b, Const(0.0, g.kind)))
        g = g / counted.sum((0,)).reshape(())
    return _hits(b, target, shape[1], ignore).where(-g, 0.0)


@rule("mse_of")
def _mse(b: Any, x: Any, y: Any, reduction: int) -> Any:
    if not _floats(x, y) or not math.prod(x.shape) or x.shape != y.shape:
        return None
    d = x - y
    d = d * d
    if not reduction:
        return d
    total = d.sum(range(len(x.shape))).reshape(())
    return total / float(math.prod(x.shape)) if reduction == 1 else total


# -- products ----------------------------------------------------------------------------------------------


def _product(b: Any, x: Any, y: Any) -> Any:
    if not _floats(x, y) or x.kind != y.kind or not math.prod((*x.shape, *y.shape)):
        return None
    return H(b, b.product(x.v, y.v))


LOWER["mm"] = _product
LOWER["bmm"] = _product


@rule("addmm_of", "baddbmm_of")
def _addmm(b: Any, x: Any, y: Any, z: Any, beta: Any, alpha: Any) -> Any:
    if not _floats(x) or not isinstance(beta, (int, float)) or not isinstance(alpha, (int, float)):
        return None
    product = _product(b, y, z)
    if product is None:
        return None
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (x if beta == 1 else x * beta)


@rule("mv")
def _mv(b: Any, x: Any, y: Any) -> Any:
    if not _floats(x, y) or not math.prod(x.shape):
        return None
    return (x * y).sum((1,)).reshape((x.shape[0],))
