"""Transforms that act on the pieces of a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...functions import cat, stack
from .. import constraints
from ..utils import lazy_property, sum_rightmost
from .base import Transform

__all__ = ["CatTransform", "StackTransform"]


class _Pieces(Transform):
    """A transform for each piece of a tensor along a dimension."""

    def __init__(self, tseq: Sequence[Any], dim: int, cache_size: int) -> None:
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self) -> Any:
        """Whether all parts are one to one."""
        return all(t.bijective for t in self.transforms)

    def _expected(self) -> tuple[int, str]:
        """The size along the dimension, and its name in errors."""
        raise NotImplementedError

    def _check(self, value: Any, name: str, place: str) -> None:
        if not -value.dim() <= self.dim < value.dim():
            raise AssertionError(f"dim {self.dim} out of range for {place} with {value.dim()} dimensions")
        size, (wanted, called) = value.shape[self.dim], self._expected()
        if size != wanted:
            raise AssertionError(f"{name}.size({self.dim}) = {size} must equal {called} {wanted}")

    def _pieces(self, value: Any) -> Any:
        raise NotImplementedError

    def _joined(self, pieces: list[Any]) -> Any:
        raise NotImplementedError

    def _each(self, value: Any, name: str, apply: Callable[[Any, Any], Any]) -> Any:
        self._check(value, name, "tensor")
        return self._joined(
            [apply(t, piece) for t, piece in zip(self.transforms, self._pieces(value), strict=True)]
        )

    def _call(self, x: Any) -> Any:
        return self._each(x, "x", lambda t, piece: t(piece))

    def _inverse(self, y: Any) -> Any:
        return self._each(y, "y", lambda t, piece: t.inv(piece))

    def _determinants(self, x: Any, y: Any) -> list[Any]:
        self._check(x, "x", "x")
        self._check(y, "y", "y")
        pieces = zip(self.transforms, self._pieces(x), self._pieces(y), strict=True)
        return [t.log_abs_det_jacobian(of_x, of_y) for t, of_x, of_y in pieces]


class CatTransform(_Pieces):
    """Transforms of consecutive pieces along a dimension.

    Args:
        tseq: the transforms.
        dim: the dimension.
        lengths: the length of each piece; ones if not given.
        cache_size: 0 or 1.

    Raises:
        AssertionError: if something in `tseq` is no transform, or there are more or fewer lengths.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> d.CatTransform([d.ExpTransform(), d.identity_transform], lengths=[1, 2])(torch.zeros(3))
        tensor([1., 0., 0.])
    """

    def __init__(
        self, tseq: Sequence[Any], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})"
            )

    @lazy_property
    def event_dim(self) -> Any:
        """The most that any part has."""
        return max(t.event_dim for t in self.transforms)

    @lazy_property
    def length(self) -> Any:
        """The size along the dimension."""
        return sum(self.lengths)

    def _again(self, cache_size: int) -> Any:
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _expected(self) -> tuple[int, str]:
        return self.length, "length"

    def _pieces(self, value: Any) -> Any:
        return value.split(self.lengths, self.dim)

    def _joined(self, pieces: list[Any]) -> Any:
        return cat(pieces, self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        terms = [
            sum_rightmost(term, max(self.event_dim - t.event_dim, 0))
            for t, term in zip(self.transforms, self._determinants(x, y), strict=True)
        ]
        # The dimension, counted from the last one that does not belong to a value; beyond it, pieces add up.
        dim = (self.dim if self.dim < 0 else self.dim - x.dim()) + self.event_dim
        return cat(terms, dim) if dim < 0 else sum(terms)

    @constraints.dependent_property
    def domain(self) -> Any:
        """What the parts take, piece by piece."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """What the parts give, piece by piece."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Pieces):
    """A transform for each slice along a dimension.

    Args:
        tseq: the transforms.
        dim: the dimension.
        cache_size: 0 or 1.

    Raises:
        AssertionError: if something in `tseq` is no transform.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> d.StackTransform([d.ExpTransform(), d.identity_transform], dim=1)(torch.zeros(2, 2))
        tensor([[1., 0.],
                [1., 0.]])
    """

    def __init__(self, tseq: Sequence[Any], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(tseq, dim, cache_size)

    def _again(self, cache_size: int) -> Any:
        return StackTransform(self.transforms, self.dim, cache_size)

    def _expected(self) -> tuple[int, str]:
        return len(self.transforms), "len(transforms)"

    def _pieces(self, value: Any) -> Any:
        return value.unbind(self.dim)

    def _joined(self, pieces: list[Any]) -> Any:
        return stack(pieces, self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self._joined(self._determinants(x, y))

    @constraints.dependent_property
    def domain(self) -> Any:
        """What the parts take, slice by slice."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """What the parts give, slice by slice."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
