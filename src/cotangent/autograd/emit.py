"""Writes the code of operations: the entry function and the Node class, from the declaration.

What is generated is what one would write by hand for speed: no loops over parameters, no closures,
only the values that the rules read. The text is compiled on the operation's first call and entered in
`linecache` under `<cotangent NAME>`, so tracebacks show it and a debugger steps through it;
`source(op)` returns it.

The entry handles plain arrays (for elementwise operations: of one float dtype) and hands everything
else to `dispatch`, which reads the declaration at run time.
"""

from __future__ import annotations

import linecache
import sys
import weakref
from functools import partial
from typing import Any, Final

import numpy as np

from .. import lazy
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..kernels.halves import halved, is_half
from ..kernels.layout import as_chosen
from ..kernels.sized import LARGE, large
from ..kernels.unwritten import keep_pages
from ..ops.arguments import REQUIRED, too_many
from ..ops.kernel_writes import KERNELS
from ..ops.table import BOOL_RESULT, Primitive, emitter, on_arrays, on_symbols
from .base import (
    InferenceCell,
    active,
    as_array,
    is_tensor,
    new,
    singular,
    stand_in,
    world,
    written_inside,
)
from .cuts import VALUELESS
from .dispatch import dispatch, finish, is_output, operate, served_by
from .emit_dtypes import quick_dtypes, takes_halves
from .emit_node import NodeWriter
from .extras import after_record
from .modes import made, modes
from .node import FREED, PUBLIC_FIELD, Port, next_seq
from .outs import deliver, out_apart
from .recorded import OpNode, Packed, dtype_of, narrowed, plus, unbroadcast
from .stale import stale_value
from .views import edge_of, link_view
from .where import internal_files, user_frame

disk: Any = lazy.module("cotangent.kernels.disk")

_F32: Final = np.dtype(np.float32)
_F64: Final = np.dtype(np.float64)

# Python numbers that meet a float tensor, as 0-d tensors: a ufunc takes an array in half the time
# it needs to convert a number. Zero is not kept (0.0 == -0.0), and the pools are bounded.
_POOL32: Final[dict[Any, Any]] = {}
_POOL64: Final[dict[Any, Any]] = {}

# PyTorch never warns about 1/0 or log(-1); NumPy does, in the name of the frame that called the ufunc.
# CPython drops warnings of frames whose `__name__` is None (as modules have at shutdown), so entries
# that call a ufunc themselves get such a namespace: silence for nothing, where setting and resetting
# NumPy's error state costs 0.15 us. Other settings of the user (`np.errstate(all="raise")`) still act.
QUIET_FRAME: Final = {"__name__": None}


def _number(value: Any, d: Any) -> Any:
    """A Python number as a 0-d tensor of dtype `d`; itself if it does not fit (dispatch sees to it)."""
    try:
        if d is not _F32 and d is not _F64:
            return _integer(value, d)
        data = np.asarray(float(value), d)
    except OverflowError:
        return value
    t = stand_in(data)
    if value:
        pool = _POOL32 if d is _F32 else _POOL64
        if len(pool) >= 4096:
            pool.clear()
        pool[value] = t
    return t


def _integer(value: Any, d: Any) -> Any:
    if value.__class__ is not int or d.kind in "bfV":
        return value  # the result has another dtype, or the number keeps more digits than the array
    return stand_in(np.asarray(value, d))


# Names of statics that are numbers where users give them.
NUMBERS: Final = frozenset(
    ("alpha", "beta", "delta", "eps", "lambd", "max", "max_val", "min", "min_val", "negative_slope", "ord",
     "p", "threshold", "value", "weight")
)  # fmt: skip


