"""`backward` and `grad`: the public ways to run the engine."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from ..ops.table import TABLE
from .base import TensorBase
from .engine import collect, run
from .modes import made as computed, modes, no_grad
from .node import Node, accumulator_of
from .notes import annotate, no_gradient, recorded_at, returned_by
from .recorded import port_of
from .refusals import refuse_hook
from .views import edge_of
from .where import here

_SCALAR = "grad can be implicitly created only for scalar outputs"
_CREATE_GRAPH: str = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter and its "
    "gradient which can cause a memory leak. We recommend using autograd.grad when creating the graph to "
    "avoid this. If you have to use this function, make sure to reset the .grad fields of your parameters to "
    "None after use to break the cycle and avoid the leak."
)


def _many(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, TensorBase) or hasattr(value, "node") else tuple(value)


def node_of(t: Any) -> Any:
    """The node that collects the cotangent of a tensor, or of an output given as a GradientEdge."""
    if isinstance(t, TensorBase):
        return edge_of(t) or accumulator_of(t)
    return t.node if t.node.nout == 1 else port_of(t.node, t.output_nr)


def _like(t: Any) -> Any:
    """A tensor, or what is known of the output that a GradientEdge names: either has `shape` and `dtype`."""
    if isinstance(t, TensorBase):
        return t
    known = t.node._input_metadata[t.output_nr]
    if known is None:
        raise RuntimeError("nobody has looked at this output's tensor: its shape is not known")
    return known


def _cotangents(outputs: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """One cotangent per output: the given ones, checked, or ones for scalars."""
    made: list[Any] = []
    for i, (out, g) in enumerate(zip(outputs, given, strict=False)):
        if g is None:
            if not isinstance(out, TensorBase) and not hasattr(out, "node"):
                raise AssertionError("Expected output to be a torch.Tensor")
            if not isinstance(out, TensorBase):
                made.append(_ones(_like(out)))
                continue
            if not out.requires_grad:  # type: ignore[attr-defined]
                made.append(None)
                continue
            out = cast(Any, out)
            if out.numel() != 1:
                error = RuntimeError(_SCALAR)
                annotate(error, "scalar", recorded=recorded_at(out._node), here=here())
                raise error
            if out.dtype.is_complex:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {out.dtype}"
                )
            if out._data.__class__ is np.ndarray:
                made.append(_ones(out))
            else:
                with no_grad():
                    made.append(TABLE["ones_like"].entry(out))
            continue
        if not isinstance(g, TensorBase):
            raise TypeError(
                f"gradients can be either Tensors or None, but got {type(g).__name__}"
            )
        check_cotangent(i, g, _like(out))
        made.append(g)
    if len(given) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(given)} gradients")
    return made


def _ones(like: Any) -> Any:
    """The cotangent of one number that nobody gave a cotangent."""
    if math.prod(like.shape) != 1:
        raise RuntimeError(_SCALAR)
    return computed(np.ones(tuple(like.shape), like.dtype.np))


def check_cotangent(i: int, g: Any, out: Any) -> None:
    """Raise PyTorch's error unless cotangent `g` has the shape and kind of output number `i`."""
    if tuple(g.shape) != tuple(out.shape):
        error = RuntimeError(
            f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a shape of "
            f"{out.shape}."
        )
        node = getattr(out, "_node", None)  # not grad_fn: that of a stale view may be an error of its own
        values = {"want": list(out.shape), "have": list(g.shape)}
        annotate(error, "gradient_shape", values=values, recorded=recorded_at(node), here=here())
        raise error
    if out.dtype.is_complex != g.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch "
            f"in dtype: grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {out.dtype}."
        )


