"""Follows a program while it runs: operations, modules, writes, backward, optimizers, as they happen.

Nothing in the package knows of this. While a Watch is on, Python's own profile hook (`sys.setprofile`)
reports every call of a Python function, and those that mean something become events of its listeners. A
program that is not watched pays nothing.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Iterable
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, NamedTuple

import numpy as np

from ..autograd.api import backward, grad
from ..autograd.base import TensorBase
from ..autograd.calls import listen, stop_listening
from ..autograd.engine import collect
from ..autograd.inplace import write
from ..autograd.modes import modes
from ..autograd.node import AccumulateGrad
from ..autograd.views import edge_of
from ..autograd.where import Place, is_internal, place, user_frame
from ..creation import as_tensor, tensor
from ..nn import functional as F
from ..nn.modules import Module
from ..optim.optimizer import Optimizer
from ..overriding import call
from ..tensor import Tensor

__all__ = [
    "Listener",
    "Marks",
    "OpCall",
    "Spot",
    "Watch",
    "graph_leaves",
    "line_of",
    "tensors_in",
    "user_scope",
]

# A line of the user's program: code object and instruction.
Spot = tuple[CodeType, int]

_ASKS_FIRST: Final = call.__code__.co_filename
_GENERATED: Final = "<cotangent "
_LOSSES: Final = (
    "cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "embedding",
)  # fmt: skip
# What takes numbers out of the graph, by the method that does it.
_CUTS: Final = {
    "detach": "detach", "detach_": "detach", "item": "item", "tolist": "item", "numpy": "numpy",
    "__array__": "numpy", "__float__": "item", "__int__": "item",
}  # fmt: skip
_NO_WRITES: Final = frozenset(("requires_grad_", "detach_", "rename_", "share_memory_"))


class OpCall(NamedTuple):
    """One operation that has run."""

    name: str
    args: tuple[Any, ...]
    result: Any
    spot: Spot
    recording: bool
    modules: tuple[Module, ...]  # that the call is inside of, outermost first


class Listener:
    """What may be done about events; each method does nothing here."""

    def op(self, call: OpCall) -> None:
        """An operation has run."""

    def wrote(self, target: Tensor, spot: Spot) -> None:
        """Memory was written in place."""

    def took_data(self, source: Tensor, result: Tensor, spot: Spot) -> None:
        """`.data` was read."""

    def set_data(self, target: Tensor, spot: Spot) -> None:
        """`.data` was assigned."""

    def cut(self, kind: str, source: Tensor, spot: Spot) -> None:
        """Numbers left the graph: "detach", "data", "item", "numpy", "tensor", or "op:NAME"."""

    def enter(self, module: Module, outer: tuple[Module, ...], args: dict[str, Any], spot: Spot) -> None:
        """A module is called, inside of others."""

    def leave(self, module: Module, outer: tuple[Module, ...], result: Any) -> None:
        """A module has returned."""

    def loss(self, name: str, given: dict[str, Any], spot: Spot) -> None:
        """A function of torch.nn.functional that takes targets or indices is called."""

    def differentiate(self, tensors: list[Any]) -> None:
        """Backward is about to start from these tensors."""

    def before_backward(self, roots: list[Any], leaves: dict[int, Any], spot: Spot) -> None:
        """Backward starts from these nodes and will reach these leaves (tensors by id)."""

    def after_backward(self, leaves: dict[int, Any], spot: Spot) -> None:
        """Backward has returned."""

    def zeroed(self, owner: Any, spot: Spot) -> None:
        """`zero_grad` of an optimizer or a module has run."""

    def made(self, optimizer: Optimizer) -> None:
        """An optimizer has been made."""

    def before_step(self, optimizer: Optimizer, closure: bool, spot: Spot) -> None:
        """An optimizer is about to step."""

    def after_step(self, optimizer: Optimizer) -> None:
        """An optimizer has stepped."""

    def end_run(self, run: int) -> None:
        """One run of the training step is over."""


class Marks:
    """What is known of tensors by identity, for as long as they live."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def set(self, t: Any, value: Any) -> None:
        """Mark `t`."""
        key, held = id(t), self._held

        def gone(_: Any) -> None:
            held.pop(key, None)

        held[key] = (weakref.ref(t, gone), value)

    def get(self, t: Any) -> Any:
        """The mark of `t`, or None."""
        entry = self._held.get(id(t))
        return None if entry is None or entry[0]() is not t else entry[1]

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()


def tensors_in(value: Any) -> Iterable[Any]:
    """The tensors of nested tuples, lists and dicts."""
    if isinstance(value, TensorBase):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


def numbers_of(t: Any) -> Any:
    """The elements of a tensor as an array: of a sparse one those that are stored; None under a transform."""
    data = getattr(t._data, "values", t._data)
    return data if isinstance(data, np.ndarray) else None


def graph_leaves(roots: Iterable[Any]) -> dict[int, Any]:
    """The leaf tensors that backward from these nodes reaches, by id."""
    _, leaves, _ = collect(list(roots))
    return {id(leaf.variable): leaf.variable for leaf in leaves if isinstance(leaf, AccumulateGrad)}


