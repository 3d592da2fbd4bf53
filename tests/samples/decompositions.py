"""Factorisations of matrices, systems of equations, determinants, norms, distances.

Every sample is a plain random matrix that the case's call makes positive-definite, regular or Hermitian: so
the rearrangements that the tests of vmap and tracing make are within the operator's domain. Of results that
are determined up to a sign or a phase, what does not depend on it is compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from .case import COMPLEX, REAL, Const, Make, OpCase, S, Sample, Samples, V

EXACT = REAL + COMPLEX
LOOSE = {
    "float32": (5e-4, 2e-4),
    "complex64": (5e-4, 2e-4),
    "float64": (1e-7, 1e-9),
    "complex128": (1e-7, 1e-9),
}
Call = Callable[..., Any]


def drawn(
    *given: tuple[tuple[int, ...], ...], empty: tuple[tuple[tuple[int, ...], ...], ...] = ()
) -> Samples:
    """Samples from the operands' shapes; the first again transposed in memory; empty ones for values only."""

    def samples(make: Make) -> Iterator[Sample]:
        for operands in given:
            yield S(*(make(*shape, low=-1.0, high=1.0) for shape in operands))
        yield S(*(make(*s, low=-1.0, high=1.0, layout="t" if len(s) > 1 else "step") for s in given[0]))
        for operands in empty:
            yield V(*(make(*shape) for shape in operands))

    return samples


def square(*sizes: tuple[int, ...]) -> Samples:
    """Samples of one square matrix, and of batches of them; empty ones among them."""
    return drawn(*((size,) for size in sizes), empty=(((0, 0),), ((0, 2, 2),), ((2, 0, 0),)))


def eye(xp: Any, a: Any) -> Any:
    """The unit matrix of the size and dtype of `a`."""
    return xp.eye(a.shape[-1], dtype=a.dtype)


def definite(xp: Any, a: Any) -> Any:
    """A Hermitian positive-definite matrix."""
    return a @ a.mH + 2.0 * eye(xp, a)


def regular(xp: Any, a: Any) -> Any:
    """A matrix whose inverse is small."""
    return a + 3.0 * eye(xp, a)


def hermitian(xp: Any, a: Any) -> Any:
    """A Hermitian matrix."""
    return a + a.mH


def weighted(xp: Any, u: Any) -> Any:
    """The columns of `u` without their signs or phases: a weighted sum of their projections."""
    weights = xp.arange(1, u.shape[-1] + 1).to(u.dtype)
    return (u * weights) @ u.mH


def case(name: str, samples: Samples, call: Call, **flags: Any) -> OpCase:
    """A case in the four dtypes LAPACK has."""
    return OpCase(name, samples, EXACT, call=call, **{"tolerance": LOOSE, "grad_fn": False, **flags})


def on(path: str, prepare: Call) -> Call:
    """`torch.PATH` of a prepared matrix and the rest of the arguments as they are."""

    def call(xp: Any, a: Any, *rest: Any, **keywords: Any) -> Any:
        function = xp
        for part in path.split("."):
            function = getattr(function, part)
        return function(prepare(xp, a), *rest, **keywords)

    return call


def _triangular(make: Make) -> Iterator[Sample]:
    a, b = make(2, 2, low=-1.0, high=1.0), make(2, 1)
    yield S(a, b, upper=True)
    yield S(make(3, 3, low=-1.0, high=1.0), make(3, 2), upper=False)
    yield S(a, make(1, 2), upper=True, left=False)
    yield S(a, b, upper=False, unitriangular=True)
    yield S(make(2, 1, 2, 2, low=-1.0, high=1.0), make(3, 2, 1), upper=True)
    yield V(make(0, 0), make(0, 2), upper=True)


def _cholesky(make: Make) -> Iterator[Sample]:
    yield from square((2, 2), (3, 3), (2, 2, 2))(make)
    yield S(make(2, 2), upper=True)


