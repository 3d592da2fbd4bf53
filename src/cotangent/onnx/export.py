"""`torch.onnx.export`."""

from __future__ import annotations

import enum
import inspect
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from .. import lazy, tree
from ..autograd.base import TensorBase, wrap
from ..autograd.where import place
from ..compile.tape import execute
from . import translate_bags, translate_layers, translate_shapes
from .errors import OnnxExporterError
from .graph import Graph
from .sizes import Dynamic, Size, Traced, Varying, traced
from .translate import translate

onnx: Any = lazy.module("onnx")

DEFAULT_OPSET: Final = 20
OLDEST_OPSET: Final = 13
FAMILIES: Final = (translate_shapes, translate_layers, translate_bags)  # imported for what they register


class TrainingMode(enum.Enum):
    """In which mode a module is exported."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class OperatorExportTypes(enum.Enum):
    """Only ONNX's own operators are written; the others are PyTorch's names."""

    ONNX = 0
    ONNX_ATEN = 1
    ONNX_ATEN_FALLBACK = 2
    ONNX_FALLTHROUGH = 3


class _State:
    exporting: bool = False


def is_in_onnx_export() -> bool:
    """Whether the running code is being exported.

    Example:
        >>> import cotangent as torch
        >>> torch.onnx.is_in_onnx_export()
        False
    """
    return _State.exporting


class ONNXProgram:
    """An exported module.

    Attributes:
        model_proto: the model, an `onnx.ModelProto`.
    """

    def __init__(self, model_proto: Any) -> None:
        self.model_proto = model_proto

    def save(self, destination: str | os.PathLike[str] | Any, **options: Any) -> None:
        """Write the model to a file.

        Args:
            destination: a path, or an object with `write`.
            options: accepted as in PyTorch (`include_initializers`, `external_data`, ...).
        """
        data = self.model_proto.SerializeToString()
        if hasattr(destination, "write"):
            destination.write(data)
            return
        with open(destination, "wb") as file:
            file.write(data)

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run the model in onnxruntime on tensors; returns a tuple of tensors.

        Raises:
            ModuleNotFoundError: without the package `onnxruntime`.
        """
        runtime: Any = lazy.module("onnxruntime")
        session = runtime.InferenceSession(
            self.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        tensors: list[Any] = [t for t in tree.flatten((args, kwargs))[0] if isinstance(t, TensorBase)]
        given = [t.detach().numpy() for t in tensors]
        names = [entry.name for entry in session.get_inputs()]
        if len(given) != len(names):
            raise OnnxExporterError(f"the model takes {len(names)} tensors, got {len(given)}")
        found = session.run(None, dict(zip(names, given)))
        return tuple(wrap(np.asarray(a)) for a in found)


def export(
    model: Any,
    args: Any = (),
    f: Any = None,
    *,
    kwargs: dict[str, Any] | None = None,
    verbose: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamo: bool = True,
    external_data: bool = True,
    dynamic_shapes: Any = None,
    custom_translation_table: Any = None,
    report: bool = False,
    optimize: bool = True,
    verify: bool = False,
    profile: bool = False,
    dump_exported_program: bool = False,
    artifacts_dir: str | os.PathLike[str] = ".",
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    dynamic_axes: Mapping[str, Any] | None = None,
    training: TrainingMode = TrainingMode.EVAL,
    operator_export_type: OperatorExportTypes = OperatorExportTypes.ONNX,
    do_constant_folding: bool = True,
    custom_opsets: Mapping[str, int] | None = None,
    export_modules_as_functions: bool | Collection[Any] = False,
    autograd_inlining: bool = True,
) -> ONNXProgram | None:
    """Write a module as an ONNX model.

    The module is traced with `args`; control flow that depends on numbers is an error. What depends on
    dynamic dimensions is found by tracing with other sizes.

    Args:
        model: a module, or a function of tensors.
        args: a tuple of its arguments (or one tensor); a dictionary at the end holds keyword arguments.
        f: path or binary file for the model; None to get it as a value only.
        kwargs: more keyword arguments.
        verbose: whether to print the model.
        input_names: names of the tensors among the arguments, in order, by default those of the parameters.
        output_names: names of the results.
        opset_version: version of ONNX's operators, 13 and up; 20 by default.
        dynamo: False for PyTorch's older interface, which returns None.
        external_data: accepted; everything is in one file.
        dynamic_shapes: like `dynamic_axes`, by parameter name, or in the order of the arguments.
        custom_translation_table: must be None.
        report: accepted, as are `optimize`, `profile`, `dump_exported_program`, `artifacts_dir`,
            `operator_export_type`, `custom_opsets`, `export_modules_as_functions`, `autograd_inlining`.
        verify: whether to compare the model's results in onnxruntime with the module's.
        export_params: whether the parameters' numbers are in the file; without they are inputs.
        keep_initializers_as_inputs: whether the parameters are inputs, too.
        dynamic_axes: dimensions whose sizes may differ, {name: {dimension: name}} or {name: [dimension]}.
        training: the mode the module is exported in.
        do_constant_folding: whether what only depends on parameters is computed now.

    Returns:
        An `ONNXProgram`; None with `dynamo=False`.

    Raises:
        OnnxExporterError: without the package `onnx`, if an operator has no translation (named with its
            line), or if the module is another program at other sizes.

    Example:
        >>> import cotangent as torch
        >>> program = torch.onnx.export(torch.nn.Linear(3, 2), (torch.ones(1, 3),), input_names=["x"])
        >>> [node.op_type for node in program.model_proto.graph.node]
        ['Gemm']
    """
    if find_spec("onnx") is None:
        raise OnnxExporterError("Module onnx is not installed! `pip install cotangent[onnx]` installs it.")
    if custom_translation_table:
        raise OnnxExporterError("custom_translation_table is not supported")
    opset = DEFAULT_OPSET if opset_version is None else int(opset_version)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise OnnxExporterError(f"opset_version must be between {OLDEST_OPSET} and {newest}, got {opset}")
    given = _Arguments(model, args, kwargs, input_names)
    dynamic = _dynamic(given, dynamic_axes, dynamic_shapes)
    with _mode(model, training):
        trace = traced(given.call, given.tensors, _parameters(model), dynamic)
        proto = _model(given, trace, dynamic, opset, output_names, dynamic_axes, export_params,
                       keep_initializers_as_inputs, do_constant_folding)  # fmt: skip
        onnx.checker.check_model(proto, full_check=True)
        program = ONNXProgram(proto)
        if verify:
            _verify(program, given)
    if verbose:
        print(onnx.printer.to_text(proto))
    if f is not None:
        program.save(f)
    return program if dynamo else None


# -- arguments ---------------------------------------------------------------------------------------------


class _Arguments:
    """The tensors among a call's arguments, and how to call with others."""

    def __init__(self, model: Any, args: Any, kwargs: Any, names: Sequence[str] | None) -> None:
        positional = (args,) if isinstance(args, TensorBase) else tuple(args)
        keywords = dict(kwargs or {})
        if (
            positional
            and isinstance(positional[-1], dict)
            and all(isinstance(k, str) for k in positional[-1])
        ):
            keywords = {**positional[-1], **keywords}
            positional = positional[:-1]
        self.model = model
        self.leaves, self.structure = tree.flatten((positional, keywords))
        self.places = [k for k, leaf in enumerate(self.leaves) if isinstance(leaf, TensorBase)]
        self.tensors = [self.leaves[k] for k in self.places]
        self.outputs: list[str] = []
        # Which parameter each tensor belongs to, and the names of the tensors.
        parameters = _parameter_names(model, len(positional))
        owners: list[str] = []
        for name, value in [*zip(parameters, positional), *keywords.items()]:
            owners += [name] * sum(isinstance(t, TensorBase) for t in tree.flatten(value)[0])
        self.owners = owners
        if names is not None and len(names) > len(self.tensors):
            raise OnnxExporterError(
                f"number of input names provided ({len(names)}) exceeded number of inputs "
                f"({len(self.tensors)})"
            )
        repeated = [owner for k, owner in enumerate(owners) if owners.count(owner) > 1]
        self.names = [
            f"{owner}_{k - owners.index(owner)}" if owner in repeated else owner
            for k, owner in enumerate(owners)
        ]
        self.names[: len(names or ())] = names or ()

    def call(self, tensors: list[Any]) -> Sequence[Any]:
        """The model's tensors for these instead of the example's."""
        leaves = list(self.leaves)
        for k, t in zip(self.places, tensors):
            leaves[k] = t
        args, kwargs = tree.unflatten(self.structure, leaves)
        results = tree.flatten(self.model(*args, **kwargs))[0]
        return [r for r in results if isinstance(r, TensorBase)]


def _parameter_names(model: Any, count: int) -> list[str]:
    function = getattr(model, "forward", model)
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        found = []
    names: list[str] = []
    for p in found:
        if p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}_{k}" for k in range(count - len(names))]
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            names.append(p.name)
    return [*names, *[f"input_{k}" for k in range(len(names), count)]]


