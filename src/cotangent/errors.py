"""Argument checks whose messages are PyTorch's; cheap when nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any, Final, NoReturn, TypeVar

E = TypeVar("E", bound=BaseException)

# What reading a tensor of the device "meta" is told.
NO_DATA: Final = "Cannot copy out of meta tensor; no data!"


class _Explainer:
    """What adds an explanation to an error; `autograd.notes`, three floors up, enters itself here."""

    __slots__ = ("add", "arguments", "histories", "position_of")

    add: Callable[[BaseException, str, dict[str, Any]], None]
    # the names of function and position of an argument as messages have them
    position_of: Callable[[str, str, int], tuple[str, int]]
    # the text of an argument error, or that of what PyTorch complains of before
    arguments: Callable[[str], str]
    histories: Callable[[], None]  # raises what PyTorch raises before it looks at arguments


explainer: Final = _Explainer()


def noted(error: E, kind: str, **values: Any) -> E:
    """`error`, with the note of this kind (see autograd/note_texts.py) for the user's current line."""
    explainer.add(error, kind, values)
    return error


def after_histories(error: E) -> E:
    """`error`, which PyTorch raises only if the histories of the tensors at hand are in order."""
    explainer.histories()
    return error


def type_name(value: object) -> str:
    """A value's type as PyTorch's argument errors print it."""
    kind = type(value)
    if kind is FunctionType and str(value.__module__).startswith(("cotangent", "torch")):
        return "builtin_function_or_method"  # what PyTorch's own functions are
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


def bad_argument(function: str, argument: str, position: int, wanted: str, value: object) -> NoReturn:
    """Raise PyTorch's TypeError for an argument of the wrong type.

    `position` counts from 1; it is what is told where the call itself does not show it.
    """
    function, position = explainer.position_of(function, argument, position)
    raise unfit(
        f"{function}(): argument '{argument}' (position {position}) must be {wanted}, not {type_name(value)}"
    )


def unfit(text: str) -> TypeError:
    """The error for arguments that the function which is being called does not take.

    Args:
        text: what it says unless PyTorch would have complained of something else before.
    """
    return TypeError(explainer.arguments(text))


def explained(error: Exception) -> Exception:
    """What PyTorch raises for the arguments of the call that ended with `error`; itself if it takes them."""
    text = explainer.arguments("")
    return TypeError(text) if text else error


def narrow_int(value: Any) -> int:
    """`value` as a number that C's `int` can hold.

    Raises:
        ValueError: if it cannot, with PyTorch's text.
    """
    number: int = value.__index__()
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("Overflow when unpacking long long")
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError("Overflow when unpacking long")
    return number


def check_dim(dim: int, ndim: int) -> int:
    """`dim` counted from the front; 0-d tensors accept 0 and -1.

    Raises:
        IndexError: if out of range.
    """
    n = ndim or 1
    try:
        if dim.__class__ is not int:
            dim = _read(dim)
        if -n <= dim < n:
            return dim + n if dim < 0 else dim
    except (TypeError, RuntimeError) as error:  # no int
        raise explained(error) from None
    raise after_histories(
        IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    )


def _read(dim: Any) -> Any:
    """The number of a tensor that stands for an int; anything else as it is."""
    if not hasattr(dim, "_data"):
        return dim
    if dim.ndim or dim.requires_grad:
        raise TypeError(f"dim must be int, not {type_name(dim)}")
    return dim.__index__()


def dims_of(dims: Any) -> tuple[Any, ...]:
    """Dims given as one or as a sequence; a tensor without dimensions is one."""
    if isinstance(dims, int) or (hasattr(dims, "_data") and not dims.ndim):
        return (dims,)
    return tuple(dims)


def check_dims(dims: int | Iterable[int], ndim: int) -> tuple[int, ...]:
    """Several dims counted from the front, each at most once.

    Raises:
        IndexError: if one is out of range.
        RuntimeError: if one appears twice.
    """
    try:
        out = tuple(check_dim(d, ndim) for d in dims_of(dims))
    except TypeError as error:
        raise explained(error) from None
    if len(set(out)) != len(out):
        twice = next(d for i, d in enumerate(out) if d in out[:i])
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return out


def check_broadcast(shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The common shape.

    Raises:
        RuntimeError: naming the sizes that do not match.
    """
    out = tuple(shapes[0])
    for shape in shapes[1:]:
        n = max(len(out), len(shape))
        a = (1,) * (n - len(out)) + out
        b = (1,) * (n - len(shape)) + tuple(shape)
        for d in range(n - 1, -1, -1):
            if a[d] != b[d] and a[d] != 1 and b[d] != 1:
                raise RuntimeError(
                    f"The size of tensor a ({a[d]}) must match the size of tensor b ({b[d]}) at "
                    f"non-singleton dimension {d}"
                )
        out = tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))
    return out


def sizes(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given as separate ints or as one sequence."""
    if len(args) == 1 and not isinstance(args[0], int) and hasattr(args[0], "__iter__"):
        args = tuple(args[0])
    return tuple(int(n) if type(n) is int else n.__index__() for n in args)


class LinAlgError(RuntimeError):
    """What `torch.linalg` raises when the numbers of a matrix rule out an answer (it is singular, say)."""


# PyTorch's tracebacks and messages name its own class by this path.
LinAlgError.__module__ = "torch._C"
LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"
