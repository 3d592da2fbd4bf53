"""`torch.fx.proxy`: values that write down what is done with them."""

from __future__ import annotations

import copy
import dis
import enum
import operator
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from types import CodeType
from typing import Any, Final, NoReturn

from .. import overriding
from ..autograd.where import is_internal
from ..dtypes import dtype
from ..nn.parameter import Parameter
from ..scalars import SymBool, SymFloat, SymInt
from ..size import device, layout, memory_format
from ..tensor import Tensor
from ..utils import _pytree as trees
from . import traceback as fx_traceback
from ._names import short_name
from ._texts import magic_methods, reflectable_magic_methods
from .graph import Graph
from .node import Node, map_arg
from .operator_schemas import check_for_mutable_operation

__all__ = [
    "Attribute", "GraphAppendingTracer", "ParameterProxy", "Proxy", "Scope", "ScopeContextManager",
    "TraceError", "TracerBase",
]  # fmt: skip

# Classes of values that stand in graphs as they are.
base_types: Final = (
    str, int, float, bool, complex, dtype, Tensor, device, memory_format, layout, SymInt, SymBool, SymFloat,
)  # fmt: skip


class TraceError(ValueError):
    """A program that cannot be written down because it asks for the value of a proxy."""


class Scope:
    """The module whose `forward` runs.

    Args:
        module_path: its name in the root module.
        module_type: its class.
    """

    def __init__(self, module_path: str, module_type: Any) -> None:
        self.module_path = module_path
        self.module_type = module_type


class ScopeContextManager:
    """Within it, a scope says that another module runs.

    Args:
        scope: the scope that is changed.
        current_scope: what it is in between.
    """

    def __init__(self, scope: Scope, current_scope: Scope) -> None:
        self._before = copy.copy(scope)
        self._scope = scope
        self._set(current_scope)

    def _set(self, other: Scope) -> None:
        self._scope.module_path, self._scope.module_type = other.module_path, other.module_type

    def __enter__(self) -> Scope:
        return self._scope

    def __exit__(self, *error: Any) -> None:
        self._set(self._before)