def _roots(outputs: Sequence[Any], cotangents: list[Any]) -> tuple[list[Node], list[Any]]:
    nodes, grads = [], []
    for i, (out, g) in enumerate(zip(outputs, cotangents, strict=True)):
        node = node_of(out) if not isinstance(out, TensorBase) else edge_of(out) if out._req else None
        if node is None:
            error = RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
            no_gradient(error, out)
            raise error
        like = _like(out)
        if g.dtype is not like.dtype:
            g = TABLE["cast"].entry(g, like.dtype.np)
        nodes.append(node)
        grads.append(g)
    return nodes, grads


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they were computed from.

    Args:
        tensors: tensor or sequence of tensors to differentiate.
        grad_tensors: for each, the cotangent to start from, of its shape; None for scalars means one.
        retain_graph: keep what was saved for another backward (default: as `create_graph`).
        create_graph: record the run, so that the gradients can be differentiated.
        grad_variables: old name of `grad_tensors`.
        inputs: leaves (or tensors) to accumulate into; all leaves if None.

    Raises:
        RuntimeError: if a tensor has no graph, or is no scalar and has no cotangent.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> torch.autograd.backward((x * x).sum())
        >>> x.grad
        tensor([2., 4.])
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. "
                "Please only use "
                "`grad_tensors`."
            )
        grad_tensors = grad_variables
    targets = None if inputs is None else _many(inputs)
    if targets is not None and len(targets) == 0:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    outputs = _many(tensors)
    if modes.levels:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or "
            "functorch.vjp instead or call backward() outside of functorch transforms."
        )
    given = (None,) * len(outputs) if grad_tensors is None else _many(grad_tensors)
    nodes, grads = _roots(outputs, _cotangents(outputs, given))
    if create_graph:
        warnings.warn(_CREATE_GRAPH, UserWarning, stacklevel=3)
    keep = create_graph if retain_graph is None else retain_graph
    ends = None
    if targets is not None:
        ends = []
        for t in targets:
            if isinstance(t, TensorBase):
                if not t.requires_grad:  # type: ignore[attr-defined]
                    refuse_hook(t, "can't retain_grad on Tensor that has requires_grad=False")
                if not t.is_leaf and not t._retains:  # type: ignore[attr-defined]
                    t.retain_grad()  # type: ignore[attr-defined]
            ends.append(node_of(t))
    run(nodes, grads, keep=keep, create_graph=create_graph, inputs=ends)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Gradients of `outputs` with respect to `inputs`, returned instead of accumulated.

    Args:
        outputs: tensor or sequence of tensors to differentiate.
        inputs: tensor or sequence of tensors to differentiate by.
        grad_outputs: per output the cotangent to start from; None for scalars means one.
        retain_graph: keep what was saved for another backward (default: as `create_graph`).
        create_graph: record the run, so that the gradients can be differentiated again.
        only_inputs: deprecated, must be True.
        allow_unused: return None for inputs the outputs do not depend on instead of raising.
        is_grads_batched: the first dimension of each of `grad_outputs` is a batch of cotangents.
        materialize_grads: return zeros instead of None for unused inputs.

    Returns:
        a tuple with one gradient per input.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> torch.autograd.grad(x**3, x)
        (tensor(27.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
            "gradient for other "
            "parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    outs, ins = _many(outputs), _many(inputs)
    if not ins:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    given = (None,) * len(outs) if grad_outputs is None else _many(grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        return BATCHED_GRAD[0].batched_grad(  # type: ignore[no-any-return]
            outs, ins, given, retain_graph=keep, create_graph=create_graph, allow_unused=allow_unused,
            materialize_grads=materialize_grads,
        )  # fmt: skip
    nodes, grads = _roots(outs, _cotangents(outs, given))
    ends = []
    for t in ins:
        if isinstance(t, TensorBase) and not t.requires_grad:  # type: ignore[attr-defined]
            refuse_hook(t, "One of the differentiated Tensors does not require grad")
        ends.append(node_of(t))
    results = run(nodes, grads, keep=keep, create_graph=create_graph, inputs=ends, accumulate=False)
    for i, g in enumerate(results):
        if g is not None:
            continue
        if materialize_grads:
            if not isinstance(ins[i], TensorBase):
                raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
            with no_grad():
                results[i] = TABLE["zeros_like"].entry(ins[i])
            results[i]._req = create_graph
        elif not allow_unused:
            error = RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
            _explain_unused(error, nodes, ends[i], i)
            raise error
    return tuple(results)


def _explain_unused(error: RuntimeError, roots: list[Node], end: Node, index: int) -> None:
    """Say whether an input that got no gradient is in the graph at all."""
    order, leaves, _ = collect(roots)
    if end in leaves or end in order:
        for node in order:
            if type(node).op is None and end in node.edges:
                _annotate_none(error, node, index)
                return
    annotate(error, "unused", values={"index": index}, recorded=recorded_at(roots[0]), here=here())


def _annotate_none(error: RuntimeError, node: Any, index: int) -> None:
    values = {"index": index, "name": node.name().removesuffix("Backward")}
    annotate(error, "function_none", values=values, recorded=recorded_at(node), returned=returned_by(node))


# vmap lives above this floor: namespaces.py enters the module with the batched form of `grad` here.
BATCHED_GRAD: list[Any] = []
