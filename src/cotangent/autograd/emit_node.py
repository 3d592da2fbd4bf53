"""Writes the Node class of an operation: what it keeps, and `step`, which runs the rules on arrays."""

from __future__ import annotations

import numpy as np

from ..kernels.halves import FEW
from ..kernels.sized import RULES
from ..ops.table import Primitive
from .dispatch import is_output, served_by
from .emit_dtypes import takes_halves
from .emit_rules import Term, expression, stepwise


class NodeWriter:
    """Text of the node class of one operation."""

    def __init__(self, op: Primitive) -> None:
        self.op = op
        self.elementwise = op.kind == "elementwise"
        self.lines: list[str] = []
        self.constants: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # numbers of rules, by dtype

    def add(self, depth: int, *lines: str) -> None:
        self.lines.extend("    " * depth + line for line in lines)

    # -- what is saved -------------------------------------------------------------------------

    def is_output(self, field: str) -> bool:
        return is_output(self.op, field)

    def guarded(self, field: str) -> bool:
        """Whether a saved field is looked at before it is used: tensors may be freed or written by then."""
        return field in self.op.tensors or self.is_output(field)

    def slots(self) -> list[str]:
        out = []
        for field in self.op.saved:
            out.append(field)
            if field in self.op.tensors:
                out.append(f"{field}_v")
            elif self.is_output(field):
                out += [f"{field}_vc", f"{field}_v"]
        if self.op.nout != 1:
            out.append("outputs")
        return out

    # -- the node ------------------------------------------------------------------------------

    def node(self) -> None:
        op = self.op
        slots = self.slots()
        self.add(0, f"class {op.node_name}(OpNode):")
        self.add(1, f"__slots__ = ({''.join(repr(s) + ', ' for s in slots)})")
        if op.rules and not op.lists:
            self.add(0, "")
            self.step()
        self.add(0, "")
        self.free(1, "def release(self):")

    def free(self, depth: int, head: str) -> None:
        """Write `head` and under it the dropping of what was saved, if anything is."""
        op = self.op
        outputs = [f for f in op.saved if self.is_output(f)]
        freed = [f for f in op.saved if f in op.tensors] + [f"{f}_vc" for f in outputs]
        if freed:
            self.add(depth, head)
            self.add(depth + 1, " = ".join([f"self.{f}" for f in freed]) + " = FREED")
        if outputs:
            self.add(depth + 1, " = ".join([f"self.{f}" for f in outputs]) + " = None")

    def step(self) -> None:
        op = self.op
        edges = [f"e{i}" for i in range(len(op.tensors))]
        self.add(1, "def step(self, g, grads, keep):")
        self.add(2, f"{', '.join(edges)}{',' if len(edges) == 1 else ''} = self.edges")
        if self.elementwise and len(op.tensors) > 1:
            self.add(2, "fit = self.fit")
        alone = len(op.rules) == 1  # one differentiable input: the node would not exist without its edge
        loaded: set[str] = set()
        guarded = [f for f in op.saved if self.guarded(f)]
        used = [f for p in op.rules for f in op.rule_arguments(p) if self.guarded(f)]
        first = [f for f in guarded if served_by(op, f) is None]
        in_order = list(dict.fromkeys((*first, *used))) == guarded
        for field in op.saved:
            served = served_by(op, field)
            if served is not None and (in_order or not self.guarded(field)):
                continue
            if not alone and served is not None:
                self.add(2, f"if e{op.tensors.index(served)} is not None:")
            self.load(2 if alone or served is None else 3, field)
            loaded.add(field)
        for parameter in op.rules:
            i = op.tensors.index(parameter)
            depth = 2
            if not alone:
                self.add(2, f"if e{i} is not None:")
                depth = 3
            arguments = ["g"]
            for field in op.rule_arguments(parameter):
                if field == "needs":
                    arguments.append("(True,)")
                    continue
                if field not in loaded:
                    self.load(depth, field)
                arguments.append(f"v_{field}")
            if not self.elementwise:
                self.add(depth, f"d = rule_{parameter}({', '.join(arguments)})", "if d is not None:")
                depth += 1
                self.add(depth, *self.narrowing(parameter, arguments))
            else:
                self.rule(depth, parameter, arguments)
                if len(op.tensors) > 1:
                    self.add(depth, "if fit is not None:", f"    d = unbroadcast(d, fit[{i}])")
            self.add(depth, f"held = grads.get(e{i})", f"grads[e{i}] = d if held is None else plus(held, d)")
        self.free(2, "if not keep:")

    def narrowing(self, parameter: str, arguments: list[str]) -> list[str]:
        """The lines that undo what NumPy makes of bfloat16 beside Python numbers (see `narrowed`)."""
        known = {f"v_{parameter}": f"v_{parameter}.dtype", f"v_{parameter}_dtype": f"v_{parameter}_dtype"}
        wanted = next((known[a] for a in arguments if a in known), None)
        if self.op.nout != 1:
            return [f"d = narrowed(d, {wanted or 'dtype_of(g)'})"]
        return ["if g.itemsize == 2:", f"    d = narrowed(d, {wanted or 'g.dtype'})"]

    def rule(self, depth: int, parameter: str, arguments: list[str]) -> None:
        """Write what computes `d`, the cotangent of `parameter` of an elementwise operation."""
        op = self.op
        fields, given = op.rule_arguments(parameter), ", ".join(arguments)
        value, small = f"rule_{parameter}({given})", f"g.size < {RULES}"
        if takes_halves(op):
            small = f"((s := g.size) < {FEW} or s < {RULES} and g.itemsize != 2)"
        large = f" if {small} else large_{parameter}({given})" if fields else ""
        rule, raw = op.rules[parameter], op.raw_rules[parameter]
        found: Term | None = None
        if not (rule.__code__.co_names or rule.__closure__ or op.optional.intersection(fields)):
            found = expression(raw, arguments)
            if found is not None:
                value = found.text()
                if len(op.tensors) == 1 and not op.statics and stepwise(found):
                    self.steps(depth, parameter, found, arguments[1:])
                    depth += 1
        elif fields and op.defaults.keys() >= set(fields):
            found = expression(raw, ["g", *(eval(op.defaults[f], {}) for f in fields)])
            if found is not None:
                usual = [f"v_{f} is default_{f}" for f in fields] + ([small] if found.sign else [])
                value = f"{found.text()} if {' and '.join(usual)} else {value}"
        self.add(depth, f"d = {value}{large}")
        if takes_halves(op) and (found is None or found.numbers()):
            self.add(depth, *self.narrowing(parameter, arguments))

    def steps(self, depth: int, parameter: str, found: Term, saved: list[str]) -> None:
        """Write the steps of a rule for float arrays of one dtype; what follows is for all others."""
        numbers = [f"{parameter}_c{i}" for i in range(len(found.numbers()))]
        for name, number in zip(numbers, found.numbers(), strict=True):
            self.constants[name] = (np.asarray(number, np.float32), np.asarray(number))
        lines, last = found.steps("c")
        alike = "".join([f" and {array}.dtype is dt" for array in saved])
        self.add(
            depth,
            f"if g.ndim and g.size < {RULES} and ((dt := g.dtype) is F32 or dt is F64){alike}:",
            *(f"    c{i} = {name}[dt is F64]" for i, name in enumerate(numbers)),
            *(f"    {line}" for line in lines),
            f"    d = {last}",
            "else:",
        )

    def load(self, depth: int, field: str) -> None:
        op = self.op
        if field in op.tensors:
            self.add(depth, f"t = self.{field}")
            if field in op.optional:
                self.add(depth, "if t is None:", f"    v_{field} = None", "else:")
                depth += 1
            self.add(
                depth,
                "vc = t._vc",
                f"if vc is not None and vc[0] != self.{field}_v:",
                f"    stale_value(self, '{field}')",
                f"v_{field} = t._data",
            )
        elif self.is_output(field):
            self.add(
                depth,
                f"if self.{field}_vc[0] != self.{field}_v:",
                f"    stale_value(self, '{field}')",
                f"v_{field} = self.{field}",
                f"if v_{field}.__class__ is Packed:",
                f"    v_{field} = v_{field}._data",
            )
        else:
            self.add(depth, f"v_{field} = self.{field}")
