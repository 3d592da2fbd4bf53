"""Orthogonal polynomials of a degree that is a tensor: Chebyshev's four kinds, Hermite's two, Laguerre's and
Legendre's.

PyTorch gives them no derivatives; here the derivative of any order is a row of the same recurrence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..kernels import polynomials as k
from .arguments import REQUIRED
from .bessel import tensor_or_number
from .describe import of_two
from .refusals import only_full
from .table import FLOAT, deliver, elementwise, is_tensor

_SIGNATURES: Final = (
    "Tensor x, Tensor n, *, Tensor out = None",
    "Number x, Tensor n, *, Tensor out = None",
    "Tensor x, Number n, *, Tensor out = None",
)

polynomial: Any = elementwise(
    "polynomial(input, degree | kind, order)",
    k.polynomial,
    fast=k.polynomial,
    result=FLOAT,
    input=lambda g, input, degree, kind, order: g * polynomial(input, degree, kind, order + 1),
)


def _front(name: str, kind: str, whose: str, shown: str) -> Callable[..., Any]:
    """`torch.special.NAME`."""
    public = f"special_{name}"
    check = only_full(f"{name}_cpu")

    def function(input: Any = REQUIRED, n: Any = REQUIRED, *, out: Any = None) -> Any:
        tensor_or_number(public, input, n, _SIGNATURES)
        for value in (input, n):
            if is_tensor(value):
                check(None, value.dtype)
        return deliver(public, polynomial(input, n, kind, 0), out)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "torch.special"
    function.__doc__ = of_two(
        f"{whose} polynomials of degree n; 0 where n is negative.", f"special.{name}",
        "torch.tensor([0.5, 2.0])", "2", shown, "n",
    )  # fmt: skip
    return function


chebyshev_polynomial_t = _front(
    "chebyshev_polynomial_t", "t", "Chebyshev's first kind of", "tensor([-0.5000,  7.0000])"
)
chebyshev_polynomial_u = _front(
    "chebyshev_polynomial_u", "u", "Chebyshev's second kind of", "tensor([ 0., 15.])"
)
chebyshev_polynomial_v = _front(
    "chebyshev_polynomial_v", "v", "Chebyshev's third kind of", "tensor([-1., 11.])"
)
chebyshev_polynomial_w = _front(
    "chebyshev_polynomial_w", "w", "Chebyshev's fourth kind of", "tensor([ 1., 19.])"
)
shifted_chebyshev_polynomial_t = _front(
    "shifted_chebyshev_polynomial_t", "shifted_t", "Chebyshev's first kind, at 2 x - 1, of",
    "tensor([-1., 17.])",
)  # fmt: skip
shifted_chebyshev_polynomial_u = _front(
    "shifted_chebyshev_polynomial_u", "shifted_u", "Chebyshev's second kind, at 2 x - 1, of",
    "tensor([-1., 35.])",
)  # fmt: skip
shifted_chebyshev_polynomial_v = _front(
    "shifted_chebyshev_polynomial_v", "shifted_v", "Chebyshev's third kind, at 2 x - 1, of",
    "tensor([-1., 29.])",
)  # fmt: skip
shifted_chebyshev_polynomial_w = _front(
    "shifted_chebyshev_polynomial_w", "shifted_w", "Chebyshev's fourth kind, at 2 x - 1, of",
    "tensor([-1., 41.])",
)  # fmt: skip
hermite_polynomial_h = _front(
    "hermite_polynomial_h", "hermite_h", "Hermite's (physicists')", "tensor([-1., 14.])"
)
hermite_polynomial_he = _front(
    "hermite_polynomial_he", "hermite_he", "Hermite's (probabilists')", "tensor([-0.7500,  3.0000])"
)
laguerre_polynomial_l = _front(
    "laguerre_polynomial_l", "laguerre", "Laguerre's", "tensor([ 0.1250, -1.0000])"
)
legendre_polynomial_p = _front(
    "legendre_polynomial_p", "legendre", "Legendre's", "tensor([-0.1250,  5.5000])"
)

NAMES: Final = (
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
)  # fmt: skip
