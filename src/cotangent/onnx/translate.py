"""Translations: what an instruction of the tape is in ONNX. Here the registry and elementwise operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ..compile.tape import Instruction
from .graph import Graph

Translation = Callable[["Call"], Any]
TRANSLATIONS: Final[dict[str, Translation]] = {}


def translates(*names: str) -> Callable[[Translation], Translation]:
    """Register a function that writes the nodes of an operation.

    It gets a `Call` and returns the name of the result: a list of names (None for what it does not
    compute) where there are several.
    """

    def register(function: Translation) -> Translation:
        for name in names:
            TRANSLATIONS[name] = function
        return function

    return register


class Call:
    """One instruction, as a translation reads it."""

    def __init__(self, graph: Graph, step: Instruction, statics: dict[str, Any]) -> None:
        self.g = graph
        self.step = step
        self.statics = statics
        self.operands = step.operands
        self.dtype = step.dtypes[0]
        self.shape = graph.shape(step.results[0])

    def __getitem__(self, k: int) -> str:
        """The name of operand k."""
        return self.g.name(self.operands[k])

    def has(self, k: int) -> bool:
        """Whether the optional operand k is there."""
        return self.operands[k] is not None

    def kind(self, k: int) -> Any:
        """The NumPy dtype of operand k."""
        return self.g.dtype(self.operands[k])

    def size(self, k: int) -> tuple[Any, ...]:
        """The shape of operand k."""
        return self.g.shape(self.operands[k])

    def get(self, name: str) -> Any:
        """A static, as it is."""
        return self.statics[name]

    def whole(self, name: str) -> int:
        """A static integer."""
        return self.g.fixed(self.statics[name])

    def wholes(self, name: str) -> list[int]:
        """A static tuple of integers."""
        return [self.g.fixed(n) for n in self.statics[name]]

    def reads(self, k: int) -> bool:
        """Whether anything reads result k."""
        return self.step.results[k] in self.g.read

    def same(self, *ks: int) -> list[str]:
        """Operands, cast to the dtype of the result."""
        return [self.g.cast(self[k], self.kind(k), self.dtype) for k in ks]

    def scalar(self, value: Any) -> str:
        """A number of the result's dtype."""
        return self.g.scalar(value, self.dtype)


def translate(graph: Graph, step: Instruction, statics: dict[str, Any]) -> None:
    """Write an instruction's nodes.

    Raises:
        UnsupportedOperatorError: if there is no translation.
    """
    call = Call(graph, step, statics)
    function = TRANSLATIONS.get(step.op.name)
    if function is None:
        graph.refuse("has no translation to ONNX")
        return
    result = function(call)
    for number, name in zip(step.results, result if isinstance(result, list) else [result]):
        if name is not None:
            graph.names[number] = name


def maker(c: Call, number: int, names: tuple[str, ...]) -> Instruction | None:
    """The instruction that makes a value, if it is one of these operations."""
    made = c.g.makers.get(number)
    step = None if made is None else c.g.trace.steps[made]
    return step if step is not None and step.op.name in names else None


# -- elementwise -------------------------------------------------------------------------------------------

_UNARY: Final = {
    "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin",
    "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "asinh": "Asinh",
    "acosh": "Acosh", "atanh": "Atanh", "sigmoid": "Sigmoid", "relu": "Relu", "neg": "Neg", "abs": "Abs",
    "ceil": "Ceil", "floor": "Floor", "round_whole": "Round", "erf": "Erf", "reciprocal": "Reciprocal",
    "sign": "Sign", "hardswish_of": "HardSwish",
}  # fmt: skip
_BINARY: Final = {"mul": "Mul", "div_true": "Div", "maximum": "Max", "minimum": "Min", "pow_tensor": "Pow"}
_COMPARE: Final = {"eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual"}
_LOGIC: Final = {"and": "And", "or": "Or", "xor": "Xor"}
_SAME: Final = ("dense_clone", "ordered_clone", "alias", "clone_of", "clone_for_grad")


def _unary(kind: str) -> Translation:
    return lambda c: c.g.op(kind, *c.same(0))


def _binary(kind: str) -> Translation:
    return lambda c: c.g.op(kind, *c.same(0, 1))


