"""`cotangent.source`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels.sized import by_numpy
from ..random import get_rng_state, set_rng_state
from .latex import derivation
from .record import Recorded, record
from .write import Text


def source(function: Callable[..., Any], *example: Any, latex: bool = False) -> str:
    """The value and the gradient of a function as a file that needs nothing but NumPy.

    The file defines the function and its twin NAME_and_gradient, which gives the value and a tuple of
    gradients. They take arrays, in the place of the example's tensors and then of those that the function
    sees from outside (parameters of modules by their names), of the example's shapes, dense in memory. Run on
    the example, the file gives the very bits that cotangent gives with its NumPy kernels (those of small
    arrays; COTANGENT_KERNELS=0 has them for all), which is checked before it is returned.

    Args:
        function: takes tensors, or nested containers of them, and returns a tensor of one element.
        *example: arguments of the shapes, dtypes and `requires_grad` to write for; where none requires a
            gradient, all floating-point ones do.
        latex: whether to return a derivation in LaTeX instead, as in textbooks; for functions of scalars.

    Returns:
        the text of the file.

    Raises:
        NotImplementedError: if an operation has no NumPy form (special functions of SciPy, factorisations,
            random numbers), or control flow depends on numbers; names the operation and its line.
        TypeError: if the function's value is not one tensor of one element that depends on an argument.

    Example:
        >>> import cotangent as torch
        >>> def f(x, w):
        ...     return (x * w).tanh()
        >>> text = torch.source(f, torch.tensor(2.0), torch.tensor(0.5))
        >>> print(text[text.index("    # backward"):text.index("if __name__")].rstrip())
            # backward: d_x is the gradient of the result by x
            d = 1.0 - value * value
            d_x = d * w
            d_w = d * x
            return np.asarray(value), (np.asarray(d_x), np.asarray(d_w))
    """
    with by_numpy():
        recorded = record(function, example)
        if latex:
            return derivation(recorded)
        text = Text(recorded).text()
        _check(recorded, text)
    return text


def _check(recorded: Recorded, text: str) -> None:
    """Run the file, and the function, on the example."""
    scope: dict[str, Any] = {"__name__": "standalone"}
    exec(compile(text, "<standalone>", "exec"), scope)
    value, gradients = scope[f"{recorded.name}_and_gradient"](*[a.array for a in recorded.arguments])
    kept = [(array, array.copy()) for array in recorded.sources]
    random = get_rng_state()
    try:
        outcome, wanted = recorded.call()
    finally:
        set_rng_state(random)
        for array, copy in kept:
            if array.tobytes() != copy.tobytes():
                array[...] = copy
    names = [a.name for a in recorded.arguments if a.wanted]
    pairs = [("the value", value, outcome), *zip(names, gradients, wanted, strict=True)]
    for name, ours, theirs in pairs:
        if theirs is None:
            same = not ours.any()
        else:
            array = np.asarray(theirs._data)
            same = (
                ours.dtype == array.dtype and ours.shape == array.shape and ours.tobytes() == array.tobytes()
            )
        if not same:
            raise RuntimeError(
                f"source(): the file gives other bits than {recorded.name} does, in {name}; please report it"
            )
