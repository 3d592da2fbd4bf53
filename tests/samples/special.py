"""torch.special: Bessel functions and their kin, the normal distribution, orthogonal polynomials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .case import BOOL, FLOATS, INTS, REAL, REALS, Const, Make, OpCase, S, Sample, Samples, V
from .unary import unary

FULL = REAL + INTS + BOOL
# float32 results of PyTorch's own approximations, of sums of large terms and near zeros.
ROUGH = {
    "float16": (4e-3, 1e-3),
    "bfloat16": (5e-2, 2e-3),
    "float32": (5e-5, 5e-6),
    "float64": (1e-6, 1e-6),
}


def special(name: str, dtypes: tuple[str, ...] = FULL, **flags: Any) -> OpCase:
    """A case for a function of one tensor of torch.special: no in-place form, `out=`."""
    return unary(f"special.{name}", dtypes, **{"inplace": False, "tolerance": ROUGH, **flags})


def bessel(name: str, **flags: Any) -> OpCase:
    """A case for a function that PyTorch does not differentiate: see `docs/derivatives.md`."""
    return special(name, **{"grad": False, "numeric": False, **flags})


def _pairs(low: float, high: float) -> Samples:
    def samples(make: Make) -> Iterator[Sample]:
        yield S(make(3, 4, low=low, high=high), make(3, 4, low=low, high=high))
        yield S(make(4, 3, low=low, high=high, layout="t"), make(3, low=low, high=high))
        yield S(make(low=low, high=high), make(2, low=low, high=high))
        yield V(make(0, 3, low=low, high=high), make(3, low=low, high=high))

    return samples


def _polynomials(make: Make) -> Iterator[Sample]:
    yield V(make(4, 3, low=-0.9, high=0.9), Const(make(4, 3, low=0, high=9)))
    yield V(make(3, 4, low=-2, high=2, layout="t"), Const(make(4, low=-1, high=5)))
    yield V(make(low=-2, high=2), 3)
    yield V(make.given(-1, 1, 0), 12)
    yield V(make(0, 2), 2)


def polynomial(name: str) -> OpCase:
    """A case for a family of polynomials, whose degree is a tensor."""
    return OpCase(
        f"special.{name}", _polynomials, REAL + INTS, grad=False, numeric=False, out=True, tolerance=ROUGH
    )


def _mvlgamma(make: Make) -> Iterator[Sample]:
    yield S(make(3, 4, low=2.5, high=6), 2)
    yield S(make(4, 3, low=2.5, high=6, layout="t"), 3)
    yield S(make(low=2.5, high=6), 1)
    yield V(make(0, 2, low=2.5, high=6), 2)


CASES = [
    special("i0e", REALS + BOOL),
    special("i1e", REALS + BOOL, low=0.2, high=3.0),
    special("erfcx"),
    special("ndtr", REALS + BOOL, grad_fn=False),
    special("ndtri", low=0.1, high=0.9),
    special("log_ndtr"),
    special("entr", REALS + BOOL, low=0.2, high=3.0),
    OpCase("special.xlog1py", _pairs(0.2, 2.0), REALS + BOOL, out=True),
    OpCase("mvlgamma", _mvlgamma, FLOATS, inplace=True, grad_fn=False, tolerance=ROUGH),
    bessel("airy_ai", extreme=False),
    bessel("bessel_j0", extreme=False),
    bessel("bessel_j1", extreme=False),
    bessel("bessel_y0", low=0.2, high=4.0, extreme=False),
    bessel("bessel_y1", low=0.2, high=4.0, extreme=False),
    bessel("modified_bessel_i0"),
    bessel("modified_bessel_i1"),
    bessel("modified_bessel_k0", low=0.2, high=4.0),
    bessel("modified_bessel_k1", low=0.2, high=4.0),
    bessel("scaled_modified_bessel_k0", low=0.2, high=4.0),
    bessel("scaled_modified_bessel_k1", low=0.2, high=4.0),
    bessel("spherical_bessel_j0"),
    *(
        polynomial(name)
        for name in (
            "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v",
            "chebyshev_polynomial_w", "hermite_polynomial_h", "hermite_polynomial_he",
            "laguerre_polynomial_l", "legendre_polynomial_p", "shifted_chebyshev_polynomial_t",
            "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
            "shifted_chebyshev_polynomial_w",
        )
    ),
]  # fmt: skip