class _Open:
    """A call that has not returned."""

    __slots__ = ("data", "frame", "kind")

    def __init__(self, frame: FrameType, kind: str, data: Any) -> None:
        self.frame = frame
        self.kind = kind
        self.data = data


class Watch:
    """Tells listeners what a program does, from `start` to `stop`.

    Args:
        listeners: who is told.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self.listeners = list(listeners)
        self.open: list[_Open] = []
        self.modules: list[Module] = []
        self.in_backward = 0
        self.kinds: dict[CodeType, str | None] = dict(_known())
        self.trouble: Exception | None = None  # an error in the looking itself

    def start(self) -> None:
        """Begin to listen, in this thread."""
        listen(self._called)

    def stop(self) -> None:
        """Listen no longer."""
        stop_listening(self._called)
        self.open.clear()
        self.modules.clear()
        self.in_backward = 0

    def tell(self, event: str, *what: Any) -> None:
        """Call a method of all listeners."""
        for listener in self.listeners:
            getattr(listener, event)(*what)

    def inside(self, module: Module, frame: FrameType | None) -> None:
        """Say that a module is being called already, somewhere outside of `frame`."""
        call = _code(Module.__call__)
        while frame is not None and frame.f_code is not call:
            frame = frame.f_back
        if frame is not None:
            self.open.append(_Open(frame, "module", self._begin_module(frame, call)))

    # -- the hook ----------------------------------------------------------------------------------

    def _called(self, frame: FrameType, event: str, value: Any) -> None:
        try:
            self._noticed(frame, event, value)
        except Exception as error:
            # An error here would come out of the user's line. It is kept for whoever reads the results.
            self.trouble = self.trouble or error

    def _noticed(self, frame: FrameType, event: str, value: Any) -> None:
        if event == "call":
            code = frame.f_code
            try:
                kind = self.kinds[code]
            except KeyError:
                kind = self.kinds[code] = _classified(code)
            if kind is not None:
                self._begin(frame, code, kind)
        elif event == "return" and self.open and self.open[-1].frame is frame:
            last = self.open.pop()
            getattr(self, "_end_" + last.kind)(frame, last.data, value)

    def _begin(self, frame: FrameType, code: CodeType, kind: str) -> None:
        data = getattr(self, "_begin_" + kind)(frame, code)
        if data is not None:
            self.open.append(_Open(frame, kind, data))

    def _arguments(self, frame: FrameType, code: CodeType) -> dict[str, Any]:
        scope = frame.f_locals
        return {name: scope.get(name) for name in code.co_varnames[: code.co_argcount]}

    # -- operations --------------------------------------------------------------------------------

    def _begin_op(self, frame: FrameType, code: CodeType) -> Any:
        if self.in_backward or (self.open and self.open[-1].kind == "op"):
            return None
        return tuple(self._arguments(frame, code).values())

    def _end_op(self, frame: FrameType, args: tuple[Any, ...], result: Any) -> None:
        if result is None:  # it raised
            return
        spot = _spot(frame)
        recording = modes.grad is not None
        call = OpCall(frame.f_code.co_name, args, result, spot, recording, tuple(self.modules))
        if recording and not any(t._req for t in tensors_in(result)):
            for t in tensors_in(args):
                if t._req:
                    self.tell("cut", f"op:{call.name}", t, spot)
        self.tell("op", call)

    def _begin_write(self, frame: FrameType, code: CodeType) -> Any:
        if self.in_backward or (self.open and self.open[-1].kind == "write"):
            return None
        scope = frame.f_locals
        if code is write.__code__:
            target, args = scope["tensors"][0], tuple(scope["tensors"])
        else:
            args = tuple(self._arguments(frame, code).values())
            args += tuple(scope.get("args", ())) if code.co_flags & 4 else ()
            target = args[0] if args else None
        return (target, args) if isinstance(target, Tensor) else None

    def _end_write(self, frame: FrameType, data: tuple[Tensor, tuple[Any, ...]], result: Any) -> None:
        target, args = data
        spot = _spot(frame)
        self.tell("wrote", target, spot)
        name = frame.f_code.co_name.rstrip("_")
        call = OpCall(name, args, target, spot, modes.grad is not None, tuple(self.modules))
        self.tell("op", call)

    # -- leaving the graph -------------------------------------------------------------------------

    def _begin_cut(self, frame: FrameType, code: CodeType) -> Any:
        if self.in_backward or not _is_users(frame):
            return None
        t = next((v for v in self._arguments(frame, code).values() if isinstance(v, Tensor)), None)
        if t is not None and t._req:
            self.tell("cut", _CUTS.get(code.co_name, "tensor"), t, _spot(frame))
        return None

    def _begin_data(self, frame: FrameType, code: CodeType) -> Any:
        if self.in_backward or not _is_users(frame):
            return None
        return frame.f_locals["self"]

    def _end_data(self, frame: FrameType, source: Tensor, result: Any) -> None:
        spot = _spot(frame)
        if frame.f_code.co_argcount == 2:
            self.tell("set_data", source, spot)
        elif isinstance(result, Tensor):
            self.tell("took_data", source, result, spot)
            if source._req:
                self.tell("cut", "data", source, spot)

    # -- modules and losses ------------------------------------------------------------------------

    def _begin_module(self, frame: FrameType, code: CodeType) -> Any:
        scope = frame.f_locals
        module = scope["self"]
        self.tell("enter", module, tuple(self.modules), {"args": scope["args"]}, _spot(frame))
        self.modules.append(module)
        return module

    def _end_module(self, frame: FrameType, module: Module, result: Any) -> None:
        if self.modules and self.modules[-1] is module:
            self.modules.pop()
        self.tell("leave", module, tuple(self.modules), result)

    def _begin_loss(self, frame: FrameType, code: CodeType) -> Any:
        if not self.in_backward:
            self.tell("loss", code.co_name, self._arguments(frame, code), _spot(frame))

    # -- backward, zero_grad, step -----------------------------------------------------------------

    def _begin_backward(self, frame: FrameType, code: CodeType) -> Any:
        self.in_backward += 1
        if self.in_backward > 1:
            return ()
        scope = frame.f_locals
        given = scope.get("self", scope.get("tensors", scope.get("outputs")))
        tensors = [t for t in tensors_in(given) if t._req]
        self.tell("differentiate", tensors)
        roots = [edge_of(t) for t in tensors]
        leaves = graph_leaves(roots)
        spot = _spot(frame)
        self.tell("before_backward", roots, leaves, spot)
        return leaves, spot

    def _end_backward(self, frame: FrameType, data: tuple[Any, ...], result: Any) -> None:
        self.in_backward -= 1
        if data:
            self.tell("after_backward", *data)

    def _begin_zero(self, frame: FrameType, code: CodeType) -> Any:
        return frame.f_locals["self"]

    def _end_zero(self, frame: FrameType, owner: Any, result: Any) -> None:
        self.tell("zeroed", owner, _spot(frame))

    def _begin_step(self, frame: FrameType, code: CodeType) -> Any:
        scope = frame.f_locals
        closure = bool(scope["args"]) or scope["kwargs"].get("closure") is not None
        self.tell("before_step", scope["self"], closure, _spot(frame))
        return scope["self"]

    def _end_step(self, frame: FrameType, optimizer: Optimizer, result: Any) -> None:
        self.tell("after_step", optimizer)

    def _begin_made(self, frame: FrameType, code: CodeType) -> Any:
        return frame.f_locals["self"]

    def _end_made(self, frame: FrameType, optimizer: Optimizer, result: Any) -> None:
        if hasattr(optimizer, "param_groups"):
            self.tell("made", optimizer)


def user_scope() -> dict[str, Any]:
    """The variables of the user's line that led here: its own, then its module's."""
    frame = user_frame(sys._getframe(1))
    return {**frame.f_globals, **frame.f_locals}


def _is_users(frame: FrameType) -> bool:
    """Whether the user's own line made this call; what asks classes and modes first is looked through."""
    back = frame.f_back
    while back is not None and back.f_code.co_filename == _ASKS_FIRST:
        back = back.f_back
    return back is not None and not is_internal(back.f_code.co_filename)


