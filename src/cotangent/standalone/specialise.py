"""Kernels rewritten for the arguments of one call: what is known of these is computed, branches not taken go.

A kernel is Python over NumPy; what it is told of (dtypes, numbers of dimensions, static values) is known, the
elements are not. An expression that can be evaluated from what is known becomes its value, a condition that
becomes a value chooses its branch. What is left is the NumPy code that this call runs, and stands alone:
functions of the package that it calls are rewritten in the same way.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ..errors import noted
from ..kernels.layout import as_chosen, as_indexed
from ..kernels.sized import generated, worthwhile
from .knowledge import DEEPEST, Knowledge
from .source_of import NoSource, class_definition, definition, scope_of
from .syntax import (
    MODULES,
    PACKAGE,
    UNKNOWN,
    NoForm,
    Probe,
    alike,
    as_dense,
    assigned,
    bound,
    changed,
    constant_text,
    function_text,
    in_numpy,
    is_short,
    literal,
    ours,
    plain,
    pretty,
    substituted,
    truth,
    undecorated,
    without_unread,
)


class _Dynamic(Exception):
    """An expression depends on what is not known."""


class Writer:
    """Collects the helpers that a file needs.

    Attributes:
        helpers: name -> text, in the order in which they must stand.
        imports: modules of the standard library that they use.
        wanted: stand-ins for names of helpers, and what they should be called.
    """

    def __init__(self) -> None:
        self.helpers: dict[str, str] = {}
        self.imports: set[str] = set()
        self.running: list[Any] = []
        self._by_text: dict[tuple[Any, str], str] = {}
        self._values: dict[int, tuple[str, Any]] = {}
        self._classes: dict[type, str] = {}
        self.wanted: dict[str, str] = {}

    def name(self, wanted: str) -> str:
        """A stand-in for the name of a helper; `with_names` puts the name itself in its place."""
        made = f"HELPER{len(self.wanted)}_"
        self.wanted[made] = wanted.strip("_") or "helper"
        return made

    def call(self, function: Any, arguments: Sequence[tuple[ast.expr, Any]]) -> ast.expr:
        """The call of a kernel as an expression.

        Args:
            function: the kernel.
            arguments: per parameter its expression and what is known of it: a Probe, UNKNOWN, or the value.

        Raises:
            NoForm: if it cannot be written with NumPy.
        """
        numpys = in_numpy(function)
        if numpys:
            return pretty(ast.Call(ast.parse(numpys, mode="eval").body, [a for a, _ in arguments], []))
        return _Function(self, function, arguments, {}).expression()

    def add(self, key: Any, wanted: str, text: str) -> str:
        """Enter a helper, named by a placeholder in its text, unless it is there; returns its name."""
        known = self._by_text.get((key, text))
        if known is not None:
            return known
        name = self.name(wanted)
        self._by_text[key, text] = name
        self.helpers[name] = text.replace("__NAME__", name)
        return name

    def constant(self, name: str, value: Any) -> ast.expr:
        """A module-level value as a name in the file."""
        known = self._values.get(id(value))
        if known is None:
            text = constant_text(value)
            if text is None:
                raise NoForm(f"it uses {name}, a {type(value).__name__}")
            made = self.name(name.strip("_").upper())
            self.helpers[made] = f"{made} = {text}"
            known = self._values[id(value)] = made, value
        return ast.Name(known[0], ast.Load())

    def cls(self, cls: type) -> ast.expr:
        """A class of the package as a name in the file."""
        if cls not in self._classes:
            tree = class_definition(cls)
            name = self._classes[cls] = self.name(cls.__name__)
            self.helpers[name] = ""  # its place; methods may name it
            tree.name = name
            scope = vars(inspect.getmodule(cls))
            for k, part in enumerate(tree.body):
                if isinstance(part, ast.FunctionDef):
                    method = _Function(self, None, (), scope)
                    tree.body[k] = method.method(part)
            text = ast.unparse(ast.fix_missing_locations(tree))
            del self.helpers[name]  # behind what it uses
            self.helpers[name] = text
        return ast.Name(self._classes[cls], ast.Load())


class _Function(Knowledge):
    """One function, rewritten for one call."""

    def __init__(
        self, writer: Writer, function: Any, arguments: Sequence[tuple[ast.expr, Any]], scope: dict[str, Any]
    ) -> None:
        super().__init__(scope)
        self.writer = writer
        self.function = function
        self.arguments = arguments
        self.changed: set[str] = set()  # names of lists that are changed after they were made
        self.loops = 0  # loops around the statement: there, assignments of known values stay

    # -- the call --------------------------------------------------------------------------------------

    def expression(self) -> ast.expr:
        """The call: the function's result where that is one expression, else a call of a helper."""
        inner, dense = undecorated(self.function)
        try:
            tree = definition(inner)
        except NoSource:
            name = getattr(self.function, "__name__", str(self.function))
            raise NoForm(f"{name} is not written in Python") from None
        self.scope = scope_of(inner)
        parameters = [a.arg for a in (*tree.args.posonlyargs, *tree.args.args)]
        if tree.args.kwarg or tree.args.kwonlyargs or len(self.arguments) > len(parameters):
            raise NoForm(f"{inner.__name__} takes any number of arguments")
        given = dict(zip(parameters, self.arguments))
        defaults = dict(zip(reversed(parameters), reversed(inner.__defaults__ or ())))
        for p in parameters:
            if p not in given:
                found = literal(defaults[p])
                if found is None:
                    raise NoForm(f"the default of {p} in {inner.__name__}")
                given[p] = found, defaults[p]
        self.known = {p: value for p, (_, value) in given.items() if value is not UNKNOWN}
        if tree.args.vararg:
            self.known[tree.args.vararg.arg] = ()
        self.local = set(parameters) | assigned(tree)
        self.changed = changed(tree)
        if self.function_in_progress(inner):
            raise NoForm(f"{inner.__name__} calls itself")
        body: list[ast.stmt] = [ast.Return(tree.body)] if isinstance(tree, ast.Lambda) else tree.body
        doc = ast.get_docstring(tree) if isinstance(tree, ast.FunctionDef) else None
        if doc:
            body = body[1:]
        self.writer.running.append(inner)
        try:
            rewritten, _ = self.block(body)
        finally:
            self.writer.running.pop()
        rewritten = without_unread(rewritten)
        if len(rewritten) == 1 and isinstance(rewritten[0], ast.Return) and rewritten[0].value is not None:
            inlined = substituted(rewritten[0].value, {p: e for p, (e, _) in given.items()})
            if inlined is not None:
                return as_dense(pretty(inlined)) if dense else pretty(inlined)
        used = {n.id for s in rewritten for n in ast.walk(s) if isinstance(n, ast.Name)}
        kept = [p for p in parameters if p in used]
        title = inner.__name__ if inner.__name__ != "<lambda>" else "step"
        text = function_text(kept, doc, rewritten)
        name = self.writer.add(inner, title, text)
        made = ast.Call(ast.Name(name, ast.Load()), [given[p][0] for p in kept], [])
        return as_dense(made) if dense else made

    def method(self, tree: ast.FunctionDef) -> ast.FunctionDef:
        """A method of a class, without knowing anything of its arguments."""
        names = [a.arg for a in (*tree.args.args, *tree.args.kwonlyargs)]
        self.local = set(names) | assigned(tree)
        tree.body, _ = self.block(tree.body)
        for a in (*tree.args.args, *tree.args.kwonlyargs):
            a.annotation = None
        tree.returns = None
        return tree

    def function_in_progress(self, inner: Any) -> bool:
        """Whether a function is being rewritten for a call inside itself, again and again."""
        return sum(inner is other for other in self.writer.running) > DEEPEST

    # -- statements ------------------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt]) -> tuple[list[ast.stmt], bool]:
        """(statements that are left, whether control leaves at their end)."""
        out: list[ast.stmt] = []
        for s in statements:
            made, ends = self.statement(s)
            out += made
            if ends:
                return out, True
        return out, False

    def statement(self, s: ast.stmt) -> tuple[list[ast.stmt], bool]:
        if isinstance(s, ast.If):
            return self.choice(s)
        if isinstance(s, ast.Assign) and len(s.targets) == 1:
            return self.assignment(s.targets[0], s.value), False
        if isinstance(s, ast.Assign):
            self.forget(assigned(s))
            return [ast.Assign([self.generic(t) for t in s.targets], self.rewrite(s.value), lineno=0)], False
        if isinstance(s, ast.AnnAssign):
            if s.value is None:
                return [], False
            return self.assignment(s.target, s.value), False
        if isinstance(s, ast.Return):
            return [ast.Return(None if s.value is None else self.rewrite(s.value))], True
        if isinstance(s, ast.Raise):
            return [self.generic(s)], True
        if isinstance(s, (ast.For, ast.While)):
            return self.loop(s), False
        if isinstance(s, ast.AugAssign):
            return self.augmented(s), False
        if isinstance(s, (ast.Try, ast.With)):
            return self.attempt(s), isinstance(s, ast.With) and isinstance(s.body[-1], ast.Return)
        if isinstance(s, (ast.Expr, ast.Delete, ast.Assert, ast.Pass, ast.Break, ast.Continue)):
            self.forget(assigned(s))
            return [self.generic(s)], False
        raise NoForm(f"a statement of the kind {type(s).__name__}")

    def choice(self, s: ast.If) -> tuple[list[ast.stmt], bool]:
        test = self.rewrite(s.test)
        decided = truth(test)
        if decided is not None:
            return self.block(s.body if decided else s.orelse)
        before = dict(self.known)
        body, ends = self.block(s.body)
        after_body = self.known
        self.known = before
        orelse, ends_else = self.block(s.orelse)
        if not ends and not (ends_else and s.orelse):
            # What is known afterwards is what both know; where they differ, each says its value.
            after_else = self.known
            names = {*after_body, *after_else}
            same = {
                k: after_else[k]
                for k in names
                if k in after_body and k in after_else and alike(after_body[k], after_else[k])
            }
            body += self.spelled(names - same.keys(), after_body)
            orelse += self.spelled(names - same.keys(), after_else)
            self.known = same
        elif not ends:
            self.known = after_body
        return [ast.If(test, body or [ast.Pass()], orelse)], ends and ends_else and bool(s.orelse)

    def spelled(self, names: set[str], known: dict[str, Any]) -> list[ast.stmt]:
        """Assignments of known values, for where they are not known any more (they had been left out)."""
        made: list[ast.stmt] = []
        for name in sorted(names & known.keys()):
            value = None if isinstance(known[name], Probe) or self.loops else literal(known[name])
            if value is not None:
                made.append(ast.Assign([ast.Name(name, ast.Store())], value, lineno=0))
        return made

    def assignment(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        found = self.value(value)
        made = self.rewrite(value)
        if found is UNKNOWN:
            found = self.value(made) if plain(made) else self.probed(value)
        known = literal(found) is not None if found is not UNKNOWN else False
        if isinstance(found, list) and isinstance(target, ast.Name) and target.id in self.changed:
            found, known = UNKNOWN, False
        if isinstance(target, ast.Name):
            self.known.pop(target.id, None)
            if known or isinstance(found, Probe):
                self.known[target.id] = found
            if known and is_short(found) and not self.loops:
                return []
        elif isinstance(target, ast.Tuple):
            self.forget(assigned(target))
            parts = bound(target, found) if known else None
            if parts is not None and not any(isinstance(v, list) for v in parts.values()):
                self.known.update(parts)
                if not self.loops and all(map(is_short, parts.values())):
                    return []
        else:
            target = self.generic(target)
        return [ast.Assign([target], made, lineno=0)]

    def augmented(self, s: ast.AugAssign) -> list[ast.stmt]:
        """`x += y`; a known number that stops being known is said first."""
        lead: list[ast.stmt] = []
        if isinstance(s.target, ast.Name):
            lead = self.spelled({s.target.id}, self.known)
            if lead or self.loops:
                self.forget({s.target.id})
        else:
            s.target = self.generic(s.target)
        return [*lead, ast.AugAssign(s.target, s.op, self.rewrite(s.value))]

    def loop(self, s: ast.For | ast.While) -> list[ast.stmt]:
        changed = assigned(s)
        lead = self.spelled(changed, self.known)
        self.forget(changed)
        iterated = self.rewrite(s.iter) if isinstance(s, ast.For) else None
        self.loops += 1
        body, _ = self.block(s.body)
        self.loops -= 1
        self.forget(changed)
        if isinstance(s, ast.For):
            assert iterated is not None
            made: ast.stmt = ast.For(s.target, iterated, body or [ast.Pass()], [], lineno=0)
        else:
            made = ast.While(self.rewrite(s.test), body or [ast.Pass()], [])
        return [*lead, made]

    def attempt(self, s: ast.Try | ast.With) -> list[ast.stmt]:
        """A `try` or `with`: what it assigns is not known after it."""
        changed = assigned(s)
        lead = self.spelled(changed, self.known)
        self.forget(changed)
        self.loops += 1
        s.body = self.block(s.body)[0]
        if isinstance(s, ast.With):
            for item in s.items:
                item.context_expr = self.rewrite(item.context_expr)
        else:
            for h in s.handlers:
                h.type, h.body = h.type and self.rewrite(h.type), self.block(h.body)[0] or [ast.Pass()]
            s.orelse, s.finalbody = self.block(s.orelse)[0], self.block(s.finalbody)[0]
        self.loops -= 1
        self.forget(changed)
        return [*lead, s]

    def forget(self, names: set[str]) -> None:
        for name in names:
            self.known.pop(name, None)

    # -- expressions -----------------------------------------------------------------------------------

    def rewrite(self, e: ast.expr) -> ast.expr:
        """An expression with what is known put in."""
        found = self.value(e)
        if found is not UNKNOWN:
            made = literal(found)
            if made is not None and is_short(found):
                return made
        if isinstance(e, ast.BoolOp):
            return self.boolean(e)
        if isinstance(e, ast.IfExp):
            test = self.rewrite(e.test)
            decided = truth(test)
            if decided is not None:
                return self.rewrite(e.body if decided else e.orelse)
            return ast.IfExp(test, self.rewrite(e.body), self.rewrite(e.orelse))
        if isinstance(e, ast.Call):
            return self.call(e)
        if isinstance(e, ast.Name) and isinstance(e.ctx, ast.Load) and e.id not in self.local:
            return self.outside(e.id)
        if isinstance(e, ast.Attribute) and isinstance(e.ctx, ast.Load):
            return self.attribute(e)
        if isinstance(e, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
            targets = [n for part in e.generators for n in ast.walk(part.target)]
            return self.inside(e, {n.id for n in targets if isinstance(n, ast.Name)})
        return self.inside(e, {a.arg for a in e.args.args} if isinstance(e, ast.Lambda) else set())

    def inside(self, e: ast.expr, names: set[str]) -> ast.expr:
        """An expression that has names of its own, rewritten."""
        added = names - self.local
        self.local |= added
        try:
            made: ast.expr = self.generic(e)
        finally:
            self.local -= added
        return made

    def generic(self, node: Any) -> Any:
        """A node with its expressions rewritten."""
        for name, part in ast.iter_fields(node):
            if isinstance(part, ast.expr):
                setattr(node, name, self.rewrite(part))
            elif isinstance(part, list):
                setattr(node, name, [self.part(p) for p in part])
            elif isinstance(part, ast.AST):
                setattr(node, name, self.generic(part))
        return node

    def part(self, node: Any) -> Any:
        """One of several parts of a node."""
        if isinstance(node, ast.expr):
            return self.rewrite(node)
        return self.generic(node) if isinstance(node, ast.AST) else node

    def boolean(self, e: ast.BoolOp) -> ast.expr:
        decisive = isinstance(e.op, ast.Or)
        left: list[ast.expr] = []
        for part in e.values:
            made = self.rewrite(part)
            decided = truth(made)
            if decided is not None:
                if decided == decisive:
                    if not any(isinstance(n, ast.Call) for p in left for n in ast.walk(p)):
                        return made
                    left.append(made)
                    break
                continue
            left.append(made)
        if not left:
            return ast.Constant(not decisive)
        return left[0] if len(left) == 1 else ast.BoolOp(e.op, left)

    def call(self, e: ast.Call) -> ast.expr:
        function = self.target(e.func)
        if function is generated or function is worthwhile:
            return ast.Constant(False)  # a file has no generated kernels
        if function in (noted, as_chosen, as_indexed):
            return self.rewrite(e.args[0])  # no notes on errors, and no layouts that nobody sees
        if isinstance(function, type) and function.__module__.startswith(PACKAGE):
            made = self.writer.cls(function)
            return ast.Call(made, [self.rewrite(a) for a in e.args], [self.generic(k) for k in e.keywords])
        if ours(function):
            return self.inner_call(function, e)
        arguments = [self.rewrite(a) for a in e.args]
        keywords = [self.generic(k) for k in e.keywords]
        keywords = [
            k
            for k in keywords
            if not (k.arg == "out" and isinstance(k.value, ast.Constant) and k.value.value is None)
        ]
        shown = self.shorter(e, arguments, keywords)
        return pretty(ast.Call(self.rewrite(e.func), arguments, keywords)) if shown is None else shown

    def shorter(self, e: ast.Call, arguments: list[ast.expr], keywords: list[ast.keyword]) -> ast.expr | None:
        """A call as it is usually written, where its array is known well enough: `a.T`, `a.sum(axis=0)`."""
        if isinstance(e.func, ast.Attribute) and e.func.attr == "swapaxes" and len(arguments) == 2:
            seen = self.array(e.func.value)
            if seen is not None and seen.ndim == 2 and self.target(e.func) is UNKNOWN:
                return ast.Attribute(self.rewrite(e.func.value), "T", ast.Load())
        if isinstance(e.func, ast.Attribute) and e.func.attr == "reshape" and len(e.args) == 1:
            seen = self.array(e.func.value)
            if seen is not None and self.value(e.args[0]) == seen.shape:
                return self.rewrite(e.func.value)
        function = self.target(e.func)
        if not e.args or not callable(function):
            return None
        seen = self.array(e.args[0])
        if seen is None:
            return None
        if function is np.asarray:
            given = {k.arg: k.value for k in e.keywords}
            wanted = (
                self.value(e.args[1])
                if len(e.args) > 1
                else self.value(given["dtype"])
                if "dtype" in given
                else None
            )
            if wanted is UNKNOWN or (wanted is not None and np.dtype(wanted) != seen.dtype):
                return None
            ordered = "order" in given and seen.ndim > 1
            if seen.ndim and not ordered:
                return arguments[0]
            kept = [k for k in keywords if k.arg == "order" and ordered]
            return ast.Call(ast.parse("np.asarray", mode="eval").body, arguments[:1], kept)
        if getattr(function, "__self__", None) is np.add and function.__name__ == "reduce":
            given = {k.arg: k.value for k in keywords}
            if len(arguments) != 1 or not isinstance(arguments[0], ast.Name) or "out" in given:
                return None
            known = {k.arg: self.value(k.value) for k in e.keywords}
            dtype = known.get("dtype")
            if (
                dtype is UNKNOWN
                or (dtype is not None and np.dtype(dtype) != seen.dtype)
                or seen.dtype.kind != "f"
            ):
                return None
            kept = []
            if "axis" in given and known["axis"] is not None:
                axis = known["axis"]
                one = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
                made = literal(one) if one is not UNKNOWN else None
                kept.append(ast.keyword("axis", made or given["axis"]))
            elif "axis" not in given:
                kept.append(ast.keyword("axis", ast.Constant(0)))
            if "keepdims" in given and known["keepdims"] is not False:
                kept.append(ast.keyword("keepdims", given["keepdims"]))
            return ast.Call(ast.Attribute(arguments[0], "sum", ast.Load()), [], kept)
        return None

    def inner_call(self, function: Any, e: ast.Call) -> ast.expr:
        """A call of another function of the package."""
        inner, _ = undecorated(function)
        parameters = list(inspect.signature(inner).parameters)
        if any(isinstance(a, ast.Starred) for a in e.args) or any(k.arg is None for k in e.keywords):
            spread = [self.generic(a) if isinstance(a, ast.Starred) else self.rewrite(a) for a in e.args]
            return ast.Call(self.passed(function), spread, [self.generic(k) for k in e.keywords])
        given: dict[str, tuple[ast.expr, Any]] = {}
        for p, a in zip(parameters, e.args):
            given[p] = self.rewrite(a), self.known_of(a)
        for k in e.keywords:
            given[k.arg or ""] = self.rewrite(k.value), self.known_of(k.value)
        ordered: list[tuple[ast.expr, Any]] = []
        defaults = inspect.signature(inner).parameters
        for p in parameters:
            if p not in given and len(ordered) < len(given):
                default = defaults[p].default
                made = literal(default)
                if made is None:
                    raise NoForm(f"the default of {p} in {inner.__name__}")
                given[p] = made, default
            if p in given:
                ordered.append(given[p])
        return _Function(self.writer, function, ordered, {}).expression()

    def outside(self, name: str) -> ast.expr:
        """A name that is not local: a builtin, NumPy, or something of the kernel's module."""
        if name not in self.scope:
            if hasattr(builtins, name):
                return ast.Name(name, ast.Load())
            raise NoForm(f"the name {name}")
        return self.standing_for(name, self.scope[name])

    def standing_for(self, name: str, value: Any) -> ast.expr:
        if isinstance(value, ModuleType):
            if value is np:
                return ast.Name("np", ast.Load())
            if value in MODULES:
                self.writer.imports.add(MODULES[value])
                return ast.Name(MODULES[value], ast.Load())
            raise NoForm(f"it needs {value.__name__}")
        if isinstance(value, type) and issubclass(value, Exception) and not hasattr(builtins, value.__name__):
            return ast.Name("RuntimeError", ast.Load())  # as all of PyTorch's own are
        if isinstance(value, type) and value.__module__.startswith(PACKAGE):
            return self.writer.cls(value)
        for module, called in MODULES.items():
            if getattr(module, name, None) is value:
                self.writer.imports.add(called)
                return ast.parse(f"{called}.{name}", mode="eval").body
        if ours(value):
            return self.passed(value)
        if isinstance(value, (FunctionType, BuiltinFunctionType, type, np.ufunc)):
            found = in_numpy(value)
            if found:
                return ast.parse(found, mode="eval").body
            raise NoForm(f"it needs {getattr(value, '__module__', '')}.{name}")
        return self.writer.constant(name, value)

    def passed(self, function: Any) -> ast.expr:
        """A function of the package that is handed on as a value: rewritten without knowing its arguments."""
        inner, _ = undecorated(function)
        made = _Function(self.writer, inner, (), scope_of(inner))
        try:
            tree = definition(inner)
        except NoSource:
            raise NoForm(f"{inner.__name__} is not written in Python") from None
        if isinstance(tree, ast.Lambda):
            raise NoForm("a lambda that is handed on")
        tree.decorator_list = []
        tree = made.method(tree)
        tree.name = "__NAME__"
        name = self.writer.add(inner, inner.__name__, ast.unparse(ast.fix_missing_locations(tree)))
        return ast.Name(name, ast.Load())

    def attribute(self, e: ast.Attribute) -> ast.expr:
        base = self.target(e.value)
        if isinstance(base, ModuleType):
            if base is np or base in MODULES:
                return ast.Attribute(self.rewrite(e.value), e.attr, ast.Load())
            if base.__name__.startswith("numpy"):
                found = in_numpy(getattr(base, e.attr))
                if found:
                    return ast.parse(found, mode="eval").body
            if base.__name__.startswith(PACKAGE):
                try:
                    return self.standing_for(e.attr, getattr(base, e.attr))
                except AttributeError:
                    pass
            raise NoForm(f"it needs {base.__name__}.{e.attr}")
        return ast.Attribute(self.rewrite(e.value), e.attr, e.ctx)
