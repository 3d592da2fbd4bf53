"""Python programs of graphs."""

from __future__ import annotations

import enum
import inspect
import os
import pprint
import re
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ..size import device
from ..tensor import Tensor
from ._metadata import TensorMetadata
from ._names import is_from_torch, qualified_name, type_name
from ._namespace import CUSTOM_BUILTINS, Namespace
from ._shorts import listed, short_dtype
from ._texts import COLORS, inplace_methods, magic_methods
from .node import Node

__all__ = ["CodeGen", "PythonCode"]

_ORIGINS: Final = {
    list: typing.List,  # noqa: UP006 - generated programs name the class that was written
    dict: typing.Dict,  # noqa: UP006
    set: typing.Set,  # noqa: UP006
    frozenset: typing.FrozenSet,  # noqa: UP006
    tuple: typing.Tuple,  # noqa: UP006
}
_COUNTER: Final = re.compile(r"# COUNTER: (\d+)")
_FRAME: Final = re.compile(r"^File \"(.+)\", line (\d+), in (.+)$")
_WRAP: Final = "torch.fx._symbolic_trace.wrap"


@dataclass
class PythonCode:
    """A program as text, with the values that it names and does not define."""

    src: str
    globals: dict[str, Any]
    _lineno_map: dict[int, int | None] | None
    _prologue_start: int = 0


def format_target(base: str, target: str) -> str:
    """The expression for an attribute of an attribute: `self.net.0` needs `getattr`.

    Args:
        base: the expression of the object.
        target: names with dots between them.
    """
    for name in target.split("."):
        base = f"{base}.{name}" if name.isidentifier() else f'getattr({base}, "{name}")'
    return base


def where_of(stack_trace: str) -> tuple[str, str, str, str] | None:
    """(file, line, function, source) of the last frame of a stack that has source.

    Args:
        stack_trace: the stack as text.
    """
    lines = stack_trace.strip().split("\n")
    for k in range(len(lines) - 2, -1, -1):
        found = _FRAME.match(lines[k].strip())
        if found:
            return found[1], found[2], found[3], lines[k + 1].strip()
    return None


def _where(stack_trace: str | None) -> str:
    found = where_of(stack_trace) if stack_trace else None
    if found is None:
        return "No stacktrace found for following nodes"
    file, line, name, code = found
    return f"File: {file}:{line} in {name}, code: {code}"