def _cholesky_solve(xp: Any, b: Any, a: Any, upper: bool = False, **keywords: Any) -> Any:
    factor = xp.linalg.cholesky(definite(xp, a), upper=upper)
    return xp.cholesky_solve(b, factor, upper, **keywords)


def _cholesky_inverse(xp: Any, a: Any, upper: bool = False, **keywords: Any) -> Any:
    return xp.cholesky_inverse(xp.linalg.cholesky(definite(xp, a), upper=upper), upper, **keywords)


def _with_upper(*given: tuple[tuple[int, ...], ...]) -> Samples:
    def samples(make: Make) -> Iterator[Sample]:
        yield from drawn(*given)(make)
        yield S(*(make(*shape) for shape in given[0]), upper=True)

    return samples


def _lu_solve(xp: Any, a: Any, b: Any, **keywords: Any) -> Any:
    return xp.linalg.lu_solve(*xp.linalg.lu_factor(regular(xp, a)), b, **keywords)


def _lu_solves(make: Make) -> Iterator[Sample]:
    for left in (True, False):
        for adjoint in (False, True):
            yield S(make(2, 2, low=-1.0, high=1.0), make(2, 2), left=left, adjoint=adjoint)
    yield S(make(2, 2, 2, low=-1.0, high=1.0), make(1, 2, 3))


def _lu_unpack(xp: Any, a: Any) -> Any:
    # The pivots are those of a fixed matrix: rearranged elements would have others.
    return xp.lu_unpack(a, xp.linalg.lu_factor(xp.ones(a.shape, dtype=a.dtype).triu())[1])


def _solves(make: Make) -> Iterator[Sample]:
    a = make(3, 3, low=-1.0, high=1.0)
    yield S(a, make(3, 2))
    yield S(a, make(3))
    yield S(a, make(2, 3), left=False)
    yield S(make(2, 2, 2, low=-1.0, high=1.0), make(2, 2))
    yield S(make(2, 1, 2, 2, low=-1.0, high=1.0, layout="t"), make(3, 2, 1))
    yield V(make(0, 0), make(0, 2))
    yield V(make(0, 2, 2), make(2, 1))


def _eigh(xp: Any, a: Any, **keywords: Any) -> Any:
    values, vectors = xp.linalg.eigh(hermitian(xp, a), **keywords)
    return values, weighted(xp, vectors)


def _eig(xp: Any, a: Any) -> Any:
    values, vectors = xp.linalg.eig(a)
    # In no order of the eigenvalues.
    return (vectors * values.unsqueeze(-2)) @ vectors.mH, (values**2).sum(-1)


def _svd(xp: Any, a: Any, full_matrices: bool = False) -> Any:
    u, s, vh = xp.linalg.svd(a, full_matrices)
    left, right = u[..., : s.shape[-1]], vh[..., : s.shape[-1], :]
    return weighted(xp, left), s, weighted(xp, right.mH), (left * s.unsqueeze(-2)) @ right


def _old_svd(xp: Any, a: Any) -> Any:
    u, s, v = xp.svd(a)
    return weighted(xp, u), s, weighted(xp, v)


RECTANGLES = drawn(((3, 2),), ((2, 3),), ((2, 2),), ((2, 3, 2),), empty=(((0, 3),), ((3, 0),), ((0, 2, 3),)))


def _qrs(make: Make) -> Iterator[Sample]:
    yield from RECTANGLES(make)
    yield S(make(2, 3), mode="complete")
    yield V(make(3, 2), mode="r")
    yield V(make(3, 2), mode="complete")


def _reflections(make: Make) -> Iterator[Sample]:
    yield S(make(2, 1), make(1))
    yield S(make(3, 2), make(2))
    yield S(make(2, 2), make(2))
    yield S(make(2, 2, 2, low=-1.0, high=1.0), make(2, 2))
    yield V(make(3, 2), make(0))
    yield V(make(0, 0), make(0))


def _ormqrs(make: Make) -> Iterator[Sample]:
    for left in (True, False):
        for transpose in (False, True):
            yield S(make(2, 2), make(2), make(2, 2), left=left, transpose=transpose)
    yield S(make(3, 2), make(2), make(3, 1))
    yield S(make(2, 2, 2, low=-1.0, high=1.0), make(2, 2), make(2, 2, 1))


