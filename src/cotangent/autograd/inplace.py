"""In-place operations: compute into the tensor's own memory, bump its version, rebase its history."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

import numpy as np

from .. import dtypes, lazy
from ..errors import check_broadcast, explained, unfit
from ..kernels.deferred import Deferred
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..kernels.shape import element_strides, in_memory, storage_offset
from ..kernels.sparse import COALESCED, Coo, added_into
from ..ops.arguments import REQUIRED, with_numbers
from ..ops.refusals import cannot_cast
from ..ops.table import FLOAT, SAME, TABLE, Primitive, writer_of
from .base import InferenceCell, TensorBase, UncountedCell, active, bump, cell_of, from_inference
from .dispatch import (
    OPERAND,
    convert,
    is_output,
    no_fit,
    operands,
    owner_of,
    payload,
    promoted,
    record,
    refuse_history,
    requires,
    run_kernel,
)  # fmt: skip
from .keeping import before_write
from .metadata import look_anew
from .modes import modes
from .recorded import alias
from .views import (
    OVERLAP,
    check_writable,
    count_write,
    edge_of,
    inference_write,
    mark_stale,
    rebase,
    views_of,
)
from .where import here, warn

in_turn: Any = lazy.module("cotangent.autograd.in_turn")


def write(op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """Run `op` with its result written into its first tensor, which is returned."""
    x = tensors[0]
    if not isinstance(x, TensorBase):
        raise unfit(
            f"{op.public}_(): argument 'input' (position 1) must be Tensor, not {type(x).__name__}"
        )
    if op.complex_form is not None and x.dtype.is_complex:  # type: ignore[attr-defined]
        op = op.complex_form.op
    if op.signatures and tensors[-1] is REQUIRED:
        raise unfit(
            f"{op.public}_() received an invalid combination of arguments - got (), but expected "
            + op.signatures[0].replace("Tensor input, ", "", 1).replace(", Tensor out = None", "")
        )
    tensors, statics = with_numbers(op, tensors, statics, "_")
    if active.keeping:
        before_write(x)
    owner = owner_of(tensors)
    if owner is not None and owner.writes:
        return owner.write(op, tensors, statics)
    level = 0 if owner is None else owner.number
    mode = modes.grad
    recording = mode is not None and bool(op.rules) and requires(op, tensors, level)
    if recording and op.public == "copy":  # the only one that looks at the dtype
        recording = x.dtype.category >= dtypes.FLOATING  # type: ignore[attr-defined]
    if recording and not (active.ever and from_inference(tensors)):
        check_writable(x)
        if active.ever or any(isinstance(t, TensorBase) and t._req and t._node is None for t in tensors[1:]):
            refuse_history(op, tensors, level, x)
    if x._data.__class__ is Deferred:
        if op.is_view:
            return look_anew(op, x, statics, recording)
        return _write_deferred(op, x, tensors, statics)
    if level or x._data.__class__ is not np.ndarray:
        return _write_functional(op, x, tensors, statics, recording)
    if op.is_view:
        return look_anew(op, x, statics, recording)
    compute = None
    before = None
    saved = op.saved if op.node_class is not None else None
    if recording:
        if saved is None:
            op.entry.__globals__["_emitter"].emit(op)
            saved = op.saved
        before = _before_image(op, tensors, saved)
    try:
        if op.kind == "elementwise":
            compute, wrapped = write_elementwise(op, x, tensors, statics)
        else:
            wrapped = tensors
            write_general(op, x, tensors, statics)
    except (RuntimeError, IndexError):
        refuse_history(op, tensors, level, x)
        raise
    bump(x, *here())
    if x._vc.__class__ in (InferenceCell, UncountedCell) and not modes.inference:
        inference_write(x._vc)  # PyTorch notices when it counts the write, too
    if recording:
        recorded = (before, *wrapped[1:])
        node = record(op, recorded, statics, [x], compute, 0, mode, written=x)
        rebase(x, node)
        if x._view is not None and x._view.stale and any(is_output(op, field) for field in saved or ()):
            node.shown = weakref.ref(edge_of(x))
    elif list.__getitem__(cell_of(x), 1) is not None:
        mark_stale(x if x._view is None else x._view.base, x)
    return x


def write_general(op: Primitive, x: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> None:
    """Compute and store what is not elementwise, once operands have been looked at."""
    arrays = tuple(payload(t) for t in tensors)
    if op.public == "copy" and _same_elements(x._data, arrays[1]):
        return  # nothing to do, and nothing to say of overlaps
    if op.public in _APART:
        shared = check_inputs_apart(x, tensors, op.public != "copy")
        if shared and op.name in in_turn.IN_TURN and x._data.size <= _SEQUENTIAL:
            if not _repeats(op):
                check_overlap(x)
            in_turn.IN_TURN[op.name](x._data, *arrays[1:], *statics)
            return
    _put(op, x, arrays, statics)


def _put(op: Primitive, x: Any, arrays: tuple[Any, ...], statics: tuple[Any, ...]) -> None:
    """Compute and store the result of an operation that is not elementwise."""
    if op.store is None or not _stored(op, x, arrays, statics):
        _store(op, x, np.asarray(run_kernel(op, arrays, statics)))


def _same_elements(a: Any, b: Any) -> bool:
    """Whether two payloads are the same memory seen in the same way."""
    return b.__class__ is np.ndarray and a.dtype == b.dtype and a.shape == b.shape and _alike(a, b)


def _write_deferred(op: Primitive, x: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
    """A write through a view that conjugates or negates: of its values first, then of the memory."""
    view = x._data
    if op.public == "copy":
        x._data = view.array
        try:
            check_inputs_apart(x, tensors)
        finally:
            x._data = view
    x._data = view.resolved()
    try:
        return write(op, tensors, statics)
    finally:
        view.put(x._data)
        x._data = view


def _stored(op: Primitive, x: Any, arrays: tuple[Any, ...], statics: tuple[Any, ...]) -> bool:
    """Let `op` store its result itself; False if it cannot, and the general path will say why."""
    values: Any = arrays[1] if op.name == "index_put_at" else None
    if _repeats(op):
        data = x._data
        apart = data.flags.forc or data.size > _SEQUENTIAL or dense(data) or not in_turn.overlaps_itself(data)
        if values is not None and data.size <= _SEQUENTIAL:
            apart = apart and not np.may_share_memory(data, values)
            if not apart:
                _warn_of_expanded(op, data)
                in_turn.put_in_turn(data, values, *arrays[2:], *statics)
                return True
        if 0 in data.strides or not apart:
            return False
    else:
        check_overlap(x)
    token = set_errors(QUIET)
    try:
        op.store(*arrays, *statics)  # type: ignore[misc]
    except (ValueError, TypeError):
        if not op.lists:
            _check_fit(x._data, [a.shape for a in arrays])
        return False
    finally:
        reset_errors(token)
    return True


def _check_fit(data: Any, shapes: list[tuple[int, ...]]) -> None:
    """Refuse operands whose common shape is not that of the array written."""
    common = check_broadcast(shapes)
    if common != data.shape:
        raise RuntimeError(
            f"output with shape {list(data.shape)} doesn't match the broadcast shape {list(common)}"
        )


def _before_image(op: Primitive, tensors: tuple[Any, ...], saved: tuple[str, ...]) -> Any:
    """The written tensor as the rules see it: its old history, and its old values if a rule reads them."""
    x = tensors[0]
    name = op.tensors[0]
    old = alias(x, edge_of(x) if x._req else None)
    reads = any(
        name in op.rule_arguments(p)
        for p, t in zip(op.tensors, tensors, strict=True)
        if p in op.rules and isinstance(t, TensorBase) and t._req
    )
    if reads:
        old._data = x._data.copy()
    old._vc = None
    return old


def write_elementwise(
    op: Primitive, x: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...]
) -> tuple[dtypes.dtype, tuple[Any, ...]]:
    """Compute an elementwise operation into `x`; the dtype computed in, and the operands as tensors."""
    for name, value in zip(op.tensors, tensors, strict=True):
        if isinstance(value, TensorBase) or (value is None and name in op.optional):
            continue
        if name in op.strict or not isinstance(value, OPERAND):
            no_fit(op, name, value, tensors)
    try:
        compute, result_dtype = promoted(op, tensors, statics)
    except NotImplementedError:  # PyTorch finds out when it runs the kernel, on memory that may be written
        if not _repeats(op):
            check_overlap(x)
        raise
    target = x.dtype
    fits = dtypes.can_cast(result_dtype, target)
    if not fits and op.cast_error is not None:
        raise op.cast_error(result_dtype, target)
    if not _repeats(op):
        check_overlap(x)
    check_inputs_apart(x, tensors)
    wrapped, arrays = operands(op, tensors, compute)
    data = x._data
    shapes = [a.shape for a in arrays if a is not None]
    if any(s != data.shape for s in shapes):
        _check_fit(data, shapes)
    if not fits:
        raise cannot_cast(result_dtype, target)
    if data.size <= _SEQUENTIAL and _entangled(data, arrays):
        _warn_of_expanded(op, data)
        in_turn.write_in_turn(op, data, arrays, statics)
    elif (
        arrays[0] is data and result_dtype is target and op.fast is not None and not op.reverse
        # NumPy 2.4 negates float32 four elements apart (float64: eight) wrongly into an array with gaps.
        and _defaults(op, statics) and data.dtype.kind != "c"
        and (data.flags.forc or (isinstance(op.fast, np.ufunc) and op.fast is not np.negative))
    ):  # fmt: skip
        token = set_errors(QUIET)
        try:
            op.fast(*arrays, out=data)
        finally:
            reset_errors(token)
    elif result_dtype is not target or not added_into(op.name, data, arrays, statics):
        _store(op, x, run_kernel(op, tuple(arrays), statics))
    return compute, wrapped


_SEQUENTIAL: Final = 1024


def _entangled(data: Any, arrays: list[Any]) -> bool:
    """Whether elements written are read again under another place: what is read then depends on the order."""
    if not data.flags.forc and not dense(data) and in_turn.overlaps_itself(data):
        return True
    others = (
        a for a in arrays if a.__class__ is np.ndarray and a is not data and np.may_share_memory(a, data)
    )
    return any(not _alike(a, data) for a in others)


def _defaults(op: Primitive, statics: tuple[Any, ...]) -> bool:
    return all(str(v) == op.defaults.get(s) for s, v in zip(op.statics, statics, strict=True))


# PyTorch lets these write through an expanded tensor, where one element is written several times ...
_REPEATED: Final = frozenset(("masked_fill", "tril", "triu", "index_fill", "index_put", "threshold"))
# ... and looks, besides in elementwise operations, here for operands that lie in the memory being written.
_APART: Final = frozenset(
    ("copy", "index_add", "index_copy", "index_fill", "index_put", "put", "scatter", "scatter_add")
)


def _repeats(op: Primitive) -> bool:
    return op.public in _REPEATED or op.name in ("zeroed", "written_number")


_EXPANDED: Final = (
    "Use of {}_ on expanded tensors is deprecated. Please clone() the tensor before performing this "
    "operation. This also applies to advanced indexing e.g. tensor[{}"
)
_ASSIGNED: Final = {
    "index_put": "indices] = tensor",
    "index_fill": "mask] = scalar",
    "masked_fill": "mask] = scalar",
}


def _warn_of_expanded(op: Primitive, data: Any) -> None:
    """Warn, as PyTorch does, of operations that write an expanded tensor one element after the other."""
    if op.public in _ASSIGNED and any(not s and n > 1 for s, n in zip(data.strides, data.shape, strict=True)):
        warn(_EXPANDED.format(op.public, _ASSIGNED[op.public]))


def check_overlap(x: Any) -> None:
    """Refuse to write through an expanded tensor, as PyTorch does."""
    data = x._data
    if not data.size:
        return
    if not data.flags.writeable and data.base is not None and 0 not in data.strides:
        return
    if any(stride == 0 and n > 1 for stride, n in zip(data.strides, data.shape, strict=True)):
        raise RuntimeError(OVERLAP)


_TOGETHER: Final = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


def check_inputs_apart(x: Any, tensors: tuple[Any, ...], wholly: bool = False) -> bool:
    """Refuse operands that lie partly or in another order (`wholly`: at all) in the memory being written.

    Returns:
        whether some operand may lie there that PyTorch lets pass, as it does not look closely.
    """
    data = x._data
    shared = False
    for t in (i for v in tensors[1:] for i in (v if isinstance(v, list) else (v,))):
        if not isinstance(t, TensorBase) or (t._data is data and not wholly):
            continue
        if wholly and t is x and data.size:
            raise RuntimeError(_TOGETHER)
        other = t._data
        if other.__class__ is not np.ndarray or not np.may_share_memory(data, other):
            continue
        if dense(data) and dense(other) and (wholly or not _alike(data, other)):
            raise RuntimeError(_TOGETHER)
        shared = True
    return shared


def _alike(a: Any, b: Any) -> bool:
    """Whether two arrays are the same elements in the same order."""
    return bool(a.ctypes.data == b.ctypes.data and a.nbytes == b.nbytes and a.strides == b.strides)


def dense(data: Any) -> bool:
    """Whether the elements fill a stretch of memory without gaps or overlaps, in whatever order."""
    if data.flags.forc:
        return bool(data.size)
    step = data.itemsize
    for stride, n in sorted(zip(data.strides, data.shape, strict=True)):
        if n != 1:
            if stride != step:
                return False
            step *= n
    return bool(data.size)


def _store(op: Primitive, x: Any, result: Any) -> None:
    data = x._data
    if isinstance(result, Coo):
        result = result.dense()
    if result.shape != data.shape:
        if op.misfit is not None:
            raise RuntimeError(
                op.misfit.format(have=list(data.shape), wanted=list(result.shape), ndim=data.ndim)
            )
        raise RuntimeError(
            f"output with shape {list(data.shape)} doesn't match the broadcast shape {list(result.shape)}"
        )
    if _repeats(op):
        small = data.size <= _SEQUENTIAL and not dense(data)
        if 0 in data.strides or (small and in_turn.overlaps_itself(data)):
            _warn_of_expanded(op, data)
            changed = (data != result) & ((data == data) | (result == result))
            seen: Any = in_memory(data, data.shape, element_strides(data), storage_offset(data))
            seen[changed] = result[changed]
            return
    else:
        check_overlap(x)
    data[...] = result if result.dtype == data.dtype else convert(result, data.dtype)


def _write_functional(
    op: Primitive, x: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...], recording: bool
) -> Any:
    """In place without an array: compute anew and replace the payloads that see the memory."""
    if isinstance(x._data, Coo) and op.name in COALESCED and not x._data.coalesced:
        raise RuntimeError(f"{op.public}_ requires coalesced input")
    result = op.entry(_snapshot(x), *tensors[1:], *statics)
    if not x._level and not result._level and hasattr(x._data, "is_memory"):
        result = _fitted(op, x, result)
    elif isinstance(x._data, Coo) and isinstance(result._data, Coo) and result.dtype is not x.dtype:
        result = _cast_sparse(op, x, result)
    elif (x._level or result._level) and not op.is_view:
        result = _in_dtype(op, x, result)
    if x._level < result._level:
        if result._owner.is_batch:  # one value per example, and the written tensor has room for one
            wanted = [result._owner.size, *result._data.shape]
            result._owner.refuse_write(op, list(x._data.shape), wanted)
        base = x if x._view is None else x._view.base
        result._owner.take([base, *views_of(base)], op.public)
    replace(x, result)
    return x


def _cast_sparse(op: Primitive, x: Any, result: Any) -> Any:
    """The result of a write to a sparse tensor in its dtype."""
    if not dtypes.can_cast(result.dtype, x.dtype) and op.name in COALESCED:
        raise cannot_cast(result.dtype, x.dtype)
    if not dtypes.can_cast(result.dtype, x.dtype):
        made = "add" if op.public == "sub" else op.public
        raise RuntimeError(
            f"Can't convert result type {dtypes.SCALAR_NAME[result.dtype]} to output "
            f"{dtypes.SCALAR_NAME[x.dtype]} in {made} operation"
        )
    return TABLE["cast"].entry(result, x.dtype.np)


def _fitted(op: Primitive, x: Any, result: Any) -> Any:
    """The result of a traced write, which must have the shape of the tensor written, in its dtype."""
    if op.is_view:
        if modes.tracer is None:
            return result
        modes.tracer.refuse(f"{op.public}_() changes a tensor's shape in place")
    have, shape = x._data.shape, result._data.shape
    if have != shape:
        if op.misfit is not None:
            raise RuntimeError(op.misfit.format(have=list(have), wanted=list(shape), ndim=len(have)))
        raise RuntimeError(f"output with shape {list(have)} doesn't match the broadcast shape {list(shape)}")
    return _in_dtype(op, x, result)


def _in_dtype(op: Primitive, x: Any, result: Any) -> Any:
    """What is written to a tensor, in its dtype."""
    if result.dtype is x.dtype:
        return result
    if not dtypes.can_cast(result.dtype, x.dtype):
        raise (op.cast_error or cannot_cast)(result.dtype, x.dtype)
    return TABLE["cast"].entry(result, x.dtype.np)


def replace(x: Any, result: Any) -> None:
    """Give `x`, its base and all views of it the values and the history of `result` (no arrays).

    The base becomes itself with the written region replaced, every other view is taken of it anew: recorded
    like anything else, so no node for in-place writes is needed.
    """
    base = x if x._view is None else x._view.base
    if modes.tracer is not None and not x._level:
        _write_traced(x, base, result)
        return
    if base is not x:
        _become(base, x._view.scatter(_snapshot(base), result, True))
    _become(x, result)
    count_write(x)
    for view in views_of(base):
        if view is not x:
            _become(view, view._view.replay(_snapshot(base), False))


def _write_traced(x: Any, base: Any, result: Any) -> None:
    """The same while tracing, where memory is followed: all tensors that look into it see one write."""
    recorded = modes.grad is not None
    tracked = recorded and (result._req or base._req)
    whole = x._view.scatter(_snapshot(base), result, True) if tracked and base is not x else None
    modes.tracer.write(x, result._data)
    count_write(x)
    if not tracked:
        return
    x._node, x._req = result._node, result._req
    if whole is not None:
        base._node, base._req = whole._node, whole._req
    for view in views_of(base):
        if view is not x:
            shown = view._view.replay(_snapshot(base), False)
            view._node, view._req = shown._node, shown._req


def _snapshot(t: Any) -> Any:
    """The tensor as it is now: later changes of `t` do not reach it."""
    taken = alias(t, edge_of(t) if t._req else None)
    taken._vc = None
    if modes.tracer is not None and not t._level:
        taken._data = taken._data.snapshot()
    return taken


def _become(t: Any, value: Any) -> None:
    t._data = value._data
    if modes.grad is not None:
        t._node, t._req = value._node, value._req  # a write that is not recorded leaves the history as it was
    t._level, t._owner = value._level, value._owner


def in_place(front: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place form of an operation: the same handling of arguments, then a write to the first tensor."""
    op = getattr(front, "op", None)
    if isinstance(op, Primitive):
        return _writer(op)
    plain = getattr(front, "__wrapped__", front)  # autocast puts code of its own in front of functions
    scope = dict(plain.__globals__)
    for name in plain.__code__.co_names:
        value = scope.get(name)
        inner = getattr(value, "op", None)
        if isinstance(inner, Primitive):
            scope[name] = _writer(inner)
    if "IN_PLACE" in scope:
        scope["IN_PLACE"] = "_"
    made = FunctionType(plain.__code__, scope, front.__name__ + "_", plain.__defaults__, plain.__closure__)
    made.__kwdefaults__ = plain.__kwdefaults__

    @functools.wraps(front)
    def written(*args: Any, **kwargs: Any) -> Any:
        try:
            found = made(*args, **kwargs)
            if args and found is not args[0] and isinstance(found, TensorBase):
                return args[0].copy_(found)  # the function went another way than through its operation
            return found
        except (RuntimeError, IndexError):  # PyTorch looks first whether the tensor may be written at all
            if any(isinstance(value, TensorBase) and value._req for value in (*args, *kwargs.values())):
                check_writable(args[0])
            raise
        except (TypeError, AttributeError, ValueError) as error:
            raise explained(error) from None

    written.__name__ = written.__qualname__ = front.__name__ + "_"
    written.__doc__ = f"In-place form of `{front.__name__}`."
    return written


