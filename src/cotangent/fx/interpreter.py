"""`torch.fx.interpreter`: graphs that are run node by node."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import traceback as fx_traceback
from ._symbolic_trace import Tracer
from .graph import Graph
from .graph_module import GraphModule
from .node import Node, map_aggregate, map_arg
from .proxy import Proxy

__all__ = ["Interpreter", "Transformer"]


def _text(target: Any) -> str:
    if not isinstance(target, str):
        raise AssertionError(f"Expected target to be str, got {type(target)}")
    return target


class Interpreter:
    """Runs a graph node by node; a subclass may do something else for some of them.

    Args:
        module: the module whose graph is run.
        garbage_collect_values: whether values are let go after their last use; otherwise all are in `env`.
        graph: another graph to run, with names in `module`.

    Example:
        >>> import cotangent as torch
        >>> class Loud(torch.fx.Interpreter):
        ...     def call_function(self, target, args, kwargs):
        ...         print(target.__name__)
        ...         return super().call_function(target, args, kwargs)
        >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
        >>> Loud(gm).run(torch.tensor(-2.0))
        relu
        add
        tensor(1.)
    """

    def __init__(self, module: Any, garbage_collect_values: bool = True, graph: Graph | None = None) -> None:
        self.module = module
        self.submodules = dict(module.named_modules())
        self.graph: Graph = module.graph if graph is None else graph
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.garbage_collect_values = garbage_collect_values
        self.extra_traceback = True
        self.args_iter: Iterator[Any] = iter(())
        self.user_to_last_uses: dict[Node, list[Node]] = {}
        if garbage_collect_values:
            seen: set[Node] = set()
            for node in reversed(self.graph.nodes):
                for value in node._input_nodes:
                    if value not in seen:
                        seen.add(value)
                        self.user_to_last_uses.setdefault(node, []).append(value)

    def run(
        self, *args: Any, initial_env: dict[Node, Any] | None = None, enable_io_processing: bool = True
    ) -> Any:
        """Run the graph.

        Args:
            args: its arguments, by position.
            initial_env: values of nodes that are known and need not run.
            enable_io_processing: whether arguments and results are taken apart and put together as the
                graph's program does.

        Returns:
            What the graph returns.

        Raises:
            RuntimeError: where an argument is missing; errors of nodes say at which node.
        """
        self.env = {} if initial_env is None else initial_env
        self.args_iter = iter(self.graph.process_inputs(*args) if enable_io_processing else args)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            try:
                self.env[node] = self.run_node(node)
            except Exception as error:
                if self.extra_traceback:
                    self._say_where(node, error)
                    if isinstance(error, KeyError):
                        raise RuntimeError(*error.args) from error
                raise
            for value in self.user_to_last_uses.get(node, ()):
                del self.env[value]
            if node.op == "output":
                result = self.env[node]
                return self.graph.process_outputs(result) if enable_io_processing else result
        return None

    @staticmethod
    def _say_where(node: Node, error: Exception) -> None:
        told = f"{error.args[0]}\n\n" if error.args else ""
        text = (
            f"{told}While executing {node.format_node()}\nOriginal traceback:\n{node.stack_trace}\n"
            "Use tlparse to see full graph. "
            "(https://github.com/pytorch/tlparse?tab=readme-ov-file#tlparse-parse-structured-pt2-logs)"
        )
        error.args = (text, *error.args[1:])

    def boxed_run(self, args_list: list[Any]) -> Any:
        """Run the graph with arguments from a list, which is emptied.

        Args:
            args_list: the arguments.

        Returns:
            What the graph returns.

        Raises:
            RuntimeError: if there are too few or too many.
        """
        placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        if len(args_list) != len(placeholders):
            kind = "extra" if len(args_list) > len(placeholders) else "missing"
            raise RuntimeError(
                f"Interpreter.boxed_run expected {len(placeholders)} arguments for placeholders but received "
                f"{len(args_list)} ({kind} arguments)"
            )
        env = dict(zip(placeholders, args_list))
        args_list.clear()
        return self.run(initial_env=env)

    @contextmanager
    def _set_current_node(self, node: Node) -> Iterator[None]:
        with fx_traceback.set_current_meta(node, f"Interpreter_{self.__class__.__name__}"):
            yield

    def run_node(self, n: Node) -> Any:
        """Run one node: the method with the name of its `op`.

        Args:
            n: the node.

        Returns:
            Its value.
        """
        with self._set_current_node(n):
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            return getattr(self, n.op)(n.target, args, kwargs)

    def placeholder(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The next argument.

        Args:
            target: the name of the parameter; with a star for all that are left.
            args: its default, if it has one.
            kwargs: none.

        Raises:
            RuntimeError: if there is neither an argument nor a default.
        """
        if _text(target).startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration as stop:
            if args:
                return args[0]
            raise RuntimeError(
                f"Expected positional argument for parameter {target}, but one was not passed in!"
            ) from stop

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A value of the module.

        Args:
            target: its name.
            args: none.
            kwargs: none.
        """
        return self.fetch_attr(_text(target))

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a function.

        Args:
            target: the function.
            args: its arguments.
            kwargs: its keyword arguments.
        """
        if isinstance(target, str):
            raise AssertionError("target should not be a string for call_function")
        return target(*args, **kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a method.

        Args:
            target: its name.
            args: the object and the arguments.
            kwargs: the keyword arguments.
        """
        owner, *rest = args
        return getattr(owner, _text(target))(*rest, **kwargs)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a submodule.

        Args:
            target: its name.
            args: its arguments.
            kwargs: its keyword arguments.
        """
        return self.fetch_attr(_text(target))(*args, **kwargs)

    def output(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the graph returns.

        Args:
            target: "output".
            args: the value.
            kwargs: none.
        """
        return args[0]

    def fetch_attr(self, target: str) -> Any:
        """A value of the module, by its path.

        Args:
            target: names with dots.

        Raises:
            RuntimeError: if there is none.
        """
        names = target.split(".")
        value: Any = self.module
        for k, name in enumerate(names):
            if not hasattr(value, name):
                raise RuntimeError(f"Node referenced nonexistent target {'.'.join(names[: k + 1])}")
            value = getattr(value, name)
        return value

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The values of a node's arguments.

        Args:
            n: the node.
        """
        args, kwargs = self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)
        return args, kwargs

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        """Arguments with values in the places of nodes.

        Args:
            args: the arguments.
            n: the node whose they are.

        Raises:
            RuntimeError: if a value is not known.
        """

        def value(node: Node) -> Any:
            if node not in self.env:
                raise RuntimeError(
                    f"Node {n} referenced nonexistent value {node}! Run Graph.lint() to diagnose such issues"
                )
            return self.env[node]

        return map_arg(args, value)


class _LeafTracer(Tracer):
    """Puts nodes into a graph that is there; all modules are left as calls."""

    def __init__(self, graph: Graph, root: Any) -> None:
        super().__init__()
        self.graph = graph
        self.root = root
        self.tensor_attrs = {}

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        """Whether calls of a module are left as calls: all are."""
        return True


class Transformer(Interpreter):
    """Makes another module by running a graph with proxies; a subclass may do something else for some nodes.

    Args:
        module: the module whose graph is run.

    Example:
        >>> import cotangent as torch
        >>> class Softer(torch.fx.Transformer):
        ...     def call_function(self, target, args, kwargs):
        ...         target = torch.sigmoid if target is torch.relu else target
        ...         return super().call_function(target, args, kwargs)
        >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x))
        >>> print(Softer(gm).transform().code.strip())
        def forward(self, x):
            sigmoid = torch.sigmoid(x);  x = None
            return sigmoid
    """

    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        self.new_graph = Graph()
        self.new_graph.set_codegen(module.graph._codegen)
        self.tracer = _LeafTracer(self.new_graph, module)

    def placeholder(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A parameter of the new graph.

        Args:
            target: its name.
            args: its default, if it has one.
            kwargs: none.
        """
        default = args[0] if args else inspect.Signature.empty
        return Proxy(self.new_graph.placeholder(_text(target), default_value=default), self.tracer)

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A node of the new graph that reads a value.

        Args:
            target: its name.
            args: none.
            kwargs: none.
        """
        return self.tracer.create_proxy("get_attr", _text(target), args, kwargs)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A node of the new graph that calls a submodule.

        Args:
            target: its name.
            args: its arguments.
            kwargs: its keyword arguments.
        """
        module = self.fetch_attr(_text(target))
        return self.tracer.call_module(module, module.forward, args, kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A node of the new graph that calls a function.

        Args:
            target: the function.
            args: its arguments.
            kwargs: its keyword arguments.
        """
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def transform(self) -> GraphModule:
        """The module of the new graph."""
        with fx_traceback.preserve_node_meta():
            result = super().run(enable_io_processing=False)
        if result is not None:
            returned = self.new_graph.output(
                map_aggregate(result, lambda a: a.node if isinstance(a, Proxy) else a)
            )
            returned.meta.update(self.graph.output_node().meta)
        return GraphModule(self.module, self.new_graph)
