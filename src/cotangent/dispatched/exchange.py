"""Having operations ask the dispatch modes: code in front of them, for as long as a mode is on.

Without a mode the functions are what they were, so nothing is paid. While some thread has one, the entries of
all operations lead to `_dispatch` (and in-place forms to `write`), which ask this thread's modes where they
would run a kernel: below autograd, on plain tensors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from ..autograd import api, dispatch, inplace
from ..autograd.base import TensorBase, active, cell_of, stand_in
from ..autograd.cuts import cut_of
from ..autograd.dispatch import number_array, owner_of, promoted, record, requires
from ..autograd.emit import innermost
from ..autograd.emit_write import unrecorded
from ..autograd.modes import modes
from ..autograd.recorded import OpNode, alias, port_of
from ..autograd.views import check_writable, edge_of, link_view, rebase
from ..dtypes import FLOATING
from ..kernels.sparse import Coo
from ..ops.arguments import REQUIRED, with_numbers
from ..ops.table import TABLE, Primitive
from ..overriding import load_methods, owned, spaces, taken_code, twin_of
from ..tensor import of_class, slots_of
from . import factories, stack
from .names import forward, write_name
from .pullbacks import pulled
from .stack import asked, here, present, taking

_lock: Final = threading.RLock()
_count = 0
# What has been exchanged: (function, its twin with the code it had).
_exchanged: Final[list[tuple[Any, Any]]] = []


# -- putting code in front ----------------------------------------------------------------------------------


def _front(f: FunctionType, by: Callable[..., Any], about: Any) -> None:
    """Have calls of `f` go to `by(about, twin, args, kwargs)`."""
    twin = twin_of(f)
    cells = f.__code__.co_freevars
    code = taken_code(len(cells)).replace(
        co_name=f.__code__.co_name, co_qualname=f.__code__.co_qualname, co_freevars=cells
    )
    f.__wrapped__ = twin  # type: ignore[attr-defined]  # where code that is generated from now on goes
    # Other threads may be calling: defaults that both need are there when the code changes, in one step.
    f.__kwdefaults__ = (f.__kwdefaults__ or {}) | {"_call": by, "_function": about, "_original": twin}
    f.__code__ = code
    _exchanged.append((f, twin))


def _restore(f: Any, twin: Any) -> None:
    # In the meantime others may have put code in front in their turn, and moved ours to a twin.
    while f.__wrapped__ is not twin:
        f = f.__wrapped__
    f.__defaults__ = twin.__defaults__
    f.__kwdefaults__ = f.__kwdefaults__ | (twin.__kwdefaults__ or {})
    f.__code__ = twin.__code__
    f.__kwdefaults__ = twin.__kwdefaults__
    inner = getattr(twin, "__wrapped__", None)
    if inner is None:
        del f.__wrapped__
    else:
        f.__wrapped__ = inner


def enter() -> None:
    """A mode is entered, in whatever thread."""
    global _count
    with _lock:
        _count += 1
        active.absorbing += 1  # backward takes the loop that can show each operation
        if _count > 1:
            return
        stack.install()
        _load()
        for op in list(TABLE.values()):
            for form, by in _FORMS.items():
                if (f := getattr(op, form)) is not None:
                    _front(innermost(f), by, op)
        for f, form in owned:
            _front(innermost(f), _FORMS[form], f.__globals__["_op"])
        _front(dispatch._dispatch, _dispatched, None)  # type: ignore[arg-type]
        _front(inplace.write_elementwise, _written_elementwise, None)  # type: ignore[arg-type]
        _front(inplace.write, _write, None)  # type: ignore[arg-type]
        _front(inplace.write_general, _written, None)  # type: ignore[arg-type]
        _front(alias, _aliased, None)  # type: ignore[arg-type]
        _front(OpNode.apply, pulled, None)  # type: ignore[arg-type]
        _front(OpNode.output_tensor, _unpacked, None)  # type: ignore[arg-type]
        _front(unrecorded, _unrecorded, None)  # type: ignore[arg-type]
        _front(api._ones, _first_cotangent, None)  # type: ignore[arg-type]
        # A method may be a function, too.
        for f, (by, about) in {innermost(f): rest for f, *rest in factories.fronts()}.items():
            _front(f, by, about)


def leave() -> None:
    """A mode is left."""
    global _count
    with _lock:
        _count -= 1
        active.absorbing -= 1
        if _count:
            return
        while _exchanged:
            _restore(*_exchanged.pop())


def defined() -> None:
    """A class with `__torch_dispatch__` is defined: what stands in front stays."""
    with _lock:
        if not active.dispatching:
            enter()
            active.dispatching = True


_loaded = False


def _load() -> None:
    """Load what waits for its first use: operations declared later would not be seen."""
    global _loaded
    if not _loaded:
        load_methods()
        spaces()
        _loaded = True


# -- entries ------------------------------------------------------------------------------------------------


def _bound(op: Primitive, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """(tensors, statics) of a call, or None where the arguments do not fit."""
    names = op.parameters
    if len(args) > len(names) or any(k not in names[len(args) :] for k in kwargs):
        return None
    given = dict(zip(names, args, strict=False)) | kwargs
    tensors = tuple(given.get(name, REQUIRED) for name in op.tensors)
    statics = tuple(
        given[s] if s in given else eval(op.defaults[s], {}) if s in op.defaults else REQUIRED
        for s in op.statics
    )
    return tensors, statics


def _entry(op: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    found = _bound(op, args, kwargs) if asked(args) else None
    if found is None or (op.real_is_same and not getattr(args[0], "is_complex", bool)()):
        return twin(*args, **kwargs)
    return dispatch.dispatch(op, *found)


def _operator(op: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    found = _bound(op, args, kwargs) if asked(args) else None
    if found is None:
        return twin(*args, **kwargs)
    try:
        return dispatch.operate(op, *found)
    except TypeError as error:
        if error is not here.declined:
            raise
        here.declined = None
        return NotImplemented


def _writer(op: Any, twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    found = _bound(op, args, kwargs) if asked(args) else None
    return twin(*args, **kwargs) if found is None else inplace.write(op, *found)


_FORMS: Final = {"entry": _entry, "operator": _operator, "writer": _writer}


# -- where kernels would run --------------------------------------------------------------------------------


def _items(tensors: Any) -> list[Any]:
    return [t for v in tensors for t in (v if isinstance(v, (list, tuple)) else (v,))]


def _with_numbers(tensors: tuple[Any, ...], compute: Any) -> tuple[Any, ...]:
    """Operands with tensors that stand for the numbers among them."""
    return tuple(
        t if t is None or isinstance(t, TensorBase) else stand_in(number_array(t, compute)) for t in tensors
    )


def _plain(tensors: tuple[Any, ...]) -> bool:
    """Whether these are what a mode is asked about: tensors of no level, dense, not traced."""
    if modes.tracer is not None or owner_of(tensors) is not None:
        return False
    found = [t for t in _items(tensors) if isinstance(t, TensorBase)]
    return bool(found) and not any(isinstance(t._data, Coo) for t in found)


def _dispatched(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operation: what the mode gives, with the history that autograd gives it."""
    op, tensors, statics = args
    if not asked(tensors) or not _plain(tensors):
        return original(*args)
    if op.complex_form is not None and tensors[0].dtype.is_complex:
        return op.complex_form(*tensors, *statics)
    tensors, statics = with_numbers(op, tensors, statics)
    if any(t is REQUIRED for t in tensors):
        return original(*args)
    compute = None
    shown = tensors
    if op.kind == "elementwise":
        if any(not isinstance(t, dispatch.OPERAND) for t in tensors if t is not None):
            return original(*args)
        compute, _ = promoted(op, tensors, statics)
        tensors = _with_numbers(tensors, compute)
    with stack.below():
        result = forward(op, shown, statics)
    kept, here.kept = here.kept, None
    return _settled(op, tensors, statics, result, compute, kept)


