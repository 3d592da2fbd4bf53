"""Normal vectors."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ..functions import broadcast_shapes, cholesky_inverse, eye, flip, matmul, randn
from ..linalg import cholesky, solve_triangular
from . import constraints
from .distribution import Distribution
from .utils import lazy_property

__all__ = ["MultivariateNormal"]


def matrix_times(matrices: Any, vectors: Any) -> Any:
    """The products of matrices (..., n, m) with vectors (..., m)."""
    return matmul(matrices, vectors.unsqueeze(-1)).squeeze(-1)


def mahalanobis(factors: Any, vectors: Any) -> Any:
    """The squared lengths of L^-1 x, for factors L (batch, n, n) and vectors x (sample, batch, n).

    The sample dimensions are solved for as columns, so that a factor is read once for all of them.
    """
    samples = max(vectors.dim() + 1 - factors.dim(), 0)
    sample_shape = vectors.shape[:samples]
    columns = vectors.reshape((-1, *vectors.shape[samples:])).movedim(0, -1)
    squares = solve_triangular(factors, columns, upper=False).pow(2).sum(-2)
    return squares.movedim(-1, 0).reshape((*sample_shape, *squares.shape[:-1]))


def half_log_det(factors: Any) -> Any:
    """log det L, half of log det (L L^T)."""
    return factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def factor_of_precision(precision: Any) -> Any:
    """The lower factor L of the covariance P^-1: P, turned by half, is factored, turned back and inverted."""
    turned = flip(cholesky(flip(precision, (-2, -1))), (-2, -1)).mT
    return solve_triangular(turned, eye(precision.shape[-1], dtype=precision.dtype), upper=False)


_COVARIANCES = ("covariance_matrix", "precision_matrix", "scale_tril")


class MultivariateNormal(
    Distribution,
    parameters="loc covariance_matrix precision_matrix scale_tril",
    carried="_unbroadcasted_scale_tril",
):
    """Normal vectors with correlated entries.

    Args:
        loc: the mean, of shape (..., n).
        covariance_matrix: (..., n, n), positive definite.
        precision_matrix: its inverse.
        scale_tril: its lower Cholesky factor, with a positive diagonal; one of the three is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: if not exactly one matrix is given, it has too few dimensions, or is not allowed.

    Source: density exp(-(x - m)^T C^-1 (x - m) / 2) / sqrt((2 pi)^n det C).

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    arg_constraints: ClassVar[Any] = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support: ClassVar[Any] = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        matrices = (covariance_matrix, precision_matrix, scale_tril)
        given = [(n, m) for n, m in zip(_COVARIANCES, matrices, strict=True) if m is not None]
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given
        if matrix.dim() < 2:
            called = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(
                f"{called} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch_shape = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        self.loc = loc.expand((*batch_shape, -1))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        if name == "precision_matrix":
            matrix = factor_of_precision(matrix)
        elif name == "covariance_matrix":
            matrix = cholesky(matrix)
        self._unbroadcasted_scale_tril = matrix

    def _whole(self, matrix: Any) -> Any:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._whole(matmul(factor, factor.mT))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return self._whole(cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + matrix_times(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        factor = self._unbroadcasted_scale_tril
        distance = mahalanobis(factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det(factor)

    def entropy(self) -> Any:
        own = half_log_det(self._unbroadcasted_scale_tril)
        return (0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + own).expand(self._batch_shape)
