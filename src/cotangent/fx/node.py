"""`torch.fx.node`: the steps of a graph of Python calls."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from ..autograd.modes import set_recording
from ..checks import _assert
from ..tensor import Tensor
from ..toplevel import typename
from . import operator_schemas
from ._names import package, qualified_name as _get_qualified_name, type_name as _type_repr
from ._shorts import listed, short_dtype
from .immutable_collections import immutable_dict, immutable_list

__all__ = ["Argument", "Node", "Target", "has_side_effect", "map_aggregate", "map_arg"]

Target = Any
Argument = Any

LEGAL_OPS: Final = ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output")

_side_effectful_functions: Final[set[Any]] = {_assert, operator.setitem, set_recording}
# Functions that draw numbers, which moves the generator on.
_RANDOM: Final = [
    "bernoulli",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]


def has_side_effect(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Keep calls of a function in graphs whose dead code is taken out.

    Args:
        fn: the function.

    Returns:
        The function, so this is a decorator, too.

    Example:
        >>> import cotangent as torch
        >>> @torch.fx.has_side_effect
        ... def note(x): print(x)
        >>> graph = torch.fx.Graph()
        >>> call = graph.call_function(note, (graph.placeholder("x"),))
        >>> graph.output(None)
        output
        >>> graph.eliminate_dead_code()
        False
    """
    _side_effectful_functions.add(fn)
    return fn


def is_impure_call(target: Any) -> bool:
    """Whether a call of a function does more than return a value.

    Args:
        target: what is called.
    """
    try:
        if target in _side_effectful_functions:
            return True
    except TypeError:  # cannot be hashed
        return False
    if getattr(target, "__name__", None) in _RANDOM and target is getattr(package, target.__name__, None):
        return True
    return bool(getattr(getattr(target, "_schema", None), "is_mutable", False))


# -- arguments --------------------------------------------------------------------------------------------


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """The same containers with `fn` of what is in them.

    Args:
        a: tuples, lists, dictionaries and slices in each other.
        fn: a function of one value.

    Returns:
        The containers, lists and dictionaries as immutable ones.

    Example:
        >>> from cotangent.fx.node import map_aggregate
        >>> map_aggregate([1, {"a": (2, 3)}], lambda value: value + 1)
        [2, {'a': (3, 4)}]
    """
    if isinstance(a, tuple):
        mapped = [map_aggregate(value, fn) for value in a]
        return type(a)(*mapped) if hasattr(a, "_fields") else tuple(mapped)
    if isinstance(a, list):
        return immutable_list([map_aggregate(value, fn) for value in a])
    if isinstance(a, dict):
        return immutable_dict({key: map_aggregate(value, fn) for key, value in a.items()})
    if isinstance(a, slice):
        return slice(*(map_aggregate(value, fn) for value in (a.start, a.stop, a.step)))
    return fn(a)


def map_arg(a: Any, fn: Callable[[Any], Any]) -> Any:
    """The same containers with `fn` of the nodes in them.

    Args:
        a: an argument of a node.
        fn: a function of a node.

    Returns:
        The argument with other values in the places of nodes.

    Example:
        >>> import cotangent as torch
        >>> x = torch.fx.Graph().placeholder("x")
        >>> torch.fx.map_arg([x, 2], lambda node: node.name)
        ['x', 2]
    """
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda value: fn(value) if isinstance(value, Node) else value)


def format_arg(arg: Any, max_list_len: float = float("inf")) -> str:
    """An argument as printed graphs show it, nodes with a percent sign.

    Args:
        arg: the argument.
        max_list_len: how many values of a list are shown.
    """
    if hasattr(arg, "_custom_fx_repr_fn"):
        return str(arg._custom_fx_repr_fn())
    if isinstance(arg, (list, tuple)):
        left, right = ("[", "]") if isinstance(arg, list) else ("(", ")")
        shown = ", ".join(format_arg(value) for k, value in enumerate(arg) if k < max_list_len)
        comma = "," if isinstance(arg, tuple) and len(arg) == 1 else ""
        rest = f", ...[total_len={len(arg)}]" if len(arg) >= max_list_len + 1 else ""
        return f"{left}{shown}{comma}{rest}{right}"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{key}: {format_arg(value)}" for key, value in arg.items()) + "}"
    return f"%{arg}" if isinstance(arg, Node) else str(arg)