def _lstsqs(make: Make) -> Iterator[Sample]:
    yield S(make(3, 2), make(3, 2), driver="gelsd")
    yield S(make(2, 3), make(2, 2))
    yield S(make(3, 2), make(3))
    yield S(make(2, 3, 2), make(2, 3, 1), driver="gels")
    yield S(make(3, 2), make(3, 1), driver="gelss")
    yield V(make(0, 2), make(0, 1))


def _lstsq(xp: Any, a: Any, b: Any, **keywords: Any) -> Any:
    solution, residuals, *_ = xp.linalg.lstsq(a, b, **keywords)
    return solution, residuals


def _ldl(xp: Any, a: Any, b: Any, upright: bool = True) -> Any:
    factors = xp.linalg.ldl_factor((hermitian(xp, a) if upright else a + a.mT).detach(), hermitian=upright)
    return xp.linalg.ldl_solve(*factors, b, hermitian=upright)


def _ldls(make: Make) -> Iterator[Sample]:
    yield S(Const(make(3, 3)), make(3, 2))
    yield S(Const(make(3, 3)), make(3, 1), upright=False)
    yield S(Const(make(2, 2, 2)), make(2, 1))


def _pinvs(make: Make) -> Iterator[Sample]:
    yield from RECTANGLES(make)
    yield S(make(3, 2), rtol=1e-3)
    yield S(make(3, 2), atol=1e-3)


def _low_rank(xp: Any, a: Any) -> Any:
    return xp.linalg.pinv(a @ a.mH, rtol=1e-4)


def _matrix_norms(make: Make) -> Iterator[Sample]:
    for order in ("fro", "nuc", 2, -2, 1, -1, math.inf, -math.inf):
        yield S(make(2, 3, distinct=not make.complex), order)
    yield S(make(2, 3, 2), 2, dim=(0, 2), keepdim=True)
    yield S(make(2, 3, 2), 1, dim=(2, 0))
    yield S(make(2, 3, 2), "nuc", dim=(0, 1), keepdim=True)
    yield V(make(0, 3), 2)
    yield V(make(2, 0, 3), 1)


def _norms(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3))
    yield S(make(3), 3)
    yield S(make(2, 3), "nuc")
    yield S(make(2, 3), 1)
    yield S(make(2, 2, 2), 2, dim=(0, 2))
    yield S(make(2, 3), 1, dim=1, keepdim=True)


def _conds(make: Make) -> Iterator[Sample]:
    for order in (None, 2, -2):
        yield S(make(2, 2, low=-1.0, high=1.0), order)
    # PyTorch's own backward fails here: it wrote to what it had saved.
    for order in (1, -1, "fro", "nuc", math.inf):
        yield V(make(2, 2, low=-1.0, high=1.0), order)
    yield S(make(2, 2, 2, low=-1.0, high=1.0))


def _distances(make: Make) -> Iterator[Sample]:
    for p in (2.0, 1.0, 0.0, 3.0, 1.5, math.inf):
        yield S(make(3, 2), make(2, 2), p)
    yield S(make(2, 1, 2, 2), make(3, 2, 2))
    yield S(make(2, 2), make(3, 2), compute_mode="use_mm_for_euclid_dist")
    point = make(2, 2)
    yield V(point, point.copy())
    yield V(make(0, 2), make(3, 2))
    yield V(make(2, 0), make(3, 0))


def _pairs(make: Make) -> Iterator[Sample]:
    for p in (2.0, 1.0, 3.0, math.inf):
        yield S(make(4, 2), p)
    yield S(make(3, 2, layout="t"), 1.5)
    yield V(make(1, 2))
    yield V(make(0, 2))


