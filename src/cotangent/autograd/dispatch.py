"""The general path of an operation: promotion, levels, errors, recording.

A generated entry handles the common case (plain float arrays of one dtype) itself and comes here for
everything else. `dispatch` does the same work step by step, from the declaration.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any, Final, NoReturn

import numpy as np

from .. import dtypes
from ..config import settings
from ..dtypes import FLOATING, INTEGRAL, dtype
from ..errors import bad_argument, check_broadcast, type_name, unfit
from ..kernels.deferred import Deferred, resolved
from ..kernels.float8 import narrowed, refused
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..kernels.halves import recast
from ..kernels.layout import as_lying
from ..kernels.sparse import Coo
from ..ops.arguments import REQUIRED, missing, no_match, with_numbers
from ..ops.kernel_writes import COPIED, KERNELS, SAVED
from ..ops.refusals import unsupported
from ..ops.table import BOOL_RESULT, COMPLEX, FLOAT, REAL, TABLE, Primitive
from .base import (
    InferenceCell,
    TensorBase,
    active,
    as_array,
    from_inference,
    new,
    recorded_integers,
    stand_in,
    version_of,
    world,
    wrap,
)
from .calls import restore
from .cuts import cut_of
from .extras import after_record
from .modes import modes
from .node import Node, Port, next_seq
from .views import edge_of, link_view
from .where import here

# What an elementwise operation takes: tensors, Python's numbers and NumPy's scalars.
OPERAND = (TensorBase, int, float, complex, np.number, np.bool_)


def dispatch(op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Run `op` on tensors (or numbers, for elementwise ops) of any payload."""
    if modes.tracer is None:
        return _dispatch(op, tensors, statics)
    # What watches the calls of a traced function looks away: there are none of the user's in here, and it
    # would take as long as the rest.
    watching = sys.getprofile()
    sys.setprofile(None)
    try:
        return _dispatch(op, tensors, statics)
    finally:
        restore(watching)


