"""Reverse mode on a sample, in whichever library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .case import Array, Bound, numpy_dtype, outputs, tensor
from .compare import dtype_name


@dataclass
class Differentiated:
    """An operator's result, the class names of its results' nodes, and the inputs' gradients."""

    result: Any
    nodes: list[str]
    gradients: list[Any]


def random_array(seed: int, shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers in [-1, 1], of both parts where complex: tangents and cotangents."""
    rng = np.random.RandomState(seed)
    values: Any = rng.uniform(-1, 1, shape)
    if numpy_dtype(dtype).kind == "c":
        values = values + 1j * rng.uniform(-1, 1, shape)
    return np.asarray(values).astype(numpy_dtype(dtype))


def differentiated(library: Any, bound: Bound, function: Callable[..., Any]) -> Differentiated:
    """The function's results on a sample, and the gradients of all of them under random cotangents.

    A result that depends on no input takes part in nothing; an input that no result depends on has None.
    """
    inputs = bound.lifted(library, grad=True)
    result = bound.apply(library, function, inputs)
    found = [t for t in outputs(library, result) if t.requires_grad]
    cotangents = [
        tensor(library, random_array(7 + k, tuple(t.shape), dtype_name(t))) for k, t in enumerate(found)
    ]
    wanted = [t for t in inputs if t.requires_grad]
    gradients = library.autograd.grad(found, wanted, cotangents, allow_unused=True) if found else ()
    return Differentiated(result, [type(t.grad_fn).__name__ for t in found], list(gradients))
