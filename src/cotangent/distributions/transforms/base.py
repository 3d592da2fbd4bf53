"""Transforms of random variables: what all share, inverses, chains, and more event dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ...functions import zeros_like
from .. import constraints
from ..utils import lazy_property, sum_rightmost

__all__ = ["ComposeTransform", "IndependentTransform", "Transform", "identity_transform"]


class Transform:
    """A function with a Jacobian determinant, and often an inverse.

    Subclasses give `_call`, `_inverse` and `log_abs_det_jacobian`, and say their `domain` and `codomain`.
    With a cache of one, calling the inverse with the very tensor that a call returned gives the argument
    back.

    Args:
        cache_size: 0 or 1.

    Raises:
        ValueError: for another size.

    Example:
        >>> import cotangent as torch
        >>> exp = torch.distributions.ExpTransform()
        >>> x = torch.tensor(2.0)
        >>> exp(x), exp.inv(exp(x)), exp.log_abs_det_jacobian(x, exp(x))
        (tensor(7.3891), tensor(2.), tensor(2.))
    """

    bijective: Any = False
    domain: Any
    codomain: Any

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError("cache_size must be 0 or 1")
        self._cache_size = cache_size
        self._inv: Any = None
        if cache_size:
            self._cached_x_y: tuple[Any, Any] = (None, None)
        super().__init__()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_inv": None}

    @property
    def event_dim(self) -> int:
        """The dimensions of a value, where arguments and results have the same."""
        found: int = self.domain.event_dim
        if found == self.codomain.event_dim:
            return found
        raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")

    @property
    def inv(self) -> Any:
        """The inverse transform, whose inverse is this very one."""
        if self._inv is None:
            self._inv = _InverseTransform(self)
        return self._inv

    @property
    def sign(self) -> Any:
        """Whether it grows (1) or falls (-1)."""
        raise NotImplementedError

    def with_cache(self, cache_size: int = 1) -> Any:
        """The same transform with a cache of that size.

        Args:
            cache_size: 0 or 1.

        Raises:
            NotImplementedError: if a subclass has another `__init__` and no `with_cache`.
        """
        if self._cache_size == cache_size:
            return self
        made = self._again(cache_size)
        if made is not None:
            return made
        if type(self).__init__ is Transform.__init__:
            return type(self)(cache_size=cache_size)
        raise NotImplementedError(f"{type(self)}.with_cache is not implemented")

    def _again(self, cache_size: int) -> Any:
        """This transform with another cache, where it has parameters."""
        return None

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return not self == other

    # Transforms are compared by what they do, so none of them can be a key.
    __hash__ = None  # type: ignore[assignment]

    def __call__(self, x: Any) -> Any:
        """The value at `x`, from the cache if it was asked for last."""
        if self._cache_size and self._cached_x_y[0] is x:
            return self._cached_x_y[1]
        y = self._call(x)
        if self._cache_size:
            self._cached_x_y = (x, y)
        return y

    def _inv_call(self, y: Any) -> Any:
        if self._cache_size and self._cached_x_y[1] is y:
            return self._cached_x_y[0]
        x = self._inverse(y)
        if self._cache_size:
            self._cached_x_y = (x, y)
        return x

    def _call(self, x: Any) -> Any:
        raise NotImplementedError

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """The logarithm of the absolute determinant of dy / dx, one for each value."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def forward_shape(self, shape: Any) -> Any:
        """The shape of the results for arguments of a shape."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """The shape of the arguments for results of a shape."""
        return shape


class _InverseTransform(Transform):
    """A transform read backwards."""

    def __init__(self, transform: Transform) -> None:
        super().__init__(cache_size=transform._cache_size)
        self._inv = transform

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """What the transform leads to."""
        return self._forward.codomain

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """Where the transform starts."""
        return self._forward.domain

    @property
    def _forward(self) -> Any:
        if self._inv is None:
            raise AssertionError("_inv must not be None")
        return self._inv

    @property
    def bijective(self) -> Any:
        """Whether the transform is one to one."""
        return self._forward.bijective

    @property
    def sign(self) -> Any:
        return self._forward.sign

    @property
    def inv(self) -> Any:
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Any:
        return self._forward.with_cache(cache_size).inv

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _InverseTransform) and bool(self._forward == other._inv)

    __hash__ = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inv!r})"

    def __call__(self, x: Any) -> Any:
        return self._forward._inv_call(x)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -self._forward.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Any) -> Any:
        return self._forward.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._forward.forward_shape(shape)


def _widened(base: Any, parts: Sequence[Any], start: int, first: str, last: str) -> Any:
    """The set at one end of a chain, with the event dimensions that the other parts need there.

    Goes through the parts from the other end, where values have `start` event dimensions.
    """
    dims = start
    for part in parts:
        here, there = getattr(part, first).event_dim, getattr(part, last).event_dim
        dims = max(dims + here - there, here)
    if dims < base.event_dim:
        raise AssertionError(f"event_dim {dims} must be >= {first}.event_dim {base.event_dim}")
    return constraints.independent(base, dims - base.event_dim) if dims > base.event_dim else base


class ComposeTransform(Transform):
    """Transforms one after another.

    Args:
        parts: the transforms, the first applied first.
        cache_size: 0 or 1, for all of them.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> d.ComposeTransform([d.AffineTransform(0.0, 2.0), d.ExpTransform()])(torch.tensor(0.5))
        tensor(2.7183)
    """

    def __init__(self, parts: Sequence[Any], cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = None

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """Where the first part starts."""
        if not self.parts:
            return constraints.real
        end = self.parts[-1].codomain.event_dim
        return _widened(self.parts[0].domain, self.parts[::-1], end, "domain", "codomain")

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """Where the last part leads."""
        if not self.parts:
            return constraints.real
        start = self.parts[0].domain.event_dim
        return _widened(self.parts[-1].codomain, self.parts, start, "codomain", "domain")

    @lazy_property
    def bijective(self) -> Any:
        """Whether all parts are one to one."""
        return all(part.bijective for part in self.parts)

    @lazy_property
    def sign(self) -> Any:
        """The product of the signs of all parts."""
        found: Any = 1
        for part in self.parts:
            found = found * part.sign
        return found

    @property
    def inv(self) -> Any:
        if self._inv is None:
            self._inv = ComposeTransform([part.inv for part in reversed(self.parts)])
            self._inv._inv = self
        return self._inv

    def _again(self, cache_size: int) -> Any:
        return ComposeTransform(self.parts, cache_size=cache_size)

    def __call__(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if not self.parts:
            return zeros_like(x)
        total: Any = None
        event_dim = self.domain.event_dim
        for i, part in enumerate(self.parts):
            after = y if i == len(self.parts) - 1 else part(x)
            before_dim, after_dim = part.domain.event_dim, part.codomain.event_dim
            term = sum_rightmost(part.log_abs_det_jacobian(x, after), event_dim - before_dim)
            total = term if total is None else total + term
            event_dim += after_dim - before_dim
            x = after
        return total

    def forward_shape(self, shape: Any) -> Any:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self) -> str:
        inner = ",\n    ".join(repr(part) for part in self.parts)
        return f"{type(self).__name__}(\n    {inner}\n)"


identity_transform: Final = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose values are arrays of the values of another one.

    Args:
        base_transform: the transform of each entry.
        reinterpreted_batch_ndims: how many more of the last dimensions belong to a value.
        cache_size: 0 or 1.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> x = torch.ones(3)
        >>> d.IndependentTransform(d.ExpTransform(), 1).log_abs_det_jacobian(x, x.exp())
        tensor(3.)
    """

    def __init__(self, base_transform: Any, reinterpreted_batch_ndims: int, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def _again(self, cache_size: int) -> Any:
        return IndependentTransform(
            self.base_transform, self.reinterpreted_batch_ndims, cache_size=cache_size
        )

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """Arrays of what the base transform takes."""
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """Arrays of what the base transform gives."""
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self) -> Any:
        """Whether the base transform is one to one."""
        return self.base_transform.bijective

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Any) -> Any:
        if x.dim() < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        if y.dim() < self.codomain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        each = self.base_transform.log_abs_det_jacobian(x, y)
        return sum_rightmost(each, self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_transform!r}, {self.reinterpreted_batch_ndims})"

    def forward_shape(self, shape: Any) -> Any:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.base_transform.inverse_shape(shape)
