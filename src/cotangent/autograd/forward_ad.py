"""torch.autograd.forward_ad: forward mode by hand, with dual tensors inside a level.

    with dual_level():
        x = make_dual(primal, tangent)
        y = f(x)
        primal, tangent = unpack_dual(y)

A dual tensor is a tensor of a jvp level (func/dual.py). When the level ends, the dual tensors that are still
there become what they would have been without it: their primals.
"""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Any, Final, NamedTuple

import numpy as np

from ..config import settings
from ..func.dual import Dual, JvpLevel, tangent_of
from ..ops.table import TABLE
from ..printing import tensor_text
from .base import cell_of
from .dispatch import promoted, record, requires
from .inplace import write
from .modes import Decorator, modes
from .recorded import alias
from .views import edge_of, rebase, views_of

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual",
]  # fmt: skip


class _DualLevel(JvpLevel):
    """A jvp level that knows its tensors, to turn them into ordinary ones in the end."""

    is_transform = False
    beside_recording = True
    writes = True

    def __init__(self) -> None:
        self.made: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def run(self, op: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        result = super().run(op, tensors, statics)
        for t in (result,) if op.nout == 1 else result:
            t._vc = cell_of(t._data.primal)  # what is written to one is written to the other
            self.made[id(t)] = t
        return result

    def wrap(self, payload: Any) -> Any:
        t = super().wrap(payload)
        self.made[id(t)] = t
        return t

    def write(self, op: Any, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """An in-place operation: the primal is written where it lies, and so is its tangent."""
        x = tensors[0]
        primals = tuple(self.primal(t) for t in tensors)
        if op.is_view:
            write(op, primals, statics)
            if self.tangent(x) is not None:
                write(op, (x._data.tangent,), statics)
            return x
        mode = modes.grad
        recording = mode is not None and bool(op.rules) and requires(op, tensors, self.number, 0)
        seen = tensors
        if recording or (mode is not None and any(self._moves(t) for t in tensors)):
            seen = (self._before(x), *tensors[1:])  # what histories keep of it must stay as it is
        tangents = tuple(
            self.tangent(t) if name in op.rules else None for name, t in zip(op.tensors, seen, strict=True)
        )
        moved = None
        if any(t is not None for t in tangents):
            shown = tuple(self.primal(t) for t in seen)
            moved = tangent_of(op, shown, tangents, statics, op.entry(*shown, *statics))
        write(op, primals, statics)
        if moved is not None:
            if self.tangent(x) is None:
                self.adopt(x, moved)
            x._data.tangent.copy_(moved)
        if recording and self.owns(x):  # with its tangents, which the history of the primal does not see
            compute = promoted(op, tensors, statics)[0] if op.kind == "elementwise" else None
            rebase(x, record(op, seen, statics, [x], compute, self.number, mode, written=x, plain=0))
        elif self.owns(x) and x._data.primal._req:
            x._req, x._node = True, edge_of(x._data.primal)
        return x

    def _before(self, x: Any) -> Any:
        """A tensor that is about to be written, as it is: values, tangent and history."""
        old, primal = alias(x, edge_of(x) if x._req else None), self.primal(x)
        if primal._data.__class__ is np.ndarray:
            primal = alias(primal, edge_of(primal) if primal._req else None)
            primal._data = primal._data.copy()
        primal._vc = old._vc = None
        if self.owns(x):
            tangent = x._data.tangent
            old._data = Dual(primal, None if tangent is None else tangent.clone())
        else:
            old._data = primal._data
        return old

    def _moves(self, t: Any) -> bool:
        """Whether a tensor has a tangent with a history."""
        return self.owns(t) and t._data.tangent is not None and t._data.tangent.requires_grad

    def adopt(self, x: Any, moved: Any) -> None:
        """Give a tensor a tangent of zeros to write into, and with it its base and that one's other views.

        Args:
            x: an ordinary tensor, or one of this level without tangent.
            moved: the tangent that will be written; a batch of tangents inside vmap, so zeros must be, too.
        """
        base = x if x._view is None else x._view.base
        views = [*views_of(base), *([] if x is base else [x])]
        if self._bare(base):
            primal = self.primal(base)
            batched = moved._owner is not None and primal._owner is not moved._owner
            shape = tuple(primal.shape)
            zeros = TABLE["zeros_like"].entry
            made = moved.new_zeros(shape, dtype=primal.dtype) if batched else zeros(primal)
            self._take(base, made)
        for view in views:
            if self._bare(view):
                self._take(view, view._view.replay(base._data.tangent, False))

    def _bare(self, t: Any) -> bool:
        """Whether a tensor has no tangent."""
        return not self.owns(t) or t._data.tangent is None

    def _take(self, t: Any, tangent: Any) -> None:
        if self.owns(t):
            t._data.tangent = tangent
            return
        primal = alias(t, edge_of(t) if t._req else None)
        primal._view = t._view
        t._vc = primal._vc = cell_of(t)
        t._data, t._level, t._owner = Dual(primal, tangent), self.number, self
        self.made[id(t)] = t

    def text(self, t: Any) -> str:
        array = t._data.primal._data
        if array.__class__ is not np.ndarray:
            return super().text(t)
        tangent, node = t._data.tangent, t.grad_fn
        return tensor_text(
            array,
            dtype_name=t.dtype.name,
            default_dtype=settings.default_dtype.name,
            requires_grad=t._req and node is None,
            grad_fn_name=None if node is None else type(node).__name__,
            tangent=None if tangent is None else f"{tangent}",
        )

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for t in list(self.made.values()):
            if self.owns(t):
                primal = t._data.primal
                t._vc = cell_of(primal)
                t._data, t._level, t._owner = primal._data, primal._level, primal._owner
                if primal._req:
                    t._req, t._node = True, primal._node


class _Open:
    """The level that is open: one for all threads, as in PyTorch."""

    level: _DualLevel | None = None


_open: Final = _Open()
_current_level = -1  # PyTorch's name for the number of the open level: 0, or -1 where none is


def _is_fwd_grad_enabled() -> bool:
    """Whether operations in this thread compute tangents."""
    return modes.tangents


class _set_fwd_grad_enabled(Decorator):
    """Switch the computing of tangents on or off, at once as a function or for a block.

    Args:
        mode: whether tangents are computed.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.autograd import forward_ad
        >>> with forward_ad.dual_level(), forward_ad._set_fwd_grad_enabled(False):
        ...     x = forward_ad.make_dual(torch.tensor([3.0]), torch.tensor([1.0]))
        ...     forward_ad.unpack_dual(x * x).tangent is None
        True
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = modes.tangents
        modes.tangents = mode

    def clone(self) -> _set_fwd_grad_enabled:
        return type(self)(self.mode)

    def __enter__(self) -> None:
        modes.tangents = self.mode

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        modes.tangents = self._before


def enter_dual_level() -> int:
    """Open a level, until `exit_dual_level`.

    Returns:
        its number, always 0.

    Raises:
        RuntimeError: if one is open already.

    Example:
        >>> from cotangent.autograd import forward_ad
        >>> forward_ad.enter_dual_level()
        0
        >>> forward_ad.exit_dual_level()
    """
    global _current_level
    if _open.level is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _open.level = _DualLevel().__enter__()
    _current_level = 0
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level; its dual tensors become ordinary ones.

    Args:
        level: its number, or None.

    Raises:
        RuntimeError: if it is not the one that is open.

    Example:
        >>> from cotangent.autograd import forward_ad
        >>> level = forward_ad.enter_dual_level()
        >>> forward_ad.exit_dual_level(level=level)
    """
    global _current_level
    if level is not None and level != _current_level:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not "
            "supported."
        )
    if _open.level is None:
        raise RuntimeError("Dual level must be a positive number.")
    closed, _open.level = _open.level, None
    _current_level = -1
    closed.__exit__()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A dual tensor.

    Args:
        tensor: the primal, of a floating-point or complex type.
        tangent: of the shape of the primal.
        level: number of the level, or None.

    Returns:
        a tensor with the primal's values that carries the tangent.

    Raises:
        RuntimeError: if no level is open, or the shapes differ.
        ValueError: if one of the two holds integers.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.autograd import forward_ad
        >>> with forward_ad.dual_level():
        ...     x = forward_ad.make_dual(torch.tensor([3.0]), torch.tensor([1.0]))
        ...     forward_ad.unpack_dual(x * x).tangent
        tensor([6.])
    """
    if (level is not None and level < 0) or _open.level is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    if _open.level.owns(tangent) and tangent._data.tangent is not None:
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level0 is not supported."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    held = _open.level
    if held.owns(tensor):
        if tensor._data.tangent is not None:
            raise RuntimeError(
                "Making a dual Tensor based on a Tensor that already has a forward gradient at the same "
                "level 0 is not supported."
            )
        tensor = tensor._data.primal
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, "
            f"this is not supported. Tensor is of size {list(tensor.shape)} while the given forward gradient "
            f"is of size {list(tangent.shape)}."
        )
    primal = tensor.view(tensor.shape)
    if not _same_layout(primal, tangent):
        tangent = TABLE["zeros_like"].entry(primal).copy_(tangent)
    dual = held.dual(primal, tangent)
    dual._vc = cell_of(primal)
    if primal._req:
        dual._req, dual._node = True, primal._node
    return dual


class UnpackedDualTensor(NamedTuple):
    """A primal and its tangent (None if it has none)."""

    primal: Any
    tangent: Any


UnpackedDualTensor.__module__ = "torch.autograd.forward_ad"


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a tensor.

    Args:
        tensor: any tensor.
        level: number of the level, or None.

    Returns:
        both; the tangent is None for tensors that carry none.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.autograd import forward_ad
        >>> forward_ad.unpack_dual(torch.ones(1))
        UnpackedDualTensor(primal=tensor([1.]), tangent=None)
    """
    held = _open.level
    if held is None or not held.owns(tensor):
        return UnpackedDualTensor(tensor, None)
    primal = tensor._data.primal
    return UnpackedDualTensor(primal.view(primal.shape), held.tangent(tensor))


def _same_layout(primal: Any, tangent: Any) -> bool:
    """Whether two tensors of one shape lie in memory alike: what is a view of one is a view of the other."""
    if not primal.numel() or primal._owner is not None or tangent._owner is not None:
        return True
    if (primal.is_conj(), primal.is_neg()) != (tangent.is_conj(), tangent.is_neg()):
        return False
    if len(primal.untyped_storage()) // primal.itemsize != len(tangent.untyped_storage()) // tangent.itemsize:
        return False
    strides = zip(primal.shape, primal.stride(), tangent.stride(), strict=True)
    return primal.storage_offset() == tangent.storage_offset() and all(
        n == 1 or mine == its for n, mine, its in strides
    )


class dual_level(Decorator):
    """A block (or decorated function) in which forward mode works.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.autograd import forward_ad
        >>> with forward_ad.dual_level():
        ...     forward_ad.make_dual(torch.zeros(1), torch.ones(1)).exp()
        tensor([1.], tangent=tensor([1.]))
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        exit_dual_level(level=0)
