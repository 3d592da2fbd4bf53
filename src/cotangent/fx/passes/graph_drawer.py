"""`torch.fx.passes.graph_drawer`: graphs as pictures of Graphviz; needs the package `pydot`."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from itertools import chain
from typing import Any, Final

from ... import lazy
from ...nn.modules.module import Module
from ...nn.parameter import Parameter
from ...toplevel import typename
from .._codegen import where_of
from .._metadata import TensorMetadata
from .._names import qualified_name
from ..graph_module import GraphModule
from ..node import Node, format_arg
from ..operator_schemas import normalize_function
from ._constants import constants_of

__all__ = ["FxGraphDrawer"]

_pydot = lazy.module("pydot")
_COLORS: Final = {
    "placeholder": '"AliceBlue"', "call_module": "LemonChiffon1", "get_param": "Yellow2",
    "get_attr": "LightGrey", "output": "PowderBlue",
}  # fmt: skip
# One of these for each other node, by a hash of what it calls.
_OTHERS: Final = [
    "CadetBlue1",
    "Coral",
    "DarkOliveGreen1",
    "DarkSeaGreen1",
    "GhostWhite",
    "Khaki1",
    "LavenderBlush1",
    "LightSkyBlue",
    "MistyRose1",
    "MistyRose2",
    "PaleTurquoise2",
    "PeachPuff1",
    "Salmon",
    "Thistle1",
    "Thistle3",
    "Wheat1",
]
_STYLE: Final = {"style": '"filled,rounded"', "fontcolor": "#000000"}


def _escaped(text: str) -> str:
    return text.replace("{", r"\{").replace("}", r"\}")


def _named(target: Any) -> str:
    if isinstance(target, Module):
        return _escaped(typename(target))
    return _escaped(target if isinstance(target, str) else qualified_name(target))


def _arguments(arg: Any, skip_node_names: bool) -> str:
    """The part of a label that says with what something is called."""
    if isinstance(arg, tuple):
        start, end = r"|args=(\l", r",\n)\l"
        shown = [format_arg(a, max_list_len=8) for a in arg]
    else:
        start, end = r"|kwargs={\l", r",\n}\l"
        shown = [f"{key}: {format_arg(value, max_list_len=8)}" for key, value in arg.items()]
    if skip_node_names:
        shown = [text for text in shown if "%" not in text]
    if not shown:
        return ""
    text = start + r",\n".join(shown) + end
    if len(shown) == 1:
        text = text.replace(r"\l", "").replace(r"\n", "")
    return _escaped(text)


def _metadata(meta: Any) -> str:
    """The part of a label that says what tensors are like."""
    if meta is None:
        return ""
    if isinstance(meta, TensorMetadata):
        told = {
            "dtype": meta.dtype,
            "shape": tuple(meta.shape),
            "requires_grad": meta.requires_grad,
            "stride": meta.stride,
        }
        return "".join(rf"|{name}={value}\n" for name, value in told.items())
    if isinstance(meta, dict):
        return "".join(map(_metadata, meta.values()))
    if isinstance(meta, (list, tuple)):
        return "".join(map(_metadata, meta))
    raise RuntimeError(f"Unsupported tensor meta type {type(meta)}")


class FxGraphDrawer:
    """Draws a graph: `get_dot_graph().write_svg("file.svg")`.

    Args:
        graph_module: the module with the graph; submodules with graphs have pictures of their own.
        name: the name of the picture.
        ignore_getattr: whether nodes that read values are left out.
        ignore_parameters_and_buffers: whether the values of submodules are left out.
        skip_node_names_in_args: whether only constants are shown among arguments.
        parse_stack_trace: whether it is shown where nodes come from.
        dot_graph_shape: the shape of nodes.
        normalize_args: whether arguments have the names of parameters.

    Raises:
        RuntimeError: without `pydot`.
    """

    def __init__(
        self,
        graph_module: GraphModule,
        name: str,
        ignore_getattr: bool = False,
        ignore_parameters_and_buffers: bool = False,
        skip_node_names_in_args: bool = True,
        parse_stack_trace: bool = False,
        dot_graph_shape: str | None = None,
        normalize_args: bool = False,
    ) -> None:
        if find_spec("pydot") is None:
            raise RuntimeError(
                "FXGraphDrawer requires the pydot package to be installed. Please install pydot through your "
                "favorite Python package manager."
            )
        self._name = name
        self.dot_graph_shape = "record" if dot_graph_shape is None else dot_graph_shape
        self.normalize_args = normalize_args
        self._ignore_getattr, self._ignore_values = ignore_getattr, ignore_parameters_and_buffers
        self._skip_names, self._parse = skip_node_names_in_args, parse_stack_trace
        self._dot_graphs = {name: self._to_dot(graph_module, name)}
        for node in graph_module.graph.nodes:
            if node.op == "call_module":
                inner = self._get_leaf_node(graph_module, node)
                if isinstance(inner, GraphModule):
                    own = f"{name}_{node.target}"
                    self._dot_graphs[own] = self._to_dot(inner, own)

    def get_dot_graph(self, submod_name: str | None = None) -> Any:
        """The picture as a graph of `pydot`.

        Args:
            submod_name: that of a submodule.
        """
        return self.get_main_dot_graph() if submod_name is None else self.get_submod_dot_graph(submod_name)

    def get_main_dot_graph(self) -> Any:
        """The picture of the module's graph."""
        return self._dot_graphs[self._name]

    def get_submod_dot_graph(self, submod_name: str) -> Any:
        """The picture of a submodule's graph.

        Args:
            submod_name: its name.
        """
        return self._dot_graphs[f"{self._name}_{submod_name}"]

    def get_all_dot_graphs(self) -> dict[str, Any]:
        """All pictures by name."""
        return self._dot_graphs

    def _get_leaf_node(self, module: Any, node: Node) -> Any:
        for name in node.target.split("."):
            if not hasattr(module, name):
                raise RuntimeError(f"{module} does not have attribute {name}!")
            module = getattr(module, name)
        return module

    def _get_node_style(self, node: Node) -> dict[str, str]:
        if node.op in _COLORS:
            color = _COLORS[node.op]
        else:
            text = node._pretty_print_target(node.target)
            digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
            color = _OTHERS[int(digest[:8], 16) % len(_OTHERS)]
        return {"shape": self.dot_graph_shape, "fillcolor": color, **_STYLE}

    def _get_node_label(self, module: Any, node: Node) -> str:
        label = f"{{name=%{node.name}|op_code={node.op}\n"
        if node.op == "call_module":
            inner = self._get_leaf_node(module, node)
            told = r"\n".join(f"{name}: {getattr(inner, name)}" for name in constants_of(inner))
            label += rf"\n{_named(inner)}\n|{told}\n"
        else:
            args, kwargs = node.args, node.kwargs
            if self.normalize_args and node.op == "call_function":
                arranged = normalize_function(node.target, args, kwargs, normalize_to_only_use_kwargs=True)
                args, kwargs = arranged or (args, kwargs)
            label += rf"|target={_named(node.target)}\n"
            label += _arguments(args, self._skip_names) if args else ""
            label += _arguments(kwargs, self._skip_names) if kwargs else ""
            label += rf"|num_users={len(node.users)}\n"
        label += _metadata(node.meta.get("tensor_meta"))
        found = where_of(node.stack_trace) if self._parse and node.stack_trace else None
        if found is not None:
            file, line, _name, code = found
            label += rf"|file={'/'.join(file.split('/')[-2:])}:{line} {code}\n"
        return label + "}"

    def _to_dot(self, graph_module: Any, name: str) -> Any:
        picture = _pydot.Dot(name, rankdir="TB")
        nodes = [
            node for node in graph_module.graph.nodes if not (self._ignore_getattr and node.op == "get_attr")
        ]
        for node in nodes:
            label = self._get_node_label(graph_module, node)
            picture.add_node(_pydot.Node(node.name, label=label, **self._get_node_style(node)))
            if node.op == "call_module" and not self._ignore_values:
                inner = self._get_leaf_node(graph_module, node)
                if not isinstance(inner, GraphModule):
                    self._add_values(picture, node, inner)
        for node in nodes:
            for user in node.users:
                picture.add_edge(_pydot.Edge(node.name, user.name))
        return picture

    def _add_values(self, picture: Any, node: Node, module: Any) -> None:
        for name, value in chain(module.named_parameters(), module.named_buffers()):
            own = f"{node.name}.{name}"
            kind = f"{own}|op_code=get_parameter" if isinstance(value, Parameter) else r"buffer\l"
            label = f"{{{kind}{value.dtype}{list(value.shape)}\\n}}"
            style = {"fillcolor": "Salmon", **_STYLE, "shape": self.dot_graph_shape}
            picture.add_node(_pydot.Node(own, label=label, **style))
            picture.add_edge(_pydot.Edge(own, node.name))
