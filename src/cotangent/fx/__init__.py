"""`torch.fx`: programs as graphs that other programs read and change.

`symbolic_trace` runs a program once with proxies and writes down what it does (`_symbolic_trace`, `proxy`);
a `Graph` is a list of nodes (`graph`, `node`), which `_codegen` writes as Python again; a `GraphModule` runs
that text. `Interpreter` runs a graph node by node, `replace_pattern` puts another graph in the place of parts
of one.
"""

from .. import lazy as _lazy
from . import immutable_collections as immutable_collections
from ._symbolic_trace import (
    PH as PH,
    ProxyableClassMeta as ProxyableClassMeta,
    Tracer as Tracer,
    symbolic_trace as symbolic_trace,
    wrap as wrap,
)
from .graph import CodeGen as CodeGen, Graph as Graph
from .graph_module import GraphModule as GraphModule
from .interpreter import Interpreter as Interpreter, Transformer as Transformer
from .node import Node as Node, has_side_effect as has_side_effect, map_arg as map_arg
from .proxy import Proxy as Proxy
from .subgraph_rewriter import replace_pattern as replace_pattern

__all__ = [
    "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer", "has_side_effect",
    "map_arg", "replace_pattern", "symbolic_trace", "wrap",
]  # fmt: skip

passes = _lazy.module("cotangent.fx.passes")
experimental = _lazy.module("cotangent.fx.experimental")