def _no_node_in_key(arg: Node) -> NoReturn:
    raise RuntimeError(f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {arg}")


class TracerBase:
    """Puts nodes into a graph for what proxies are told."""

    graph: Graph
    record_stack_traces: bool = False
    check_mutable_operations: bool = False
    trace_asserts: bool = False
    proxy_buffer_attributes: bool = False
    traced_func_name: str = "forward"
    scope: Scope
    module_stack: OrderedDict[str, tuple[str, Any]]
    node_name_to_scope: dict[str, tuple[str, Any]]

    def create_node(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """Put a node into the graph. Tracers may look at it, or refuse it.

        Args:
            kind: the kind of node.
            target: what it calls or reads.
            args: its arguments, without proxies.
            kwargs: its keyword arguments.
            name: a wish for its name.
            type_expr: the annotation of its value.

        Returns:
            The node.
        """
        if kind == "call_function" and self.check_mutable_operations:
            check_for_mutable_operation(target, args, kwargs)
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        self.node_name_to_scope[node.name] = (self.scope.module_path, self.scope.module_type)
        if fx_traceback.has_preserved_node_meta():
            fx_traceback.preserve(node)
        elif self.module_stack:
            node.meta["nn_module_stack"] = copy.copy(self.module_stack)
        if self.record_stack_traces and not node.stack_trace:
            frames = self._filter_traceback_frames(_user_stack())
            if frames:
                node.stack_trace = "".join(frames.format()).strip()
        return node

    def _filter_traceback_frames(self, user_stack_summary: traceback.StackSummary) -> traceback.StackSummary:
        """From the first `forward` on, what is the program's."""
        names = [frame.name for frame in user_stack_summary]
        start = names.index("forward") if "forward" in names else len(names)
        return traceback.StackSummary.from_list(user_stack_summary[start:])

    def proxy(self, node: Node) -> Proxy:
        """The proxy of a node.

        Args:
            node: the node.
        """
        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any | None = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:
        """Put a node into the graph, and return the proxy of its value.

        Args:
            kind: the kind of node.
            target: what it calls or reads.
            args: its arguments, proxies among them.
            kwargs: its keyword arguments.
            name: a wish for its name.
            type_expr: the annotation of its value.
            proxy_factory_fn: makes the proxy of the node, in the place of `proxy`.

        Returns:
            The proxy.
        """
        lowered, named = self.create_arg(args), self.create_arg(kwargs)
        if not isinstance(lowered, tuple):
            raise AssertionError(f"Expected args_ to be tuple, got {type(lowered)}")
        if not isinstance(named, dict):
            raise AssertionError(f"Expected kwargs_ to be dict, got {type(named)}")
        node = self.create_node(kind, target, lowered, named, name, type_expr)
        return self.proxy(node) if proxy_factory_fn is None else proxy_factory_fn(node)

    def create_arg(self, a: Any) -> Any:
        """A value as it can stand among a node's arguments.

        Args:
            a: a value that the traced program handed to a call.

        Returns:
            It with nodes in the places of proxies.

        Raises:
            NotImplementedError: for values that cannot.
        """
        if isinstance(a, Proxy):
            return a.node
        if not isinstance(a, type) and hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            inner = [self.create_arg(one) for one in a]
            return type(a)(*inner) if hasattr(a, "_fields") else type(a)(inner)
        if isinstance(a, list):
            return [self.create_arg(one) for one in a]
        if isinstance(a, dict):
            made = {}
            for key, value in a.items():
                if not isinstance(key, str):
                    key = self.create_arg(key)
                    map_arg(key, _no_node_in_key)
                made[key] = self.create_arg(value)
            return made
        if isinstance(a, slice):
            return slice(*(self.create_arg(one) for one in (a.start, a.stop, a.step)))
        if isinstance(a, range):
            return range(*(self.create_arg(one) for one in (a.start, a.stop, a.step)))
        if is_dataclass(a) and not isinstance(a, type):
            named = {field.name: self.create_arg(getattr(a, field.name)) for field in fields(a)}
            return self.create_node("call_function", a.__class__, (), named)
        if isinstance(a, (*base_types, enum.Enum)) or a is None or a is ... or hasattr(a, "_schema"):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """The truth of a proxy; tracers that know more of it may answer.

        Args:
            obj: the proxy.

        Raises:
            TraceError: always, here.
        """
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """The values in a proxy; tracers that know more of it may answer.

        Args:
            obj: the proxy.

        Raises:
            TraceError: always, here.
        """
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a "
            "*args or **kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed "
            "explanation of what types of control flow can be traced, and check out the Proxy docstring for "
            "help troubleshooting Proxy iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """The keys of a proxy: the call of its method.

        Args:
            obj: the proxy.
        """
        return Attribute(obj, "keys")()


def _user_stack() -> traceback.StackSummary:
    """The frames of the program, without columns."""
    frames = [
        traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_stack(sys._getframe(1))
        if not is_internal(frame.f_code.co_filename)
    ]
    return traceback.StackSummary.from_list(frames[::-1])


class GraphAppendingTracer(TracerBase):
    """Puts nodes for proxies at a graph's insertion point, without a trace.

    Args:
        graph: the graph.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.scope = Scope("", None)
        self.module_stack = OrderedDict()
        self.node_name_to_scope = {}


def assert_fn(x: Any) -> None:
    """Raise an error unless `x` is true."""
    if not x:
        raise AssertionError("Assertion failed")


def _is_assertion(code: CodeType, at: int) -> bool:
    """Whether the jump at an instruction's offset is that of an `assert` statement."""
    steps = list(dis.get_instructions(code))
    k = next(k for k, step in enumerate(steps) if step.offset == at)
    jumps = steps[k].opname.startswith("POP_JUMP") and steps[k].opname.endswith("IF_TRUE")
    return jumps and steps[k + 1].opname in ("LOAD_ASSERTION_ERROR", "LOAD_COMMON_CONSTANT")


class Proxy:
    """A value in a program that is being written down: what is done with it becomes a node.

    Args:
        node: the node whose value it stands for.
        tracer: makes the nodes; without one, they are put where the graph's insertion point is.

    Example:
        >>> import cotangent as torch
        >>> graph = torch.fx.Graph()
        >>> x = torch.fx.Proxy(graph.placeholder("x"))
        >>> torch.relu(x) + 1
        Proxy(add)
        >>> [node.name for node in graph.nodes]
        ['x', 'relu', 'add']
    """

    tracer: TracerBase
    node: Node

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        overriding.activate()
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        return Attribute(self, k)  # a node once it is used, as most are called

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def __setstate__(self, d: dict[str, Any]) -> None:
        self.__dict__ = d

    def __deepcopy__(self, memo: dict[int, Any]) -> Proxy:
        made = Proxy.__new__(type(self))
        for key, value in self.__dict__.items():
            try:
                made.__dict__[key] = copy.deepcopy(value, memo)
            except Exception:
                made.__dict__[key] = copy.copy(value)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        # `a, b = proxy` says how many there are.
        frame = sys._getframe(1)
        code = frame.f_code.co_code
        if dis.opname[code[frame.f_lasti]] == "UNPACK_SEQUENCE":
            return iter([self[k] for k in range(code[frame.f_lasti + 1])])
        return self.tracer.iter(self)

    def __abs__(self) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __bool__(self) -> bool:
        if self.tracer.trace_asserts:
            frame = sys._getframe(1)
            if _is_assertion(frame.f_code, frame.f_lasti):
                self.tracer.create_proxy("call_function", assert_fn, (self,), {})
                return True
        return self.tracer.to_bool(self)

    def keys(self) -> Any:
        """The keys, if it is a dictionary; `**proxy` asks for them."""
        return self.tracer.keys(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, "
            "please "
            "call torch.fx.wrap('len') at module scope"
        )

    def __getitem__(self, index: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.getitem, (self, index), {})

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Proxy:
        """A call of one of PyTorch's functions with a proxy becomes a node."""
        kwargs = kwargs or {}
        tracers = {a.tracer: None for a in trees.tree_leaves((args, kwargs)) if isinstance(a, Proxy)}
        if len(tracers) > 1:
            raise RuntimeError(
                f"Found multiple different tracers {list(tracers)} while trying to trace operations "
                f"{orig_method}"
            )
        tracer = next(iter(tracers))
        if overriding.names.get(orig_method, "").startswith("torch.Tensor."):
            return tracer.create_proxy("call_method", orig_method.__name__, args, kwargs)
        name = tracer.graph._target_to_str(short_name(orig_method))
        return tracer.create_proxy("call_function", orig_method, args, kwargs, name=name)


class Attribute(Proxy):
    """An attribute of a proxy: called, it is a method; used, it becomes a node.

    Args:
        root: the proxy.
        attr: the name.
    """

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root = root
        self.attr = attr
        self.tracer = root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads it; put into the graph when it is first asked for."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """The proxy of a parameter that knows its shape.

    Args:
        tracer: makes the nodes.
        node: the node that reads the parameter.
        name: its name.
        param: the parameter.
    """

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        if not isinstance(param, Parameter):
            raise AssertionError(f"Expected Parameter, got {type(param)}")
        self.param: Any = param
        self.name = name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        """The shape of the parameter."""
        return self.param.shape

    @property
    def ndim(self) -> int:
        """The number of its dimensions."""
        return int(self.param.ndim)

    def size(self) -> Any:
        """The shape of the parameter."""
        return self.param.size()

    def dim(self) -> int:
        """The number of its dimensions."""
        return int(self.param.dim())

    def numel(self) -> int:
        """The number of its elements."""
        return int(self.param.numel())

    def nelement(self) -> int:
        """The number of its elements."""
        return int(self.param.nelement())


def _define(name: str) -> None:
    target = getattr(operator, name, None)

    def forward(self: Proxy, *args: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", target, (self, *args), {})

    def reflected(self: Proxy, other: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", target, (other, self), {})

    plain = name.strip("_")
    if target is not None and name != "getitem":
        setattr(Proxy, f"__{plain}__", forward)
        if name in reflectable_magic_methods:
            setattr(Proxy, f"__r{plain}__", reflected)


for _name in magic_methods:
    _define(_name)
