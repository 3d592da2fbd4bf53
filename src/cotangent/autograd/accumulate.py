"""What happens at the leaves: a cotangent becomes a leaf's `.grad`, or is added to it."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from ..errors import check_broadcast
from ..kernels.elementwise import times_one
from ..kernels.sparse import Coo
from ..kernels.sparse_operations import added  # with the table of sparse operations
from ..ops.table import TABLE
from ..references import ARGUMENT, PARAMETER
from .base import InferenceCell, as_array, cell_of, count, wrap
from .inplace import check_overlap, dense, write
from .modes import made, modes
from .node import ACCUMULATE
from .views import inference_write, mark_stale

# References to an array that only the variable of who calls `accumulate_array` holds.
_HELD: Final = 1 + PARAMETER + ARGUMENT


def _laid(g: Any, data: Any) -> Any:
    """The first gradient `g` in the order of memory that PyTorch gives it.

    That is the leaf's where the leaf fills a stretch of memory, else rows one after the other. Dimensions of
    size one do not count.
    """
    if data.__class__ is not np.ndarray or g.__class__ is not np.ndarray:
        return g
    if not dense(data):
        return np.ascontiguousarray(g).reshape(g.shape)
    steps = zip(g.shape, g.strides, data.strides, strict=True)
    if all(n == 1 or own == wanted for n, own, wanted in steps):
        return g
    order = sorted(range(g.ndim), key=data.strides.__getitem__, reverse=True)
    laid = np.empty([g.shape[d] for d in order], g.dtype).transpose(np.argsort(order))
    laid[...] = g
    return laid


def check_leaf(leaf: Any) -> bool:
    """Whether the tensor of an AccumulateGrad still takes gradients."""
    if leaf._node is not None or (leaf._view is not None and leaf._view.stale):
        raise RuntimeError("leaf variable has been moved into the graph interior")
    return bool(leaf._req)


def accumulate_all(leaves: list[Any], take: Any) -> None:
    """Accumulate into each of the `leaves` what `take(leaf, None)` gives.

    This is a function of its own because behind a `try` Python 3.14 does not lend variables to calls: a
    gradient would seem to be held once more, and be copied.
    """
    for leaf in leaves:
        g = take(leaf, None)
        if g is not None:
            accumulate_array(leaf.variable, g, leaf.dtype)


def accumulate_array(leaf: Any, g: Any, to: Any) -> None:
    """Add the array `g` to `leaf.grad`, which starts with dtype `to`."""
    if (leaf._node is not None or not leaf._req or leaf._view is not None) and not check_leaf(leaf):
        return
    held = leaf._grad
    if held is None:
        # The array becomes the gradient itself when nobody else can hold it: referred to by the
        # caller's variable only, besides the references that the question makes.
        if g.__class__ is not np.ndarray:
            g = _own(g) if isinstance(g, Coo) and not _alone_sparse(g) else as_array(g)
        elif sys.getrefcount(g) > _HELD or not g.flags.writeable or (g.base is not None and not _alone(g)):
            given = _given(g, leaf._data)
            if given is not None:
                leaf._grad = wrap(g)
                leaf._grad._vc = cell_of(given)
                return
            g = g.copy()
        data = leaf._data
        if g.dtype != to and not (isinstance(g, Coo) or isinstance(data, Coo)):
            g = g.astype(to)
        if g.strides != data.strides:
            g = _laid(g, data)
        leaf._grad = made(g)
        return
    data = held._data
    if data.__class__ is np.ndarray and 0 in data.strides:
        check_overlap(held)
    if data.__class__ is np.ndarray and data.flags.writeable:
        try:
            np.add(data, times_one(g), out=data, casting="unsafe")
        except ValueError:
            check_broadcast((data.shape, g.shape))
            raise
        cell = cell_of(held)
        if cell.__class__ is not InferenceCell:
            count(cell)
            if cell[1] is not None:
                mark_stale(held if held._view is None else held._view.base, held)
        elif not modes.inference:
            inference_write(cell)
    elif isinstance(data, Coo):
        if isinstance(g, Coo):
            held._data = added(data, g)
        else:
            leaf._grad = made(added(data, g))
    else:
        leaf._grad = TABLE["add"].entry(held, wrap(as_array(g)))


def accumulate_tensor(leaf: Any, g: Any) -> None:
    """Add the Tensor `g` to `leaf.grad`, as a recorded operation."""
    if modes.grad is None and g._owner is not None and g._owner.writes:
        g = g._owner.below(g)  # as PyTorch detaches it, which leaves the tangent behind
    if leaf._grad is None:
        held = leaf._grad = TABLE["clone_for_grad"].entry(g)
        data = held._data
        if data.__class__ is np.ndarray and data.strides != leaf._data.strides:
            held._data = _laid(data, leaf._data)
        return
    held = leaf._grad
    sparse = isinstance(held._data, Coo)
    if sparse and not isinstance(g._data, Coo):  # the sum is no longer sparse
        leaf._grad = TABLE["add"].entry(g, held)
    elif modes.grad is None and not held._level and sparse:
        held._data = added(held._data, g._data)
    elif modes.grad is None and not held._level and (
        modes.tracer is not None or modes.dispatch or isinstance(g._data, Coo)
    ):
        write(TABLE["add"], (held, g), (1,))
    else:
        leaf._grad = TABLE["add"].entry(held, g)


ACCUMULATE.append(accumulate_tensor)


def _alone(view: Any) -> bool:
    """Whether a view is all of an array in its order of memory, which nothing else refers to."""
    base = view.base
    # Referred to by the view and this variable only.
    return (
        base.__class__ is np.ndarray
        and sys.getrefcount(base) == 2 + ARGUMENT
        and base.size == view.size
        and base.flags.owndata
        and view.flags.c_contiguous
    )


def _alone_sparse(g: Any) -> bool:
    """Whether the parts of a sparse gradient that the caller holds are in order, and seen by nobody else."""
    # Referred to by the caller's caller; its parts by `g`, the pair of them and the variable.
    return sys.getrefcount(g) <= _HELD + PARAMETER and all(
        part.flags.c_contiguous and sys.getrefcount(part) <= 3 + ARGUMENT for part in (g.indices, g.values)
    )


def _own(g: Any) -> Any:
    """A sparse gradient in memory of its own."""
    return Coo(g.indices.copy(), g.values.copy(), g.shape).flagged(g.coalesced)


def _of_empty(g: Any, given: Any) -> bool:
    """Whether `g`, without elements, was made of `given`: by another way through it, not by repeating it."""
    return (g.base is given or g.base is given.base) and 0 not in g.strides


def _given(g: Any, data: Any) -> Any:
    """The cotangent that the user gave in whose memory `g` lies, laid out like the leaf; or None."""
    laid = g.dtype == data.dtype and g.flags.writeable
    if laid and (g.strides == data.strides or (g.flags.c_contiguous and data.flags.c_contiguous)):
        for t in modes.given:
            given = t._data
            if given.__class__ is np.ndarray and g is not given and (
                np.may_share_memory(g, given) or (not g.size and _of_empty(g, given))
            ):
                return t
    return None
