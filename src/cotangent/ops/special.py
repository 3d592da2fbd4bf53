"""Special functions: error function, gamma function and derivatives, Bessel functions of order 0 and 1."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..dtypes import BOOL, COMPLEX, INTEGRAL
from ..kernels import elementwise as k
from .copies import zeros_like
from .describe import of_one, of_two
from .exponential import exp
from .refusals import refuse
from .select import choose
from .table import FLOAT, deliver, elementwise

_TWO_OVER_ROOT_PI: Final = 2.0 / math.sqrt(math.pi)
_HALF_ROOT_PI: Final = math.sqrt(math.pi) / 2.0

erf = elementwise(
    "erf(input)",
    k.erf,
    result=FLOAT,
    check=refuse("erf_vml_cpu", COMPLEX),
    input=lambda g, input: g * (_TWO_OVER_ROOT_PI * exp(-(input * input))),
    doc=of_one("The error function.", "erf", "0.0, 1.0", "tensor([0.0000, 0.8427])"),
)
erfc = elementwise(
    "erfc(input)",
    k.erfc,
    result=FLOAT,
    check=refuse("erfc_vml_cpu", COMPLEX),
    input=lambda g, input: g * (-_TWO_OVER_ROOT_PI * exp(-(input * input))),
    doc=of_one("1 - erf(input).", "erfc", "0.0, 1.0", "tensor([1.0000, 0.1573])"),
)
erfinv = elementwise(
    "erfinv(input)",
    k.erfinv,
    result=FLOAT,
    check=refuse("erfinv_vml_cpu", COMPLEX),
    input=lambda g, out: g * (_HALF_ROOT_PI * exp(out * out)),
    doc=of_one("The inverse of the error function.", "erfinv", "0.0, 0.5", "tensor([0.0000, 0.4769])"),
)
lgamma = elementwise(
    "lgamma(input)",
    k.lgamma,
    result=FLOAT,
    check=refuse("lgamma_vml_cpu", COMPLEX),
    input=lambda g, input: g * digamma(input),
    doc=of_one(
        "Logarithms of the absolute gamma function.", "lgamma", "1.0, 3.0", "tensor([0.0000, 0.6931])"
    ),
)
digamma: Any = elementwise(
    "digamma(input)",
    k.digamma,
    result=FLOAT,
    check=refuse("digamma", COMPLEX),
    input=lambda g, input: g * polygamma_of(input, 1),
    doc=of_one("Derivatives of `lgamma`.", "digamma", "1.0, 3.0", "tensor([-0.5772,  0.9228])"),
)
polygamma_of: Any = elementwise(
    "polygamma_of(input | order)",
    k.polygamma,
    fast=k.polygamma,
    result=FLOAT,
    node="PolygammaBackward0",
    public="polygamma",
    check=refuse("polygamma", COMPLEX),
    input=lambda g, input, order: g * polygamma_of(input, order + 1),
)
i0 = elementwise(
    "i0(input)",
    k.i0,
    result=FLOAT,
    check=refuse("i0_vml_cpu", COMPLEX),
    input=lambda g, input: g * i1(input),
    doc=of_one(
        "The modified Bessel function of the first kind of order 0.",
        "i0",
        "0.0, 1.0",
        "tensor([1.0000, 1.2661])",
    ),
)
i1: Any = elementwise(
    "i1(input)",
    k.i1,
    result=FLOAT,
    node="SpecialI1Backward0",
    public="special_i1",
    # At zero the quotient i1(x) / x is 1/2.
    input=lambda g, input, out: g * choose(input == 0.0, 0.5, i0(input) - out / input),
)


nextafter = elementwise(
    "nextafter(input, other)",
    np.nextafter,
    wide=False,
    strict=("input", "other"),
    check=refuse("nextafter_cpu", BOOL, INTEGRAL, COMPLEX),
    input=lambda g, input, other: choose(input == other, 0.0, g),
    other=lambda g: zeros_like(g),
    doc=of_two(
        "The next representable number after `input` towards `other`.", "nextafter", "torch.tensor([1.0])",
        "torch.tensor([2.0])", "tensor([1.0000])",
    ),
)  # fmt: skip


def polygamma(n: int, input: Any, *, out: Any = None) -> Any:
    """The nth derivative of `digamma`.

    Args:
        n: order, not negative.
        input: tensor.
        out: tensor to store the result in.

    Returns:
        a tensor of the shape of `input`.

    Raises:
        RuntimeError: if n is negative.

    Example:
        >>> import cotangent as torch
        >>> torch.polygamma(1, torch.tensor([1.0]))
        tensor([1.6449])
    """
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return deliver("polygamma", polygamma_of(input, n), out)


def polygamma_method(input: Any, n: int) -> Any:
    """`torch.polygamma(n, input)` as a method.

    Args:
        input: tensor.
        n: order, not negative.

    Returns:
        a tensor of the shape of `input`.

    Example:
        >>> import cotangent as torch
        >>> torch.tensor([1.0]).polygamma(1)
        tensor([1.6449])
    """
    return polygamma(n, input)


def polygamma_in_place(input: Any, n: int) -> Any:
    """In-place form of `polygamma`.

    Args:
        input: floating-point tensor.
        n: order, not negative.

    Returns:
        `input`.
    """
    return input.copy_(polygamma(n, input.clone()))  # the derivative reads what was there
