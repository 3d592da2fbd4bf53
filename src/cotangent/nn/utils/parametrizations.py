"""Parametrizations that come with the library: orthogonal matrices, weight and spectral normalisation."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ...autograd.modes import no_grad
from ...dtypes import finfo
from ...functions import add, allclose, cat, eye, mv, randn, vdot, zeros_like
from ...linalg import householder_product, matrix_exp, solve
from ...ops.qr import geqrf
from ...ops.renorm import norm_except_dim
from ...tensor import Tensor
from .. import functional as F
from ..modules.module import Module
from ._norms import matrix_of, usual_dim, weight_norm_of
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _is_orthogonal(q: Any) -> bool:
    n, m = q.size(-2), q.size(-1)
    identity = eye(m, dtype=q.dtype)
    return bool(allclose(q.mH @ q, identity, atol=10.0 * n * finfo(q.dtype).eps))


def _made_orthogonal(a: Any) -> Any:
    """The orthogonal factor of a QR decomposition, with the signs that make the other factor's diagonal
    positive."""
    packed, tau = geqrf(a)
    signs = packed.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
    return householder_product(packed, tau) * signs


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """An orthogonal matrix, or one with orthonormal rows or columns, from any matrix.

    Source: https://arxiv.org/abs/1901.08428, and https://arxiv.org/abs/1909.09501 for the trivialization
    """

    base: Any

    def __init__(self, weight: Any, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map is _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        turned = X.size(-2) < X.size(-1)
        if turned:
            X = X.mT
        n, m = X.size(-2), X.size(-1)
        if self.orthogonal_map is _OrthMaps.householder:
            a = X.tril(diagonal=-1)
            tau = 2.0 / (1.0 + (a * a).sum(dim=-2))
            q = householder_product(a, tau)
            q = q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            X = X.tril()
            if n != m:
                X = cat([X, X.new_zeros(n, n - m).expand(*X.shape[:-2], -1, -1)], -1)
            a = X - X.mH
            if self.orthogonal_map is _OrthMaps.matrix_exp:
                q = matrix_exp(a)
            else:
                identity = eye(n, dtype=a.dtype)
                q = solve(add(identity, a, alpha=-0.5), add(identity, a, alpha=0.5))
            if n != m:
                q = q[..., :m]
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if turned else q

    def right_inverse(self, Q: Any) -> Any:
        """What to train from so that the result is Q, or the orthogonal matrix nearest to it in a sense."""
        with no_grad():
            return self._inverse(Q)

    def _inverse(self, Q: Any) -> Any:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape "
                f"{Q.shape}."
            )
        given = Q
        turned = Q.size(-2) < Q.size(-1)
        if turned:
            Q = Q.mT
        n, m = Q.size(-2), Q.size(-1)
        if not hasattr(self, "base"):
            if self.orthogonal_map is not _OrthMaps.householder:
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                    "when use_trivialization=False."
                )
            a, tau = geqrf(Q)
            diagonal = a.diagonal(dim1=-2, dim2=-1)
            diagonal.sign_()
            diagonal[tau == 0.0] *= -1
            return a.mT if turned else a
        if n == m:
            Q = Q.clone() if _is_orthogonal(Q) else _made_orthogonal(Q)
        else:
            more = randn((*Q.size()[:-2], n, n - m), dtype=Q.dtype)
            Q = _made_orthogonal(cat([Q, more], -1))
        self.base = Q
        found: Any = zeros_like(given)
        found.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return found


def _tensor_of(module: Module, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a matrix orthogonal (its shorter side orthonormal) while it is trained.

    Args:
        module: whose matrix it is.
        name: its name.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square matrices and
            the last for others.
        use_trivialization: whether the map is around the matrix as it is now, so that it can be assigned to.

    Returns:
        The module.

    Raises:
        ValueError: if there is no such matrix or map.

    Source: https://arxiv.org/abs/1901.08428

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
        >>> torch.allclose(net.weight @ net.weight.T, torch.eye(3), atol=1e-5)
        True
    """
    weight = _tensor_of(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1) or weight.is_complex()
        orthogonal_map = "matrix_exp" if square else "householder"
    chosen = getattr(_OrthMaps, orthogonal_map, None)
    if chosen is None:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


class _WeightNorm(Module):
    """A tensor from its norms and its direction."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return weight_norm_of(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """Norms and direction of a tensor."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the norms of a tensor apart from its direction.

    Args:
        module: whose tensor it is.
        name: its name.
        dim: the dimension along which each slice has a norm of its own; None for one norm of all.

    Returns:
        The module.

    Source: https://arxiv.org/abs/1602.07868

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
        >>> net.parametrizations.weight.original0.shape
        torch.Size([40, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_older_names(state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        older = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in older):
            for i, key in enumerate(older):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(take_older_names)
    return module


class _SpectralNorm(Module):
    """A tensor divided by its largest singular value, which power iteration keeps track of."""

    _u: Any
    _v: Any

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        n = weight.ndim
        if not -n <= dim < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % n
        self.eps = eps
        if n > 1:
            self.n_power_iterations = n_power_iterations
            matrix = matrix_of(weight, self.dim)
            u, v = (matrix.new_empty(size).normal_(0, 1) for size in matrix.size())
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Any, n_power_iterations: int) -> None:
        with no_grad():
            for _ in range(n_power_iterations):
                self._u = F.normalize(mv(matrix, self._v), dim=0, eps=self.eps, out=self._u)
                self._v = F.normalize(mv(matrix.mH, self._u), dim=0, eps=self.eps, out=self._v)

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = matrix_of(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: the next forward pass writes into the buffers.
        return weight / vdot(self._u.clone(), mv(matrix, self._v.clone()))

    def right_inverse(self, value: Any) -> Any:
        """The value itself."""
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a tensor by its largest singular value.

    Args:
        module: whose tensor it is.
        name: its name.
        n_power_iterations: steps of power iteration in each forward pass in training.
        eps: kept away from 0 by this much when vectors are normalised.
        dim: dimension of the outputs.

    Returns:
        The module.

    Raises:
        ValueError: if there is no such tensor, or for a number of steps that is not positive.

    Source: https://arxiv.org/abs/1802.05957

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(20, 40))
        >>> bool(torch.linalg.matrix_norm(net.weight, 2) < 1.1)
        True
    """
    weight = _tensor_of(module, name)
    made = _SpectralNorm(weight, n_power_iterations, usual_dim(module, dim), eps)
    return register_parametrization(module, name, made)
