"""Writing vector code as LLVM IR text: values that know their type, and operators that emit instructions.

`Text` collects the lines of one function; a `Vec` is an SSA value of `lanes` elements (1: a scalar) of one of
the types below. `a * b + c` on Vecs emits the instructions; `text.fma(a, b, c)` rounds once.

    f32 f64             computed as they are
    i8 i16 i32 i64 u8   integers
    b1                  truth values (a byte each in memory)
    f16 bf16            only in memory: `load` gives f32, `store` rounds to nearest even
"""

from __future__ import annotations

import struct
from typing import Any, Final

__all__ = ["ITEMSIZE", "Text", "Vec", "compute_type", "llvm_type"]

_LLVM: Final = {
    "f32": "float", "f64": "double", "i8": "i8", "u8": "i8", "i16": "i16", "i32": "i32", "i64": "i64", "b1":
    "i1",
}  # fmt: skip
# What memory holds.
_MEMORY: Final = {**_LLVM, "b1": "i8", "f16": "half", "bf16": "i16"}
ITEMSIZE: Final = {
    "f32": 4, "f64": 8, "i8": 1, "u8": 1, "i16": 2, "i32": 4, "i64": 8, "b1": 1, "f16": 2, "bf16": 2,
}  # fmt: skip
_SUFFIX: Final = {"float": "f32", "double": "f64", "half": "f16"}
_FLOATS: Final = ("f32", "f64")
_COMPARE: Final = {
    "eq": ("oeq", "eq", "eq"), "ne": ("une", "ne", "ne"), "lt": ("olt", "slt", "ult"),
    "le": ("ole", "sle", "ule"), "gt": ("ogt", "sgt", "ugt"), "ge": ("oge", "sge", "uge"),
}  # fmt: skip


def compute_type(kind: str) -> str:
    """The type that values of a type in memory are computed in."""
    return "f32" if kind in ("f16", "bf16") else kind


def llvm_type(kind: str, lanes: int) -> str:
    """LLVM's name of a vector type (of the element type for one lane)."""
    return f"<{lanes} x {_LLVM[kind]}>" if lanes > 1 else _LLVM[kind]


def _memory_type(kind: str, lanes: int) -> str:
    return f"<{lanes} x {_MEMORY[kind]}>" if lanes > 1 else _MEMORY[kind]


def literal(value: float | int | bool, kind: str) -> str:
    """A number as LLVM writes constants; floats by their bits."""
    if kind == "b1":
        return "true" if value else "false"
    if kind not in _FLOATS:
        return str(int(value))
    number = float(value)
    if kind == "f32":
        try:
            number = struct.unpack("f", struct.pack("f", number))[0]
        except OverflowError:
            number = float("inf") if number > 0 else float("-inf")
    return f"0x{struct.unpack('>Q', struct.pack('>d', number))[0]:016X}"


