"""Which transform leads from real numbers into a set: `biject_to` and `transform_to`.

`biject_to(set)` is one to one with a Jacobian determinant, for densities (Hamiltonian Monte Carlo,
variational inference); `transform_to(set)` only has to reach every point well, for optimisation, and may have
more parameters than the set has dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any, Final

from . import constraints
from .transforms import (
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    SigmoidTransform,
    SoftmaxTransform,
    StackTransform,
    StickBreakingTransform,
    identity_transform,
)

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]

_Factory = Callable[[Any], Any]


class ConstraintRegistry:
    """Transforms by the class of constraint that their values satisfy.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.biject_to(torch.distributions.constraints.simplex)
        StickBreakingTransform()
    """

    def __init__(self) -> None:
        self._registry: dict[type, _Factory] = {}
        super().__init__()

    def register(self, constraint: Any, factory: _Factory | None = None) -> Any:
        """Say how constraints of a class are reached.

        Args:
            constraint: a class of constraints, or one of them.
            factory: a function from a constraint to a transform; without it, a decorator is returned.

        Raises:
            TypeError: if `constraint` is neither.
        """
        if factory is None:
            return lambda given: self.register(constraint, given)
        if isinstance(constraint, constraints.Constraint):
            constraint = type(constraint)
        if not isinstance(constraint, type) or not issubclass(constraint, constraints.Constraint):
            raise TypeError(
                "Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint}"
            )
        self._registry[constraint] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        """The transform that leads into a set.

        Args:
            constraint: the set.

        Raises:
            NotImplementedError: if there is none.
        """
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to: Final = ConstraintRegistry()
transform_to: Final = ConstraintRegistry()


def _above(bounded: Any) -> Any:
    return ComposeTransform([ExpTransform(), AffineTransform(bounded.lower_bound, 1)])


def _below(bounded: Any) -> Any:
    return ComposeTransform([ExpTransform(), AffineTransform(bounded.upper_bound, -1)])


def _between(bounded: Any) -> Any:
    low, high = bounded.lower_bound, bounded.upper_bound
    unit: Any = (0, 1)
    if isinstance(low, Number) and isinstance(high, Number) and (low, high) == unit:
        return SigmoidTransform()
    return ComposeTransform([SigmoidTransform(), AffineTransform(low, high - low)])


def _fill(registry: ConstraintRegistry) -> None:
    """What both registries have; what they build on is looked up in the registry itself."""
    make = registry.register
    make(constraints.real, lambda c: identity_transform)
    make(
        constraints.independent,
        lambda c: IndependentTransform(registry(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    make(constraints.greater_than, _above)
    make(constraints.greater_than_eq, _above)
    make(constraints.less_than, _below)
    make(constraints.interval, _between)
    make(constraints.half_open_interval, _between)
    make(constraints.corr_cholesky, lambda c: CorrCholeskyTransform())
    make(constraints.cat, lambda c: CatTransform([registry(p) for p in c.cseq], c.dim, c.lengths))
    make(constraints.stack, lambda c: StackTransform([registry(p) for p in c.cseq], c.dim))


_fill(biject_to)
_fill(transform_to)
biject_to.register(constraints.simplex, lambda c: StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: LowerCholeskyTransform())
transform_to.register(constraints.positive_definite, lambda c: PositiveDefiniteTransform())
transform_to.register(constraints.positive_semidefinite, lambda c: PositiveDefiniteTransform())