def _spot(frame: FrameType) -> Spot:
    """The user's line that led to `frame`."""
    outer = user_frame(frame)
    return outer.f_code, outer.f_lasti


def line_of(spot: Spot) -> Place:
    """File, line and text of a spot."""
    return place(*spot)


def _code(function: Any) -> CodeType:
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    found: CodeType = function.__code__
    return found


def _known() -> dict[CodeType, str]:
    """Kinds of events by the code that stands for them."""
    data: Any = inspect.getattr_static(Tensor, "data")
    found: dict[CodeType, str] = {
        _code(Tensor.backward): "backward",
        _code(backward): "backward",
        _code(grad): "backward",
        _code(Module.__call__): "module",
        _code(Module.zero_grad): "zero",
        _code(Optimizer.zero_grad): "zero",
        _code(Optimizer.__init__): "made",
        _code(data.fget): "data",
        _code(data.fset): "data",
        write.__code__: "write",
        _code(tensor): "cut",
        _code(as_tensor): "cut",
    }
    for name in _CUTS:
        method: Any = getattr(Tensor, name, None)
        if isinstance(method, FunctionType):
            found[_code(method)] = "cut"
    for name in _LOSSES:
        found[_code(getattr(F, name))] = "loss"
    return found


def _classified(code: CodeType) -> str | None:
    """The kind of a code object that is met for the first time."""
    name = code.co_name
    generated = code.co_filename.startswith(_GENERATED)
    if not generated and not is_internal(code.co_filename):
        return None
    if name.endswith("_") and not name.startswith("_") and name not in _NO_WRITES:
        return "write" if code.co_varnames[:1] and code.co_varnames[0] != "cls" else None
    if name == "hooked" and code.co_filename == Optimizer.__init__.__code__.co_filename:
        return "step"
    if name in ("setitem", "index_put_"):
        return "write"
    if generated and code.co_argcount and not name.startswith("<") and code.co_varnames[0] != "self":
        return "op"
    return None
