"""torch.autograd.graph: nodes, edges, and hooks on what is saved for backward."""

from __future__ import annotations

import contextlib
import weakref
from _thread import allocate_lock
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .base import InferenceCell, TensorBase, cell_of
from .keeping import allow_mutation_on_saved_tensors
from .modes import modes, refresh_extras
from .node import Node as _Node, RemovableHandle, accumulator_of
from .views import edge_of


class _NodeMeta(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _Node)

    def __subclasscheck__(cls, kind: type) -> bool:
        return kind is cls or issubclass(kind, _Node)


class Node(metaclass=_NodeMeta):
    """What every node of a graph is an instance of, and every class of nodes a subclass: a class to ask for.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> isinstance((x * 2).grad_fn, torch.autograd.graph.Node)
        True
    """

    def __new__(cls) -> Node:
        raise TypeError(
            "Can't instantiate abstract class Node with abstract methods _input_metadata, "
            "_register_hook_dict, "
            "_sequence_nr, metadata, name, next_functions, register_hook, register_prehook"
        )


class GradientEdge(NamedTuple):
    """Where a tensor's gradient goes: output `output_nr` of `node`; can stand for the tensor in `grad`."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge that collects the gradient of `tensor`.

    Args:
        tensor: a tensor that requires grad.

    Returns:
        (node, output number): an AccumulateGrad for leaves.

    Raises:
        RuntimeError: if the tensor requires no grad.

    Example:
        >>> import cotangent as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> torch.autograd.graph.get_gradient_edge(x * 2).node.name()
        'MulBackward0'
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    node = tensor.grad_fn
    return GradientEdge(edge_of(tensor) if node is None else node, tensor.output_nr)


class saved_tensors_hooks:
    """For a block: pack every tensor that is saved for backward, and unpack it when backward needs it.

    Args:
        pack_hook: takes the tensor, returns anything.
        unpack_hook: takes what pack_hook returned, returns a tensor of the same values.

    Example:
        >>> import cotangent as torch
        >>> x = torch.tensor([3.0], requires_grad=True)
        >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), torch.from_numpy):
        ...     y = x * x
        >>> y.backward()
        >>> x.grad
        tensor([6.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        if modes.extras.saving_disabled is not None:
            raise RuntimeError(modes.extras.saving_disabled)
        modes.extras.saved_hooks.append((self.pack_hook, self.unpack_hook))
        refresh_extras()

    def __exit__(self, *error: object) -> None:
        modes.extras.saved_hooks.pop()
        refresh_extras()


class save_on_cpu(saved_tensors_hooks):
    """For a block: keep copies of saved tensors on the CPU. Tensors live there already: they are copied.

    Args:
        pin_memory: accepted for PyTorch's sake.
        device_type: accepted for PyTorch's sake.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t.clone(), lambda t: t)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """For a block: any use of saved-tensor hooks raises `error_message`.

    Args:
        error_message: text of the RuntimeError.
    """
    before = modes.extras.saving_disabled
    if modes.extras.saved_hooks:
        raise RuntimeError(error_message)
    modes.extras.saving_disabled = error_message
    try:
        yield
    finally:
        modes.extras.saving_disabled = before
        refresh_extras()


def register_multi_grad_hook(
    tensors: Sequence[Any], fn: Callable[..., Any], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn` once the gradients of several tensors are there.

    Args:
        tensors: tensors that require grad.
        fn: for "all" takes the list of gradients (None where none arrived); for "any" the first one.
        mode: "all" or "any".

    Returns:
        a handle that removes the hook.

    Raises:
        ValueError: for another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = allocate_lock()
    nodes = [edge_of(t) or accumulator_of(t) for t in tensors]
    # Per run of backward: how many gradients are still to come, and those that are there.
    runs: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()

    def hook_for(index: int) -> Callable[[Any], None]:
        def hook(grad: Any) -> None:
            with lock:
                first = modes.run not in runs
                if first:
                    runs[modes.run] = [sum(map(modes.run.comes_to, nodes)), [None] * len(nodes)]
                state = runs[modes.run]
                state[0] -= 1
                state[1][index] = grad
            if mode == "any" and first:
                fn(grad)
            elif mode == "all" and not state[0]:
                fn(state[1])

        return hook

    handles = [t.register_hook(hook_for(i)) for i, t in enumerate(tensors)]

    class Handle(RemovableHandle):
        """Removes the hooks of all the tensors."""

        def __init__(self) -> None:
            self.handles = tuple(handles)

        def remove(self) -> None:
            for handle in self.handles:
                handle.remove()

    return Handle()


def increment_version(tensor: Any) -> None:
    """Note that a tensor (or each of several) was written behind autograd's back.

    Args:
        tensor: a tensor or an iterable of tensors.
    """
    for t in (tensor,) if isinstance(tensor, TensorBase) else tensor:
        if not isinstance(t._vc, InferenceCell):
            cell_of(t)[0] += 1


def set_override_stale_capture_stream(enabled: bool) -> None:
    """Accepted for PyTorch's sake: there are no streams on the CPU."""


@contextlib.contextmanager
def region_activation_memory_budget(budget: float) -> Iterator[None]:
    """For a block: the share of activations that a compiler may keep; accepted, all of them are kept.

    Args:
        budget: from 0 to 1.

    Raises:
        ValueError: for anything else.
    """
    if not 0.0 <= budget <= 1.0:
        raise ValueError(f"budget must be in [0, 1], got {budget}")
    yield


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """Accepted for PyTorch's sake: there are no streams on the CPU."""


__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
    "get_gradient_edge", "increment_version", "region_activation_memory_budget", "register_multi_grad_hook",
    "save_on_cpu", "saved_tensors_hooks", "set_override_stale_capture_stream",
    "set_warn_on_accumulate_grad_stream_mismatch",
]  # fmt: skip
