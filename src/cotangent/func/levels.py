"""Interpreter levels: what `grad`, `vmap` and `jvp` put between a function and its tensors.

Inside a transform the function sees tensors of the transform's level. Their payload is whatever the
transform computes with - a tensor of the level below (grad), a batch of them (vmap), a tensor and its
tangent (jvp) - and every operation on them comes to `Level.run`, which computes with the payloads by
calling the same operation one level down. Transforms therefore nest in any order, and no operation
knows about them. Operands of lower levels are constants for a level.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import weakref
from collections.abc import Callable, Iterator
from types import CellType
from typing import Any, Final

from ..autograd.base import TensorBase, new, world, wrap
from ..autograd.dispatch import finish, number_array, promoted
from ..autograd.modes import modes, set_recording
from ..autograd.recorded import alias
from ..ops.table import Primitive
from ..printing import wrapper_text
from ..tree import flatten

_numbers = itertools.count(2)  # 1 is the level of masked tensors
_CAPTURED: Final = (
    "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place "
    "operation (aten::{}_) that would mutate a captured Tensor. This is not supported; please rewrite the "
    "function being transformed to explicitly accept the mutated Tensor(s) as inputs."
)
# The functions that have been seen to write to tensors they made, and not to captured ones.
_harmless: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


class Level:
    """One running transform; a context manager.

    Numbers only grow, so a level entered later is always the higher one - also when the tensors of a
    transform that has returned are used again (a pull under vmap). Tensors know their level.
    """

    number: int
    depth: int  # how many transforms run, this one included; what PyTorch prints as the level
    writes = False  # whether an in-place operation writes the memory of its payloads, through `write`
    is_batch = False  # whether its tensors hold one example beside the other
    beside_recording = False  # whether its nodes lead to ordinary tensors that require gradients, too
    is_transform = True  # whether a transform of torch.func runs, inside which e.g. backward() is refused

    def __enter__(self) -> Any:
        self.number = next(_numbers)
        self.depth = len(modes.levels) + 1
        self.taken: list[tuple[weakref.ref[Any], str, tuple[Any, ...]]] = []
        if self.is_transform:
            modes.levels.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        if self.is_transform:
            modes.levels.remove(self)

    def run(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        """Run `op` on operands of which at least one is of this level."""
        raise NotImplementedError

    def wrap(self, payload: Any) -> Any:
        """A tensor of this level around a payload."""
        t = new(world.Tensor)
        t._data = payload
        t._req = False
        t._node = t._vc = t._view = t._cut = None
        t._level = self.number
        t._owner = self
        return t

    def owns(self, t: Any) -> bool:
        """Whether `t` is a tensor of this level."""
        return isinstance(t, TensorBase) and t._level == self.number

    def below(self, t: Any) -> Any:
        """The tensor one level down that has the numbers of `t`."""
        return t._data

    def item(self, t: Any) -> Any:
        """The only element of `t`."""
        return self.below(t).item()

    def truth(self, t: Any) -> bool:
        """`bool(t)`."""
        return bool(self.below(t))

    def text(self, t: Any) -> str:
        """How `t` prints."""
        return wrapper_text("GradTrackingTensor", self.depth, repr(self.below(t)))

    def detached(self, t: Any) -> Any:
        """`t` without the history that this level keeps, nor those of the levels below."""
        found = alias(t, None)
        found._data = t._data.detach()
        return found

    def take(self, tensors: list[Any], operation: str) -> None:
        """Note tensors of lower levels that an in-place operation makes tensors of this one."""
        for t in tensors:
            if t._level < self.number:
                state = (t._data, t._level, t._owner, t._node, t._req)
                self.taken.append((weakref.ref(t), operation, state))

    def settle(self, func: Callable[..., Any], results: Any) -> None:
        """Refuse that `func` wrote to a tensor it found outside, and not to one that it made.

        What it made is gone by now, or returned, or held by nodes of the graph; what it found is in a
        variable of somebody's.
        """
        code = getattr(func, "__code__", None)
        if not self.taken or code in _harmless:
            return
        kept = [r for r in flatten(results)[0] if isinstance(r, TensorBase)]
        kept += [r._view.base for r in kept if r._view is not None]
        returned = {id(r) for r in kept}
        for reference, operation, state in self.taken:
            t = reference()
            if t is None or id(t) in returned:  # (in no expression of its own, which would hold t in a cell)
                continue
            if any(isinstance(r, (CellType, dict)) for r in gc.get_referrers(t)):
                t._data, t._level, t._owner, t._node, t._req = state
                raise RuntimeError(_CAPTURED.format(operation))
        if code is not None:
            _harmless.add(code)

    def lower(self, value: Any) -> Any:
        """The payload of a tensor of this level; anything else as it is."""
        if isinstance(value, (list, tuple)):
            return [self.lower(v) for v in value]
        return value._data if self.owns(value) else value


class GradLevel(Level):
    """Records in a graph of its own: payloads are tensors of the levels below."""

    def __enter__(self) -> GradLevel:
        super().__enter__()
        self.outside = modes.grad
        set_recording(True)
        return self

    def __exit__(self, *error: object) -> None:
        modes.grad = self.outside
        super().__exit__(*error)

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Walk the level's graph once more: below it, the recording mode of now holds."""
        before, self.outside = self.outside, modes.grad
        try:
            yield
        finally:
            self.outside = before

    def run(self, op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...]) -> Any:
        # The level below has a recording mode of its own: the one this transform was called under.
        inside, modes.grad = modes.grad, self.outside
        try:
            result = op.entry(*[self.lower(t) for t in tensors], *statics)
        finally:
            modes.grad = inside
        compute = None
        if op.kind == "elementwise":
            compute, _ = promoted(op, tensors, statics)
            tensors = tuple(
                t if t is None or isinstance(t, TensorBase) else wrap(number_array(t, compute))
                for t in tensors
            )
        # What the rules read of lower levels is recorded there, not by the mode that the walk of this level
        # goes with: as a tensor of this level it comes to this method, too.
        return finish(op, tuple(map(self.raised, tensors)), statics, result, compute, self)

    def raised(self, value: Any) -> Any:
        """Tensors of lower levels as constants of this one."""
        if isinstance(value, (list, tuple)):
            return [self.raised(v) for v in value]
        return self.wrap(value) if isinstance(value, TensorBase) and value._level < self.number else value

    def leaf(self, t: Any) -> Any:
        """`t` as a variable of this level."""
        wrapped = self.wrap(t)
        wrapped._req = True
        return wrapped
