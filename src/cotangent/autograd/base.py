"""What the engine needs to know of a tensor: its fields, its version counter, its place among views.

`tensor.py` derives the public `Tensor` from `TensorBase` and registers it in `world`, so that the
engine can make tensors without importing the class above it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..dtypes import FLOATING
from ..errors import noted
from ..kernels.sparse import Coo

if TYPE_CHECKING:
    from .node import Node
    from .views import View


new: Final = object.__new__


class TensorBase:
    """The fields of a tensor.

    _data   payload: a NumPy array, or what an interpreter (vmap, jvp, grad, trace) puts in its place
    _req    whether gradients flow through it (leaf or not)
    _node   the node that produced it; None for leaves, and for views whose base was rewritten (stale)
    _vc     [version, weak references to the views of this memory or None, last writes]; None while version 0
    and
            without views; `last writes` are (version, code, lasti) and there only after the first write
    _view   how this tensor views its base; None if it is no view
    _cut    what kept it out of the graph of what it was computed from (see cuts.py); None if nothing did
    """

    __slots__ = ("_data", "_req", "_node", "_vc", "_view", "_cut", "__dict__", "__weakref__")

    _data: Any
    _req: bool
    _node: Node | None
    _vc: list[Any] | None
    _view: View | None
    _cut: tuple[Any, ...] | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        ours = getattr(cls, "__module__", "").startswith(__name__.partition(".")[0])
        if TensorBase in cls.__bases__ and not ours:
            raise RuntimeError("Cannot subclass _TensorBase directly")

    def __new__(cls, *_: Any, **__: Any) -> Any:
        if cls is TensorBase:
            raise RuntimeError("Cannot directly construct TensorBase; subclass it and then construct that")
        return new(cls)

    # Rare fields live in the instance's __dict__; these are their defaults.
    _grad: TensorBase | None = None
    _level: int = 0
    _owner: Any = None  # the interpreter of that level
    _leaf_hooks: Any = None
    _accumulator: weakref.ref[Node] | None = None
    _retains: bool = False


class _World:
    """What lower floors know of higher ones, once these have been imported."""

    Tensor: type[TensorBase]
    overriding: Any  # the module of that name, which is not run before something is taken over
    overrides: Any  # likewise `overrides`, whose names others show, too
    wrappers: Any  # likewise `dispatched.wrappers`, for classes with `__torch_dispatch__`
    meta: Any  # likewise `compile.meta`, for tensors on the device "meta"


world: Final = _World()


def not_taken_over(
    function: Any, types: tuple[type, ...], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
) -> Any:
    """The `__torch_function__` of classes that take over no calls: does what was asked for, and no more."""
    return world.overriding.untouched(function, args, kwargs)


class InferenceCell(list[Any]):
    """Version cell of a tensor made in inference mode: it has no version and may not be saved."""

    def __getitem__(self, index: Any) -> Any:
        if index == 0:
            error = RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
                "inference mode in computation tracked by autograd. To work around this, you can make a "
                "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
                "`torch.inference_mode()`."
            )
            raise noted(error, "inference_saved", off=self.entered)
        return list.__getitem__(self, index)

    @property
    def entered(self) -> Any:
        """Where inference mode was entered, if that is known."""
        return list.__getitem__(self, 2) if len(self) > 2 else None


class GivenCell(InferenceCell):
    """Version cell of a tensor that got the memory of one made in inference mode: it does count writes.

    Args:
        parts: see InferenceCell.
        shared: where they are counted, with all who share the tensor's own counter.
    """

    def __init__(self, parts: Any, shared: list[Any] | None = None) -> None:
        super().__init__(parts)
        self.shared: list[Any] = [0, None] if shared is None else shared


UNCOUNTED: Final = "Inference tensors do not track version counter."


class UncountedCell(list[Any]):
    """Version cell of a tensor of inference mode that got other memory: no such one any more."""

    entered: Any = None

    def __getitem__(self, index: Any) -> Any:
        if index == 0:
            raise RuntimeError(UNCOUNTED)
        return list.__getitem__(self, index)


class NumberCell(list[Any]):
    """Version cell of the 0-d tensors that stand for Python's numbers: nobody writes to those."""


NUMBER: Final = NumberCell((0, None))


