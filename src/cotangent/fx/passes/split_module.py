"""`torch.fx.passes.split_module`: a graph cut into parts that are modules."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ...autograd.modes import set_recording
from ...nn.modules.module import Module
from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node, map_arg
from ..proxy import Proxy

__all__ = ["Partition", "split_module"]


class Partition:
    """A part of the graph.

    Args:
        name: its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.submod_name = f"submod_{name}"
        self.node_names: list[str] = []
        self.inputs: dict[str, None] = {}
        self.outputs: dict[str, None] = {}
        self.dependencies: dict[str, None] = {}
        self.dependents: dict[str, None] = {}
        self.graph = Graph()
        self.environment: dict[Node, Node] = {}
        self.targets: dict[str, Any] = {}

    def __repr__(self) -> str:
        return (
            f"name: {self.name},\n nodes: {self.node_names},\n inputs: {self.inputs},\n"
            f" outputs: {self.outputs},\n partitions depended on: {self.dependencies},\n"
            f" partition dependents: {self.dependents}"
        )


def _value(module: Any, target: str) -> Any:
    for name in target.split("."):
        if not hasattr(module, name):
            raise AttributeError(f"Node target {target} not found!")
        module = getattr(module, name)
    return module


def split_module(
    m: GraphModule,
    root_m: Any,
    split_callback: Callable[[Node], int],
    qualname_map: dict[str, str] | None = None,
    keep_original_order: bool | None = False,
    keep_original_node_name: bool | None = False,
    keep_original_input_name: bool = True,
    *,
    partition_affix: str | None = None,
    tuple_return: bool = False,
) -> GraphModule:
    """A module whose submodules are parts of a graph.

    Args:
        m: the module with the graph.
        root_m: the module that it was traced from; not used.
        split_callback: says in which part a node goes.
        qualname_map: gets (new name of a submodule, old name).
        keep_original_order: whether parts are called in the order in which they begin in the graph.
        keep_original_node_name: whether nodes keep their names.
        keep_original_input_name: whether parameters of parts have the names of values; otherwise `arg_0`.
        partition_affix: stands before the numbers of parts in their names.
        tuple_return: whether a part with one result returns a tuple, too.

    Returns:
        The module.

    Raises:
        RuntimeError: if parts need each other in a circle.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.passes.split_module import split_module
        >>> gm = torch.fx.symbolic_trace(lambda x: torch.sin(torch.cos(x)))
        >>> parts = split_module(gm, gm, lambda node: 0 if node.target is torch.cos else 1)
        >>> print(parts.code.strip())
        def forward(self, x):
            submod_0 = self.submod_0(x);  x = None
            submod_1 = self.submod_1(submod_0);  submod_0 = None
            return submod_1
    """
    split = _Split(m, split_callback, partition_affix)
    order = split.ordered()
    split.fill(order, bool(keep_original_node_name), keep_original_input_name, qualname_map)
    whole = _Whole(m, bool(keep_original_node_name))
    if not keep_original_order:
        whole.take(m.graph.nodes)
    for name in [*split.partitions] if keep_original_order else order:
        partition = split.partitions[name]
        if keep_original_order:
            parameters = [node for node in m.graph.nodes if node.op == "placeholder"]
            whole.take([*parameters, *(split.nodes[key] for key in partition.inputs)])
        whole.call(partition, split.nodes, tuple_return)
    if keep_original_order and not whole.values:
        whole.take(m.graph.nodes)
    whole.graph.output(map_arg(m.graph.output_node().args[0], lambda n: whole.values[n.name]))
    made = GraphModule(whole.attributes, whole.graph)
    made.meta["partition_names"] = {partition.submod_name for partition in split.partitions.values()}
    return made


