"""Normal vectors whose covariance is a diagonal and few directions more."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..functions import broadcast_tensors, diag_embed, eye, matmul, randn
from ..linalg import cholesky, solve_triangular
from . import constraints
from .distribution import Distribution
from .multivariate_normal import half_log_det, mahalanobis, matrix_times
from .utils import lazy_property

__all__ = ["LowRankMultivariateNormal"]


def scaled_factor(factor: Any, diagonal: Any) -> Any:
    """W^T D^-1."""
    return factor.mT / diagonal.unsqueeze(-2)


def _capacitance_factor(factor: Any, diagonal: Any) -> Any:
    """The Cholesky factor of I + W^T D^-1 W, a small matrix that stands for the large one."""
    small = matmul(scaled_factor(factor, diagonal), factor)
    return cholesky(small + eye(small.shape[-1], dtype=small.dtype))


def lowrank_log_det(factor: Any, diagonal: Any, capacitance: Any) -> Any:
    """log det (W W^T + D), by the matrix determinant lemma."""
    return 2 * half_log_det(capacitance) + diagonal.log().sum(-1)


def lowrank_mahalanobis(factor: Any, diagonal: Any, vectors: Any, capacitance: Any) -> Any:
    """x^T (W W^T + D)^-1 x, by the Woodbury formula."""
    inner = matrix_times(scaled_factor(factor, diagonal), vectors)
    return (vectors.pow(2) / diagonal).sum(-1) - mahalanobis(capacitance, inner)


class LowRankMultivariateNormal(
    Distribution,
    parameters="loc cov_factor cov_diag variance scale_tril covariance_matrix precision_matrix",
    carried="_unbroadcasted_cov_factor _unbroadcasted_cov_diag _capacitance_tril",
):
    """Normal vectors with the covariance W W^T + D, for few columns W and a diagonal D.

    Args:
        loc: the mean, of shape (..., n).
        cov_factor: W, of shape (..., n, rank).
        cov_diag: the diagonal of D, of shape (..., n).
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if the shapes do not fit, or the diagonal is not positive.

    Source: the inverse by the Woodbury formula, the determinant by the matrix determinant lemma, both from
    the Cholesky factor of I + W^T D^-1 W.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> d.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2)).covariance_matrix
        tensor([[2., 1.],
                [1., 2.]])
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support: ClassVar[Any] = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions"
            )
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m")
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        try:
            centre, self.cov_factor, diagonal = broadcast_tensors(
                loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1)
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, "
                f"cov_diag {cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = centre[..., 0], diagonal[..., 0]
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        self._capacitance_tril = _capacitance_factor(cov_factor, cov_diag)
        super().__init__(self.loc.shape[:-1], event_shape, validate_args=validate_args)

    def _whole(self, matrix: Any) -> Any:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """The variances of the entries."""
        found = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return found.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        inner = matmul(scaled, scaled.mT) + eye(self._event_shape[0], dtype=scaled.dtype)
        return self._whole(root * cholesky(inner))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        factor = self._unbroadcasted_cov_factor
        return self._whole(matmul(factor, factor.mT) + diag_embed(self._unbroadcasted_cov_diag))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        diagonal = self._unbroadcasted_cov_diag
        scaled = scaled_factor(self._unbroadcasted_cov_factor, diagonal)
        solved = solve_triangular(self._capacitance_tril, scaled, upper=False)
        return self._whole(diag_embed(diagonal.reciprocal()) - solved.mT @ solved)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape: Any = self._extended_shape(sample_shape)
        d = self.loc.dtype
        along = randn((*shape[:-1], self.cov_factor.shape[-1]), dtype=d)
        each = randn(shape, dtype=d)
        few = matrix_times(self._unbroadcasted_cov_factor, along)
        return self.loc + few + self._unbroadcasted_cov_diag.sqrt() * each

    def _parts_of_covariance(self) -> tuple[Any, Any, Any]:
        return self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag, self._capacitance_tril

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        factor, diagonal, capacitance = self._parts_of_covariance()
        distance = lowrank_mahalanobis(factor, diagonal, value - self.loc, capacitance)
        log_det = lowrank_log_det(factor, diagonal, capacitance)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + log_det + distance)

    def entropy(self) -> Any:
        log_det = lowrank_log_det(*self._parts_of_covariance())
        found = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + log_det)
        return found.expand(self._batch_shape)