def _dispatch(op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    if op.complex_form is not None and getattr(getattr(tensors[0], "dtype", None), "is_complex", False):
        return op.complex_form(*tensors, *statics)
    tensors, statics = with_numbers(op, tensors, statics)
    owner = owner_of(tensors)
    if owner is not None:
        result = owner.run(op, tensors, statics)
        if op.is_view:
            _link(op, tensors[0], statics, (result,) if op.nout == 1 else result)
        return result
    if op.sparse_form is not None and any(isinstance(getattr(t, "_data", None), Coo) for t in tensors):
        return op.sparse_form(*tensors, *statics)
    try:
        if op.kind == "elementwise":
            return _elementwise(op, tensors, statics)
        for name, value in zip(op.tensors, tensors, strict=True):
            _check_tensor(op, name, value)
        payloads = tuple(payload(value) for value in tensors)
        result = run_kernel(op, payloads, statics)
    except (RuntimeError, IndexError):
        refuse_history(op, tensors, 0)
        raise
    except TypeError:
        if any(hasattr(t, "__torch_function__") and not isinstance(t, TensorBase) for t in _flat(tensors)):
            return world.overriding.begin(op, tensors, statics)
        raise
    return finish(op, tensors, statics, result, None)


def _flat(tensors: Any) -> list[Any]:
    """The operands, those in lists among them."""
    return [t for x in tensors for t in (x if isinstance(x, (list, tuple)) else (x,))]


def refuse_history(op: Primitive, tensors: tuple[Any, ...], level: int, written: Any = None) -> None:
    """Raise what PyTorch raises before it computes anything, where the computation has failed.

    It makes the node first: views may have no history, and tensors of inference mode cannot be kept (but for
    the tensor `written`, of which a copy is).
    """
    if modes.grad is None or not op.rules or not requires(op, tensors, level):
        return
    if op.node_class is None:
        op.entry.__globals__["_emitter"].emit(op)
    wanted = set()
    for name, value in zip(op.tensors, tensors, strict=True):
        for t in value if isinstance(value, (list, tuple)) else (value,):
            if name in op.rules and isinstance(t, TensorBase) and t._req and t._level == level:
                edge_of(t)
                wanted.add(name)
    if from_inference(tensors):
        return
    for field in op.saved:
        kept = served_by(op, field)
        if field in op.tensors and (kept is None or kept in wanted):
            value = tensors[op.tensors.index(field)]
            for t in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(t, TensorBase) and t is not written:
                    version_of(t)  # raises


def _link(op: Primitive, viewed: Any, statics: tuple[Any, ...], made: Any) -> None:
    for number, t in enumerate(made):
        link_view(t, viewed, op, statics, number)


def owner_of(tensors: Any) -> Any:
    """The interpreter of the highest level among the operands; None if all are ordinary tensors."""
    owner = None
    for value in tensors:
        if isinstance(value, TensorBase):
            found = value._owner
        elif isinstance(value, (list, tuple)):
            found = owner_of(value)
        else:
            continue
        if found is not None and (owner is None or found.number > owner.number):
            owner = found
    return owner


def level_of(tensors: Any) -> int:
    """The highest interpreter level among the operands, 0 for ordinary tensors."""
    owner = owner_of(tensors)
    return 0 if owner is None else int(owner.number)


def payload(value: Any) -> Any:
    """The payload of a tensor, of each tensor of a list, or None."""
    if isinstance(value, (list, tuple)):
        return [v._data for v in value]
    return None if value is None else value._data


def run_kernel(op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """The kernel on arrays; on traced values, their record of it."""
    for value in payloads:
        for item in value if isinstance(value, list) else (value,):
            if item is not None and item.__class__ is not np.ndarray:
                if item.__class__ is Deferred:
                    return _deferred(op, payloads, statics)
                if hasattr(item, "apply_op"):
                    return item.apply_op(op, payloads, statics)
    if op.lens is not None:
        return op.lens(*payloads, *statics)
    token = set_errors(QUIET)
    try:
        return op.kernel(*payloads, *statics)
    finally:
        reset_errors(token)


def _deferred(op: Primitive, payloads: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """An operation on conjugates or negatives yet to be computed: views put them off further."""
    first = payloads[0]
    if op.lens is not None:
        return op.lens(*payloads, *statics)
    if op.is_view and op.rules and first.__class__ is Deferred:
        seen = op.kernel(first.array, *statics)
        if op.nout == 1:
            return Deferred(seen, first.change)
        return tuple(Deferred(part, first.change) for part in seen)
    plain = [
        list(map(resolved, value)) if isinstance(value, list) else resolved(value) for value in payloads
    ]
    return run_kernel(op, tuple(plain), statics)


def _check_tensor(op: Primitive, name: str, value: Any) -> None:
    if isinstance(value, TensorBase) or (value is None and name in op.optional):
        return
    if value is REQUIRED:
        missing(op.public, *op.tensors[op.tensors.index(name) :])
    position = op.tensors.index(name) + 1
    if name in op.lists and isinstance(value, (list, tuple)):
        for k, item in enumerate(value):
            if not isinstance(item, TensorBase):
                raise unfit(
                    f"expected Tensor as element {k} in argument {position - 1}, but got "
                    f"{type(item).__name__}"
                )
        return
    bad_argument(op.public, name, position, "Tensor", value)


def operate(op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """`dispatch` for Python's operators, which leave operands they do not know to the other side."""
    for value in tensors:
        if not isinstance(value, OPERAND):
            if hasattr(value, "__torch_function__"):
                return world.overriding.begin(op, tensors, statics)
            return NotImplemented
    return dispatch(op, tensors, statics)


def no_fit(op: Primitive, name: str, value: Any, tensors: tuple[Any, ...]) -> NoReturn:
    """Raise PyTorch's error for operand `name`; if there are overloads, it lists them all."""
    given = tuple(t for t in tensors if t is not REQUIRED)
    if len(op.signatures) > 1:
        no_match(op.public, given, *op.signatures)
    if op.signatures and value is REQUIRED:
        got = ", ".join(type_name(t) for t in given)
        raise unfit(
            f"{op.public}() received an invalid combination of arguments - got ({got}), but expected "
            f"{op.signatures[0]}"
        )
    _check_tensor(op, name, value)
    raise AssertionError(f"{op.public} takes its operand {name}")


# -- elementwise --------------------------------------------------------------------------------------


def promoted(op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> tuple[dtype, dtype]:
    """(dtype to compute in, dtype of the result) of an elementwise op."""
    if op.guard is not None:
        op.guard(tensors)
    dims: list[dtype] = []
    zeros: list[dtype] = []
    scalars: list[dtype] = []
    for name, value in zip(op.tensors, tensors, strict=True):
        if value is None or name in op.fixed:
            continue
        if isinstance(value, TensorBase):
            found = value.dtype  # type: ignore[attr-defined]
            (dims if len(value._data.shape) else zeros).append(found)
        else:
            scalars.append(dtypes.scalar_dtype(value, settings.default_dtype))
    for name in op.weighs:
        value = statics[op.statics.index(name)]
        if value is not None:
            scalars.append(dtypes.scalar_dtype(value, settings.default_dtype))
    compute = dtypes.result_dtype(dims, zeros, scalars, settings.default_dtype)
    if op.result == FLOAT and compute.category < FLOATING:
        compute = settings.default_dtype
    if compute in dtypes.FLOAT8 and (kernel := refused(op.name, op.public)) is not None:
        raise unsupported(kernel, compute)
    if op.check is not None:
        op.check(op, compute)
    if op.result == BOOL_RESULT:
        return compute, dtypes.bool_
    if op.result == COMPLEX:
        return compute, compute.to_complex()
    return compute, compute.to_real() if op.result == REAL else compute


def number_array(value: Any, d: dtype) -> Any:
    """A Python number as a 0-d array of dtype `d`."""
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise OverflowError("int too big to convert")
        if d.category == INTEGRAL:  # PyTorch wraps numbers around that the dtype cannot hold
            bits = d.itemsize * 8
            value = int(value) & (1 << bits) - 1
            if d.is_signed and value >> bits - 1:
                value -= 1 << bits
    if value.__class__ is not float and hasattr(value, "how"):  # a number that a trace follows
        return value.trace.scalar(value, d.np)
    return np.asarray(value, d.np)


def operands(op: Primitive, tensors: tuple[Any, ...], compute: dtype) -> tuple[tuple[Any, ...], list[Any]]:
    """(tensors with numbers wrapped, arrays to compute on) for an elementwise op at level 0."""
    small = compute.itemsize <= 2 and compute.category == FLOATING
    narrow = op.rounds_in_float and small
    work = dtypes.float32.np if narrow else compute.np
    wrapped: list[Any] = []
    arrays: list[Any] = []
    for name, value in zip(op.tensors, tensors, strict=True):
        if value is None:
            wrapped.append(None)
            arrays.append(None)
            continue
        if not isinstance(value, TensorBase):
            if not isinstance(value, OPERAND):
                _check_tensor(op, name, value)
            unrounded = small and op.keeps_scalar == name
            value = stand_in(number_array(value, dtypes.float32 if unrounded else compute))
        wrapped.append(value)
        data = value._data
        if name not in op.fixed and _differs(data, work):
            if small and op.keeps_scalar == name and not data.shape:
                data = convert(data, dtypes.float32.np)
            else:
                if narrow and _differs(data, compute.np):
                    data = convert(data, compute.np)
                data = convert(data, work)
        arrays.append(data)
    return tuple(wrapped), arrays


def _differs(data: Any, wanted: Any) -> bool:
    """Whether a payload has another element type; NumPy would take long to tell its dtypes from ours."""
    kind = data.dtype
    if kind.__class__ is dtypes.dtype:
        kind = kind.np
    return kind is not wanted and bool(kind != wanted)


def convert(data: Any, to: Any) -> Any:
    """Cast an array or a traced value."""
    if data.__class__ is not np.ndarray:
        return data.astype(to)
    if data.dtype.kind == "c" and to.kind not in "cb":
        data = data.real
    token = set_errors(QUIET)
    try:
        return narrowed(data, to) if to in dtypes.FLOAT8_TWINS else recast(data, to)
    finally:
        reset_errors(token)


# Functions whose operands may all be numbers; PyTorch takes these for 0-d tensors.
_TAKE_NUMBERS: Final = frozenset(("add", "sub", "mul", "div", "floor_divide"))


def _elementwise(op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    for name, value in zip(op.tensors, tensors, strict=True):
        if value is None or isinstance(value, TensorBase):
            continue
        if name in op.strict or not isinstance(value, OPERAND):
            no_fit(op, name, value, tensors)
    if not any(isinstance(value, TensorBase) for value in tensors):
        if op.public not in _TAKE_NUMBERS:
            no_fit(op, op.tensors[0], tensors[0], tensors)
        kinds = [dtypes.scalar_dtype(value, settings.default_dtype) for value in tensors]
        tensors = tuple([wrap(np.asarray(v, d.np)) for v, d in zip(tensors, kinds, strict=True)])
    try:
        compute, result_dtype = promoted(op, tensors, statics)
    except NotImplementedError:  # PyTorch finds out when it runs the kernel, on shapes that fit
        check_broadcast([t._data.shape for t in tensors if isinstance(t, TensorBase)])
        raise
    wrapped, arrays = operands(op, tensors, compute)
    try:
        result = run_kernel(op, tuple(arrays), statics)
    except ValueError:
        shapes = [a.shape for a in arrays if a is not None]
        check_broadcast(shapes[::-1] if op.reverse else shapes)
        raise
    if result.__class__ is not np.ndarray and isinstance(result, np.generic):
        result = np.asarray(result)
    if _differs(result, result_dtype.np):
        result = convert(result, result_dtype.np)
    laid = as_lying(op, result, [t._data for t in wrapped if t is not None])
    return finish(op, wrapped, statics, laid, compute)


# -- results and recording ------------------------------------------------------------------------------


def finish(
    op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...], result: Any, compute: dtype | None,
    owner: Any = None,
) -> Any:  # fmt: skip
    """Wrap the kernel's result in tensors and record the node if a gradient is wanted."""
    level = 0 if owner is None else owner.number
    single = op.nout == 1
    values = (result,) if single else tuple(result)
    made = []
    for value in values:
        t = new(world.Tensor)
        t._data = as_array(value) if level == 0 and isinstance(value, np.generic) else value
        t._req = False
        t._node = None
        t._vc = None
        t._view = None
        t._cut = None
        if level:
            t._level = level
            t._owner = owner
        elif active.inference and modes.inference:
            t._vc = InferenceCell((0, None, modes.off))
        made.append(t)
    mode = modes.grad
    if active.ever and not modes.inference and from_inference(tensors):
        _unshielded(op, tensors, statics, made, mode)
        mode = None
    # Forward mode by hand records for its own tensors and for ordinary ones, in one graph.
    plain = 0 if owner is not None and owner.beside_recording else level
    if mode is not None and op.rules and requires(op, tensors, level, plain):
        if any(t.dtype.category >= FLOATING for t in made):  # type: ignore[attr-defined]
            record(op, tensors, statics, made, compute, level, mode, plain=plain)
        elif active.ever and recorded_integers(tensors) and _histories_refused(op):
            refused = made[0].dtype  # type: ignore[attr-defined]
            raise RuntimeError(f"Autograd not support dtype: {dtypes.SCALAR_NAME[refused]}")
    if not level and made and not made[0]._req:
        cut = cut_of(op, tensors)
        for t in made:
            if not t._req:
                t._cut = cut
    if op.is_view and owner is None:
        _link(op, tensors[0], statics, made)
    return made[0] if single else tuple(made)


def _histories_refused(op: Primitive) -> bool:
    """Whether integers that `op` makes from integers with a history are refused; else they have none."""
    return op.result != BOOL_RESULT and op.name != "cast" and op.node_name != "NotImplemented"


def _unshielded(
    op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...], made: list[Any], mode: Any
) -> None:
    """Do to results of tensors of inference mode, outside of it, what PyTorch's kernels do (see KERNELS)."""
    inside = KERNELS.get(op.name)
    if inside is None:
        return
    writes = inside.count((*tensors, *statics))
    if writes and mode is not None and inside.grad and requires(op, tensors, 0):
        if inside.grad == SAVED:
            version_of(tensors[0])  # raises
        if inside.grad != COPIED:
            raise RuntimeError(
                f"{inside.grad}(): functions with out=... arguments don't support automatic differentiation, "
                "but one of the arguments requires grad."
            )
        if made[0].dtype.category >= FLOATING and tensors[0]._req:
            if inside.place is None:
                record(TABLE["clone_for_grad"], tensors[:1], (), made[:1], None, 0, mode)
            elif (place := inside.place(made[0], *tensors[1:], *statics)) is not None:
                place.copy_(tensors[0])
    for t in made:
        t._vc = [writes, None]
    if inside.base is not None and (shape := inside.base(*tensors, *statics)) is not None:
        base = wrap(made[0]._data.reshape(shape))
        base._vc = made[0]._vc
        link_view(made[0], base, TABLE["view_as_shape"], (made[0]._data.shape,))


def requires(op: Primitive, tensors: tuple[Any, ...], level: int, plain: int | None = None) -> bool:
    """Whether any differentiable input at this level (or at `plain`) requires a gradient."""
    for name, value in zip(op.tensors, tensors, strict=True):
        if name not in op.rules:
            continue
        for t in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(t, TensorBase) and t._req and t._level in (level, plain):
                return True
    return False


def record(
    op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...], made: list[Any], compute: dtype | None,
    level: int, mode: Any, written: Any = None, plain: int | None = None,
) -> Any:  # fmt: skip
    """Make the node of one execution of `op` and hang it on the results.

    Args:
        written: for an in-place write, the tensor written; the caller then sets its history itself.
        plain: another level whose tensors the node leads to.

    Returns:
        the node.
    """
    if op.node_class is None:
        op.entry.__globals__["_emitter"].emit(op)
    node: Any = new(op.general_class)
    edges: list[Any] = []
    lengths: list[int] = []
    fit_shapes: list[Any] = []
    fit_dtypes: list[Any] = []
    wanted: dict[str, bool] = {}
    for name, value in zip(op.tensors, tensors, strict=True):
        items = value if isinstance(value, (list, tuple)) else (value,)
        lengths.append(len(items))
        wanted[name] = False
        for t in items:
            if name in op.rules and isinstance(t, TensorBase) and t._req and t._level in (level, plain):
                edges.append(edge_of(t))
                wanted[name] = wanted[name] or edges[-1] is not None
            else:
                edges.append(None)
            if isinstance(t, TensorBase):
                fit_shapes.append(tuple(t._data.shape))
                fit_dtypes.append(t.dtype.np)  # type: ignore[attr-defined]
            else:
                fit_shapes.append(())
                fit_dtypes.append(None)
    node.edges = tuple(edges)
    node.lengths = tuple(lengths)
    node.level = level
    node.seq = next_seq()
    node.code, node.lasti = here()
    node.hooks = None
    node.fit = None
    if op.kind == "elementwise":
        is_complex = compute is not None and compute.is_complex
        node.fit = (tuple(fit_shapes), tuple(fit_dtypes), is_complex)
    save(op, node, tensors, statics, made, wanted, written)
    if written is None:
        hang(op, node, made)
    if mode is not True:
        after_record(mode, node, tensors, tuple(made))
    return node


def save(
    op: Primitive, node: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...], made: list[Any],
    wanted: dict[str, bool], written: Any = None,
) -> None:  # fmt: skip
    """Keep what the wanted inputs' rules read; inputs in the memory just `written` as they were before."""
    moved = None if written is None else written._vc
    for field in op.saved:
        served = served_by(op, field)
        if served is not None and not wanted[served]:
            setattr(node, field, None)
            if field in op.tensors:
                setattr(node, field + "_v", 0)
            elif is_output(op, field):
                setattr(node, field + "_vc", None)
                setattr(node, field + "_v", 0)
            continue
        if field in op.tensors:
            value = tensors[op.tensors.index(field)]
            if isinstance(value, (list, tuple)):
                value = tuple(value)
                setattr(node, field + "_v", tuple(_version(t, moved) for t in value))
            else:
                setattr(node, field + "_v", _version(value, moved) if isinstance(value, TensorBase) else 0)
            setattr(node, field, value)
        elif field in op.statics:
            setattr(node, field, statics[op.statics.index(field)])
        elif is_output(op, field):
            t = made[int(field[3:] or 0)]
            if t._vc is None:
                t._vc = [0, None]
            setattr(node, field, t._data if t._level == 0 else t)
            setattr(node, field + "_vc", t._vc)
            setattr(node, field + "_v", t._vc[0])
        elif field.endswith("_shape"):
            value = tensors[op.tensors.index(field[:-6])]
            many = isinstance(value, (list, tuple))
            setattr(node, field, [tuple(t._data.shape) for t in value] if many else tuple(value._data.shape))
        elif field.endswith("_dtype"):
            setattr(node, field, tensors[op.tensors.index(field[:-6])].dtype.np)
        elif field.endswith("_turned"):
            data = tensors[op.tensors.index(field[:-7])]._data
            setattr(node, field, isinstance(data, np.ndarray) and data.strides[0] < data.strides[1])


def _version(t: TensorBase, moved: Any) -> int:
    """The version of an input as the operation read it: the write itself has been counted in cell `moved`."""
    return version_of(t) - (t._vc is not None and t._vc is moved)


def served_by(op: Primitive, field: str) -> str | None:
    """The one input whose cotangent is all that a saved input is kept for; None where it is always kept.

    PyTorch keeps outputs, and inputs that several rules read, whichever gradients are wanted.
    """
    readers = [parameter for parameter in op.rules if field in op.rule_arguments(parameter)]
    return readers[0] if len(readers) == 1 and not is_output(op, field) else None


def is_output(op: Primitive, field: str) -> bool:
    """Whether a field that rules read is an output of `op`."""
    return field.startswith("out") and field not in op.tensors and field not in op.statics


def hang(op: Primitive, node: Node, made: list[Any]) -> None:
    """Make `node` the history of the differentiable results."""
    single = op.nout == 1
    ports: list[Any] = []
    for number, t in enumerate(made):
        if number in op.nondiff_outputs or t.dtype.category < FLOATING:
            ports.append(None)
            t._cut = (op, node.code, node.lasti, None)
            continue
        t._req = True
        t._node = node if single else Port(node, number)
        if not single:
            ports.append(weakref.ref(t._node))
    if not single:
        node.outputs = tuple(ports)  # type: ignore[attr-defined]