def _settled(
    op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...], result: Any, compute: Any, kept: Any
) -> Any:
    """The results of a mode as those of an operation at this place: recorded if a gradient is wanted."""
    single = op.nout == 1
    values = (result,) if single else tuple(result)
    if not all(isinstance(t, TensorBase) for t in values):
        return result
    given = {id(t) for t in _items(tensors)}
    # A tensor with a history, and one that was handed in, keeps what it is.
    made = [
        alias(t, None) if id(t) in given or t._req or (op.is_view and t._view is not None) else t
        for t in values
    ]
    mode = modes.grad
    wanted = mode is not None and bool(op.rules) and requires(op, tensors, 0)
    if wanted and any(t.dtype.category >= FLOATING for t in made):
        node = record(op, tensors, statics, made, compute, 0, mode)
        if kept is not None:
            node.metadata["aten"] = kept
        _keep_outputs(op, node, made)
    if made and not made[0]._req:
        cut = cut_of(op, tensors)
        for t in made:
            t._cut = cut
    if op.is_view:
        for number, t in enumerate(made):
            link_view(t, tensors[0], op, statics, number)
    return made[0] if single else tuple(made)


def _keep_outputs(op: Primitive, node: Any, made: list[Any]) -> None:
    """What a node keeps of its results is detached from them, which modes see."""
    for field in op.saved:
        if dispatch.is_output(op, field) and getattr(node, field, None) is not None:
            number = int(field[3:] or 0)
            if number in op.nondiff_outputs:
                if taking((made[number],)):
                    setattr(node, field, made[number])
            else:
                kept = present(factories.DETACH, (made[number],))
                if taking((kept,)):
                    setattr(node, field, kept)  # its class has to remain
                elif isinstance(kept, TensorBase) and isinstance(getattr(node, field), type(kept._data)):
                    setattr(node, field, kept._data)


