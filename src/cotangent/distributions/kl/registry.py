"""Which function computes the divergence of two distributions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

_Pair = tuple[type, type]
_KL_REGISTRY: Final[dict[_Pair, Callable[[Any, Any], Any]]] = {}
# What was found for pairs of classes; None if there is nothing.
_KL_MEMOIZE: Final[dict[_Pair, Callable[[Any, Any], Any] | None]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """Say how the divergence of two families is computed; a decorator.

    The closest ancestors of the arguments' classes decide. Where the closest for the first argument and the
    closest for the second disagree, a RuntimeWarning asks for one more registration.

    Args:
        type_p: the class of the first distribution.
        type_q: the class of the second one.

    Raises:
        TypeError: if one of them is no class.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> class Mine(d.Normal):
        ...     pass
        >>> @d.register_kl(Mine, Mine)
        ... def of_mine(p, q):
        ...     return torch.tensor(42.0)
        >>> d.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0))
        tensor(42.)
    """
    for kind in (type_p, type_q):
        issubclass(kind, Distribution)

    def decorator(function: Any) -> Any:
        _KL_REGISTRY[type_p, type_q] = function
        _KL_MEMOIZE.clear()
        return function

    return decorator


def _closer(one: _Pair, other: _Pair) -> bool:
    """Whether a pair of ancestors is more specific, the first class counting first."""
    for x, y in zip(one, other, strict=True):
        if not issubclass(x, y):
            return False
        if x is not y:
            return True
    return False


def _closest(pairs: Sequence[_Pair]) -> _Pair:
    best = pairs[0]
    for pair in pairs[1:]:
        if _closer(pair, best):
            best = pair
    return best


def _dispatch_kl(type_p: type, type_q: type) -> Callable[[Any, Any], Any] | None:
    """The function for two classes."""
    found = [(p, q) for p, q in _KL_REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not found:
        return None
    left = _closest(found)
    right_q, right_p = _closest([(q, p) for p, q in found])
    by_left, by_right = _KL_REGISTRY[left], _KL_REGISTRY[right_p, right_q]
    if by_left is not by_right:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please "
            f"register_kl({left[0].__name__}, {right_q.__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return by_left


def kl_divergence(p: Any, q: Any) -> Any:
    """The Kullback-Leibler divergence, the mean of log p(X) - log q(X) for X drawn from p.

    Args:
        p: a distribution.
        q: a distribution.

    Returns:
        a tensor of the broadcast batch shape.

    Raises:
        NotImplementedError: if there is no formula for the two families.

    Example:
        >>> import cotangent as torch
        >>> d = torch.distributions
        >>> d.kl_divergence(d.Normal(0.0, 1.0), d.Normal(1.0, 1.0))
        tensor(0.5000)
    """
    pair = type(p), type(q)
    if pair not in _KL_MEMOIZE:
        _KL_MEMOIZE[pair] = _dispatch_kl(*pair)
    function = _KL_MEMOIZE[pair]
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return function(p, q)
