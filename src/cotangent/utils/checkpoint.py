"""Checkpointing: forget what a block saves for backward, and compute it again when backward comes.

Without re-entering the engine (`use_reentrant=False`), what the block's operations save is replaced by
empty handles through saved-tensor hooks; the first handle that backward opens runs the block again, with
hooks that collect the saved tensors in the same order. The re-entrant kind is a `Function` whose backward
runs the block with recording on and backpropagates through it in a run of its own.
(Chen et al., "Training deep nets with sublinear memory cost", https://arxiv.org/abs/1604.06174)
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from ..autograd import api
from ..autograd.base import TensorBase
from ..autograd.function import Function
from ..autograd.modes import enable_grad, modes, no_grad
from ..random import fork_rng, get_rng_state, set_rng_state
from .recompute import CheckpointError, Frame
from .selective import (
    SAC_IGNORED_OPS,
    CheckpointPolicy,
    GraphExecGroup,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "DefaultDeviceType",
    "GraphExecGroup",
    "SAC_IGNORED_OPS",
    "SelectiveCheckpointContext",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

_EXPLICIT: Final = (
    "the use_reentrant parameter should be passed explicitly. {} use_reentrant=False is recommended, but if"
    " you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for"
    " more details on the differences between the two variants."
)
_NOT_REENTRANT: Final = (
    "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs`"
    " parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call"
    " .backward() without passing the `inputs` argument."
)


class DefaultDeviceType:
    """The device whose state checkpoints keep: the CPU.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.checkpoint.DefaultDeviceType.get_device_type()
        'cpu'
    """

    _device = "cpu"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Name the device; accepted as in PyTorch."""
        DefaultDeviceType._device = device

    @staticmethod
    def get_device_type() -> str:
        """The name of the device."""
        return DefaultDeviceType._device


