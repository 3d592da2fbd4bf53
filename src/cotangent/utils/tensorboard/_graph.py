"""A module's operations as the graph that TensorBoard draws."""

from __future__ import annotations

from typing import Any

from ... import lazy
from ...autograd.modes import no_grad
from ...compile.recorder import Recorder, Untraceable, recording
from ...dtypes import FROM_NUMPY
from ...nn.modules import Module

_graphs: Any = lazy.module("tensorboardX.proto.graph_pb2")
_nodes: Any = lazy.module("tensorboardX.proto.node_def_pb2")
_values: Any = lazy.module("tensorboardX.proto.attr_value_pb2")
_shapes: Any = lazy.module("tensorboardX.proto.tensor_shape_pb2")


class _Scopes:
    """In which module each instruction of a trace is."""

    def __init__(self, model: Any, recorder: Recorder) -> None:
        self.recorder = recorder
        self.open: list[str] = []
        self.of: list[str] = []
        self.names = {id(m): (name, type(m).__name__) for name, m in model.named_modules()}

    def _settle(self) -> None:
        """What has been recorded since the last change belongs to the modules that were open."""
        self.of += ["/".join(self.open)] * (len(self.recorder.instructions) - len(self.of))

    def enter(self, module: Any, _: Any) -> None:
        self._settle()
        name, kind = self.names[id(module)]
        last = name.rpartition(".")[2]
        self.open.append(f"{kind}[{last}]" if last else kind)

    def leave(self, *_: Any) -> None:
        self._settle()
        self.open.pop()


def graph_of(model: Any, inputs: Any) -> Any:
    """The GraphDef of one forward.

    Args:
        model: a module, or a function.
        inputs: a tensor, or a tuple or list of arguments.

    Raises:
        RuntimeError: if it cannot be traced.
    """
    arguments = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    recorder = Recorder()
    modules = list(model.modules()) if isinstance(model, Module) else []
    scopes = _Scopes(model, recorder) if modules else None
    handles = []
    if scopes is not None:
        for m in modules:
            handles += [m.register_forward_pre_hook(scopes.enter), m.register_forward_hook(scopes.leave)]
    try:
        with recording(recorder), no_grad():
            result = model(*arguments)
            outputs = [recorder.payload(t) for t in _tensors(result)]
            if recorder.impure is not None:
                raise Untraceable(recorder.impure)
    except Untraceable as error:
        raise RuntimeError(f"add_graph: the model cannot be traced: {error}") from None
    finally:
        for handle in handles:
            handle.remove()
        for stream, state in recorder.streams.values():
            stream.set_state(state)
    where = scopes.of if scopes is not None else []
    return _drawn(model if modules else None, recorder, arguments, outputs, where)


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _tensors(v)]
    return [value] if hasattr(value, "_data") else []


def _drawn(model: Any, recorder: Recorder, inputs: Any, outputs: list[Any], scopes: list[str]) -> Any:
    given = {id(t): f"input/input.{k + 1}" for k, t in enumerate(_tensors(inputs))}
    if model is not None:
        for name, t in (*model.named_parameters(), *model.named_buffers()):
            given.setdefault(id(t), f"parameters/{name.replace('.', '/')}")
    names: dict[int, str] = {}
    graph = _graphs.GraphDef()
    for k, source in enumerate(recorder.sources):
        name = names[source.number] = given.get(id(source.tensor), f"outside/{k}")
        _add(graph, name, "Placeholder", [], [(source.array.shape, source.array.dtype)])
    for k, (number, array) in enumerate(recorder.constants):
        name = names[number] = f"constants/{k}"
        _add(graph, name, "Const", [], [(array.shape, array.dtype)])
    for k, step in enumerate(recorder.instructions):
        scope = scopes[k] if k < len(scopes) else ""
        name = f"{scope}/{step.op.public}_{k}" if scope else f"{step.op.public}_{k}"
        read = [names[n] for n in dict.fromkeys(step.reads()) if n in names]
        kinds = list(zip(step.shapes, step.dtypes, strict=True))
        _add(graph, name, step.op.public, read, kinds, repr(step.statics) if step.statics else "")
        names.update(dict.fromkeys(step.results, name))
    for k, value in enumerate(outputs):
        read = [names[value.index]] if value.index in names else []
        _add(graph, f"output/output.{k + 1}", "Output", read, [(value.shape, value.np_dtype)])
    graph.versions.producer = 22
    return graph


def _add(graph: Any, name: str, op: str, read: list[str], kinds: list[Any], more: str = "") -> None:
    node = _nodes.NodeDef(name=name, op=op, input=read)
    shapes = [
        _shapes.TensorShapeProto(dim=[_shapes.TensorShapeProto.Dim(size=n) for n in shape])
        for shape, _ in kinds
    ]
    node.attr["_output_shapes"].CopyFrom(
        _values.AttrValue(list=_values.AttrValue.ListValue(shape=shapes))
    )
    words = ", ".join(str(FROM_NUMPY[d]) for _, d in kinds) + (f"; {more}" if more else "")
    node.attr["attr"].CopyFrom(_values.AttrValue(s=words.encode()))
    graph.node.append(node)
