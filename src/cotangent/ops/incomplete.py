"""The incomplete gamma functions and Hurwitz's zeta function, with derivatives along both arguments.

PyTorch has none along the first. Here one operation holds the derivatives of every order along it, so that
the family is closed.
"""

from __future__ import annotations

from typing import Any

from ..dtypes import BOOL, COMPLEX, INTEGRAL
from ..kernels import bessel as bessel_kernels, elementwise as k, incomplete
from .describe import of_two
from .exponential import exp, log
from .refusals import only_full, refuse
from .special import digamma, lgamma, polygamma_of
from .table import FLOAT, elementwise


def _density_along(input: Any, other: Any, order: int) -> Any:
    """The derivative of that order, along the first argument, of x^(a-1) e^-x / Gamma(a), the slope in x."""
    slopes = [log(other) - digamma(input)] if order else []
    slopes += [-polygamma_of(input, m) for m in range(1, order)]
    density = exp((input - 1.0) * log(other) - other - lgamma(input))
    return density * incomplete.exponential_along(slopes)[order] if order else density


gamma_along: Any = elementwise(
    "gamma_along(input, other | order)",
    incomplete.gamma_along,
    fast=incomplete.gamma_along,
    node="IgammaBackward0",
    public="igamma",
    input=lambda g, input, other, order: g * gamma_along(input, other, order + 1),
    other=lambda g, input, other, order: g * _density_along(input, other, order),
)
igamma = elementwise(
    "igamma(input, other)",
    k.gammainc,
    strict=("input", "other"),
    check=refuse("igamma_cpu", BOOL, INTEGRAL, COMPLEX),
    input=lambda g, input, other: g * gamma_along(input, other, 1),
    other=lambda g, input, other: g * _density_along(input, other, 0),
    doc=of_two(
        "The regularised lower incomplete gamma function.", "igamma", "torch.tensor([4.0])",
        "torch.tensor([3.0])",
        "tensor([0.3528])",
    ),
)  # fmt: skip
igammac = elementwise(
    "igammac(input, other)",
    k.gammaincc,
    strict=("input", "other"),
    check=refuse("igammac_cpu", BOOL, INTEGRAL, COMPLEX),
    input=lambda g, input, other: -g * gamma_along(input, other, 1),
    other=lambda g, input, other: -g * _density_along(input, other, 0),
    doc=of_two(
        "The regularised upper incomplete gamma function.", "igammac", "torch.tensor([4.0])",
        "torch.tensor([3.0])",
        "tensor([0.6472])",
    ),
)  # fmt: skip


def _zeta_slope(g: Any, input: Any, other: Any, order: int) -> Any:
    """d/dq of zeta(s, q) is -s zeta(s + 1, q), whose derivatives along s follow from the product rule."""
    found = -input * zeta_along(input + 1.0, other, order)
    return g * (found - float(order) * zeta_along(input + 1.0, other, order - 1) if order else found)


zeta_along: Any = elementwise(
    "zeta_along(input, other | order)",
    incomplete.zeta_along,
    fast=incomplete.zeta_along,
    result=FLOAT,
    node="SpecialZetaBackward0",
    public="special_zeta",
    input=lambda g, input, other, order: g * zeta_along(input, other, order + 1),
    other=_zeta_slope,
)
zeta_of: Any = elementwise(
    "zeta_of(input, other)",
    bessel_kernels.zeta,
    result=FLOAT,
    node="SpecialZetaBackward0",
    public="special_zeta",
    check=only_full("zeta_cpu"),
    input=lambda g, input, other: g * zeta_along(input, other, 1),
    other=lambda g, input, other: g * (-input * zeta_of(input + 1.0, other)),
)
