"""`torch.fx.experimental.optimization`: layers that become one, or none, where nothing is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Final

from ... import nn
from ...nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval
from .._symbolic_trace import symbolic_trace
from ..graph_module import GraphModule
from ..interpreter import Transformer
from ..node import Node

__all__ = ["fuse", "matches_module_pattern", "remove_dropout", "replace_node_module"]

_FUSED: Final = (
    (nn.Conv1d, nn.BatchNorm1d, fuse_conv_bn_eval),
    (nn.Conv2d, nn.BatchNorm2d, fuse_conv_bn_eval),
    (nn.Conv3d, nn.BatchNorm3d, fuse_conv_bn_eval),
    (nn.Linear, nn.BatchNorm1d, fuse_linear_bn_eval),
)


def matches_module_pattern(pattern: Iterable[type], node: Any, modules: dict[str, Any]) -> bool:
    """Whether a node and its first argument call modules of two classes.

    Args:
        pattern: the class of the argument's module, and that of the node's.
        node: the node.
        modules: modules by name.
    """
    if not node.args:
        return False
    return all(
        isinstance(one, Node) and one.op == "call_module" and type(modules.get(one.target)) is wanted
        for wanted, one in zip(pattern, (node.args[0], node))
    )


def replace_node_module(node: Any, modules: dict[str, Any], new_module: Any) -> None:
    """Put another module in the place of the one that a node calls.

    Args:
        node: the node.
        modules: modules by name; changed, too.
        new_module: the other module.
    """
    if not isinstance(node.target, str):
        raise AssertionError(f"Expected str target, got {type(node.target)}")
    path, _, name = node.target.rpartition(".")
    modules[node.target] = new_module
    setattr(modules[path], name, new_module)


def fuse(model: Any, inplace: bool = False, no_trace: bool = False) -> GraphModule:
    """A model whose batch normalisations are multiplied into the layers before them.

    Args:
        model: a model in evaluation mode.
        inplace: whether its own layers are changed; otherwise those of a copy.
        no_trace: whether a model that has a graph is not traced again.

    Returns:
        The module with the shorter graph.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.experimental.optimization import fuse
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)).eval()
        >>> len(fuse(net).graph.nodes), len(torch.fx.symbolic_trace(net).graph.nodes)
        (3, 4)
    """
    if not inplace:
        model = copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, GraphModule) else symbolic_trace(model)
    modules = dict(traced.named_modules())
    graph = copy.deepcopy(traced.graph)
    for first, second, fused in _FUSED:
        for node in graph.nodes:
            if not matches_module_pattern((first, second), node, modules) or len(node.args[0].users) > 1:
                continue
            before, norm = node.args[0], modules[node.target]
            if norm.track_running_stats:
                replace_node_module(before, modules, fused(modules[before.target], norm))
                node.replace_all_uses_with(before)
                graph.erase_node(node)
    return GraphModule(traced, graph)


class _WithoutDropout(Transformer):
    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not isinstance(self.submodules[target], nn.Dropout):
            return super().call_module(target, args, kwargs)
        if len(args) != 1:
            raise AssertionError(f"Expected 1 arg for Dropout, got {len(args)}")
        return args[0]


def remove_dropout(model: Any) -> GraphModule:
    """A model without its dropout layers.

    Args:
        model: the model.

    Returns:
        The module with the shorter graph.
    """
    return _WithoutDropout(symbolic_trace(model)).transform()