def _dynamic(given: _Arguments, axes: Mapping[str, Any] | None, shapes: Any) -> Dynamic:
    """Names of dynamic dimensions, from `dynamic_axes` or `dynamic_shapes`."""
    found: dict[tuple[int, int], str] = {}
    for name, dims in (axes or {}).items():
        for k, known in enumerate(given.names):
            if known == name:
                for dim, symbol in _named(name, dims).items():
                    found[k, dim % len(given.tensors[k].shape)] = symbol
    if shapes is not None:
        entries = list(shapes.values()) if isinstance(shapes, Mapping) else list(shapes)
        owners = list(shapes) if isinstance(shapes, Mapping) else list(dict.fromkeys(given.owners))
        for owner, dims in zip(owners, entries):
            for k, known in enumerate(given.owners):
                if known == owner and dims:
                    wanted = dims if isinstance(dims, Mapping) else dict(enumerate(dims))
                    for dim, symbol in wanted.items():
                        if symbol is not None and not isinstance(symbol, int):
                            label = symbol if isinstance(symbol, str) else getattr(symbol, "__name__", "")
                            found[k, dim % len(given.tensors[k].shape)] = (
                                label or f"{given.names[k]}_dim_{dim}"
                            )
    return found


def _named(name: str, dims: Any) -> dict[int, str]:
    if isinstance(dims, Mapping):
        return {int(dim): str(symbol) for dim, symbol in dims.items()}
    return {int(dim): f"{name}_dynamic_axes_{k + 1}" for k, dim in enumerate(dims)}