def emit(op: Primitive) -> None:
    """Generate, compile and install the entry function and node classes of `op`."""
    if op.node_class is not None:
        return
    keep_pages()
    saved: list[str] = []
    for parameter in op.rules:
        for name in op.rule_arguments(parameter):
            if name not in saved and name != "needs":
                saved.append(name)
    op.saved = tuple(sorted(saved, key=lambda name: checked_at(op, name)))
    op.raw_rules = {parameter: on_arrays(rule) for parameter, rule in op.rules.items()}
    writer = Writer(op)
    text = writer.text()
    filename = f"<cotangent {op.name}>"
    scope: dict[str, Any] = op.entry.__globals__
    scope.update(_RUNTIME)
    scope.update(QUIET_FRAME)
    scope.update(writer.constants)
    scope.update(Tensor=world.Tensor, kernel=op.kernel, fast=op.fast)
    if op.kind == "elementwise":
        scope["QUICK"] = quick_dtypes(op)
        scope["large"] = large(op.fast)
        if takes_halves(op):
            scope["halved"] = halved(op.fast)
        for parameter, rule in op.raw_rules.items():
            scope[f"large_{parameter}"] = large(rule, partial(on_symbols, op.rules[parameter]))
    scope.update({f"default_{s}": eval(value, {}) for s, value in op.defaults.items()})
    scope.update({f"rule_{parameter}": rule for parameter, rule in op.raw_rules.items()})
    made: dict[str, Any] = {}
    disk.execute(text, filename, scope, made)
    node_class = made[op.node_name]
    node_class.__module__ = "builtins"
    general: Any = type(op.node_name, (node_class,), {"__slots__": (), "general": True, "step": OpNode.step})
    general.__module__ = "builtins"
    for cls in (node_class, general):
        cls.op = op
        cls.nout = op.nout
        cls.saved_names = op.saved
        watched = (field for field in op.saved if field in op.tensors or is_output(op, field))
        cls.guarded = tuple((field, served_by(op, field)) for field in watched)
    scope["Node"] = node_class
    op.general_class = general
    op.node_class = node_class
    entry = innermost(op.entry)
    generated = made["entry"]
    entry.__defaults__ = generated.__defaults__
    entry.__kwdefaults__ = generated.__kwdefaults__
    entry.__code__ = generated.__code__.replace(co_name=op.public, co_qualname=op.public)
    if op.operator is not None:
        twin = innermost(op.operator)
        twin.__defaults__ = made["operator"].__defaults__
        twin.__code__ = made["operator"].__code__.replace(co_name=op.public, co_qualname=op.public)


def innermost(function: Any) -> Any:
    """The function itself, where autocast or `__torch_function__` have put code in front of it."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def checked_at(op: Primitive, field: str) -> tuple[bool, str]:
    """Sorts saved fields as PyTorch looks at them: inputs by their names there, then outputs."""
    return is_output(op, field), PUBLIC_FIELD.get(field, field)


def source(function: Any) -> str:
    """The generated text of an operation's entry function and node class."""
    op: Primitive = function.op
    emit(op)
    return "".join(linecache.getlines(f"<cotangent {op.name}>"))


