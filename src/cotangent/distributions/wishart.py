"""Random covariance matrices."""

from __future__ import annotations

import math
import warnings
from numbers import Number
from typing import Any, ClassVar

from ..dtypes import finfo
from ..functions import (
    arange,
    broadcast_shapes,
    cholesky_solve,
    digamma,
    eye,
    mvlgamma,
    randn,
    tensor,
    tril_indices,
    where,
)
from ..linalg import cholesky, slogdet
from ..size import Size
from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import factor_of_precision, half_log_det
from .utils import lazy_property

__all__ = ["Wishart"]


def _mvdigamma(x: Any, p: int) -> Any:
    """The derivative of `mvlgamma`."""
    if not (x > (p - 1) / 2).all():
        raise AssertionError("Wrong domain for multivariate digamma function.")
    return digamma(x.unsqueeze(-1) - arange(p, dtype=x.dtype) / 2).sum(-1)


class Wishart(
    ExponentialFamily,
    parameters="covariance_matrix precision_matrix scale_tril",
    parts="_dist_chi2",
):
    """The sum of `df` products x x^T of normal vectors, also for numbers that are not integers.

    Args:
        df: the degrees of freedom, more than n - 1.
        covariance_matrix: that of the vectors, of shape (..., n, n).
        precision_matrix: its inverse.
        scale_tril: its lower Cholesky factor, with a positive diagonal; one of the three is given.
        validate_args: whether parameters and values are checked.

    Raises:
        AssertionError: if not exactly one matrix is given.
        ValueError: if `df` is too small or a matrix is not allowed.

    Source: log density (df - n - 1)/2 log det X - tr(C^-1 X)/2 - df n/2 log 2 - df/2 log det C -
    log Gamma_n(df/2); sampling by M. S. Bartlett's decomposition (Proc. R. Soc. Edinburgh 53, 1933): the
    factor of X has independent chi numbers on the diagonal and normal numbers below.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Wishart(torch.tensor(3.0), torch.eye(2)).mean
        tensor([[3., 0.],
                [0., 3.]])
    """

    support: ClassVar[Any] = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> Any:
        """The least `df` depends on the size of the matrices."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, m) for name, m in matrices.items() if m is not None]
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch dimensions"
            )
        n = matrix.shape[-1]
        batch_shape: Any = Size(matrix.shape[:-2])
        if isinstance(df, Number):
            self.df = tensor(df, dtype=matrix.dtype)
        else:
            batch_shape = broadcast_shapes(batch_shape, df.shape)
            self.df = df.expand(batch_shape)
        if (self.df <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        if (self.df < n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        super().__init__(batch_shape, matrix.shape[-2:], validate_args=validate_args)
        if name == "covariance_matrix":
            matrix = cholesky(matrix)
        elif name == "precision_matrix":
            matrix = factor_of_precision(matrix)
        self._unbroadcasted_scale_tril = matrix
        steps = arange(n, dtype=matrix.dtype).expand((*batch_shape, -1))
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - steps)

    def _expand_into(self, new: Any, shape: Size) -> None:
        super()._expand_into(new, shape)
        new.df = self.df.expand(shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand((*shape, *self._event_shape))

    def _whole(self, matrix: Any) -> Any:
        return matrix.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance of the vectors."""
        factor = self._unbroadcasted_scale_tril
        return self._whole(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._whole(cholesky_solve(eye(self._event_shape[-1], dtype=factor.dtype), factor))

    def _degrees(self, df: Any) -> Any:
        return df.expand(self._batch_shape).unsqueeze(-1).unsqueeze(-1)

    @property
    def mean(self) -> Any:
        return self._degrees(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Any:
        above = self.df - self._event_shape[-1] - 1
        return self._degrees(where(above <= 0, math.nan, above)) * self.covariance_matrix

    @property
    def variance(self) -> Any:
        covariance = self.covariance_matrix
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._degrees(self.df) * (covariance.pow(2) + products)

    def _bartlett_sampling(self, sample_shape: Any = ()) -> Any:
        n = self._event_shape[-1]
        squares = self._dist_chi2.rsample(sample_shape)
        diagonal = squares.sqrt().clamp(min=finfo(squares.dtype).eps)
        noise = diagonal.diag_embed(dim1=-2, dim2=-1)
        rows, columns = tril_indices(n, n, offset=-1)
        below = (*sample_shape, *self._batch_shape, n * (n - 1) // 2)
        noise[..., rows, columns] = randn(below, dtype=noise.dtype)
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Any:
        """Random matrices that gradients flow through to the parameters.

        Args:
            sample_shape: shape of the array of samples.
            max_try_correction: how often singular ones are drawn anew; 10 if not given.
        """
        tries = 10 if max_try_correction is None else max_try_correction
        sample_shape = Size(sample_shape)
        sample = self._bartlett_sampling(sample_shape)
        # As in PyTorch, whose first check lacks a negation, regular samples are what is drawn anew.
        chosen = self._over_batch(self.support.check(sample))
        if chosen.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
            for _ in range(tries):
                again = self._bartlett_sampling(chosen[chosen].shape)
                sample[chosen] = again
                chosen[chosen.clone()] = self._over_batch(~self.support.check(again))
                if not chosen.any():
                    break
        return sample

    def _over_batch(self, mask: Any) -> Any:
        """Whether anything in the batch is true, for each sample."""
        dims = tuple(range(-len(self._batch_shape), 0))
        return mask.amax(dims) if dims else mask

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        nu, n, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        trace = cholesky_solve(value, factor).diagonal(dim1=-2, dim2=-1).sum(-1)
        scale = -nu * (n * math.log(2) / 2 + half_log_det(factor)) - mvlgamma(nu / 2, n)
        return scale + (nu - n - 1) / 2 * slogdet(value).logabsdet - trace / 2

    def entropy(self) -> Any:
        nu, n = self.df, self._event_shape[-1]
        size = (n + 1) * (n * math.log(2) / 2 + half_log_det(self._unbroadcasted_scale_tril))
        shape = mvlgamma(nu / 2, n) - (nu - n - 1) / 2 * _mvdigamma(nu / 2, n)
        return size + shape + nu * n / 2

    @property
    def _natural_params(self) -> Any:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        n = self._event_shape[-1]
        power = y + (n + 1) / 2
        return power * (n * math.log(2) - slogdet(-2 * x).logabsdet) + mvlgamma(power, n)
