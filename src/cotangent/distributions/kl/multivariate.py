"""Divergences of normal vectors.

Source: (log det Q - log det P + tr(Q^-1 P) + (m - l)^T Q^-1 (m - l) - n) / 2 for normal vectors of means l, m
and covariances P, Q; covariances of low rank by the Woodbury formula and the matrix determinant lemma.
"""

from __future__ import annotations

from typing import Any

from ...functions import diag_embed
from ...linalg import solve_triangular
from ..lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    lowrank_log_det,
    lowrank_mahalanobis,
    scaled_factor,
)
from ..multivariate_normal import MultivariateNormal, half_log_det, mahalanobis
from .registry import register_kl

__all__: list[str] = []


def _squares(matrices: Any) -> Any:
    """tr(A A^T), the sum of the squares of a matrix."""
    return matrices.pow(2).sum((-2, -1))


def _same_size(p: Any, q: Any, kind: str) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two {kind} with {' ' * 24} different event shapes cannot be computed"
        )


def _solved(q: Any, matrices: Any) -> Any:
    """L^-1 A for the factor L of q's covariance."""
    return solve_triangular(q._unbroadcasted_scale_tril, matrices, upper=False)


@register_kl(MultivariateNormal, MultivariateNormal)
def _kl_multivariatenormal_multivariatenormal(p: Any, q: Any) -> Any:
    _same_size(p, q, "Multivariate Normals")
    own, other = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    distance = mahalanobis(other, q.loc - p.loc)
    spread = _squares(_solved(q, own)) + distance - p.event_shape[0]
    return half_log_det(other) - half_log_det(own) + 0.5 * spread


def _lowrank_terms(q: Any, p: Any) -> tuple[Any, Any]:
    """log det and the distance of the means under a covariance of low rank."""
    parts = q._parts_of_covariance()
    return lowrank_log_det(*parts), lowrank_mahalanobis(parts[0], parts[1], q.loc - p.loc, parts[2])


def _small_solved(q: Any) -> Any:
    """A with A^T A = D^-1 W (I + W^T D^-1 W)^-1 W^T D^-1, what the Woodbury formula takes off D^-1."""
    factor, diagonal, capacitance = q._parts_of_covariance()
    return solve_triangular(capacitance, scaled_factor(factor, diagonal), upper=False)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _kl_lowrankmultivariatenormal_lowrankmultivariatenormal(p: Any, q: Any) -> Any:
    _same_size(p, q, "Low Rank Multivariate Normals")
    log_det, distance = _lowrank_terms(q, p)
    log_det = log_det - lowrank_log_det(*p._parts_of_covariance())
    own, own_diagonal, _ = p._parts_of_covariance()
    diagonal = q._unbroadcasted_cov_diag
    solved = _small_solved(q)
    trace = (own_diagonal / diagonal).sum(-1) + _squares(own * diagonal.rsqrt().unsqueeze(-1))
    less = _squares(solved * own_diagonal.sqrt().unsqueeze(-2)) + _squares(solved.matmul(own))
    return 0.5 * (log_det + trace - less + distance - p.event_shape[0])


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _kl_multivariatenormal_lowrankmultivariatenormal(p: Any, q: Any) -> Any:
    _same_size(p, q, "(Low Rank) Multivariate Normals")
    own = p._unbroadcasted_scale_tril
    log_det, distance = _lowrank_terms(q, p)
    log_det = log_det - 2 * half_log_det(own)
    trace = _squares(own * q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1))
    less = _squares(_small_solved(q).matmul(own))
    return 0.5 * (log_det + trace - less + distance - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _kl_lowrankmultivariatenormal_multivariatenormal(p: Any, q: Any) -> Any:
    _same_size(p, q, "(Low Rank) Multivariate Normals")
    factor, diagonal, _ = p._parts_of_covariance()
    log_det = 2 * half_log_det(q._unbroadcasted_scale_tril) - lowrank_log_det(*p._parts_of_covariance())
    distance = mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    trace = _squares(_solved(q, factor)) + _squares(_solved(q, diag_embed(diagonal.sqrt())))
    return 0.5 * (log_det + trace + distance - p.event_shape[0])