class Writer(NodeWriter):
    """Text of one operation."""

    def text(self) -> str:
        self.node()
        self.add(0, "", "")
        self.entry()
        if self.op.operator is not None:
            self.add(0, "", "")
            self.operator()
        return "\n".join(self.lines) + "\n"

    # -- the entry -----------------------------------------------------------------------------

    def entry(self) -> None:
        op = self.op
        statics = [f"{s}={op.defaults.get(s, 'REQUIRED')}" for s in op.statics]
        out = ", *, out=None" if self.elementwise else ""
        required = [f"{t}=REQUIRED" for t in op.tensors]
        # noticed by hand: Python would count the required ones as optional
        more = [] if statics else ["*more"]
        if more:
            out = out.replace("*, ", "")
        self.add(0, f"def entry({', '.join([*required, *statics, *more])}{out}):")
        if more:
            self.add(1, "if more:", f"    too_many('{op.public}', {len(op.tensors)}, more)")
        tensors = "(" + "".join(f"{t}, " for t in op.tensors) + ")"
        rest = "(" + "".join(f"{s}, " for s in op.statics) + ")"
        self.fallback = f"return dispatch(_op, {tensors}, {rest})"
        if out:
            self.add(1, "if out is not None:")
            if op.kind == "elementwise":
                self.add(2, f"apart(out, {tensors})")
            self.add(2, f"r = dispatch(_op, {tensors}, {rest})")
            if op.out_check is not None:
                self.add(2, f"_op.out_check(r, out, {op.tensors[0]})")
            self.add(2, f"return deliver('{op.public}', r, out)")
        self.body(tensors, rest)

    def operator(self) -> None:
        """The entry as Python's operators call it: two operands, NotImplemented for strangers."""
        op = self.op
        tensors = f"({op.tensors[0]}, {op.tensors[1]})"
        rest = "(" + "".join(f"{s}, " for s in op.statics) + ")"
        self.fallback = f"return operate(_op, {tensors}, {rest})"
        options = "".join(f", {s}={op.defaults[s]}" for s in op.statics)
        self.add(0, f"def operator({op.tensors[0]}, {op.tensors[1]}{options}):")
        self.body(tensors, rest)

    def body(self, tensors: str, rest: str) -> None:
        """The fast path, ending in `self.fallback` where it does not apply."""
        op = self.op
        if op.real_is_same:
            first = op.tensors[0]
            self.add(1, "try:", f"    if not {first}.dtype.is_complex:", f"        return {first}")
            self.add(1, "except AttributeError:", f"    {self.fallback}")
        changes_dtype = "dtype" in op.statics  # the result may be integers, which carry no gradient
        if op.lists and not self.only_a_list():
            changes_dtype = True
        if op.lens is not None or changes_dtype or (self.elementwise and op.fast is None):
            self.add(1, self.fallback)
            return
        if op.lists:
            self.list_payloads()
        elif self.elementwise:
            self.elementwise_payloads()
        else:
            self.general_payloads()
        if op.nout == 1:
            self.wrap_one(tensors, rest)
        elif self.first_alone():
            self.wrap_several(tensors, rest)
        else:
            self.add(1, f"return finish(_op, {tensors}, {rest}, r, None)")

    def elementwise_payloads(self) -> None:
        self.payloads()
        self.compute("...")
        self.lay()

    def lay(self) -> None:
        """The order of memory of a result of several operands: NumPy's differs from PyTorch's for some."""
        arrays = [f"a_{t}" for t in self.op.tensors]
        if self.op.reverse:
            arrays.reverse()
        if len(arrays) > 1 and not getattr(self.op.kernel, "in_rows", False):
            # Of two operands the first decides, and NumPy agrees where that is contiguous.
            tests = [f"{a}.flags.c_contiguous" for a in (arrays[:1] if len(arrays) == 2 else arrays)]
            one = f"{arrays[0]}.ndim > 1" if len(arrays) == 2 else "r.ndim > 1"
            self.add(1, f"if {one} and not ({' and '.join(tests)}):")
            self.add(2, f"r = as_chosen(r, ({', '.join(arrays)}))")

    def payloads(self) -> None:
        """The arrays `a_NAME` of the operands, all of one dtype `dt`."""
        op = self.op
        plain = [t for t in op.tensors if t not in op.fixed]
        first = plain[0]
        self.add(
            1, "try:", f"    a_{first} = {first}._data", f"    dt = a_{first}.dtype", "except AttributeError:"
        )
        self.add(2, self.fallback)
        quick = quick_dtypes(op)
        tests = ["dt is not F32 and dt is not F64"] if _F32 in quick else []
        tests += ["dt not in QUICK"] if quick - {_F32, _F64} else []
        self.add(1, f"if {' and '.join(tests) or 'True'}:")
        if takes_halves(op):
            self.add(2, "if not is_half(dt):", f"    {self.fallback}")
        else:
            self.add(2, self.fallback)
        for t in op.tensors:
            if t == first:
                continue
            if t not in op.fixed and t not in op.strict:
                self.add(1, f"c = {t}.__class__", "if c is float or c is int:")
                known = f"k = (POOL32 if dt is F32 else POOL64).get({t})"
                if quick - {_F32, _F64} or takes_halves(op):
                    known = f"k = (POOL32 if dt is F32 else POOL64 if dt is F64 else NO_POOL).get({t})"
                self.add(2, known, f"{t} = number({t}, dt) if k is None else k")
            self.add(1, "try:", f"    a_{t} = {t}._data", "except AttributeError:", f"    {self.fallback}")
            want = "BOOL" if t in op.fixed else "dt"
            self.add(1, f"if a_{t}.dtype is not {want}:", f"    {self.fallback}")

    def compute(self, out: str) -> None:
        """The call of the fast form, or of the kernel where statics have other values than their defaults."""
        op = self.op
        for s in op.weighs:
            self.add(1, f"if {s}.__class__ is complex:", f"    {self.fallback}")
        arrays = [f"a_{t}" for t in op.tensors]
        general = f"r = kernel({', '.join([*arrays, *op.statics])}, out={out})"
        self.unread(1, [s for s in op.statics if s in NUMBERS and s not in op.defaults])
        if op.fast is op.kernel and not isinstance(op.kernel, np.ufunc):
            self.quietly(1, general)
            return
        depth = 1
        if op.defaults:
            test = " and ".join(f"{s} is default_{s}" for s in op.defaults)
            self.add(1, f"if {test}:")
            depth = 2
        required = [s for s in op.statics if s not in op.defaults]
        args = ", ".join([*(reversed(arrays) if op.reverse else arrays), *required])
        call = f"r = fast({args}, out={out})"
        if out == "..." and not required and (most := LARGE.get(op.fast)):
            # Large arrays are a generated kernel's.
            call += f" if a_{op.tensors[0]}.size < {most} else large({args})"
        if takes_halves(op):
            half = "dt is not F32 and dt is not F64" + " and dt not in QUICK" * (len(quick_dtypes(op)) > 2)
            call = f"r = halved({args}, out={out}) if {half} else {call[4:]}"
        if isinstance(op.fast, np.ufunc):
            # No NumPy warning comes from here: see QUIET_FRAME.
            self.add(depth, "try:", f"    {call}", "except ValueError:", f"    {self.fallback}")
        else:
            self.quietly(depth, call)
        if op.defaults:
            self.add(1, "else:")
            if takes_halves(op):
                self.add(2, "if is_half(dt):", f"    {self.fallback}")
            self.unread(2, [s for s in op.statics if s in op.defaults])
            self.quietly(2, general)

    def unread(self, depth: int, statics: list[str]) -> None:
        """Leaves tensors in the place of numbers to `dispatch`."""
        if statics and self.op.tensors[0] != "g":
            tests = [f"({s}.__class__ is not float and hasattr({s}, '_data'))" for s in statics]
            self.add(depth, f"if {' or '.join(tests)}:", f"    {self.fallback}")

    def quietly(self, depth: int, call: str) -> None:
        """A call under NumPy's error state that says nothing."""
        self.add(depth, "token = set_errors(QUIET)", "try:", f"    {call}")
        self.add(depth, "except ValueError:", f"    {self.fallback}", "finally:", "    reset_errors(token)")

    def general_payloads(self) -> None:
        op = self.op
        self.add(1, "try:")
        for t in op.tensors:
            none = f"None if {t} is None else " if t in op.optional else ""
            self.add(2, f"a_{t} = {none}{t}._data")
        self.add(1, "except AttributeError:", f"    {self.fallback}")
        for t in op.tensors:
            none = f"a_{t} is not None and " if t in op.optional else ""
            self.add(1, f"if {none}a_{t}.__class__ is not ndarray:", f"    {self.fallback}")
        args = ", ".join([*(f"a_{t}" for t in op.tensors), *op.statics])
        self.unread(1, [s for s in op.statics if s in NUMBERS])
        if op.is_view:
            self.add(1, f"r = kernel({args})")
            return
        self.add(1, "token = set_errors(QUIET)", "try:", f"    r = kernel({args})", "finally:")
        self.add(2, "reset_errors(token)")
        if op.nout == 1:
            self.add(1, "if r.__class__ is not ndarray:", "    r = as_array(r)")

    def only_a_list(self) -> bool:
        """Whether the op takes one list of tensors, of which its rule reads the shapes alone."""
        op = self.op
        shape = f"{op.tensors[0]}_shape"
        return len(op.tensors) == 1 and op.nout == 1 and all(f in op.statics or f == shape for f in op.saved)

    def list_payloads(self) -> None:
        op = self.op
        name = op.tensors[0]
        self.add(
            1,
            f"a_{name} = []",
            "wanted = False",
            "cut = None",
            "try:",
            f"    for x in {name}:",
            "        a = x._data",
            "        if a.__class__ is not ndarray:",
            f"            {self.fallback}",
            f"        a_{name}.append(a)",
            "        if x._req:",
            "            wanted = True",
            "        elif x._cut is not None:",
            "            cut = x._cut",
            "except (AttributeError, TypeError):",
            f"    {self.fallback}",
            f"r = kernel({', '.join([f'a_{name}', *op.statics])})",
        )

    def wrap_one(self, tensors: str, rest: str) -> None:
        op = self.op
        unshielded = [f"if active.ever and singular({tensors}):"]
        unshielded += [f"    return finish(_op, {tensors}, {rest}, r, None)"]
        if op.name in KERNELS:
            self.add(1, *unshielded)
        self.add(1, "t = new(Tensor)", "t._data = r", "t._view = None")
        recorded = bool(op.rules) and not (self.elementwise and op.result == BOOL_RESULT)
        needs = (
            "wanted"
            if op.lists
            else " or ".join(
                f"({p} is not None and {p}._req)" if p in op.optional else f"{p}._req"
                for p in (op.rules if recorded else op.tensors)
            )
        )
        if recorded:
            self.add(1, f"if ({needs}) and (mode := modes.grad) is not None:")
            if op.name not in KERNELS:
                self.add(2, *unshielded)
            self.record()
            self.add(2, "t._cut = None", "t._req = True", "t._node = n")
            self.remember("(t,)")
            self.add(1, "else:")
        depth = 2 if recorded else 1
        self.add(
            depth,
            "t._req = False",
            "t._node = None",
            "t._vc = InferenceCell((0, None, modes.off)) if active.inference and modes.inference else None",
        )
        self.cut(depth, needs, "modes.off" if recorded else "None")
        if op.is_view:
            statics = "(" + "".join(f"{s}, " for s in op.statics) + ")"
            self.add(1, f"link_view(t, {op.tensors[0]}, _op, {statics})")
        self.add(1, "return t")

    def first_alone(self) -> bool:
        """Whether of several results the first carries a gradient, and it alone."""
        op = self.op
        others = op.nout > 1 and op.nondiff_outputs == frozenset(range(1, op.nout))
        return bool(others and op.rules and not op.lists and not op.is_view and op.name not in KERNELS)

    def wrap_several(self, tensors: str, rest: str) -> None:
        """Wrap and record results of which the first carries a gradient; `finish` does the rest."""
        op = self.op
        numbers = range(op.nout)
        made = "(" + "".join(f"t{k}, " for k in numbers) + ")"
        self.add(1, f"{', '.join(f'r{k}' for k in numbers)} = r")
        needs = " or ".join(
            f"({p} is not None and {p}._req)" if p in op.optional else f"{p}._req" for p in op.rules
        )
        arrays = " and ".join(f"r{k}.__class__ is ndarray" for k in numbers)
        self.add(1, f"if ({needs}) and (mode := modes.grad) is not None and {arrays}:")
        self.add(2, f"if active.ever and singular({tensors}):")
        self.add(3, f"return finish(_op, {tensors}, {rest}, r, None)")
        for k in numbers:
            self.add(2, f"t{k} = new(Tensor)", f"t{k}._data = r{k}", f"t{k}._vc = t{k}._view = None")
        self.record()
        for k in numbers[1:]:
            self.add(2, f"t{k}._req = False", f"t{k}._node = None", f"t{k}._cut = (_op, c, f.f_lasti, None)")
        self.add(2, "t0._cut = None", "t0._req = True", "p = t0._node = Port(n, 0)")
        self.add(2, f"n.outputs = (ref(p), {', '.join('None' for _ in numbers[1:])},)")
        self.remember(made)
        self.add(2, f"return {made}")
        self.add(1, f"return finish(_op, {tensors}, {rest}, r, None)")

    def remember(self, made: str) -> None:
        """What modes want to know of a node that has been made, with its results."""
        operands = "(" + "".join(f"{t}, " for t in self.op.tensors) + ")"
        self.add(2, "if mode is not True:", f"    after_record(mode, n, {operands}, {made})")

    def cut(self, depth: int, needs: str, off: str) -> None:
        """Why the result is not recorded, if there is a reason (see cuts.py)."""
        op = self.op
        if op.name in VALUELESS:
            self.add(depth, "t._cut = None")
            return
        self.add(depth, f"if {needs}:")
        self.user_line(depth + 1)
        self.add(depth + 1, f"t._cut = (_op, c, f.f_lasti, {off})")
        order = [*op.rules, *(p for p in op.tensors if p not in op.rules)]
        held = (
            "cut"
            if op.lists
            else " or ".join(
                f"(None if {p} is None else {p}._cut)" if p in op.optional else f"{p}._cut" for p in order
            )
        )
        self.add(depth, "else:", f"    t._cut = {held}")

    def user_line(self, depth: int) -> None:
        """The user's frame as `f`, its code as `c`."""
        self.add(depth, "f = getframe(1)", "c = f.f_code", "if internal(c.co_filename) is not False:")
        self.add(depth + 1, "f = user_frame(f)", "c = f.f_code")

    def record(self) -> None:
        op = self.op
        self.add(2, "n = new(Node)")
        edges = []
        for p in op.tensors:
            if p not in op.rules:
                edges.append("None")
                continue
            test = f"{p} is not None and {p}._req" if p in op.optional else f"{p}._req"
            if op.lists:
                edges.append(f"*[(x._node or edge_of(x)) if x._req else None for x in {p}]")
                self.add(2, f"n.lengths = (len({p}),)")
            elif len(op.rules) == 1:
                edges.append(f"{p}._node or edge_of({p})")
            else:
                edges.append(f"({p}._node or edge_of({p})) if {test} else None")
        self.add(2, f"n.edges = ({', '.join(edges)},)")
        output = False
        for field in op.saved:
            if field in op.tensors:
                served = served_by(op, field)
                conditional = len(op.rules) > 1 and served is not None
                depth = 2
                if conditional:
                    test = f"{served}._req"
                    if served in op.optional:
                        test = f"{served} is not None and {test}"
                    self.add(2, f"if {test}:")
                    depth = 3
                none = f"None if {field} is None else " if field in op.optional else ""
                self.add(
                    depth,
                    f"n.{field} = {field}",
                    f"vc = {none}{field}._vc",
                    f"n.{field}_v = 0 if vc is None else vc[0]",
                )
                if conditional:
                    self.add(2, "else:", f"    n.{field} = None", f"    n.{field}_v = 0")
            elif self.is_output(field):
                output = True
                number = field[3:]  # of "out" nothing: there is one
                self.add(2, f"t{number}._vc = n.{field}_vc = [0, None]", f"n.{field} = r{number}")
                self.add(2, f"n.{field}_v = 0")
            elif field in op.statics:
                self.add(2, f"n.{field} = {field}")
            elif field.endswith("_shape"):
                shape = f"[a.shape for a in a_{field[:-6]}]" if op.lists else f"a_{field[:-6]}.shape"
                self.add(2, f"n.{field} = {shape}")
            elif field.endswith("_dtype"):
                self.add(2, f"n.{field} = a_{field[:-6]}.dtype")
            elif field.endswith("_turned"):
                strides = f"a_{field[:-7]}.strides"
                self.add(2, f"n.{field} = {strides}[0] < {strides}[1]")
            else:
                raise TypeError(
                    f"{op.name}: a rule reads {field!r}, which is neither a parameter nor an output"
                )
        if not output and op.nout == 1:
            self.add(2, "t._vc = None")
        fit = "None"
        if self.elementwise and len(op.tensors) > 1:
            # Cotangents need summing only if an input that wants one was stretched.
            shapes = [f"a_{p}.shape" for p in op.tensors]
            fits = " and ".join(f"(not {p}._req or a_{p}.shape == r.shape)" for p in op.rules)
            # A number stretches nothing; `c` is still the class of the second operand (see `payloads`).
            pair = len(op.tensors) == 2 and not {*op.fixed, *op.strict}.intersection(op.tensors)
            quickly = "c is float or c is int or " if pair else ""
            fit = f"None if {quickly}{' == '.join(shapes)} or {fits} else ({', '.join(shapes)})"
        self.add(
            2,
            "n.seq = next_seq()",
            "n.hooks = None",
            f"n.fit = {fit}",
        )
        self.user_line(2)
        self.add(
            2,
            "n.code = c",
            "n.lasti = f.f_lasti",
        )