def _covs(make: Make) -> Iterator[Sample]:
    yield S(make(2, 4))
    yield S(make(3))
    yield S(make(2, 3), correction=0)
    yield S(make(2, 3, layout="t"), fweights=make.given(1, 2, 3, dtype="int64"))
    yield S(make(2, 3), aweights=Const(make.given(0.5, 1.0, 2.0, dtype="float64")))


def _corrcoefs(make: Make) -> Iterator[Sample]:
    yield S(make(2, 4))
    yield S(make(3, 3, layout="t"))


def _renorms(make: Make) -> Iterator[Sample]:
    yield S(make(2, 3), 2, 0, 1.0)
    yield S(make(3, 2), 3, 1, 1.5)
    if not make.complex:  # PyTorch's gradient is nan
        yield S(make(2, 3, distinct=True), math.inf, 0, 0.5)
    yield S(make(2, 3), 1, 0, 100.0)
    yield S(make(2, 2, 2, layout="t"), 2, 1, 0.5)
    yield V(make(0, 2), 2, 0, 1.0)


def _tensorsolve(xp: Any, a: Any, b: Any, **keywords: Any) -> Any:
    whole = regular(xp, a.reshape(4, 4)).reshape(2, 2, 4)
    return xp.linalg.tensorsolve(whole, b, **keywords)


def _tensorinv(xp: Any, a: Any, **keywords: Any) -> Any:
    return xp.linalg.tensorinv(regular(xp, a.reshape(4, 4)).reshape(4, 2, 2), ind=1, **keywords)


def _vanders(make: Make) -> Iterator[Sample]:
    yield S(make(3))
    yield S(make(2, 2), N=4)


def _singular(make: Make) -> Iterator[Sample]:
    """Matrices of full rank, of rank n - 1 and n - 2, and zero."""
    yield from square((3, 3), (2, 2), (1, 1), (2, 2, 2))(make)
    column, row = make(3, 1), make(1, 3)
    yield S(column * row)
    yield S(column * row + make(3, 1) * make(1, 3))
    yield S(make(2, 2) * 0)