class _Active:
    """How many threads are in inference mode; read on every unrecorded operation, so a plain attribute.

    `ever` says whether any was, or an integer was given a history: only then are there such tensors.
    `keeping` counts the blocks in which what is saved for backward may be written (see keeping.py).
    `absorbing` counts those in which zero gradients stay zero (see absorbing.py), and dispatch modes; then
    backward takes its careful loop. `dispatching` says whether there is a class with `__torch_dispatch__`,
    `masked` whether a MaskedTensor was ever made: only then do some nodes want tensors.
    """

    __slots__ = ("inference", "ever", "keeping", "absorbing", "dispatching", "masked")

    def __init__(self) -> None:
        self.inference = 0
        self.ever = False
        self.keeping = 0
        self.absorbing = 0
        self.dispatching = False
        self.masked = False


active: Final = _Active()


def wrap(data: Any) -> Any:
    """A new leaf tensor around a payload, no gradient required."""
    t = new(world.Tensor)
    t._data = data
    t._req = False
    t._node = None
    t._vc = None
    t._view = None
    t._cut = None
    return t


def stand_in(data: Any) -> Any:
    """A tensor that stands for a Python number."""
    t = wrap(data)
    t._vc = NUMBER
    return t


def as_array(value: Any) -> Any:
    """`value` as an array: ufuncs give scalars for 0-d operands. Sparse payloads stay what they are."""
    return value if value.__class__ is np.ndarray or isinstance(value, Coo) else np.asarray(value)


# Added to a version by `detach_`: what saved the tensor as an input finds another number.
DETACHED: Final = 1 << 40


def version_of(t: TensorBase) -> int:
    """The number of in-place writes to the memory `t` views."""
    cell = t._vc
    return 0 if cell is None else int(cell[0])


def cell_of(t: TensorBase) -> list[Any]:
    """The version cell of `t`, made on first need."""
    cell = t._vc
    if cell is None:
        cell = t._vc = [0, None]
    return cell


def count(cell: Any) -> None:
    """Count a write in a cell, also in that of a tensor which got the memory of one of inference mode."""
    if cell.__class__ is GivenCell:
        if active.inference:  # inside that mode nothing is counted
            return
        cell = cell.shared
    list.__setitem__(cell, 0, list.__getitem__(cell, 0) + 1)


def from_inference(tensors: Any) -> bool:
    """Whether there are tensors among these and all come from inference mode.

    Outside of it PyTorch does not record what is computed from them alone.
    """
    found = False
    for value in tensors:
        if isinstance(value, (list, tuple)):
            if value and not from_inference(value):
                return False
            found = found or bool(value)
        elif isinstance(value, TensorBase):
            if not isinstance(value._vc, InferenceCell):
                return False
            found = True
        elif isinstance(value, (int, float, complex)):
            return False  # PyTorch makes a tensor of it now
    return found


def written_inside(made: Any, source: Any, writes: int) -> Any:
    """`made`, with the writes counted that PyTorch makes into what it makes of a tensor of inference mode."""
    if active.ever and isinstance(source._vc, InferenceCell) and made._vc is None:
        made._vc = [writes, None]
    return made


def singular(tensors: Any) -> bool:
    """Whether `finish` has to look at these: some come from inference mode, or integers have a history."""
    return from_inference(tensors) or recorded_integers(tensors) or _ended(tensors)


def _ended(tensors: Any) -> bool:
    """Whether views of inference mode, where gradients end, stand beside tensors made in it."""
    views = [t for t in tensors if isinstance(t, TensorBase) and t._view is not None and t._view.inherited]
    made = (t for t in tensors if isinstance(t, TensorBase) and isinstance(t._vc, InferenceCell))
    return bool(views) and any(True for _ in made)


def recorded_integers(tensors: Any) -> bool:
    """Whether a tensor that cannot carry a gradient has a history: one was written into it."""
    return any(
        recorded_integers(t)
        if isinstance(t, (list, tuple))
        else isinstance(t, TensorBase) and t._req and not t._level and holds_integers(t)
        for t in tensors
    )


def holds_integers(t: Any) -> bool:
    """Whether the elements, also traced ones, cannot carry a gradient."""
    return bool(t.dtype.category < FLOATING)


def is_tensor(value: object) -> bool:
    """Whether `value` is a Tensor."""
    return isinstance(value, TensorBase)


_WRITES_KEPT: Final = 16


def bump(t: TensorBase, code: Any, lasti: int) -> None:
    """Count an in-place write to the memory of `t`, made at this instruction of the user's code."""
    cell = t._vc
    if cell is None:
        cell = t._vc = [0, None]
    if cell.__class__ is not list:
        if cell.__class__ is GivenCell:
            count(cell)
        return
    cell[0] += 1
    if len(cell) == 2:
        cell.append([(cell[0], code, lasti)])
    else:
        writes = cell[2]
        writes.append((cell[0], code, lasti))
        if len(writes) > _WRITES_KEPT:
            del writes[0]