class Vec:
    """An SSA value; immutable."""

    __slots__ = ("text", "name", "kind", "lanes")

    def __init__(self, text: Text, name: str, kind: str, lanes: int) -> None:
        self.text = text
        self.name = name
        self.kind = kind
        self.lanes = lanes

    @property
    def type(self) -> str:
        return llvm_type(self.kind, self.lanes)

    def _binary(self, other: Any, on_float: str, on_int: str) -> Vec:
        b = self.text.like(self, other)
        if self.kind in _FLOATS:
            return self.text.op(f"{on_float} {self.type} {self.name}, {b.name}", self.kind, self.lanes)
        return self.text.op(f"{on_int} {self.type} {self.name}, {b.name}", self.kind, self.lanes)

    def __add__(self, other: Any) -> Vec:
        return self._binary(other, "fadd", "add")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Vec:
        return self._binary(other, "fsub", "sub")

    def __rsub__(self, other: float) -> Vec:
        return self.text.like(self, other)._binary(self, "fsub", "sub")

    def __mul__(self, other: Any) -> Vec:
        return self._binary(other, "fmul", "mul")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Vec:
        return self._binary(other, "fdiv", "sdiv")

    def __rtruediv__(self, other: float) -> Vec:
        return self.text.like(self, other)._binary(self, "fdiv", "sdiv")

    def __and__(self, other: Any) -> Vec:
        return self._binary(other, "and", "and")

    def __or__(self, other: Any) -> Vec:
        return self._binary(other, "or", "or")

    def __xor__(self, other: Any) -> Vec:
        return self._binary(other, "xor", "xor")

    def __lshift__(self, other: Any) -> Vec:
        return self._binary(other, "shl", "shl")

    def __rshift__(self, other: Any) -> Vec:
        return self._binary(other, "ashr", "lshr" if self.kind == "u8" else "ashr")

    def __neg__(self) -> Vec:
        if self.kind in _FLOATS:
            return self.text.op(f"fneg {self.type} {self.name}", self.kind, self.lanes)
        return 0 - self

    def compare(self, how: str, other: Any) -> Vec:
        """`how` is eq, ne, lt, le, gt or ge; comparisons with nan are false, ne true."""
        b = self.text.like(self, other)
        on_float, signed, unsigned = _COMPARE[how]
        if self.kind in _FLOATS:
            code = f"fcmp {on_float}"
        else:
            code = f"icmp {unsigned if self.kind in ('u8', 'b1') else signed}"
        return self.text.op(f"{code} {self.type} {self.name}, {b.name}", "b1", self.lanes)

    def __lt__(self, other: Any) -> Vec:
        return self.compare("lt", other)

    def __le__(self, other: Any) -> Vec:
        return self.compare("le", other)

    def __gt__(self, other: Any) -> Vec:
        return self.compare("gt", other)

    def __ge__(self, other: Any) -> Vec:
        return self.compare("ge", other)

    def is_nan(self) -> Vec:
        return self.text.op(f"fcmp uno {self.type} {self.name}, {self.name}", "b1", self.lanes)

    def select(self, yes: Any, no: Any) -> Vec:
        """`yes` where this (of b1) is true, else `no`; one of them is a Vec."""
        model = yes if isinstance(yes, Vec) else no
        a, b = self.text.like(model, yes), self.text.like(model, no)
        return self.text.op(
            f"select {self.type} {self.name}, {a.type} {a.name}, {b.type} {b.name}", model.kind, model.lanes
        )

    def bits(self, kind: str) -> Vec:
        """The same bits as another type of equal size."""
        return self.text.op(
            f"bitcast {self.type} {self.name} to {llvm_type(kind, self.lanes)}", kind, self.lanes
        )

    def cast(self, kind: str) -> Vec:
        """The value in another type: toward zero from float to integer, `!= 0` to truth values."""
        if kind == self.kind:
            return self
        text, source = self.text, self.kind
        target = llvm_type(kind, self.lanes)

        def emit(code: str) -> Vec:
            return text.op(f"{code} {self.type} {self.name} to {target}", kind, self.lanes)

        if kind == "b1":
            return self.compare("ne", 0)
        if source in _FLOATS and kind in _FLOATS:
            return emit("fpext" if kind == "f64" else "fptrunc")
        if source in _FLOATS:
            if ITEMSIZE[kind] < 4:
                return self.cast("i32").cast(kind)
            whole = emit("fptosi")
            # Out of range this would be poison; frozen it is the instruction's answer.
            return text.op(f"freeze {target} {whole.name}", kind, self.lanes)
        if kind in _FLOATS:
            return emit("uitofp" if source in ("u8", "b1") else "sitofp")
        wider = ITEMSIZE[kind] - (0 if source == "b1" else ITEMSIZE[source])
        if wider > 0:
            return emit("zext" if source in ("u8", "b1") else "sext")
        if wider < 0:
            return emit("trunc")
        return Vec(text, self.name, kind, self.lanes)


