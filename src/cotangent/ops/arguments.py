"""Sizes and dims as callers write them: separate ints, one sequence, tensors of one int; PyTorch's errors."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeVar

import numpy as np

from .. import dtypes, lazy
from ..config import warn_caller_once
from ..errors import bad_argument, explainer, type_name, unfit
from .table import Primitive, constant, deliver, is_array, is_tensor

sparse_checks: Any = lazy.module("cotangent.kernels.sparse_checks")


class _Required:
    """Stands where a required argument was left out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<required>"


REQUIRED: Final = _Required()
NUMBER: Final = (int, float, complex, np.number, np.bool_)


def plain(value: Any) -> Any:
    """NumPy's scalars as Python's numbers; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def as_number(function: str, argument: str, position: int, value: Any, kind: str = "Number") -> Any:
    """`value`, or the number of a 0-d tensor, which PyTorch takes where it wants a number.

    Args:
        function: whose argument it is, for the error.
        argument: its name.
        position: where it stands; 0 if it is given by name.
        value: a number or a tensor; anything else is left to the caller.
        kind: what the function wants, as PyTorch has it.

    Raises:
        TypeError: for tensors that have dimensions or require a gradient.
    """
    if not is_tensor(value):
        return value
    if value.ndim or value.requires_grad or not is_array(value._data):
        if position:
            bad_argument(function, argument, position, kind, value)
        raise unfit(f"{function}(): argument '{argument}' must be {kind}, not Tensor")
    return value.item()


def missing(function: str, *names: str) -> NoReturn:
    """Raise PyTorch's TypeError for required arguments that were left out."""
    listed = ", ".join(f'"{name}"' for name in names)
    plural = "s" if len(names) == 1 else ""  # the other way round than one would think
    raise unfit(f"{function}() missing {len(names)} required positional argument{plural}: {listed}")


def too_many(function: str, takes: int, more: tuple[Any, ...]) -> NoReturn:
    """Raise the TypeError for `more` positional arguments than the function takes."""
    raise unfit(
        f"{function}() takes {takes} positional argument{'s' * (takes != 1)} but {takes + len(more)} were "
        "given"
    )


def warn_of_old_order(name: str, factor: str, *tensors: str) -> None:
    """Warn of a call in PyTorch's old order, in which a number stands before the last tensors.

    Args:
        name: of the function; in-place forms end in an underscore.
        factor: name of the number.
        tensors: names of the last tensors.
    """
    last = ", ".join(f"Tensor {t}" for t in tensors)
    first, out = ("", "") if name.endswith("_") else ("Tensor input, ", ", Tensor out = None")
    warn_caller_once(
        f"This overload of {name} is deprecated:\n\t{name}({first}Number {factor}, {last}"
        f"{out and ', *' + out})\nConsider using one of the following signatures instead:\n\t"
        f"{name}({first}{last}, *, Number {factor} = 1{out})"
    )