class CodeGen:
    """Writes the programs of graphs; a subclass may write other first and last lines.

    Example:
        >>> import cotangent as torch
        >>> class Listed(torch.fx.CodeGen):
        ...     def gen_fn_def(self, free_vars, maybe_return_annotation):
        ...         return f"def forward(self, args):\\n    {', '.join(free_vars)}, = args"
        ...     def process_inputs(self, *args):
        ...         return args[0]
        >>> gm = torch.fx.symbolic_trace(lambda x, y: x + y)
        >>> gm.graph.set_codegen(Listed())
        >>> _ = gm.recompile()
        >>> gm([torch.tensor(1), torch.tensor(2)])
        tensor(3)
    """

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"

    def gen_fn_def(
        self, free_vars: list[str], maybe_return_annotation: str, *, expanded_def: bool = False
    ) -> str:
        """The first line of the program.

        Args:
            free_vars: its parameters; `self` is put before them.
            maybe_return_annotation: the annotation with its arrow, or nothing.
            expanded_def: whether each parameter has a line.
        """
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        parameters = ", ".join(free_vars)
        if expanded_def:
            parameters = "\n" + "".join(_own_line(text) for text in free_vars)
        return f"def {self._func_name}({parameters}){maybe_return_annotation}:"

    def generate_output(
        self,
        output_args: Any,
        *,
        descs: Sequence[str] | None = None,
        repr_fn: Callable[[Any], str] | None = None,
    ) -> str:
        """The last statement of the program.

        Args:
            output_args: what it returns.
            descs: comments on the values of a list.
            repr_fn: writes a value.
        """
        shown = repr if repr_fn is None else repr_fn
        if descs is not None and isinstance(output_args, (list, tuple)):
            return listed_lines(output_args, descs, "return ", shown)
        return f"return {shown(output_args)}"

    def process_inputs(self, *args: Any) -> Any:
        """The arguments of the graph from those of the program; here the same.

        Args:
            args: arguments of the program.
        """
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """What the program returns from what the graph returns; here the same.

        Args:
            outputs: what the graph returns.
        """
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Further (name, value) pairs that the program uses."""
        return []

    def _gen_python_code(
        self, nodes: Iterable[Node], root_module: str, namespace: Namespace, **options: Any
    ) -> PythonCode:
        return _Writing(self, nodes, root_module, namespace, **options).written()


def _own_line(text: str) -> str:
    if "#" in text:
        text, comment = text.split("#", 1)
        return f"    {text.rstrip()},  # {comment.lstrip()}\n"
    return f"    {text},\n"


def listed_lines(items: Any, descs: Sequence[str], prefix: str, shown: Callable[[Any], str]) -> str:
    """A list or tuple with each value in a line of its own, and a comment.

    Args:
        items: the values.
        descs: the comments.
        prefix: what stands before.
        shown: writes a value.
    """
    left, right = ("(", ")") if isinstance(items, tuple) else ("[", "]")
    lines = "".join(f"    {shown(item)},  # {desc}\n" for item, desc in zip(items, descs))
    return f"{prefix}{left}\n{lines}{right}"


def accepted(method: Callable[..., str], *args: Any, **kwargs: Any) -> str:
    """A method's result; of the keyword arguments it gets those that it knows.

    Args:
        method: one that a subclass may have defined with fewer parameters.
        args: its arguments.
        kwargs: more of them.
    """
    known = inspect.signature(method).parameters
    return method(*args, **{name: value for name, value in kwargs.items() if name in known})


class _Writing:
    """The writing of one program."""

    def __init__(
        self,
        codegen: CodeGen,
        nodes: Any,
        root_module: str,
        namespace: Namespace,
        *,
        verbose: bool = False,
        include_stride: bool = False,
        include_device: bool = False,
        colored: bool = False,
        expanded_def: bool = False,
        additional_meta: list[str] | None = None,
    ) -> None:
        self.codegen, self.nodes, self.root, self.namespace = codegen, nodes, root_module, namespace
        self.verbose, self.expanded, self.meta_keys = verbose, expanded_def, additional_meta
        asked = os.environ.get
        self.stride = include_stride or asked("FX_GRAPH_SHOW_STRIDE", "0") == "1"
        self.device = include_device or asked("FX_GRAPH_SHOW_DEVICE", "0") == "1"
        self.show_meta = asked("FX_GRAPH_SHOW_META", "0") == "1"
        self.colored = colored
        self.parameters: list[str] = []
        self.body: list[str] = []
        self.globals: dict[str, Any] = {}
        self.wrapped: dict[str, None] = {}
        self.returns = ""
        self.summary: str | None = None
        self.last_uses: dict[Node, list[Node]] = {}
        seen: set[Node] = set()
        for node in reversed(nodes):
            for value in node._input_nodes:
                if value not in seen:
                    seen.add(value)
                    self.last_uses.setdefault(node, []).append(value)

    def color(self, name: str, text: str) -> str:
        return f"{COLORS[name]}{text}\033[0m" if self.colored else text

    # -- names and values -----------------------------------------------------------------------------

    def named(self, hint: str, obj: Any) -> str:
        """The name of a value that the program does not define."""
        own = getattr(getattr(obj, "overloadpacket", None), "_own", False)  # no operator of PyTorch's
        if is_from_torch(obj) and obj is not device and not own:
            return qualified_name(obj)
        name = self.namespace.create_name(hint, obj)
        if name in self.globals and self.globals[name] != obj:
            raise AssertionError(f"Global name {name} already assigned to different object")
        self.globals[name] = obj
        return name

    def annotation(self, kind: Any) -> str:
        if kind == ():
            return "()"
        text = type_name(kind)
        if isinstance(kind, types.UnionType) and "|" in text:
            return "|".join(self.annotation(one) for one in typing.get_args(kind))
        origin = getattr(kind, "__origin__", None)
        if not origin:
            return self.named(text, kind)
        if isinstance(kind, typing._GenericAlias):  # type: ignore[attr-defined]
            origin = _ORIGINS.get(origin, origin)
        name = self.named(type_name(origin), origin)
        inner = typing.get_args(kind)
        return f"{name}[{','.join(self.annotation(one) for one in inner)}]" if inner else name

    def value(self, arg: Any) -> str:
        if isinstance(arg, Node):
            return repr(arg)
        if isinstance(arg, tuple):
            if hasattr(arg, "_fields"):
                return f"{self.named(qualified_name(type(arg)), type(arg))}{tuple(arg)!r}"
            comma = "," if len(arg) == 1 else ""
            return f"({', '.join(self.value(one) for one in arg)}{comma})"
        if isinstance(arg, list):
            return f"[{', '.join(self.value(one) for one in arg)}]"
        if isinstance(arg, slice):
            return f"slice({', '.join(self.value(one) for one in (arg.start, arg.stop, arg.step))})"
        if isinstance(arg, enum.Enum):
            return f"{self.named(type(arg).__name__, type(arg))}.{arg.name}"
        if isinstance(arg, Tensor):
            return f"torch.Tensor(size={list(arg.size())}, dtype={str(arg.dtype).split('.')[-1]})"
        if isinstance(arg, np.dtype):
            return self.named(f"dtype_{arg.name}", arg)
        if callable(arg) and hasattr(arg, "_schema"):
            return self.named(qualified_name(arg), arg)
        return self.color("blue", repr(arg))

    def arguments(self, args: Iterable[Any], kwargs: dict[str, Any]) -> str:
        return ", ".join(
            [*(self.value(a) for a in args), *(f"{key} = {self.value(a)}" for key, a in kwargs.items())]
        )

    # -- lines ----------------------------------------------------------------------------------------

    def summarise(self, node: Node) -> None:
        """A comment of where in the traced program the following lines come from."""
        if node.op in ("placeholder", "output"):
            return
        meta = node.meta
        told = ", ".join(f"{key}: {meta[key]}" for key in self.meta_keys or () if key in meta)
        custom = {}
        for key, value in (meta.get("custom") or {}).items():
            text = str(value)
            custom[key] = text[:40] + "..." if len(text) > 40 else value
        noted = f" Annotation: {custom}" if custom else ""
        text = f"{f'# {told} ' if told else ''}#{noted} {_where(node.stack_trace)}"
        summary = f"\n{self.color('dim', text)}\n"
        if summary != self.summary:
            self.summary = summary
            self.body.append(summary)

    def known_annotation(self, node: Node) -> str | None:
        """The shape and dtype of a node's value as an annotation, where they are known."""
        meta = node.meta
        known = meta.get("val", meta.get("tensor_meta", meta.get("example_value")))
        if isinstance(known, TensorMetadata):
            return f': "{short_dtype(known.dtype)}{listed(known.shape)}"'
        if not isinstance(known, Tensor):
            return None
        stride = self.color("dim_blue", listed(known.stride()) if self.stride else "")
        place = self.color("dim_green", str(known.device) if self.device else "")
        core = (
            f"{self.color('red', short_dtype(known.dtype))}{self.color('blue', listed(known.shape))}"
            f"{stride}{place}"
        )
        return f': "{core}"' if type(known) is Tensor else f': "{type(known).__name__}({core})"'

    def emit(self, node: Node) -> None:
        kind = "" if node.type is None else f" : {self.annotation(node.type)}"
        if self.verbose:
            kind = self.known_annotation(node) or kind
        if self.show_meta and node.meta:
            told = (f"{k}: {pprint.pformat(str(v), width=80, compact=True)}\n" for k, v in node.meta.items())
            self.body += ['"""\n', *told, '"""\n']
        if node.op == "placeholder":
            self.emit_placeholder(node, kind)
            return
        if node.op == "output":
            if node.type is not None:
                self.returns = f" -> {self.annotation(node.type)}"
            descs = node.meta.get("desc") if self.expanded else None
            self.body.append(
                accepted(self.codegen.generate_output, node.args[0], descs=descs, repr_fn=self.value)
            )
            return
        start = f"{node!r}{kind} = "
        if node.op == "call_function":
            self.body.append(self.call(node, start))
        elif node.op == "call_method":
            called = format_target(self.value(node.args[0]), node.target)
            self.body.append(f"{start}{called}({self.arguments(node.args[1:], node.kwargs)})")
        elif node.op == "call_module":
            called = format_target(self.root, node.target)
            self.body.append(f"{start}{called}({self.arguments(node.args, node.kwargs)})")
        elif node.op == "get_attr":
            self.body.append(f"{start}{format_target(self.root, node.target)}")
        else:
            raise NotImplementedError(f"node: {node.op} {node.target}")

    def emit_placeholder(self, node: Node, kind: str) -> None:
        default = f" = {self.value(node.args[0])}" if node.args else ""
        desc = node.meta.get("desc") if self.expanded else None
        comment = "" if desc is None else f"  # {desc}"
        self.parameters.append(f"{node.target}{kind}{default}{comment}")
        plain = node.target.replace("*", "")
        if plain != repr(node):
            self.body.append(f"{node!r} = {plain}\n")

    def call(self, node: Node, start: str) -> str:
        target, args = node.target, node.args
        if getattr(target, "__module__", "") == "_operator":
            name = target.__name__
            shown = [self.value(a) for a in args]
            if name in magic_methods:
                return f"{start}{magic_methods[name].format(*shown)}"
            if name in inplace_methods:
                return f"{inplace_methods[name].format(*shown)};  {start}{shown[0]}"
        name = self.named(qualified_name(target), target)
        if name == "getattr" and len(args) == 2 and isinstance(args[1], str) and args[1].isidentifier():
            return f"{start}{format_target(self.value(args[0]), args[1])}"
        if node.meta.get("is_wrapped", False):
            self.wrapped.setdefault(name)
        return f"{start}{name}({self.arguments(args, node.kwargs)})"

    def free(self, node: Node) -> None:
        """Values that nobody uses later are let go in the line of their last use."""
        if node.op == "placeholder":
            return
        gone = [] if node.op == "output" else [*self.last_uses.get(node, ())]
        if not node.users and node.op != "output":
            gone.append(node)
        freed = " = ".join([*map(repr, gone), "None"])
        self.body.append(f";  {self.color('dim', freed)}\n" if gone else "\n")

    def written(self) -> PythonCode:
        for name, known in CUSTOM_BUILTINS.items():
            self.globals[self.namespace.create_name(name, known.obj)] = known.obj
        for k, node in enumerate(self.nodes):
            if self.verbose:
                self.summarise(node)
            self.body.append(f"# COUNTER: {k}\n")
            self.emit(node)
            self.free(node)
        body = self.body or ["pass\n"]
        wraps = "\n".join(f'{_WRAP}("{name}")' for name in self.wrapped)
        if self.codegen._body_transformer:
            body = self.codegen._body_transformer(body)
        for name, value in self.codegen.additional_globals():
            self.named(name, value)
        first = accepted(self.codegen.gen_fn_def, self.parameters, self.returns, expanded_def=self.expanded)

        numbers: dict[int, int | None] = {}
        lines: list[str] = []
        current = None
        for line in "".join(body).split("\n"):
            counter = _COUNTER.search(line)
            if counter is None:
                numbers[len(lines) + first.count("\n") + 1] = current
                lines.append(line)
            else:
                current = int(counter.group(1))
        code = "\n".join("    " + line for line in "\n".join(lines).lstrip("\n").split("\n"))
        return PythonCode(f"\n{wraps}\n\n{first}\n{code}", self.globals, numbers, wraps.count("\n") + 4)