def _written_elementwise(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    op, x, tensors, statics = args
    if not asked(tensors) or not _plain(tensors):
        return original(*args)
    compute, _result = promoted(op, tensors, statics)
    _present_write(op, x, tensors, statics)
    return compute, _with_numbers(tensors, compute)


def _written(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    op, x, tensors, statics = args
    if not asked(tensors) or not _plain(tensors):
        return original(*args)
    return _present_write(op, x, tensors, statics)


def _before(op: Primitive, x: Any, tensors: tuple[Any, ...]) -> Any:
    """The tensor to be written as the rules see it: with its history, and its values if one reads them."""
    reading = (
        op.tensors[0] in op.rule_arguments(p)
        for p, t in zip(op.tensors, tensors, strict=True)
        if p in op.rules and isinstance(t, TensorBase) and t._req
    )
    edge = edge_of(x) if x._req else None
    if not any(reading):
        return alias(x, edge)
    kept = present(factories.CLONE, (x,))
    kept._req, kept._node = edge is not None, edge
    return kept


def _write(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A write to a tensor whose class does it."""
    op, tensors, statics = args
    x = tensors[0]
    if not active.dispatching or not taking((x,)) or not _plain(tensors):
        return original(*args)
    tensors, statics = with_numbers(op, tensors, statics, "_")
    mode = modes.grad
    compute = promoted(op, tensors, statics)[0] if op.kind == "elementwise" else None
    recording = mode is not None and bool(op.rules) and requires(op, tensors, 0)
    before = None
    if recording:
        check_writable(x)
        if x._view is not None:
            kind = type(x).__name__
            raise NotImplementedError(f"{op.public}_() through a view of a {kind} with a gradient")
        before = _before(op, x, tensors)
    _present_write(op, x, tensors, statics)
    cell_of(x)[0] += 1
    if recording:
        wrapped = tensors if compute is None else _with_numbers(tensors, compute)
        node = record(op, (before, *wrapped[1:]), statics, [x], compute, 0, mode, written=x)
        rebase(x, node)
    return x


def _present_write(op: Primitive, x: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> None:
    """Let the mode write; the caller counts the write, so what was counted inside is taken back."""
    before = None if x._vc is None else list.__getitem__(x._vc, 0)
    func, given, named = write_name(op, tensors, statics)
    present(func, given, named)
    if x._vc is not None and x._vc.__class__ is list:
        x._vc[0] = before or 0
        if len(x._vc) > 2 and x._vc[2] and x._vc[2][-1][0] > x._vc[0]:
            del x._vc[2][-1]


def _first_cotangent(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    (like,) = args
    if not asked(args) or not isinstance(like, TensorBase) or like._level or like.numel() != 1:  # type: ignore[attr-defined]
        return original(*args)
    return present(factories.ONES_LIKE, (like,), {"pin_memory": False, "memory_format": factories.PRESERVE})


def _unpacked(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a node kept of its result, as a rule reads it: detached, which modes see, and with its history."""
    node, name, _value, cell = args
    t = original(*args, **kwargs)
    number = int(name[3:] or 0)
    if number in node.op.nondiff_outputs or t._level or not asked((t,)):
        return t
    kept = present(factories.DETACH, (t,))
    if modes.grad is None or not isinstance(kept, TensorBase):
        return kept
    made = alias(kept, node if node.op.nout == 1 else port_of(node, number))
    made._vc = cell
    return made


def _aliased(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Another tensor of the same memory, also of the same class where that says what operations give."""
    made = original(*args)
    if taking(args[:1]):
        made = of_class(made, type(args[0]))
        made.__dict__.update({k: v for k, v in args[0].__dict__.items() if not hasattr(TensorBase, k)})
        for name, value in slots_of(args[0]).items():
            setattr(made, name, value)
    return made


def _unrecorded(_: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an assignment may go the short way, past all modes."""
    return not modes.dispatch and original(*args)
