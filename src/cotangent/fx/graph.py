"""`torch.fx.graph`: programs as lists of steps."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .. import lazy
from ._codegen import CodeGen, PythonCode
from ._graph_parts import InsertPoint, LookupTable, NodeList, check, is_there
from ._names import qualified_name as _get_qualified_name, short_name, type_name as _type_repr
from ._namespace import Namespace as _Namespace, snake_case as _snake_case
from ._pytree_codegen import PyTreeCodeGen as _PyTreeCodeGen, PyTreeInfo as _PyTreeInfo
from ._texts import inplace_methods, magic_methods, reflectable_magic_methods
from .immutable_collections import immutable_dict
from .node import Argument, Node, Target, map_arg

__all__ = ["CodeGen", "Graph", "PythonCode"]

_tabulate = lazy.module("tabulate")
# For programs that look for PyTorch's names here.
_ = (
    _get_qualified_name, _type_repr, _PyTreeCodeGen, _PyTreeInfo, inplace_methods, magic_methods,
    reflectable_magic_methods, Argument, Target,
)  # fmt: skip


class Graph:
    """A program as a list of nodes.

    Args:
        owning_module: the module whose parameters and submodules the nodes name.
        tracer_cls: the class of the tracer that makes it.
        tracer_extras: arguments of that class.

    Example:
        >>> import cotangent as torch
        >>> graph = torch.fx.Graph()
        >>> x = graph.placeholder("x")
        >>> y = graph.call_function(torch.relu, (x,))
        >>> _ = graph.output(y)
        >>> print(graph)
        graph():
            %x : [num_users=1] = placeholder[target=x]
            %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
            return relu
    """

    def __init__(
        self,
        owning_module: Any | None = None,
        tracer_cls: type | None = None,
        tracer_extras: dict[str, Any] | None = None,
    ) -> None:
        self._owning_module = owning_module
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._len = 0
        self._graph_namespace = _Namespace()
        self._tracer_cls = tracer_cls
        self._tracer_extras = tracer_extras
        self._codegen = CodeGen()
        self._co_fields: dict[str, Any] = {}
        self._find_nodes_lookup_table = LookupTable()

    @property
    def owning_module(self) -> Any | None:
        """The module that the nodes' names are in; None for a graph on its own."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, mod: Any | None) -> None:
        self._owning_module = mod

    @property
    def nodes(self) -> NodeList:
        """The nodes in their order."""
        return NodeList(self)

    def output_node(self) -> Node:
        """The last node, which says what is returned."""
        node = next(iter(reversed(self.nodes)))
        if node.op != "output":
            raise AssertionError(f"Expected output node, got op={node.op}")
        return node

    def find_nodes(self, *, op: str, target: Any | None = None, sort: bool = True) -> list[Node]:
        """The nodes that do something.

        Args:
            op: the kind of node.
            target: what is called or read; needed for functions.
            sort: whether they come in the order of the graph.

        Returns:
            The nodes.

        Example:
            >>> import cotangent as torch
            >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(torch.relu(x)))
            >>> gm.graph.find_nodes(op="call_function", target=torch.relu)
            [relu, relu_1]
        """
        found = self._find_nodes_lookup_table.find_nodes(op=op, target=target)
        return sorted(found) if sort else found

    # -- copies ---------------------------------------------------------------------------------------

    def graph_copy(self, g: Graph, val_map: dict[Node, Any], return_output_node: bool = False) -> Any:
        """Put copies of all nodes of another graph here.

        Args:
            g: the other graph.
            val_map: gets (node there, node here); what is in it already is not copied.
            return_output_node: whether the other graph's output is returned, too.

        Returns:
            What the copied program returns, or None if it has no output.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                value = map_arg(node.args[0], lambda n: val_map[n])
                return (value, node) if return_output_node else value
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: Any = None) -> Graph:
        memo = memo if memo else {}
        g = Graph(tracer_cls=self._tracer_cls)
        found = g.graph_copy(self, val_map=memo, return_output_node=True)
        g._codegen = copy.deepcopy(self._codegen)
        if found is not None:
            value, old = found
            new = g.output(value, type_expr=getattr(old, "type", None))
            new.meta = copy.copy(old.meta)
        return g

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """Put a copy of a node of another graph here.

        Args:
            node: that node.
            arg_transform: from a node there to the value here.

        Returns:
            The copy.
        """
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        made = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        made.meta = copy.copy(node.meta)
        return made

    # -- new nodes ------------------------------------------------------------------------------------

    def create_node(
        self,
        op: str,
        target: Any,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """A new node at the place where nodes are put.

        Args:
            op: the kind of node.
            target: what it calls or reads.
            args: its arguments.
            kwargs: its keyword arguments.
            name: a wish for its name.
            type_expr: the annotation of its value.

        Returns:
            The node.
        """
        if args and not isinstance(args, tuple):
            raise AssertionError(f"args must be a tuple, got {type(args)}")
        if kwargs and not isinstance(kwargs, dict):
            raise AssertionError(f"kwargs must be a dict, got {type(kwargs)}")
        name = self._graph_namespace.create_name(
            name if name is not None else self._target_to_str(target), None
        )
        node = Node(self, name, op, target, args or (), kwargs or immutable_dict(), type_expr)
        for hook in getattr(self.owning_module, "_create_node_hooks", None) or ():
            hook(node)
        self._graph_namespace.associate_name_with_obj(name, node)
        self._insert(node)
        self._find_nodes_lookup_table.insert(node)
        self._len += 1
        return node

    def _target_to_str(self, target: Any) -> str:
        if callable(target):
            return _snake_case(short_name(target))
        if not isinstance(target, str):
            raise AssertionError(f"Expected target to be str, got {type(target)}")
        magic = target.startswith("__") and target.endswith("__")
        return _snake_case(target[2:-2] if magic else target)

    def placeholder(
        self, name: str, type_expr: Any | None = None, default_value: Any = inspect.Signature.empty
    ) -> Node:
        """A node for a parameter of the program.

        Args:
            name: its name; with a star for the rest of the arguments.
            type_expr: its annotation.
            default_value: its default.

        Returns:
            The node.
        """
        args = () if default_value is inspect.Signature.empty else (default_value,)
        return self.create_node("placeholder", name, args=args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any | None = None) -> Node:
        """A node that reads a parameter, buffer or submodule.

        Args:
            qualified_name: its name in the module.
            type_expr: its annotation.

        Returns:
            The node.
        """
        if self.owning_module is not None and not is_there(self.owning_module, qualified_name):
            warnings.warn(
                "Attempted to insert a get_attr Node with no underlying reference in the owning "
                "GraphModule! Call GraphModule.add_submodule to add the necessary submodule, "
                "GraphModule.add_parameter to add the necessary Parameter, or "
                "nn.Module.register_buffer to add the necessary buffer",
                stacklevel=2,
            )
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self,
        module_name: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """A node that calls a submodule.

        Args:
            module_name: its name in the module.
            args: its arguments.
            kwargs: its keyword arguments.
            type_expr: the annotation of its value.

        Returns:
            The node.

        Raises:
            AttributeError: if the module that owns the graph has no such submodule.
        """
        if self.owning_module is not None:
            self.owning_module.get_submodule(module_name)
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self,
        method_name: str,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """A node that calls a method of its first argument.

        Args:
            method_name: the method.
            args: the object and the arguments.
            kwargs: the keyword arguments.
            type_expr: the annotation of its value.

        Returns:
            The node.
        """
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any | None = None,
        name: str | None = None,
    ) -> Node:
        """A node that calls a function.

        Args:
            the_function: the function.
            args: its arguments.
            kwargs: its keyword arguments.
            type_expr: the annotation of its value.
            name: a wish for its name.

        Returns:
            The node.
        """
        return self.create_node("call_function", the_function, args, kwargs, name=name, type_expr=type_expr)

    def output(self, result: Any, type_expr: Any | None = None) -> Node:
        """The node that says what the program returns.

        Args:
            result: a node, or containers with nodes in them.
            type_expr: the annotation.

        Returns:
            The node.
        """
        return self.create_node("output", "output", args=(result,), type_expr=type_expr)

    # -- changes --------------------------------------------------------------------------------------

    def erase_node(self, to_erase: Node) -> None:
        """Take out a node that nobody uses.

        Args:
            to_erase: the node.

        Raises:
            RuntimeError: if it has users, or is from another graph.
        """
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} "
                f"users in the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            warnings.warn(f"erase_node({to_erase}) on an already erased node", stacklevel=2)
            return
        for hook in getattr(self.owning_module, "_erase_node_hooks", None) or ():
            hook(to_erase)
        self._find_nodes_lookup_table.remove(to_erase)
        to_erase._remove_from_list()
        to_erase._erased = True
        self._len -= 1
        to_erase._update_args_kwargs(
            map_arg(to_erase._args, lambda n: None), map_arg(to_erase._kwargs, lambda n: None)
        )

    def _clear_nodes(self) -> None:
        for node in reversed(self.nodes):
            node.meta.clear()
            self.erase_node(node)

    def inserting_before(self, n: Node | None = None) -> InsertPoint:
        """Put new nodes before a node, from now on or in a `with` statement.

        Args:
            n: the node; None for the beginning.
        """
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> InsertPoint:
        """Put new nodes after a node, from now on or in a `with` statement.

        Args:
            n: the node; None for the end.
        """
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        return InsertPoint(self, n.append)

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Take out nodes whose values nobody uses, unless they do something else.

        Args:
            is_impure_node: says which do; `Node.is_impure` where it is None.

        Returns:
            Whether there were any.

        Example:
            >>> import cotangent as torch
            >>> def f(x):
            ...     unused = x + 1
            ...     return x * 2
            >>> gm = torch.fx.symbolic_trace(f)
            >>> gm.graph.eliminate_dead_code(), len(gm.graph.nodes)
            (True, 3)
        """
        self.lint()
        impure = Node.is_impure if is_impure_node is None else is_impure_node
        changed = False
        for node in reversed(self.nodes):
            if not impure(node) and not node.users:
                self.erase_node(node)
                changed = True
        if self.owning_module is not None:
            read = {node.target for node in self.find_nodes(op="get_attr")}
            for name, child in self.owning_module.named_children():
                if name in read and isinstance(getattr(child, "graph", None), Graph):
                    changed |= child.graph.eliminate_dead_code()
                    child.recompile()
        return changed

    # -- programs -------------------------------------------------------------------------------------

    def process_inputs(self, *args: Any) -> Any:
        """The arguments of the nodes from those of the program.

        Args:
            args: arguments of the program.
        """
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """What the program returns.

        Args:
            out: what the output node says.
        """
        return self._codegen.process_outputs(out)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Have programs written by another object.

        Args:
            codegen: that object.
        """
        self._codegen = codegen

    def on_generate_code(
        self, make_transformer: Callable[[Any], Callable[[list[str]], list[str]]]
    ) -> contextlib.AbstractContextManager[None]:
        """Have the lines of programs changed before they become one.

        Args:
            make_transformer: from the function that changes them now, or None, to another.

        Returns:
            A context manager at whose end it is as before.

        Example:
            >>> import cotangent as torch
            >>> gm = torch.fx.symbolic_trace(lambda x: x + 1)
            >>> with gm.graph.on_generate_code(lambda before: lambda body: ["print('called')\\n", *body]):
            ...     _ = gm.recompile()
            >>> gm(1)
            called
            2
        """
        before = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(before)

        @contextlib.contextmanager
        def until_the_end() -> Iterator[None]:
            try:
                yield
            finally:
                self._codegen._body_transformer = before

        return until_the_end()

    def python_code(
        self,
        root_module: str,
        *,
        verbose: bool = False,
        include_stride: bool = False,
        include_device: bool = False,
        colored: bool = False,
        expanded_def: bool = False,
        additional_meta: list[str] | None = None,
    ) -> PythonCode:
        """The graph as a Python function.

        Args:
            root_module: the name under which the program finds the module, usually "self".
            verbose: whether shapes and places in the traced program are shown.
            include_stride: whether strides are shown with shapes.
            include_device: whether devices are.
            colored: whether the text has colours for terminals.
            expanded_def: whether each parameter has a line of its own.
            additional_meta: keys of `meta` that are shown.

        Returns:
            The text, and the values that it names.

        Example:
            >>> import cotangent as torch
            >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
            >>> print(gm.graph.python_code("self").src.strip())
            def forward(self, x):
                relu = torch.relu(x);  x = None
                add = relu + 1;  relu = None
                return add
        """
        # Names of nodes and of what is outside must not meet, so each program has names of its own; nodes
        # are shown by them while it is written.
        namespace = _Namespace()
        before = [(node, node._repr_fn) for node in self.nodes]
        for node, _shown in before:
            node._repr_fn = lambda n: namespace.create_name(n.name, n)
        try:
            return self._codegen._gen_python_code(
                self.nodes,
                root_module,
                namespace,
                verbose=verbose,
                include_stride=include_stride,
                include_device=include_device,
                colored=colored,
                expanded_def=expanded_def,
                additional_meta=additional_meta,
            )
        finally:
            for node, shown in before:
                node._repr_fn = shown

    def __str__(self) -> str:
        names: list[str] = []
        returned = [""]
        lines = [node.format_node(names) for node in self.nodes]
        first = f"graph({', '.join(names)}){returned[0]}:"
        return "\n    ".join([first, *(line for line in lines if line)])

    def print_tabular(self) -> None:
        """Print the nodes as a table; needs the package `tabulate`.

        Raises:
            ImportError: without that package.
        """
        rows = [[n.op, n.name, n.target, n.args, n.kwargs] for n in self.nodes]
        try:
            table = _tabulate.tabulate(rows, headers=["opcode", "name", "target", "args", "kwargs"])
        except ImportError:
            print(
                "`print_tabular` relies on the library `tabulate`, which could not be found on this "
                "machine. Run `pip install tabulate` to install the library."
            )
            raise
        sys.stdout.write(table + "\n")

    def lint(self) -> None:
        """Look whether the graph is well-formed: order, owners, names, and what is named in the module.

        Raises:
            RuntimeError: if it is not.
        """
        check(self)