class Text:
    """The lines of a function, and the declarations they need."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.declarations: dict[str, None] = {}
        self._counter = 0

    def fresh(self, stem: str = "v") -> str:
        """A name nobody has."""
        self._counter += 1
        return f"%{stem}{self._counter}"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def new_label(self, stem: str) -> str:
        self._counter += 1
        return f"{stem}{self._counter}"

    def op(self, code: str, kind: str, lanes: int) -> Vec:
        """Emit one instruction with a result."""
        name = self.fresh()
        self.lines.append(f"  {name} = {code}")
        return Vec(self, name, kind, lanes)

    def const(self, value: Any, kind: str, lanes: int) -> Vec:
        """A constant; no instruction."""
        word = literal(value, kind)
        name = f"splat ({_LLVM[kind]} {word})" if lanes > 1 else word
        return Vec(self, name, kind, lanes)

    def like(self, model: Vec, value: Vec | float) -> Vec:
        """`value` as a Vec of the type of `model`: numbers become constants."""
        if isinstance(value, Vec):
            return value
        return self.const(value, model.kind, model.lanes)

    def splat(self, scalar: Vec, lanes: int) -> Vec:
        """A scalar in every lane."""
        if lanes == 1:
            return scalar
        vector = llvm_type(scalar.kind, lanes)
        one = self.op(
            f"insertelement {vector} poison, {scalar.type} {scalar.name}, i64 0", scalar.kind, lanes
        )
        return self.op(
            f"shufflevector {vector} {one.name}, {vector} poison, <{lanes} x i32> zeroinitializer",
            scalar.kind, lanes,
        )  # fmt: skip

    def iota(self, kind: str, lanes: int) -> Vec:
        """0, 1, 2, ..., as a constant."""
        if lanes == 1:
            return self.const(0, kind, 1)
        words = ", ".join(f"{_LLVM[kind]} {i}" for i in range(lanes))
        return Vec(self, f"<{words}>", kind, lanes)

    def intrinsic(self, name: str, result: str, *arguments: tuple[str, str]) -> str:
        """A call of a declared function; gives the code of the instruction."""
        kinds = ", ".join(kind for kind, _ in arguments)
        self.declarations[f"declare {result} @{name}({kinds})"] = None
        return f"call {result} @{name}({', '.join(f'{kind} {value}' for kind, value in arguments)})"

    def call(self, stem: str, *arguments: Vec) -> Vec:
        """An intrinsic such as "sqrt" whose arguments and result are of one type."""
        first = arguments[0]
        element = _SUFFIX.get(_LLVM[first.kind], _LLVM[first.kind])
        suffix = f"v{first.lanes}{element}" if first.lanes > 1 else element
        code = self.intrinsic(f"llvm.{stem}.{suffix}", first.type, *((a.type, a.name) for a in arguments))
        return self.op(code, first.kind, first.lanes)

    def library(self, name: str, *arguments: Vec) -> Vec:
        """A function of the C library, lane by lane."""
        first = arguments[0]
        scalar = _LLVM[first.kind]
        symbol = name + "f" if first.kind == "f32" else name
        if first.lanes == 1:
            code = self.intrinsic(symbol, scalar, *((scalar, a.name) for a in arguments))
            return self.op(code, first.kind, 1)
        result = Vec(self, "poison", first.kind, first.lanes)
        for i in range(first.lanes):
            lane = [self.op(f"extractelement {a.type} {a.name}, i64 {i}", a.kind, 1) for a in arguments]
            value = self.library(name, *lane)
            result = self.op(
                f"insertelement {result.type} {result.name}, {scalar} {value.name}, i64 {i}",
                first.kind, first.lanes,
            )  # fmt: skip
        return result

    def fma(self, a: Vec, b: Any, c: Any) -> Vec:
        """a * b + c, rounded once where the CPU can."""
        return self.call("fma", a, self.like(a, b), self.like(a, c))

    def polynomial(self, x: Vec, *coefficients: float) -> Vec:
        """Horner's scheme; the highest power's coefficient first."""
        value = self.const(coefficients[0], x.kind, x.lanes)
        for c in coefficients[1:]:
            value = self.fma(value, x, c)
        return value

    def maximum(self, a: Vec, b: Any) -> Vec:
        """The larger; nan if one is."""
        other = self.like(a, b)
        if a.kind in _FLOATS:
            return self.call("maximum", a, other)
        return (a > other).select(a, other)

    def minimum(self, a: Vec, b: Any) -> Vec:
        """The smaller; nan if one is."""
        other = self.like(a, b)
        if a.kind in _FLOATS:
            return self.call("minimum", a, other)
        return (a < other).select(a, other)

    # Memory. `mask` is a Vec of b1 or None; lanes that are off are not touched.

    def load(self, pointer: str, kind: str, lanes: int, mask: Vec | None = None, aligned: int = 0) -> Vec:
        """Neighbouring elements from `pointer`, in the type that they are computed in."""
        memory = _memory_type(kind, lanes)
        align = aligned or ITEMSIZE[kind]
        if mask is None:
            name = self.fresh()
            self.line(f"{name} = load {memory}, ptr {pointer}, align {align}")
        else:
            whole = f"v{lanes}{_SUFFIX.get(_MEMORY[kind], _MEMORY[kind])}"
            code = self.intrinsic(
                f"llvm.masked.load.{whole}.p0", memory,
                ("ptr", pointer), ("i32", str(align)), (mask.type, mask.name), (memory, "zeroinitializer"),
            )  # fmt: skip
            name = self.fresh()
            self.line(f"{name} = {code}")
        return self._unpacked(name, kind, lanes)

    def gather(self, pointer: str, stride: Vec, kind: str, lanes: int, mask: Vec | None = None) -> Vec:
        """Elements `stride` (an i64 scalar, in elements) apart."""
        return self.picked(pointer, self.iota("i64", lanes) * self.splat(stride, lanes), kind, mask)

    def picked(self, pointer: str, places: Vec, kind: str, mask: Vec | None = None) -> Vec:
        """Elements at places (i32 or i64, counted in elements)."""
        lanes = places.lanes
        pointers = self._pointers(pointer, places, kind)
        memory = _memory_type(kind, lanes)
        on = mask or self.const(True, "b1", lanes)
        whole = f"v{lanes}{_SUFFIX.get(_MEMORY[kind], _MEMORY[kind])}"
        code = self.intrinsic(
            f"llvm.masked.gather.{whole}.v{lanes}p0", memory,
            (f"<{lanes} x ptr>", pointers), ("i32", str(ITEMSIZE[kind])), (on.type, on.name),
            (memory, "zeroinitializer"),
        )  # fmt: skip
        name = self.fresh()
        self.line(f"{name} = {code}")
        return self._unpacked(name, kind, lanes)

    def _pointers(self, pointer: str, offsets: Vec, kind: str) -> str:
        name = self.fresh()
        self.line(f"{name} = getelementptr {_MEMORY[kind]}, ptr {pointer}, {offsets.type} {offsets.name}")
        return name

    def _unpacked(self, name: str, kind: str, lanes: int) -> Vec:
        if kind == "b1":
            return Vec(self, name, "u8", lanes).compare("ne", 0)
        if kind == "bf16":
            return (Vec(self, name, "i16", lanes).cast("i32") << 16).bits("f32")
        if kind == "f16":
            target = llvm_type("f32", lanes)
            return self.op(f"fpext {_memory_type(kind, lanes)} {name} to {target}", "f32", lanes)
        return Vec(self, name, kind, lanes)

    def _packed(self, value: Vec, kind: str) -> str:
        lanes = value.lanes
        value = value.cast(compute_type(kind))
        if kind == "b1":
            return value.cast("u8").name
        if kind == "bf16":
            # To nearest, ties to even; nans stay nans.
            whole = value.bits("i32")
            odd = self.op(f"lshr {whole.type} {whole.name}, {self.like(whole, 16).name}", "i32", lanes) & 1
            up = whole + odd + 0x7FFF
            high = self.op(f"lshr {up.type} {up.name}, {self.like(up, 16).name}", "i32", lanes)
            return value.is_nan().select(0x7FC0, high).cast("i16").name
        if kind == "f16":
            name = self.fresh()
            self.line(f"{name} = fptrunc {value.type} {value.name} to {_memory_type(kind, lanes)}")
            return name
        return value.name

    def rounded(self, value: Vec, kind: str) -> Vec:
        """An f32 value as a 16-bit float would hold it."""
        return self._unpacked(self._packed(value, kind), kind, value.lanes)

    def store(self, value: Vec, pointer: str, kind: str, mask: Vec | None = None) -> None:
        """Neighbouring elements to `pointer`."""
        memory = _memory_type(kind, value.lanes)
        name = self._packed(value, kind)
        if mask is None:
            self.line(f"store {memory} {name}, ptr {pointer}, align {ITEMSIZE[kind]}")
            return
        whole = f"v{value.lanes}{_SUFFIX.get(_MEMORY[kind], _MEMORY[kind])}"
        code = self.intrinsic(
            f"llvm.masked.store.{whole}.p0", "void",
            (memory, name), ("ptr", pointer), ("i32", str(ITEMSIZE[kind])), (mask.type, mask.name),
        )  # fmt: skip
        self.line(code)

    def scatter(self, value: Vec, pointer: str, stride: Vec, kind: str, mask: Vec | None = None) -> None:
        """To elements `stride` apart."""
        lanes = value.lanes
        memory = _memory_type(kind, lanes)
        name = self._packed(value, kind)
        pointers = self._pointers(pointer, self.iota("i64", lanes) * self.splat(stride, lanes), kind)
        on = mask or self.const(True, "b1", lanes)
        whole = f"v{lanes}{_SUFFIX.get(_MEMORY[kind], _MEMORY[kind])}"
        code = self.intrinsic(
            f"llvm.masked.scatter.{whole}.v{lanes}p0", "void",
            (memory, name), (f"<{lanes} x ptr>", pointers), ("i32", str(ITEMSIZE[kind])), (on.type, on.name),
        )  # fmt: skip
        self.line(code)

    # Whole vectors to one element.

    def reduce(self, value: Vec, how: str) -> Vec:
        """The sum, prod, max or min of the lanes (max and min: nan if one is), in a fixed order."""
        lanes = value.lanes
        while lanes > 1:
            half = lanes // 2
            low = ", ".join(f"i32 {i}" for i in range(half))
            high = ", ".join(f"i32 {i}" for i in range(half, lanes))
            if half > 1:
                whole = f"{value.type} {value.name}, {value.type} poison"
                codes = [f"shufflevector {whole}, <{half} x i32> <{mask}>" for mask in (low, high)]
            else:
                codes = [f"extractelement {value.type} {value.name}, i64 {i}" for i in (0, 1)]
            parts = [self.op(code, value.kind, half) for code in codes]
            value = self.combine(parts[0], parts[1], how)
            lanes = half
        return value

    def combine(self, a: Vec, b: Vec, how: str) -> Vec:
        """Two partial results of a reduction."""
        if how == "sum":
            return a + b
        if how == "prod":
            return a * b
        return self.maximum(a, b) if how == "max" else self.minimum(a, b)

    def reduce_and(self, value: Vec) -> Vec:
        """Whether all lanes (of b1) are true."""
        if value.lanes == 1:
            return value
        code = self.intrinsic(f"llvm.vector.reduce.and.v{value.lanes}i1", "i1", (value.type, value.name))
        return self.op(code, "b1", 1)
