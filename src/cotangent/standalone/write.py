"""The text of the file: the value, the value with its gradient, and the helpers that they call."""

from __future__ import annotations

import ast
import keyword
import textwrap
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from ..autograd.emit import innermost
from ..autograd.where import place
from ..compile.tape import Instruction, execute
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..kernels.halves import is_half
from ..kernels.shape import view
from .record import Recorded, Unsupported
from .specialise import Writer
from .syntax import UNKNOWN, NoForm, Probe, literal, pretty, short, with_names

_WIDE: Final = 96
_MERGED: Final = 56  # expressions up to this long may become part of the one line that reads them


class Values:
    """What each value is called, or the expression it stands for."""

    def __init__(self, recorded: Recorded, arrays: dict[int, Any]) -> None:
        self.recorded = recorded
        self.arrays = arrays
        self.expressions: dict[int, ast.expr] = {}
        self.taken = {a.name for a in recorded.arguments} | {recorded.name, "np", "math", "itertools"}
        for a in recorded.arguments:
            self.expressions[a.value] = ast.Name(a.name, ast.Load())

    def name(self, wanted: str) -> str:
        """A new name."""
        found, k = wanted, 2
        while found in self.taken:
            found = f"{wanted}{k}"
            k += 1
        self.taken.add(found)
        return found

    def read(self, n: int | None, fits: Any) -> tuple[ast.expr, Any]:
        """(expression, what is known) of an operand; `fits` is an array that it meets."""
        if n is None:
            return ast.Constant(None), None
        array = self.arrays[n]
        known = Probe(array)
        if n in self.expressions:
            return self.expressions[n], known
        return self.constant(array, fits), known

    def constant(self, c: Any, fits: Any) -> ast.expr:
        """A constant array as it is written."""
        uniform = (
            c.size
            and c.dtype.kind in "fiub"
            and (c.ndim == 0 or not any(s for s, m in zip(c.strides, c.shape) if m > 1))
        )
        kind = f"np.{c.dtype.name if c.dtype.kind != 'b' else 'bool_'}"
        if uniform:
            element = c[(0,) * c.ndim]
            value = short(element) if c.dtype == np.float32 else element.item()
            written = literal(value)
            assert written is not None
            made = ast.parse(f"{kind}({ast.unparse(written)})", mode="eval").body
            if c.ndim:
                made = ast.parse(f"np.broadcast_to({ast.unparse(made)}, {c.shape!r})", mode="eval").body
            # Beside a float array of its dtype, and of its shape, a Python number means the same.
            fitting = fits is not None and fits.dtype == c.dtype and c.shape in ((), fits.shape)
            made.weak = written if fitting and c.dtype.kind == "f" else None  # type: ignore[attr-defined]
            return made
        if c.size <= 1000 and c.dtype.kind in "fiub":
            items = [short(v) for v in c.reshape(-1)] if c.dtype == np.float32 else c.reshape(-1).tolist()
            shape = "" if c.ndim == 1 else f".reshape({c.shape!r})"
            text = f"np.array({items!r}, {kind}){shape}".replace("inf", "np.inf").replace("nan", "np.nan")
            return ast.parse(text, mode="eval").body
        raise Unsupported(
            f"source(): an array of {c.size} elements that the function makes without operations of tensors; "
            "give it to the function as an argument"
        )


class Entry(NamedTuple):
    """One assignment."""

    names: list[str]
    expression: ast.expr
    line: str | None
    backward: bool
    step: Instruction