class _Split:
    """The parts, and what goes from one to another."""

    def __init__(self, m: GraphModule, callback: Callable[[Node], int], affix: str | None) -> None:
        self.m = m
        self.partitions: dict[str, Partition] = {}
        self.nodes = {node.name: node for node in m.graph.nodes}
        self.part_of: dict[Node, str] = {}
        for node in m.graph.nodes:
            if node.op in ("placeholder", "get_attr", "output"):
                continue
            if node.target is set_recording:
                raise NotImplementedError(
                    "split_module: graphs that switch gradients on and off are not split"
                )
            name = str(callback(node)) if affix is None else f"{affix}_{callback(node)}"
            self.partitions.setdefault(name, Partition(name)).node_names.append(node.name)
            self.part_of[node] = name
        for node in m.graph.nodes:
            if node.op not in ("placeholder", "get_attr"):
                for value in node._input_nodes:
                    self.use(value, node)

    def use(self, value: Node, user: Node) -> None:
        made, used = self.part_of.get(value), self.part_of.get(user)
        if made == used:
            return
        if made is not None:
            self.partitions[made].outputs.setdefault(value.name)
        if used is not None:
            self.partitions[used].inputs.setdefault(value.name)
        if made is not None and used is not None:
            self.partitions[made].dependents.setdefault(used)
            self.partitions[used].dependencies.setdefault(made)

    def ordered(self) -> list[str]:
        """The parts in an order in which each comes after those whose values it uses."""
        ready = [name for name, partition in self.partitions.items() if not partition.dependencies]
        found = []
        while ready:
            name = ready.pop()
            found.append(name)
            for dependent in self.partitions[name].dependents:
                waiting = self.partitions[dependent].dependencies
                waiting.pop(name)
                if not waiting:
                    ready.append(dependent)
        if len(found) != len(self.partitions):
            raise RuntimeError("cycle exists between partitions!")
        return found

    def fill(
        self, order: list[str], keep_names: bool, keep_inputs: bool, names: dict[str, str] | None
    ) -> None:
        for name in order:
            self.parameters(self.partitions[name], keep_inputs)
        for node, name in self.part_of.items():
            partition = self.partitions[name]
            target = node.target
            if node.op == "call_module":
                target = node.target.replace(".", "_")
                partition.targets[target] = _value(self.m, node.target)
                if names is not None:
                    names[f"{partition.submod_name}.{target}"] = node.target
            known = partition.environment.__getitem__
            made = partition.graph.create_node(
                node.op,
                target,
                map_arg(node.args, known),
                map_arg(node.kwargs, known),
                node.name if keep_names else None,
                node.type,
            )
            made.meta = node.meta.copy()
            partition.environment[node] = made

    def parameters(self, partition: Partition, keep_names: bool) -> None:
        """Nodes for what comes from outside: parameters, then modules that are read."""
        passed: dict[str, None] = {}
        read = []
        for name in partition.inputs:
            node = self.nodes[name]
            if node.op == "get_attr" and isinstance(_value(self.m, node.target), Module):
                read.append(node)
                continue
            made = partition.graph.placeholder(
                name if keep_names else f"arg_{len(passed)}", type_expr=node.type
            )
            made.meta = node.meta.copy()
            partition.environment[node] = made
            passed[name] = None
        for node in read:
            made = partition.graph.get_attr(node.target)
            partition.targets[node.target] = _value(self.m, node.target)
            made.meta = node.meta.copy()
            partition.environment[node] = made
        partition.inputs = passed


class _Whole:
    """The graph that calls the parts."""

    def __init__(self, m: GraphModule, keep_names: bool) -> None:
        self.m = m
        self.keep_names = keep_names
        self.graph = Graph()
        self.values: dict[str, Node] = {}
        self.attributes: dict[str, Any] = {}

    def take(self, nodes: Any) -> None:
        """Parameters and reads of the graph that is split."""
        for node in nodes:
            if node.name in self.values or node.op not in ("placeholder", "get_attr"):
                continue
            if node.op == "placeholder":
                name = node.name if self.keep_names else node.target
                default = node.args[0] if node.args else inspect.Signature.empty
                made = self.graph.placeholder(name, node.type, default)
            else:
                made = self.graph.get_attr(node.target)
                self.attributes[node.target] = _value(self.m, node.target)
            made.meta = node.meta.copy()
            self.values[node.name] = made

    def call(self, partition: Partition, nodes: dict[str, Node], tuple_return: bool) -> None:
        results = tuple(partition.environment[nodes[name]] for name in partition.outputs)
        one = len(results) == 1 and not tuple_return
        partition.graph.output(results[0] if one else results)
        self.attributes[partition.submod_name] = GraphModule(partition.targets, partition.graph)
        made = self.graph.call_module(
            partition.submod_name, tuple(self.values[name] for name in partition.inputs)
        )
        for k, name in enumerate(partition.outputs):
            self.values[name] = made if one else Proxy(made)[k].node