_format_arg = format_arg


# -- nodes ------------------------------------------------------------------------------------------------


def _between(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """A key between two keys (the root's is empty, on both ends), by which nodes are compared."""
    if len(before) > len(after):
        kept = before[: len(after) + 1]
        return (*kept[:-1], kept[-1] + 1)
    if len(before) < len(after):
        kept = after[: len(before) + 1]
        return (*kept[:-1], kept[-1] - 1)
    return (*before, 0)


class Node:
    """One step of a graph: an argument of the program, a call, a read attribute, or the return.

    Args:
        graph: the graph it is for; `Graph`'s methods make nodes and put them in their places.
        name: the name of its value in generated code.
        op: one of "placeholder", "get_attr", "call_function", "call_method", "call_module", "output".
        target: the function, or the name of what is called or read.
        args: its arguments; nodes in them stand for their values.
        kwargs: its keyword arguments.
        return_type: the annotation of its value.

    Raises:
        ValueError: if the target is not callable, or no string where one is needed.

    Example:
        >>> import cotangent as torch
        >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x) + 1)
        >>> for node in gm.graph.nodes:
        ...     print(node.op, node.name, node.args)
        placeholder x ()
        call_function relu (x,)
        call_function add (relu, 1)
        output output (add,)
    """

    graph: Any
    name: str
    op: str
    target: Any
    type: Any
    users: dict[Node, None]
    meta: dict[str, Any]
    _args: tuple[Any, ...]
    _kwargs: dict[str, Any]
    _input_nodes: dict[Node, None]
    _prev: Node
    _next: Node

    def __init__(
        self,
        graph: Any,
        name: str,
        op: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        return_type: Any | None = None,
    ) -> None:
        if op == "call_function":
            if not callable(target):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type {typename(target)} "
                    "but a Callable is expected"
                )
        else:
            if op not in LEGAL_OPS and op != "root":
                raise AssertionError(f"op '{op}' is not in _legal_ops")
            if not isinstance(target, str):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type {typename(target)} "
                    "but a str is expected"
                )
        put = self.__dict__
        put["graph"], put["name"], put["op"], put["target"], put["type"] = (
            graph,
            name,
            op,
            target,
            return_type,
        )
        self.users = {}
        self.meta = {}
        self._args, self._kwargs, self._input_nodes = (), {}, {}
        self._prev = self._next = self
        self._erased = False
        self._sort_key: tuple[int, ...] = ()
        self._repr_fn: Callable[[Node], str] | None = None
        self._update_args_kwargs(args, kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if name == "name" and "name" in own:
            for hook in getattr(self.graph.owning_module, "_replace_hooks", None) or ():
                for user in self.users:
                    hook(old=self, new=value, user=user)
        if name in ("op", "target") and name in own:
            table = self.graph._find_nodes_lookup_table
            if self in table:
                table.remove(self)
                own[name] = value
                table.insert(self)
                return
        object.__setattr__(self, name, value)

    # -- places ---------------------------------------------------------------------------------------

    @property
    def next(self) -> Node:
        """The node after this one; the graph's root after the last."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one; the graph's root before the first."""
        return self._prev

    def _remove_from_list(self) -> None:
        before, after = self._prev, self._next
        before._next, after._prev = after, before

    def prepend(self, x: Node) -> None:
        """Move a node of the same graph to the place before this one.

        Args:
            x: the node.

        Raises:
            AssertionError: if it is from another graph.
        """
        if x.graph is not self.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._remove_from_list()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x
        x._sort_key = _between(before._sort_key, self._sort_key)

    _prepend = prepend

    def append(self, x: Node) -> None:
        """Move a node of the same graph to the place after this one.

        Args:
            x: the node.
        """
        self._next.prepend(x)

    def __lt__(self, other: Node) -> bool:
        return self._sort_key < other._sort_key

    def __gt__(self, other: Node) -> bool:
        return self._sort_key > other._sort_key

    def __le__(self, other: Node) -> bool:
        return self is other or self._sort_key < other._sort_key

    def __ge__(self, other: Node) -> bool:
        return self is other or self._sort_key > other._sort_key

    # -- arguments ------------------------------------------------------------------------------------

    def _update_args_kwargs(self, args: Any, kwargs: Any) -> None:
        for node in self._input_nodes:
            node.users.pop(self, None)
        inputs: dict[Node, None] = {}

        def noticed(node: Node) -> Node:
            inputs[node] = None
            return node

        self._args, self._kwargs = map_arg(args, noticed), map_arg(kwargs, noticed)
        self._input_nodes = inputs
        for node in inputs:
            node.users[self] = None

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments; may be assigned."""
        return self._args

    @args.setter
    def args(self, a: tuple[Any, ...]) -> None:
        self._update_args_kwargs(a, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments; may be assigned."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, k: dict[str, Any]) -> None:
        self._update_args_kwargs(self._args, k)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes in `args` and `kwargs`, each once."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Put another value in the place of a positional argument.

        Args:
            idx: which one.
            arg: the value.
        """
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Put a positional argument before another.

        Args:
            idx: its index from then on.
            arg: the value.
        """
        if not 0 <= idx <= len(self.args):
            raise AssertionError(f"insert_args index must be between 0 and len(self.args), got {idx}")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Set one keyword argument.

        Args:
            key: its name.
            arg: its value.
        """
        self.kwargs = {**self.kwargs, key: arg}

    def _replace_input_with(self, old_input: Node, new_input: Any) -> None:
        def replaced(node: Node) -> Any:
            return new_input if node is old_input else node

        self._update_args_kwargs(map_arg(self._args, replaced), map_arg(self._kwargs, replaced))

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Have another node in all places of one in the arguments.

        Args:
            old_input: the node to replace.
            new_input: what takes its place.
        """
        for hook in getattr(self.graph.owning_module, "_replace_hooks", None) or ():
            hook(old=old_input, new=new_input.name, user=self)
        self._replace_input_with(old_input, new_input)

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] | None = None,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Have another node wherever this one is an argument.

        Args:
            replace_with: the node that takes its place.
            delete_user_cb: says for which users; for all, where it is None.
            propagate_meta: whether the other node gets this one's `meta`.

        Returns:
            The nodes that were changed.

        Raises:
            AssertionError: if `meta` should go to a node that has its own.
        """
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    "Called node.replace_all_uses_with(replace_with, propagate_meta=True), "
                    "but replace_with already has .meta keys"
                )
            replace_with.meta.update(self.meta)
        hooks = getattr(self.graph.owning_module, "_replace_hooks", None) or ()
        changed = []
        for user in [*self.users]:
            if delete_user_cb is not None and not delete_user_cb(user):
                continue
            changed.append(user)
            for hook in hooks:
                hook(old=self, new=replace_with.name, user=user)
            user._replace_input_with(self, replace_with)
        return changed

    # -- what it does ---------------------------------------------------------------------------------

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether it does more than compute a value, so that it stays though nobody uses its value.

        Args:
            impure_random: whether drawing random numbers counts.

        Raises:
            AssertionError: for a call of a module if the graph has none.
        """
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_module":
            owner = self.graph.owning_module
            if owner is None:
                raise AssertionError("self.graph.owning_module not set for purity check")
            return bool(getattr(owner.get_submodule(self.target), "_is_impure", False))
        return self.op == "call_function" and is_impure_call(self.target)

    def normalized_arguments(
        self,
        root: Any,
        arg_types: tuple[Any, ...] | None = None,
        kwarg_types: dict[str, Any] | None = None,
        normalize_to_only_use_kwargs: bool = False,
    ) -> Any:
        """The arguments in the order of the signature of what is called, with its defaults.

        Args:
            root: the module whose submodules are called.
            arg_types: types of the arguments; not needed here.
            kwarg_types: types of the keyword arguments; not needed here.
            normalize_to_only_use_kwargs: whether all become keyword arguments.

        Returns:
            A pair (args, kwargs), or None where the call does not fit the signature.
        """
        if self.op == "call_function":
            return operator_schemas.normalize_function(
                self.target, self.args, self.kwargs, arg_types, kwarg_types, normalize_to_only_use_kwargs
            )
        if self.op == "call_module":
            return operator_schemas.normalize_module(
                root, self.target, self.args, self.kwargs, normalize_to_only_use_kwargs
            )
        return None

    def _rename(self, candidate: str) -> None:
        if candidate == self.name:
            return
        space = self.graph._graph_namespace
        self.name = space.create_name(candidate, None)
        space._rename_object(self, self.name)

    # -- text -----------------------------------------------------------------------------------------

    @property
    def stack_trace(self) -> str | None:
        """The lines of the program that made it, if the tracer noted them (`record_stack_traces`)."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def __repr__(self) -> str:
        return self.name if self._repr_fn is None else self._repr_fn(self)

    @staticmethod
    def _pretty_print_target(target: Any) -> str:
        if isinstance(target, str):
            return target
        module = getattr(target, "__module__", None)
        for home, shown in (("builtins", "builtins"), ("_operator", "operator")):
            if module == home and hasattr(target, "__name__"):
                return f"{shown}.{target.__name__}"
        return _get_qualified_name(target)

    def format_node(
        self,
        placeholder_names: list[str] | None = None,
        maybe_return_typename: list[str] | None = None,
        *,
        include_tensor_metadata: bool = False,
    ) -> str | None:
        """One line that says what the node is.

        Args:
            placeholder_names: where not empty, gets the text of a placeholder, and None is returned.
            maybe_return_typename: gets the annotation of an output.
            include_tensor_metadata: whether shapes that are known are shown.

        Returns:
            The line.

        Example:
            >>> import cotangent as torch
            >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x))
            >>> list(gm.graph.nodes)[1].format_node()
            '%relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})'
        """
        kind = f"{_type_repr(self.type)} " if self.type is not None else ""
        start = f"%{self.name} : "
        users = f"[num_users={len(self.users)}] = {self.op}"
        if self.op == "placeholder":
            if placeholder_names:
                suffix = f"{self.target}: {_type_repr(self.type)}" if self.type else ""
                placeholder_names.append(self.target + suffix)
                return None
            kind = kind if self.type else ""
            default = f"(default={self.args[0]})" if self.args else ""
            return f"{start}{kind}{users}[target={self.target}]{default}"
        if self.op == "get_attr":
            return f"{start}{kind}{users}[target={self._pretty_print_target(self.target)}]"
        if self.op == "output":
            if self.type and maybe_return_typename:
                maybe_return_typename[0] = f" -> {_type_repr(self.type)}"
            return f"return {self.args[0]}"
        meta = self.meta
        known = meta.get("val", meta.get("tensor_meta", meta.get("example_value")))
        if include_tensor_metadata and isinstance(known, Tensor):
            kind = (
                f'Tensor "{short_dtype(known.dtype)}{listed(known.shape)}{listed(known.stride())}'
                f'{known.device}"'
            )
        return (
            f"{start}{kind}{users}[target={self._pretty_print_target(self.target)}]"
            f"(args = {format_arg(self.args)}, kwargs = {format_arg(self.kwargs)})"
        )