def _parameters(model: Any) -> list[tuple[str, Any]]:
    if not hasattr(model, "named_parameters"):
        return []
    return [*model.named_parameters(), *model.named_buffers()]


@contextmanager
def _mode(model: Any, training: TrainingMode) -> Iterator[None]:
    """The module in the wanted mode, and `is_in_onnx_export` true."""
    modules = list(model.modules()) if hasattr(model, "modules") else []
    before = [m.training for m in modules]
    if modules and training is not TrainingMode.PRESERVE:
        model.train(training is TrainingMode.TRAINING)
    _State.exporting = True
    try:
        yield
    finally:
        _State.exporting = False
        for module, was in zip(modules, before):
            module.training = was


# -- the model ---------------------------------------------------------------------------------------------


def _model(
    given: _Arguments, trace: Traced, dynamic: Dynamic, opset: int, output_names: Sequence[str] | None,
    axes: Mapping[str, Any] | None, export_params: bool, as_inputs: bool, folding: bool,
) -> Any:  # fmt: skip
    graph = Graph(trace, opset, export_params and folding)
    for number, name in zip(trace.inputs, given.names):
        graph.names[number] = name
    _write(graph)
    results = _output_names(output_names, len(trace.outputs))
    for number, name in zip(trace.outputs, results):
        graph.nodes.append(onnx.helper.make_node("Identity", [graph.name(number)], [name]))
    graph.prune(results)
    _without_identities(graph, set(given.names) | set(graph.initializers))
    labels = {
        number: {d: s for (k, d), s in dynamic.items() if k == at} for at, number in enumerate(trace.inputs)
    }
    inputs = [_described(given.names[k], trace, n, labels[n]) for k, n in enumerate(trace.inputs)]
    outputs = []
    for name, number in zip(results, trace.outputs):
        outputs.append(_described(name, trace, number, _named(name, (axes or {}).get(name, ()))))
    parameters = {name: number for number, (name, _) in trace.parameters.items()}
    initializers = []
    for name, array in graph.initializers.items():
        if name in parameters and (as_inputs or not export_params):
            inputs.append(_described(name, trace, parameters[name], {}))
        if name not in parameters or export_params:
            initializers.append(onnx.numpy_helper.from_array(np.require(array, requirements="C"), name))
    body = onnx.helper.make_graph(graph.nodes, "main_graph", inputs, outputs, initializers)
    versions = [onnx.helper.make_opsetid("", opset)]
    proto = onnx.helper.make_model(body, producer_name="cotangent", opset_imports=versions)
    proto.ir_version = max(onnx.helper.find_min_ir_version_for(versions), 8)
    return proto


