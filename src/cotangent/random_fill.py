"""Filling a tensor with random numbers in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import lazy
from .autograd.inplace import check_overlap, replace, write
from .autograd.modes import modes
from .autograd.views import check_writable, count_write
from .creation import born
from .drawing import NO_RANDOMNESS, SAME_OF_BATCHED, drawn
from .kernels.rng import default_stream
from .ops.arguments import REQUIRED, as_number
from .ops.table import TABLE, is_tensor

counts: Any = lazy.module("cotangent.kernels.counts")
discrete: Any = lazy.module("cotangent.kernels.discrete")
sampling: Any = lazy.module("cotangent.kernels.sampling")


def _refill(x: Any, generator: Any, make: Callable[..., Any], *parameters: Any) -> Any:
    """Fill `x` with fresh numbers, in memory order as PyTorch does; no gradient passes.

    Args:
        x: the tensor.
        generator: where the words come from.
        make: the kernel.
        parameters: tensors that broadcast to the shape of `x`, on which the numbers depend.
    """
    stream = default_stream() if generator is None else generator._stream
    recording = modes.grad is not None and x._req
    if modes.vmaps and not x._level and modes.tracer is None:
        _refuse_unbatched(modes.vmaps[-1].randomness, any(p._level for p in parameters))
    if x._data.__class__ is not np.ndarray:
        if hasattr(x._data, "lives_on"):  # on the device "meta" nothing is drawn
            check_writable(x) if recording else None
            count_write(x)
            return x
        d = x.dtype.np
        if hasattr(x._data, "is_memory") and not x._level:
            order = sampling.iteration_order(x._data.probe())
            shape = tuple(x._data.shape[d] for d in order)
            made = drawn(stream, lambda size, *given: make(stream, size, d, *given), shape, *parameters)
            replace(x, made.permute(*np.argsort(order)) if order != tuple(range(len(order))) else made)
            return x
        level = modes.vmaps[-1] if modes.vmaps else None
        if level is not None and level.owns(x) and x._data.value._data.__class__ is np.ndarray:
            if level.randomness == "different":
                _refill_batch(x, level, lambda shape, *given: make(stream, shape, d, *given), parameters)
                return x
            if any(level.owns(p) for p in parameters):
                raise RuntimeError(NO_RANDOMNESS if level.randomness == "error" else SAME_OF_BATCHED)
        whole = tuple(x.shape)
        made = drawn(stream, lambda shape, *given: make(stream, shape, d, *given), whole, *parameters)
        if hasattr(x._data, "primal"):
            return x.copy_(made)  # where it lies; its tangent is zero from now on
        if level is not None and level.owns(x):
            return x.copy_(made)  # the same numbers for all examples, in the memory that they share
        replace(x, made)
        return x
    check_writable(x) if recording else None
    check_overlap(x)
    data = x._data
    order = sampling.iteration_order(data)
    turned = [np.broadcast_to(p._data, data.shape).transpose(order) for p in parameters]
    values = make(stream, tuple(data.shape[d] for d in order), data.dtype, *turned)
    if recording:
        write(TABLE["zeroed"], (x,), ())
    data.transpose(order)[...] = values
    count_write(x)
    return x


def _refill_batch(x: Any, level: Any, make: Callable[..., Any], parameters: tuple[Any, ...]) -> None:
    """Fill the array of all examples, in the order of its memory."""
    whole = np.moveaxis(x._data.value._data, x._data.bdim, 0)
    order = sampling.iteration_order(whole)
    turned = []
    for p in parameters:
        a = np.moveaxis(p._data.value._data, p._data.bdim, 0) if level.owns(p) else p._data
        turned.append(np.broadcast_to(a, whole.shape).transpose(order))
    made = make(tuple(whole.shape[k] for k in order), *turned)
    replace(x, level.batch(born(made.transpose(np.argsort(order))), 0))


def _refuse_unbatched(randomness: str, mapped: bool) -> None:
    """PyTorch's errors for filling a tensor inside vmap that is the same for all examples."""
    if randomness == "error":
        raise RuntimeError(NO_RANDOMNESS)
    if mapped and randomness == "same":
        raise RuntimeError(SAME_OF_BATCHED)
    if mapped:
        raise RuntimeError(
            "vmap: inplace bernoulli(self, *extra_args) is not possible because there exists a Tensor "
            "`other` in extra_args that has more elements than `self`. This happened due to `other` being "
            "vmapped over but `self` not being vmapped over in a vmap. Please try to use out-of-place "
            "operators instead of inplace bernoulli. If said operator is being called inside the PyTorch "
            "framework, please file a bug report instead."
        )
    if randomness == "different":
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like "
            "same randomness. If this is necessary for your usage, please file an issue with functorch."
        )


