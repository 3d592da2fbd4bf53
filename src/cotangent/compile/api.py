"""`trace`: run a function once on values without numbers and keep the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tree
from ..autograd.base import TensorBase, new, world
from .tape import Tape
from .value import Value, operand


def trace(function: Callable[..., Any], *example: Any) -> Tape:
    """Record what `function` computes on tensors like `example`.

    The function runs once, with tensors that have shape and dtype but no numbers; gradients taken
    inside are recorded too. Tensors it closes over are bound by reference.

    Args:
        function: takes tensors (or nested containers of them) and returns such.
        example: arguments of the shapes, dtypes and `requires_grad` to trace for.

    Returns:
        a tape; calling it with other tensors of the same shapes replays the computation.

    Raises:
        RuntimeError: if the function looks at the numbers in a traced tensor.

    Example:
        >>> import cotangent as torch
        >>> tape = torch.compile.trace(lambda x: (x * x).sum(), torch.ones(3))
        >>> tape(torch.tensor([1.0, 2.0, 3.0]))
        tensor(14.)
    """
    tape = Tape()
    leaves, structure = tree.flatten(example)
    lifted = []
    for leaf in leaves:
        if not isinstance(leaf, TensorBase):
            lifted.append(leaf)
            continue
        data = leaf._data
        value = Value(tape, tape.fresh(), data.shape, data.dtype)
        tape.inputs.append((value.index, value.shape, value.np_dtype))
        t = new(world.Tensor)
        t._data, t._req = value, leaf._req
        t._node = t._vc = t._view = t._cut = None
        lifted.append(t)
    result = function(*tree.unflatten(structure, lifted))
    outputs, shape = tree.flatten(result)
    positions = [i for i, o in enumerate(outputs) if isinstance(o, TensorBase)]
    for i in positions:
        number = operand(tape, outputs[i]._data)
        assert number is not None
        tape.outputs.append(number)

    def rebuild(values: list[Any]) -> Any:
        filled = list(outputs)
        for i, value in zip(positions, values, strict=True):
            filled[i] = value
        return tree.unflatten(shape, filled)

    tape.rebuild = rebuild
    tape.flatten = lambda arguments: [t for t in tree.flatten(arguments)[0] if isinstance(t, TensorBase)]
    return tape