class Text:
    """Writes a recorded function."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.graph = recorded.graph
        self.writer = Writer()
        self.arrays = _computed(recorded)

    @property
    def gradient_name(self) -> str:
        """Name of the function that gives value and gradient."""
        return f"{self.recorded.name}_and_gradient"

    def text(self) -> str:
        """The whole file."""
        steps = self.graph.steps
        forward = self.function(self.recorded.name, _needed(steps, {self.recorded.result}), False)
        both = self.function(self.gradient_name, steps, True)
        helpers = [text for name, text in self.writer.helpers.items() if text]
        lines = [self.heading(), "", *[f"import {m}" for m in sorted(self.writer.imports)]]
        if self.writer.imports:
            lines.append("")
        lines += ["import numpy as np", ""]
        constants = [h for h in helpers if not h.startswith(("def ", "class "))]
        lines += [*constants, *([""] if constants else [])]
        for helper in helpers:
            if helper not in constants:
                lines += ["", helper, ""]
        lines += ["", forward, "", "", both]
        lines += self.example()
        return with_names(_tidy("\n".join(lines)), self.writer.wanted)

    def heading(self) -> str:
        """The docstring of the file."""
        r = self.recorded
        shapes = ", ".join(f"{a.name}: {a.array.dtype.name}{list(a.array.shape)}" for a in r.arguments)
        wanted = ", ".join(a.name for a in r.arguments if a.wanted)
        source = textwrap.indent(
            textwrap.dedent(r.text).rstrip().replace("\\", "\\\\").replace('"""', "'''"), "    "
        )
        made = f"\n\nIt was made from\n\n{source}\n" if r.text else "\n"
        return (
            f'"""`{r.name}`, and its gradient by {wanted}, with NumPy alone.{made}\n'
            f"The arguments have these types and shapes, which the code relies on:\n    {shapes}\n"
            '"""'
        )

    def function(self, name: str, steps: list[Instruction], gradient: bool) -> str:
        """One of the two functions."""
        r = self.recorded
        values = Values(r, self.arrays)
        out: list[str] = []
        spot: Any = None
        begun = False
        for entry in self.entries(steps, values, gradient):
            if entry.backward and not begun:
                out += ["", "# backward: d_x is the gradient of the result by x"]
                begun = True
            if not entry.backward and entry.line is not None and entry.line != spot:
                out.append(f"# {entry.line}")
                spot = entry.line
            out.append(
                f"{', '.join(entry.names)} = {ast.unparse(ast.fix_missing_locations(entry.expression))}"
            )
        result, _ = values.read(r.result, None)
        found = f"np.asarray({ast.unparse(result)})"
        if gradient:
            parts = []
            for a, n in zip([a for a in r.arguments if a.wanted], r.gradients, strict=True):
                if n is None:
                    parts.append(f"np.zeros({a.array.shape!r}, np.{a.array.dtype.name})")
                else:
                    parts.append(f"np.asarray({ast.unparse(values.read(n, None)[0])})")
            found += f", {_in_lines('(', parts, ')', 4)}"
        out.append(f"return {found}")
        wanted = ", ".join(a.name for a in r.arguments if a.wanted)
        doc = f"The value, and its gradients by {wanted}." if gradient else "The value."
        body = textwrap.indent("\n".join([f'"""{doc}"""', *out]), "    ")
        head = _in_lines(f"def {name}(", [a.name for a in r.arguments], "):", 0, comma=False)
        # Infinities and nan are results like others, without a warning.
        return f'@np.errstate(all="ignore")\n{head}\n{body}'

    def entries(self, steps: list[Instruction], values: Values, gradient: bool) -> Iterator[Entry]:
        """The assignments of one of the two functions; what one line alone reads is part of that line."""
        r = self.recorded
        forward = self.forward_results()
        wanted = {r.result, *(n for n in r.gradients if n is not None)} if gradient else {r.result}
        reads: dict[int, int] = {}
        reader: dict[int, int] = {}
        for step in steps:
            for n in step.reads():
                reads[n] = reads.get(n, 0) + 1
                reader.setdefault(n, step.results[0])
        for step in steps:
            backward = step.results[0] not in forward
            expression = _bare(self.step(step, values))
            names = []
            for n in step.results:
                name = None if backward else r.names.get(n)
                by = r.cotangents.get(n) if gradient else None
                if len(step.results) == 1 and n not in wanted:
                    alone = (
                        reads.get(n) == 1 and (reader[n] not in forward) == backward and not step.op.is_view
                    )
                    short_enough = len(ast.unparse(expression)) <= _MERGED
                    if isinstance(expression, ast.Name) or (
                        alone and short_enough and name is None and by is None
                    ):
                        values.expressions[n] = expression
                        break
                if name is None and by is not None and isinstance(values.expressions.get(by), ast.Name):
                    name = f"d_{values.expressions[by].id}"  # type: ignore[attr-defined]
                if not reads.get(n) and n not in wanted:
                    names.append("_")
                    continue
                if name is None and n == r.result:
                    name = "value"
                usable = name is not None and name.isidentifier() and not keyword.iskeyword(name)
                names.append(values.name(name if usable and name else "d" if backward else "t"))
                values.expressions[n] = ast.Name(names[-1], ast.Load())
            else:
                yield Entry(names, expression, _line(step), backward, step)

    def forward_results(self) -> set[int]:
        """Values that the forward makes."""
        return {n for step in self.graph.steps[: self.recorded.start] for n in step.results}

    def step(self, step: Instruction, values: Values) -> ast.expr:
        """An instruction as an expression."""
        if any(is_half(self.arrays[n].dtype) for n in (*step.reads(), *step.results)):
            raise refused(step, "computes with 16-bit floats, which are rounded in ways NumPy does not have")
        given = [n for n in step.reads() if n in values.expressions and step.op.kind == "elementwise"]
        fits = Probe(self.arrays[given[0]]) if given else None
        arguments: list[tuple[ast.expr, Any]] = []
        if step.op.name == "write_through":
            return self.written(step, values)
        for o in step.operands:
            if isinstance(o, tuple):
                parts = [values.read(i, None)[0] for i in o]
                arguments.append((ast.List(parts, ast.Load()), UNKNOWN))
            else:
                arguments.append(values.read(o, fits))
        for static in step.statics:
            written = literal(static)
            if written is None:
                raise refused(step, f"has an argument that cannot be written down: {static!r}")
            arguments.append((written, static))
        kernel = innermost(step.op.kernel)
        if kernel is view:
            return ast.Call(ast.Attribute(arguments[0][0], "reshape", ast.Load()), [arguments[1][0]], [])
        if self.is_fast(step):
            kernel, tensors = step.op.fast, arguments[: len(step.op.tensors)]
            required = [
                a for s, a in zip(step.op.statics, arguments[len(tensors) :]) if s not in step.op.defaults
            ]
            arguments = [*(tensors[::-1] if step.op.reverse else tensors), *required]
        try:
            made = self.writer.call(kernel, arguments)
        except NoForm as error:
            raise refused(step, f"cannot be written with NumPy alone: {error}") from None
        if len(step.results) == 1 and not step.op.is_view and self.raw_dtype(step) != step.dtypes[0]:
            made = ast.parse(f"np.asarray({ast.unparse(made)}, np.{step.dtypes[0].name})", mode="eval").body
        return made

    def is_fast(self, step: Instruction) -> bool:
        """Whether the entry calls the fast form for these operands: floats of one dtype, default statics."""
        op = step.op
        if op.kind != "elementwise" or op.fast is None or op.fast is innermost(op.kernel):
            return False
        plain = {
            self.arrays[o].dtype
            for t, o in zip(op.tensors, step.operands)
            if o is not None and t not in op.fixed
        }
        given = {s: v for s, v in zip(op.statics, step.statics) if s in op.defaults}
        return (
            plain in ({np.dtype(np.float32)}, {np.dtype(np.float64)})
            and None not in step.operands
            and all(repr(v) == op.defaults[s] for s, v in given.items())
        )

    def written(self, step: Instruction, values: Values) -> ast.expr:
        """A write through a chain of views, as a helper that returns the memory after it."""
        shown: ast.expr = ast.Name("after", ast.Load())
        array = self.arrays[step.operands[0]]
        for link in step.statics[0]:
            statics = [(literal(s), s) for s in link.statics]
            if any(written is None for written, _ in statics):
                raise refused(step, f"writes through a view by {link.op.public}")
            given = [(shown, Probe(array)), *((written, s) for written, s in statics if written is not None)]
            try:
                shown = self.writer.call(innermost(link.op.kernel), given)
            except NoForm as error:
                raise refused(step, f"cannot be written with NumPy alone: {error}") from None
            array = link.op.kernel(array, *link.statics)
            if link.op.nout != 1:
                array = array[link.output]
                shown = ast.Subscript(shown, ast.Constant(link.output), ast.Load())
        body = f"after = before.copy()\n{ast.unparse(shown)}[...] = value\nreturn after"
        text = "def __NAME__(before, value):\n" + textwrap.indent(
            f'"""`before` with a part replaced."""\n{body}', "    "
        )
        name = self.writer.add("write", "written", text)
        read = [values.read(o, None)[0] for o in step.operands]
        return ast.Call(ast.Name(name, ast.Load()), read, [])

    def raw_dtype(self, step: Instruction) -> Any:
        """The dtype that the kernel gives by itself."""
        operands = [
            [self.arrays[i] for i in o] if isinstance(o, tuple) else None if o is None else self.arrays[o]
            for o in step.operands
        ]
        token = set_errors(QUIET)
        try:
            return np.asarray(step.op.kernel(*operands, *step.statics)).dtype
        finally:
            reset_errors(token)

    def example(self) -> list[str]:
        """A block that runs the functions on the example, if that is small."""
        arguments = self.recorded.arguments
        if sum(a.array.size for a in arguments) > 200 or any(
            a.array.dtype.kind not in "fiub" for a in arguments
        ):
            return []
        out = ["", "", 'if __name__ == "__main__":']
        for a in arguments:
            items = a.array.tolist()
            if a.array.dtype == np.float32:
                items = _mapped(items, short)
            kind = f"np.{a.array.dtype.name if a.array.dtype.kind != 'b' else 'bool_'}"
            out.append(f"    {a.name} = np.array({items!r}, {kind})")
        names = ", ".join(a.name for a in arguments)
        out += [f"    value, gradients = {self.gradient_name}({names})", "    print(value)"]
        out += ["    for gradient in gradients:", "        print(gradient)"]
        return out


