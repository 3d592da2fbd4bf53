"""Selective checkpointing: a policy says which results of a checkpointed block are kept.

Inside the block every operation of the table asks, through its kernel, whether its result is to be kept; when
the block runs again, what was kept is given back instead of being computed. As with autocast, kernels are
looked at only from the first such block on: other programs pay nothing.
"""

from __future__ import annotations

import functools
import threading
import zlib
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Final

import numpy as np

from ..autograd.base import TensorBase, wrap
from ..kernels.fperr import QUIET, reset_errors, set_errors
from ..library.operators import AROUND_KERNELS, Operator
from ..ops.overloads import OpOverload, OpOverloadPacket, overload_of
from ..ops.table import TABLE, Primitive, emitter

__all__ = [
    "CheckpointPolicy",
    "GraphExecGroup",
    "SAC_IGNORED_OPS",
    "SelectiveCheckpointContext",
    "create_selective_checkpoint_contexts",
]

# Operations that a policy is not asked about: they compute nothing.
SAC_IGNORED_OPS: Final = frozenset(
    ("aten.detach.default", "aten.alias.default", "aten.is_contiguous.default", "aten.size.default")
)


class CheckpointPolicy(IntEnum):
    """What a policy answers: keep the result, or compute it again."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_KEPT: Final = frozenset(
    (
        CheckpointPolicy.MUST_SAVE,
        CheckpointPolicy.PREFER_SAVE,
        CheckpointPolicy.MUST_CPU_OFFLOAD,
        CheckpointPolicy.PREFER_CPU_OFFLOAD,
    )
)


class SelectiveCheckpointContext:
    """What a policy is told besides the operation.

    Args:
        is_recompute: whether the block runs again.
        op_output: the operation's result.
    """

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute = is_recompute
        self.op_output = op_output


class GraphExecGroup:
    """Groups of checkpointed regions for compiled graphs; accepted as in PyTorch, without effect."""

    def __enter__(self) -> GraphExecGroup:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Thread(threading.local):
    """The region this thread is in, innermost last."""

    def __init__(self) -> None:
        self.regions: list[Any] = []


_here: Final = _Thread()


class _Region:
    """Stands on both sides: what the first run keeps is what the second gives back."""

    def __init__(self, policy: Callable[..., Any], may_change: bool) -> None:
        self.policy = policy
        # By operation, in the order of its calls: what was kept, None where it was not, TAKEN once it is
        # given.
        self.kept: dict[str, list[Any]] = {}
        self.may_change = may_change


class _Keeping:
    """The context of the first run."""

    def __init__(self, region: _Region) -> None:
        self.region = region

    def __enter__(self) -> None:
        _watch_kernels()
        self.region.kept.clear()
        _here.regions.append(self)

    def __exit__(self, *_: object) -> None:
        _here.regions.remove(self)

    def run(self, op: OpOverload, key: str, call: Callable[[], Any], args: Any, kwargs: Any) -> Any:
        """Compute, and keep a copy if the policy says so."""
        result = call()
        if str(op) in SAC_IGNORED_OPS:
            return result
        tensors = tuple(wrap(a) if isinstance(a, np.ndarray) else a for a in args)
        context = SelectiveCheckpointContext(is_recompute=False, op_output=result)
        answer = self.region.policy(context, op, *tensors, **kwargs)
        if isinstance(answer, bool):
            answer = CheckpointPolicy.MUST_SAVE if answer else CheckpointPolicy.PREFER_RECOMPUTE
        self.region.kept.setdefault(key, []).append(_Kept(result) if answer in _KEPT else None)
        return result


class _Giving:
    """The context of the second run."""

    def __init__(self, region: _Region) -> None:
        self.region = region
        self.calls: dict[str, int] = {}

    def __enter__(self) -> None:
        self.calls.clear()
        _here.regions.append(self)

    def __exit__(self, *_: object) -> None:
        _here.regions.remove(self)

    def run(self, op: OpOverload, key: str, call: Callable[[], Any], args: Any, kwargs: Any) -> Any:
        """Give what was kept, or compute."""
        if str(op) in SAC_IGNORED_OPS:
            return call()
        number = self.calls.get(key, 0)
        self.calls[key] = number + 1
        known = self.region.kept.get(key, [])
        if not known:
            raise RuntimeError(f"{op} encountered during backward but not found in storage. {_MISMATCH}")
        if number >= len(known):
            raise RuntimeError(
                f"{op} invocation index {number} encountered during backward but not found in storage. "
                f"{_MISMATCH}"
            )
        kept = known[number]
        if kept is None:
            return call()
        if kept is TAKEN:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any region "
                "computed "
                "under selective activation checkpoint."
            )
        known[number] = TAKEN
        return kept.value(self.region.may_change)


TAKEN: Final = object()
_MISMATCH: Final = (
    "This can happen if the operations in the checkpointed region are nondeterministic or depend on global "
    "state "
    "that changed between forward and backward."
)


class _Kept:
    """A result, and what it was like: it may have been written in place since."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.sums = _sums(result)

    def value(self, may_change: bool) -> Any:
        """A copy, for the block may write to it.

        Args:
            may_change: whether a result written since is given as it is by now.

        Raises:
            RuntimeError: if it has been written, and may not.
        """
        if not may_change and _sums(self.result) != self.sums:
            raise RuntimeError("Tensor cached during selective activation checkpoint has been mutated")
        return _copied(self.result)


