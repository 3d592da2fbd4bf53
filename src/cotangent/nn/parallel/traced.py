"""DistributedDataParallel inside a compiled step: the exchange of a bucket is an instruction of the program.

A program is cut where a bucket is full: what its last gradient needs runs, the exchange starts, and the rest
of backward goes on meanwhile; one more instruction, after the last gradient, waits for all of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...autograd.base import wrap
from ...autograd.modes import modes, no_grad
from ...distributed.gradients import gradient_of
from ...tensor import Tensor

__all__ = ["Latest", "TracedRun"]


class Latest:
    """Holds the newest `TracedRun`, in a slot, which compiled functions do not watch."""

    __slots__ = ("run",)

    def __init__(self) -> None:
        self.run: TracedRun | None = None


class TracedRun:
    """What a reducer does in one trace, and in each run of the program made of it.

    Args:
        reducer: the reducer.
        tape: what is traced.
    """

    def __init__(self, reducer: Any, tape: Any) -> None:
        if reducer.find_unused or reducer.static:
            tape.refuse("DistributedDataParallel looks for parameters that are not used in each pass")
        self.reducer = reducer
        self.tape: Any = tape  # until the trace is over
        self.inside = False  # whether backward is a part of the trace
        self.gradients: dict[int, Any] = {}
        self.tokens: list[Any] = []
        count = len(reducer.buckets)
        self.flats: list[Any] = [None] * count
        self.works: list[Any] = [None] * count
        tape.outside(self._begin, [], [np.zeros(1, np.uint8)])

    # -- while tracing --

    def arrived(self, number: int, parameter: Any) -> None:
        """The gradient of a parameter is traced.

        Args:
            number: its place among the module's parameters.
            parameter: the parameter.
        """
        if modes.tracer is not self.tape:
            modes.tracer.refuse("backward goes through a forward of DistributedDataParallel outside")
        self.inside = True
        self.gradients[number] = gradient_of(parameter)._data
        buckets = self.reducer.buckets
        while len(self.tokens) < len(buckets):
            index = len(self.tokens)
            numbers = buckets[index].numbers
            if not all(n in self.gradients for n in numbers):
                return
            given = [self.gradients[n] for n in numbers]
            self.tokens += self.tape.outside(partial(self._start, index), given, [np.zeros(1, np.uint8)])
        order = [n for bucket in buckets for n in bucket.numbers]
        averages = self.tape.outside(self._finish, self.tokens, [self.gradients[n] for n in order])
        with no_grad():
            for n, average in zip(order, averages, strict=True):
                gradient_of(self.reducer.parameters[n]).copy_(wrap(average))
        self.tape, self.gradients = None, {}

    # -- in each run --

    def _begin(self) -> list[Any]:
        if not self.inside:
            self.reducer.prepare(())
        return [np.zeros(1, np.uint8)]

    def _start(self, index: int, *gradients: Any) -> list[Any]:
        bucket = self.reducer.buckets[index]
        flat = self.flats[index] = np.empty_like(bucket.flat)
        for part, gradient in zip(bucket.parts, gradients, strict=True):
            self.reducer.put(flat[part], gradient)
        self.works[index] = self.reducer.start(index, flat)
        return [np.zeros(1, np.uint8)]

    def _finish(self, *tokens: Any) -> list[Any]:
        found = []
        for bucket, flat, work in zip(self.reducer.buckets, self.flats, self.works, strict=True):
            result = work.wait()
            if isinstance(result, Tensor):
                flat = result._data.reshape(-1)
            found += [
                flat[part].reshape(p._data.shape)
                for part, p in zip(bucket.parts, bucket.parameters, strict=True)
            ]
        self.flats, self.works = [None] * len(self.flats), [None] * len(self.works)
        return found