def _both(function: str, **given: Any) -> tuple[Any, Any]:
    """Two parameters as numbers."""
    one, other = (as_number(function, key, k, v, "float") for k, (key, v) in enumerate(given.items(), 1))
    return one, other


def uniform_(self: Any, from_: float = 0, to: float = 1, *, generator: Any = None, **bound: float) -> Any:
    """Fill with uniform numbers in [from, to)."""
    low = as_number("uniform_", "from", 1, bound.get("from", from_), "float")
    to = as_number("uniform_", "to", 2, to, "float")
    return _refill(self, generator, lambda stream, shape, d: sampling.uniform(stream, shape, d, low, to))


def normal_(self: Any, mean: float = 0, std: float = 1, *, generator: Any = None) -> Any:
    """Fill with normal numbers."""
    mean, std = _both("normal_", mean=mean, std=std)
    data = self._data
    if hasattr(data, "bdim") and modes.vmaps and modes.vmaps[-1].randomness == "different":
        data = np.moveaxis(data.value._data, data.bdim, 0)
    plain = data.flags.c_contiguous if isinstance(data, np.ndarray) else True
    return _refill(
        self,
        generator,
        lambda stream, shape, d: sampling.normal(
            stream, shape, d, float(mean), float(std), contiguous=plain
        ),
    )


def random_(self: Any, from_: int = 0, to: Any = REQUIRED, *, generator: Any = None) -> Any:
    """Fill with integers in [from, to), where `to` is None up to what the dtype counts exactly.

    A single number is `to`; without bounds all are drawn that the dtype counts exactly and are not negative.
    """
    if to is REQUIRED and from_ == 0:
        return _refill(self, generator, discrete.random_full)
    low, high = (0, from_) if to is REQUIRED else (from_, to)
    return _refill(self, generator, lambda stream, shape, d: discrete.randint(stream, shape, d, low, high))


def bernoulli_(self: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Fill with ones of probability p, else zeros."""
    if is_tensor(p):
        return _refill(
            self,
            generator,
            lambda stream, shape, d, chances: discrete.bernoulli_around(
                stream, np.broadcast_to(chances, shape), d
            ),
            p,
        )
    return _refill(self, generator, lambda stream, shape, d: discrete.bernoulli(stream, shape, d, p))


def coins(p: float, shape: tuple[int, ...], d: Any) -> Any:
    """A new tensor of ones of probability p, else zeros; inside vmap as its `randomness` says.

    Args:
        p: the probability.
        shape: sizes.
        d: NumPy's dtype of the result.
    """
    stream = default_stream()
    return drawn(stream, lambda whole: discrete.bernoulli(stream, whole, d, p), shape)


def exponential_(self: Any, lambd: float = 1, *, generator: Any = None) -> Any:
    """Fill with exponential numbers of rate lambd."""
    lambd = as_number("exponential_", "lambd", 1, lambd, "float")
    return _refill(self, generator, lambda stream, shape, d: sampling.exponential(stream, shape, d, lambd))


def cauchy_(self: Any, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Any:
    """Fill with Cauchy numbers."""
    median, sigma = _both("cauchy_", median=median, sigma=sigma)
    return _refill(self, generator, lambda stream, shape, d: sampling.cauchy(stream, shape, d, median, sigma))


def log_normal_(self: Any, mean: float = 1, std: float = 2, *, generator: Any = None) -> Any:
    """Fill with numbers whose logarithm is normal."""
    mean, std = _both("log_normal_", mean=mean, std=std)
    return _refill(self, generator, lambda stream, shape, d: sampling.log_normal(stream, shape, d, mean, std))


def geometric_(self: Any, p: float, *, generator: Any = None) -> Any:
    """Fill with geometric numbers."""
    p = as_number("geometric_", "p", 1, p, "float")
    return _refill(self, generator, lambda stream, shape, d: counts.geometric(stream, shape, d, p))


METHODS = (
    "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_",
)  # fmt: skip
