"""Bessel, Airy and Hurwitz zeta functions.

Each family is declared for all integer orders, so that it is closed under differentiation and no rule divides
by zero at the origin. PyTorch has derivatives for few of them. Formulas: https://dlmf.nist.gov/10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..dtypes import COMPLEX
from ..errors import unfit
from ..kernels import bessel as k, normal as normal_kernels
from .arguments import NUMBER, REQUIRED, no_match
from .complex import sign
from .describe import of_one, of_two
from .incomplete import zeta_of
from .refusals import TENSOR_OR_NUMBER, only_full, refuse
from .table import FLOAT, deliver, elementwise, is_tensor


def check_tensor(function: str, argument: str, value: Any) -> None:
    """Raise PyTorch's TypeError unless the first argument is a tensor."""
    if not is_tensor(value):
        raise unfit(
            f"{function}(): argument '{argument}' (position 1) must be Tensor, not {type(value).__name__}"
        )


bessel_j: Any = elementwise(
    "bessel_j(input | order)",
    k.bessel_j,
    fast=k.bessel_j,
    result=FLOAT,
    input=lambda g, input, order: g * _mean(bessel_j, input, order, -1.0),
)
bessel_y: Any = elementwise(
    "bessel_y(input | order)",
    k.bessel_y,
    fast=k.bessel_y,
    result=FLOAT,
    input=lambda g, input, order: g * _mean(bessel_y, input, order, -1.0),
)


def _mean(family: Any, input: Any, order: int, sign: float) -> Any:
    """(f[n-1] + sign f[n+1]) / 2, with f[-1] = sign f[1]."""
    if order == 0:
        return family(input, 1) * sign
    return (family(input, order - 1) + sign * family(input, order + 1)) * 0.5


def _mean_scaled(family: Any, input: Any, order: int, scaled: bool) -> Any:
    """(f[n-1] + f[n+1]) / 2 for the modified functions, whose f[-1] = f[1]."""
    if order == 0:
        return family(input, 1, scaled)
    return (family(input, order - 1, scaled) + family(input, order + 1, scaled)) * 0.5


def _i_slope(g: Any, input: Any, out: Any, order: int, scaled: bool) -> Any:
    slope = _mean_scaled(bessel_i, input, order, scaled)
    return g * (slope - sign(input) * out) if scaled else g * slope


def _k_slope(g: Any, input: Any, out: Any, order: int, scaled: bool) -> Any:
    slope = _mean_scaled(bessel_k, input, order, scaled)
    return g * (out - slope) if scaled else g * -slope


bessel_i: Any = elementwise(
    "bessel_i(input | order, scaled)",
    k.bessel_i,
    fast=k.bessel_i,
    result=FLOAT,
    input=_i_slope,
)
bessel_k: Any = elementwise(
    "bessel_k(input | order, scaled)",
    k.bessel_k,
    fast=k.bessel_k,
    result=FLOAT,
    input=_k_slope,
)


def _spherical_slope(g: Any, input: Any, order: int) -> Any:
    after = spherical_j(input, order + 1)
    if order == 0:
        return g * -after
    return g * ((order * spherical_j(input, order - 1) - (order + 1.0) * after) / (2.0 * order + 1.0))


spherical_j: Any = elementwise(
    "spherical_j(input | order)", k.spherical_j, fast=k.spherical_j, result=FLOAT, input=_spherical_slope
)


def _airy_slope(g: Any, input: Any, derivative: int) -> Any:
    return g * (input * airy(input, 0) if derivative else airy(input, 1))


airy: Any = elementwise("airy(input | derivative)", k.airy, fast=k.airy, result=FLOAT, input=_airy_slope)


i0e: Any = elementwise(
    "i0e(input)",
    normal_kernels.i0e,
    result=FLOAT,
    node="SpecialI0EBackward0",
    public="special_i0e",
    check=refuse("i0e_cpu", COMPLEX),
    input=lambda g, input, out: g * (bessel_i(input, 1, True) - sign(input) * out),
    doc=of_one("`i0` times exp(-abs(input)).", "special.i0e", "0.0, 1.0", "tensor([1.0000, 0.4658])"),
)
i1e: Any = elementwise(
    "i1e(input)",
    normal_kernels.i1e,
    result=FLOAT,
    node="SpecialI1EBackward0",
    public="special_i1e",
    check=refuse("i1e_cpu", COMPLEX),
    input=lambda g, input, out: g * (_mean_scaled(bessel_i, input, 1, True) - sign(input) * out),
    doc=of_one("`i1` times exp(-abs(input)).", "special.i1e", "0.0, 1.0", "tensor([0.0000, 0.2079])"),
)