def _sums(result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        return [_sums(part) for part in result]
    if isinstance(result, TensorBase):  # of an operator that the program defines
        result = result._data
    return zlib.crc32(np.ascontiguousarray(result).view(np.uint8).data if np.size(result) else b"")


def _copied(result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        return tuple(map(_copied, result))
    if isinstance(result, TensorBase):
        return wrap(np.array(result._data))
    return np.array(result) if isinstance(result, np.ndarray) else result


def _asked(op: OpOverload, key: str, call: Callable[[], Any], args: Any, kwargs: Any) -> Any:
    """What the innermost region gives; what its kernel or policy does is not asked about."""
    innermost = _here.regions.pop()
    try:
        return innermost.run(op, key, call, args, kwargs)
    finally:
        _here.regions.append(innermost)


def _operator(op: Operator, call: Callable[[], Any], args: Any, kwargs: Any) -> Any:
    """An operator that the program defines."""
    if not _here.regions:
        return call()
    return _asked(getattr(op.packet, op.form), op.schema.name, call, args, kwargs)


def _watched(op: Primitive, kernel: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(kernel, updated=("__dict__",) if hasattr(kernel, "__dict__") else ())
    def call(*args: Any, **kwargs: Any) -> Any:
        regions = _here.regions
        token = set_errors(QUIET)  # a frame of our own: NumPy's warnings would be heard here
        try:
            if not regions:
                return kernel(*args, **kwargs)
            return _asked(overload_of(op), op.name, lambda: kernel(*args, **kwargs), args, {})
        finally:
            reset_errors(token)

    return call


@functools.cache
def _watch_kernels() -> None:
    """Let the kernels of all operations ask; once."""
    AROUND_KERNELS.append(_operator)
    for op in list(TABLE.values()):
        if op.node_class is None:
            emitter.emit(op)
        scope = op.entry.__globals__
        fast = op.fast
        op.kernel = scope["kernel"] = _watched(op, op.kernel)
        if fast is not None:
            scope["fast"] = _watched(op, fast)


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[Any, Any]:
    """The two contexts of a checkpoint (`context_fn`) that keeps the results of some operations.

    Args:
        policy_fn_or_list: `policy(context, op, *args)` to a `CheckpointPolicy`, or a list of operations to
            keep (`torch.ops.aten.mm.default`, ...).
        allow_cache_entry_mutation: whether results may be written in place between the two runs.

    Returns:
        the context of the first run and that of the second.

    Raises:
        TypeError: if it is neither.
        ValueError: if the list holds anything but operations.

    Example:
        >>> import cotangent as torch
        >>> from functools import partial
        >>> from cotangent.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
        >>> keep = partial(create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
        >>> w = torch.ones(2, 2, requires_grad=True)
        >>> checkpoint(lambda w: (w @ w).exp().sum(), w, use_reentrant=False, context_fn=keep).backward()
        >>> w.grad.shape
        torch.Size([2, 2])
    """
    if isinstance(policy_fn_or_list, (list, tuple)):
        policy = _policy_of(policy_fn_or_list)
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    region = _Region(policy, allow_cache_entry_mutation)
    return _Keeping(region), _Giving(region)


_PACKET: Final = (
    "Please update the OpOverloadPacket to a specific OpOverload.For example, if you have "
    "`torch.ops.aten.mm`, "
    "change it to `torch.ops.aten.mm.default`."
)


def _policy_of(ops: Sequence[Any]) -> Callable[..., Any]:
    for op in ops:
        if not isinstance(op, OpOverload):
            raise ValueError(
                f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}. "
                f"{_PACKET if isinstance(op, OpOverloadPacket) else ''}"
            )
    packets = {op.overloadpacket for op in ops}

    def policy(context: SelectiveCheckpointContext, op: OpOverload, *args: Any) -> CheckpointPolicy:
        if op.overloadpacket in packets:
            return CheckpointPolicy.MUST_SAVE
        return CheckpointPolicy.PREFER_RECOMPUTE

    return policy