def with_numbers(
    op: Primitive, tensors: tuple[Any, ...], statics: tuple[Any, ...], suffix: str = ""
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The operands of a call, with numbers where 0-d tensors stand for them.

    So in PyTorch's old order, `add(input, alpha, other)`, of which is warned.

    Args:
        suffix: "_" of in-place forms, for messages.
    """
    for value in statics:
        if value.__class__ is not int and value.__class__ is not float and is_tensor(value):
            break
    else:
        return tensors, statics
    factor: Any = tensors[-1] if op.old_order else None
    if is_tensor(factor) and not (factor.ndim or factor.requires_grad):
        factor = factor.item()
    if isinstance(factor, NUMBER):
        warn_of_old_order(op.public + suffix, op.old_order, op.tensors[-1])
        return (*tensors[:-1], statics[0]), (factor, *statics[1:])
    name, first = op.public + suffix, len(op.tensors) + 1
    given = zip(op.statics, statics, strict=True)
    read = (as_number(name, s, 0 if op.defaults else k, value) for k, (s, value) in enumerate(given, first))
    return tensors, tuple(read)


# Copies of functions for in-place forms have "_" in its place.
IN_PLACE: Final = ""


def in_old_order(name: str, names: tuple[str, str], given: tuple[Any, ...]) -> tuple[Any, ...]:
    """(input, one tensor, the other, beta, alpha) of a call like `addmm(beta, input, alpha, mat1, mat2)`.

    Methods leave the input out, and both may leave out `alpha`: PyTorch's old order.

    Args:
        name: of the function.
        names: those of the two tensors.
        given: the arguments.

    Raises:
        TypeError: if these are no arguments in the old order.
    """
    method = is_tensor(given[0])
    head, (one, other) = given[:-2], given[-2:]
    if method:
        head = (head[1], head[0], *head[2:])
    beta, input, alpha = head if len(head) == 3 else (*head, 1)
    if len(given) > 5 or is_tensor(beta) or is_tensor(alpha) or not is_tensor(other):
        too_many(name, 3, given[3:])
    last = f"Tensor {names[0]}, Tensor {names[1]}"
    out = "" if method else ", Tensor out = None"
    taken = "Number beta, " + ("" if method else "Tensor input, ")
    taken += "Number alpha, " * (len(given) == 5) + last + ("" if method else ", *" + out)
    first = "" if method else "Tensor input, "
    wanted = f"{name}({first}{last}, *, Number beta = 1, Number alpha = 1{out})"
    if not method and name in ("addmm", "baddbmm"):
        wanted += (
            f"\n\t{name}({first}{last}, torch.dtype out_dtype, *, Number beta = 1, Number alpha = 1{out})"
        )
    warn_caller_once(
        f"This overload of {name} is deprecated:\n\t{name}({taken})\nConsider using one of the following "
        f"signatures instead:\n\t{wanted}"
    )
    return input, one, other, beta, alpha


def no_match(function: str, given: tuple[Any, ...], *signatures: str, **named: Any) -> NoReturn:
    """Raise PyTorch's TypeError for arguments (by position, by name) that fit none of several signatures."""
    shown = [type_name(value) for value in given] + [f"{k}={type_name(v)}" for k, v in sorted(named.items())]
    got = ", ".join(shown) + (", " if named and not given else "")
    listed = "".join(f" * ({s})\n" + ("" if named else _unfit(s, given)) for s in signatures)
    raise unfit(
        f"{function}() received an invalid combination of arguments - got ({got}), but expected one "
        f"of:\n{listed}"
    )


def _unfit(signature: str, given: tuple[Any, ...]) -> str:
    """The line with which PyTorch marks the arguments that do not fit, where their number does."""
    wanted = signature.split(", ") if signature else []
    if len(wanted) != len(given):
        return ""
    marked = [
        _shown(value) if _of_kind(value, kind) else f"!{_shown(value)}!"
        for value, kind in zip(given, wanted, strict=True)
    ]
    return f"      didn't match because some of the arguments have invalid types: ({', '.join(marked)})\n"


def _shown(value: Any) -> str:
    """A value's type, of lists and tuples with those of their elements."""
    name = type_name(value)
    if not isinstance(value, (list, tuple)) or name not in ("list", "tuple"):
        return name
    of = " of ({})" if name == "tuple" else " of [{}]"
    return name + of.format(", ".join(map(type_name, value)))


def _of_kind(value: Any, kind: str) -> bool:
    if kind.startswith("tuple of ints"):
        return isinstance(value, (tuple, list)) and all(type_name(v) == "int" for v in value)
    return type_name(value) == kind.partition(" ")[0]


_Function = TypeVar("_Function", bound=Callable[..., Any])
_NUMPY: Final = {"axis": "dim", "keepdims": "keepdim"}


def renamed(function: str, numpy: dict[str, Any], **given: Any) -> dict[str, Any]:
    """The arguments of a function with those that came under NumPy's names.

    Args:
        function: name for messages.
        numpy: what came under other names than the function's own.
        given: the function's arguments.
    """
    for key, value in numpy.items():
        if _NUMPY.get(key) not in given:
            raise unfit(f"{function}() got an unexpected keyword argument '{key}'")
        given[_NUMPY[key]] = value
    return given


def copied(input: Any, other: Any) -> Any:
    """The tensor that `copy_` writes into `input`; it may be given a number."""
    if is_tensor(other):
        if is_array(input._data) and isinstance(getattr(other._data, "sparse_dim", None), int):
            sparse_checks.check_copy(input._data, other._data)
        return other
    if other is REQUIRED:
        raise unfit(
            "copy_() received an invalid combination of arguments - got (), but expected (Tensor other, bool "
            "non_blocking = False)"
        )
    if not isinstance(other, NUMBER):
        bad_argument("copy_", "other", 1, "Tensor", other)
    return constant(np.asarray(other))


def numpy_named(function: _Function) -> _Function:
    """The function, which takes `dim` and `keepdim` under NumPy's names, too: `axis` and `keepdims`."""
    names = {key: name for key, name in _NUMPY.items() if name in function.__code__.co_varnames}

    @functools.wraps(function)
    def named(*args: Any, **kwargs: Any) -> Any:
        for key in names.keys() & kwargs.keys():
            kwargs[names[key]] = kwargs.pop(key)
        return function(*args, **kwargs)

    return named  # type: ignore[return-value]


def integer(function: str, argument: str, position: int, value: Any) -> int:
    """An int argument, also given as a tensor of one integer.

    Raises:
        TypeError: if it is left out or of another type.
    """
    kind = value.__class__
    if kind is int:
        return value  # type: ignore[no-any-return]
    if value is REQUIRED:
        missing(function, argument)
    found = _index(value)
    if found is None:
        bad_argument(function, argument, position, "int", value)
    return found


def _index(value: Any) -> int | None:
    """`value` as an int if PyTorch takes it for one."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or getattr(value, "ndim", 0) != 0:
        return None
    try:
        return int(value.__index__())
    except TypeError:
        return None


def integers(function: str, argument: str, args: Any, position: int = 1) -> tuple[int, ...]:
    """Ints given separately or as one sequence (`args` is what `*args` caught).

    Raises:
        TypeError: if there are none, or one of them is no int.
    """
    if len(args) == 1:
        first = args[0]
        kind = first.__class__
        if kind is int:
            return args  # type: ignore[no-any-return]
        if first is REQUIRED:
            missing(function, argument)
        if isinstance(first, (tuple, list)):
            args = tuple(first)
        else:
            found = _index(first)
            if found is None:
                bad_argument(function, argument, position, "tuple of ints", first)
            return (found,)
        given = True
    elif not args:
        missing(function, argument)
    else:
        given = False
    for n in args:
        if n.__class__ is not int:
            return _converted(function, argument, args, position, given)
    return args  # type: ignore[no-any-return]


def _converted(
    function: str, argument: str, args: tuple[Any, ...], position: int, given: bool
) -> tuple[int, ...]:
    found = [_index(n) for n in args]
    if None not in found:
        return tuple(found)  # type: ignore[arg-type]
    at = found.index(None)
    if at == 0 and not given:
        raise unfit(f"{function}() takes 1 positional argument but {len(args)} were given")
    if at == 0:
        function, position = explainer.position_of(function, argument, position)
        raise unfit(
            f"{function}(): argument '{argument}' (position {position}) must be tuple of ints, but found "
            f"element of type {type_name(args[0])} at pos 0"
        )
    raise unfit(
        f"{function}(): argument '{argument}' failed to unpack the object at pos {at + 1} with error \"type "
        "must be "
        f'tuple of ints,but got {type_name(args[at])}"'
    )


def rank(function: str, input: Any) -> int:
    """The number of dimensions of the tensor `input`.

    Raises:
        TypeError: if it is no tensor.
    """
    try:
        return len(input._data.shape)
    except AttributeError:
        bad_argument(function, "input", 1, "Tensor", input)


def whole(*values: Any) -> bool:
    """Whether PyTorch takes all of them for ints."""
    return all(_index(value) is not None for value in values)


# The names of element types as C++ compilers print them.
_COMPILER_NAME: Final = {
    dtypes.uint8: "unsigned char", dtypes.int8: "signed char", dtypes.int16: "short int",
    dtypes.int64: "long int",
}  # fmt: skip


def compiler_name(d: dtypes.dtype) -> str:
    """A dtype as some of PyTorch's messages name it ("long int")."""
    return _COMPILER_NAME.get(d, dtypes.CPP_NAME[d])


DTYPE_DIFFERS: Final = "Expected out tensor to have dtype {cpp}, but got {cpp_out} instead"


def deliver_exact(
    function: str, value: Any, out: Any, error: str = DTYPE_DIFFERS, apart: tuple[Any, ...] = ()
) -> Any:
    """`deliver` for operations whose `out=` must have the dtype of the result (of the first, of several).

    Args:
        function: name for messages.
        value: the result, or a tuple of results.
        out: None, or where to store it.
        error: the RuntimeError's text; may name the dtypes as C++ does ({cpp}, {cpp_out}) or as PyTorch's
            scalar types ({kind}, {kind_out}).
        apart: operands that PyTorch reads while it writes, so that they may not share memory with `out`.
    """
    if out is None:
        return value
    first, given = (value[0], out[0]) if isinstance(value, tuple) else (value, out)
    if given.dtype is not first.dtype:
        raise RuntimeError(
            error.format(
                cpp=compiler_name(first.dtype), cpp_out=compiler_name(given.dtype),
                kind=dtypes.SCALAR_NAME[first.dtype], kind_out=dtypes.SCALAR_NAME[given.dtype],
            )
        )  # fmt: skip
    if isinstance(value, tuple):
        for made, place in zip(value[1:], out[1:], strict=False):
            if place.dtype is not made.dtype:
                raise RuntimeError(
                    DTYPE_DIFFERS.format(cpp=compiler_name(made.dtype), cpp_out=compiler_name(place.dtype))
                )
    apart_from(given, apart)
    return deliver(function, value, out)


_OVERLAPS: Final = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
    "memory location. Please clone() the tensor before performing the operation."
)


