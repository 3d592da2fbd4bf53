"""Angles around a mean."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

from ..autograd.modes import no_grad
from ..dtypes import bool_, float64
from ..functions import cos, empty, log, rand, where, zeros
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]

# Polynomial approximations of the modified Bessel functions I0 and I1: M. Abramowitz and I. A. Stegun,
# "Handbook of Mathematical Functions", 9.8.1 to 9.8.4. Below 3.75 in (x / 3.75)^2, above in 3.75 / x.
_NEAR: Final = (
    (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813),
    (0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411),
)
_FAR: Final = (
    (
        0.39894228, 0.01328592, 0.00225319, -0.00157565, 0.00916281, -0.02057706, 0.02635537, -0.01647633,
        0.00392377,
    ),
    (
        0.39894228, -0.03988024, -0.00362018, 0.00163801, -0.01031555, 0.02282967, -0.02895312, 0.01787654,
        -0.00420059,
    ),
)  # fmt: skip


def _polynomial(x: Any, coefficients: tuple[float, ...]) -> Any:
    found: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        found = c + x * found
    return found


def _log_modified_bessel_fn(x: Any, order: int = 0) -> Any:
    """log I0(x) or log I1(x), for positive x."""
    if order not in (0, 1):
        raise AssertionError(f"order must be 0 or 1, got {order}")
    near = _polynomial((x / 3.75) ** 2, _NEAR[order])
    near = (x.abs() * near if order else near).log()
    far = x - 0.5 * x.log() + _polynomial(3.75 / x, _FAR[order]).log()
    return where(x < 3.75, near, far)


class VonMises(Distribution, parameters="loc concentration"):
    """The normal distribution's counterpart on the circle, by R. von Mises.

    Args:
        loc: the mean angle.
        concentration: how close to it angles are; 1 / variance where it is large.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the concentration is not positive, or a parameter is neither number nor tensor.

    Source: density exp(c cos(x - loc)) / (2 pi I0(c)); sampling after D. J. Best and N. I. Fisher, "Efficient
    simulation of the von Mises distribution", Applied Statistics 28 (1979), computed in double precision.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.VonMises(0.0, 1.0).log_prob(torch.tensor(0.0))
        tensor(-1.0738)
    """

    arg_constraints: ClassVar[Any] = {"loc": constraints.real, "concentration": constraints.positive}
    support: ClassVar[Any] = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        c = self.concentration
        return 1 - (_log_modified_bessel_fn(c, order=1) - _log_modified_bessel_fn(c, order=0)).exp()

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        height = self.concentration * cos(value - self.loc)
        return height - math.log(2 * math.pi) - _log_modified_bessel_fn(self.concentration)

    @lazy_property
    def _proposal_r(self) -> Any:
        c = self.concentration.to(float64)
        tau = 1 + (1 + 4 * c**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * c)
        # The limit for small concentrations, where the digits of rho cancel.
        return where(c < 1e-5, 1 / c + c, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            loc, c = self.loc.to(float64), self.concentration.to(float64)
            r = self._proposal_r
            angles = empty(shape, dtype=float64)
            done = zeros(shape, dtype=bool_)
            while not done.all():
                u1, u2, u3 = rand((3, *shape), dtype=float64).unbind()
                z = cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                slack = c * (r - f)
                accepted = (slack * (2 - slack) - u2 > 0) | (log(slack / u2) + 1 - slack >= 0)
                # What was accepted before is replaced as well, as PyTorch does.
                angles = where(accepted, (u3 - 0.5).sign() * f.acos(), angles)
                done = done | accepted
            return ((angles + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