class _Bare(ast.NodeTransformer):
    """`np.positive(x) * np.float32(2.0)`, which copies for nothing and says what is clear, as `x * 2.0`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        for side, other in (("left", "right"), ("right", "left")):
            part = getattr(node, side)
            if isinstance(part, ast.Call) and ast.unparse(part.func) == "np.positive" and len(part.args) == 1:
                setattr(node, side, part.args[0])
            weak = getattr(part, "weak", None)
            if weak is not None and not isinstance(getattr(node, other), ast.Constant):
                setattr(node, side, weak)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        weak = [getattr(a, "weak", None) for a in node.args]
        if ast.unparse(node.func) in ("np.maximum", "np.minimum") and sum(w is not None for w in weak) == 1:
            node.args = [a if w is None else w for a, w in zip(node.args, weak)]
        return node


def _bare(e: ast.expr) -> ast.expr:
    """An expression without what makes an array of a number: operators take both."""
    if (
        isinstance(e, ast.Call)
        and ast.unparse(e.func) == "np.asarray"
        and len(e.args) == 1
        and not e.keywords
    ):
        e = e.args[0]
    if isinstance(e, ast.Call) and [ast.unparse(k) for k in e.keywords] == ["out=..."]:
        e = pretty(ast.Call(e.func, e.args, []))
    made: ast.expr = _Bare().visit(e)
    return made


def refused(step: Instruction, why: str) -> Unsupported:
    """The error for an instruction that has no form."""
    where = place(step.code, step.lasti)
    return Unsupported(
        f"source(): {step.op.public} at {where.file}:{where.line} ({where.text.strip()}) {why}"
    )


def _mapped(items: Any, change: Any) -> Any:
    return [_mapped(i, change) for i in items] if isinstance(items, list) else change(items)


def _computed(recorded: Recorded) -> dict[int, Any]:
    """All values, computed on the example."""
    arrays: dict[int, Any] = {a.value: a.array for a in recorded.arguments}
    arrays.update(recorded.graph.constants)
    token = set_errors(QUIET)
    try:
        for step in recorded.graph.steps:
            execute(step, arrays)
            if any(arrays[n].shape != shape for n, shape in zip(step.results, step.shapes, strict=True)):
                raise refused(step, "gives a result whose shape depends on numbers")
    finally:
        reset_errors(token)
    return arrays


def _needed(steps: list[Instruction], wanted: set[int]) -> list[Instruction]:
    """The steps that lead to some values."""
    live = set(wanted)
    kept = []
    for step in reversed(steps):
        if any(n in live for n in step.results):
            kept.append(step)
            live.update(step.reads())
    return kept[::-1]


def _in_lines(before: str, parts: list[str], after: str, indent: int, comma: bool = True) -> str:
    """Parts with commas between, one a line if they are too many for one."""
    last = "," if comma and len(parts) == 1 else ""
    whole = f"{before}{', '.join(parts)}{last}{after}"
    if len(whole) + indent <= _WIDE:
        return whole
    return "\n".join([before, *(f"    {part}," for part in parts), after])


def _line(step: Instruction) -> str | None:
    """The user's line of an instruction."""
    text = place(step.code, step.lasti).text.strip()
    return text or None


def _tidy(text: str) -> str:
    """At most two empty lines in a row, one at the end."""
    out: list[str] = []
    for line in text.splitlines():
        if line.strip() or out[-2:] != ["", ""]:
            out.append(line.rstrip())
    return "\n".join(out).rstrip() + "\n"