def _compared(c: Call, kind: str) -> str:
    common = np.result_type(c.kind(0), c.kind(1))
    return c.g.op(kind, *[c.g.cast(c[k], c.kind(k), common) for k in (0, 1)])


def _logic(kind: str) -> Translation:
    boolean = np.dtype(np.bool_)
    return lambda c: c.g.op(kind, *[c.g.cast(c[k], c.kind(k), boolean) for k in (0, 1)])


for _name, _kind in _UNARY.items():
    TRANSLATIONS[_name] = _unary(_kind)
for _name, _kind in _BINARY.items():
    TRANSLATIONS[_name] = _binary(_kind)
for _name, _kind in _COMPARE.items():
    TRANSLATIONS[_name] = lambda c, kind=_kind: _compared(c, kind)  # type: ignore[misc]
for _name, _kind in _LOGIC.items():
    TRANSLATIONS[f"logical_{_name}"] = _logic(_kind)
for _name in _SAME:
    TRANSLATIONS[_name] = lambda c: c[0]


@translates("ne")
def _ne(c: Call) -> str:
    return c.g.op("Not", _compared(c, "Equal"))


@translates("logical_not")
def _not(c: Call) -> str:
    return c.g.op("Not", c.g.cast(c[0], c.kind(0), np.dtype(np.bool_)))


@translates("bitwise_and", "bitwise_or", "bitwise_xor")
def _bitwise(c: Call) -> str:
    kind = c.step.op.name[len("bitwise_") :]
    if c.dtype.kind == "b":
        return c.g.op(_LOGIC[kind], *c.same(0, 1))
    return c.g.op(f"Bitwise{_LOGIC[kind]}", *c.same(0, 1))


@translates("bitwise_not")
def _invert(c: Call) -> str:
    return c.g.op("Not" if c.dtype.kind == "b" else "BitwiseNot", c[0])


def _scaled(c: Call, name: str, alpha: Any) -> str:
    return name if alpha == 1 else c.g.op("Mul", name, c.scalar(alpha))


@translates("add", "sub", "rsub_number", "rsub_tensor")
def _add(c: Call) -> str:
    a, b = c.same(0, 1)
    if c.step.op.name.startswith("rsub"):
        return c.g.op("Sub", b, _scaled(c, a, c.get("alpha")))
    if c.dtype.kind == "b":
        return c.g.op("Or", a, b)
    return c.g.op("Add" if c.step.op.name == "add" else "Sub", a, _scaled(c, b, c.get("alpha")))


@translates("div_floor", "floor_divide_tensor", "floor_divide_number")
def _floor_divide(c: Call) -> str:
    a, b = c.same(0, 1)
    if c.dtype.kind == "f":
        return c.g.op("Floor", c.g.op("Div", a, b))
    return c.g.op("Div", c.g.op("Sub", a, c.g.op("Mod", a, b)), b)


@translates("div_trunc")
def _trunc_divide(c: Call) -> str:
    quotient = c.g.op("Div", *c.same(0, 1))
    return quotient if c.dtype.kind != "f" else _truncated(c, quotient)


def _truncated(c: Call, x: str) -> str:
    return c.g.op("Mul", c.g.op("Sign", x), c.g.op("Floor", c.g.op("Abs", x)))


@translates("trunc")
def _trunc(c: Call) -> str:
    return _truncated(c, c[0])


@translates("remainder_tensor", "remainder_number", "fmod_tensor", "fmod_number")
def _remainder(c: Call) -> str:
    a, b = c.same(0, 1)
    if c.step.op.name.startswith("fmod"):
        return c.g.op("Mod", a, b, fmod=1)
    if c.dtype.kind == "f":
        return c.g.op("Sub", a, c.g.op("Mul", b, c.g.op("Floor", c.g.op("Div", a, b))))
    return c.g.op("Mod", a, b)


@translates("where")
def _where(c: Call) -> str:
    condition = c.g.cast(c[0], c.kind(0), np.dtype(np.bool_))
    return c.g.op("Where", condition, *c.same(1, 2))


@translates("masked_fill_number")
def _masked_fill(c: Call) -> str:
    return c.g.op("Where", c[1], c.scalar(c.get("value")), c[0])


