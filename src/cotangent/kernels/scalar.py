"""Scalar expressions, as data: what one element of a result is made of.

A `Body` is a flat list of operations, each on earlier ones, that is built by calling its methods and compared
by content: equal operations are one. `loops` makes kernels of it; `structure()` is its part of their names.

    body = Body()
    x, y = body.input(0, "f32"), body.input(1, "f32")
    z = body.op("mul", body.op("exp", x), y)

Types are those of `vectors`. Operands of an operation have one type (`cast` changes it), conditions "b1".
What 16-bit floats hold is computed in f32, and rounded to them where asked. The vocabulary is UNARY, BINARY,
COMPARISONS and `where`, `fma`, `cast`, `pow`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Final

from . import vmath, vmath_gamma
from .vectors import ITEMSIZE, Text, Vec, literal

__all__ = ["BINARY", "COMPARISONS", "UNARY", "Body", "emit", "supports"]

Unary = Callable[[Text, Vec], Vec]
Binary = Callable[[Text, Vec, Vec], Vec]


def _relu(t: Text, x: Vec) -> Vec:
    # nan and -0 pass, as in PyTorch
    return (x < 0).select(0, x)


def _sign(t: Text, x: Vec) -> Vec:
    one = (x > 0).select(t.like(x, 1), t.like(x, 0))
    y = (x < 0).select(-1, one)
    return x.is_nan().select(x, y) if x.kind in ("f32", "f64") else y


def _absolute(t: Text, x: Vec) -> Vec:
    return t.call("fabs", x) if x.kind in ("f32", "f64") else (x < 0).select(-x, x)


def _not(t: Text, x: Vec) -> Vec:
    return x ^ (True if x.kind == "b1" else -1)


UNARY: Final[dict[str, Unary]] = {
    "neg": lambda t, x: -x,
    "abs": _absolute,
    "sign": _sign,
    "relu": _relu,
    "square": lambda t, x: x * x,
    "reciprocal": lambda t, x: 1.0 / x,
    "sqrt": lambda t, x: t.call("sqrt", x),
    "rsqrt": lambda t, x: 1.0 / t.call("sqrt", x),
    "floor": lambda t, x: t.call("floor", x),
    "ceil": lambda t, x: t.call("ceil", x),
    "trunc": lambda t, x: t.call("trunc", x),
    "round": lambda t, x: t.call("rint", x),
    "exp": vmath.exp,
    "exp2": vmath.exp2,
    "expm1": vmath.expm1,
    "log": vmath.log,
    "log1p": vmath.log1p,
    "log2": vmath.log2,
    "log10": vmath.log10,
    "sigmoid": vmath.sigmoid,
    "tanh": vmath.tanh,
    "erf": vmath.erf,
    "lgamma": vmath_gamma.lgamma,
    "sin": vmath.sin,
    "cos": vmath.cos,
    "tan": vmath.tan,
    "not": _not,
    "round_f16": lambda t, x: t.rounded(x, "f16"),
    "round_bf16": lambda t, x: t.rounded(x, "bf16"),
}
BINARY: Final[dict[str, Binary]] = {
    "add": lambda t, a, b: a + b,
    "sub": lambda t, a, b: a - b,
    "mul": lambda t, a, b: a * b,
    "div": lambda t, a, b: a / b,
    "maximum": lambda t, a, b: t.maximum(a, b),
    "minimum": lambda t, a, b: t.minimum(a, b),
    "and": lambda t, a, b: a & b,
    "or": lambda t, a, b: a | b,
    "xor": lambda t, a, b: a ^ b,
    "shl": lambda t, a, b: a << b,
    "shr": lambda t, a, b: a >> b,
    "lshr": lambda t, a, b: t.op(f"lshr {a.type} {a.name}, {b.name}", a.kind, a.lanes),
    "copysign": lambda t, a, b: t.call("copysign", a, b),
    "fmod": vmath.fmod,
    "pow": vmath.pow_,
}
COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge")
# Operations of floats only.
_FLOAT_ONLY: Final = frozenset(
    {*UNARY} - {"neg", "abs", "sign", "relu", "square", "not"} | {"copysign", "fmod", "pow", "div"}
)


def supports(name: str, kind: str) -> bool:
    """Whether an operation exists for operands of a type.

    Args:
        name: of the vocabulary.
        kind: the operands' type.

    Returns:
        True if it does.
    """
    if name.startswith("round_"):
        return kind == "f32"
    if name in _FLOAT_ONLY:
        return kind in ("f32", "f64")
    if kind == "b1":
        return name in ("not", "and", "or", "xor", "where", "cast", "eq", "ne")
    return name in UNARY or name in BINARY or name in COMPARISONS or name in ("where", "fma", "cast")


class Body:
    """An expression: operations in order, each a tuple (operation, type, *operands).

    Operands of operations are positions in `nodes`. The leaves are

        ("in", type, i)       the element of input i
        ("num", type, i)      run-time number i
        ("const", type, s)    a constant, as LLVM writes it
        ("row", type, i)      row value i (see `loops`)
        ("index", "i64")      the position along the innermost dimension
    """

    __slots__ = ("nodes", "_known")

    def __init__(self) -> None:
        self.nodes: list[tuple[Any, ...]] = []
        self._known: dict[tuple[Any, ...], int] = {}

    def copy(self) -> Body:
        """A body with the same operations at the same positions."""
        made = Body()
        made.nodes = list(self.nodes)
        made._known = dict(self._known)
        return made

    def leaf(self, *node: Any) -> int:
        """The position of a node, which is entered if it is new; no checks."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return found

    def kind(self, ref: int) -> str:
        """The type of a value."""
        return str(self.nodes[ref][1])

    def input(self, i: int, kind: str) -> int:
        """The element of input `i`, in the type it is computed in."""
        return self.leaf("in", kind, i)

    def number(self, i: int, kind: str) -> int:
        """Number `i`, known when the kernel runs."""
        return self.leaf("num", kind, i)

    def const(self, value: float, kind: str) -> int:
        """A constant, part of the structure."""
        return self.leaf("const", kind, literal(value, kind))

    def row(self, i: int, kind: str) -> int:
        """Row value `i`, made by an earlier pass over the row."""
        return self.leaf("row", kind, i)

    def index(self) -> int:
        """The position along the innermost dimension, an i64."""
        return self.leaf("index", "i64")

    def op(self, name: str, *refs: int) -> int:
        """An operation of the vocabulary.

        Args:
            name: of UNARY, BINARY, COMPARISONS, or "where" (condition, yes, no), "fma".
            *refs: the operands.

        Returns:
            The result's position.

        Raises:
            TypeError: if the operation does not exist for these types.
        """
        kinds = [self.kind(r) for r in refs]
        first = kinds[1] if name == "where" else kinds[0]
        same = len({*kinds[1:]}) == 1 and kinds[0] == "b1" if name == "where" else len({*kinds}) == 1
        if not same or not supports(name, first):
            raise TypeError(f"{name} of {', '.join(kinds)}")
        return self.leaf(name, "b1" if name in COMPARISONS else first, *refs)

    def cast(self, ref: int, kind: str) -> int:
        """A value in another type."""
        return ref if self.kind(ref) == kind else self.leaf("cast", kind, ref)

    def structure(self) -> str:
        """The body as part of a kernel's name."""
        return ";".join(",".join(map(str, node)) for node in self.nodes)

    def leaves(self, which: str) -> list[tuple[int, str]]:
        """Numbers and types of the leaves of one sort ("in", "num", "row"), by number."""
        return sorted((node[2], node[1]) for node in self.nodes if node[0] == which)


