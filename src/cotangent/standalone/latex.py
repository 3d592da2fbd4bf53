"""The derivation of a small function of scalars in LaTeX: its value step by step, then the chain rule back.

The equations are those of the file (`write`), so they come from the derivative rules and no second table.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Final

from .record import Recorded, Unsupported
from .write import Entry, Text, Values, refused

_GREEK: Final = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|omega"
)
_FUNCTIONS: Final = {
    "np.sin": r"\sin", "np.cos": r"\cos", "np.tan": r"\tan", "np.arcsin": r"\arcsin", "np.arccos": r"\arccos",
    "np.arctan": r"\arctan", "np.sinh": r"\sinh", "np.cosh": r"\cosh", "np.tanh": r"\tanh", "np.log": r"\ln",
    "np.log2": r"\log_2", "np.log10": r"\log_{10}", "np.maximum": r"\max", "np.minimum": r"\min",
    "np.arcsinh": r"\operatorname{arsinh}", "np.sign": r"\operatorname{sgn}",
}  # fmt: skip
_INFIX: Final = {
    "np.add": "+", "np.subtract": "-", "np.multiply": "*", "np.divide": "/", "np.true_divide": "/",
    "np.power": "**",
}  # fmt: skip
# How strongly a form binds: sums, products, powers and what needs no brackets anywhere.
_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4


def derivation(recorded: Recorded) -> str:
    """A recorded function as an `align*` environment.

    Raises:
        TypeError: if it has arguments that are no scalars.
        Unsupported: if an operation has no usual form.
    """
    large = [a.name for a in recorded.arguments if a.array.size != 1]
    if large:
        raise TypeError(f"source(latex=True) derives functions of scalars; {large[0]} is an array")
    text = Text(recorded)
    values = Values(recorded, text.arrays)
    entries = list(text.entries(recorded.graph.steps, values, True))
    forms = _Forms(text, recorded, values, entries)
    lines = [] if forms.unnamed else [f"{forms.signature()} &= {forms.result}"]
    begun = False
    for entry in entries:
        if entry.backward and not begun:
            lines[-1] += r" \\[1ex]"
            begun = True
        elif lines:
            lines[-1] += r" \\"
        lines.append(forms.equation(entry))
    missing = [a.name for a, n in zip(_wanted(recorded), recorded.gradients, strict=True) if n is None]
    for name in missing:
        lines[-1] += r" \\"
        lines.append(f"{forms.partial(name)} &= 0")
    for a, n in zip(_wanted(recorded), recorded.gradients, strict=True):
        expression = None if n is None else values.read(n, None)[0]
        shown = {name for entry in entries for name in entry.names}
        if n is not None and f"d_{a.name}" not in shown and expression is not None:
            lines[-1] += r" \\"
            lines.append(f"{forms.partial(a.name)} &= {forms.of(expression)[0]}{forms.number(n)}")
    return "\n".join([r"\begin{align*}", *lines, r"\end{align*}"]) + "\n"


def _wanted(recorded: Recorded) -> list[Any]:
    return [a for a in recorded.arguments if a.wanted]


class _Forms:
    """Python expressions of the file as LaTeX."""

    def __init__(self, text: Text, recorded: Recorded, values: Values, entries: list[Entry]) -> None:
        self.text = text
        self.recorded = recorded
        self.unnamed = False
        self.step: Any = entries[-1].step if entries else None
        last = values.expressions.get(recorded.result)
        # A result that has no name is called as the function is.
        self.unnamed = not isinstance(last, ast.Name) or last.id.startswith("value")
        self.result = self.name(recorded.name if self.unnamed else last.id)  # type: ignore[union-attr]
        self.helpers = text.writer.wanted

    def signature(self) -> str:
        """The function with its arguments."""
        arguments = ", ".join(self.name(a.name) for a in self.recorded.arguments)
        return f"{self.name(self.recorded.name)}({arguments})"

    def name(self, name: str) -> str:
        """A variable."""
        if self.unnamed and name == "value":
            return self.result
        if name.startswith("d_"):
            return self.partial(name[2:])
        found = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
        letters, digits = (found[1], found[2]) if found else (name, "")
        if _GREEK.fullmatch(letters):
            letters = "\\" + letters
        elif len(letters) > 1:
            letters = rf"\mathrm{{{letters}}}".replace("_", r"\_")
        return f"{letters}_{{{digits}}}" if digits else letters

    def partial(self, name: str) -> str:
        """The derivative of the result by a variable."""
        return rf"\frac{{\partial {self.result}}}{{\partial {self.name(name)}}}"

    def number(self, n: int) -> str:
        """The value on the example, as the end of an equation."""
        value = float(self.text.arrays[n].reshape(())[()]) + 0.0  # no negative zero
        shown = f"{value:.4g}"
        if "e" in shown:
            mantissa, _, exponent = shown.partition("e")
            shown = rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
        exact = float(f"{value:.4g}") == value
        return f" {'=' if exact else chr(92) + 'approx'} {shown}"

    def equation(self, entry: Entry) -> str:
        """One assignment."""
        self.step = entry.step
        left = ", ".join(self.name(n) for n in entry.names)
        right, _ = self.of(entry.expression)
        value = self.number(entry.step.results[0]) if len(entry.names) == 1 else ""
        return f"{left} &= {right}" + ("" if value.endswith(f" {right}") else value)

    def within(self, e: ast.expr, least: int) -> str:
        """A part of a form, in brackets if it binds less than asked for."""
        form, binding = self.of(e)
        return form if binding >= least else rf"\left({form}\right)"

    def of(self, e: ast.expr) -> tuple[str, int]:
        """(form, how strongly it binds)."""
        if isinstance(e, ast.Name):
            return self.name(e.id), _ATOM
        if isinstance(e, ast.Constant) and isinstance(e.value, (int, float)):
            return f"{e.value:g}", _ATOM if e.value >= 0 else _SUM
        if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
            return f"-{self.within(e.operand, _PRODUCT)}", _SUM
        if isinstance(e, ast.BinOp):
            return self.binary(e.left, e.op, e.right)
        if isinstance(e, ast.Call):
            return self.call(e)
        raise self.refused()

    def binary(self, a: ast.expr, op: ast.operator, b: ast.expr) -> tuple[str, int]:
        if isinstance(op, ast.Add):
            return f"{self.within(a, _SUM)} + {self.within(b, _PRODUCT)}", _SUM
        if isinstance(op, ast.Sub):
            return f"{self.within(a, _SUM)} - {self.within(b, _PRODUCT)}", _SUM
        if isinstance(op, ast.Div):
            return rf"\frac{{{self.of(a)[0]}}}{{{self.of(b)[0]}}}", _ATOM
        if isinstance(op, ast.Pow):
            return f"{self.within(a, _ATOM)}^{{{self.of(b)[0]}}}", _POWER
        if not isinstance(op, ast.Mult):
            raise self.refused()
        if ast.dump(a) == ast.dump(b):
            return f"{self.within(a, _ATOM)}^{{2}}", _POWER
        if self.constant(b) is not None and self.constant(a) is None:
            a, b = b, a  # numbers first
        if self.constant(a) == -1.0:
            return f"-{self.within(b, _PRODUCT)}", _SUM
        left, right = self.within(a, _PRODUCT), self.within(b, _PRODUCT)
        dot = r"\cdot" if right[:1].isdigit() else r"\,"
        return f"{left} {dot} {right}", _PRODUCT

    @staticmethod
    def constant(e: ast.expr) -> float | None:
        """A number that is written down."""
        try:
            found = ast.literal_eval(e)
        except ValueError:
            return None
        return found if isinstance(found, (int, float)) else None

    def call(self, e: ast.Call) -> tuple[str, int]:
        called = ast.unparse(e.func)
        called = self.helpers.get(called, called)
        args = e.args
        if called == "np.subtract" and all(isinstance(a, ast.Compare) for a in args):
            compared = args[0]
            assert isinstance(compared, ast.Compare)
            return rf"\operatorname{{sgn}}\left({self.of(compared.left)[0]}\right)", _ATOM
        if called in _INFIX and len(args) == 2:
            return self.of(
                ast.parse(
                    f"({ast.unparse(args[0])}) {_INFIX[called]} ({ast.unparse(args[1])})", mode="eval"
                ).body
            )
        if called in ("np.float32", "np.float64", "np.asarray", "np.positive", "np.full") and args:
            return self.of(args[1] if called == "np.full" else args[0])
        if called in _FUNCTIONS:
            inner = ", ".join(self.of(a)[0] for a in args)
            return rf"{_FUNCTIONS[called]}\left({inner}\right)", _ATOM
        if called == "np.exp":
            return f"e^{{{self.of(args[0])[0]}}}", _POWER
        if called == "np.sqrt":
            return rf"\sqrt{{{self.of(args[0])[0]}}}", _ATOM
        if called in ("np.abs", "np.absolute", "np.fabs"):
            return rf"\left|{self.of(args[0])[0]}\right|", _ATOM
        if called == "np.square":
            return f"{self.within(args[0], _ATOM)}^{{2}}", _POWER
        if called == "np.reciprocal":
            return rf"\frac{{1}}{{{self.of(args[0])[0]}}}", _ATOM
        if called == "sigmoid":
            return rf"\sigma\left({self.of(args[0])[0]}\right)", _ATOM
        if called == "sigmoid_backward":
            g, y = self.within(args[0], _PRODUCT), self.within(args[1], _PRODUCT)
            return rf"{g} \, {y} \left(1 - {self.of(args[1])[0]}\right)", _PRODUCT
        if called in ("pow_scalar", "pow") and len(args) == 1:
            exponent = self.step.statics[0] if self.step.statics else None
            if isinstance(exponent, (int, float)):
                return f"{self.within(args[0], _ATOM)}^{{{exponent:g}}}", _POWER
        raise self.refused()

    def refused(self) -> Unsupported:
        """The error for what has no usual form."""
        return refused(self.step, "has no usual form in LaTeX")