def _front(
    name: str, argument: str, run: Callable[[Any], Any], what: str, given: str, shown: str
) -> Callable[..., Any]:
    """`torch.special.NAME` for one function of a family."""
    check = only_full(f"{name}_cpu")
    public = f"special_{name}"

    def function(input: Any, /, *, out: Any = None) -> Any:
        check_tensor(public, argument, input)
        check(None, input.dtype)
        return deliver(public, run(input), out)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "torch.special"
    function.__doc__ = of_one(what, f"special.{name}", given, shown)
    return function


airy_ai = _front(
    "airy_ai", "x", lambda x: airy(x, 0), "The Airy function Ai.", "0.0, 1.0", "tensor([0.3550, 0.1353])"
)
bessel_j0 = _front(
    "bessel_j0", "input", lambda x: bessel_j(x, 0), "The Bessel function of the first kind of order 0.",
    "0.0, 1.0", "tensor([1.0000, 0.7652])",
)  # fmt: skip
bessel_j1 = _front(
    "bessel_j1", "input", lambda x: bessel_j(x, 1), "The Bessel function of the first kind of order 1.",
    "0.0, 1.0", "tensor([0.0000, 0.4401])",
)  # fmt: skip
bessel_y0 = _front(
    "bessel_y0", "input", lambda x: bessel_y(x, 0), "The Bessel function of the second kind of order 0.",
    "1.0, 2.0", "tensor([0.0883, 0.5104])",
)  # fmt: skip
bessel_y1 = _front(
    "bessel_y1", "input", lambda x: bessel_y(x, 1), "The Bessel function of the second kind of order 1.",
    "1.0, 2.0", "tensor([-0.7812, -0.1070])",
)  # fmt: skip
modified_bessel_i0 = _front(
    "modified_bessel_i0", "input", lambda x: bessel_i(x, 0, False),
    "The modified Bessel function of the first kind of order 0.", "0.0, 1.0", "tensor([1.0000, 1.2661])",
)  # fmt: skip
modified_bessel_i1 = _front(
    "modified_bessel_i1", "input", lambda x: bessel_i(x, 1, False),
    "The modified Bessel function of the first kind of order 1.", "0.0, 1.0", "tensor([0.0000, 0.5652])",
)  # fmt: skip
modified_bessel_k0 = _front(
    "modified_bessel_k0", "input", lambda x: bessel_k(x, 0, False),
    "The modified Bessel function of the second kind of order 0.", "1.0, 2.0", "tensor([0.4210, 0.1139])",
)  # fmt: skip
modified_bessel_k1 = _front(
    "modified_bessel_k1", "input", lambda x: bessel_k(x, 1, False),
    "The modified Bessel function of the second kind of order 1.", "1.0, 2.0", "tensor([0.6019, 0.1399])",
)  # fmt: skip
scaled_modified_bessel_k0 = _front(
    "scaled_modified_bessel_k0", "x", lambda x: bessel_k(x, 0, True),
    "`modified_bessel_k0` times exp(x).", "1.0, 2.0", "tensor([1.1445, 0.8416])",
)  # fmt: skip
scaled_modified_bessel_k1 = _front(
    "scaled_modified_bessel_k1", "x", lambda x: bessel_k(x, 1, True),
    "`modified_bessel_k1` times exp(x).", "1.0, 2.0", "tensor([1.6362, 1.0335])",
)  # fmt: skip
spherical_bessel_j0 = _front(
    "spherical_bessel_j0", "x", lambda x: spherical_j(x, 0),
    "The spherical Bessel function of the first kind of order 0, sin(x) / x.", "0.0, 1.0",
    "tensor([1.0000, 0.8415])",
)  # fmt: skip


# PyTorch's overloads of the functions of a tensor and a tensor or number here, as its errors list them.
PAIRS: Final = (TENSOR_OR_NUMBER[0], "Number self, Tensor other, *, Tensor out = None", TENSOR_OR_NUMBER[1])


def tensor_or_number(function: str, one: Any, other: Any, signatures: tuple[str, ...]) -> None:
    """Raise PyTorch's TypeError unless one argument is a tensor and the other that or a number."""
    given = [value for value in (one, other) if value is not REQUIRED]
    fits = all(is_tensor(v) or isinstance(v, NUMBER) for v in given) and any(is_tensor(v) for v in given)
    if len(given) < 2 or not fits:
        no_match(function, tuple(given), *signatures)


def zeta(input: Any = REQUIRED, other: Any = REQUIRED, *, out: Any = None) -> Any:
    tensor_or_number("special_zeta", input, other, PAIRS)
    return deliver("special_zeta", zeta_of(input, other), out, input, other)


zeta.__doc__ = of_two(
    "Hurwitz's zeta function: the sum of (other + k) ** -input over k from 0.", "special.zeta",
    "torch.tensor([2.0, 4.0])", "1", "tensor([1.6449, 1.0823])",
)  # fmt: skip

NAMES: Final = (
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "i0e", "i1e", "modified_bessel_i0",
    "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "spherical_bessel_j0", "zeta",
)  # fmt: skip
