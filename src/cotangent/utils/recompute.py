"""What a checkpointed call keeps, and how it is run again: the frame behind `use_reentrant=False`.

Each tensor that the call saves becomes a holder. When backward opens one, the call runs again and gives
the holders of this run of backward their tensors; each is handed out once. The arguments are saved by a
node of their own, so that inside another checkpointed call they are forgotten, too, and computed again first.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import Any, Final

from ..amp.autocast_mode import (
    autocast,
    get_autocast_dtype,
    is_autocast_cache_enabled,
    is_autocast_enabled,
)
from ..autograd.base import TensorBase
from ..autograd.function import Function
from ..autograd.graph import saved_tensors_hooks
from ..autograd.modes import enable_grad
from ..autograd.running import current_graph_task_id
from ..autograd.where import here, place
from ..factories import empty

__all__ = ["CheckpointError", "Frame"]

_TIP: Final = (
    "\n\nTip: To see a more detailed error message, either pass `debug=True` to\n"
    "`torch.utils.checkpoint.checkpoint(...)` or wrap the code block\n"
    "with `with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):` to\n"
    "enable checkpoint‑debug mode globally.\n"
)
_TWICE: Final = (
    "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. If you "
    "are "
    "calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise please open an issue "
    "with "
    "details on your use case."
)
_MORE: Final = (
    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the original "
    "forward "
    "pass.\n{tip}"
)


class CheckpointError(RuntimeError):
    """The block did not compute the same way when it ran again."""

    __module__ = "torch.utils.checkpoint"


class Enough(Exception):
    """Raised while running again: all that was saved is there."""


class _Holder:
    """Stands in a node for a tensor that was not kept; `found` has it per backward, until it is taken."""

    __slots__ = ("found", "__weakref__")

    def __init__(self) -> None:
        self.found: dict[int, Any] = {}


class _Arguments(Function):
    """Saves the tensors among the arguments of a call; nothing is computed from its result."""

    @staticmethod
    def forward(*tensors: Any) -> Any:
        return empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.places = [i for i, a in enumerate(inputs) if isinstance(a, TensorBase)]
        ctx.others = [None if isinstance(a, TensorBase) else a for a in inputs]
        ctx.save_for_backward(*(a for a in inputs if isinstance(a, TensorBase)))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise AssertionError("Did not expect to backward on this graph")


class Frame:
    """One checkpointed call.

    Args:
        again: runs the call, given its arguments.
        args: those arguments.
        early_stop: whether running again stops as soon as everything is there.
        check: whether what both runs save is compared.
        debug: whether a failed comparison lists the lines that saved tensors.
    """

    def __init__(
        self, again: Callable[..., Any], args: tuple[Any, ...], early_stop: bool, check: bool, debug: bool
    ) -> None:
        self.again = again
        self.early_stop = early_stop
        self.check = check
        self.debug = debug
        self.done = False  # the first run has ended
        self.mismatch_is_fine = False
        self.holders: list[weakref.ref[_Holder]] = []
        self.looks: list[dict[str, Any]] = []
        self.places: list[str] = []
        self.counts: dict[int, int] = {}
        self.unnamed = 0  # unpackings outside of backward: each runs the call again
        self.autocast = _autocast_state()
        marker = empty(0)
        marker._req = True
        self.arguments: Any = _Arguments.apply(marker, *args).grad_fn

    def hooks(self) -> Any:
        """The block of saved-tensor hooks for the first run."""
        return saved_tensors_hooks(self.forget, self.recall)

    def forget(self, t: Any) -> _Holder:
        """Pack hook of the first run: keep what the tensor looks like, not the tensor."""
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.looks.append(_looks(t))
        if self.debug:
            self.places.append(_line())
        return holder

    def recall(self, holder: _Holder) -> Any:
        """Unpack hook: the tensor, computed again once for each run of backward."""
        task = current_graph_task_id()
        if task == -1:
            self.unnamed -= 1
            task = self.unnamed - 1
        if task not in self.counts:
            self.compute(task)
        found = holder.found.get(task)
        if found is None:
            raise CheckpointError(_TWICE)
        holder.found[task] = None
        return found

    def given(self) -> list[Any]:
        """The arguments of the call."""
        values = list(self.arguments.others)
        for at, t in zip(self.arguments.places, self.arguments.saved_tensors, strict=True):
            values[at] = t
        return values[1:]

    def compute(self, task: int) -> None:
        """Run the block again for one run of backward and give the holders what it saves."""
        args = self.given()
        self.counts[task] = 0
        places: list[str] = []
        found: list[dict[str, Any]] = []

        def collect(t: Any) -> Any:
            position = self.counts[task]
            self.counts[task] += 1
            found.append(_looks(t))
            if self.debug:
                places.append(_line())
            kept = t.detach() if t.requires_grad else t  # the history would keep the block's graph
            if position >= len(self.holders):
                if not self.done:  # a gradient inside the block itself
                    self.mismatch_is_fine = True
                    return kept
                self.counts.pop(task)
                raise CheckpointError(_MORE.format(tip=_TIP))
            holder = self.holders[position]()
            if holder is not None:
                holder.found[task] = kept
            if self.early_stop and self.counts[task] == len(self.holders):
                raise Enough
            return kept

        collecting = saved_tensors_hooks(collect, _as_it_is)
        with contextlib.suppress(Enough), collecting, enable_grad(), self.autocast():
            self.again(*args)
        self.compare(found, places)

    def compare(self, found: list[dict[str, Any]], places: list[str]) -> None:
        """Refuse what ran again otherwise than it ran first."""
        if self.mismatch_is_fine:
            return
        if len(found) != len(self.holders):
            self.fail(
                "torch.utils.checkpoint: A different number of tensors was saved during the original"
                " forward and recomputation.\nNumber of tensors saved during forward:"
                f" {len(self.holders)}\nNumber of tensors saved during recomputation: {len(found)}.",
                places,
            )
        different = [i for i, (a, b) in enumerate(zip(self.looks, found, strict=True)) if a != b]
        different = [i for i in different if self.holders[i]() is not None]
        if self.check and different:
            rows = "\n".join(
                f"tensor at position {i}:\nsaved metadata: {self.looks[i]}\nrecomputed metadata: {found[i]}"
                for i in different
            )
            self.fail(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different"
                f" metadata than during the forward pass.\n{rows}\n.",
                places,
            )

    def fail(self, text: str, places: list[str]) -> None:
        """Raise the error; with `debug`, with the lines that saved tensors in both runs."""
        if not self.debug:
            raise CheckpointError(text + _TIP)
        lines = [
            "An error happened while unpacking tensors; dumping logs of latest computation",
            "because you passed `debug=True` to `torch.utils.checkpoint.checkpoint()`.",
            "You are seeing this error because you passed `debug=True` to checkpoint:",
            "what was saved in the original forward and in the recomputation differs.",
            text,
            "",
            "saved in the original forward:",
            *self.places,
            "saved in the recomputation:",
            *places,
        ]
        raise CheckpointError("\n".join(lines))


def _as_it_is(t: Any) -> Any:
    return t


def _looks(t: Any) -> dict[str, Any]:
    return {"shape": t.shape, "dtype": t.dtype, "device": t.device}


def _line() -> str:
    where = place(*here())
    return f"  {where.file}:{where.line}  {where.text.strip()}"


def _autocast_state() -> Callable[[], Any]:
    """What makes a block with the autocast of now."""
    enabled, to, cache = is_autocast_enabled("cpu"), get_autocast_dtype("cpu"), is_autocast_cache_enabled()
    return lambda: autocast("cpu", dtype=to, enabled=enabled, cache_enabled=cache)