_RUNTIME: Final[dict[str, Any]] = {
    "ndarray": np.ndarray, "F32": _F32, "F64": _F64, "BOOL": np.dtype(np.bool_), "POOL32": _POOL32,
    "POOL64": _POOL64, "number": _number, "new": new, "modes": modes, "active": active, "FREED": FREED,
    "InferenceCell": InferenceCell, "as_array": as_array, "dispatch": dispatch, "after_record": after_record,
    "next_seq": next_seq, "OpNode": OpNode, "Port": Port, "unbroadcast": unbroadcast,
    "stale_value": stale_value, "edge_of": edge_of, "link_view": link_view, "internal": internal_files,
    "user_frame": user_frame, "getframe": sys._getframe, "QUIET": QUIET, "set_errors": set_errors,
    "reset_errors": reset_errors, "Packed": Packed, "finish": finish, "plus": plus, "deliver": deliver,
    "operate": operate, "REQUIRED": REQUIRED, "too_many": too_many, "NO_POOL": {},
    "as_chosen": as_chosen, "is_half": is_half, "singular": singular, "add": np.add, "subtract": np.subtract,
    "multiply": np.multiply, "true_divide": np.true_divide, "apart": out_apart, "ref": weakref.ref,
    "narrowed": narrowed, "dtype_of": dtype_of,
}  # fmt: skip


def install() -> None:
    """Enter in the table what it needs from this floor."""
    emitter.emit = emit
    emitter.deliver = deliver
    emitter.constant = made
    emitter.is_tensor = is_tensor
    emitter.written_inside = written_inside