# Where the derivatives of a factorisation are large the two orders of a sum differ in more digits.
CASES = [
    case("linalg.cholesky", _cholesky, on("linalg.cholesky", definite), out=True),
    case("linalg.cholesky_ex", square((2, 2)), on("linalg.cholesky_ex", definite)),
    case("cholesky", square((2, 2)), on("cholesky", definite)),
    case("cholesky_inverse", _with_upper(((2, 2),), ((3, 3),), ((2, 2, 2),)), _cholesky_inverse),
    case(
        "cholesky_solve",
        _with_upper(((2, 1), (2, 2)), ((3, 2), (3, 3)), ((2, 2, 1), (2, 2))),
        _cholesky_solve,
    ),
    case("linalg.solve_triangular", _triangular, on("linalg.solve_triangular", regular)),
    case(
        "triangular_solve",
        drawn(((2, 1), (2, 2)), ((2, 2, 1), (2, 2))),
        lambda xp, b, a, **k: xp.triangular_solve(b, regular(xp, a), transpose=True, **k),
    ),
    case("linalg.lu", RECTANGLES, on("linalg.lu", lambda xp, a: a), out=True),
    case("linalg.lu_factor", square((2, 2), (3, 3), (2, 2, 2)), on("linalg.lu_factor", regular), out=True),
    case("linalg.lu_factor_ex", drawn(((3, 2),)), on("linalg.lu_factor_ex", lambda xp, a: a)),
    case("lu", square((2, 2)), on("lu", regular)),
    case("lu_unpack", drawn(((3, 3),), ((3, 2),), ((2, 3),), ((2, 2, 2),)), _lu_unpack),
    case("linalg.lu_solve", _lu_solves, _lu_solve, out=True),
    case("linalg.solve", _solves, on("linalg.solve", regular), out=True),
    case("linalg.solve_ex", _solves, on("linalg.solve_ex", regular)),
    case("linalg.inv", square((2, 2), (3, 3), (2, 2, 2)), on("linalg.inv", regular), out=True),
    case("linalg.inv_ex", square((2, 2)), on("linalg.inv_ex", regular)),
    case("inverse", square((2, 2)), on("inverse", regular), out=True),
    case("linalg.det", _singular, on("linalg.det", lambda xp, a: a), out=True),
    case("det", square((2, 2)), on("det", lambda xp, a: a)),
    case("linalg.slogdet", square((2, 2), (3, 3), (2, 2, 2)), on("linalg.slogdet", regular), out=True),
    case("slogdet", square((2, 2)), on("slogdet", regular)),
    case("logdet", square((2, 2), (3, 3), (2, 2, 2)), on("logdet", definite)),
    case("linalg.eigh", square((2, 2), (3, 3), (2, 2, 2)), _eigh),
    case("linalg.eigvalsh", square((3, 3)), on("linalg.eigvalsh", hermitian), out=True),
    case("linalg.eig", square((2, 2), (3, 3), (2, 2, 2)), _eig),
    case("linalg.svd", RECTANGLES, _svd),
    case("linalg.svd full", drawn(((2, 3),), ((3, 2),)), lambda xp, a: _svd(xp, a, True)),
    case("svd", drawn(((2, 3),)), _old_svd),
    case("linalg.svdvals", RECTANGLES, on("linalg.svdvals", lambda xp, a: a), out=True),
    case("linalg.qr", _qrs, on("linalg.qr", lambda xp, a: a)),
    case("qr", drawn(((3, 2),)), on("qr", lambda xp, a: a)),
    case(
        "geqrf", RECTANGLES, on("geqrf", lambda xp, a: a), grad=False
    ),  # PyTorch has no derivative; ours: tests/test_linalg.py
    case("linalg.householder_product", _reflections, on("linalg.householder_product", lambda xp, a: a)),
    case("ormqr", _ormqrs, on("ormqr", lambda xp, a: a)),
    case("linalg.lstsq", _lstsqs, _lstsq),
    case("linalg.ldl_solve", _ldls, _ldl, grad=False),
    case("linalg.pinv", _pinvs, on("linalg.pinv", lambda xp, a: a)),
    case(
        "linalg.pinv hermitian",
        square((3, 3)),
        lambda xp, a: xp.linalg.pinv(hermitian(xp, a), hermitian=True),
    ),
    case("linalg.pinv singular", drawn(((3, 2),)), _low_rank),
    case("pinverse", RECTANGLES, on("pinverse", lambda xp, a: a)),
    case(
        "linalg.matrix_rank",
        square((2, 2), (3, 3), (2, 2, 2)),
        on("linalg.matrix_rank", lambda xp, a: a),
        grad=False,
    ),
    case("matrix_exp", square((2, 2), (3, 3), (2, 2, 2)), on("matrix_exp", lambda xp, a: a)),
    case("linalg.matrix_norm", _matrix_norms, on("linalg.matrix_norm", lambda xp, a: a), out=True),
    case("linalg.norm", _norms, on("linalg.norm", lambda xp, a: a), out=True),
    case("norm nuc", drawn(((2, 3),)), lambda xp, a: xp.norm(a, "nuc")),
    case("linalg.cond", _conds, on("linalg.cond", regular)),
    case("linalg.tensorinv", drawn(((4, 4),)), _tensorinv),
    case("linalg.tensorsolve", drawn(((4, 4), (2, 2))), _tensorsolve),
    case("linalg.vander", _vanders, on("linalg.vander", lambda xp, a: a)),
    case("linalg.diagonal", RECTANGLES, on("linalg.diagonal", lambda xp, a: a)),
    # PyTorch has no second derivative of distances.
    OpCase("cdist", _distances, REAL, tolerance=LOOSE, grad_fn=False),
    OpCase("nn.functional.pdist", _pairs, REAL, tolerance=LOOSE),
    case("cov", _covs, on("cov", lambda xp, a: a)),
    case("corrcoef", _corrcoefs, on("corrcoef", lambda xp, a: a)),
    OpCase("renorm", _renorms, EXACT, inplace=True, out=True, tolerance=LOOSE),
]
