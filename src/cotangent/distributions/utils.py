"""What distributions share: parameters of one shape, probabilities and logits, properties computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from numbers import Number
from typing import Any, Final

from ..autograd.modes import enable_grad
from ..config import get_default_dtype
from ..dtypes import finfo
from ..functions import arange, broadcast_tensors, log, log1p, normal, ones, sigmoid, softmax, tensor, zeros
from ..tensor import Tensor

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits",
    "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip

# The limit of 1 + 1/2 + ... + 1/n - log(n); OEIS A001620.
euler_constant: Final = 0.57721566490153286060


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "__torch_function__")


def broadcast_all(*values: Any) -> Any:
    """Tensors of one shape; numbers take the dtype of the first tensor, or the default one.

    Args:
        values: numbers and tensors.

    Returns:
        a tensor for each.

    Raises:
        ValueError: if a value is neither.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributions.utils import broadcast_all
        >>> broadcast_all(1, torch.zeros(2))
        (tensor([1., 1.]), tensor([0., 0.]))
    """
    if not all(_is_tensor(v) or isinstance(v, Number) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
            "__torch_function__."
        )
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), get_default_dtype())
    return broadcast_tensors(*(v if _is_tensor(v) else tensor(v, dtype=dtype) for v in values))


def holds(checked: Any) -> bool:
    """Whether all elements of a check are true: over a whole batch, inside vmap."""
    while checked._level:
        inner = checked._data
        checked = getattr(inner, "value", getattr(inner, "primal", inner))
    return bool(checked.all())


def sum_rightmost(value: Any, dims: int) -> Any:
    """The sum over the last `dims` dimensions."""
    return value.reshape((*value.shape[: value.dim() - dims], -1)).sum(-1) if dims else value


_sum_rightmost = sum_rightmost  # the name that libraries import


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Any:
    """Standard normal numbers, as distributions of the normal family draw them; libraries import it."""
    return normal(zeros(shape, dtype=dtype, device=device), ones(shape, dtype=dtype, device=device))


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities from logits.

    Args:
        logits: log odds, or logarithms of weights in the last dimension.
        is_binary: whether they are log odds.

    Returns:
        a tensor like `logits`.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.utils.logits_to_probs(torch.zeros(2))
        tensor([0.5000, 0.5000])
    """
    return sigmoid(logits) if is_binary else softmax(logits, -1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities, kept away from 0 and 1 by one rounding error.

    Args:
        probs: any shape.

    Returns:
        a tensor like `probs`.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.utils.clamp_probs(torch.tensor(0.0))
        tensor(1.1921e-07)
    """
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Logits from probabilities.

    Args:
        probs: probabilities, of one outcome or of all in the last dimension.
        is_binary: whether they are of one outcome, which makes log odds of them.

    Returns:
        a tensor like `probs`.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.utils.probs_to_logits(torch.tensor(0.5), is_binary=True)
        tensor(0.)
    """
    inside = clamp_probs(probs)
    return log(inside) - log1p(-inside) if is_binary else log(inside)


class lazy_property:
    """A property that is computed, with gradients recorded, when first read, and then is an attribute.

    Args:
        wrapped: the method that computes it.

    Example:
        >>> from cotangent.distributions.utils import lazy_property
        >>> class Answer:
        ...     @lazy_property
        ...     def value(self):
        ...         return 42
        >>> answer = Answer()
        >>> answer.value, vars(answer)
        (42, {'value': 42})
    """

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return _ReadOnClass(self.wrapped)
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _ReadOnClass(lazy_property, property):
    """What a class shows of a lazy property: a property, as documentation tools expect."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        property.__init__(self, wrapped)


def _lower_mask(n: int, diag: int) -> Any:
    places = arange(n)
    return places < places.view(-1, 1) + (diag + 1)


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The lower triangles of square matrices, row by row.

    Args:
        mat: (..., n, n).
        diag: the last diagonal that belongs to them; 0 is the main one.

    Returns:
        (..., elements).

    Raises:
        ValueError: if there is no such diagonal.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.utils.tril_matrix_to_vec(torch.tensor([[1, 2], [3, 4]]))
        tensor([1, 3, 4])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat[..., _lower_mask(n, diag)]


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """Square matrices with these lower triangles, and zeros above.

    Args:
        vec: (..., elements), row by row.
        diag: the last diagonal that is filled.

    Returns:
        (..., n, n).

    Raises:
        ValueError: if no n has that many elements.

    Example:
        >>> import cotangent as torch
        >>> torch.distributions.utils.vec_to_tril_matrix(torch.tensor([1.0, 2.0, 3.0]))
        tensor([[1., 0.],
                [2., 3.]])
    """
    # With s = 1 + 2 diag there are n (n + s) / 2 elements, less what diag > 0 would put beside the matrix.
    s = 1 + 2 * diag
    n = (-s + (s * s + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if round(n) - n > finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower "
            "triangular part of a square D x D matrix."
        )
    whole = round(n)
    mat = vec.new_zeros((*vec.shape[:-1], whole, whole))
    mat[..., _lower_mask(whole, diag)] = vec
    return mat
