"""The ONNX graph while it is written: names, constants, nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import lazy
from ..autograd.where import place
from ..compile.tape import Instruction
from ..kernels.sparse_parts import to_dense
from .errors import UnsupportedOperatorError
from .sizes import Size, Traced, Varying

onnx: Any = lazy.module("onnx")


class Graph:
    """Nodes and initializers, and what is known of the values of a trace.

    A result is a string, the name of a value in the graph. Constants are made where they are used, so nothing
    is written that no node reads.
    """

    def __init__(self, trace: Traced, opset: int, constant_parameters: bool) -> None:
        self.trace = trace
        self.opset = opset
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.makers: dict[int, int] = {n: k for k, s in enumerate(trace.steps) for n in s.results}
        self.read: set[int] = set(trace.outputs)  # what leads to a result
        for step in reversed(trace.steps):
            if self.read.intersection(step.results):
                self.read.update(step.reads())
        self.constants: dict[int, Any] = {
            n: to_dense(a) for n, a in trace.arrays.items() if not isinstance(a, Varying)
        }
        self.spot = ""
        self.step: Instruction | None = None
        self._kept: dict[Any, str] = {}
        self._counts: dict[str, int] = {}
        if constant_parameters:
            self.constants.update({n: a for n, (_, a) in trace.parameters.items()})

    # -- what is known ---------------------------------------------------------------------------------

    def shape(self, number: int) -> tuple[Any, ...]:
        """The shape of a value: integers, and sizes that are not fixed."""
        return self.trace.shapes[number]

    def dtype(self, number: int) -> Any:
        """The NumPy dtype of a value."""
        return self.trace.dtypes[number]

    def fixed(self, value: Any) -> int:
        """An integer that must not depend on the inputs' sizes.

        Raises:
            UnsupportedOperatorError: if it does.
        """
        if isinstance(value, (Size, Varying)):
            self.refuse("depends on a dynamic size in a way that has no translation to ONNX")
        return int(value)

    def refuse(self, why: str) -> Any:
        """Raise the error that names the operation and its line."""
        assert self.step is not None
        where = place(self.step.code, self.step.lasti)
        raise UnsupportedOperatorError(
            f"the operator '{self.step.op.public}' ({self.step.op.name}) at {where.file}:{where.line} {why} "
            f"(opset version {self.opset}): {where.text.strip()}"
        )

    # -- names -----------------------------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        """A name that nothing has yet."""
        count = self._counts.get(stem, 0)
        self._counts[stem] = count + 1
        return f"{stem}_{count}"

    def name(self, number: int) -> str:
        """The name of a value of the trace, whose constant is written if it is one."""
        found = self.names.get(number)
        if found is None:
            found = self.names[number] = self._bound(number)
        return found

    def _bound(self, number: int) -> str:
        if number in self.trace.parameters:
            name, array = self.trace.parameters[number]
            self.initializers[name] = array
            return name
        if number in self.constants:
            return self.constant(self.constants[number])
        varying = self.trace.arrays[number]
        return self._of_size(number, varying.seen)

    def _of_size(self, number: int, seen: Sequence[Any]) -> str:
        """An array the program made whose shape depends on sizes, if it follows a simple rule."""
        shape, d = self.shape(number), self.dtype(number)
        if all(a.size and (a == a.flat[0]).all() for a in seen) and len({a.flat[0] for a in seen}) == 1:
            return self.filled(shape, seen[0].flat[0], d)
        if all(a.ndim == 1 and a.size >= 2 for a in seen):
            start, step = seen[0][0], seen[0][1] - seen[0][0]
            if d.kind in "iu" and all(np.array_equal(a, start + step * np.arange(a.size)) for a in seen):
                whole = self.op("Mul", self.number(shape[0]), self.ints(int(step), scalar=True))
                stop = self.op("Add", whole, self.ints(int(start), scalar=True))
                first, each = self.ints(int(start), scalar=True), self.ints(int(step), scalar=True)
                return self.cast(self.op("Range", first, stop, each), np.dtype(np.int64), d)
        found = self._triangle(shape, d, seen)
        if found is None:
            return str(
                self.refuse(f"uses an array of shape {list(seen[0].shape)} made for one dynamic size only,")
            )
        return found

    def _triangle(self, shape: tuple[Any, ...], d: Any, seen: Sequence[Any]) -> str | None:
        """Arrays with one value below a diagonal and another above: masks of causal attention."""
        matrices = []
        for a in seen:
            if a.ndim < 2 or min(a.shape[-2:]) < 2 or a.size != a.shape[-1] * a.shape[-2]:
                return None
            matrices.append(a.reshape(a.shape[-2:]))
        low, high = matrices[0][-1, 0], matrices[0][0, -1]
        for offset in (0, 1):
            if all(np.array_equal(m, np.where(_below(m.shape, offset), low, high)) for m in matrices):
                above = self.above(shape[-2], shape[-1], offset)
                values = [self.constant(np.array(value, d)) for value in (high, low)]
                chosen = self.op("Where", above, *values)
                return chosen if len(shape) == 2 else self.reshape(chosen, shape)
        return None

    def above(self, rows: Any, columns: Any, offset: int) -> str:
        """Booleans (rows, columns): true from the diagonal `offset` upward."""
        zero, one = self.ints(0, scalar=True), self.ints(1, scalar=True)
        down = self.op("Unsqueeze", self.op("Range", zero, self.number(rows), one), self.ints(1))
        right = self.op("Range", zero, self.number(columns), one)
        first = self.op("Add", down, self.ints(offset, scalar=True))
        return self.op("Not", self.op("Less", right, first))

    # -- constants -------------------------------------------------------------------------------------

    def constant(self, array: Any) -> str:
        """An initializer with these numbers."""
        array = np.asarray(array)
        key = (array.dtype, array.shape, array.tobytes())
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self.fresh("constant")
            self.initializers[found] = array
        return found

    def ints(self, *values: int, scalar: bool = False) -> str:
        """A constant of int64: a vector, or a scalar."""
        return self.constant(np.array(values[0] if scalar else values, np.int64))

    def scalar(self, value: Any, d: Any) -> str:
        """A constant of no dimensions."""
        return self.constant(np.array(value, d))

    # -- sizes -----------------------------------------------------------------------------------------

    def number(self, size: Any) -> str:
        """A size as a scalar of int64."""
        if isinstance(size, Varying):
            self.refuse("depends on a dynamic size in a way that has no translation to ONNX")
        if not isinstance(size, Size):
            return self.ints(int(size), scalar=True)
        found = self._kept.get(size)
        if found is None:
            product = ""
            for symbol in size.names:
                read = self._read_size(symbol)
                product = read if not product else self.op("Mul", product, read)
            if size.factor.numerator != 1:
                product = self.op("Mul", product, self.ints(size.factor.numerator, scalar=True))
            if size.factor.denominator != 1:
                product = self.op("Div", product, self.ints(size.factor.denominator, scalar=True))
            if size.constant:
                product = self.op("Add", product, self.ints(size.constant, scalar=True))
            found = self._kept[size] = product
        return found

    def _read_size(self, symbol: str) -> str:
        found = self._kept.get(symbol)
        if found is None:
            number, dim = self.trace.symbols[symbol]
            shape = self.op("Shape", self.name(self.trace.inputs[number]))
            found = self._kept[symbol] = self.op("Gather", shape, self.ints(dim, scalar=True), axis=0)
        return found

    def sizes(self, shape: Sequence[Any]) -> str:
        """A shape as a vector of int64."""
        if not any(isinstance(n, (Size, Varying)) for n in shape):
            return self.ints(*[int(n) for n in shape]) if shape else self.constant(np.zeros(0, np.int64))
        parts = [self.op("Unsqueeze", self.number(n), self.ints(0)) for n in shape]
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    # -- nodes -----------------------------------------------------------------------------------------

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns its name."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Add a node; returns the names of its outputs."""
        results = [self.fresh(kind.lower()) for _ in range(count)]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        node = onnx.helper.make_node(kind, list(inputs), results, self.fresh(kind), self.spot, **attributes)
        self.nodes.append(node)
        return results

    def cast(self, name: str, have: Any, want: Any) -> str:
        """A value in another dtype."""
        if have == want:
            return name
        array = self.initializers.get(name)
        if array is not None and array.ndim == 0:
            return self.constant(array.astype(want))
        return self.op("Cast", name, to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(want)))

    def reshape(self, name: str, shape: Sequence[Any]) -> str:
        """A value in another shape, of which one size may be anything."""
        open_ones = [k for k, n in enumerate(shape) if isinstance(n, (Size, Varying))]
        if len(open_ones) == 1 and all(n != 0 for n in shape):
            shape = [-1 if k == open_ones[0] else n for k, n in enumerate(shape)]
        if any(not isinstance(n, (Size, Varying)) and n == 0 for n in shape):
            return self.op("Reshape", name, self.sizes(shape), allowzero=1)
        return self.op("Reshape", name, self.sizes(shape))

    def filled(self, shape: Sequence[Any], value: Any, d: Any) -> str:
        """A tensor of one value."""
        if not any(isinstance(n, (Size, Varying)) for n in shape):
            return self.constant(np.full([int(n) for n in shape], value, d))
        return self.op("Expand", self.constant(np.array(value, d)), self.sizes(shape))

    def reduce(self, kind: str, name: str, dims: Sequence[int] | None, keepdim: bool) -> str:
        """A reduction over dimensions (all: None), whose axes became an input in opset 18 (13 for sums)."""
        keep = int(keepdim)
        if dims is None:
            return self.op(kind, name, keepdims=keep)
        if self.opset >= 18 or kind == "ReduceSum":
            return self.op(kind, name, self.ints(*dims), keepdims=keep)
        return self.op(kind, name, axes=list(dims), keepdims=keep)

    def squeeze(self, name: str, *dims: int) -> str:
        """Without dimensions of size 1."""
        return self.op("Squeeze", name, self.ints(*dims))

    def unsqueeze(self, name: str, *dims: int) -> str:
        """With dimensions of size 1."""
        return self.op("Unsqueeze", name, self.ints(*dims))

    # -- the end ---------------------------------------------------------------------------------------

    def prune(self, outputs: Sequence[str]) -> None:
        """Drop nodes and constants that lead to no output."""
        needed = set(outputs)
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.initializers = {name: array for name, array in self.initializers.items() if name in needed}


def elements(shape: Sequence[Any]) -> Any:
    """The number of elements, None if that is not fixed."""
    if any(isinstance(n, (Size, Varying)) for n in shape):
        return None
    return math.prod(shape)


def _below(shape: tuple[int, ...], offset: int) -> Any:
    """Where a matrix is below its diagonal `offset`."""
    rows, columns = shape
    return np.arange(columns) < np.arange(rows)[:, None] + offset