def _write(graph: Graph) -> None:
    """Write all instructions; those of constants are computed."""
    for step, statics in zip(graph.trace.steps, graph.trace.statics):
        if not graph.read.intersection(step.results):
            continue
        graph.step = step
        graph.spot = _spot(graph)
        if not step.effect and all(n in graph.constants for n in step.reads()) and step.reads():
            folded = _computed(graph, step)
            if folded is not None:
                graph.constants.update(folded)
                continue
        translate(graph, step, statics)


def _computed(graph: Graph, step: Any) -> dict[int, Any] | None:
    if any(isinstance(n, (Size, Varying)) for number in step.results for n in graph.shape(number)):
        return None
    values = {number: graph.constants[number] for number in step.reads()}
    execute(step, values)
    return {number: values[number] for number in step.results}


def _spot(graph: Graph) -> str:
    assert graph.step is not None
    where = place(graph.step.code, graph.step.lasti)
    return f"{os.path.basename(where.file)}:{where.line}"


def _output_names(names: Sequence[str] | None, count: int) -> list[str]:
    if names is not None and len(names) > count:
        raise OnnxExporterError(
            f"number of output names provided ({len(names)}) exceeded number of outputs ({count})"
        )
    default = ["output"] if count == 1 else [f"output_{k}" for k in range(count)]
    return [*(names or ()), *default[len(names or ()) :]]


def _without_identities(graph: Graph, fixed: set[str]) -> None:
    """Let the node that makes a result carry the result's name, where only that reads it."""
    makers = {name: node for node in graph.nodes for name in node.output}
    kept = []
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        source = node.input[0] if node.input else ""
        if node.op_type == "Identity" and source not in fixed and source not in renamed and source in makers:
            maker = makers[source]
            if maker.op_type != "Identity":
                renamed[source] = node.output[0]
                continue
        kept.append(node)
    for node in kept:
        for names in (node.input, node.output):
            for k, name in enumerate(names):
                if name in renamed:
                    names[k] = renamed[name]
    graph.nodes = kept


def _described(name: str, trace: Traced, number: int, labels: Mapping[int, str]) -> Any:
    """Name, type and shape of an input or output."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(trace.dtypes[number]))
    shape: list[Any] = []
    for d, size in enumerate(trace.shapes[number]):
        plain = isinstance(size, Size) and size == Size(size.base, 0, Fraction(1), size.names[:1])
        if isinstance(size, Size) and plain:
            shape.append(labels.get(d, size.names[0]))
        elif isinstance(size, (Size, Varying)):
            shape.append(labels.get(d, f"{name}_{d}"))
        else:
            shape.append(int(size))
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def _verify(program: ONNXProgram, given: _Arguments) -> None:
    expected = given.call(given.tensors)
    for k, (ours, theirs) in enumerate(zip(expected, program(*given.tensors))):
        a, b = ours.detach().numpy(), theirs.numpy()
        if not np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True):
            raise OnnxExporterError(f"result {k} differs in onnxruntime by up to {np.abs(a - b).max()}")


__all__ = ["ONNXProgram", "OperatorExportTypes", "TrainingMode", "export", "is_in_onnx_export"]