def operator(front: Callable[..., Any], operands: tuple[type, ...] = OPERAND) -> Callable[..., Any]:
    """A function as Python's binary operators call it: NotImplemented for operands it does not know."""

    def operator(self: Any, other: Any) -> Any:
        return front(self, other) if isinstance(other, operands) else NotImplemented

    operator.__name__ = front.__name__
    operator.__doc__ = front.__doc__
    return operator


def _writer(op: Primitive) -> Callable[..., Any]:
    if op.store is not None and not (op.lists or op.optional):
        op.entry.__globals__["write"] = write
        return writer_of(op)  # type: ignore[no-any-return]
    if (
        op.kind == "elementwise"
        and op.fast is not None
        and op.result in (SAME, FLOAT)
        and not (op.fixed or op.optional)
    ):
        op.entry.__globals__["write"] = write
        return writer_of(op)  # type: ignore[no-any-return]
    count = len(op.tensors)
    parameters = [inspect.Parameter(t, inspect.Parameter.POSITIONAL_OR_KEYWORD) for t in op.tensors]
    parameters += [
        inspect.Parameter(
            s, inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=eval(op.defaults[s], {}) if s in op.defaults else inspect.Parameter.empty,
        )
        for s in op.statics
    ]  # fmt: skip
    signature = inspect.Signature(parameters)
    defaults = tuple(p.default for p in parameters[count:])

    def written(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != len(parameters):
            if not kwargs and len(args) == count:
                return write(op, args, defaults)
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise explained(error) from None
            bound.apply_defaults()
            args = bound.args
        return write(op, args[:count], args[count:])

    written.__name__ = op.public + "_"
    written.__qualname__ = written.__name__
    written.__doc__ = f"In-place form of `{op.public}`."
    return written