def apart_from(out: Any, operands: Sequence[Any]) -> None:
    """Raise PyTorch's error where `out=` shares memory with an operand that is read while it is written."""
    for operand in operands if out is not None else ():
        if is_array(operand._data) and is_array(out._data) and np.shares_memory(operand._data, out._data):
            raise RuntimeError(_OVERLAPS)


def same_out(input: Any, out: Any) -> None:
    """Raise what PyTorch raises where `out=` must have the dtype of the input."""
    if out is not None and out.dtype is not input.dtype:
        raise RuntimeError(
            f"Expected out tensor to have dtype {compiler_name(input.dtype)}, but got "
            f"{compiler_name(out.dtype)} instead"
        )


def fitted(found: Any, out: Any) -> Any:
    """Numbers in a row in the shape of `out=`, if it has as many elements; else `out` gets another size."""
    if out.numel() == found.numel():
        return found.reshape(out.shape)
    if out.numel():
        count = found.numel()
        warnings.warn(
            f"The number of elements in the out tensor of shape {list(out.shape)} is {out.numel()} which "
            f"does not "
            f"match the computed number of elements {count}. Note that this may occur as a result of "
            f"rounding "
            f"error. The out tensor will be resized to a tensor of shape ({count},).",
            stacklevel=4,
        )
        out.resize_(count)
    return found