def needed(body: Body, refs: Sequence[int], known: Container[int] = ()) -> list[int]:
    """What some values depend on, themselves included, in order; not what only known ones do."""
    seen = set(refs)
    for position in range(max(seen, default=-1), -1, -1):
        if position in seen and position not in known:
            node = body.nodes[position]
            if node[0] not in ("in", "num", "const", "row", "index"):
                seen.update(node[2:])
    return sorted(seen)


def emit(
    text: Text,
    body: Body,
    refs: Sequence[int],
    lanes: int,
    leaf: Callable[..., Vec],
    known: Mapping[int, Vec] | None = None,
) -> list[Vec]:
    """Write the code of some values of a body.

    Args:
        text: where to.
        body: the expression.
        refs: which values.
        lanes: elements at once.
        leaf: called as `leaf(sort, type, *rest)` for "in", "num", "row" and "index".
        known: values that are there already.

    Returns:
        The values.
    """
    made: dict[int, Vec] = dict(known or {})
    for position in needed(body, refs, made):
        if position in made:
            continue
        name, kind, *rest = body.nodes[position]
        if name in ("in", "num", "row", "index"):
            made[position] = leaf(name, kind, *rest)
        elif name == "const":
            scalar = Vec(text, rest[0], kind, 1)
            made[position] = (
                scalar if lanes == 1 else Vec(text, f"splat ({scalar.type} {rest[0]})", kind, lanes)
            )
        else:
            operands = [made[r] for r in rest]
            made[position] = _operation(text, name, kind, operands)
    return [made[r] for r in refs]


def _operation(text: Text, name: str, kind: str, operands: list[Vec]) -> Vec:
    if name == "cast":
        return operands[0].cast(kind)
    if name in COMPARISONS:
        return operands[0].compare(name, operands[1])
    if name == "where":
        return operands[0].select(operands[1], operands[2])
    if name == "fma":
        return text.fma(*operands)
    if name in UNARY:
        return UNARY[name](text, operands[0])
    return BINARY[name](text, operands[0], operands[1])


def widest(body: Body) -> int:
    """Bytes of the largest type a body computes with (what the number of lanes follows)."""
    return max((ITEMSIZE[node[1]] for node in body.nodes if node[0] != "index"), default=4)
