"""What all distributions have in common."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Final, NoReturn

from ..autograd.modes import no_grad
from ..functions import exp
from ..size import Size
from ..tensor import Tensor
from . import constraints
from .utils import holds, lazy_property

__all__ = ["Distribution"]

_SCALAR: Final = Size()


class _Undefined:
    """An attribute that a subclass has to define."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        raise NotImplementedError

    def __set__(self, instance: Any, value: Any) -> NoReturn:
        raise AttributeError("can't set attribute")


class Distribution:
    """A random variable, or an array of independent ones.

    A family says what it consists of in its class statement: `parameters` are tensors that begin with the
    batch shape, `parts` are distributions over (at least) it, and `carried` is everything else an instance
    needs. `expand` follows from that.

    Args:
        batch_shape: shape of the array of distributions.
        event_shape: shape of one value.
        validate_args: whether parameters and values are checked; None takes the default.

    Raises:
        ValueError: if a parameter lies outside of the set that `arg_constraints` names.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.Normal(torch.zeros(3), 1.0).batch_shape
        torch.Size([3])
    """

    arg_constraints: ClassVar[Any] = _Undefined()
    support: ClassVar[Any] = _Undefined()
    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__
    # The family that a class belongs to and what its instances consist of.
    _family: ClassVar[Any] = None
    _parameters: ClassVar[tuple[str, ...]] = ()
    _parts: ClassVar[tuple[str, ...]] = ()
    _carried: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls, parameters: str | None = None, parts: str = "", carried: str = "", **others: Any
    ) -> None:
        super().__init_subclass__(**others)
        if parameters is not None:
            cls._family = cls
            cls._parameters = tuple(parameters.split())
            cls._parts = tuple(parts.split())
            cls._carried = tuple(carried.split())

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Say whether distributions check by default."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Any = _SCALAR,
        event_shape: Any = _SCALAR,
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self) -> None:
        try:
            wanted = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        for name, constraint in wanted.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name), lazy_property):
                continue
            value = getattr(self, name)
            if not holds(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
                    f"distribution {self!r} to satisfy the constraint {constraint!r}, but found invalid "
                    f"values:\n{value}"
                )

    @property
    def batch_shape(self) -> Size:
        """Shape of the array of distributions."""
        found: Size = self._batch_shape
        return found

    @property
    def event_shape(self) -> Size:
        """Shape of one value."""
        found: Size = self._event_shape
        return found

    @property
    def mean(self) -> Any:
        """The expectation."""
        raise NotImplementedError

    @property
    def mode(self) -> Any:
        """The most likely value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.variance.sqrt()

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its parameters expanded to a larger array.

        Args:
            batch_shape: shape of that array.
            _instance: the object to fill in, for subclasses with an `__init__` of their own.

        Returns:
            a distribution of the same class, whose parameters share memory with these.

        Raises:
            NotImplementedError: if a subclass has another `__init__` and no `expand`.
        """
        if self._family is None:
            raise NotImplementedError
        new = self._get_checked_instance(self._family, _instance)
        shape = Size(batch_shape)
        self._expand_into(new, shape)
        Distribution.__init__(new, shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _expand_into(self, new: Any, shape: Size) -> None:
        """Give `new` what this instance consists of, expanded to the batch shape."""
        own, before = self.__dict__, len(self._batch_shape)
        for name in self._parameters:
            if name in own:
                setattr(new, name, own[name].expand((*shape, *own[name].shape[before:])))
        for name in self._parts:
            part = own[name]
            setattr(new, name, part.expand(Size((*shape, *part.batch_shape[before:]))))
        for name in self._carried:
            if name in own:
                setattr(new, name, own[name])

    def _get_checked_instance(self, cls: Any, _instance: Any = None) -> Any:
        """The object that `expand` fills in."""
        if _instance is None and type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method "
                "must also define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def sample(self, sample_shape: Any = _SCALAR) -> Any:
        """Random values, of shape `sample_shape + batch_shape + event_shape`."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = _SCALAR) -> Any:
        """Random values that gradients flow through to the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Any:
        """The former way to say `sample((n,))`."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density or probability of values."""
        raise NotImplementedError

    def cdf(self, value: Any) -> Any:
        """The probability of a value that is not larger."""
        raise NotImplementedError

    def icdf(self, value: Any) -> Any:
        """The value below which there is the given probability."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values of a discrete distribution, along the first dimension."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """The entropy in nats."""
        raise NotImplementedError

    def perplexity(self) -> Any:
        """The exponential of the entropy."""
        return exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = _SCALAR) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _along_batch(self, values: Any, expand: bool) -> Any:
        """The values of a support, one dimension, in front of the batch dimensions."""
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values

    def _checked(self, value: Any) -> None:
        """Check a value where that is asked for."""
        if self._validate_args:
            self._validate_sample(value)

    def _validate_sample(self, value: Any) -> None:
        """Refuse what is no tensor, does not fit the shapes or lies outside of the support."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        given, event = value.shape, self._event_shape
        if given[len(given) - len(event) :] != event:
            raise ValueError(f"The right-most size of value must match event_shape: {given} vs {event}.")
        wanted = self._extended_shape()
        if any(1 not in (i, j) and i != j for i, j in zip(given[::-1], wanted[::-1], strict=False)):
            raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {given} vs {wanted}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please initialize "
                "the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not holds(support.check(value)):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(given)}) to be within the "
                f"support ({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        own = self.__dict__
        shown = ((n, own[n]) for n in self.arg_constraints if n in own)
        texts = (f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in shown)
        return f"{type(self).__name__}({', '.join(texts)})"
