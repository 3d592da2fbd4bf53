"""How random numbers become tensors: eagerly, while a function is traced, and under transforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .autograd.inplace import dense
from .autograd.modes import modes
from .creation import born
from .kernels.rng import Stream
from .tensor import Tensor

__all__ = ["NO_OUT", "NO_RANDOMNESS", "SAME_OF_BATCHED", "drawn"]

NO_RANDOMNESS: Final = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)
NO_OUT: Final = (
    "vmap: We do not support calling out variants of random operations inside of vmap. Please use non-out "
    "variants as a workaround"
)
SAME_OF_BATCHED: Final = (
    "Vmap does not currently support same randomness with a batched tensor input. Please file an issue with "
    "functorch"
)


def drawn(
    stream: Stream, make: Callable[..., Any], shape: tuple[int, ...], *parameters: Any, inside: Any = None,
    apart: bool = False,
) -> Any:  # fmt: skip
    """A tensor of fresh numbers, `make(shape, *arrays)`; inside vmap as its `randomness` says.

    Args:
        stream: where the words come from.
        make: the kernel; the shape it gets comes before the shapes of its arrays.
        shape: shape of the result, if that does not follow from the arrays.
        parameters: what the numbers depend on, arrays or tensors of any level.
        inside: the vmaps that are still to be seen to; all that run, if not given.
        apart: whether a batch is drawn example by example, and not as one array.
    """
    vmaps = list(modes.vmaps) if inside is None else inside
    highest = max((p for p in parameters if getattr(p, "_level", 0)), key=_level_of, default=None)
    if highest is not None:
        owner: Any = highest._owner
        if owner not in vmaps:  # numbers move with parameters by rules; here they only are what they are
            below = [owner.below(p) if _level_of(p) == owner.number else p for p in parameters]
            return drawn(stream, make, shape, *below, inside=vmaps)
        if owner.randomness == "error":
            raise RuntimeError(NO_RANDOMNESS)
        if owner.randomness == "same":
            raise RuntimeError(SAME_OF_BATCHED)
        vmaps.remove(owner)
        batches = [_batch(p, owner, max(q.ndim for q in parameters)) for p in parameters]
        return owner.batch(drawn(stream, make, shape, *batches, inside=vmaps), 0)
    arrays = [p._data if isinstance(p, Tensor) else p for p in parameters]
    if vmaps and vmaps[-1].randomness == "error":
        raise RuntimeError(NO_RANDOMNESS)
    different = [level for level in vmaps if level.randomness == "different"]
    if modes.tracer is not None:
        if different:
            modes.tracer.refuse("random numbers under vmap")
        return born(modes.tracer.draw(stream, make, shape, tuple(arrays)))
    batch = tuple(level.size for level in different)
    if not batch:
        return born(make(shape, *arrays))
    if apart:
        rows = [make(shape, *arrays) for _ in range(math.prod(batch))]
        numbers = np.stack(rows).reshape(*batch, *shape)
    elif arrays:
        around = np.broadcast_shapes(*(np.shape(a) for a in arrays))
        numbers = make(shape, *(np.broadcast_to(a, (*batch, *around)) for a in arrays))
    else:
        numbers = make((*batch, *shape))
    made = born(numbers)
    for level in different:
        made = level.batch(made, 0)
    return made


def as_memory_goes(numbers: Any, place: Any) -> Any:
    """Fresh numbers in the order in which an array that is to hold them lies in memory."""
    if place.shape != numbers.shape or place.flags.c_contiguous or not dense(place):
        return numbers
    order = sorted(range(numbers.ndim), key=place.strides.__getitem__, reverse=True)
    return numbers.reshape([numbers.shape[d] for d in order]).transpose(np.argsort(order))


def _level_of(value: Any) -> int:
    found: int = getattr(value, "_level", 0)
    return found


def _batch(parameter: Any, owner: Any, ndim: int) -> Any:
    """A parameter one level down: the batch in front, then as many dimensions as the widest one has."""
    fill = (1,) * (ndim - parameter.ndim)
    if _level_of(parameter) == owner.number:
        value = parameter._data.value.movedim(parameter._data.bdim, 0)
    else:
        value = parameter if isinstance(parameter, Tensor) else born(parameter)
        value = value.expand(owner.size, *value.shape)
    return value.reshape(owner.size, *fill, *value.shape[1:])