@translates("masked_fill_with")
def _masked_fill_with(c: Call) -> str:
    return c.g.op("Where", c[2], c.g.cast(c[1], c.kind(1), c.dtype), c[0])


@translates("clamp_numbers", "hardtanh_of", "relu6_of", "clamp_min_number", "clamp_max_number")
def _clamp(c: Call) -> str:
    low, high = (c.get(n) for n in (("min_val", "max_val") if "min_val" in c.statics else ("min", "max")))
    bounds = ["" if bound is None else c.scalar(bound) for bound in (low, high)]
    return c.g.op("Clip", *c.same(0), *bounds)


@translates("clamp_tensors")
def _clamp_tensors(c: Call) -> str:
    x = c.same(0)[0]
    if c.has(1):
        x = c.g.op("Max", x, *c.same(1))
    return c.g.op("Min", x, *c.same(2)) if c.has(2) else x


@translates("clamp_min_tensor", "clamp_max_tensor")
def _clamp_one(c: Call) -> str:
    return c.g.op("Max" if "min" in c.step.op.name else "Min", *c.same(0, 1))


@translates("pow_scalar")
def _pow(c: Call) -> str:
    return c.g.op("Pow", *c.same(0), c.scalar(c.get("exponent")))


@translates("pow_base")
def _pow_base(c: Call) -> str:
    return c.g.op("Pow", c.scalar(c.get("base")), *c.same(0))


@translates("rsqrt")
def _rsqrt(c: Call) -> str:
    return c.g.op("Reciprocal", c.g.op("Sqrt", *c.same(0)))


@translates("exp2")
def _exp2(c: Call) -> str:
    return c.g.op("Pow", c.scalar(2), *c.same(0))


@translates("expm1")
def _expm1(c: Call) -> str:
    return c.g.op("Sub", c.g.op("Exp", *c.same(0)), c.scalar(1))


@translates("log1p")
def _log1p(c: Call) -> str:
    return c.g.op("Log", c.g.op("Add", *c.same(0), c.scalar(1)))


@translates("log2", "log10")
def _log_base(c: Call) -> str:
    return c.g.op("Div", c.g.op("Log", *c.same(0)), c.scalar(np.log(2 if "2" in c.step.op.name else 10)))


@translates("addcmul_of", "addcdiv_of")
def _addcmul(c: Call) -> str:
    x, a, b = c.same(0, 1, 2)
    return c.g.op(
        "Add", x, _scaled(c, c.g.op("Mul" if "mul" in c.step.op.name else "Div", a, b), c.get("value"))
    )


@translates("lerp_number")
def _lerp(c: Call) -> str:
    a, b = c.same(0, 1)
    return c.g.op("Add", a, c.g.op("Mul", c.g.op("Sub", b, a), c.scalar(c.get("weight"))))


@translates("leaky_relu_of", "rrelu_of")
def _leaky_relu(c: Call) -> str:
    return c.g.op("LeakyRelu", c[0], alpha=float(c.get(c.step.op.statics[0])))


@translates("prelu_of")
def _prelu(c: Call) -> str:
    return c.g.op("PRelu", c[0], c[1])


@translates("elu_of")
def _elu(c: Call) -> str:
    alpha, scale, inner = (float(c.get(n)) for n in ("alpha", "scale", "input_scale"))
    if inner == 1.0:
        return (
            c.g.op("Elu", c[0], alpha=alpha)
            if scale == 1.0
            else c.g.op("Selu", c[0], alpha=alpha, gamma=scale)
        )
    negative = c.g.op("Sub", c.g.op("Exp", c.g.op("Mul", c[0], c.scalar(inner))), c.scalar(1))
    positive = c.g.op("Greater", c[0], c.scalar(0))
    bent = c.g.op("Where", positive, c[0], c.g.op("Mul", negative, c.scalar(alpha)))
    return _scaled(c, bent, scale)


@translates("celu_of")
def _celu(c: Call) -> str:
    return c.g.op("Celu", c[0], alpha=float(c.get("alpha")))


