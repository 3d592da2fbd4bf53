"""Filling a tensor with random numbers in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import lazy
from .autograd.base import cell_of
from .autograd.inplace import replace, write
from .autograd.modes import modes
from .autograd.views import check_writable
from .drawing import NO_RANDOMNESS, drawn
from .kernels.rng import default_stream
from .ops.table import TABLE, is_tensor

counts: Any = lazy.module("cotangent.kernels.counts")
discrete: Any = lazy.module("cotangent.kernels.discrete")
sampling: Any = lazy.module("cotangent.kernels.sampling")


def _refill(x: Any, generator: Any, make: Callable[..., Any], *arrays: Any) -> Any:
    """Fill `x` with fresh numbers, in memory order as PyTorch does; no gradient passes."""
    stream = default_stream() if generator is None else generator._stream
    recording = modes.grad is not None and x._req
    if modes.vmaps and not x._level and modes.tracer is None:
        _refuse_unbatched(modes.vmaps[-1].randomness)
    if x._data.__class__ is not np.ndarray:
        d = x.dtype.np
        if hasattr(x._data, "is_memory") and not x._level:
            order = sampling.iteration_order(x._data.probe())
            shape = tuple(x._data.shape[d] for d in order)
            made = drawn(stream, lambda size, *given: make(stream, size, d, *given), shape, *arrays)
            replace(x, made.permute(*np.argsort(order)) if order != tuple(range(len(order))) else made)
            return x
        replace(
            x, drawn(stream, lambda shape, *given: make(stream, shape, d, *given), tuple(x.shape), *arrays)
        )
        return x
    check_writable(x) if recording else None
    data = x._data
    order = sampling.iteration_order(data)
    values = make(stream, tuple(data.shape[d] for d in order), data.dtype, *arrays)
    if recording:
        write(TABLE["zeroed"], (x,), ())
    data.transpose(order)[...] = values
    cell_of(x)[0] += 1
    return x


def _refuse_unbatched(randomness: str) -> None:
    """PyTorch's errors for filling a tensor inside vmap that is the same for all examples."""
    if randomness == "error":
        raise RuntimeError(NO_RANDOMNESS)
    if randomness == "different":
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like "
            "same randomness. If this is necessary for your usage, please file an issue with functorch."
        )


def uniform_(self: Any, from_: float = 0, to: float = 1, *, generator: Any = None, **bound: float) -> Any:
    """Fill with uniform numbers in [from, to)."""
    low = bound.get("from", from_)
    return _refill(self, generator, lambda stream, shape, d: sampling.uniform(stream, shape, d, low, to))


def normal_(self: Any, mean: float = 0, std: float = 1, *, generator: Any = None) -> Any:
    """Fill with normal numbers."""
    data = self._data
    plain = data.flags.c_contiguous if isinstance(data, np.ndarray) else True
    return _refill(
        self,
        generator,
        lambda stream, shape, d: sampling.normal(
            stream, shape, d, float(mean), float(std), contiguous=plain
        ),
    )


def random_(self: Any, from_: int = 0, to: int | None = None, *, generator: Any = None) -> Any:
    """Fill with integers in [from, to); without bounds, in what the dtype counts exactly."""
    if to is None and from_ == 0:
        return _refill(self, generator, discrete.random_full)
    low, high = (0, from_) if to is None else (from_, to)
    return _refill(self, generator, lambda stream, shape, d: discrete.randint(stream, shape, d, low, high))


def bernoulli_(self: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Fill with ones of probability p, else zeros."""
    if is_tensor(p):
        whole = self._data.shape
        return _refill(
            self,
            generator,
            lambda stream, shape, d, chances: discrete.bernoulli_around(
                stream, np.broadcast_to(chances, whole), d
            ),
            p._data,
        )
    return _refill(self, generator, lambda stream, shape, d: discrete.bernoulli(stream, shape, d, p))


def exponential_(self: Any, lambd: float = 1, *, generator: Any = None) -> Any:
    """Fill with exponential numbers of rate lambd."""
    return _refill(self, generator, lambda stream, shape, d: sampling.exponential(stream, shape, d, lambd))


def cauchy_(self: Any, median: float = 0, sigma: float = 1, *, generator: Any = None) -> Any:
    """Fill with Cauchy numbers."""
    return _refill(self, generator, lambda stream, shape, d: sampling.cauchy(stream, shape, d, median, sigma))


def log_normal_(self: Any, mean: float = 1, std: float = 2, *, generator: Any = None) -> Any:
    """Fill with numbers whose logarithm is normal."""
    return _refill(self, generator, lambda stream, shape, d: sampling.log_normal(stream, shape, d, mean, std))


def geometric_(self: Any, p: float, *, generator: Any = None) -> Any:
    """Fill with geometric numbers."""
    return _refill(self, generator, lambda stream, shape, d: counts.geometric(stream, shape, d, p))


METHODS = (
    "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_",
)  # fmt: skip