class _Settings:
    debug: bool | None = None
    early_stop = True


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """For a block: checkpoints explain failures at length, whatever their own `debug` says.

    Args:
        enabled: True or False for all; None leaves it to each call.

    Example:
        >>> import cotangent as torch
        >>> with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):
        ...     pass
    """
    before, _Settings.debug = _Settings.debug, enabled
    try:
        yield
    finally:
        _Settings.debug = before


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """For a block: whether running again stops as soon as everything that was saved is there.

    Args:
        enable: whether it does; True by default.

    Example:
        >>> import cotangent as torch
        >>> with torch.utils.checkpoint.set_checkpoint_early_stop(False):
        ...     pass
    """
    before, _Settings.early_stop = _Settings.early_stop, enable
    try:
        yield
    finally:
        _Settings.early_stop = before


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing: the default of `context_fn`.

    Example:
        >>> import cotangent as torch
        >>> forward, again = torch.utils.checkpoint.noop_context_fn()
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors of a tuple as leaves of their own that require gradients as before; the rest as it is.

    Args:
        inputs: tensors and other values.

    Raises:
        RuntimeError: if it is no tuple.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.checkpoint.detach_variable((torch.ones(1, requires_grad=True), 3))
        (tensor([1.], requires_grad=True), 3)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: ", type(inputs).__name__
        )
    return tuple(
        t.detach().requires_grad_(t.requires_grad) if isinstance(t, TensorBase) else t  # type: ignore[attr-defined]
        for t in inputs
    )


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if no tensor among the inputs requires a gradient.

    Args:
        inputs: tensors and other values.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.checkpoint.check_backward_validity([torch.ones(1, requires_grad=True)])
    """
    if not any(isinstance(t, TensorBase) and t._req for t in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


def get_device_states(*args: Any) -> tuple[list[int], list[Any]]:
    """The accelerators that the arguments live on and the states of their generators: none.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.checkpoint.get_device_states(torch.ones(1))
        ([], [])
    """
    return [], []


def set_device_states(devices: list[int], states: list[Any], *, device_type: str | None = None) -> None:
    """Give accelerators their generators' states back: there are none.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.checkpoint.set_device_states([], [])
    """


# -- re-entrant -------------------------------------------------------------------------------------------


class CheckpointFunction(Function):
    """Runs the block unrecorded; its backward runs it again, recorded, and backpropagates through it."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        """The block's outputs."""
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.state = get_rng_state() if preserve_rng_state else None
        ctx.inputs = [None if isinstance(a, TensorBase) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, TensorBase)]
        ctx.save_for_backward(*(a for a in args if isinstance(a, TensorBase)))
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        """The gradients of the block's inputs."""
        if modes.task < 0:
            raise RuntimeError(_NOT_REENTRANT)
        inputs = list(ctx.inputs)
        for at, t in zip(ctx.places, ctx.saved_tensors, strict=True):
            inputs[at] = t
        detached = detach_variable(tuple(inputs))
        with _random_state(ctx.state), enable_grad():
            outputs = ctx.run_function(*detached)
        pairs = [
            (out, g)
            for out, g in zip(outputs if isinstance(outputs, tuple) else (outputs,), args, strict=False)
            if isinstance(out, TensorBase) and out._req
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        api.backward([out for out, _ in pairs], [g for _, g in pairs])
        return (None, None, *(t.grad if isinstance(t, TensorBase) else None for t in detached))  # type: ignore[attr-defined]


@contextlib.contextmanager
def _random_state(state: Any) -> Iterator[None]:
    """For a block: random numbers as they were then; afterwards as they are now."""
    if state is None:
        yield
        return
    with fork_rng():
        set_rng_state(state)
        yield


# -- without re-entering ----------------------------------------------------------------------------------


def _checkpointed(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> Any:
    """Run `function`: what it saves is computed again when it is needed.

    Inside transforms of functions nothing is computed again (those that record refuse).
    """
    first, second = options["context_fn"]()
    if modes.levels and modes.extras.saving_disabled is not None:
        raise RuntimeError(modes.extras.saving_disabled)
    if not modes.grad or modes.levels:
        with first:
            return function(*args, **kwargs)
    state = get_rng_state() if options["preserve_rng_state"] else None

    def again(named: dict[str, Any], *given: Any) -> None:
        with _random_state(state), second:
            function(*given, **named)

    debug = _Settings.debug if _Settings.debug is not None else options["debug"]
    early = _Settings.early_stop and options["early_stop"]
    frame = Frame(again, (kwargs, *args), early, options["determinism_check"] == "default", debug)
    with frame.hooks(), first:
        result = function(*args, **kwargs)
    frame.done = True
    return result


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[
        [], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]
    ] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Run a block now, and again when backward needs what it would have saved.

    Args:
        function: the block; it must compute the same when called again with the same arguments.
        args: its arguments.
        use_reentrant: False runs it again inside backward's own run; True in a run of its own, which knows
            neither `torch.autograd.grad` nor `inputs=`. To be given explicitly.
        context_fn: gives two contexts, for the first run and for the second.
        determinism_check: "default" compares shapes and dtypes of what both runs save, "none" does not.
        debug: whether a failed comparison lists the lines that saved tensors in both runs.
        early_stop: whether the second run stops as soon as everything is there.
        kwargs: keyword arguments of `function`; `preserve_rng_state=False` lets the second run draw other
            random numbers.

    Returns:
        what `function` returns.

    Raises:
        CheckpointError: in backward, if the second run saves other tensors.
        ValueError: for arguments that do not go together.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.checkpoint import checkpoint
        >>> x = torch.ones(2, requires_grad=True)
        >>> checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False).sum().backward()
        >>> x.grad
        tensor([-2.4784, -2.4784])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: "
            + _EXPLICIT.format(
                "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception."
            ),
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    options = {
        "context_fn": context_fn,
        "determinism_check": determinism_check,
        "debug": debug,
        "early_stop": early_stop,
        "preserve_rng_state": preserve,
    }
    return _checkpointed(function, args, kwargs, options)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run modules one after the other, all but the last segment checkpointed.

    Args:
        functions: a `Sequential`, or a sequence of modules or functions.
        segments: how many parts to cut them into.
        input: the argument of the first.
        use_reentrant: as in `checkpoint`.
        kwargs: `preserve_rng_state`.

    Returns:
        the result of the last.

    Raises:
        ValueError: for other keyword arguments.

    Example:
        >>> import cotangent as torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
        >>> x = torch.ones(2)
        >>> out = torch.utils.checkpoint.checkpoint_sequential(model, 2, x, use_reentrant=False)
        >>> bool(out == model(x))
        True
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: "
            + _EXPLICIT.format("In version 2.9 we will raise an exception if use_reentrant is not passed."),
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps: Sequence[Any] = list(functions.children()) if hasattr(functions, "children") else list(functions)
    length = len(steps) // segments

    def part(start: int, end: int) -> Callable[[Any], Any]:
        def run(value: Any) -> Any:
            for step in steps[start:end]:
                value = step(value)
            return value

        return run

    last = length * (segments - 1)
    for start in range(0, last, length or 1):
        input = checkpoint(
            part(start, start + length), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )
    return part(last, len(steps))(input)