@translates("gelu_of")
def _gelu(c: Call) -> str:
    how, x = c.get("approximate"), c[0]
    if c.g.opset >= 20:
        return c.g.op("Gelu", x, approximate=how)
    if how == "none":
        inner = c.g.op("Erf", c.g.op("Mul", x, c.scalar(0.5**0.5)))
    else:
        cube = c.g.op("Mul", c.g.op("Pow", x, c.scalar(3)), c.scalar(0.044715))
        inner = c.g.op("Tanh", c.g.op("Mul", c.g.op("Add", x, cube), c.scalar((2 / np.pi) ** 0.5)))
    return c.g.op("Mul", c.g.op("Mul", x, c.scalar(0.5)), c.g.op("Add", inner, c.scalar(1)))


@translates("silu_of")
def _silu(c: Call) -> str:
    return c.g.op("Mul", c[0], c.g.op("Sigmoid", c[0]))


@translates("mish_of")
def _mish(c: Call) -> str:
    return c.g.op("Mul", c[0], c.g.op("Tanh", c.g.op("Softplus", c[0])))


@translates("softplus_of")
def _softplus(c: Call) -> str:
    beta, threshold = float(c.get("beta")), float(c.get("threshold"))
    scaled = _scaled(c, c[0], beta)
    soft = c.g.op("Softplus", scaled)
    soft = soft if beta == 1.0 else c.g.op("Div", soft, c.scalar(beta))
    return c.g.op("Where", c.g.op("Greater", scaled, c.scalar(threshold)), c[0], soft)


@translates("log_sigmoid")
def _log_sigmoid(c: Call) -> str:
    return c.g.op("Neg", c.g.op("Softplus", c.g.op("Neg", c[0])))


@translates("hardsigmoid_of")
def _hardsigmoid(c: Call) -> str:
    return c.g.op("HardSigmoid", c[0], alpha=1 / 6, beta=0.5)


@translates("hardshrink_of", "softshrink_of")
def _shrink(c: Call) -> str:
    lambd = float(c.get("lambd"))
    return c.g.op("Shrink", c[0], lambd=lambd, bias=lambd if "soft" in c.step.op.name else 0.0)


@translates("threshold_of")
def _threshold(c: Call) -> str:
    above = c.g.op("Greater", c[0], c.scalar(c.get("threshold")))
    return c.g.op("Where", above, c[0], c.scalar(c.get("value")))


@translates("glu_of")
def _glu(c: Call) -> str:
    attributes = {"num_outputs": 2} if c.g.opset >= 18 else {}
    left, right = c.g.ops("Split", [c[0]], 2, axis=c.whole("dim"), **attributes)
    return c.g.op("Mul", left, c.g.op("Sigmoid", right))


@translates("isnan")
def _isnan(c: Call) -> str:
    return c.g.op("IsNaN", c[0])


@translates("isinf")
def _isinf(c: Call) -> str:
    return c.g.op("IsInf", c[0])


@translates("cast", "cast_back")
def _cast(c: Call) -> str:
    return c.g.cast(c[0], c.kind(0), np.dtype(c.get("dtype")))


@translates("zeros_like", "ones_like", "full_like", "fill_number")
def _like(c: Call) -> str:
    value = c.statics.get("value", 1 if c.step.op.name == "ones_like" else 0)
    return c.g.filled(c.shape, value, c.dtype)


@translates("written_tensor", "copy_to", "fill_tensor")
def _written(c: Call) -> str:
    return c.g.op("Expand", c.g.cast(c[1], c.kind(1), c.dtype), c.g.sizes(c.shape))


@translates("softmax_of", "log_softmax_of")
def _softmax(c: Call) -> str:
    kind = "Softmax" if c.step.op.name == "softmax_of" else "LogSoftmax"
    return c.g.op(kind, c[0], axis=c.whole("dim")) if c.shape else c.g.op(kind, c[0])


def mean_and_variance(c: Call, x: str, dims: Sequence[int]) -> tuple[str, str]:
    """What is left of x without its mean over dimensions, and its variance there."""
    centred = c.g.op("Sub", x, c.g.reduce("ReduceMean", x, dims, True))
    return centred, c.g.reduce("ReduceMean", c.g.op("Mul", centred, centred), dims, True)
